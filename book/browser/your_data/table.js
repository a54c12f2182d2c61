// The form of the table on "Your data": what is read, what is asked, which columns are chosen, and what is remarked on.

course.tableForm = (() => {
  const SHOWN = 4; // rows of the table as it is read
  const LESSON_8 = "../../lessons/08-slopes-and-crossed.html#groups-that-cross";
  const { count, element, plural } = course;
  const { at, say, options } = course.page;

  let example = {}; // tags of the picture of the tree
  let changed = () => {}; // called when there is another tree, or none
  let given = "";
  let grid = null;
  let problem = ""; // why there is none
  let asked = []; // about the whole table
  let answers = {}; // to questions about this text
  let header = ""; // names of the columns for which value and levels were chosen
  let value = null;
  let likelihood = "normal"; // what the numbers are
  let size = null; // the column of trials or exposure
  let levels = [];
  let guessed = false;

  // ---- reading ----

  // Answers hold for one text: the next may mean something else by the same mark.
  function read(text) {
    given = text;
    answers = {};
    update();
  }

  function update() {
    [grid, problem, asked] = [null, "", []];
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
    const { missing } = example;
    const taken = grid?.names
      ? course.takeColumns(grid, { levels, value, size, likelihood, answers, missing })
      : null;
    const chosen = taken?.table ? look(taken) : taken;
    const asks = chosen?.ask ? [...asked, chosen.ask] : asked;
    showRead(chosen);
    showAsks(asks);
    showColumns();
    changed(check(chosen, asks));
  }

  // The table with its tree, what is to be said of them, and whether groups are crossed
  function look({ table, did, percent }) {
    const tree = course.stanData(table);
    const trials = course.trialsOf(grid, value);
    const remarks = course.remarks(table, tree, { missing: example.missing, percent, likelihood, trials });
    const { ask, did: answered, model } = course.crossing(table, tree, remarks, answers);
    return { table, did: [...did, ...answered], tree, remarks, ask, model };
  }

  // Guess which column is measured; what was chosen stays chosen as long as the columns are the same.  Gives questions.
  function guess() {
    const found = course.guess(grid, answers);
    ({ grid } = found);
    const names = JSON.stringify(grid.names);
    if (names !== header) {
      header = names;
      ({ value, levels } = found);
      [likelihood, size] = ["normal", null];
      guessed = value !== null;
    }
    return found.asks;
  }

  function fail(sentence) {
    [given, grid, header, problem, asked] = ["", null, "", sentence, []];
    settle();
  }

  // ---- what is said of the table ----

  function button(label, act, description = label) {
    const made = element("button", { type: "button", ariaLabel: description }, label);
    made.addEventListener("click", act);
    return made;
  }

  // A sentence in a list, and perhaps a button for what can be done about it
  const item = (text, ...more) => element("li", {}, text, ...more.flatMap((one) => [" ", one]));

  function showRead(chosen) {
    const box = at("read");
    box.classList.toggle("yours-wrong", problem !== "");
    at("preview").replaceChildren(...(grid?.names ? [preview(chosen?.table)] : []));
    if (problem || !grid) {
      box.textContent = problem;
      return;
    }
    const size = grid.names
      ? `${plural(grid.lines.length, "row")}; columns ${grid.names.join(", ")}.`
      : "It is not clear which line names the columns.";
    const undoing = (text, id) => (id ? [button("Undo", () => answer(id, null), `Undo: ${text}`)] : []);
    const items = [...grid.did, ...(chosen?.did ?? [])].map(({ text, undo }) => item(text, ...undoing(text, undo)));
    if (guessed) {
      const groups = levels.length ? `, with groups by ${levels.join(", then ")}` : "";
      items.push(item(`Guessed: “${value}” is measured${groups}. If that is wrong, choose other columns below.`));
    }
    box.replaceChildren(size, ...(items.length ? [element("ul", {}, ...items)] : []));
  }

  // The first rows, as they are read
  function preview(table) {
    const names = table ? table.columns.map(({ name }) => name) : grid.names;
    const columns = table ? table.columns.map(({ values }) => values) : grid.columns;
    const row = (_, i) => columns.map((values) => String(values[i]));
    const rows = Array.from({ length: Math.min(SHOWN, columns[0].length) }, row);
    const properties = { className: "yours-table" };
    return course.table("The first rows as the page reads them", names, rows, properties, false);
  }

  function showAsks(asks) {
    const boxes = asks.map(({ id, text, options: choices }) => {
      const buttons = choices.map(([choice, label]) => button(label, () => answer(id, choice)));
      const row = element("p", { className: "yours-row" }, ...buttons);
      return element("div", { className: "yours-ask" }, element("p", {}, text), row);
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

  // A choice for every level, and one more that is empty
  function showColumns() {
    const names = (grid?.names ?? []).map((name) => [name, name]);
    const none = ["", "–"];
    at("value").replaceChildren(...options(value === null ? [none, ...names] : names, value ?? ""));
    showLikelihood(names);
    const focused = document.activeElement?.id;
    const choices = [...levels, null].slice(0, Math.max(1, names.length - 1)).map((chosen, k) => {
      const id = `yours-level-${k}`;
      const label = `Level ${k + 1}${k === 0 ? ", the outermost" : ""}`;
      const select = element("select", { id }, ...options([none, ...names], chosen ?? ""));
      return element("span", {}, element("label", { htmlFor: id }, label), select);
    });
    at("levels").replaceChildren(...choices);
    if (focused?.startsWith("yours-level-")) document.getElementById(focused)?.focus();
  }

  function showLikelihood(names) {
    const kinds = Object.entries(course.likelihoods).map(([name, { label }]) => [name, label]);
    at("likelihood").replaceChildren(...options(kinds, likelihood));
    const { size: meant, without } = course.likelihoods[likelihood];
    at("size-choice").hidden = meant === null;
    if (meant === null) return;
    at("size-choice").querySelector("label").textContent = `Column of ${meant}`;
    const others = names.filter(([name]) => name !== value);
    at("size").replaceChildren(...options([["", without], ...others], size ?? ""));
  }

  // Another kind of number; what was a column of trials is none of exposure, and no level.
  function setLikelihood(kind, column) {
    [likelihood, size] = [kind, column];
    levels = levels.filter((name) => name !== size);
    guessed = false;
    settle();
  }

  function chooseLikelihood() {
    const kind = at("likelihood").value;
    setLikelihood(kind, kind === "binomial" && value !== null ? course.trialsOf(grid, value) : null);
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

  // The table and its tree, if the table and the columns are in order, else null
  function check(chosen, asks) {
    if (chosen?.problem) say("checked", chosen.problem, true);
    else if (asks.length && !chosen?.table) say("checked", "Answer the question above first.", true);
    else if (!chosen?.table) say("checked", "");
    else return checkTree(chosen);
    return null;
  }

  // Why the page does not go on with a tree, in a sentence; else empty
  function whyNot({ tree, ask, model }) {
    if (ask) return "Answer the question above first.";
    if (model) return likelihood === "normal" ? "" : course.crossedBeyond(likelihood);
    try {
      const { prior } = example;
      course.treeData(tree, { prior, sharedTau: true, weight: 0, writeNodes: false, likelihood, nu: 4 });
      return "";
    } catch (error) {
      return error.message;
    }
  }

  // What is said of a tree: words, and perhaps a link among them
  function describe(chosen) {
    const { table, tree, model } = chosen;
    const picture = course.pictures.drawTree(tree, levels);
    if (model) {
      const [before, after] = course.crossedWords(model, table.rows);
      return [before, element("a", { href: LESSON_8 }, "Lesson 8"), [after, ...asides(chosen)].join(" ")];
    }
    const parts = levels.map((level, k) => `${count(tree.sizes[k])} (${level})`);
    const what = course.likelihoods[likelihood].size ? "count" : "measurement";
    const groups = `${plural(tree.N, what)}; groups of each level: ${parts.join(", ")}.`;
    return [[groups, ...asides(chosen), picture].join(" ").trim()];
  }

  function checkTree(chosen) {
    const { table, did, tree, remarks, model } = chosen;
    const words = describe(chosen);
    const wrong = whyNot(chosen);
    say("checked", wrong, wrong !== "");
    if (!wrong) at("checked").append(...words);
    const others = remarks.filter(({ rule }) => rule !== "crossed"); // which is asked
    const items = others.map(({ text, fix }) => item(text, ...(fix ? [button(fix.label, () => mend(fix))] : [])));
    if (items.length) at("checked").append(element("ul", { className: "yours-remarks" }, ...items));
    if (wrong) return null;
    const said = [...grid.did, ...did].map(({ text }) => text);
    const own = table.columns[levels.length + 1]?.name ?? null; // of trials it may be made up
    const remarked = remarks.some(course.isTold);
    const kind = { value, likelihood, size: own, crossing: model };
    return { table, tree, did: said, remarked, given, levels: levels.slice(), ...kind };
  }

  function asides({ tree, model }) {
    const unused = grid.names.filter((name) => ![...levels, value, size].includes(name));
    const found = unused.length ? [`Not used: ${unused.join(", ")}.`] : [];
    if (model) return found;
    if (tree.sizes.at(-1) === 1) {
      found.push("There is one group only: of τ the data say nothing, and its prior comes out.");
    } else if (tree.N === tree.sizes.at(-1) && !course.likelihoods[likelihood].size) {
      found.push("Each group of the last level has one: τ and σ can hardly be told apart.");
    }
    return found;
  }

  function mend(fix) {
    if (fix.answer) {
      answer(fix.answer, "yes");
      return;
    }
    if (fix.likelihood) setLikelihood(fix.likelihood, fix.size);
    else {
      ({ levels } = fix);
      guessed = false;
      settle();
    }
    at("checked").focus();
  }

  function begin(tags, onChange) {
    [example, changed] = [tags, onChange];
    [value, levels, header] = [example.value, example.levels.slice(), ""];
    at("levels").addEventListener("change", chooseLevel);
    at("value").addEventListener("change", chooseValue);
    at("likelihood").addEventListener("change", chooseLikelihood);
    at("size").addEventListener("change", () => setLikelihood(likelihood, at("size").value || null));
    read(example.csv);
    guessed = false;
    settle();
  }

  return { begin, read, fail };
})();
