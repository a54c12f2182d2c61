// What `helpers.stan_data` and `helpers.tree_data` do, with their rules and in their words, so that a page and a
// notebook say the same of the same table; tests/test_your_data.py compares them.

globalThis.course ??= {};

(() => {
  const refuse = (sentence) => {
    throw new Error(sentence);
  };

  // How Python writes a value.
  function reprOfText(text) {
    const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
    const escaped = text.replace(/[\\'"]|[\p{C}\p{Z}]/gu, (char) => {
      if (char === "\\" || char === quote) return `\\${char}`;
      if (char === " " || char === "'" || char === '"') return char;
      const known = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[char];
      if (known) return known;
      const code = char.codePointAt(0).toString(16);
      if (code.length <= 2) return `\\x${code.padStart(2, "0")}`;
      return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
    });
    return quote + escaped + quote;
  }

  function reprOfFloat(x) {
    if (Number.isNaN(x)) return "nan";
    if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
    const [digits, exponent] = x.toExponential().split("e");
    const power = Number(exponent);
    if (x !== 0 && (power < -4 || power > 15)) {
      return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
    }
    const sign = Object.is(x, -0) ? "-" : "";
    const plain = String(x); // has no exponent between 1e-6 and 1e21
    return sign + (plain.includes(".") ? plain : `${plain}.0`);
  }

  // A number that is whole is taken to be an int of Python's.
  course.repr = (value) => {
    if (value === null || value === undefined) return "None";
    if (Array.isArray(value)) return `[${value.map(course.repr).join(", ")}]`;
    if (typeof value === "boolean") return value ? "True" : "False";
    if (typeof value === "string") return reprOfText(value);
    if (typeof value === "bigint" || Number.isSafeInteger(value)) return String(value);
    return reprOfFloat(value);
  };
  const { repr } = course;

  // Text sorts by code points, which JavaScript's own comparison does not heed beyond the first 65536.
  function compare(a, b) {
    if (typeof a !== "string") return a < b ? -1 : Number(a > b);
    const end = Math.min(a.length, b.length);
    for (let i = 0; i < end; i++) {
      const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
      if (x === y) continue;
      const [high, other] = [x, y].map((unit) => unit >= 0xd800 && unit < 0xe000);
      if (high === other) return x - y;
      return high ? 1 : -1;
    }
    return a.length - b.length;
  }

  function checkFrame(table, levels, value) {
    const columns = table.columns.map(({ name }) => name);
    const names = [...levels, value];
    for (const name of names) {
      if (!columns.includes(name)) refuse(`no column ${repr(name)}; the frame has ${columns.map(repr).join(", ")}`);
      if (names.indexOf(name) !== names.lastIndexOf(name)) {
        refuse(`column ${repr(name)} is named twice: name it once, as a level or as a value`);
      }
      if (levels.some((level) => name === `${level}_stan`)) {
        refuse(`column ${repr(name)} is where node numbers go: rename it with df.rename`);
      }
    }
    if (!table.rows) refuse("the frame has no rows: give at least one observation");
  }

  function checkValueName(value, levels, reserved) {
    const taken = ["N", ...levels.flatMap((_, k) => [`J_${k + 1}`, `index_${k + 1}`])];
    let problem = "";
    if (taken.includes(value)) problem = `would overwrite ${value} of the dictionary: rename it`;
    else if (reserved.includes(value) || /_(lupdf|lupmf)$/.test(value)) {
      problem = "has a name that Stan reserves: rename it";
    } else if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(value) || value.endsWith("__")) {
      problem = "has a name Stan does not allow: rename it (a-z, A-Z, 0-9, _; letter first, no __ last)";
    }
    if (problem) refuse(`value column ${repr(value)} ${problem}`);
  }

  function checkLabels({ name, values }) {
    const row = values.findIndex((label) => label === null || Number.isNaN(label));
    if (row < 0) return;
    const label = values[row] === null ? "null" : "nan";
    refuse(`column ${repr(name)} is ${label} in row ${row}: drop the row or name its group`);
  }

  const LARGEST = 2n ** 63n;
  function asNumber(entry, type) {
    if (entry === null) return NaN;
    if (type !== "String")
      return typeof entry === "bigint" && (entry >= LARGEST || entry < -LARGEST) ? NaN : Number(entry);
    return /^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$/.test(entry) ? Number(entry) : NaN;
  }

  function numbersOf({ name, type, values }) {
    const numbers = Float64Array.from(values, (entry) => asNumber(entry, type));
    const bad = numbers.findIndex((number) => !Number.isFinite(number));
    if (type === "String" || bad >= 0) {
      const row = Math.max(bad, 0);
      const entry = values[row] === null ? "null" : repr(values[row]);
      const drop = `drop such rows with df.filter(pl.col(${repr(name)}).is_finite())`;
      const remedy = type === "String" ? "correct the text, then cast the column to pl.Float64" : drop;
      refuse(`value column ${repr(name)} is ${entry} in row ${row}: ${remedy}`);
    }
    return numbers;
  }

  // Turn a table of `readCsv` into the tree of its rows, as stan_data does.  Gives sizes, the nodes of each level;
  // parents, of the nodes of each level, from 0 in the level above; labels, the own one of every node, by level; the
  // leaf of every row from 0, and y, both in the sorted order of the rows.  Fails with a sentence.
  course.stanData = (table, levels, value, reserved) => {
    if (!levels.length) refuse("levels is []: name at least one column");
    checkFrame(table, levels, value);
    checkValueName(value, levels, reserved);
    const column = (name) => table.columns.find((one) => one.name === name);
    for (const level of levels) checkLabels(column(level));
    const numbers = numbersOf(column(value));

    // Level by level, a node is a pair (parent, rank of its label), in one number.
    const N = table.rows;
    const parents = [];
    const labels = [];
    let node = new Float64Array(N);
    for (const level of levels) {
      const { values } = column(level);
      const known = [...new Set(values)].sort(compare);
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
    return { N, sizes, parents, labels, leaf, y, value };
  };

  const isScale = (x) => typeof x === "number" && Number.isFinite(x) && x > 0;

  function readPrior({ theta, tau, sigma }, taus) {
    if (!(Array.isArray(theta) && theta.length === 2 && theta.every(Number.isFinite) && theta[1] > 0)) {
      refuse(`prior of theta is ${repr(theta)}: give its mean and its standard deviation, above 0`);
    }
    const scales = Array.isArray(tau) ? tau : Array(taus).fill(tau);
    if (scales.length !== taus) {
      refuse(`prior of tau has length ${scales.length}: give one, or one per level with shared_tau=False`);
    }
    for (const [name, scale] of [...scales.map((one) => ["tau", one]), ["sigma", sigma]]) {
      if (!isScale(scale)) {
        refuse(`prior of ${name} is ${repr(scale)}: give the scale of a half-normal, above 0`);
      }
    }
    return { theta, scales, sigma };
  }

  function writeWeights(weight, sizes) {
    const levels = Array.isArray(weight) ? weight : sizes.map(() => weight);
    if (levels.length !== sizes.length) {
      refuse(`weight has length ${levels.length}: give one number, or ${sizes.length}, one per level`);
    }
    const bad = levels.findIndex((w) => !(w >= 0 && w <= 1));
    if (bad >= 0) refuse(`weight of node 1 of level ${bad + 1} is ${reprOfFloat(levels[bad])}: give 0 to 1`);
    return levels.flatMap((w, k) => Array(sizes[k]).fill(w));
  }

  // Write the tree of `stanData` flat, as tree_data does: what `tree` and `tree_marginal` read.  `options` are
  // prior {theta, tau, sigma}, sharedTau, weight (a number, or one for each level) and writeNodes.
  course.treeData = ({ sizes, parents, leaf, y, value }, { prior, sharedTau, weight, writeNodes }) => {
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
        `the measurements ${repr(value)} are equal within every group, so sigma may be as small as it ` +
          "likes and no posterior exists: give more digits, or one measurement for each group",
      );
    }
    const K = sizes.length;
    const { theta, scales, sigma } = readPrior(prior, sharedTau ? 1 : K);
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
      prior_theta: theta,
      prior_tau: scales,
      prior_sigma: sigma,
    };
  };
})();
