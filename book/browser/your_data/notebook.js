// The notebook that repeats natively what the page does.

(() => {
  // How Python writes a value
  function reprOfText(text) {
    const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
    const escaped = text.replace(/[\\'"]|[\p{C}\p{Z}]/gu, (char) => {
      if (char === "\\" || char === quote) return `\\${char}`;
      if (char === " " || char === "'" || char === '"') return char;
      const known = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[char];
      if (known) return known;
      const code = char.codePointAt(0).toString(16);
      if (code.length <= 2) return `\\x${code.padStart(2, "0")}`;
      return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
    });
    return quote + escaped + quote;
  }

  function reprOfFloat(x) {
    const [digits, exponent] = x.toExponential().split("e");
    const power = Number(exponent);
    if (x !== 0 && (power < -4 || power > 15)) {
      return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
    }
    const sign = Object.is(x, -0) ? "-" : "";
    const plain = String(x); // has no exponent between 1e-6 and 1e21
    return sign + (plain.includes(".") ? plain : `${plain}.0`);
  }

  // A number that is whole is taken to be an int of Python's.
  const repr = (value) => {
    if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
    if (typeof value === "string") return reprOfText(value);
    if (Number.isSafeInteger(value)) return String(value);
    return reprOfFloat(value);
  };

  // Names that Python and Stan take, where those of the columns are not such: a column is renamed in the
  // notebook.  The program for crossed groups reads no other name than y.
  function namesFor({ levels, value, size, reserved, crossing }) {
    const names = new Map();
    const free = (wish) => {
      const used = [...levels, size, ...names.values()];
      return used.some((name) => name === wish || wish === `${name}_stan`) ? free(`${wish}_`) : wish;
    };
    const taken = ["trials", "exposure", "N", ...levels.flatMap((_, k) => [`J_${k + 1}`, `index_${k + 1}`])];
    const bad =
      taken.includes(value) ||
      reserved.includes(value) ||
      /_(lupdf|lupmf)$|__$/.test(value) ||
      !/^[A-Za-z][A-Za-z0-9_]*$/.test(value) ||
      levels.some((level) => value === `${level}_stan`);
    for (const level of levels) {
      const clashes = levels.some((other) => level === `${other}_stan`) || (crossing && level === "y");
      names.set(level, clashes ? free(`${level}_`) : level);
    }
    if (crossing) names.set(value, "y");
    else names.set(value, bad ? free("y") : value);
    return names;
  }

  // What the page did to the table, as a list
  const history = (did) => {
    const plain = (text) => text.replace(/[\\`*_<>[\]#$]/g, "\\$&");
    return did.length
      ? `\n\nWhat the page did to the table:\n\n${did.map((text) => `- ${plain(text)}`).join("\n")}`
      : "";
  };

  const markdown = (source) => ({ cell_type: "markdown", source });
  const code = (source) => ({ cell_type: "code", source, execution_count: null, outputs: [] });

  const MOST_SPREADS = { normal: 4, other: 2 }; // that helpers.exact_posterior integrates over in seconds

  const against = (exact, samples) => [
    markdown(
      "The draws against the exact answer. An error of about 2 MCSE is chance; beyond 5 the sampler is wrong.",
    ),
    code(`exact = ${exact}
tau = exact.mean([name for name in exact.names if name.startswith("tau")][0])
helpers.score(${samples}, exact, below=float(f"{tau:.1g}"))`),
  ];

  // Cells that hold the draws against the exact answer, where that does not take long
  function marks({ levels, options: { sharedTau, likelihood } }, own) {
    const isNormal = likelihood === "normal";
    const spreads = (sharedTau ? 1 : levels.length) + (course.likelihoods[likelihood].size ? 0 : 1);
    if (spreads > MOST_SPREADS[isNormal ? "normal" : "other"]) return [];
    return against(`helpers.exact_posterior(${own})`, "helpers.unflatten(samples, flat)");
  }

  const begin = (does, did) =>
    markdown(`# Your data, natively

${does} It
reads \`data.csv\`, the table as the page reads it: keep it in the folder of this notebook.${history(did)}

\`helpers\` is the module of the course. It is there if you open this notebook in the JupyterLab that \`make lab\`
starts in the course's folder; in another environment, \`pip install\` that folder.`);

  // Lines that import what is needed, and read the table
  function reading({ table }, names, imports) {
    const schema = table.columns.map(({ name, type }) => `    ${repr(name)}: pl.${type},\n`).join("");
    const renamed = [...names].filter(([name, own]) => name !== own);
    const rename = renamed.map(([name, own]) => `${repr(name)}: ${repr(own)}`).join(", ");
    return `import logging
${imports}
import polars as pl

logging.getLogger("cmdstanpy").setLevel(logging.ERROR)

df = pl.read_csv("data.csv", schema={
${schema}})${rename && `\ndf = df.rename({${rename}})  # as names of Stan's`}`;
  }

  const sampling = ({ program, settings }, data, isCount) =>
    code(`fit = helpers.stan_model(${repr(program)}).sample(
    data=${data},
    chains=${settings.chains},
    seed=${settings.seed},
    adapt_delta=${settings.adaptDelta},
    iter_warmup=${settings.warmup},
    iter_sampling=${settings.draws},
    show_progress=False,
)
samples = arviz.from_cmdstanpy(fit, index_origin=1)
names = ["theta", "tau"${isCount ? "" : ', "sigma"'}]
arviz.summary(samples, var_names=names)`);

  // Cells of the notebook; those that read what the page has drawn do so if it is there.
  function cells(job) {
    const { levels, value, size, options, did, remarked } = job;
    const { prior, sharedTau, weight, writeNodes, likelihood, nu } = options;
    const truth = (flag) => (flag ? "True" : "False");
    const isCount = course.likelihoods[likelihood].size !== null;
    const names = namesFor(job);
    const own = { levels: levels.map((level) => names.get(level)), value: names.get(value) };
    const also = size === null ? "" : `, ${course.likelihoods[likelihood].size}=${repr(size)}`;
    const remark = remarked ? ",\n    remark=False,  # the page has said what to look at\n" : "\n";
    const scales = `"tau": ${repr(prior.tau)}${isCount ? "" : `, "sigma": ${repr(prior.sigma)}`}`;
    const kind = likelihood === "normal" ? "" : `likelihood=${repr(likelihood)}`;
    const about = `data, prior=prior, values=${repr(own.value)}, shared_tau=${truth(sharedTau)}${
      kind && `, ${kind}${likelihood === "student_t" ? `, nu=${repr(nu)}` : ""}`
    }`;
    return [
      begin(
        'Repeats what the page "Your data" of the course *Hierarchical models in Stan, from Python* does, with CmdStan.',
        did,
      ),
      code(`${reading(job, names, "from pathlib import Path\n\nimport arviz\nimport cmdstanpy\nimport helpers")}
data, labelled = helpers.stan_data(
    df, levels=${repr(own.levels)}, values=${repr(own.value)}${also}${remark})
prior = {"theta": (${prior.theta.map(repr).join(", ")}), ${scales}}
flat = helpers.tree_data(
    ${about},
    weight=${repr(weight)}, write_nodes=${truth(writeNodes)})
print(f"{data['N']} ${isCount ? "counts" : "measurements"}; nodes of each level: {flat['J'].tolist()}")`),
      sampling(job, "flat", isCount),
      ...marks(job, about),
      markdown("The draws of the page, if their files are here, beside those of this notebook."),
      code(`files = sorted(map(str, Path().glob("draws-*.csv")))
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
    display(both)`),
    ];
  }

  // Cells for groups that cross, which the page itself does not sample
  function crossedCells(job) {
    const { value, options, did, remarked, crossing } = job;
    const { prior } = options;
    const names = namesFor(job);
    const own = (levels) => levels.map((level) => names.get(level));
    const paths = crossing.within.map(
      ({ level, path }) =>
        `\ndf = df.with_columns(pl.concat_str(${repr(own(path))}, separator=" / ").alias(${repr(names.get(level))}))`,
    );
    const outer = crossing.levels.length ? `levels=${repr(own(crossing.levels))}, ` : "";
    const remark = remarked ? ",\n    remark=False,  # the page has said what to look at\n" : "\n";
    const factors = own(crossing.factors.map(([level]) => level));
    return [
      begin(
        "Fits groups that cross, as lesson 8 of the course *Hierarchical models in Stan, from Python* does, with CmdStan.",
        did,
      ),
      code(`${reading(job, names, "\nimport arviz\nimport helpers\nimport numpy as np")}${paths.reverse().join("")}
data, labelled = helpers.stan_data(
    df, ${outer}crossed=${repr(own(crossing.crossed))}, values=${repr(names.get(value))}${remark})
data |= {
    "prior_theta": ${repr(prior.theta)},
    "prior_beta": np.zeros((0, 2)),  # there is no predictor
    "prior_tau": [${repr(prior.tau)}] * data["F"],
    "prior_sigma": ${repr(prior.sigma)},
    "centered": [0] * data["F"],  # 1 for a factor whose groups have many measurements each, as lesson 10 advises
}
factors = ${repr(factors)}  # tau[1] is the spread of the first, and so on
print(f"{data['N']} measurements; groups of each factor: {dict(zip(factors, data['J'].tolist()))}")`),
      sampling(job, "data", false),
      ...(factors.length < MOST_SPREADS.normal ? against("helpers.exact_crossed(data)", "samples") : []),
    ];
  }

  // The notebook, as text.
  course.notebook = (job) => {
    const made = job.crossing ? crossedCells(job) : cells(job);
    const numbered = made.map((cell, i) => ({ ...cell, id: `your-data-${i}`, metadata: {} }));
    const kernelspec = { display_name: "Python 3", language: "python", name: "python3" };
    return JSON.stringify({ cells: numbered, metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 }, null, 1);
  };
})();
