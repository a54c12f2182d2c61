// The panel "Sample here": a form above the figure of helpers/figures/stored_draws.py, and below it a table that says of
// its draws what ArviZ would.  The figure begins with stored draws, and shows others as Stan makes them in the page.

globalThis.course ??= {};

(() => {
  const PAUSE = 60; // milliseconds from one picture to the next
  const DOTS = 1200; // at most, in each picture while chains run; divergent draws come on top
  const MOST = 5000; // steps of warm-up, and draws, of a chain: the table is computed in the page
  const PROGRAMS = {
    centered: "centered",
    noncentered: "noncentered",
    tree: "tree, with a weight",
    tree_marginal: "tree_marginal, integrated out",
  };
  // what is kept of every draw, and the columns that it has in programs for three levels and for any depth
  const KEPT = ["theta", "tau", "sigma", "node", "energy", "divergent"];
  const OF_LEVELS = ["theta", "tau", "sigma", "theta_1.1", "energy__", "divergent__"];
  const OF_TREES = ["theta", "tau.1", "sigma", "node.1", "energy__", "divergent__"];
  const FIELDS = [
    ["weight", "weight", "0", "1", "0.05"],
    ["adaptDelta", "adapt_delta", "0.01", "0.999", "any"],
    ["seed", "seed", "0", "4294967295", "1"],
    ["warmup", "warmup", "0", MOST, "1"],
    ["draws", "draws", "4", MOST, "1"],
  ];

  const breath = (pause = 0) => new Promise((done) => setTimeout(done, pause));
  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  // ---- what the table says

  const digits = (value, places) => (Number.isFinite(value) ? value.toFixed(places).replace("-", "−") : "–");
  // a number, and a word if there is reason to worry; what cannot be computed is one
  const judged = (text, fine, word = "worry") =>
    fine ? [text] : [`${text} `, element("strong", { className: "worry", textContent: word })];

  function mean(chains) {
    let total = 0;
    for (const chain of chains) for (const value of chain) total += value;
    return total / (chains.length * chains[0].length);
  }
  function sd(chains) {
    const centre = mean(chains);
    const squares = chains.map((chain) => Float64Array.from(chain, (value) => (value - centre) ** 2));
    const n = chains.length * chains[0].length;
    return Math.sqrt((mean(squares) * n) / (n - 1));
  }

  // Rows of the two tables; `columns` has an array of chains for each name.  A pause after each number, for the page.
  async function described(columns, start) {
    const unknowns = [];
    for (const [name, letter] of [
      ["theta", "θ"],
      ["tau", "τ"],
      ["sigma", "σ"],
    ]) {
      const chains = columns[name];
      const row = [letter, digits(mean(chains), 3), digits(sd(chains), 3)];
      await breath();
      const rhat = course.rhat(chains);
      row.push(judged(digits(rhat, 3), rhat <= 1.01));
      for (const effective of [course.essBulk, course.essTail]) {
        await breath();
        const ess = effective(chains);
        row.push(judged(digits(ess, 0), ess >= 400));
      }
      unknowns.push(row);
    }
    await breath();
    const bfmi = course.bfmi(columns.energy);
    const divergent = columns.divergent.reduce((total, chain) => total + chain.filter((one) => one > 0).length, 0);
    const all = columns.tau.length * columns.tau[0].length;
    const small = columns.tau.map((chain) => Float64Array.from(chain, (tau) => (tau < start.below ? 1 : 0)));
    const share = mean(small);
    const mcse = course.mcseMean(small);
    const off = mcse > 0 ? (share - start.exact) / mcse : NaN;
    const side = off < 0 ? "too low" : "too high";
    const run = [
      [
        "E-BFMI of each chain",
        judged(
          bfmi.map((one) => digits(one, 2)).join(", "),
          bfmi.every((one) => one >= 0.3),
        ),
      ],
      ["divergences", judged(`${divergent} of ${all} draws`, divergent === 0, "see where")],
      [`P(τ < ${start.below})`, [`${digits(share, 4)}, with an MCSE of ${digits(mcse, 4)}`]],
      ["exact", [digits(start.exact, 4)]],
      [
        "difference",
        Number.isFinite(off)
          ? judged(`${digits(Math.abs(off), 1)} MCSE ${side}`, Math.abs(off) <= 3)
          : judged("not to be told: all draws lie on one side", false),
      ],
    ];
    return { unknowns, run };
  }

  function table(caption, head, rows) {
    const line = (cells) => {
      const [first, ...others] = cells;
      const name = element("th", { scope: "row" }, first);
      return element("tr", {}, name, ...others.map((cell) => element("td", {}, ...[cell].flat())));
    };
    const top = element("tr", {}, ...head.map((name) => element("th", { scope: "col", textContent: name })));
    const parts = [element("caption", { textContent: caption })];
    if (head.length) parts.push(element("thead", {}, top));
    parts.push(element("tbody", {}, ...rows.map(line)));
    return element("table", {}, ...parts);
  }

  const made = ({ program, weight, adaptDelta, seed, chains, warmup, draws }) =>
    `${program}${program === "tree" ? `, weight ${weight}` : ""}, adapt_delta ${adaptDelta}, seed ${seed}, ` +
    `${chains} × (${warmup} + ${draws})`;

  // ---- draws that come

  class Draws {
    constructor({ chains, warmup, draws }) {
      this.warmup = warmup;
      this.length = warmup + draws;
      this.count = new Array(chains).fill(0); // of rows that have come, for each chain
      const rows = () => new Float64Array(this.length);
      this.columns = Object.fromEntries(KEPT.map((name) => [name, this.count.map(rows)]));
    }
    add(chain, rows) {
      for (let at = 0; at < rows.length; at += KEPT.length) {
        const row = this.count[chain]++;
        for (let k = 0; k < KEPT.length; k++) this.columns[KEPT[k]][chain][row] = rows[at + k];
      }
    }
    share() {
      return this.count.reduce((total, count) => total + count) / (this.count.length * this.length);
    }
    // draws without the warm-up, of chains that are complete
    complete() {
      const kept = ([name, chains]) => [name, chains.map((chain) => chain.subarray(this.warmup))];
      return Object.fromEntries(Object.entries(this.columns).map(kept));
    }
    // The pictures show so many rows at most, evenly spaced, and all that are divergent.
    step(rows, dots) {
      return Math.max(1, Math.ceil((this.count.length * rows) / dots));
    }
    trace(dots) {
      const step = this.step(this.length, dots);
      const rows = this.count.map((count) => Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step));
      return {
        draw: rows.map((some) => some.map((row) => row + 1 - this.warmup)),
        tau: rows.map((some, chain) => some.map((row) => this.columns.tau[chain][row])),
      };
    }
    // an unknown, or the node's distance from θ, against τ
    against(unknown, dots) {
      const step = this.step(this.length - this.warmup, dots);
      return this.some(unknown, (_, row) => (row - this.warmup) % step === 0);
    }
    divergent() {
      const { divergent } = this.columns;
      const one = (chain, row) => divergent[chain][row] > 0;
      return { ...this.some("theta", one), ...this.some("offset", one) };
    }
    some(unknown, wanted) {
      const { theta, node, tau } = this.columns;
      const shown = { [unknown]: [], tau: [] };
      this.count.forEach((count, chain) => {
        for (let row = this.warmup; row < count; row++) {
          if (!wanted(chain, row)) continue;
          shown[unknown].push(unknown === "theta" ? theta[chain][row] : node[chain][row] - theta[chain][row]);
          shown.tau.push(tau[chain][row]);
        }
      });
      return shown;
    }
  }

  // ---- the panel

  class Panel {
    constructor(output) {
      this.below = element("div", { className: "sampling-table" });
      this.status = element("p", { role: "status", className: "sampling-status" });
      output.append(this.below);
      if (!course.programs?.length) {
        output.prepend(element("p", { textContent: "This copy of the book cannot sample: it shows stored draws." }));
        return;
      }
      this.form = this.makeForm();
      output.prepend(this.form);
    }

    makeForm() {
      const names = Object.keys(PROGRAMS).filter((name) => course.programs.includes(name));
      const choices = names.map((name) => element("option", { value: name, textContent: PROGRAMS[name] }));
      this.program = element("select", { name: "program" }, ...choices);
      this.fields = {};
      const labels = FIELDS.map(([key, text, min, max, step]) => {
        this.fields[key] = element("input", { type: "number", name: key, min, max, step });
        return element("label", {}, text, this.fields[key]);
      });
      this.weight = labels[0];
      this.go = element("button", { textContent: "Sample", disabled: true });
      this.halt = element("button", { type: "button", textContent: "Stop", disabled: true });
      this.progress = element("progress", { max: 1, value: 0, ariaLabel: "share of the draws that have come" });
      this.progress.style.visibility = "hidden";
      this.program.addEventListener("change", () => this.showWeight());
      this.halt.addEventListener("click", () => this.job?.stop());
      const form = element(
        "form",
        { className: "sampling-form", noValidate: true, ariaLabel: "Sample here" },
        element("label", {}, "program", this.program),
        ...labels,
        element("div", {}, this.go, this.halt, this.progress),
        this.status,
      );
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.sample();
      });
      return form;
    }

    showWeight() {
      this.weight.hidden = this.program.value !== "tree";
    }

    // The figure is drawn: describe what it shows, and let it be used.
    async begin(models) {
      this.models = models;
      let crossed = null; // the draws whose divergent ones are shown; there are few new ones, as a rule
      this.pictures = [
        (draws) => {
          models.panel.x_range.setv({ start: -draws.warmup, end: draws.length - draws.warmup });
          models.trace.data = { ...draws.trace(DOTS), color: models.trace.data.color };
        },
        (draws) => {
          models.draws.data = draws.against("theta", DOTS);
        },
        (draws) => {
          models.offsets.data = draws.against("offset", DOTS);
          const divergent = draws.divergent();
          if (draws === crossed && divergent.tau.length === models.divergent.data.tau.length) return;
          models.divergent.data = divergent;
          crossed = draws;
        },
      ];
      this.start = JSON.parse(models.start.tags[0]);
      const { length } = models.draws.data.tau;
      const each = length / this.start.chains;
      const cut = (values) =>
        Array.from({ length: this.start.chains }, (_, i) =>
          Float64Array.from(values.slice(i * each, (i + 1) * each)),
        );
      const stored = Object.fromEntries(Object.entries(models.draws.data).map(([name, x]) => [name, cut(x)]));
      if (this.form) {
        for (const [key, field] of Object.entries(this.fields)) field.value = this.start[key];
        this.program.value = this.start.program;
        this.showWeight();
        this.go.disabled = false;
      }
      await this.describe(stored, `Stored: ${made(this.start)}`);
    }

    async describe(columns, what) {
      const { unknowns, run } = await described(columns, this.start);
      const head = ["", "mean", "sd", "R-hat", "bulk ESS", "tail ESS"];
      this.below.replaceChildren(table(what, head, unknowns), table("The run as a whole", [], run));
      this.below.style.visibility = "";
    }

    settings() {
      const numbers = Object.entries(this.fields).map(([key, field]) => [key, field.valueAsNumber]);
      return { program: this.program.value, chains: 4, ...Object.fromEntries(numbers) };
    }

    problem(settings) {
      if (settings.program === "tree" && !(settings.weight >= 0 && settings.weight <= 1)) {
        const weight = Number.isNaN(settings.weight) ? "not a number" : settings.weight;
        return `weight is ${weight}: give a number from 0, noncentered, to 1, centered.`;
      }
      const many = ["warmup", "draws"].find((name) => settings[name] > MOST);
      if (many) return `${many} is ${settings[many]}: give a whole number up to ${MOST}.`;
      return course.problem(settings).replace("20000", MOST);
    }

    async sample() {
      if (this.go.disabled) return;
      const settings = this.settings();
      const problem = this.problem(settings);
      this.status.textContent = problem;
      if (problem) return;
      const draws = new Draws(settings);
      const begun = performance.now();
      const isTree = settings.program.startsWith("tree");
      const weight = new Array(this.start.flat.parent.length).fill(settings.weight);
      const data = isTree ? { ...this.start.flat, weight } : this.start.levels;
      const follow = isTree ? OF_TREES : OF_LEVELS;
      this.busy(true);
      this.status.textContent = "Sampling …";
      this.below.style.visibility = "hidden"; // it keeps its place
      this.models.start.text = `Shown: draws made in this page. Program ${made(settings)}.`;
      let news = this.pictures.length; // those that lack what has come
      this.job = course.sample(settings.program, data, settings, follow, (chain, rows) => {
        draws.add(chain - 1, rows);
        news = this.pictures.length;
      });
      // The pictures are drawn in turn, and the next not before this one is painted: each is short work for the page.
      let turn = 0;
      const next = () => {
        if (!this.job) return;
        if (news-- > 0) this.pictures[turn++ % this.pictures.length](draws);
        this.progress.value = draws.share();
        requestAnimationFrame(() => setTimeout(next, PAUSE));
      };
      setTimeout(next, 300); // until then the browser is busy with compiling
      let told;
      try {
        const result = await this.job.done;
        this.job = null;
        for (const show of this.pictures) {
          await breath(PAUSE);
          show(draws);
        }
        told = "Stopped. The picture keeps what had come; the table is for whole runs.";
        if (result) {
          await this.describe(draws.complete(), `In this page: ${made(settings)}`);
          told = `Done in ${((performance.now() - begun) / 1000).toFixed(1)} seconds.`;
        }
      } catch (error) {
        told = `No draws: ${error.message}`;
      }
      this.job = null;
      this.busy(false);
      this.status.textContent = told;
    }

    busy(yes) {
      const [off, on] = yes ? [this.go, this.halt] : [this.halt, this.go];
      on.disabled = false;
      if (document.activeElement === off) on.focus(); // a button that is switched off loses the focus
      off.disabled = true;
      this.progress.style.visibility = yes ? "visible" : "hidden";
    }
  }

  // Figures are drawn one by one, at some time after the page has loaded.
  const NAMES = ["start", "trace", "draws", "offsets", "divergent", "panel"];
  function whenDrawn(panel) {
    const drawn = globalThis.Bokeh?.documents?.find((one) => one.get_model_by_name("sampling.start") && one.is_idle);
    if (!drawn) return setTimeout(() => whenDrawn(panel), 100);
    panel.begin(Object.fromEntries(NAMES.map((name) => [name, drawn.get_model_by_name(`sampling.${name}`)])));
  }
  const script = [...document.querySelectorAll("script")].find((one) => one.text.includes('"sampling.start"'));
  if (script) whenDrawn(new Panel(script.closest(".cell_output")));
})();
