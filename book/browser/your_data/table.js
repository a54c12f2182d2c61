// The form of the table on "Your data": what is read, what is asked, which columns are chosen, and what is remarked on.

globalThis.course ??= {};

course.tableForm = (() => {
  const SHOWN = 4; // rows of the table as it is read
  const { at, count, plural, say, element, escaped } = course.page;

  let example = {}; // tags of the picture of the tree
  let changed = () => {}; // called when there is another tree, or none
  let given = "";
  let grid = null;
  let problem = ""; // why there is none
  let asked = []; // about the whole table
  let answers = {}; // to questions about this text
  let header = ""; // names of the columns for which value and levels were chosen
  let value = null;
  let levels = [];
  let guessed = false;
  let current = null; // {table, tree, did, remarks}, if the table and the columns are in order

  // ---- reading ----

  // Answers hold for one text: the next may mean something else by the same mark.
  function read(text) {
    given = text;
    answers = {};
    update();
  }

  function update() {
    grid = null;
    problem = "";
    asked = [];
    try {
      grid = course.readGrid(given, answers);
    } catch (error) {
      problem = error.message;
    }
    if (grid?.names) asked = guess();
    else if (grid) [asked, header, value, levels, guessed] = [grid.asks, "", null, [], false];
    settle();
  }

  // What follows from the columns that are chosen, and from answers about them.
  function settle() {
    const chosen = grid?.names
      ? course.takeColumns(grid, { levels, value, answers, missing: example.missing })
      : null;
    const asks = chosen?.ask ? [...asked, chosen.ask] : asked;
    showRead(chosen);
    showAsks(asks);
    showColumns();
    check(chosen, asks);
  }

  // Guess which column is measured; what was chosen stays chosen as long as the columns are the same.  Gives questions.
  function guess() {
    const found = course.guess(grid, answers);
    ({ grid } = found);
    const names = JSON.stringify(grid.names);
    if (names !== header) {
      header = names;
      ({ value, levels } = found);
      guessed = value !== null;
    }
    return found.asks;
  }

  function fail(sentence) {
    [given, grid, header, problem, asked] = ["", null, "", sentence, []];
    settle();
  }

  // ---- what is said of the table ----

  function showRead(chosen) {
    const box = at("read");
    box.classList.toggle("yours-wrong", problem !== "");
    if (problem || !grid) {
      box.textContent = problem;
      at("preview").replaceChildren();
      return;
    }
    const size = grid.names
      ? `${plural(grid.lines.length, "row")}; columns ${grid.names.join(", ")}.`
      : "It is not clear which line names the columns.";
    const list = element("ul", "");
    for (const { text, undo } of [...grid.did, ...(chosen?.did ?? [])]) {
      const item = element("li", text);
      if (undo)
        item.append(
          " ",
          button("Undo", () => answer(undo, null), `Undo: ${text}`),
        );
      list.append(item);
    }
    if (guessed) {
      const groups = levels.length ? `, with groups by ${levels.join(", then ")}` : "";
      list.append(
        element("li", `Guessed: “${value}” is measured${groups}. If that is wrong, choose other columns below.`),
      );
    }
    box.replaceChildren(size, ...(list.childElementCount ? [list] : []));
    preview(chosen?.table);
  }

  // The first rows, as they are read
  function preview(table) {
    if (!grid.names) {
      at("preview").replaceChildren();
      return;
    }
    const names = table ? table.columns.map(({ name }) => name) : grid.names;
    const columns = table ? table.columns.map(({ values }) => values) : grid.columns;
    const rows = Math.min(SHOWN, columns[0].length);
    const cells = Array.from({ length: rows }, (_, i) =>
      columns.map((values) => `<td>${escaped(values[i])}</td>`).join(""),
    );
    const head = names.map((name) => `<th scope="col">${escaped(name)}</th>`).join("");
    at("preview").innerHTML =
      `<table class="yours-table"><caption>The first rows as the page reads them</caption><thead><tr>${head}</tr></thead>` +
      `<tbody>${cells.map((row) => `<tr>${row}</tr>`).join("")}</tbody></table>`;
  }

  function button(label, act, description = "") {
    const made = element("button", label, { type: "button" });
    if (description) made.ariaLabel = description;
    made.addEventListener("click", act);
    return made;
  }

  function showAsks(asks) {
    const boxes = asks.map(({ id, text, options }) => {
      const box = element("div", "", { className: "yours-ask" });
      const buttons = element("p", "", { className: "yours-row" });
      buttons.append(...options.map(([choice, label]) => button(label, () => answer(id, choice))));
      box.append(element("p", text), buttons);
      return box;
    });
    at("asked").replaceChildren(...boxes);
  }

  // The button that was pressed is gone: go on with the next question, or with what was read.
  function answer(id, choice) {
    if (choice === null) delete answers[id];
    else answers[id] = choice;
    if (["names", "long"].includes(id)) update();
    else settle();
    (at("asked").querySelector("button") ?? at("read")).focus();
  }

  // ---- the columns ----

  const options = (names, chosen) =>
    names
      .map((name) => {
        const mark = name === chosen ? " selected" : "";
        return `<option value="${escaped(name)}"${mark}>${escaped(name)}</option>`;
      })
      .join("");
  const none = (chosen) => `<option value=""${chosen === null ? " selected" : ""}>–</option>`;

  // A choice for every level, and one more that is empty
  function showColumns() {
    const names = grid?.names ?? [];
    at("value").innerHTML = (value === null ? none(null) : "") + options(names, value);
    const most = Math.max(1, names.length - 1);
    const focused = document.activeElement?.id;
    at("levels").innerHTML = [...levels, null]
      .slice(0, most)
      .map((chosen, k) => {
        const place = k === 0 ? ", the outermost" : "";
        return `<span><label for="yours-level-${k}">Level ${k + 1}${place}</label>
          <select id="yours-level-${k}">${none(chosen)}${options(names, chosen)}</select></span>`;
      })
      .join("");
    if (focused?.startsWith("yours-level-")) document.getElementById(focused)?.focus();
  }

  function chooseLevel(event) {
    const k = Number(event.target.id.replace("yours-level-", ""));
    if (event.target.selectedIndex === 0) levels.splice(k, 1);
    else levels[k] = event.target.value;
    guessed = false;
    settle();
  }

  function chooseValue() {
    if (value === null && at("value").selectedIndex === 0) return;
    value = at("value").value;
    guessed = false;
    if (!levels.length) levels = course.guessLevels(grid, value);
    settle();
  }

  // ---- what is wrong with them, or may not be meant ----

  function check(chosen, asks) {
    current = null;
    if (chosen?.problem) say("checked", chosen.problem, true);
    else if (asks.length && !chosen?.table) say("checked", "Answer the question above first.", true);
    else if (!chosen?.table) say("checked", "");
    else checkTree(chosen);
    changed(current);
  }

  function checkTree({ table, did, percent }) {
    const tree = course.stanData(table);
    try {
      course.treeData(tree, { prior: example.prior, sharedTau: true, weight: 0, writeNodes: false });
    } catch (error) {
      say("checked", error.message, true);
      return;
    }
    const remarks = course.remarks(table, tree, { missing: example.missing, percent });
    const parts = levels.map((level, k) => `${count(tree.sizes[k])} (${level})`);
    const groups = `${plural(tree.N, "measurement")}; groups of each level: ${parts.join(", ")}.`;
    say("checked", [groups, ...asides(tree), course.pictures.drawTree(tree, levels)].join(" ").trim());
    if (remarks.length) at("checked").append(listed(remarks));
    const said = [...grid.did, ...did].map(({ text }) => text);
    current = { table, tree, did: said, remarked: remarks.some(course.isTold), given, levels: levels.slice(), value };
  }

  function asides(tree) {
    const used = [...levels, value];
    const unused = grid.names.filter((name) => !used.includes(name));
    const found = [];
    if (unused.length) found.push(`Not used: ${unused.join(", ")}.`);
    if (tree.sizes.at(-1) === 1)
      found.push("There is one group only: of τ the data say nothing, and its prior comes out.");
    else if (tree.N === tree.sizes.at(-1)) {
      found.push("Each group of the last level has one: τ and σ can hardly be told apart.");
    }
    return found;
  }

  function listed(remarks) {
    const list = element("ul", "", { className: "yours-remarks" });
    for (const { text, fix } of remarks) {
      const item = element("li", text);
      if (fix)
        item.append(
          " ",
          button(fix.label, () => mend(fix)),
        );
      list.append(item);
    }
    return list;
  }

  function mend(fix) {
    if (fix.answer) {
      answer(fix.answer, "yes");
      return;
    }
    ({ levels } = fix);
    guessed = false;
    settle();
    at("checked").focus();
  }

  function begin(tags, onChange) {
    [example, changed] = [tags, onChange];
    [value, levels, header] = [example.value, example.levels.slice(), ""];
    at("levels").addEventListener("change", chooseLevel);
    at("value").addEventListener("change", chooseValue);
    read(example.csv);
    guessed = false;
    settle();
  }

  return { begin, read, fail, current: () => current };
})();
