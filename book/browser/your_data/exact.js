// The exact posterior of the model on "Your data", to mark what was sampled: an integral over the spreads, by the
// trapezoidal rule in t, where a spread is x = c exp(t - exp(-t)); see helpers/exact/README.md.  It is computed a
// second time with fewer points and on another grid, and not given where the two differ.

(() => {
  const SCAN = 12; // points along an axis, to find where the posterior is
  const POINTS = { normal: [0, 60, 40, 32, 24], grid: [0, 40, 18] }; // at least, by the number of spreads
  const MORE = { normal: 0, grid: 1.5e8 }; // of the same as below, as long as it takes a second: twice the points at most
  const MOST = { normal: 2e7, grid: 4e8 }; // nodes, or steps of transforms, that take some seconds
  const SMALL = { normal: 1e-9, grid: [0, 1e-8, 1e-6] }; // of the highest density: what is below lies outside
  const FINE = { finer: 0.8, sds: 5.7, floor: 1e-15 };
  const COARSE = { finer: 0.7, sds: 5.2, floor: 1e-12 };
  const ROUGH = { finer: 0.5, sds: 5, floor: 1e-15, most: 512 }; // to look around
  // In sds.  Half of the points err by about the square root of what all of them do.
  const ENOUGH = { points: 0.03, grid: 1e-3 };
  const refuse = (reason) => course.refuse(`Not marked against the exact answer: ${reason}.`);

  // ---- tables of the density

  const evenly = (low, high, n) => Float64Array.from({ length: n }, (_, i) => low + (i * (high - low)) / (n - 1));

  // The t at which t - exp(-t) has a value
  function inverse(value) {
    let [low, high] = [-9, Math.max(value, 0) + 2];
    for (let i = 0; i < 60; i++) {
      const t = (low + high) / 2;
      if (t - Math.exp(-t) < value) low = t;
      else high = t;
    }
    return low;
  }

  // Points t of an axis, even from one logarithm of its spread to another; the spread there, and what each counts for
  function ruled({ low, high, peak, scale }, n) {
    const t = evenly(inverse(low - peak), inverse(high - peak), n);
    const toLog = (one) => peak + one - Math.exp(-one);
    const toT = (value) => inverse(Math.log(value) - peak);
    const x = t.map((one) => Math.exp(toLog(one)));
    return { t, x, scale, step: t[1] - t[0], counts: x.map((one, i) => one * (1 + Math.exp(-t[i]))), toT, toLog };
  }

  // Every other point of an axis
  const halved = ({ t, x, scale, step, counts }) => {
    const [half, some, those] = [t, x, counts].map((values) => values.filter((_, i) => i % 2 === 0));
    return { t: half, x: some, scale, step: 2 * step, counts: those };
  };

  // The weight of every point of the axes, σ first, and mean and variance of θ there
  async function tabulate(model, axes, { K, shared_tau, sigma }, breathe) {
    const N = axes.reduce((product, { x }) => product * x.length, 1);
    const table = { axes, log: new Float64Array(N), mean: new Float64Array(N), variance: new Float64Array(N) };
    table.places = axes.map(() => new Uint32Array(N));
    for (let i = 0; i < N; i++) {
      let rest = i;
      let log = 0;
      const spreads = Array(axes.length);
      for (let a = axes.length - 1; a >= 0; a--) {
        const { x, scale, counts, step } = axes[a];
        const place = rest % x.length;
        rest = (rest - place) / x.length;
        table.places[a][i] = place;
        spreads[a] = x[place];
        log += Math.log(counts[place] * step) - (x[place] / scale) ** 2 / 2;
      }
      const taus = shared_tau ? Array(K).fill(spreads.at(-1)) : spreads.slice(-K);
      const found = model(taus, sigma ? spreads[0] : 1);
      table.log[i] = log + found.log;
      table.mean[i] = found.mean;
      table.variance[i] = found.variance;
      await breathe();
    }
    const top = table.log.reduce((most, one) => Math.max(most, one), -Infinity);
    if (!Number.isFinite(top)) refuse("its numbers are too large or too small for the page");
    table.p = table.log.map((one) => (one > -Infinity ? Math.exp(one - top) : 0));
    return table;
  }

  function marginal({ axes, places, p }, a) {
    const found = new Float64Array(axes[a].x.length);
    p.forEach((one, i) => {
      found[places[a][i]] += one;
    });
    return found;
  }

  // [mean, sd] of θ and of the spreads, from all points or from those that `chosen` says
  function moments({ axes, places, p, mean, variance }, chosen = () => true) {
    const at = Array.from(p.keys()).filter(chosen);
    const total = at.reduce((sum, i) => sum + p[i], 0);
    const expect = (value) => at.reduce((sum, i) => sum + p[i] * value(i), 0) / total;
    const theta = expect((i) => mean[i]);
    const found = [[theta, Math.sqrt(expect((i) => variance[i] + (mean[i] - theta) ** 2))]];
    axes.forEach(({ x }, a) => {
      const centre = expect((i) => x[places[a][i]]);
      found.push([centre, Math.sqrt(expect((i) => (x[places[a][i]] - centre) ** 2))]);
    });
    return found;
  }

  // How far two of these are apart, in sds
  const apart = (one, other) =>
    Math.max(...one.flatMap(([mean, sd], i) => [mean - other[i][0], sd - other[i][1]].map((x) => Math.abs(x / sd))));

  // ---- where the posterior is

  // Between which points of an axis the posterior lies, and where, from one to the next, it falls below a small share
  function extent(table, a, small) {
    const { t, toLog } = table.axes[a];
    const p = marginal(table, a);
    const top = p.reduce((most, one) => Math.max(most, one));
    const isIn = (one) => one > small * top;
    const fall = (i) => Math.log(Math.max(p[i] / top, 1e-300) / (small / 3));
    const edge = (inside, outside) =>
      toLog(t[outside] + ((t[inside] - t[outside]) * fall(outside)) / (fall(outside) - fall(inside)));
    return { first: p.findIndex(isIn), last: p.findLastIndex(isIn), peak: toLog(t[p.indexOf(top)]), edge };
  }

  // Ranges of the logarithms of the spreads, wider or narrower until all that matters lies within.
  async function zoom(modelFor, axes, data, breathe) {
    for (let round = 0; round < 15; round++) {
      const table = await tabulate(
        modelFor(axes),
        axes.map((axis) => ruled(axis, SCAN)),
        data,
        breathe,
      );
      const looks = table.axes.map((_, a) => extent(table, a, data.small));
      const settled = looks.every(({ first, last }) => first > 0 && last < SCAN - 1 && last - first > SCAN / 2);
      const next = looks.map(({ first, last, peak, edge }, a) => {
        if (settled) return { ...axes[a], low: edge(first, first - 1), high: edge(last, last + 1), peak };
        const x = Array.from(table.axes[a].x, Math.log);
        return { ...axes[a], low: first ? x[first - 1] : x[0] - 2, high: x[last + 1] ?? x[last] + 1, peak };
      });
      axes = next;
      if (settled) return axes;
    }
    return refuse("the page does not find where it is");
  }

  // The range in which the half-normal prior of a spread lies, and where it may hide close to 0
  const start = (scale) => ({ scale, low: Math.log(scale) - 20, high: Math.log(6.5 * scale), peak: Math.log(scale) });

  const sharpest = (axes, { sigma }) => ({
    tau: Math.exp(Math.max(...axes.slice(sigma ? 1 : 0).map(({ high }) => high))),
    sigma: sigma ? Math.exp(axes[0].low) : 1,
  });

  // What the normal model takes of measurements
  function asNormal(data) {
    const n = Array(data.J.at(-1)).fill(0);
    const [y_mean, y_squares] = [n.slice(), n.slice()];
    data.leaf.forEach((j, i) => {
      n[j - 1] += 1;
      const away = data.y[i] - y_mean[j - 1];
      y_mean[j - 1] += away / n[j - 1];
      y_squares[j - 1] += away * (data.y[i] - y_mean[j - 1]);
    });
    return { ...data, n, y_mean, y_squares };
  }

  async function find(data, begin, breathe) {
    if (!data.family) return zoom(() => course.normalModel(data), begin, data, breathe);
    const rough = (axes) => course.gridModel(data, sharpest(axes, data), ROUGH);
    if (!data.sigma) return zoom(rough, begin, data, breathe);
    const model = course.normalModel(asNormal(data));
    const near = await zoom(() => model, begin, data, breathe);
    return zoom(
      rough,
      near.map((axis) => ({ ...axis, low: axis.low - 1, high: axis.high + 0.5 })),
      data,
      breathe,
    );
  }

  // ---- the answer

  // The integral of sin(x) / x from 0
  function sineIntegral(x) {
    if (x < 0) return -sineIntegral(-x);
    if (x > 18) {
      const [even, odd] = [
        1 - 2 / x ** 2 + 24 / x ** 4 - 720 / x ** 6,
        1 - 6 / x ** 2 + 120 / x ** 4 - 5040 / x ** 6,
      ];
      return Math.PI / 2 - (Math.cos(x) / x) * even - (Math.sin(x) / x ** 2) * odd;
    }
    let [term, total] = [x, x];
    for (let k = 3; Math.abs(term) > 1e-17; k += 2) {
      term *= (-x * x) / (k * (k - 1));
      total += term / k;
    }
    return total;
  }

  // The posterior probability that a spread is below a value, by sinc interpolation between points.
  function below(table, a, value) {
    const { t, step, toT } = table.axes[a];
    const p = marginal(table, a);
    const at = toT(value);
    let [part, total] = [0, 0];
    p.forEach((one, i) => {
      part += one * (0.5 + sineIntegral((Math.PI * (at - t[i])) / step) / Math.PI);
      total += one;
    });
    return Math.min(1, Math.max(0, part / total));
  }

  // The exact posterior for data of tree_marginal, tree or tree_family: [{name, mean, sd, below}], θ first, then every τ
  // and σ if there is one.  Fails with a sentence where it would take too long, or cannot be trusted.
  course.exact = async (flat, breathe = async () => {}) => {
    const data = { ...flat, sigma: !(flat.family > 1) };
    const kind = data.family ? "grid" : "normal";
    data.small = data.family ? SMALL.grid[data.prior_tau.length + Number(data.sigma)] : SMALL.normal;
    const begin = [...(data.sigma ? [data.prior_sigma] : []), ...data.prior_tau].map(start);
    const points = POINTS[kind][begin.length];
    const many = "the tree has too many groups or spreads for this page; the notebook can do it";
    const look =
      SCAN ** begin.length * data.parent.length * (data.family ? 3 * ROUGH.most * Math.log2(ROUGH.most) : 1);
    if (!points || look > MOST[kind]) refuse(many);
    const found = await find(data, begin, breathe);
    const spreads = sharpest(found, data);
    const model = data.family ? course.gridModel(data, spreads, FINE) : course.normalModel(data);
    const work = model.work ?? data.parent.length; // of a point
    if (points ** begin.length * work > MOST[kind] || model.fits === false) refuse(many);
    const more = Math.floor((MORE[kind] / work) ** (1 / begin.length));
    const axes = found.map((axis) => ruled(axis, Math.max(points, Math.min(more, 2 * points))));
    const table = await tabulate(model, axes, data, breathe);
    const all = moments(table);
    const half = moments(table, (i) => table.places.every((place) => place[i] % 2 === 0));
    let off = apart(all, half) > ENOUGH.points;
    if (data.family && !off) {
      const other = course.gridModel(data, spreads, COARSE);
      off = apart(half, moments(await tabulate(other, axes.map(halved), data, breathe))) > ENOUGH.grid;
    }
    if (off) refuse("two ways to compute it differ");
    const names = [...(data.sigma ? ["sigma"] : []), ...data.prior_tau.map((_, k) => `tau.${k + 1}`)];
    const row = (name, i, a) => ({
      name,
      mean: all[i][0],
      sd: all[i][1],
      below: a < 0 ? null : (x) => below(table, a, x),
    });
    const spread = names.map((name, a) => row(name, a + 1, a));
    return [row("theta", 0, -1), ...spread.slice(data.sigma ? 1 : 0), ...(data.sigma ? [spread[0]] : [])];
  };
})();
