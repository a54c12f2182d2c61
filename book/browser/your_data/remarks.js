// What in a table is no mistake, but may not be meant: the rules of helpers/remarks.py, in the words of the page, and
// those about the measured numbers; tests/book/test_your_data.py compares the first with Python's.

(() => {
  const remark = (rule, column, labels, text, fix) => ({ rule, column, labels, text, fix });
  const named = (label) => (label === "" ? "(empty)" : `“${label}”`);

  // Labels that mean a missing one, and those that differ in spaces or case only.
  function aboutLabels({ name, type, values }, missing) {
    if (type !== "String") return [];
    const found = [];
    const none = values.find((label) => missing.includes(label.trim()));
    if (none !== undefined) {
      const rows = values.filter((label) => missing.includes(label.trim())).length;
      const text =
        `${named(none)} in “${name}” makes a group of that name. If the label is missing, name its group in the ` +
        "table, or leave such rows out.";
      const fix = { answer: `labels:${name}`, label: `Leave out ${course.plural(rows, "row")} without a label` };
      found.push(remark("missing", name, [none], text, fix));
    }
    const alike = new Map();
    for (const label of [...new Set(values)].sort(course.compare)) {
      const key = label.trim().replace(/\s+/g, " ").toUpperCase().toLowerCase();
      alike.set(key, [...(alike.get(key) ?? []), label]);
    }
    const several = [...alike.values()].filter((group) => group.length > 1);
    if (several.length) {
      const [labels] = several;
      const quoted = labels.map((label) => `“${label}”`);
      const more = several.length > 1 ? `, and ${several.length - 1} more such labels,` : "";
      const text =
        `${quoted.slice(0, -1).join(", ")} and ${quoted.at(-1)}${more} in “${name}” are different groups. If they ` +
        "are meant to be one, write them alike.";
      found.push(remark("alike", name, labels, text));
    }
    return found;
  }

  // Whether the groups within every parent are numbered from 1, without a gap.
  function areNumbered(parents, labels) {
    const children = new Map();
    const highest = new Map();
    for (let i = 0; i < parents.length; i++) {
      const number = String(labels[i]).trim() === "" ? NaN : Number(labels[i]);
      if (!(number >= 1 && Number.isInteger(number))) return false;
      children.set(parents[i], (children.get(parents[i]) ?? 0) + 1);
      highest.set(parents[i], Math.max(highest.get(parents[i]) ?? 0, number));
    }
    return [...children].every(([parent, n]) => highest.get(parent) === n);
  }

  // Groups of level k, from 1, that may not be nested in those of the level above.
  function aboutNesting(tree, levels, k) {
    const labels = tree.labels[k - 1];
    const parents = tree.parents[k - 1];
    const [level, above] = [levels[k - 1], levels[k - 2]];
    const count = tree.sizes[k - 2];
    if (count === 1) return [];
    const under = new Map();
    for (const label of labels) under.set(label, (under.get(label) ?? 0) + 1);
    if (labels.length === count) {
      const outer = under.size > 1 && under.size < count;
      const cause = outer
        ? `If “${level}” is the outer level, it has to come first.`
        : `If “${level}” only names the same groups again, leave it out.`;
      const other = levels.filter((_, i) => i !== k - 1);
      if (outer) other.splice(k - 2, 0, level);
      const text = `There are as many groups at level ${k} (“${level}”) as at level ${k - 1} (“${above}”), ${count}. ${cause}`;
      const fix = { levels: other, label: outer ? `Put “${level}” before “${above}”` : `Leave out “${level}”` };
      return [remark(outer ? "order" : "again", level, [], text, fix)];
    }
    const everywhere = under.size > 1 && labels.length === count * under.size;
    const shared = [...under.values()].filter((n) => n > 1).length;
    if (!everywhere && (2 * shared <= under.size || areNumbered(parents, labels))) return [];
    const label = labels.find((one) => under.get(one) > 1);
    const where = everywhere ? `every “${above}”` : `more than one “${above}”`;
    const text =
      `The same labels of “${level}” stand under ${where}. Is ${named(label)} the same thing in all of them, or are ` +
      "they different things that share a name?";
    return [remark("crossed", level, [label], text)];
  }

  // Numbers that may be something else than was chosen; `trials` names a column that may hold theirs.
  function aboutNumbers(y, value, { percent, trials }) {
    let [whole, low, high] = [true, Infinity, -Infinity];
    for (const one of y) {
      whole &&= Number.isInteger(one);
      low = Math.min(low, one);
      high = Math.max(high, one);
    }
    const counts = { likelihood: "poisson", size: null, label: "Take them as counts" };
    const successes = { likelihood: "binomial", size: trials, label: "Take them as successes of trials" };
    const told = (text, fix) => [remark("numbers", value, [], text, fix)];
    if (whole && low >= 0 && trials) {
      const text = `All numbers of “${value}” are whole, and none is above that in “${trials}”: are they successes of trials?`;
      return told(text, successes);
    }
    if (whole && low >= 0 && high <= 1) {
      return told(
        `All numbers of “${value}” are 0 or 1: do they say no and yes, with one trial in each row?`,
        successes,
      );
    }
    if (whole && low >= 0) return told(`All numbers of “${value}” are whole: are they counts?`, counts);
    if (low < 0 || high > (percent ? 100 : 1)) return [];
    return told(
      `The numbers in “${value}” are ${percent ? "percentages" : "all between 0 and 1"}. If each is a share of a whole, ` +
        "this model is not for them. If they are successes divided by trials, give a column of each.",
    );
  }

  // Everything to be said of a table of `takeColumns` and its tree: {rule, column, labels, text}, and perhaps a fix,
  // {answer}, {levels} or {likelihood, size} with a label.
  course.remarks = (table, tree, { missing = [], percent = false, likelihood = "normal", trials = null } = {}) => {
    const levels = table.columns.slice(0, table.depth).map(({ name }) => name);
    const found = [];
    for (const i of levels.keys()) {
      found.push(...aboutLabels(table.columns[i], missing));
      const misspelt = found.some(({ rule }) => rule === "alike"); // which makes another tree
      if (i && !misspelt) found.push(...aboutNesting(tree, levels, i + 1));
    }
    if (tree.sizes[0] === 2) {
      const text =
        `“${levels[0]}” has two labels only, ${tree.labels[0].map(named).join(" and ")}. If it is a treatment whose ` +
        "effect you want to know, it is no level: two groups say next to nothing about their spread.";
      found.push(remark("two", levels[0], tree.labels[0], text));
    }
    if (course.likelihoods[likelihood].size) return found;
    return [...found, ...aboutNumbers(tree.y, table.columns[table.depth].name, { percent, trials })];
  };

  // The rules that Python has as well.
  course.isTold = ({ rule }) => ["missing", "alike", "order", "again", "crossed"].includes(rule);
})();
