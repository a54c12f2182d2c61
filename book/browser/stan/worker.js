// Runs in a worker of its own, after the text of one program (build.py), for one chain.
//
// A chain is asked for by {module, data, seed, chain, warmup, draws, adaptDelta, follow}, with the program as the
// page compiled it, and the data as JSON.  While it runs it posts {names}, all columns, and {rows}: those of the columns named in `follow`, row after row, first of
// warmup, then of the draws.  At the end come {draws, adapted, seconds}, all columns of the draws, or {error}.

const start = (module) =>
  new Promise((done, failed) => {
    const instantiateWasm = (imports, receive) => {
      WebAssembly.instantiate(module, imports)
        .then((instance) => receive(instance))
        .catch(failed);
      return {};
    };
    stanProgram({ print: () => {}, printErr: () => {}, instantiateWasm }).then(done, failed);
  });

self.onmessage = async ({ data: job }) => {
  try {
    const told = runChain(await start(job.module), job);
    postMessage(told, told.draws ? [told.draws.buffer] : []); // moved: a copy of many draws would hold up the page
  } catch (error) {
    const memory = /memory|allocat/i.test(String(error));
    postMessage({ error: memory ? "the browser has no memory left: ask for fewer draws" : String(error) });
  }
};

function runChain(program, job) {
  const { warmup, draws, follow } = job;
  const begun = performance.now();
  let columns = [];
  let places = [];
  let row = 0; // of those that have come
  let kept = null;
  let adapted = "";

  program.onNames = (names) => {
    columns = names;
    places = follow.map((name) => names.indexOf(name));
    kept = new Float64Array(draws * names.length);
    postMessage({ names });
  };
  program.onAdapted = (text) => {
    adapted = text;
  };
  program.onValues = (values) => {
    const rows = new Float64Array((values.length / columns.length) * follow.length);
    let next = 0;
    for (let start = 0; start < values.length; start += columns.length) {
      for (const place of places) rows[next++] = values[start + place];
      if (row >= warmup) kept.set(values.subarray(start, start + columns.length), (row - warmup) * columns.length);
      row += 1;
    }
    postMessage({ rows }, [rows.buffer]);
  };

  const data = program.allocateUTF8(job.data);
  const failed = program._run(data, job.seed, job.chain, warmup, draws, job.adaptDelta);
  program._free(data);
  if (failed) return { error: program.UTF8ToString(program._failed()).trim() };
  return { draws: kept, adapted, seconds: (performance.now() - begun) / 1000 };
}
