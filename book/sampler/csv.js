// Reads a table from CSV text, with the columns and types that polars gives it; see tests/test_your_data.py.

globalThis.course ??= {};

(() => {
  const MOST = 10e6; // characters: more than this holds up a page for seconds
  const WHOLE = /^-?[0-9]+$/;
  const POINT = /^[-+]?([0-9]*\.[0-9]+([eE][-+]?[0-9]+)?|inf|NaN|[0-9]+[eE][-+]?[0-9]+|[0-9]+\.)$/;
  const COMMA = /^[-+]?([0-9]*,[0-9]+([eE][-+]?[0-9]+)?|inf|NaN|[0-9]+[eE][-+]?[0-9]+|[0-9]+,)$/;
  const TRUTH = /^(true|false)$/i;
  const SEPARATORS = { ",": "commas", ";": "semicolons", "\t": "tabs" };
  const SPECIAL = { inf: Infinity, "+inf": Infinity, "-inf": -Infinity, NaN: NaN };

  const refuse = (sentence) => {
    throw new Error(sentence);
  };
  const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const isBlank = (char) => char === "\n" || char === "\r";

  // The text as it goes into data.csv, without a byte order mark and without empty lines around the table; and the
  // number of lines left out before it.
  function tidy(given) {
    let text = given.replace(/^\ufeff/, "");
    if (text.includes("\r") && !text.includes("\n")) text = text.replaceAll("\r", "\n");
    let start = 0;
    while (isBlank(text[start])) start += 1;
    let end = text.length;
    while (end > start && isBlank(text[end - 1])) end -= 1;
    const skipped = text.slice(0, start).split("\n").length - 1;
    return { text: end > start ? `${text.slice(start, end)}\n` : "", skipped };
  }

  // The one that stands most often in the first line, outside of quotes.
  function separatorOf(text) {
    const counts = { ",": 0, ";": 0, "\t": 0 };
    let quoted = false;
    for (const char of text.slice(0, 1e5)) {
      if (char === '"') quoted = !quoted;
      else if (char === "\n" && !quoted) break;
      else if (char in counts && !quoted) counts[char] += 1;
    }
    return Object.keys(counts).reduce((best, char) => (counts[char] > counts[best] ? char : best));
  }

  // Rows of fields; a field that is empty and not in quotes is null.  A text in quotes may go on over lines.
  function split(text, separator, skipped) {
    const rows = [];
    const lines = []; // in which each row begins, for what is said of it
    let line = skipped + 1;
    let fields = [];
    let at = 0;
    lines.push(line);
    while (at < text.length) {
      let field = null;
      let end = at;
      if (text[at] === '"') {
        const opened = line;
        field = "";
        for (let from = at + 1; ; from = end + 1) {
          end = text.indexOf('"', from);
          if (end < 0) refuse(`The quote that opens in line ${opened} is never closed: close it, or take it away.`);
          field += text.slice(from, end);
          end += 1;
          if (text[end] !== '"') break;
          field += '"';
        }
        for (let i = at; i < end; i++) if (text[i] === "\n") line += 1;
        if (text[end] === "\r" && text[end + 1] === "\n") end += 1;
        if (text[end] !== separator && text[end] !== "\n") {
          refuse(`Line ${line} goes on after a closing quote: write a quote inside a quoted text as two quotes.`);
        }
      } else {
        while (text[end] !== separator && text[end] !== "\n") {
          if (text[end] === '"') {
            refuse(`Line ${line} has a quote inside a field: put the field in quotes, and double the one inside.`);
          }
          end += 1;
        }
        const stop = text[end] === "\n" && text[end - 1] === "\r" && end > at ? end - 1 : end;
        if (stop > at) field = text.slice(at, stop);
      }
      fields.push(field);
      if (text[end] === "\n") {
        line += 1;
        rows.push(fields);
        lines.push(line);
        fields = [];
      }
      at = end + 1;
    }
    return { rows, lines };
  }

  function kindOf(field, float) {
    if (WHOLE.test(field)) return "Int64";
    if (float.test(field)) return "Float64";
    return TRUTH.test(field) ? "Boolean" : "String";
  }

  function typeOf(values, float) {
    const kinds = new Set();
    for (const value of values) if (value !== null) kinds.add(kindOf(value, float));
    if (kinds.size === 1) return [...kinds][0];
    return kinds.size === 2 && kinds.has("Int64") && kinds.has("Float64") ? "Float64" : "String";
  }

  function number(field) {
    return field in SPECIAL ? SPECIAL[field] : Number(field.replace(",", "."));
  }

  // Whole numbers that a double does not hold exactly make a column of BigInt.
  function typed(values, type) {
    const convert = (change) => values.map((value) => (value === null ? null : change(value)));
    if (type === "Boolean") return convert((value) => value.toLowerCase() === "true");
    if (type === "Float64") return convert(number);
    if (type !== "Int64") return values;
    const numbers = convert(Number);
    return numbers.every((value) => value === null || Number.isSafeInteger(value)) ? numbers : convert(BigInt);
  }

  // Whether numbers are written with a comma: some are, and none with a point.
  function hasDecimalCommas(columns, separator) {
    if (separator === ",") return false;
    const types = columns.map((values) => [typeOf(values, COMMA), typeOf(values, POINT)]);
    const commas = types.some(([comma, point]) => comma === "Float64" && point === "String");
    const points = types.some(([comma, point]) => comma === "String" && point === "Float64");
    if (commas && points) {
      refuse("Some columns have decimal commas and others decimal points: write all numbers with points.");
    }
    return commas;
  }

  // Read a table.  Gives {columns: [{name, type, values}], rows, separator, decimalComma, text}, where `text` is
  // what was read; fails with a sentence.
  course.readCsv = (given) => {
    if (given.length > MOST) {
      refuse(
        `The table has ${Math.round(given.length / 1e6)} MB, and this page reads up to ${MOST / 1e6}: ` +
          "give only the columns that are needed, or run the notebook on your machine, which has no limit.",
      );
    }
    if (given.startsWith("PK\u0003\u0004") || given.slice(0, 1e4).includes("\0")) {
      refuse("This is not text, perhaps a workbook of a spreadsheet program: save it as CSV (UTF-8) there.");
    }
    const { text, skipped } = tidy(given);
    if (!text) refuse("There is no table: paste one whose first line names the columns.");
    const separator = separatorOf(text);
    const { rows, lines } = split(text, separator, skipped);
    const names = rows[0].map((name) => name ?? "");
    if (names.length < 2) {
      refuse(
        `Line ${lines[0]} names one column only: give one of labels and one of numbers, with commas, semicolons ` +
          "or tabs between them.",
      );
    }
    if (names.some((name) => name.includes('"'))) {
      refuse(`Line ${lines[0]} has a quote in the name of a column: rename it.`);
    }
    const wrong = names.find((name) => WHOLE.test(name) || POINT.test(name) || COMMA.test(name));
    if (wrong !== undefined) {
      refuse(`Line ${lines[0]} should name the columns, and has ${wrong}: put a line of names above the numbers.`);
    }
    const twice = names.find((name, i) => names.indexOf(name) < i);
    if (twice !== undefined) refuse(`Two columns are named ${course.repr(twice)}: rename one in line ${lines[0]}.`);
    for (let i = 1; i < rows.length; i++) {
      const length = rows[i].length;
      if (length === 1 && rows[i][0] === null) refuse(`Line ${lines[i]} is empty: take it out.`);
      if (length !== names.length) {
        const decimal = separator === "," && length > names.length ? " (numbers need a decimal point)" : "";
        refuse(
          `Line ${lines[i]} has ${plural(length, "field")}, and the first line names ${names.length}: ` +
            `correct the ${SEPARATORS[separator]}${decimal}.`,
        );
      }
    }
    const columns = names.map((_, j) => rows.slice(1).map((row) => row[j]));
    const decimalComma = hasDecimalCommas(columns, separator);
    return {
      columns: columns.map((values, j) => {
        const type = typeOf(values, decimalComma ? COMMA : POINT);
        return { name: names[j], type, values: typed(values, type) };
      }),
      rows: rows.length - 1,
      separator,
      decimalComma,
      text,
    };
  };
})();
