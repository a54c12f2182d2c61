// What the form of "Your data" asks for: settings of the sampler, and priors, which are filled in from the table.

course.settings = (() => {
  const MOST_NUMBERS = 2.5e7; // of all chains together: 200 MB
  const { at } = course.page;

  const number = (id) => (at(id).value.trim() === "" ? NaN : Number(at(id).value));
  const chosen = () => document.querySelector('input[name="yours-program"]:checked').value;
  const program = (likelihood = "normal") => (likelihood === "normal" ? chosen() : "tree_family");

  function begin({ settings: { adaptDelta, seed, warmup, draws } }) {
    for (const [id, value] of Object.entries({ delta: adaptDelta, seed, warmup, draws })) at(id).value = value;
  }

  const brief = (x) => Number(x.toPrecision(2));

  // Priors of counts are wide on the scale of the link, whatever the counts are; the mean of a rate is that of the data.
  function priorOfCounts({ y, size, N }, likelihood) {
    if (likelihood === "binomial") return { theta: [0, 1.5], tau: 1 };
    const sum = (values) => values.reduce((total, x) => total + x, 0);
    const rate = Math.max(sum(y), 0.5) / (size ? sum(size) : N);
    return { theta: [Number(Math.log(rate).toFixed(1)), 1.5], tau: 1 };
  }

  // A prior from the scale of the measurements
  function priorFor(mean, sd) {
    const scale = brief(2 * (sd || Math.abs(mean) || 1));
    const step = 10 ** Math.floor(Math.log10(scale)); // digits of the mean that matter
    return { theta: [Number((Math.round(mean / step) * step).toPrecision(12)), scale], tau: scale, sigma: scale };
  }

  let filled = ""; // for which measurements priors have been filled in: what a reader then changes stays

  // Priors for a table; those of the example are the lessons'.
  function fillPriors({ tree, given, value, likelihood }, example) {
    const isCount = course.likelihoods[likelihood].size !== null;
    const own = given === example.csv && value === example.value && !isCount;
    const [mean, sd] = [course.mean([tree.y]), course.sd([tree.y])];
    const rate = isCount ? priorOfCounts(tree, likelihood) : null;
    const key = JSON.stringify([own, value, mean, sd, tree.N, rate]);
    if (key === filled) return;
    filled = key;
    const prior = own ? example.prior : (rate ?? priorFor(mean, sd));
    [at("theta-mean").value, at("theta-sd").value] = prior.theta;
    at("tau").value = prior.tau;
    if (!isCount) at("sigma").value = prior.sigma;
    let note = "These are the priors of the lessons.";
    if (!own) {
      note =
        "Filled in from your data: their mean, and twice their standard deviation. That looks at the data once; " +
        "if you know which values are plausible, write that instead.";
    }
    if (isCount) note = "Wide priors; if you know what is plausible, write that instead.";
    if (likelihood === "poisson") note = `θ's mean is filled in from your data. ${note}`;
    at("prior-note").textContent = note;
  }

  const rounded = (x, scale) => (scale === "rate" ? brief(x) : `${brief(100 * x)}%`);

  // What priors on the scale of the link say on that of the data, before there are any.
  function meaning(likelihood, levels) {
    const { scale, toData } = course.likelihoods[likelihood];
    const [mean, sd, tau] = ["theta-mean", "theta-sd", "tau"].map(number);
    if (!scale || !(sd > 0 && tau > 0 && Number.isFinite(mean + sd + tau))) return "";
    const within = (spread) => [-1.96, 1.96].map((z) => rounded(toData(mean + z * spread), scale)).join(" and ");
    const plural = scale === "rate" ? "rates" : "probabilities";
    return (
      `Before any data, the population's ${scale} lies between ${within(sd)} with probability 95%, and ` +
      `95% of all groups' ${plural} between ${within(Math.hypot(sd, tau * Math.sqrt(levels)))}.`
    );
  }

  // Show the fields that belong to what was measured.
  function show(current) {
    const likelihood = current?.likelihood ?? "normal";
    const { size, unit } = course.likelihoods[likelihood];
    const isCrossed = Boolean(current?.crossing);
    at("programs").hidden = likelihood !== "normal" || isCrossed;
    at("crossed").hidden = !isCrossed;
    for (const id of ["weight", "shared"]) at(id).closest("p").hidden = isCrossed;
    at("family").hidden = likelihood === "normal";
    at("weight").disabled = program(likelihood) === "tree_marginal";
    at("priors").textContent = `Priors, ${unit}`;
    at("sigma-choice").hidden = size !== null;
    at("nu-choice").hidden = likelihood !== "student_t";
    at("prior-meaning").textContent = meaning(likelihood, current?.levels.length ?? 1);
  }

  // What is asked for, as takeaway.js wants it; fails with a sentence.
  function read(current, { settings: { chains }, reserved }) {
    if (!current) throw new Error("The table is not in order yet: see above.");
    const [adaptDelta, seed, warmup, draws] = ["delta", "seed", "warmup", "draws"].map(number);
    const settings = { adaptDelta, seed, warmup, draws, chains };
    const problem = course.problem(settings);
    if (problem) throw new Error(problem);
    const nodes = current.tree.sizes.reduce((sum, size) => sum + size, 0);
    const numbers = nodes * draws * chains;
    const { likelihood } = current;
    const own = current.crossing ? "crossed" : program(likelihood);
    const isTree = own === "tree" || own === "tree_family";
    const moved = isTree ? numbers : 0;
    if (moved > 2 * MOST_NUMBERS) {
      const instead = likelihood === "normal" ? "choose tree_marginal, or ask" : "ask";
      throw new Error(
        `${own} moves ${course.count(nodes)} nodes, too many for this page with ${course.count(draws)} draws: ` +
          `${instead} for fewer draws.`,
      );
    }
    const prior = { theta: [number("theta-mean"), number("theta-sd")], tau: number("tau") };
    if (!course.likelihoods[likelihood].size) prior.sigma = number("sigma");
    const options = {
      prior,
      likelihood,
      nu: likelihood === "student_t" ? number("nu") : 0,
      sharedTau: at("shared").value === "shared",
      weight: isTree ? number("weight") : 0,
      writeNodes: numbers + moved <= MOST_NUMBERS,
    };
    const factors = current.crossing?.factors.length;
    const data = factors ? course.readPrior(prior, factors, false) : course.treeData(current.tree, options);
    return { ...current, data, program: own, options, settings, reserved };
  }

  return { begin, fillPriors, program, read, show };
})();
