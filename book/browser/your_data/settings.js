// What the form of "Your data" asks for: settings of the sampler, and priors, which are filled in from the table.

course.settings = (() => {
  const MOST_NUMBERS = 2.5e7; // of all chains together: 200 MB
  const { at } = course.page;

  const number = (id) => (at(id).value.trim() === "" ? NaN : Number(at(id).value));
  const program = () => document.querySelector('input[name="yours-program"]:checked').value;

  function begin({ settings: { adaptDelta, seed, warmup, draws } }) {
    for (const [id, value] of Object.entries({ delta: adaptDelta, seed, warmup, draws })) at(id).value = value;
  }

  const brief = (x) => Number(x.toPrecision(2));

  // A prior from the scale of the measurements
  function priorFor(mean, sd) {
    const scale = brief(2 * (sd || Math.abs(mean) || 1));
    const step = 10 ** Math.floor(Math.log10(scale)); // digits of the mean that matter
    return { theta: [Number((Math.round(mean / step) * step).toPrecision(12)), scale], tau: scale, sigma: scale };
  }

  let filled = ""; // for which measurements priors have been filled in: what a reader then changes stays

  // Priors for a table; those of the example are the lessons'.
  function fillPriors({ tree, given, value }, example) {
    const own = given === example.csv && value === example.value;
    const [mean, sd] = [course.mean([tree.y]), course.sd([tree.y])];
    const key = JSON.stringify([own, value, mean, sd, tree.N]);
    if (key === filled) return;
    filled = key;
    const prior = own ? example.prior : priorFor(mean, sd);
    [at("theta-mean").value, at("theta-sd").value] = prior.theta;
    at("tau").value = prior.tau;
    at("sigma").value = prior.sigma;
    at("prior-note").textContent = own
      ? "These are the priors of the lessons."
      : "Filled in from your data: their mean, and twice their standard deviation. That looks at the data once; " +
        "if you know which values are plausible, write that instead.";
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
    const isTree = program() === "tree";
    const moved = isTree ? numbers : 0;
    if (moved > 2 * MOST_NUMBERS) {
      throw new Error(
        `tree moves ${course.count(nodes)} nodes, too many for this page with ${course.count(draws)} draws: ` +
          "choose tree_marginal, or ask for fewer draws.",
      );
    }
    const options = {
      prior: { theta: [number("theta-mean"), number("theta-sd")], tau: number("tau"), sigma: number("sigma") },
      sharedTau: at("shared").value === "shared",
      weight: isTree ? number("weight") : 0,
      writeNodes: numbers + moved <= MOST_NUMBERS,
    };
    const data = course.treeData(current.tree, options);
    return { ...current, data, program: program(), options, settings, reserved };
  }

  return { begin, fillPriors, program, read };
})();
