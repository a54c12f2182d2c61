// What `helpers.stan_data` and `helpers.tree_data` make of a table, so that a page and a notebook fit the same model;
// tests/book/test_your_data.py compares them.  What is wrong is said in the words of the page.

(() => {
  const { refuse } = course;

  // Text sorts by code points, which JavaScript's own comparison does not heed beyond the first 65536.
  course.compare = (a, b) => {
    if (typeof a !== "string") return a < b ? -1 : Number(a > b);
    const [x, y] = [a, b].map((text) => Array.from(text, (char) => char.codePointAt(0)));
    const place = x.findIndex((point, i) => point !== y[i]);
    return place < 0 ? x.length - y.length : x[place] - (y[place] ?? -1);
  };

  // Turn a table of `takeColumns`, levels first and the numbers last, into the tree of its rows, as stan_data does.
  // Gives sizes, the nodes of each level; parents, of the nodes of each level, from 0 in the level above; labels, the
  // own one of every node, by level; the leaf of every row from 0, and y, both in the sorted order of the rows.
  course.stanData = (table) => {
    const numbers = table.columns.at(-1).values;

    // Level by level, a node is a pair (parent, rank of its label), in one number.
    const N = table.rows;
    const parents = [];
    const labels = [];
    let node = new Float64Array(N);
    for (const { values } of table.columns.slice(0, -1)) {
      const known = [...new Set(values)].sort(course.compare);
      const ranks = new Map(known.map((label, rank) => [label, rank]));
      const keys = node.map((parent, i) => parent * known.length + ranks.get(values[i]));
      const pairs = Float64Array.from(new Set(keys)).sort();
      const places = new Map(Array.from(pairs, (pair, i) => [pair, i]));
      node = keys.map((key) => places.get(key));
      parents.push(Array.from(pairs, (pair) => Math.floor(pair / known.length)));
      labels.push(Array.from(pairs, (pair) => known[pair % known.length]));
    }
    const sizes = labels.map((level) => level.length);

    // Rows by leaf, in their order within one
    const starts = new Uint32Array(sizes.at(-1) + 1);
    for (const leaf of node) starts[leaf + 1] += 1;
    for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
    const leaf = new Uint32Array(N);
    const y = new Float64Array(N);
    for (let row = 0; row < N; row++) {
      const place = starts[node[row]]++;
      leaf[place] = node[row];
      y[place] = numbers[row];
    }
    return { N, sizes, parents, labels, leaf, y };
  };

  function readPrior({ theta, tau, sigma }, taus) {
    if (!(theta.every(Number.isFinite) && theta[1] > 0)) refuse("The prior of θ needs a mean, and an sd above 0.");
    for (const [symbol, scale] of Object.entries({ τ: tau, σ: sigma })) {
      if (!(Number.isFinite(scale) && scale > 0)) refuse(`The prior of ${symbol} needs a scale above 0.`);
    }
    return { prior_theta: theta, prior_tau: Array(taus).fill(tau), prior_sigma: sigma };
  }

  function writeWeights(weight, sizes) {
    if (!(weight >= 0 && weight <= 1)) refuse("The weight is a number from 0 to 1.");
    return Array(sizes.reduce((sum, size) => sum + size, 0)).fill(weight);
  }

  // Write the tree of `stanData` flat, as tree_data does: what `tree` and `tree_marginal` read.  `options` are
  // prior {theta, tau, sigma}, sharedTau, weight and writeNodes.  Fails with a sentence.
  course.treeData = ({ sizes, parents, leaf, y }, { prior, sharedTau, weight, writeNodes }) => {
    const leaves = sizes.at(-1);
    const n = Array(leaves).fill(0);
    const first = new Float64Array(leaves);
    let differ = false;
    let mean = 0;
    for (let i = 0; i < y.length; i++) {
      if (n[leaf[i]] === 0) first[leaf[i]] = y[i];
      differ ||= y[i] !== first[leaf[i]];
      n[leaf[i]] += 1;
      mean += (y[i] - mean) / (i + 1);
    }
    if (y.length > leaves && !differ) {
      refuse(
        "The measurements are equal within every group, so σ may be as small as it likes and no posterior exists: " +
          "give more digits, or one measurement for each group.",
      );
    }
    const K = sizes.length;
    const priors = readPrior(prior, sharedTau ? 1 : K);
    const away = Array(leaves).fill(0);
    for (let i = 0; i < y.length; i++) away[leaf[i]] += y[i] - mean;
    const means = away.map((sum, j) => mean + sum / n[j]);
    const squares = Array(leaves).fill(0);
    for (let i = 0; i < y.length; i++) squares[leaf[i]] += (y[i] - means[leaf[i]]) ** 2;
    const above = sizes.map((_, k) => sizes.slice(0, k - 1).reduce((sum, size) => sum + size, 0)); // of the parents
    return {
      K,
      J: sizes,
      parent: parents.flatMap((level, k) => level.map((parent) => (k ? parent + 1 + above[k] : 0))),
      n,
      y_mean: means,
      y_squares: squares,
      weight: writeWeights(weight, sizes),
      shared_tau: Number(sharedTau),
      write_nodes: Number(writeNodes),
      ...priors,
    };
  };
})();
