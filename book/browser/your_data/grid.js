// Rows of fields into columns with names: comments, titles, empty rows and columns, row names, and a table that is wide.

(() => {
  const MOST = 10e6; // characters: more than this holds up a page for seconds
  const SEARCHED = 20; // rows among which the names are looked for
  const { plural, refuse } = course;
  const widthOf = (fields) => fields.findLastIndex((field) => field !== "") + 1;
  const listed = (names) => names.map((name) => `“${name}”`).join(", ");

  function checkText(given) {
    if (given.length > MOST) {
      refuse(
        `The table has ${Math.round(given.length / 1e6)} MB, and this page reads up to ${MOST / 1e6}: ` +
          "give only the columns that are needed, or do it in a notebook on your machine, which has no limit.",
      );
    }
    if (given.startsWith("PK\u0003\u0004") || given.slice(0, 1e4).includes("\0")) {
      refuse("This is not text, perhaps a workbook of a spreadsheet program: save it as CSV (UTF-8) there.");
    }
  }

  // Rows without what separates or explains them, and what was left out.
  function withoutBlanks(all) {
    const isBlank = ({ fields }) => fields && widthOf(fields) === 0;
    const first = all.findIndex((row) => !isBlank(row));
    const last = all.findLastIndex((row) => !isBlank(row));
    const blank = all.filter((row, i) => isBlank(row) && (row.fields.length > 1 || (i > first && i < last)));
    const did = blank.length ? [{ text: `Left out: ${plural(blank.length, "empty row")}.` }] : [];
    return { rows: all.filter((row) => !isBlank(row)), did };
  }

  // R writes one name fewer than there are fields, and row names first; 1,234 without quotes looks the same.
  function hasRowNames(names, rows, separator) {
    if (!rows.length || rows.some(({ fields }) => fields.length !== names.fields.length + 1)) return false;
    if (rows.every(({ quoted }) => quoted)) return true;
    const labels = rows.map(({ fields }) => fields[0]);
    if (separator === ",") return false;
    if (separator === " ") return labels.every((label, i) => label === String(i + 1));
    return new Set(labels).size === labels.length;
  }

  function looksLikeNames(rows, i, separator) {
    const { fields } = rows[i];
    const names = fields.slice(0, widthOf(fields));
    if (names.length < 2 || names.slice(1).includes("") || names.some(course.isNumber)) return false;
    if (i + 1 < rows.length && names.length < widthOf(rows[i + 1].fields)) {
      return hasRowNames(rows[i], rows.slice(i + 1), separator);
    }
    return true;
  }

  // The names may stand in a comment right above the numbers.
  function namesInComment(comments, rows, separator) {
    const last = comments.at(-1);
    if (!last || !rows.length || !rows[0].fields.some(course.isNumber)) return null;
    const [row] = course.splitText(`${last.comment.replace(/^#+\s*/, "")}\n`, separator, last.line);
    const fits = row?.fields && row.fields.length >= 2 && row.fields.length === rows[0].fields.length;
    return fits && looksLikeNames([row, ...rows], 0, separator) ? row : null;
  }

  // Which row has the names: its place, -1 if there are none, or null with a question.
  function namesRow(rows, separator, answer) {
    if (answer === "none") return -1;
    if (answer) return rows.findIndex(({ line }) => line === Number(answer));
    if (looksLikeNames(rows, 0, separator)) return 0;
    const { line, fields } = rows[0];
    const options = [];
    let text = "";
    const found = rows.findIndex(
      (_, i) => i && i <= SEARCHED && i + 1 < rows.length && looksLikeNames(rows, i, separator),
    );
    if (found > 0) {
      const other = rows[found];
      text = `Line ${line} does not look like names of columns; line ${other.line} does: ${other.fields.filter((x) => x).join(", ")}.`;
      options.push([String(other.line), `Take the names from line ${other.line}`]);
    }
    const number = fields.find(course.isNumber);
    if (number !== undefined && widthOf(fields) > 1) {
      text ||= `Line ${line} has a number in it, ${number}: does it name the columns?`;
      options.push([String(line), `Line ${line} has the names`], ["none", "The columns have no names"]);
    } else if (found > 0 && widthOf(fields) > 1) options.push([String(line), `Line ${line} has the names`]);
    return options.length ? { id: "names", text, options } : 0;
  }

  const ordinary = (name) => name.replace(/\s+/g, " ").replaceAll('"', "”");

  // Names of all columns, of those too that have none.
  function nameColumns(row, width, line) {
    const given = Array.from({ length: width }, (_, j) => ordinary(row[j] ?? ""));
    const twice = given.find((name, j) => name && given.indexOf(name) < j);
    if (twice) refuse(`Two columns are named “${twice}”: rename one in line ${line}.`);
    return given.map((name, j) => {
      let own = name || (j === 0 && line ? "first column" : `column ${j + 1}`);
      while (!name && given.includes(own)) own += "'";
      return own;
    });
  }

  // Every row with as many fields as there are columns; fails at the first that has others.
  function rectangle(rows, names, separator) {
    const needed = widthOf(names);
    const whole = Math.max(names.length, ...(needed < names.length ? rows.map(({ fields }) => widthOf(fields)) : []));
    for (const { fields, line } of rows) {
      const width = widthOf(fields);
      if (fields.length === whole || (width <= whole && fields.length >= needed)) continue;
      const hint = separator === "," && width > needed ? " (a number with a comma in it has to stand in quotes)" : "";
      refuse(
        `Line ${line} has ${plural(fields.length, "field")}, and the names are ${needed}: ` +
          `correct the ${course.separatorNames[separator]}${hint}.`,
      );
    }
    return whole;
  }

  // Labels that are the same only because spaces around them are left out
  function merged(rows, j, name) {
    const written = new Map();
    for (const { fields, raw } of rows) {
      const one = raw?.[j] ?? fields[j];
      const known = written.get(fields[j]);
      if (known === undefined) written.set(fields[j], one);
      else if (known !== one && fields[j] && !course.isNumber(fields[j])) {
        return { text: `In “${name}”, “${known}” and “${one}” are taken for one: only spaces differ.` };
      }
    }
    return null;
  }

  // What is above the names, and the comments among the rows.
  function sayComments(found, did) {
    if (!found.length) return;
    const lines = found.map(({ line }) => line).join(", ");
    did.push({
      text: `Left out: ${plural(found.length, "line")} that begin${found.length === 1 ? "s" : ""} with # (${lines.slice(0, 60)}).`,
    });
  }

  // Lines with # are comments above the names, and below them if they do not have as many fields as a row.
  function withoutComments(all, separator, did) {
    const first = all.findIndex(({ fields }) => fields);
    const above = first < 0 ? all : all.slice(0, first);
    const rest = first < 0 ? [] : all.slice(first);
    const width = rest.find(({ fields }) => fields)?.fields.length;
    const comments = [];
    const rows = [];
    for (const row of rest) {
      if (row.fields) {
        rows.push(row);
        continue;
      }
      const split = course.splitText(` ${row.comment}\n`, separator, row.line)[0];
      split.raw = null;
      if (split.fields.length === width) rows.push(split);
      else comments.push(row);
    }
    const named = namesInComment(above, rows, separator);
    if (named) {
      rows.unshift(named);
      did.push({ text: `The names are those of line ${named.line}, without its #.` });
      above.pop();
    }
    sayComments([...above, ...comments], did);
    return rows;
  }

  // Read a text: {names; unnamed, those of them that the page made up; columns of text; lines, where each row stands;
  // separator; did, what was done; asks}.  Without an answer to a question there may be no columns.  Fails with a
  // sentence.
  course.readGrid = (given, answers = {}) => {
    checkText(given);
    const { text, separator: said, first } = course.tidyText(given);
    if (!/^(?!#).*\S/m.test(text)) refuse("There is no table: paste one whose first line names the columns.");
    const separator = said ?? course.separatorOf(text);
    if (!separator) {
      refuse(
        "There is one column only: give one of labels and one of numbers, with commas, semicolons or tabs " +
          "between them.",
      );
    }
    const { rows: all, did } = withoutBlanks(course.splitText(text, separator, first));
    const rows = withoutComments(all, separator, did);
    const place = namesRow(rows, separator, answers.names);
    if (typeof place === "object") return { names: null, columns: [], lines: [], separator, did, asks: [place] };
    return { ...columnsOf(rows, place, separator, did, answers), separator, did, asks: [] };
  };

  function columnsOf(rows, place, separator, did, answers) {
    const undo = answers.names ? "names" : undefined;
    if (place > 0) {
      const above = rows.slice(0, place).map(({ line }) => line);
      did.push({ text: `Left out: line${place > 1 ? "s" : ""} ${above.join(", ")}, above the names.`, undo });
    } else if (answers.names) {
      did.push({ text: place < 0 ? "The columns have no names." : `Line ${rows[0].line} has the names.`, undo });
    }
    const body = rows.slice(place + 1);
    const head = place < 0 ? { line: 0, fields: [] } : rows[place];
    if (place >= 0 && hasRowNames(head, body, separator)) head.fields = ["", ...head.fields];
    const given = place < 0 ? body[0].fields.map((_, j) => `column ${j + 1}`) : head.fields;
    const width = rectangle(body, given, separator);
    const names = nameColumns(given, width, head.line);
    let columns = names.map((_, j) => body.map(({ fields }) => fields[j] ?? ""));
    const kept = names.map((_, j) => Boolean(given[j]) || columns[j].some((field) => field !== ""));
    const empty = kept.filter((keep) => !keep).length;
    if (empty) did.push({ text: `Left out: ${plural(empty, "empty column")}.` });
    if (rows.some(({ raw }) => raw)) {
      did.push({ text: "Spaces around names, labels and numbers are left out." });
      did.push(...names.map((name, j) => merged(body, j, name)).filter((one) => one));
    }
    columns = columns.filter((_, j) => kept[j]);
    const unnamed = names.filter((_, j) => kept[j] && !given[j]);
    if (unnamed.length) did.push({ text: `Without a name, and called here: ${listed(unnamed)}.` });
    if (columns.length < 2) {
      refuse("There is one column only: give one of labels and one of numbers.");
    }
    return { names: names.filter((_, j) => kept[j]), unnamed, columns, lines: body.map(({ line }) => line) };
  }
})();
