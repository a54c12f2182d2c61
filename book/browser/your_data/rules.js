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

  // Turn a table of `takeColumns` into the tree of its rows, as stan_data does.  Gives sizes, the nodes of each level;
  // parents, of the nodes of each level, from 0 in the level above; labels, the own one of every node, by level; the leaf
  // of every row from 0, y, and size, its trials or exposure or null, all in the sorted order of the rows.
  course.stanData = (table) => {
    const [numbers, also] = table.columns.slice(table.depth).map(({ values }) => values);

    // Level by level, a node is a pair (parent, rank of its label), in one number.
    const N = table.rows;
    const parents = [];
    const labels = [];
    let node = new Float64Array(N);
    for (const { values } of table.columns.slice(0, table.depth)) {
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
    const size = also ? new Float64Array(N) : null;
    for (let row = 0; row < N; row++) {
      const place = starts[node[row]]++;
      leaf[place] = node[row];
      y[place] = numbers[row];
      if (also) size[place] = also[row];
    }
    return { N, sizes, parents, labels, leaf, y, size };
  };

  course.readPrior = ({ theta, tau, sigma }, taus, isCount) => {
    if (!(theta.every(Number.isFinite) && theta[1] > 0)) refuse("The prior of θ needs a mean, and an sd above 0.");
    for (const [symbol, scale] of Object.entries(isCount ? { τ: tau } : { τ: tau, σ: sigma })) {
      if (!(Number.isFinite(scale) && scale > 0)) refuse(`The prior of ${symbol} needs a scale above 0.`);
    }
    return { prior_theta: theta, prior_tau: Array(taus).fill(tau), prior_sigma: isCount ? 1 : sigma };
  };

  function writeWeights(weight, sizes) {
    if (!(weight >= 0 && weight <= 1)) refuse("The weight is a number from 0 to 1.");
    return Array(sizes.reduce((sum, size) => sum + size, 0)).fill(weight);
  }

  function refuseEqual({ sizes, leaf, y }) {
    const first = Array(sizes.at(-1));
    for (let i = 0; i < y.length; i++) {
      first[leaf[i]] ??= y[i];
      if (y[i] !== first[leaf[i]]) return;
    }
    if (y.length === sizes.at(-1)) return;
    refuse(
      "The measurements are equal within every group, so σ may be as small as it likes and no posterior exists: " +
        "give more digits, or one measurement for each group.",
    );
  }

  // Of the measurements of each leaf their number, mean and sum of squares: what `tree` and `tree_marginal` read
  function summaries({ sizes, leaf, y }) {
    const n = Array(sizes.at(-1)).fill(0);
    let mean = 0;
    for (let i = 0; i < y.length; i++) {
      n[leaf[i]] += 1;
      mean += (y[i] - mean) / (i + 1);
    }
    const away = n.map(() => 0);
    for (let i = 0; i < y.length; i++) away[leaf[i]] += y[i] - mean;
    const means = away.map((sum, j) => mean + sum / n[j]);
    const squares = n.map(() => 0);
    for (let i = 0; i < y.length; i++) squares[leaf[i]] += (y[i] - means[leaf[i]]) ** 2;
    return { n, y_mean: means, y_squares: squares };
  }

  // What `tree_family` reads of them: single measurements, or sums of counts and of what belongs to them
  function measurements({ sizes, leaf, y, size }, likelihood, nu) {
    const family = Object.keys(course.likelihoods).indexOf(likelihood);
    const found = {
      family,
      N: 0,
      y: [],
      leaf: [],
      count: [],
      trials: [],
      exposure: [],
      nu_given: 0,
      prior_nu: [1, 1],
    };
    if (likelihood === "student_t") {
      if (!(Number.isFinite(nu) && nu > 0)) refuse("The degrees of freedom ν are a number above 0, such as 4.");
      return { ...found, N: y.length, y: Array.from(y), leaf: Array.from(leaf, (j) => j + 1), nu_given: nu };
    }
    const [count, total] = [Array(sizes.at(-1)).fill(0), Array(sizes.at(-1)).fill(0)];
    for (let i = 0; i < y.length; i++) {
      count[leaf[i]] += y[i];
      total[leaf[i]] += size ? size[i] : 1;
    }
    const most = course.largestCount;
    if (count.some((k) => k > most) || (likelihood === "binomial" && total.some((n) => n > most))) {
      refuse(`The counts of a group add up to more than ${course.count(most)}, where Stan's whole numbers end.`);
    }
    return { ...found, count, [course.likelihoods[likelihood].size]: total };
  }

  // Write the tree of `stanData` flat, as tree_data does: what the programs for any depth read.  `options` are
  // prior {theta, tau, sigma}, sharedTau, weight, writeNodes, likelihood and nu.  Fails with a sentence.
  course.treeData = (tree, { prior, sharedTau, weight, writeNodes, likelihood = "normal", nu = 0 }) => {
    const { sizes, parents } = tree;
    const isCount = course.likelihoods[likelihood].size !== null;
    if (!isCount) refuseEqual(tree);
    const K = sizes.length;
    const above = sizes.map((_, k) => sizes.slice(0, k - 1).reduce((sum, size) => sum + size, 0)); // of the parents
    return {
      K,
      J: sizes,
      parent: parents.flatMap((level, k) => level.map((parent) => (k ? parent + 1 + above[k] : 0))),
      ...(likelihood === "normal" ? summaries(tree) : measurements(tree, likelihood, nu)),
      weight: writeWeights(weight, sizes),
      shared_tau: Number(sharedTau),
      write_nodes: Number(writeNodes),
      ...course.readPrior(prior, sharedTau ? 1 : K, isCount),
    };
  };
})();
