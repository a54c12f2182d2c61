// The pictures of "Your data": the tree, the trace, and the groups.  They come from your_data.py and hold an example;
// their models are found by their names.

globalThis.course ??= {};

course.pictures = (() => {
  const MOST_NODES = 300; // that the picture of the tree has room for
  const MOST_POINTS = 500; // of a chain that the trace shows
  const { at, model } = course.page;

  // Levels for which there is room, with nodes placed as in your_data.py; says what is left out.
  function drawTree(tree, levels) {
    const { sizes, parents, labels, leaf } = tree;
    let depth = 0;
    for (let total = 0; depth < sizes.length && total + sizes[depth] <= MOST_NODES; depth++) total += sizes[depth];

    // from the leaves up: measurements in each node, also where the picture does not go
    let n = Array(sizes.at(-1)).fill(0);
    for (const one of leaf) n[one] += 1;
    let x = null;
    const nodes = { x: [], y: [], parent_x: [], parent_y: [], label: [], size: [], n: [] };
    const shown = []; // of each level: {x, n}
    for (let k = sizes.length; k >= 0; k--) {
      if (k === depth) x = n.map((_, i) => i);
      if (k <= depth) shown[k] = { x, n };
      if (k === 0) break;
      const children = Array(k === 1 ? 1 : sizes[k - 2]).fill(0);
      const sums = { n: children.slice(), x: children.slice() };
      parents[k - 1].forEach((parent, i) => {
        children[parent] += 1;
        sums.n[parent] += n[i];
        sums.x[parent] += x ? x[i] : 0;
      });
      n = sums.n;
      if (x) x = sums.x.map((sum, i) => sum / children[i]);
    }
    shown.forEach((level, k) => {
      level.x.forEach((x, i) => {
        const parent = k ? parents[k - 1][i] : 0;
        nodes.x.push(x);
        nodes.y.push(depth - k);
        nodes.parent_x.push(k ? shown[k - 1].x[parent] : x);
        nodes.parent_y.push(depth - Math.max(k - 1, 0));
        nodes.label.push(k ? String(labels[k - 1][i]) : "population");
        nodes.n.push(level.n[i]);
      });
    });
    nodes.size = sizesOf(nodes.n);
    model("nodes").data = nodes;
    const panel = model("tree");
    panel.x_range.setv({ start: -1, end: shown[depth].x.length });
    panel.y_range.setv({ start: -0.5, end: depth + 0.6 });
    const names = ["population", ...levels].slice(0, depth + 1).reverse();
    const axis = model("axis");
    axis.major_label_overrides = new Map(names.map((name, i) => [i, name.slice(0, 20)]));
    axis.ticker.ticks = names.map((_, i) => i);
    if (depth === sizes.length) return "";
    return `The picture has no room for the groups of ${levels.slice(depth).join(", ")}.`;
  }

  function sizesOf(n) {
    const most = n.reduce((a, b) => Math.max(a, b), 1);
    return Array.from(n, (each) => 5 + 9 * Math.sqrt(each / most));
  }

  // The last rows of all chains; no more points than a picture can show
  function showTrace(rows, names, { warmup }) {
    const place = names.indexOf(at("follow").value);
    rows.forEach((chain, i) => {
      const length = chain.length / names.length;
      const every = Math.max(1, Math.ceil(length / MOST_POINTS));
      const data = { x: [], y: [] };
      for (let row = 0; row < length; row += every) {
        data.x.push(row + 1 - warmup);
        data.y.push(chain[row * names.length + place]);
      }
      model(`trace.${i + 1}`).data = data;
    });
    const shown = at("follow").selectedOptions[0].textContent;
    if (model("trace.axis").axis_label !== shown) model("trace.axis").axis_label = shown;
  }

  // Mean and sd of each leaf's draws, counted from its own average so that no digits are lost
  async function showLeaves({ data, tree, options }, { names, chains }, theta) {
    const leaves = { x: [], y: [], low: [], high: [], size: [], n: [], label: [] };
    if (options.writeNodes) {
      const breathe = course.breather();
      const count = data.n.length;
      const first = names.indexOf(`node.${data.parent.length - count + 1}`);
      const sum = new Float64Array(count);
      const squares = new Float64Array(count);
      let total = 0;
      for (const { draws } of chains) {
        for (let start = first; start < draws.length; start += names.length) {
          for (let i = 0; i < count; i++) {
            const away = draws[start + i] - data.y_mean[i];
            sum[i] += away;
            squares[i] += away * away;
          }
          total += 1;
          await breathe();
        }
      }
      const size = sizesOf(data.n);
      for (let i = 0; i < count; i++) {
        const mean = sum[i] / total;
        const sd = Math.sqrt(Math.max(0, squares[i] / total - mean * mean) * (total / (total - 1)));
        leaves.x.push(data.y_mean[i]);
        leaves.y.push(data.y_mean[i] + mean);
        leaves.low.push(data.y_mean[i] + mean - sd);
        leaves.high.push(data.y_mean[i] + mean + sd);
        leaves.size.push(count > MOST_NODES ? size[i] / 4 : size[i]);
        leaves.n.push(data.n[i]);
        leaves.label.push(pathOf(tree, i));
      }
    }
    let [low, high] = [theta, theta];
    for (const x of [leaves.x, leaves.low, leaves.high]) {
      for (const each of x) {
        low = Math.min(low, each);
        high = Math.max(high, each);
      }
    }
    const room = 0.05 * (high - low) || 1;
    for (const range of ["x_range", "y_range"]) {
      model("shrinkage")[range].setv({ start: low - room, end: high + room });
    }
    model("theta").location = theta;
    model("leaves").data = leaves;
  }

  function pathOf({ labels, parents }, leaf) {
    const path = [];
    for (let k = labels.length - 1, node = leaf; k >= 0; node = parents[k][node], k--) path.unshift(labels[k][node]);
    return path.join(" / ");
  }

  return { drawTree, showTrace, showLeaves };
})();
