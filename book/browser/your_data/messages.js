// What measurements say of θ once the spreads are known, with all nodes integrated out: for exact.js.
//
// What the measurements below a node say of it is its message: for normal measurements a mean and a variance, for
// others a function on a grid.  One step up the tree blurs a message by τ; children of one node multiply; at the top
// the message meets the prior of θ.  helpers/exact/README.md has the mathematics.  A model is a function of the
// spreads, (taus, sigma), that gives the log density of the measurements, and mean and variance of θ.

(() => {
  const LONGEST = 2 ** 14; // points of a grid
  const sum = (x) => x.reduce((total, value) => total + value, 0);

  // ---- normal messages

  course.normalModel = ({ K, J, parent, n, y_mean, y_squares, prior_theta: [middle, width] }) => {
    const first = J.map((_, k) => sum(J.slice(0, k)));
    const M = parent.length;
    const [mean, variance] = [new Float64Array(M + 1), new Float64Array(M + 1)];
    const [weight, square] = [new Float64Array(M + 1), new Float64Array(M + 1)];
    return (taus, sigma) => {
      let log = 0;
      for (let i = 0; i < n.length; i++) {
        const leaf = first[K - 1] + i + 1;
        mean[leaf] = y_mean[i] - middle;
        variance[leaf] = sigma ** 2 / n[i];
        log -= (n[i] - 1) * Math.log(sigma) + y_squares[i] / (2 * sigma ** 2);
      }
      for (let k = K - 1; k >= 0; k--) {
        const [from, to] = k ? [first[k - 1] + 1, first[k]] : [0, 0];
        for (const some of [weight, mean, square]) some.fill(0, from, to + 1);
        for (let j = first[k] + 1; j <= first[k] + J[k]; j++) {
          const up = parent[j - 1];
          const w = 1 / (variance[j] + taus[k] ** 2);
          weight[up] += w;
          mean[up] += w * mean[j];
          log += Math.log(w) / 2;
        }
        for (let i = from; i <= to; i++) mean[i] /= weight[i];
        for (let j = first[k] + 1; j <= first[k] + J[k]; j++) {
          square[parent[j - 1]] += (mean[j] - mean[parent[j - 1]]) ** 2 / (variance[j] + taus[k] ** 2);
        }
        for (let i = from; i <= to; i++) {
          variance[i] = 1 / weight[i];
          log -= (Math.log(weight[i]) + square[i]) / 2;
        }
      }
      const total = variance[0] + width ** 2;
      const gain = width ** 2 / total;
      return {
        log: log - (Math.log(total) + mean[0] ** 2 / total) / 2,
        mean: middle + gain * mean[0],
        variance: gain * variance[0],
      };
    };
  };

  // ---- messages on a grid

  // Transforms of P complex numbers in place, P a power of 2; what is in between is in the order of reversed bits.
  function fourier(P) {
    const angle = Float64Array.from({ length: P / 2 }, (_, i) => (2 * Math.PI * i) / P);
    const [cos, sin] = [angle.map(Math.cos), angle.map(Math.sin)];
    function forward(re, im) {
      for (let half = P / 2, every = 1; half >= 1; half /= 2, every *= 2) {
        for (let start = 0; start < P; start += 2 * half) {
          for (let i = start, at = 0; i < start + half; i++, at += every) {
            const [x, y] = [re[i] - re[i + half], im[i] - im[i + half]];
            re[i] += re[i + half];
            im[i] += im[i + half];
            re[i + half] = x * cos[at] + y * sin[at];
            im[i + half] = y * cos[at] - x * sin[at];
          }
        }
      }
    }
    function back(re, im) {
      for (let half = 1, every = P / 2; half < P; half *= 2, every /= 2) {
        for (let start = 0; start < P; start += 2 * half) {
          for (let i = start, at = 0; i < start + half; i++, at += every) {
            const x = re[i + half] * cos[at] - im[i + half] * sin[at];
            const y = im[i + half] * cos[at] + re[i + half] * sin[at];
            re[i + half] = re[i] - x;
            im[i + half] = im[i] - y;
            re[i] += x;
            im[i] += y;
          }
        }
      }
    }
    const frequency = new Float64Array(P);
    for (let i = 0; i < P; i++) {
      let place = 0;
      for (let bit = 1, left = i; bit < P; bit *= 2, left >>= 1) place = 2 * place + (left & 1);
      frequency[i] = place <= P / 2 ? place : place - P;
    }
    return { forward, back, frequency };
  }

  // Log of what the measurements of a leaf say of it at u, whatever its constant.
  function leafLogs({ family, nu_given: nu, y, leaf, count, trials, exposure, J, K }) {
    if (family === 2) return (j, u) => count[j] * u - exposure[j] * Math.exp(u);
    if (family === 3)
      return (j, u) => count[j] * u - trials[j] * (Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u))));
    const own = Array.from({ length: J[K - 1] }, () => []);
    for (const [i, j] of leaf.entries()) own[j - 1].push(y[i]);
    return (j, u, sigma) =>
      sum(own[j].map((one) => (-(nu + 1) / 2) * Math.log1p(((one - u) / sigma) ** 2 / nu) - Math.log(sigma)));
  }

  // Where each leaf is by its own measurements, and how much they tell: one over their variance
  function leafSizes({ family, nu_given: nu, y, leaf, count, trials, exposure, J, K }, sigma) {
    if (family === 2) return count.map((k, j) => [Math.log((k + 0.5) / exposure[j]), k + 0.5]);
    if (family === 3) {
      const share = (k, n) => (k + 0.5) / (n + 1);
      return count.map((k, j) => {
        const p = share(k, trials[j]);
        return [Math.log(p / (1 - p)), (trials[j] + 1) * p * (1 - p)];
      });
    }
    const n = Array(J[K - 1]).fill(0);
    for (const j of leaf) n[j - 1] += 1;
    return y.map((one, i) => [one, ((n[leaf[i] - 1] / sigma ** 2) * (nu + 1)) / (nu + 3)]);
  }

  // Points u, and a window that is 1 where nodes may be, and smoothly goes to 0: messages need not come down.
  function makeGrid(data, { tau, sigma }, { finer, sds, floor, most = LONGEST }) {
    const sizes = leafSizes(data, sigma);
    const [middle, width] = data.prior_theta;
    const total = data.family === 1 ? data.N / sigma ** 2 : sum(sizes.map(([, tells]) => tells));
    const sharp = sizes.reduce((most, [, tells]) => Math.max(most, tells), 0);
    const wanted = Math.min(1.2 / Math.sqrt(total), 0.7 / Math.sqrt(sharp), width / 2) / finer;
    const room = Math.max(1.5 * tau * Math.sqrt(data.K), 4 / Math.sqrt(sharp));
    const low = sizes.reduce((least, [at]) => Math.min(least, at), middle - sds * width) - room;
    const high = sizes.reduce((most, [at]) => Math.max(most, at), middle + sds * width) + room;
    const taper = Math.max(30 * wanted, 0.15 * (high - low));
    const whole = high - low + 2 * taper + 5 * tau; // what leaves at one end must not come back at the other
    const P = Math.min(most, 2 ** Math.ceil(Math.log2(whole / wanted)));
    const step = whole / P;
    const u = Float64Array.from({ length: P }, (_, i) => low - taper + i * step);
    const edge = (x) => (x <= 0 ? 0 : x >= 1 ? 1 : 1 / (1 + Math.exp(1 / x - 1 / (1 - x))));
    const inside = u.map((x) => edge(Math.min(x - low + taper, high + taper - x) / taper));
    return { P, step, u, inside, floor, fits: step <= wanted };
  }

  // A model whose messages are functions on a grid, wide enough for `spreads`, the largest tau and the smallest sigma;
  // `how` says how fine it is, how far it goes, and below which part of its largest value a message is noise.
  course.gridModel = (data, spreads, how) => {
    const { P, step, u, inside, floor, fits } = makeGrid(data, spreads, how);
    const {
      K,
      J,
      parent,
      prior_theta: [middle, width],
    } = data;
    const { forward, back, frequency } = fourier(P);
    const first = J.map((_, k) => sum(J.slice(0, k)));
    const message = Array.from({ length: parent.length + 1 }, () => new Float64Array(P));
    const top = new Float64Array(parent.length + 1);
    const prior = u.map((x) => Math.exp(-0.5 * ((x - middle) / width) ** 2));
    const waves = frequency.map((k) => -2 * ((Math.PI * k) / (P * step)) ** 2);
    const [re, im] = [new Float64Array(P), new Float64Array(P)];
    let [blur, blurred] = [null, null]; // and the τ that it is for
    const logs = leafLogs(data);
    let leaves = []; // their messages, as long as σ stays
    let known = null;
    let scale = 0; // log of what these are short of

    function measure(sigma) {
      [known, scale] = [sigma, 0];
      leaves = Array.from({ length: J[K - 1] }, (_, j) => {
        const log = u.map((x) => logs(j, x, sigma));
        const most = log.reduce((a, b) => Math.max(a, b), -Infinity);
        scale += most;
        return log.map((x, i) => Math.exp(x - most) * inside[i]);
      });
    }

    // Multiply what a child says into its parent's message; gives the log of what is taken out.
    function tell(up, said) {
      const own = message[up];
      const factor = 1 / top[up];
      let most = 0;
      for (let i = 0; i < P; i++) {
        const x = own[i] * factor * Math.max(said[i], floor);
        own[i] = x;
        if (x > most) most = x;
      }
      top[up] = most;
      return -Math.log(factor);
    }

    const model = (taus, sigma) => {
      if (known === null || known !== sigma) measure(sigma);
      let log = scale;
      for (let k = K - 1; k >= 0; k--) {
        if (blurred !== taus[k]) blur = waves.map((wave) => Math.exp(wave * taus[k] ** 2) / P);
        blurred = taus[k];
        for (let up = k ? first[k - 1] + 1 : 0; up <= first[k]; up++) {
          message[up].fill(1);
          top[up] = 1;
        }
        // Two at a time: one as real, one as imaginary part
        for (let j = first[k] + 1; j <= first[k] + J[k]; j += 2) {
          const two = j < first[k] + J[k];
          for (const [part, node, there] of [
            [re, j, true],
            [im, j + 1, two],
          ]) {
            if (!there) part.fill(0);
            else if (k === K - 1) part.set(leaves[node - first[k] - 1]);
            else {
              const factor = 1 / top[node];
              log -= Math.log(factor);
              for (let i = 0; i < P; i++) part[i] = message[node][i] * factor * inside[i];
            }
          }
          forward(re, im);
          for (let i = 0; i < P; i++) {
            re[i] *= blur[i];
            im[i] *= blur[i];
          }
          back(re, im);
          log += tell(parent[j - 1], re);
          if (two) log += tell(parent[j], im);
        }
      }
      let [zero, one, two] = [0, 0, 0];
      for (let i = 0; i < P; i++) {
        const p = message[0][i] * prior[i];
        zero += p;
        one += p * (u[i] - middle);
        two += p * (u[i] - middle) ** 2;
      }
      const mean = one / zero;
      return { log: log + Math.log(zero), mean: middle + mean, variance: two / zero - mean ** 2 };
    };
    return Object.assign(model, { fits, work: parent.length * P * Math.log2(P) });
  };
})();
