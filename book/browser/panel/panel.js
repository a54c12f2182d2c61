// The panel "Sample here": a form above the figure of helpers/figures/stored_draws.py, and below it a table that says of
// its draws what ArviZ would.  The figure begins with stored draws, and shows others as Stan makes them in the page.

(() => {
  const PAUSE = 60; // milliseconds from one picture to the next
  const DOTS = 1200; // at most, in each picture while chains run; divergent draws come on top
  const MOST = 5000; // steps of warm-up, and draws, of a chain: the table is computed in the page
  const SAYS = { tree: "tree, with a weight", tree_marginal: "tree_marginal, integrated out" };
  const PROGRAMS = course.programs.filter((name) => name !== "tree_family"); // not for what the lessons measured
  const FIELDS = [
    ["weight", "weight", "0", "1", "0.05"],
    ["adaptDelta", "adapt_delta", "0.01", "0.999", "any"],
    ["seed", "seed", "0", "4294967295", "1"],
    ["warmup", "warmup", "0", MOST, "1"],
    ["draws", "draws", "4", MOST, "1"],
  ];
  const { digits, element, isFine, table } = course;

  const breath = (pause) => new Promise((done) => setTimeout(done, pause));

  // ---- what the tables say

  // a number, and a word if there is reason to worry; what cannot be computed is one
  const judged = (text, fine, word = "worry") =>
    fine ? [text] : [`${text} `, element("strong", { className: "worry" }, word)];

  // `columns` have an array of chains for each name.
  async function unknowns(columns, breathe) {
    const rows = [];
    for (const [name, letter] of Object.entries({ theta: "θ", tau: "τ", sigma: "σ" })) {
      const { mean, sd, ...found } = await course.summary(columns[name], breathe);
      const told = (kind, places) => judged(digits(found[kind], places), isFine[kind](found[kind]));
      rows.push([letter, digits(mean, 3), digits(sd, 3), told("rHat", 3), told("bulk", 0), told("tail", 0)]);
    }
    return rows;
  }

  function wholeRun({ energy, divergent, tau }, { below, exact }) {
    const bfmi = course.bfmi(energy);
    const broken = divergent.reduce((total, chain) => total + chain.filter((one) => one > 0).length, 0);
    const small = tau.map((chain) => Float64Array.from(chain, (value) => (value < below ? 1 : 0)));
    const share = course.mean(small);
    const mcse = course.mcseMean(small);
    const off = mcse > 0 ? (share - exact) / mcse : NaN;
    const difference = Number.isFinite(off)
      ? judged(`${digits(Math.abs(off), 1)} MCSE too ${off < 0 ? "low" : "high"}`, Math.abs(off) <= 3)
      : judged("not to be told: all draws lie on one side", false);
    return [
      ["E-BFMI of each chain", judged(bfmi.map((one) => digits(one, 2)).join(", "), isFine.bfmi(bfmi))],
      ["divergences", judged(`${broken} of ${tau.length * tau[0].length} draws`, broken === 0, "see where")],
      [`P(τ < ${below})`, `${digits(share, 4)}, with an MCSE of ${digits(mcse, 4)}`],
      ["exact", digits(exact, 4)],
      ["difference", difference],
    ];
  }

  const made = ({ program, weight, adaptDelta, seed, chains, warmup, draws }) =>
    `${program}${program === "tree" ? `, weight ${weight}` : ""}, adapt_delta ${adaptDelta}, seed ${seed}, ` +
    `${chains} × (${warmup} + ${draws})`;

  // ---- the panel

  class Panel {
    constructor(output) {
      this.below = element("div", { className: "sampling-table" });
      this.status = element("p", { role: "status", className: "sampling-status" });
      output.append(this.below);
      if (PROGRAMS.length) this.form = this.makeForm();
      else this.hideAdvice(output.closest(".cell"));
      output.prepend(this.form ?? element("p", {}, "This copy of the book cannot sample: it shows stored draws."));
    }

    // What is said before the panel, and below the caption of its figure, is for those who can sample.
    hideAdvice(cell) {
      for (const advice of [cell.previousElementSibling, cell.nextElementSibling?.nextElementSibling]) {
        if (advice?.localName === "p") advice.hidden = true;
      }
    }

    makeForm() {
      const choices = PROGRAMS.map((value) => element("option", { value }, SAYS[value] ?? value));
      this.program = element("select", { name: "program" }, ...choices);
      this.fields = {};
      const labels = FIELDS.map(([key, text, min, max, step]) => {
        this.fields[key] = element("input", { type: "number", name: key, min, max, step });
        return element("label", {}, text, this.fields[key]);
      });
      this.weight = labels[0];
      this.go = element("button", { disabled: true }, "Sample");
      this.halt = element("button", { type: "button", disabled: true }, "Stop");
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
      this.start = JSON.parse(models.start.tags[0]);
      const { chains } = this.start;
      const each = models.draws.data.tau.length / chains;
      const cut = ([name, x]) => [
        name,
        Array.from({ length: chains }, (_, i) => Float64Array.from(x.slice(i * each, (i + 1) * each))),
      ];
      if (this.form) {
        for (const [key, field] of Object.entries(this.fields)) field.value = this.start[key];
        this.program.value = this.start.program;
        this.showWeight();
        this.go.disabled = false;
      }
      await this.describe(
        Object.fromEntries(Object.entries(models.draws.data).map(cut)),
        `Stored: ${made(this.start)}`,
      );
    }

    // Functions that put draws into the pictures, one each
    pictures(draws) {
      const { panel, trace, draws: dots, offsets, divergent } = this.models;
      let crosses = -1; // divergent draws that are shown: there are few new ones, as a rule
      return [
        () => {
          panel.x_range.setv({ start: -draws.warmup, end: draws.length - draws.warmup });
          trace.data = { ...draws.trace(DOTS), color: trace.data.color };
        },
        () => {
          dots.data = draws.against("theta", DOTS);
        },
        () => {
          offsets.data = draws.against("offset", DOTS);
          const found = draws.divergent();
          if (found.tau.length !== crosses) divergent.data = found;
          crosses = found.tau.length;
        },
      ];
    }

    async describe(columns, what) {
      const rows = await unknowns(columns, course.breather());
      const head = ["", "mean", "sd", "R-hat", "bulk ESS", "tail ESS"];
      this.below.replaceChildren(
        table(what, head, rows),
        table("The run as a whole", [], wholeRun(columns, this.start)),
      );
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
      return course.problem(settings, MOST);
    }

    async sample() {
      if (this.go.disabled) return;
      const settings = this.settings();
      this.status.textContent = this.problem(settings);
      if (this.status.textContent) return;
      this.busy(true);
      this.status.textContent = "Sampling …";
      this.below.style.visibility = "hidden"; // it keeps its place
      this.models.start.text = `Shown: draws made in this page. Program ${made(settings)}.`;
      let told;
      try {
        told = await this.follow(settings);
      } catch (error) {
        told = `No draws: ${error.message}`;
      }
      this.job = null;
      this.busy(false);
      this.below.style.visibility = "";
      this.status.textContent = told;
    }

    // Draw what comes until the chains have ended, and describe it; gives a sentence on the run.
    async follow(settings) {
      const begun = performance.now();
      const draws = new course.Draws(settings);
      const pictures = this.pictures(draws);
      const isTree = settings.program.startsWith("tree");
      const weight = new Array(this.start.flat.parent.length).fill(settings.weight);
      const data = isTree ? { ...this.start.flat, weight } : this.start.levels;
      let news = pictures.length; // those that lack what has come
      this.job = course.sample(settings.program, data, settings, course.Draws.follow(isTree), (chain, rows) => {
        draws.add(chain - 1, rows);
        news = pictures.length;
      });
      // The pictures are drawn in turn, and the next not before this one is painted: each is short work for the page.
      let turn = 0;
      const next = () => {
        if (!this.job) return;
        if (news-- > 0) pictures[turn++ % pictures.length]();
        this.progress.value = draws.share();
        requestAnimationFrame(() => setTimeout(next, PAUSE));
      };
      setTimeout(next, 300); // until then the browser is busy with compiling
      const result = await this.job.done;
      this.job = null;
      for (const show of pictures) {
        await breath(PAUSE);
        show();
      }
      if (!result) return "Stopped. The picture keeps what had come; the table is of the run before.";
      await this.describe(draws.complete(), `In this page: ${made(settings)}`);
      return `Done in ${((performance.now() - begun) / 1000).toFixed(1)} seconds.`;
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
