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

  // Names that Python and Stan take, where those of the columns are not such: a column is renamed in the notebook.
  function namesFor(levels, value, size, reserved) {
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
      names.set(level, levels.some((other) => level === `${other}_stan`) ? free(`${level}_`) : level);
    }
    names.set(value, bad ? free("y") : value);
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

  // Cells that hold the draws against the exact answer, where that does not take long
  function marks({ levels, options: { sharedTau, likelihood } }, own) {
    const isNormal = likelihood === "normal";
    const spreads = (sharedTau ? 1 : levels.length) + (course.likelihoods[likelihood].size ? 0 : 1);
    if (spreads > MOST_SPREADS[isNormal ? "normal" : "other"]) return [];
    return [
      markdown(
        "The draws against the exact answer. An error of about 2 MCSE is chance; beyond 5 the sampler is wrong.",
      ),
      code(`exact = helpers.exact_posterior(${own})
tau = exact.mean([name for name in exact.names if name.startswith("tau")][0])
helpers.score(helpers.unflatten(samples, flat), exact, below=float(f"{tau:.1g}"))`),
    ];
  }

  // Cells of the notebook; those that read what the page has drawn do so if it is there.
  function cells(job) {
    const { table, levels, value, size, program, options, settings, did, remarked, reserved } = job;
    const { prior, sharedTau, weight, writeNodes, likelihood, nu } = options;
    const truth = (flag) => (flag ? "True" : "False");
    const isCount = course.likelihoods[likelihood].size !== null;
    const schema = table.columns.map(({ name, type }) => `    ${repr(name)}: pl.${type},\n`).join("");
    const names = namesFor(levels, value, size, reserved);
    const renamed = [...names].filter(([name, own]) => name !== own);
    const rename = renamed.map(([name, own]) => `${repr(name)}: ${repr(own)}`).join(", ");
    const own = { levels: levels.map((level) => names.get(level)), value: names.get(value) };
    const also = size === null ? "" : `, ${course.likelihoods[likelihood].size}=${repr(size)}`;
    const remark = remarked ? ",\n    remark=False,  # the page has said what to look at\n" : "\n";
    const scales = `"tau": ${repr(prior.tau)}${isCount ? "" : `, "sigma": ${repr(prior.sigma)}`}`;
    const kind = likelihood === "normal" ? "" : `likelihood=${repr(likelihood)}`;
    const about = `data, prior=prior, values=${repr(own.value)}, shared_tau=${truth(sharedTau)}${
      kind && `, ${kind}${likelihood === "student_t" ? `, nu=${repr(nu)}` : ""}`
    }`;
    return [
      markdown(`# Your data, natively

Repeats what the page "Your data" of the course *Hierarchical models in Stan, from Python* does, with CmdStan. It
reads \`data.csv\`, the table as the page reads it: keep it in the folder of this notebook.${history(did)}

\`helpers\` is the module of the course. It is there if you open this notebook in the JupyterLab that \`make lab\`
starts in the course's folder; in another environment, \`pip install\` that folder.`),
      code(`import logging
from pathlib import Path

import arviz
import cmdstanpy
import helpers
import polars as pl

logging.getLogger("cmdstanpy").setLevel(logging.ERROR)

df = pl.read_csv("data.csv", schema={
${schema}})${rename && `\ndf = df.rename({${rename}})  # as names of Stan's`}
data, labelled = helpers.stan_data(
    df, levels=${repr(own.levels)}, values=${repr(own.value)}${also}${remark})
prior = {"theta": (${prior.theta.map(repr).join(", ")}), ${scales}}
flat = helpers.tree_data(
    ${about},
    weight=${repr(weight)}, write_nodes=${truth(writeNodes)})
print(f"{data['N']} ${isCount ? "counts" : "measurements"}; nodes of each level: {flat['J'].tolist()}")`),
      code(`fit = helpers.stan_model(${repr(program)}).sample(
    data=flat,
    chains=${settings.chains},
    seed=${settings.seed},
    adapt_delta=${settings.adaptDelta},
    iter_warmup=${settings.warmup},
    iter_sampling=${settings.draws},
    show_progress=False,
)
samples = arviz.from_cmdstanpy(fit, index_origin=1)
names = ["theta", "tau"${isCount ? "" : ', "sigma"'}]
arviz.summary(samples, var_names=names)`),
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

  // The notebook, as text.
  course.notebook = (job) => {
    const numbered = cells(job).map((cell, i) => ({ ...cell, id: `your-data-${i}`, metadata: {} }));
    const kernelspec = { display_name: "Python 3", language: "python", name: "python3" };
    return JSON.stringify({ cells: numbered, metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 }, null, 1);
  };
})();
