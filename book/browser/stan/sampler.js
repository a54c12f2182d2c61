// Samples with Stan in the page: loads and compiles a program, starts a worker for each chain, and hands on what
// they post.

(() => {
  course.workers = {}; // name of a program: {text, wasm} of its workers, once its script is loaded
  const programs = {}; // name of a program: a promise of {url, module}, what workers of all runs start from

  // A sentence on the first setting that cannot be; empty if all can.  `most` are steps of warmup, and draws.
  course.problem = (settings, most = 20000) => {
    const ranges = { seed: [0, 4294967295], warmup: [0, most], draws: [4, most], chains: [1, 8] };
    const told = (value) => (Number.isFinite(value) ? value : "not a number");
    const { adaptDelta } = settings;
    if (!(adaptDelta >= 0.01 && adaptDelta <= 0.999)) {
      return `adapt_delta is ${told(adaptDelta)}: give a number from 0.01 to 0.999, such as 0.8.`;
    }
    for (const [name, [low, high]] of Object.entries(ranges)) {
      const value = settings[name];
      if (Number.isInteger(value) && value >= low && value <= high) continue;
      return `${name} is ${told(value)}: give a whole number from ${low} to ${high}.`;
    }
    return "";
  };

  const load = (program) =>
    new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = `${course.folder}${program}.js`;
      script.onload = done;
      script.onerror = () =>
        failed(new Error(`the book has no program ${program}: is the folder of the book whole?`));
      document.head.append(script);
    });

  // Compiling takes some browsers seconds, so it is done once for all workers and runs.
  async function compile(program) {
    if (!course.workers[program]) await load(program);
    const { text, wasm } = course.workers[program];
    const module = await WebAssembly.compile(Uint8Array.from(atob(wasm), (letter) => letter.charCodeAt(0)));
    return { url: URL.createObjectURL(new Blob([text], { type: "text/javascript" })), module };
  }

  function compiled(program) {
    programs[program] ??= compile(program).catch((error) => {
      delete programs[program]; // so that the next run tries again
      throw error;
    });
    return programs[program];
  }

  // One chain of a program in a worker: it is put among `workers`; `heard` has what to do with its names and rows.
  const chain = (url, job, workers, heard) =>
    new Promise((done, failed) => {
      const worker = new Worker(url);
      workers.push(worker);
      worker.onmessage = ({ data: told }) => {
        if (told.error !== undefined) failed(new Error(told.error));
        else if (told.names) heard.names(told.names);
        else if (told.rows) heard.rows(job.chain, told.rows);
        else done(told);
      };
      worker.onerror = (event) => failed(new Error(event.message || "this browser could not start the sampler"));
      worker.postMessage(job);
    });

  // Start sampling `data` (an object as Stan reads it) with a program.  `settings` are adaptDelta, seed, warmup,
  // draws and chains; `follow` names columns, and onRows(chain, rows) is called with these as they come: a
  // Float64Array, row after row, first of warmup, then of the draws; chains count from 1.
  //
  // Gives {done, stop}.  `done` is a promise of {names, chains: [{draws, adapted, seconds}]}, where draws is a
  // Float64Array of all columns, row after row; of null, if stop() was called; it fails with a sentence.
  course.sample = (program, data, settings, follow, onRows) => {
    const workers = [];
    let stopped = false;
    const end = () => {
      for (const worker of workers.splice(0)) worker.terminate();
    };

    async function all() {
      const problem = course.problem(settings);
      if (problem) throw new Error(problem);
      const { url, module } = await compiled(program);
      if (stopped) return null;
      const { chains: count, ...job } = { ...settings, data: JSON.stringify(data), follow, module };
      let names = [];
      const heard = {
        rows: onRows,
        names: (told) => {
          names = told;
        },
      };
      try {
        const jobs = Array.from({ length: count }, (_, i) => ({ ...job, chain: i + 1 }));
        const chains = await Promise.all(jobs.map((one) => chain(url, one, workers, heard)));
        return { names, chains };
      } finally {
        end();
      }
    }

    let stop;
    const halted = new Promise((done) => {
      stop = () => {
        stopped = true;
        end();
        done(null);
      };
    });
    return { done: Promise.race([all(), halted]), stop };
  };
})();
