// Labels that stand under several groups are nested or crossed, which only the reader knows: the page asks where
// remarks.js finds them, and goes on when every question is answered.

(() => {
  const OPTIONS = [
    ["nested", "They are different things that share a name: nested"],
    ["crossed", "It is the same thing in all of them: crossed"],
  ];

  // Groups of which model: the outer levels are nested as long as none is crossed.  `within` are levels below a crossed
  // one, with the levels whose labels name a group; `factors` have all, [name, number of groups], in the order of their τ.
  function modelOf({ columns }, { sizes }, levels, cross) {
    const first = levels.findIndex((level) => cross.includes(level));
    const outer = levels.slice(0, first).filter((_, k) => sizes[k] > 1); // one group alone has no spread
    const nested = outer.length > 1 ? outer : [];
    const crossed = [...(nested.length ? [] : outer), ...levels.slice(first)];
    const within = levels.slice(first).filter((level) => !cross.includes(level));
    const count = (level) => {
      const k = levels.indexOf(level);
      return cross.includes(level) ? new Set(columns[k].values).size : sizes[k];
    };
    return {
      levels: nested,
      crossed,
      within: within.map((level) => ({ level, path: levels.slice(0, levels.indexOf(level) + 1) })),
      factors: [...nested, ...crossed].map((level) => [level, count(level)]),
    };
  }

  // {ask, did, model}: the next question about a table, its tree and the remarks on it, what was answered, and the
  // factors of the crossed model, null as long as groups are nested.
  course.crossing = (table, tree, remarks, answers) => {
    const levels = table.columns.slice(0, table.depth).map(({ name }) => name);
    const [asks, did, cross] = [[], [], []];
    for (const { column, labels, text } of remarks.filter(({ rule }) => rule === "crossed")) {
      const above = levels.slice(0, levels.indexOf(column));
      const id = `crossed:${JSON.stringify([...above, column])}`; // under other levels it is another question
      const label = `“${labels[0]}”`;
      const said = {
        nested: `“${column}” is nested: ${label} under one “${above.at(-1)}” is not ${label} under another.`,
        crossed: `“${column}” is crossed: ${label} is the same thing under every “${above.at(-1)}”.`,
      }[answers[id]];
      if (said) did.push({ text: said, undo: id });
      else asks.push({ id, text, options: OPTIONS });
      if (answers[id] === "crossed") cross.push(column);
    }
    const isCrossed = cross.length > 0 && asks.length === 0;
    return { ask: asks[0], did, model: isCrossed ? modelOf(table, tree, levels, cross) : null };
  };

  // What the page says in place of a tree, before the link to the lesson and after it
  course.crossedWords = ({ factors, within }, rows) => {
    const groups = factors.map(([level, size]) => `${course.count(size)} (${level})`).join(", ");
    const cells = within.map(({ level, path }) => ` A group of “${level}” is one of ${path.join(", ")} together.`);
    return [
      `${course.plural(rows, "measurement")}; groups of each factor: ${groups}.${cells.join("")} The nested model does ` +
        "not describe this: it would take one thing for many, and be too sure of the mean. ",
      " has the model for groups that cross. This page does not sample it; the notebook below does, on this table. " +
        "No tree shows groups that cross: the picture has them as if they were nested.",
    ];
  };

  course.crossedBeyond = (likelihood) =>
    `Crossed groups with ${likelihood === "student_t" ? "outliers" : "counts"} are beyond this page, and the nested ` +
    "model would be too sure of the mean. The packages brms, in R, and bambi, in Python, fit such models.";
})();
