// What draws say of the sampler that made them, as ArviZ computes it (Vehtari et al. 2021, doi:10.1214/20-BA1221).
// A quantity's draws are an array with an array for each chain, all of one length.

(() => {
  const sum = (x) => x.reduce((total, value) => total + value, 0);
  const mean = (x) => sum(x) / x.length;
  const variance = (x) => {
    const centre = mean(x);
    return sum(x.map((value) => (value - centre) ** 2)) / (x.length - 1);
  };
  const flat = (chains) => Float64Array.from(chains.flatMap((chain) => Array.from(chain)));
  const map = (chains, change) => chains.map((chain) => Float64Array.from(chain, change));

  course.mean = (chains) => mean(flat(chains));
  course.sd = (chains) => Math.sqrt(variance(flat(chains)));

  // First and last half of every chain; of an odd number of draws the one in the middle is left out.
  function split(chains) {
    const half = Math.floor(chains[0].length / 2);
    return chains.flatMap((chain) => [chain.slice(0, half), chain.slice(chain.length - half)]);
  }

  // The value below which a draw of all draws lies with probability p, by linear interpolation.
  course.quantile = (chains, p) => {
    const sorted = flat(chains).sort();
    const place = p * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  };

  // The inverse of the standard normal distribution function, for p up to 1/2: by Newton's method from 0, which nears
  // the root from one side only.  The function itself is 1/2 + density * (x + x^3/3 + x^5/15 + ...).
  function normalQuantile(p) {
    let x = 0;
    for (let step = -1; Math.abs(step) > 1e-9; x += step) {
      let term = x;
      let series = x;
      for (let k = 3; Math.abs(term) > 1e-17 * Math.abs(series); k += 2) {
        term *= (x * x) / k;
        series += term;
      }
      const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
      step = (p - 0.5) / density - series;
    }
    return x;
  }

  // What a normal distribution has at a rank among n, which may be between two; Blom's formula
  const scores = new Map(); // of whole ranks up to the middle, for each n
  function scoreAt(rank, n) {
    if (2 * rank > n + 1) return -scoreAt(n + 1 - rank, n);
    if (!scores.has(n)) scores.set(n, new Float64Array(Math.ceil(n / 2) + 1).fill(NaN));
    const known = scores.get(n);
    const score = Number.isNaN(known[rank] ?? NaN) ? normalQuantile((rank - 0.375) / (n + 0.25)) : known[rank];
    if (Number.isInteger(rank)) known[rank] = score;
    return score;
  }

  // Draws replaced by what a normal distribution has at their ranks; equal ones share the average of theirs.
  function ranked(chains) {
    const values = flat(chains);
    const order = Uint32Array.from(values.keys()).sort((a, b) => values[a] - values[b]);
    const normal = new Float64Array(values.length);
    for (let first = 0, end = 0; first < order.length; first = end) {
      while (end < order.length && values[order[end]] === values[order[first]]) end += 1;
      const score = scoreAt((first + 1 + end) / 2, values.length);
      for (let i = first; i < end; i++) normal[order[i]] = score;
    }
    return chains.map((chain, i) => normal.subarray(i * chain.length, (i + 1) * chain.length));
  }

  function plainRhat(chains) {
    const within = mean(chains.map(variance));
    const between = variance(chains.map(mean));
    const n = chains[0].length;
    return Math.sqrt(between / within + (n - 1) / n);
  }

  // Effective number of draws in chains taken as they are, by Geyer's initial monotone sequence.
  function ess(chains) {
    const n = chains[0].length;
    const total = n * chains.length;
    const away = chains.map((chain) => {
      const centre = mean(chain);
      return Float64Array.from(chain, (value) => value - centre);
    });
    // covariance of draws `lag` apart, averaged over the chains; only as many lags are needed as draws remember
    const covariance = (lag) => {
      let products = 0;
      for (const chain of away) for (let i = lag; i < n; i++) products += chain[i] * chain[i - lag];
      return products / total;
    };
    const own = (covariance(0) * n) / (n - 1);
    const between = chains.length > 1 ? variance(chains.map(mean)) : 0;
    const all = covariance(0) + between;
    if (all < 1e-30) return total; // a constant
    const correlation = (lag) => 1 - (own - covariance(lag)) / all;

    // Sums of neighbours fall and stay above zero, in theory; where they stop doing so noise begins.
    let time = -1;
    let least = Infinity;
    let even = 1;
    let odd = correlation(1);
    let lag = 1;
    for (; even + odd > 0 && lag < n - 3; lag += 2) {
      least = Math.min(least, even + odd);
      time += 2 * least;
      even = correlation(lag + 1);
      odd = correlation(lag + 2);
    }
    if (even > 0 || even + odd >= 0) time += even; // of the last pair, half at most
    return total / Math.max(time, 1 / Math.log10(total));
  }

  const enough = (chains) => chains[0].length >= 4 && chains.every((chain) => chain.every(Number.isFinite));
  const essBelow = (chains, value) => ess(split(map(chains, (draw) => (draw <= value ? 1 : 0))));

  // R-hat of split chains, the larger of two: of ranks, and of ranks of the distance from the median.
  course.rhat = (chains) => {
    if (chains.length < 2 || !enough(chains)) return NaN;
    const halves = split(chains);
    const sorted = flat(halves).sort();
    const middle = sorted.length / 2;
    const median = (sorted[middle - 1] + sorted[middle]) / 2; // rounded as in NumPy: the same distances are equal
    return Math.max(plainRhat(ranked(halves)), plainRhat(ranked(map(halves, (draw) => Math.abs(draw - median)))));
  };

  // Effective number of draws: for the centre of the distribution, for its 5% and 95% quantiles, for the mean.
  course.essBulk = (chains) => (enough(chains) ? ess(ranked(split(chains))) : NaN);
  course.essTail = (chains) =>
    enough(chains) ? Math.min(...[0.05, 0.95].map((p) => essBelow(chains, course.quantile(chains, p)))) : NaN;
  course.essMean = (chains) => (enough(chains) ? ess(split(chains)) : NaN);

  // Monte Carlo standard error of the mean.
  course.mcseMean = (chains) => course.sd(chains) / Math.sqrt(course.essMean(chains));

  // E-BFMI of each chain (Betancourt 2016, arXiv:1604.00695).
  course.bfmi = (energies) =>
    energies.map((energy) => {
      const steps = energy.slice(1).map((value, i) => (value - energy[i]) ** 2);
      return mean(steps) / variance(energy);
    });
})();
