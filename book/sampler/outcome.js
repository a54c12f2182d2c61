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

  async function show(job, result) {
    const breathe = course.breather();
    const width = result.names.length;
    const column = (name) => {
      const place = result.names.indexOf(name);
      return result.chains.map(({ draws }) => {
        const values = new Float64Array(draws.length / width);
        for (let i = 0; i < values.length; i++) values[i] = draws[i * width + place];
        return values;
      });
    };
    const rows = [];
    const alarms = [];
    for (const [name, symbol] of unknowns(job)) {
      const chains = column(name);
      const all = chains.flatMap((chain) => Array.from(chain));
      const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
      const sd = Math.sqrt(all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (all.length - 1));
      await breathe();
      const ends = [course.quantile(chains, 0.05), course.quantile(chains, 0.95)];
      await breathe();
      const rhat = course.rhat(chains);
      await breathe();
      const bulk = course.essBulk(chains);
      await breathe();
      const tail = course.essTail(chains);
      await breathe();
      const decimals = decimalsFor(sd);
      const cells = [mean, sd, ...ends].map((x) => x.toFixed(decimals));
      cells.push(rhat.toFixed(3), bulk.toFixed(0), tail.toFixed(0));
      rows.push(
        `<tr><th scope="row">${escaped(symbol)}</th>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`,
      );
      if (!(rhat <= 1.01)) alarms.push(`R-hat of ${symbol} is above 1.01: the chains disagree.`);
      const least = 100 * chains.length;
      for (const [kind, ess] of [
        ["bulk", bulk],
        ["tail", tail],
      ]) {
        if (!(ess >= least)) {
          alarms.push(`The ${kind} ESS of ${symbol} is below ${least}: there are too few effective draws.`);
        }
      }
    }
    const total = (name, test) => column(name).reduce((sum, chain) => sum + chain.filter(test).length, 0);
    const divergences = total("divergent__", (x) => x > 0);
    const ceiling = total("treedepth__", (x) => x >= 10);
    const bfmi = course.bfmi(column("energy__"));
    if (divergences) {
      alarms.unshift(
        `${plural(divergences, "path")} diverged: the sampler could not follow the posterior there, and may have ` +
          "missed a part of it." +
          (job.program === "tree" ? " Choose tree_marginal, or another weight." : " Raise adapt_delta."),
      );
    }
    if (ceiling) alarms.push(`${plural(ceiling, "path")} hit the ceiling of tree depth: slow, but not wrong.`);
    if (bfmi.some((x) => !(x >= 0.3))) alarms.push("E-BFMI is below 0.3: energies are explored too slowly.");
    const verdict = alarms.length
      ? `</p><ul class="yours-wrong">${alarms.map((alarm) => `<li>${escaped(alarm)}</li>`).join("")}</ul>
         <p>Do not rely on these draws before you have found out why: ${LESSON_3} says how.</p>`
      : `No alarm sounds.</p>`;
    const kept = job.options.writeNodes
      ? ""
      : `<p>With ${count(job.data.parent.length)} nodes, this page keeps the draws of θ, τ and σ only, and
         the picture of the groups is empty; with fewer draws, or with <code>write_nodes=True</code> in the notebook, there
         are all.</p>`;
    const head = ["", "mean", "sd", "5%", "95%", "R-hat", "bulk ESS", "tail ESS"];
    at("results").innerHTML =
      `<p>${plural(job.tree.N, "measurement")} of <code>${escaped(job.value)}</code>, sampled in
      this page with <code>${job.program}</code>.</p>
      <table class="yours-table"><thead><tr>${head.map((name) => `<th scope="col">${name}</th>`).join("")}</tr></thead>
      <tbody>${rows.join("")}</tbody></table>
      <p>Divergences: ${divergences} of ${plural(job.settings.chains * job.settings.draws, "draw")}.
      E-BFMI: ${bfmi.map((x) => x.toFixed(2)).join(", ")}. ${verdict}${kept}`;
    const theta = column("theta");
    await course.pictures.showLeaves(
      job,
      result,
      theta.flatMap((chain) => Array.from(chain)).reduce((sum, x) => sum + x, 0) / (theta.length * theta[0].length),
    );
  }

  return { show, unknowns };
})();
