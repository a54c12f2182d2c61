// What the reader of "Your data" takes along: draws as CmdStan writes them, a notebook, and a .zip of all.

globalThis.course ??= {};

(() => {
  const { repr } = course;
  const SLICE = 12; // milliseconds after which a long computation lets the page breathe

  // A function to be awaited inside a loop: now and then it lets the page answer its reader.
  course.breather = () => {
    let begun = performance.now();
    return async () => {
      if (performance.now() - begun < SLICE) return;
      await new Promise((done) => setTimeout(done));
      begun = performance.now();
    };
  };

  const bytes = (text) => new TextEncoder().encode(text);

  const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  });

  async function checksum(parts, breathe) {
    let crc = -1;
    for (const part of parts) {
      for (let i = 0; i < part.length; i++) crc = CRC[(crc ^ part[i]) & 0xff] ^ (crc >>> 8);
      await breathe();
    }
    return ~crc >>> 0;
  }

  // Numbers of 2 or 4 bytes, the lowest first
  function packed(...fields) {
    const out = [];
    for (const [size, value] of fields) for (let i = 0; i < size; i++) out.push(Math.floor(value / 256 ** i) % 256);
    return Uint8Array.from(out);
  }

  // A .zip without compression.  `files` are {name, parts}, parts arrays of bytes; so is what it gives.
  course.zip = async (files, when = new Date()) => {
    const breathe = course.breather();
    const day = ((when.getFullYear() - 1980) << 9) | ((when.getMonth() + 1) << 5) | when.getDate();
    const time = (when.getHours() << 11) | (when.getMinutes() << 5) | (when.getSeconds() >> 1);
    const out = [];
    const index = [];
    let at = 0;
    const add = (part) => {
      out.push(part);
      at += part.length;
    };
    for (const { name, parts } of files) {
      const size = parts.reduce((sum, part) => sum + part.length, 0);
      const path = bytes(name);
      const crc = await checksum(parts, breathe);
      // version, names in UTF-8, stored, when, checksum, sizes, lengths of the name and of what else there is
      const about = [
        [2, 20],
        [2, 0x800],
        [2, 0],
        [2, time],
        [2, day],
        [4, crc],
        [4, size],
        [4, size],
      ];
      const lengths = [
        [2, path.length],
        [2, 0],
      ];
      index.push(
        packed([4, 0x02014b50], [2, 20], ...about, ...lengths, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]),
        path,
      );
      add(packed([4, 0x04034b50], ...about, ...lengths));
      add(path);
      parts.forEach(add);
    }
    const start = at;
    index.forEach(add);
    const count = [2, files.length];
    add(packed([4, 0x06054b50], [2, 0], [2, 0], count, count, [4, at - start], [4, start], [2, 0]));
    return out;
  };

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

  // Cells of the notebook; those that read what the page has drawn do so if it is there.
  function cells({ table, levels, value, program, options, settings }) {
    const { prior, sharedTau, weight, writeNodes } = options;
    const truth = (flag) => (flag ? "True" : "False");
    const how = [table.separator === "," ? "" : `, separator=${repr(table.separator)}`];
    if (table.decimalComma) how.push(", decimal_comma=True");
    const scales = `"tau": ${repr(prior.tau)}, "sigma": ${repr(prior.sigma)}`;
    return [
      [
        "markdown",
        `# Your data, natively

Repeats what the page "Your data" of the course *Hierarchical models in Stan, from Python* does, with CmdStan. It
reads \`data.csv\`, the table of the page: keep it in the folder of this notebook.

\`helpers\` is the module of the course. It is there if you open this notebook in the JupyterLab that \`make lab\`
starts in the course's folder; in another environment, \`pip install\` that folder.`,
      ],
      [
        "code",
        `import logging
from pathlib import Path

import arviz
import cmdstanpy
import helpers
import polars as pl

logging.getLogger("cmdstanpy").setLevel(logging.ERROR)

df = pl.read_csv("data.csv", infer_schema_length=None${how.join("")})
data, labelled = helpers.stan_data(
    df, levels=${repr(levels)}, values=${repr(value)}
)
flat = helpers.tree_data(
    data,
    prior={"theta": (${prior.theta.map(repr).join(", ")}), ${scales}},
    values=${repr(value)},
    shared_tau=${truth(sharedTau)},
    weight=${repr(weight)},
    write_nodes=${truth(writeNodes)},
)
print(f"{data['N']} measurements; nodes of each level: {flat['J'].tolist()}")`,
      ],
      [
        "code",
        `fit = helpers.stan_model(${repr(program)}).sample(
    data=flat,
    chains=${settings.chains},
    seed=${settings.seed},
    adapt_delta=${settings.adaptDelta},
    iter_warmup=${settings.warmup},
    iter_sampling=${settings.draws},
    show_progress=False,
)
samples = arviz.from_cmdstanpy(fit, index_origin=1)
names = ["theta", "tau", "sigma"]
arviz.summary(samples, var_names=names)`,
      ],
      ["markdown", "The draws of the page, if their files are here, beside those of this notebook."],
      [
        "code",
        `files = sorted(map(str, Path().glob("draws-*.csv")))
if files:
    page = arviz.from_cmdstanpy(cmdstanpy.from_csv(files), index_origin=1)
    rows = []
    for name in names:
        for which, value in [("here", samples), ("page", page)]:
            x = value["posterior"][name].values
            x = x.reshape(*x.shape[:2], -1)
            for k in range(x.shape[2]):
                rows.append({
                    "name": name if x.shape[2] == 1 else f"{name}[{k + 1}]",
                    "where": which,
                    "mean": x[..., k].mean(),
                    "MCSE": float(arviz.mcse(x[..., k], method="mean")),
                })
    both = pl.DataFrame(rows).pivot(on="where", index="name", values=["mean", "MCSE"])
    display(both)`,
      ],
    ];
  }

  // The notebook, as text.
  course.notebook = (job) =>
    JSON.stringify(
      {
        cells: cells(job).map(([type, source], i) => ({
          cell_type: type,
          id: `your-data-${i}`,
          metadata: {},
          ...(type === "code" ? { execution_count: null, outputs: [] } : {}),
          source,
        })),
        metadata: { kernelspec: { display_name: "Python 3", language: "python", name: "python3" } },
        nbformat: 4,
        nbformat_minor: 5,
      },
      null,
      1,
    );

  const README = `Made by the page "Your data" of the course "Hierarchical models in Stan, from Python".

data.csv        your table
draws-1.csv ... the draws of each chain, in the CSV format of Stan; in Python:
                cmdstanpy.from_csv(["draws-1.csv", "draws-2.csv", "draws-3.csv", "draws-4.csv"])
analysis.ipynb  repeats the analysis natively, and compares
`;

  // Everything in one .zip, as parts.  `job` is what was sampled, `result` what course.sample gave.
  course.takeaway = async (job, result) => {
    const files = [
      { name: "README.txt", parts: [bytes(README)] },
      { name: "data.csv", parts: [bytes(job.table.text)] },
      { name: "analysis.ipynb", parts: [bytes(course.notebook(job))] },
    ];
    for (let chain = 1; chain <= result.chains.length; chain++) {
      files.push({ name: `draws-${chain}.csv`, parts: await course.drawsCsv(job, result, chain) });
    }
    return course.zip(files);
  };
})();
