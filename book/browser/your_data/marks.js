// Marks of a run of "Your data" against the exact answer, as helpers.score gives them.

(() => {
  const HEAD = ["", "estimate", "exact", "error in MCSE"];
  const WRONG = 5; // MCSE: chance alone goes beyond this once in two million times
  const { digits, element } = course;

  // Estimates are means over the draws; `exact` is what they should be near to.
  function mark(name, draws, exact) {
    const [estimate, mcse] = [course.mean(draws), course.mcseMean(draws)];
    const error = mcse > 0 ? (estimate - exact) / mcse : NaN;
    const places = Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(mcse || 1))));
    return { error, row: [name, digits(estimate, places), digits(exact, places), digits(error, 1)] };
  }

  // The mean of τ, to one digit: about there it is best seen whether small values are visited often enough
  const threshold = (mean) => Number(mean.toPrecision(1));

  function verdict(errors) {
    const worst = errors.reduce((most, error) => Math.max(most, Math.abs(error)), 0);
    if (worst > WRONG) {
      return `An error beyond ${WRONG} MCSE is no chance: the sampler is wrong here, even if no alarm sounds.`;
    }
    return "Up to about 2 MCSE is chance, and one in some twenty beyond it; beyond 5 the sampler would be wrong.";
  }

  // What is shown: a table with a sentence, or a sentence on why there is none.  `column` gives draws, `symbols` are the
  // unknowns.
  course.marks = async ({ data }, column, symbols, breathe) => {
    let exact = [];
    try {
      exact = await course.exact(data, breathe);
    } catch (error) {
      return [element("p", {}, error.message)];
    }
    const found = [];
    for (const { name, mean, below } of exact) {
      const own = symbols.has(name) ? name : `${name}.1`; // σ is a vector in tree_family
      const draws = column(own);
      found.push(mark(symbols.get(own), draws, mean));
      if (!name.startsWith("tau")) continue;
      const limit = threshold(mean);
      const share = draws.map((chain) => chain.map((x) => (x < limit ? 1 : 0)));
      found.push(mark(`P(${symbols.get(own)} < ${limit})`, share, below(limit)));
    }
    const caption = "Against the exact answer, computed in this page";
    const table = course.table(
      caption,
      HEAD,
      found.map(({ row }) => row),
      { className: "yours-table" },
    );
    return [
      course.page.scrolling("Marks", table),
      element("p", {}, verdict(found.map(({ error }) => error).filter(Number.isFinite))),
    ];
  };
})();
