// The page "Your data": settings and priors, sampling, and what its reader takes along.

globalThis.course ??= {};

(() => {
  const MOST_NUMBERS = 2.5e7; // of all chains together: 200 MB
  const LARGE_FILE = 40e6; // bytes, of which a character has up to four
  const LONG_TEXT = 2e5; // characters: more are not put into the field, which would get slow
  const REFRESH = 300; // milliseconds between two looks at chains that run
  const { at, count, escaped, model, plural, say } = course.page;

  const number = (id) => (at(id).value.trim() === "" ? NaN : Number(at(id).value));
  let example = {}; // tags of the picture of the tree
  let current = null; // the table and its tree, if they are in order
  let filled = ""; // for which measurements priors have been filled in
  let running = null;
  let sampled = null; // {job, result}

  // ---- settings ----

  const brief = (x) => Number(x.toPrecision(2));

  // Priors from the scale of the measurements; those of the example are the lessons'.
  function fillPriors({ tree, given, value }) {
    const mean = tree.y.reduce((sum, y) => sum + y, 0) / tree.N;
    const sd = Math.sqrt(tree.y.reduce((sum, y) => sum + (y - mean) ** 2, 0) / Math.max(1, tree.N - 1));
    const own = given === example.csv && value === example.value;
    const key = JSON.stringify([own, value, mean, sd, tree.N]);
    if (key === filled) return;
    filled = key;
    let { theta, tau, sigma } = example.prior;
    if (!own) {
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
    if (!current) throw new Error("The table is not in order yet: see above.");
    const { tree } = current;
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
    return { ...current, data, program: program(), options, settings, reserved: example.reserved };
  }

  function refresh() {
    at("weight").disabled = program() !== "tree";
    let problem = "";
    try {
      asked();
    } catch (error) {
      problem = current ? sentence(error.message) : "";
    }
    const able = course.programs.includes(program());
    at("sample").disabled = !able || !current || running !== null || problem !== "";
    at("clean").disabled = !current;
    at("notebook").disabled = !current || problem !== "";
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

  async function start() {
    let job = null;
    try {
      job = asked();
    } catch (error) {
      say("status", sentence(error.message), true);
      return;
    }
    const { settings } = job;
    const names = [...course.outcome.unknowns(job).keys()];
    const rows = Array.from({ length: settings.chains }, () => []);
    const total = settings.chains * (settings.warmup + settings.draws);
    const follow = (chain, some) => {
      for (const one of some) rows[chain - 1].push(one);
    };
    at("follow").innerHTML = [...course.outcome.unknowns(job)]
      .map(([name, symbol]) => `<option value="${name}">${escaped(symbol)}</option>`)
      .join("");
    at("follow").value = "tau.1";
    at("choice").hidden = false;
    const look = () => {
      course.pictures.showTrace(rows, names, settings);
      const done = rows.reduce((sum, chain) => sum + chain.length / names.length, 0);
      say("status", done ? `Sampling: ${Math.floor((100 * done) / total)}% …` : "Starting the sampler …");
    };
    at("follow").onchange = () => course.pictures.showTrace(rows, names, settings);
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
        course.pictures.showTrace(rows, names, settings);
        await course.outcome.show(job, result);
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
    say(
      "status",
      "The notebook reads data.csv, the table as this page reads it: take that too, and keep both together.",
    );
  }

  function takeTable() {
    save("data.csv", [course.toCsv(current.table)], "text/csv");
    say("status", "data.csv holds the chosen columns as this page reads them.");
  }

  async function takeAll() {
    at("download").disabled = true;
    say("status", "Writing the draws …");
    save("your-data.zip", await course.takeaway(sampled.job, sampled.result), "application/zip");
    refresh();
    say(
      "status",
      "your-data.zip holds the table, as you gave it and as it was read, the draws of each chain, and the notebook.",
    );
  }

  async function open(event) {
    const [file] = event.target.files;
    if (!file) return;
    if (file.size > LARGE_FILE) {
      course.tableForm.read("x".repeat(1e7 + 1));
      return;
    }
    try {
      const given = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
      const short = given.length <= LONG_TEXT;
      at("csv").value = short ? given : "";
      at("csv").placeholder = short ? "" : `The table of ${file.name}, too long to be shown here`;
      course.tableForm.read(given);
    } catch {
      course.tableForm.fail(`${file.name} is not text in UTF-8: save it as CSV (UTF-8) in the program that made it.`);
    }
  }

  // ---- beginning ----

  function begin() {
    example = model("tree").tags[0];
    at("csv").value = example.csv;
    const { adaptDelta, seed, warmup, draws } = example.settings;
    Object.entries({ delta: adaptDelta, seed, warmup, draws }).forEach(([id, value]) => {
      at(id).value = value;
    });
    course.tableForm.begin(example, (found) => {
      current = found;
      if (current) fillPriors(current);
      refresh();
    });
    say("status", at("sample").disabled ? at("status").textContent : "");

    let timer = 0;
    at("csv").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => course.tableForm.read(at("csv").value), 300);
    });
    at("file").addEventListener("change", open);
    at("file").addEventListener("click", () => {
      at("file").value = ""; // so that a file that was corrected can be opened again
    });
    document.getElementById("your-model").addEventListener("input", (event) => {
      if (event.target.id !== "yours-follow") refresh();
    });
    at("sample").addEventListener("click", start);
    at("stop").addEventListener("click", () => running?.stop());
    at("clean").addEventListener("click", takeTable);
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
    course.page.figure.get = find;
    begin();
  }, 100);
})();
