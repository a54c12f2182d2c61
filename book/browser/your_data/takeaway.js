// What the reader of "Your data" takes along: draws as CmdStan writes them, the table and a notebook, in one .zip.

(() => {
  const { bytes } = course;
  // The lines above the names in a file of CmdStan's; what the page cannot set has CmdStan's default.
  function configuration({ program, settings }, chain, digits) {
    return `stan_version_major = 2
stan_version_minor = 27
stan_version_patch = 0
model = ${program}_model
method = sample (Default)
  sample
    num_samples = ${settings.draws}
    num_warmup = ${settings.warmup}
    save_warmup = 0 (Default)
    thin = 1 (Default)
    adapt
      engaged = 1 (Default)
      gamma = 0.050000000000000003 (Default)
      delta = ${settings.adaptDelta}
      kappa = 0.75 (Default)
      t0 = 10 (Default)
      init_buffer = 75 (Default)
      term_buffer = 50 (Default)
      window = 25 (Default)
    algorithm = hmc (Default)
      hmc
        engine = nuts (Default)
          nuts
            max_depth = 10 (Default)
        metric = diag_e (Default)
        metric_file =  (Default)
        stepsize = 1 (Default)
        stepsize_jitter = 0 (Default)
id = ${chain}
data
  file = data.json
init = 2 (Default)
random
  seed = ${settings.seed}
output
  file = draws-${chain}.csv
  diagnostic_file =  (Default)
  refresh = 0
  sig_figs = ${digits}`;
  }

  const commented = (lines) => lines.map((line) => `# ${line}\n`).join("");
  const special = (x) => (Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf");

  // One chain as CmdStan writes it.  With millions of numbers nine digits of each are enough.
  course.drawsCsv = async (job, { names, chains }, chain) => {
    const { draws, adapted } = chains[chain - 1];
    const end = adapted.search(/^.*Elapsed Time/m); // CmdStan says this last, the sampler before the first draw
    const lines = (text) => text.split("\n").filter((line) => line.trim());
    const many = draws.length > 1e6;
    const brief = (x) => (Number.isInteger(x) ? String(x) : x.toPrecision(9));
    const write = (x) => (Number.isFinite(x) ? (many ? brief(x) : String(x)) : special(x));
    const breathe = course.breather();
    const parts = [bytes(`${commented(configuration(job, chain, many ? 9 : 17).split("\n"))}${names.join(",")}\n`)];
    parts.push(bytes(commented(lines(adapted.slice(0, end)))));
    for (let start = 0; start < draws.length; start += names.length) {
      parts.push(bytes(`${Array.from(draws.subarray(start, start + names.length), write).join(",")}\n`));
      await breathe();
    }
    parts.push(bytes(commented(["", ...lines(adapted.slice(end)), ""])));
    return parts;
  };

  const README = `Made by the page "Your data" of the course "Hierarchical models in Stan, from Python".

data.csv        your table as the page reads it, with the columns that were chosen
as-given.csv    your table as you gave it
`;
  const WITH_DRAWS = `draws-1.csv ... the draws of each chain, in the CSV format of Stan; in Python:
                cmdstanpy.from_csv(["draws-1.csv", "draws-2.csv", "draws-3.csv", "draws-4.csv"])
analysis.ipynb  repeats the analysis natively, and compares
`;
  const WITHOUT = "analysis.ipynb  samples the model of crossed groups, with the module helpers of the course\n";

  // Everything in one .zip, as parts.  `job` is what was sampled, `result` what course.sample gave, if the page sampled.
  course.takeaway = async (job, result = { chains: [] }) => {
    const files = [
      { name: "README.txt", parts: [bytes(README + (result.chains.length ? WITH_DRAWS : WITHOUT))] },
      { name: "data.csv", parts: [bytes(course.toCsv(job.table))] },
      { name: "as-given.csv", parts: [bytes(job.given)] },
      { name: "analysis.ipynb", parts: [bytes(course.notebook(job))] },
    ];
    for (let chain = 1; chain <= result.chains.length; chain++) {
      files.push({ name: `draws-${chain}.csv`, parts: await course.drawsCsv(job, result, chain) });
    }
    return course.zip(files);
  };
})();
