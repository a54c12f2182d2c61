// The page "Your data": reads the form, says what is wrong, draws the tree, samples, and shows what comes out.  The
// figures come from your_data.py and hold an example; their models are found by their names.

globalThis.course ??= {};

(() => {
  const MOST_NODES = 300; // that the picture of the tree has room for
  const MOST_POINTS = 500; // of a chain that the trace shows
  const MOST_NUMBERS = 2.5e7; // of all chains together: 200 MB
  const LARGE_FILE = 40e6; // bytes, of which a character has up to four
  const LONG_TEXT = 2e5; // characters: more are not put into the field, which would get slow
  const REFRESH = 300; // milliseconds between two looks at chains that run
  const LESSON_3 = '<a href="../lessons/03-funnel-diagnosis.html">lesson 3</a>';

  const at = (id) => document.getElementById(`yours-${id}`);
  const escaped = (text) => String(text).replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
  const count = (n) => n.toLocaleString("en-US");
  const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;
  const number = (id) => (at(id).value.trim() === "" ? NaN : Number(at(id).value));
  const figure = { get: () => null }; // the document of the figures, once there is one
  const model = (name) => figure.get(`yours.${name}`);
  const say = (id, text, wrong = false) => {
    at(id).textContent = text;
    at(id).classList.toggle("yours-wrong", wrong);
  };

  let example = {}; // tags of the tree
  let text = "";
  let table = null;
  let levels = [];
  let header = ""; // of the table for which they were chosen
  let tree = null; // of stanData, if the table and the columns are in order
  let filled = ""; // for which column of which table priors have been filled in
  let running = null;
  let sampled = null; // {job, result}

  // ---- the table and its columns ----

  function read(given) {
    text = given;
    table = null;
    try {
      table = course.readCsv(text);
      const types = { Int64: "whole numbers", Float64: "numbers", Boolean: "true or false", String: "text" };
      const columns = table.columns.map(({ name, type }) => `${name || "(no name)"} (${types[type]})`);
      const comma = table.decimalComma ? " Its decimal commas are read as such." : "";
      say("read", `${plural(table.rows, "row")}; columns ${columns.join(", ")}.${comma}`);
    } catch (error) {
      say("read", error.message, true);
    }
    if (table) guess();
    showColumns();
    check();
  }

  // The last column of numbers is measured, and those of labels before it are levels; what was chosen stays chosen
  // as long as the columns are the same.
  function guess() {
    const names = JSON.stringify(table.columns.map(({ name }) => name));
    if (names === header) return;
    header = names;
    const numeric = table.columns.filter(({ type }) => type === "Float64" || type === "Int64");
    const value = (numeric.findLast(({ type }) => type === "Float64") ?? numeric.at(-1) ?? table.columns.at(-1)).name;
    const labels = table.columns.filter(({ name, type }) => name !== value && type !== "Float64");
    const grouping = labels.filter(({ values }) => new Set(values).size < table.rows);
    levels = (grouping.length ? grouping : labels.slice(0, 1)).map(({ name }) => name);
    setValue(value);
  }

  const options = (names, chosen) =>
    names
      .map((name) => {
        const mark = name === chosen ? " selected" : "";
        return `<option value="${escaped(name)}"${mark}>${escaped(name || "(no name)")}</option>`;
      })
      .join("");

  function setValue(value) {
    at("value").innerHTML = options(
      table.columns.map(({ name }) => name),
      value,
    );
  }

  // A choice for every level, and one more that is empty
  function showColumns() {
    const names = table ? table.columns.map(({ name }) => name) : [];
    if (table) setValue(at("value").value);
    const most = Math.max(1, names.length - 1);
    const focused = document.activeElement?.id;
    at("levels").innerHTML = [...levels, null]
      .slice(0, most)
      .map((chosen, k) => {
        const place = k === 0 ? ", the outermost" : "";
        const none = `<option value=""${chosen === null ? " selected" : ""}>–</option>`;
        return `<span><label for="yours-level-${k}">Level ${k + 1}${place}</label>
          <select id="yours-level-${k}">${chosen === "" ? "" : none}${options(names, chosen)}</select></span>`;
      })
      .join("");
    if (focused?.startsWith("yours-level-")) document.getElementById(focused)?.focus();
  }

  function chooseLevel(event) {
    const k = Number(event.target.id.replace("yours-level-", ""));
    if (event.target.selectedIndex === 0) levels.splice(k, 1);
    else levels[k] = event.target.value;
    showColumns();
    check();
  }

  const value = () => at("value").value;

  function check() {
    tree = null;
    if (!table) {
      say("checked", "");
    } else {
      try {
        tree = course.stanData(table, levels, value(), example.reserved);
        fillPriors();
        course.treeData(tree, { prior: example.prior, sharedTau: true, weight: 0, writeNodes: false });
      } catch (error) {
        tree = null;
        const row = error.message.match(/ in row ([0-9]+):/)?.[1];
        const from = row ? ` (Here: the ${ordinal(Number(row) + 1)} row below the names; correct it there.)` : "";
        say("checked", `${error.message}.${from}`, true);
      }
    }
    if (tree) {
      const parts = levels.map((level, k) => `${count(tree.sizes[k])} (${level})`);
      const groups = `${plural(tree.N, "measurement")}; groups of each level: ${parts.join(", ")}.`;
      say("checked", [groups, ...remarks(), drawTree()].join(" ").trim());
    }
    refresh();
  }

  // What is no mistake, but may not be meant
  function remarks() {
    const used = [...levels, value()];
    const unused = table.columns.map(({ name }) => name).filter((name) => !used.includes(name));
    const found = [];
    if (unused.length) found.push(`Not used: ${unused.join(", ")}.`);
    if (tree.sizes.at(-1) === 1)
      found.push("There is one group only: of τ the data say nothing, and its prior comes out.");
    else if (tree.N === tree.sizes.at(-1)) {
      found.push("Each group of the last level has one: τ and σ can hardly be told apart.");
    }
    return found;
  }

  function ordinal(n) {
    const last = n % 100 > 10 && n % 100 < 14 ? 0 : n % 10;
    return `${n}${["th", "st", "nd", "rd"][last] ?? "th"}`;
  }

  // ---- the picture of the tree ----

  // Levels for which there is room, with nodes placed as in your_data.py; says what is left out.
  function drawTree() {
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

  // ---- settings ----

  const brief = (x) => Number(x.toPrecision(2));

  // Priors from the scale of the measurements; those of the example are the lessons'.
  function fillPriors() {
    const key = `${value()}\n${table.text}`;
    if (key === filled) return;
    filled = key;
    const own = table.text === example.csv && value() === example.value;
    let { theta, tau, sigma } = example.prior;
    if (!own) {
      const mean = tree.y.reduce((sum, y) => sum + y, 0) / tree.N;
      const sd = Math.sqrt(tree.y.reduce((sum, y) => sum + (y - mean) ** 2, 0) / Math.max(1, tree.N - 1));
      const scale = brief(2 * (sd || Math.abs(mean) || 1));
      const step = 10 ** Math.floor(Math.log10(scale)); // digits of the mean that matter
      theta = [Number((Math.round(mean / step) * step).toPrecision(12)), scale];
      tau = scale;
      sigma = scale;
    }
    [at("theta-mean").value, at("theta-sd").value] = theta;
    at("tau").value = tau;
    at("sigma").value = sigma;
    at("prior-note").textContent = own
      ? "These are the priors of the lessons."
      : "Filled in from your data: their mean, and twice their standard deviation. That looks at the data once; " +
        "if you know which values are plausible, write that instead.";
  }

  const program = () => document.querySelector('input[name="yours-program"]:checked').value;

  // What is asked for, as takeaway.js wants it; fails with a sentence.
  function asked() {
    if (!table || !tree) throw new Error("The table is not in order yet: see above.");
    const settings = {
      adaptDelta: number("delta"),
      seed: number("seed"),
      warmup: number("warmup"),
      draws: number("draws"),
      chains: example.settings.chains,
    };
    const problem = course.problem(settings);
    if (problem) throw new Error(problem);
    const nodes = tree.sizes.reduce((sum, size) => sum + size, 0);
    const numbers = nodes * settings.draws * settings.chains;
    const moved = program() === "tree" ? numbers : 0;
    if (moved > 2 * MOST_NUMBERS) {
      throw new Error(
        `tree moves ${count(nodes)} nodes, too many for this page with ${count(settings.draws)} draws: ` +
          "choose tree_marginal, or ask for fewer draws.",
      );
    }
    const options = {
      prior: { theta: [number("theta-mean"), number("theta-sd")], tau: number("tau"), sigma: number("sigma") },
      sharedTau: at("shared").value === "shared",
      weight: program() === "tree" ? number("weight") : 0,
      writeNodes: numbers + moved <= MOST_NUMBERS,
    };
    const data = course.treeData(tree, options);
    return { table, tree, data, levels: levels.slice(), value: value(), program: program(), options, settings };
  }

  function refresh() {
    at("weight").disabled = program() !== "tree";
    let problem = "";
    try {
      asked();
    } catch (error) {
      problem = tree ? sentence(error.message) : "";
    }
    const able = course.programs.includes(program());
    at("sample").disabled = !able || !tree || running !== null || problem !== "";
    at("notebook").disabled = !tree || problem !== "";
    at("stop").disabled = running === null;
    at("download").disabled = sampled === null || running !== null;
    if (running) return;
    if (problem) say("status", problem, true);
    else if (!able) {
      say(
        "status",
        "This book was made without the programs that sample: take the notebook, and sample on your machine.",
      );
    } else if (sampled) say("status", "What is shown below was sampled before this change.");
    else say("status", "");
  }

  const sentence = (message) => (/[.?!]$/.test(message) ? message : `${message}.`);

  // ---- sampling ----

  const symbols = { theta: "θ", sigma: "σ", tau: "τ" };

  // Columns that are told of, and their symbols
  function unknowns({ options, levels }) {
    if (options.sharedTau)
      return new Map([
        ["theta", "θ"],
        ["tau.1", "τ"],
        ["sigma", "σ"],
      ]);
    const taus = levels.map((level, k) => [`tau.${k + 1}`, `τ of ${level}`]);
    return new Map([["theta", "θ"], ...taus, ["sigma", symbols.sigma]]);
  }

  async function start() {
    let job = null;
    try {
      job = asked();
    } catch (error) {
      say("status", sentence(error.message), true);
      return;
    }
    const { settings } = job;
    const names = [...unknowns(job).keys()];
    const rows = Array.from({ length: settings.chains }, () => []);
    const total = settings.chains * (settings.warmup + settings.draws);
    const follow = (chain, some) => {
      for (const one of some) rows[chain - 1].push(one);
    };
    at("follow").innerHTML = [...unknowns(job)]
      .map(([name, symbol]) => `<option value="${name}">${escaped(symbol)}</option>`)
      .join("");
    at("follow").value = "tau.1";
    at("choice").hidden = false;
    const look = () => {
      showTrace(rows, names, settings);
      const done = rows.reduce((sum, chain) => sum + chain.length / names.length, 0);
      say("status", done ? `Sampling: ${Math.floor((100 * done) / total)}% …` : "Starting the sampler …");
    };
    at("follow").onchange = () => showTrace(rows, names, settings);
    running = course.sample(job.program, job.data, settings, names, follow);
    refresh();
    look();
    const timer = setInterval(look, REFRESH);
    let end = "";
    let wrong = false;
    try {
      const result = await running.done;
      clearInterval(timer);
      if (result) {
        say("status", "Looking at the draws …");
        showTrace(rows, names, settings);
        await show(job, result);
        sampled = { job, result };
        const longest = Math.max(...result.chains.map(({ seconds }) => seconds));
        end = `Done: ${plural(settings.chains * settings.draws, "draw")} in ${longest.toFixed(1)} seconds.`;
      } else end = "Stopped. The table and the right picture below are from before.";
    } catch (error) {
      wrong = true;
      end = sentence(error.message);
    }
    clearInterval(timer);
    running = null;
    refresh();
    say("status", end, wrong);
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

  // ---- what came out ----

  async function show(job, result) {
    const breathe = course.breather();
    const width = result.names.length;
    const column = (name) => {
      const place = result.names.indexOf(name);
      return result.chains.map(({ draws }) => {
        const values = new Float64Array(draws.length / width);
        for (let i = 0; i < values.length; i++) values[i] = draws[i * width + place];
        return values;
      });
    };
    const rows = [];
    const alarms = [];
    for (const [name, symbol] of unknowns(job)) {
      const chains = column(name);
      const all = chains.flatMap((chain) => Array.from(chain));
      const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
      const sd = Math.sqrt(all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (all.length - 1));
      await breathe();
      const ends = [course.quantile(chains, 0.05), course.quantile(chains, 0.95)];
      await breathe();
      const rhat = course.rhat(chains);
      await breathe();
      const bulk = course.essBulk(chains);
      await breathe();
      const tail = course.essTail(chains);
      await breathe();
      const decimals = decimalsFor(sd);
      const cells = [mean, sd, ...ends].map((x) => x.toFixed(decimals));
      cells.push(rhat.toFixed(3), bulk.toFixed(0), tail.toFixed(0));
      rows.push(
        `<tr><th scope="row">${escaped(symbol)}</th>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`,
      );
      if (!(rhat <= 1.01)) alarms.push(`R-hat of ${symbol} is above 1.01: the chains disagree.`);
      const least = 100 * chains.length;
      for (const [kind, ess] of [
        ["bulk", bulk],
        ["tail", tail],
      ]) {
        if (!(ess >= least)) {
          alarms.push(`The ${kind} ESS of ${symbol} is below ${least}: there are too few effective draws.`);
        }
      }
    }
    const total = (name, test) => column(name).reduce((sum, chain) => sum + chain.filter(test).length, 0);
    const divergences = total("divergent__", (x) => x > 0);
    const ceiling = total("treedepth__", (x) => x >= 10);
    const bfmi = course.bfmi(column("energy__"));
    if (divergences) {
      alarms.unshift(
        `${plural(divergences, "path")} diverged: the sampler could not follow the posterior there, and may have ` +
          "missed a part of it." +
          (job.program === "tree" ? " Choose tree_marginal, or another weight." : " Raise adapt_delta."),
      );
    }
    if (ceiling) alarms.push(`${plural(ceiling, "path")} hit the ceiling of tree depth: slow, but not wrong.`);
    if (bfmi.some((x) => !(x >= 0.3))) alarms.push("E-BFMI is below 0.3: energies are explored too slowly.");
    const verdict = alarms.length
      ? `</p><ul class="yours-wrong">${alarms.map((alarm) => `<li>${escaped(alarm)}</li>`).join("")}</ul>
         <p>Do not rely on these draws before you have found out why: ${LESSON_3} says how.</p>`
      : `No alarm sounds.</p>`;
    const kept = job.options.writeNodes
      ? ""
      : `<p>With ${count(job.data.parent.length)} nodes, this page keeps the draws of θ, τ and σ only, and
         the picture of the groups is empty; with fewer draws, or with <code>write_nodes=True</code> in the notebook, there
         are all.</p>`;
    const head = ["", "mean", "sd", "5%", "95%", "R-hat", "bulk ESS", "tail ESS"];
    at("results").innerHTML =
      `<p>${plural(job.tree.N, "measurement")} of <code>${escaped(job.value)}</code>, sampled in
      this page with <code>${job.program}</code>.</p>
      <table class="yours-table"><thead><tr>${head.map((name) => `<th scope="col">${name}</th>`).join("")}</tr></thead>
      <tbody>${rows.join("")}</tbody></table>
      <p>Divergences: ${divergences} of ${plural(job.settings.chains * job.settings.draws, "draw")}.
      E-BFMI: ${bfmi.map((x) => x.toFixed(2)).join(", ")}. ${verdict}${kept}`;
    const theta = column("theta");
    await showLeaves(
      job,
      result,
      theta.flatMap((chain) => Array.from(chain)).reduce((sum, x) => sum + x, 0) / (theta.length * theta[0].length),
    );
  }

  // As many decimals as show two digits of the sd
  const decimalsFor = (sd) => Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(sd || 1))));

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

  // ---- what is taken along ----

  function save(name, parts, type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(parts, { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  function takeNotebook() {
    save("analysis.ipynb", [course.notebook(asked())], "application/x-ipynb+json");
    say("status", "The notebook reads the table from data.csv: save your table beside it under this name.");
  }

  async function takeAll() {
    at("download").disabled = true;
    say("status", "Writing the draws …");
    save("your-data.zip", await course.takeaway(sampled.job, sampled.result), "application/zip");
    refresh();
    say("status", "your-data.zip holds the table, the draws of each chain, and the notebook.");
  }

  async function open(event) {
    const [file] = event.target.files;
    if (!file) return;
    if (file.size > LARGE_FILE) {
      read("x".repeat(1e7 + 1));
      return;
    }
    try {
      const given = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
      const short = given.length <= LONG_TEXT;
      at("csv").value = short ? given : "";
      at("csv").placeholder = short ? "" : `The table of ${file.name}, too long to be shown here`;
      read(given);
    } catch {
      table = null;
      say("read", `${file.name} is not text in UTF-8: save it as CSV (UTF-8) in the program that made it.`, true);
      check();
    }
  }

  // ---- beginning ----

  function begin() {
    example = model("tree").tags[0];
    at("csv").value = example.csv;
    levels = example.levels.slice();
    const { adaptDelta, seed, warmup, draws } = example.settings;
    Object.entries({ delta: adaptDelta, seed, warmup, draws }).forEach(([id, value]) => {
      at(id).value = value;
    });
    at("value").innerHTML = options([example.value], example.value);
    read(example.csv);
    say("status", at("sample").disabled ? at("status").textContent : "");

    let timer = 0;
    at("csv").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => read(at("csv").value), 300);
    });
    at("file").addEventListener("change", open);
    at("file").addEventListener("click", () => {
      at("file").value = ""; // so that a file that was corrected can be opened again
    });
    at("levels").addEventListener("change", chooseLevel);
    at("value").addEventListener("change", check);
    document.getElementById("your-model").addEventListener("input", (event) => {
      if (event.target.id !== "yours-follow") refresh();
    });
    at("sample").addEventListener("click", start);
    at("stop").addEventListener("click", () => running?.stop());
    at("notebook").addEventListener("click", takeNotebook);
    at("download").addEventListener("click", takeAll);
  }

  // Figures are drawn one by one after the page has loaded.
  const wait = setInterval(() => {
    const documents = globalThis.Bokeh?.documents ?? [];
    const find = (name) => {
      for (const one of documents) {
        const found = one.get_model_by_name(name);
        if (found) return found;
      }
      return null;
    };
    if (!find("yours.tree") || !find("yours.leaves")) return;
    clearInterval(wait);
    figure.get = find;
    begin();
  }, 100);
})();
