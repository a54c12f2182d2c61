// What pages tell their readers: sentences, the numbers of draws, which of them are alarms, and tables.

(() => {
  const SLICE = 12; // milliseconds after which a long computation lets the page breathe
  const { rHat, ess, eBfmi } = course.limits;

  course.count = (n) => n.toLocaleString("en-US");
  course.plural = (n, word) => `${course.count(n)} ${word}${n === 1 ? "" : "s"}`;
  course.refuse = (sentence) => {
    throw new Error(sentence);
  };

  // A function to be awaited inside a loop: now and then it lets the page answer its reader.
  course.breather = () => {
    let begun = performance.now();
    return async () => {
      if (performance.now() - begun < SLICE) return;
      await new Promise((done) => setTimeout(done));
      begun = performance.now();
    };
  };

  // All that a table tells of one quantity
  course.summary = async (chains, breathe) => {
    const steps = {
      mean: course.mean,
      sd: course.sd,
      low: () => course.quantile(chains, 0.05),
      high: () => course.quantile(chains, 0.95),
      rHat: course.rhat,
      bulk: course.essBulk,
      tail: course.essTail,
    };
    const found = {};
    for (const [name, compute] of Object.entries(steps)) {
      await breathe();
      found[name] = compute(chains);
    }
    return found;
  };

  // Whether a diagnostic gives no reason to worry; one that cannot be computed does.
  course.isFine = {
    rHat: (value) => value <= rHat,
    bulk: (value) => value >= ess,
    tail: (value) => value >= ess,
    bfmi: (values) => values.every((value) => value >= eBfmi),
  };

  course.digits = (value, places) => (Number.isFinite(value) ? value.toFixed(places).replace("-", "−") : "–");

  course.element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  // Cells are texts or elements, or arrays of these; rows begin with their names, unless `named` is false.
  course.table = (caption, head, rows, properties = {}, named = true) => {
    const { element } = course;
    const cell = (content, k) =>
      named && k === 0 ? element("th", { scope: "row" }, content) : element("td", {}, ...[content].flat());
    const line = (row) => element("tr", {}, ...row.map(cell));
    const top = element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)));
    const parts = [element("tbody", {}, ...rows.map(line))];
    if (head.length) parts.unshift(element("thead", {}, top));
    if (caption) parts.unshift(element("caption", {}, caption));
    return element("table", properties, ...parts);
  };
})();
