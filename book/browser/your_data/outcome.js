// What came out of a run of "Your data": a table of the unknowns, and the alarms of the diagnostics.

course.outcome = (() => {
  const LESSON_3 = "../../lessons/03-funnel-diagnosis.html";
  const ADVICE = {
    tree: " Choose tree_marginal, or another weight.",
    tree_marginal: " Raise adapt_delta.",
    tree_family: " Try another weight, or raise adapt_delta.",
  };
  const MOST_GROUPS = 100; // in a table
  const HEAD = ["", "mean", "sd", "5%", "95%", "R-hat", "bulk ESS", "tail ESS"];
  const { count, digits, element, isFine, limits, plural } = course;
  const { at, scrolling } = course.page;

  // Columns that are told of, and their symbols
  function unknowns({ options, levels, likelihood, program }) {
    const taus = options.sharedTau ? [["tau.1", "τ"]] : levels.map((level, k) => [`tau.${k + 1}`, `τ of ${level}`]);
    const sigma = program === "tree_family" ? "sigma.1" : "sigma"; // there it is a vector, as counts have none
    return new Map([["theta", "θ"], ...taus, ...(course.likelihoods[likelihood].size ? [] : [[sigma, "σ"]])]);
  }

  // As many decimals as show two digits of the sd
  const decimalsFor = (sd) => Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(sd || 1))));

  // A function that gives a column of the draws, chain by chain
  function columnsOf({ names, chains }) {
    return (name) => {
      const place = names.indexOf(name);
      return chains.map(({ draws }) =>
        Float64Array.from({ length: draws.length / names.length }, (_, i) => draws[i * names.length + place]),
      );
    };
  }

  // The row of an unknown in the table, and the alarms of its diagnostics.
  function describe(symbol, { mean, sd, low, high, rHat, bulk, tail }) {
    const cells = [mean, sd, low, high].map((x) => digits(x, decimalsFor(sd)));
    const row = [symbol, ...cells, digits(rHat, 3), digits(bulk, 0), digits(tail, 0)];
    const alarms = [];
    if (!isFine.rHat(rHat)) alarms.push(`R-hat of ${symbol} is above ${limits.rHat}: the chains disagree.`);
    for (const [kind, ess] of Object.entries({ bulk, tail })) {
      if (isFine[kind](ess)) continue;
      alarms.push(`The ${kind} ESS of ${symbol} is below ${limits.ess}: there are too few effective draws.`);
    }
    return { row, alarms };
  }

  // What the diagnostics of the sampler say: numbers, and alarms to come first and last.
  function diagnose(job, column) {
    const total = (name, test) => column(name).reduce((sum, chain) => sum + chain.filter(test).length, 0);
    const divergences = total("divergent__", (x) => x > 0);
    const ceiling = total("treedepth__", (x) => x >= 10);
    const bfmi = course.bfmi(column("energy__"));
    const [first, last] = [[], []];
    if (divergences) {
      first.push(
        `${plural(divergences, "path")} diverged: the sampler could not follow the posterior there, and may have ` +
          "missed a part of it." +
          ADVICE[job.program],
      );
    }
    if (ceiling) last.push(`${plural(ceiling, "path")} hit the ceiling of tree depth: slow, but not wrong.`);
    if (!isFine.bfmi(bfmi)) last.push(`E-BFMI is below ${limits.eBfmi}: energies are explored too slowly.`);
    return { divergences, bfmi, first, last };
  }

  // What is said below the table
  function verdict({ settings, options, data }, { divergences, bfmi }, alarms) {
    const told =
      `Divergences: ${divergences} of ${plural(settings.chains * settings.draws, "draw")}. ` +
      `E-BFMI: ${bfmi.map((x) => digits(x, 2)).join(", ")}. ${alarms.length ? "" : "No alarm sounds."}`;
    const parts = [element("p", {}, told)];
    if (alarms.length) {
      const list = alarms.map((alarm) => element("li", {}, alarm));
      const link = element("a", { href: LESSON_3 }, "lesson 3");
      const advice = ["Do not rely on these draws before you have found out why: ", link, " says how."];
      parts.push(element("ul", { className: "yours-wrong" }, ...list), element("p", {}, ...advice));
    }
    if (!options.writeNodes) {
      const kept =
        `With ${count(data.parent.length)} nodes, this page keeps the draws of the population only, and the picture of ` +
        "the groups is empty; with fewer draws, or with ";
      const inNotebook = element("code", {}, "write_nodes=True");
      parts.push(element("p", {}, kept, inNotebook, " in the notebook, there are all."));
    }
    return parts;
  }

  // Where the draws come from: of the page's own run, or of the one that it begins with
  function origin({ stored, tree, value, program, likelihood }) {
    const what = course.likelihoods[likelihood].size ? "count" : "measurement";
    if (stored) return ["These are the course's own measurements, sampled when this book was made."];
    const code = (text) => element("code", {}, text);
    return [`${plural(tree.N, what)} of `, code(value), ", sampled in this page with ", code(program), "."];
  }

  // The groups of the last level on the scale of the data, folded away
  function groups({ likelihood, levels }, { label, n, x, y, low }) {
    const { own, scale, size } = course.likelihoods[likelihood];
    const head = [levels.join(" / "), size ?? "measurements", own ?? "own average", `${scale ?? "mean"}: mean`, "sd"];
    const rows = label.slice(0, MOST_GROUPS).map((name, i) => {
      const places = decimalsFor(y[i] - low[i]);
      return [
        name,
        String(Number(n[i].toPrecision(6))),
        ...[x[i], y[i], y[i] - low[i]].map((one) => digits(one, places)),
      ];
    });
    const more = label.length > MOST_GROUPS ? `, the first ${MOST_GROUPS} of ${count(label.length)}` : "";
    const summary = element("summary", {}, `The groups of ${levels.at(-1)}, each with its ${scale ?? "mean"}${more}`);
    const table = course.table("", head, rows, { className: "yours-table" });
    return element("details", {}, summary, scrolling("The groups", table));
  }

  async function show(job, result) {
    const breathe = course.breather();
    const column = columnsOf(result);
    const rows = [];
    const alarms = [];
    const { link, scale, toData } = course.likelihoods[job.likelihood];
    for (const [name, symbol] of unknowns(job)) {
      const unit = link ? ` (${link})` : "";
      const found = describe(`${symbol}${unit}`, await course.summary(column(name), breathe));
      rows.push(found.row);
      alarms.push(...found.alarms);
    }
    const theta = column("theta").map((chain) => chain.map(toData)); // on the scale of the data
    if (scale) rows.splice(1, 0, describe(`${scale} at θ`, await course.summary(theta, breathe)).row);
    const run = diagnose(job, column);
    at("results").replaceChildren(
      element("p", {}, ...origin(job)),
      scrolling("The unknowns", course.table("", HEAD, rows, { className: "yours-table" })),
      ...verdict(job, run, [...run.first, ...alarms, ...run.last]),
    );
    const leaves = await course.pictures.showLeaves(job, result, course.mean(theta));
    if (job.options.writeNodes) at("results").append(groups(job, leaves));
    const marks = element("div", {}, element("p", {}, "Computing the exact answer …"));
    at("results").append(marks);
    marks.replaceChildren(...(await course.marks(job, column, unknowns(job), breathe)));
    at("results").removeAttribute("aria-busy");
  }

  return { show, unknowns };
})();
