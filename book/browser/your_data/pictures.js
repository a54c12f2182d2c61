// The pictures of "Your data": the tree, the trace, and the groups.  example.py draws them empty; their models are found
// by their names.

course.pictures = (() => {
  const MOST_NODES = 300; // that the picture of the tree has room for
  const MOST_POINTS = 500; // of a chain that the trace shows
  const { at, model } = course.page;

  const zeros = (n) => new Array(n).fill(0);

  // Measurements in each node, level by level from the population down
  function counts({ sizes, parents, leaf }) {
    const n = [zeros(1), ...sizes.map(zeros)];
    for (const one of leaf) n.at(-1)[one] += 1;
    for (let k = sizes.length; k > 0; k--) {
      n[k].forEach((own, i) => {
        n[k - 1][parents[k - 1][i]] += own;
      });
    }
    return n;
  }

  // Where nodes stand down to a level: those of this level side by side, others over the middle of their children
  function places({ parents }, n, depth) {
    const x = [];
    x[depth] = n[depth].map((_, i) => i);
    for (let k = depth; k > 0; k--) {
      const [sum, children] = [zeros(n[k - 1].length), zeros(n[k - 1].length)];
      parents[k - 1].forEach((parent, i) => {
        sum[parent] += x[k][i];
        children[parent] += 1;
      });
      x[k - 1] = sum.map((total, i) => total / children[i]);
    }
    return x;
  }

  // Draw the levels for which there is room; says what is left out.
  function drawTree(tree, levels) {
    const { sizes, parents, labels } = tree;
    let depth = 0;
    for (let total = 0; depth < sizes.length && total + sizes[depth] <= MOST_NODES; depth++) total += sizes[depth];
    const n = counts(tree);
    const x = places(tree, n, depth);
    const nodes = { x: [], y: [], parent_x: [], parent_y: [], label: [], n: [] };
    x.forEach((level, k) => {
      level.forEach((place, i) => {
        nodes.x.push(place);
        nodes.y.push(depth - k);
        nodes.parent_x.push(k ? x[k - 1][parents[k - 1][i]] : place);
        nodes.parent_y.push(depth - Math.max(k - 1, 0));
        nodes.label.push(k ? String(labels[k - 1][i]) : "population");
        nodes.n.push(n[k][i]);
      });
    });
    model("nodes").data = { ...nodes, size: sizesOf(nodes.n) };
    const panel = model("tree");
    panel.x_range.setv({ start: -1, end: x[depth].length });
    panel.y_range.setv({ start: -0.5, end: depth + 0.6 });
    const names = ["population", ...levels].slice(0, depth + 1).reverse();
    const axis = model("axis");
    axis.major_label_overrides = new Map(names.map((name, i) => [i, name.slice(0, 20)]));
    axis.ticker.ticks = names.map((_, i) => i);
    if (depth === sizes.length) return "";
    return `The picture has no room for the groups of ${levels.slice(depth).join(", ")}.`;
  }

  function sizesOf(n) {
    const most = n.reduce((a, b) => Math.max(a, b), 0) || 1;
    return n.map((each) => 5 + 9 * Math.sqrt(each / most));
  }

  // The last rows of all chains; no more points than a picture can show
  function showTrace(rows, names, warmup) {
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

  // Mean and sd of each leaf's draws on the scale of the data, counted from its own average so that no digits are lost
  async function leafMoments({ parent }, own, toData, { names, chains }) {
    const breathe = course.breather();
    const first = names.indexOf(`node.${parent.length - own.length + 1}`);
    const [sum, squares] = [zeros(own.length), zeros(own.length)];
    let total = 0;
    for (const { draws } of chains) {
      for (let start = first; start < draws.length; start += names.length) {
        for (let i = 0; i < own.length; i++) {
          const away = toData(draws[start + i]) - own[i];
          sum[i] += away;
          squares[i] += away * away;
        }
        total += 1;
        await breathe();
      }
    }
    const mean = sum.map((each, i) => own[i] + each / total);
    const sd = sum.map((each, i) =>
      Math.sqrt(Math.max(0, squares[i] / total - (each / total) ** 2) * (total / (total - 1))),
    );
    return { mean, sd };
  }

  // `theta` is on the scale of the data, too.  Gives mean and sd of every leaf, its average and its path, or nothing.
  async function showLeaves({ data, tree, options, likelihood }, result, theta) {
    const { toData, scale, own: words } = course.likelihoods[likelihood];
    let leaves = { x: [], y: [], low: [], high: [], size: [], n: [], label: [] };
    if (options.writeNodes) {
      const { own, n } = course.ownAverages(data);
      const { mean, sd } = await leafMoments(data, own, toData, result);
      const smaller = n.length > MOST_NODES ? 4 : 1;
      leaves = {
        x: own,
        y: mean,
        low: mean.map((y, i) => y - sd[i]),
        high: mean.map((y, i) => y + sd[i]),
        size: sizesOf(n).map((size) => size / smaller),
        n,
        label: n.map((_, i) => pathOf(tree, i)),
      };
    }
    const all = [leaves.x, leaves.low, leaves.high].flat();
    const low = all.reduce((a, b) => Math.min(a, b), theta);
    const high = all.reduce((a, b) => Math.max(a, b), theta);
    const room = 0.05 * (high - low) || 1;
    for (const range of ["x_range", "y_range"]) {
      model("shrinkage")[range].setv({ start: low - room, end: high + room });
    }
    model("theta").location = theta;
    model("leaves").data = leaves;
    model("own.axis").axis_label = scale ? `the group's own ${words}` : "average of the group's own measurements";
    model("mean.axis").axis_label = `${scale ? `its ${scale}, ` : ""}posterior mean ± sd`;
    return leaves;
  }

  function pathOf({ labels, parents }, leaf) {
    const path = [];
    for (let k = labels.length - 1, node = leaf; k >= 0; node = parents[k][node], k--) path.unshift(labels[k][node]);
    return path.join(" / ");
  }

  return { drawTree, showTrace, showLeaves };
})();
