// The page "Your data": what its buttons do, and which of them can be pressed.

(() => {
  const LARGE_FILE = 40e6; // bytes, of which a character has up to four
  const LONG_TEXT = 2e5; // characters: more are not put into the field, which would get slow
  const REFRESH = 300; // milliseconds between two looks at chains that run
  const { outcome, pictures, settings, tableForm } = course;
  const { at, model, options, say } = course.page;

  let example = {}; // tags of the picture of the tree
  let current = null; // the table and its tree, if they are in order
  let running = null;
  let sampled = null; // {job, result}

  const asked = () => settings.read(current, example);
  const sentence = (message) => (/[.?!]$/.test(message) ? message : `${message}.`);

  function refresh() {
    settings.show(current);
    let problem = "";
    try {
      asked();
    } catch (error) {
      problem = current ? sentence(error.message) : "";
    }
    const able = course.programs.includes(settings.program(current?.likelihood));
    const inOrder = current !== null && problem === "";
    const isCrossed = Boolean(current?.crossing); // and taken along without draws
    at("sample").disabled = !able || !inOrder || isCrossed || running !== null;
    at("clean").disabled = !current;
    at("notebook").disabled = !inOrder;
    at("stop").disabled = running === null;
    at("download").disabled = (isCrossed ? !inOrder : sampled === null) || running !== null;
    at("download").textContent = isCrossed ? "Notebook and table (.zip)" : "Draws and notebook (.zip)";
    if (running) return;
    const missing =
      "This book was made without the programs that sample: take the notebook, and sample on your machine.";
    const before = sampled ? "What is shown below was sampled before this change." : "";
    const instead = isCrossed ? `Groups that cross are not sampled in this page: take the notebook. ${before}` : "";
    say("status", problem || instead || (able ? before : missing), problem !== "");
  }

  // ---- sampling ----

  // Let the reader choose what the trace shows.  `rows` has the rows of each chain, with columns `names`.
  function trace(job, rows, names, warmup) {
    at("follow").replaceChildren(...options([...outcome.unknowns(job)], "tau.1"));
    const look = () => pictures.showTrace(rows, names, warmup);
    at("follow").onchange = look;
    look();
    return look;
  }

  async function start() {
    let job = null;
    try {
      job = asked();
    } catch (error) {
      say("status", sentence(error.message), true);
      return;
    }
    let end = "";
    let wrong = false;
    try {
      end = await sample(job);
    } catch (error) {
      [end, wrong] = [sentence(error.message), true];
    }
    running = null;
    refresh();
    say("status", end, wrong);
  }

  // Sample, and show what came; gives a sentence on the run.
  async function sample(job) {
    const begun = performance.now();
    const { chains, warmup, draws } = job.settings;
    const names = [...outcome.unknowns(job).keys()];
    const rows = Array.from({ length: chains }, () => []);
    running = course.sample(job.program, job.data, job.settings, names, (chain, some) => {
      for (const one of some) rows[chain - 1].push(one);
    });
    refresh();
    at("choice").hidden = false;
    const draw = trace(job, rows, names, warmup);
    const look = () => {
      draw();
      const share = rows.reduce((sum, chain) => sum + chain.length / names.length, 0) / (chains * (warmup + draws));
      say("status", share ? `Sampling: ${Math.floor(100 * share)}% …` : "Starting the sampler …");
    };
    look();
    const timer = setInterval(look, REFRESH);
    const result = await running.done.finally(() => clearInterval(timer));
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    if (!result) return "Stopped. The table and the right picture below are from before.";
    say("status", "Looking at the draws …");
    draw();
    await outcome.show(job, result);
    sampled = { job, result };
    return `Done: ${course.plural(chains * draws, "draw")} in ${seconds} seconds.`;
  }

  // ---- what is taken along ----

  function save(name, parts, type, told) {
    const link = course.element("a", { href: URL.createObjectURL(new Blob(parts, { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    say("status", told);
  }

  function takeNotebook() {
    const told =
      "The notebook reads data.csv, the table as this page reads it: take that too, and keep both together.";
    save("analysis.ipynb", [course.notebook(asked())], "application/x-ipynb+json", told);
  }

  function takeTable() {
    const told = "data.csv holds the chosen columns as this page reads them.";
    save("data.csv", [course.toCsv(current.table)], "text/csv", told);
  }

  async function takeAll() {
    at("download").disabled = true;
    const isCrossed = Boolean(current?.crossing);
    if (!isCrossed) say("status", "Writing the draws …");
    const parts = await (isCrossed ? course.takeaway(asked()) : course.takeaway(sampled.job, sampled.result));
    refresh();
    const draws = isCrossed ? "" : ", the draws of each chain";
    const told = `your-data.zip holds the table, as you gave it and as it was read${draws}, and the notebook.`;
    save("your-data.zip", parts, "application/zip", told);
  }

  async function open(event) {
    const [file] = event.target.files;
    if (!file) return;
    if (file.size > LARGE_FILE) {
      tableForm.read("x".repeat(1e7 + 1)); // which says that it is too much
      return;
    }
    try {
      const given = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
      const short = given.length <= LONG_TEXT;
      at("csv").value = short ? given : "";
      at("csv").placeholder = short ? "" : `The table of ${file.name}, too long to be shown here`;
      tableForm.read(given);
    } catch {
      tableForm.fail(`${file.name} is not text in UTF-8: save it as CSV (UTF-8) in the program that made it.`);
    }
  }

  // ---- beginning ----

  // Show the draws that the page brings along as it shows its own.
  function showExample() {
    const { names, chains, settings: stored } = example;
    const job = { ...asked(), settings: stored, stored: true };
    const rows = chains.map((draws) => Float64Array.from(draws));
    trace(job, rows, names, 0);
    return outcome.show(job, { names, chains: rows.map((draws) => ({ draws })) });
  }

  function begin() {
    example = model("tree").tags[0];
    at("csv").value = example.csv;
    settings.begin(example);
    tableForm.begin(example, (found) => {
      current = found;
      if (current) settings.fillPriors(current, example);
      refresh();
    });
    showExample();

    let timer = 0;
    at("csv").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => tableForm.read(at("csv").value), 300);
    });
    at("file").addEventListener("change", open);
    at("file").addEventListener("click", () => {
      at("file").value = ""; // so that a file that was corrected can be opened again
    });
    document.getElementById("your-model").addEventListener("input", (event) => {
      if (event.target.id !== "yours-follow") refresh();
    });
    at("stop").addEventListener("click", () => running?.stop());
    const does = { sample: start, clean: takeTable, notebook: takeNotebook, download: takeAll };
    for (const [id, act] of Object.entries(does)) at(id).addEventListener("click", act);
  }

  // Figures are drawn one by one after the page has loaded.
  const wait = setInterval(() => {
    if (!model("tree") || !model("leaves")) return;
    clearInterval(wait);
    begin();
  }, 100);
})();
