// The columns that were chosen, as the model takes them: numbers, labels, and what is left out; and data.csv of them.

(() => {
  const LABEL_OF_NUMBER = /^-?(0|[1-9][0-9]*)(\.0+)?$/; // 1.0 is the label 1; 007 is a text
  const PLAIN = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/;
  const SHOWN = 5; // lines that are named in a sentence
  const { count, plural } = course;

  const ordinal = (n) => {
    const last = n % 100 > 10 && n % 100 < 14 ? 0 : n % 10;
    return `${count(n)}${["th", "st", "nd", "rd"][last] ?? "th"}`;
  };

  function linesOf(rows, lines) {
    const shown = rows.slice(0, SHOWN).map((i) => lines[i]);
    const rest = rows.length > SHOWN ? ", …" : "";
    return `line${rows.length === 1 ? "" : "s"} ${shown.join(", ")}${rest}`;
  }

  // Labels and their type in a notebook: whole numbers, other numbers, or text.
  function labelsOf(fields) {
    if (fields.every((field) => LABEL_OF_NUMBER.test(field) && Number.isSafeInteger(Number(field)))) {
      return { type: "Int64", values: fields.map(Number) };
    }
    if (fields.every((field) => PLAIN.test(field) && field.length < 16)) {
      return { type: "Float64", values: fields.map(Number) };
    }
    return { type: "String", values: fields };
  }

  const quoted = (text) => (text === "" || /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  // The chosen columns of a table as text that every program reads in one way.
  course.toCsv = ({ columns, rows }) => {
    const lines = [columns.map(({ name }) => quoted(name)).join(",")];
    for (let i = 0; i < rows; i++) {
      lines.push(
        columns.map(({ values }) => (typeof values[i] === "number" ? values[i] : quoted(values[i]))).join(","),
      );
    }
    return `${lines.join("\n")}\n`;
  };

  function checkChoice(levels, value, size) {
    if (value === null) return "Which column is measured? It is not clear from the table: choose it above.";
    if (!levels.length) return "Choose the column that has the labels of the groups, for level 1.";
    const names = [...levels, value, ...(size === null ? [] : [size])];
    const twice = names.find((name, i) => names.indexOf(name) < i);
    return twice === undefined ? "" : `“${twice}” is chosen twice: each column has one place.`;
  }

  // What is to be asked of a column of measured numbers, as `describe` has it, or what is wrong with it.
  function askAboutNumbers({ name, fields, lines, roles, example, other, missing }) {
    for (const [mark, words] of Object.entries({ ",": "commas", ".": "points" })) {
      if (roles[mark] !== "ask") continue;
      const field = fields[example[`${mark}unclear`]];
      const text = `Are the ${words} in “${name}” marks of thousands, or decimal ${words}? Each has three digits after it.`;
      const options = [
        ["thousands", `Thousands: ${field} is ${field.replaceAll(mark, "")}`],
        ["decimals", `Decimals: ${field} is ${field.replace(mark, ".")}`],
      ];
      return { id: `marks:${name}`, text, options };
    }
    if (other.length) return askAboutText(name, fields, lines, other);
    if (!missing.length) return null;
    if (missing.length === fields.length) return { problem: `“${name}” has no number: choose another column.` };
    const found = [...new Set(missing.map((i) => (fields[i] ? `“${fields[i]}”` : "nothing")))].slice(0, 3).join(", ");
    const rows = plural(missing.length, "row");
    const text =
      `Leave out ${rows} without a number? In “${name}” ${linesOf(missing, lines)} ` +
      `${missing.length === 1 ? "has" : "have"} ${found}.`;
    return { id: `missing:${name}`, text, options: [["yes", `Leave out ${rows}`]] };
  }

  function askAboutText(name, fields, lines, other) {
    const first = other.find((i) => course.isLimit(fields[i])) ?? other[0];
    const place = `in line ${lines[first]}, the ${ordinal(first + 1)} row below the names`;
    const cell = `“${fields[first].slice(0, 60)}” in “${name}” (${place}) is no number`;
    if (course.isLimit(fields[first])) {
      return {
        problem:
          `${cell}, but a limit: this page's model has no place for it, and without such rows the mean would be off. ` +
          "A model of your own can say that the number is below or above the limit (Stan's guide calls it censored data).",
      };
    }
    if (2 * other.length > fields.length) {
      return { problem: `${cell}. Choose another column, or correct it in the table.` };
    }
    const more = other.length > 1 ? `, nor are ${count(other.length - 1)} more` : "";
    const rows = plural(other.length, "row");
    const text = `${cell}${more}. Correct it in the table, or leave out ${rows} (${linesOf(other, lines)}).`;
    return { id: `text:${name}`, text, options: [["yes", `Leave out ${rows}`]] };
  }

  // Rows that are left out because the reader says so.
  function leftOut(numbers, levels, labels, answers, noLabel) {
    const { lines } = numbers[0];
    const out = new Set();
    const did = [];
    const drop = (undo, rows, text) => {
      if (!answers[undo] || !rows.length) return;
      for (const i of rows) out.add(i);
      did.push({ text: `Left out: ${plural(rows.length, "row")} ${text} (${linesOf(rows, lines)}).`, undo });
    };
    for (const { name, other, missing } of numbers) {
      drop(`text:${name}`, other, `whose “${name}” is no number`);
      drop(`missing:${name}`, missing, `without a number in “${name}”`);
    }
    levels.forEach((level, k) => {
      const rows = [...labels[k].keys()].filter((i) => noLabel.includes(labels[k][i]));
      drop(`labels:${level}`, rows, `without a label in “${level}”`);
    });
    return { out, did };
  }

  // The question that is still open: that about text may be answered, and that about missing numbers follow it.
  function pending(asked, column, answers) {
    if (!asked || !answers[asked.id]) return asked;
    return answers[`missing:${column.name}`] ? null : askAboutNumbers({ ...column, other: [] });
  }

  // A column of numbers, and what was done, what is to be asked, or what is wrong with it
  function readNumbers(grid, name, answers) {
    const fields = grid.columns[grid.names.indexOf(name)];
    const options = { answer: answers[`marks:${name}`], commasLikely: course.commasLikely(grid) };
    const column = { name, fields, lines: grid.lines, ...course.describe(fields, options) };
    const did = course.sayHow(column).map((text) => ({ text }));
    if (options.answer && did.length) did[0].undo = `marks:${name}`;
    const asked = askAboutNumbers(column);
    return { column, did, problem: asked?.problem, ask: asked?.problem ? null : pending(asked, column, answers) };
  }

  // Columns of the rows that are kept: labels, the numbers, and trials or exposure; where each row is a trial, a column
  // of ones is made up.
  function keep(grid, kept, { levels, value, size, likelihood }, labels, numbers) {
    const isCount = course.likelihoods[likelihood].size !== null;
    const columns = levels.map((name, k) => ({ name, ...labelsOf(kept.map((i) => labels[k][i])) }));
    const did = columns.flatMap(({ name, type }, k) => {
      const field = type === "Int64" && labels[k].find((one) => one.includes("."));
      return field ? [{ text: `In “${name}”, ${field} is the label ${Number(field)}.` }] : [];
    });
    for (const { column } of numbers) {
      const type = isCount && (column.name === value || likelihood === "binomial") ? "Int64" : "Float64";
      columns.push({ name: column.name, type, values: Float64Array.from(kept, (i) => column.values[i]) });
    }
    if (likelihood === "binomial" && size === null) {
      let name = "trials";
      while (grid.names.includes(name)) name += "_";
      columns.push({ name, type: "Int64", values: new Float64Array(kept.length).fill(1) });
      did.push({ text: `Each row is one trial: data.csv has a column “${name}” of ones.` });
    }
    return { table: { columns, depth: levels.length, rows: kept.length }, did };
  }

  // The table that the model gets: {table: {columns: [{name, type, values}], depth, rows}, did, ask, problem}, with the
  // labels of `depth` levels first, then the numbers, then trials or exposure if there are any; there is no table as long
  // as there is a question or a problem.  `missing` are labels that mean none.
  course.takeColumns = (grid, choice) => {
    const { levels, value, size, likelihood, answers, missing } = {
      ...{ size: null, likelihood: "normal", answers: {}, missing: [] },
      ...choice,
    };
    const problem = checkChoice(levels, value, size);
    if (problem) return { did: [], problem };
    const labels = levels.map((name) => grid.columns[grid.names.indexOf(name)]);
    const numbers = [value, ...(size === null ? [] : [size])].map((name) => readNumbers(grid, name, answers));
    const did = numbers.flatMap((one) => one.did);
    const wrong = numbers.find((one) => one.problem);
    if (wrong) return { did, problem: wrong.problem };
    const gone = leftOut(
      numbers.map(({ column }) => column),
      levels,
      labels,
      answers,
      missing,
    );
    did.push(...gone.did);
    const ask = numbers.find((one) => one.ask)?.ask;
    if (ask) return { did, ask };
    const kept = [...grid.lines.keys()].filter((i) => !gone.out.has(i));
    if (!kept.length) return { did, problem: "There are no rows: give at least one measured number." };
    const made = keep(grid, kept, { levels, value, size, likelihood }, labels, numbers);
    const lines = kept.map((i) => grid.lines[i]);
    const [counts, sizes] = made.table.columns.slice(levels.length);
    const bad = course.countProblem(likelihood, counts, size === null ? null : sizes, lines);
    if (bad) return { did, problem: bad };
    did.push(...made.did);
    return { did, table: made.table, percent: numbers[0].column.example.percent !== undefined };
  };
})();
