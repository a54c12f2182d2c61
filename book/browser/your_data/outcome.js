// What came out of a run of "Your data": a table of the unknowns, and the alarms of the diagnostics.

globalThis.course ??= {};

course.outcome = (() => {
  const LESSON_3 = '<a href="../lessons/03-funnel-diagnosis.html">lesson 3</a>';
  const { at, count, escaped, plural } = course.page;

  // Columns that are told of, and their symbols
  function unknowns({ options, levels }) {
    if (options.sharedTau)
      return new Map([
        ["theta", "θ"],
        ["tau.1", "τ"],
        ["sigma", "σ"],
      ]);
    const taus = levels.map((level, k) => [`tau.${k + 1}`, `τ of ${level}`]);
    return new Map([["theta", "θ"], ...taus, ["sigma", "σ"]]);
  }

  // As many decimals as show two digits of the sd
  const decimalsFor = (sd) => Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(sd || 1))));

  const HEAD = ["", "mean", "sd", "5%", "95%", "R-hat", "bulk ESS", "tail ESS"];

  // A function that gives a column of the draws, chain by chain
  function columnsOf({ names, chains }) {
    return (name) => {
      const place = names.indexOf(name);
      return chains.map(({ draws }) => {
        const values = new Float64Array(draws.length / names.length);
        for (let i = 0; i < values.length; i++) values[i] = draws[i * names.length + place];
        return values;
      });
    };
  }

  // The row of an unknown in the table, and the alarms of its diagnostics.
  async function describe(symbol, chains, breathe) {
    const all = chains.flatMap((chain) => Array.from(chain));
    const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
    const sd = Math.sqrt(all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (all.length - 1));
    const steps = [
      () => course.quantile(chains, 0.05),
      () => course.quantile(chains, 0.95),
      () => course.rhat(chains),
      () => course.essBulk(chains),
      () => course.essTail(chains),
    ];
    const found = [];
    for (const step of steps) {
      await breathe();
      found.push(step());
    }
    const [low, high, rhat, bulk, tail] = found;
    const cells = [mean, sd, low, high].map((x) => x.toFixed(decimalsFor(sd)));
    cells.push(rhat.toFixed(3), bulk.toFixed(0), tail.toFixed(0));
    const row = `<tr><th scope="row">${escaped(symbol)}</th>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
    const alarms = rhat <= 1.01 ? [] : [`R-hat of ${symbol} is above 1.01: the chains disagree.`];
    const least = 100 * chains.length;
    for (const [kind, ess] of Object.entries({ bulk, tail })) {
      if (ess >= least) continue; // one that is not a number is an alarm, too
      alarms.push(`The ${kind} ESS of ${symbol} is below ${least}: there are too few effective draws.`);
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
          (job.program === "tree" ? " Choose tree_marginal, or another weight." : " Raise adapt_delta."),
      );
    }
    if (ceiling) last.push(`${plural(ceiling, "path")} hit the ceiling of tree depth: slow, but not wrong.`);
    if (bfmi.some((x) => !(x >= 0.3))) last.push("E-BFMI is below 0.3: energies are explored too slowly.");
    return { divergences, bfmi, first, last };
  }

  function verdict(alarms) {
    if (!alarms.length) return "No alarm sounds.</p>";
    return `</p><ul class="yours-wrong">${alarms.map((alarm) => `<li>${escaped(alarm)}</li>`).join("")}</ul>
      <p>Do not rely on these draws before you have found out why: ${LESSON_3} says how.</p>`;
  }

  async function show(job, result) {
    const breathe = course.breather();
    const column = columnsOf(result);
    const rows = [];
    const alarms = [];
    for (const [name, symbol] of unknowns(job)) {
      const found = await describe(symbol, column(name), breathe);
      rows.push(found.row);
      alarms.push(...found.alarms);
    }
    const { divergences, bfmi, first, last } = diagnose(job, column);
    const kept = job.options.writeNodes
      ? ""
      : `<p>With ${count(job.data.parent.length)} nodes, this page keeps the draws of θ, τ and σ only, and
         the picture of the groups is empty; with fewer draws, or with <code>write_nodes=True</code> in the notebook,
         there are all.</p>`;
    at("results").innerHTML =
      `<p>${plural(job.tree.N, "measurement")} of <code>${escaped(job.value)}</code>, sampled in
      this page with <code>${job.program}</code>.</p>
      <table class="yours-table"><thead><tr>${HEAD.map((name) => `<th scope="col">${name}</th>`).join("")}</tr></thead>
      <tbody>${rows.join("")}</tbody></table>
      <p>Divergences: ${divergences} of ${plural(job.settings.chains * job.settings.draws, "draw")}.
      E-BFMI: ${bfmi.map((x) => x.toFixed(2)).join(", ")}. ${verdict([...first, ...alarms, ...last])}${kept}`;
    const theta = column("theta");
    const sum = theta.reduce((all, chain) => chain.reduce((total, x) => total + x, all), 0);
    await course.pictures.showLeaves(job, result, sum / (theta.length * theta[0].length));
  }

  return { show, unknowns };
})();
