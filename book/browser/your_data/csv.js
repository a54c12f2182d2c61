// Text into rows of fields: what separates them, quotes, spaces around, and the line in which each row begins.

(() => {
  const LOOKED_AT = 60; // rows that decide what separates fields
  const NAMES = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces" };
  const CANDIDATES = ["\t", ";", "|", ","];

  const { refuse } = course;
  course.separatorNames = NAMES;

  // Text with the ends of lines, and without the byte order mark, that all of this counts on; and the separator, if
  // the first line says it as spreadsheet programs do ("sep=;").
  course.tidyText = (given) => {
    const text = `${given.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n")}\n`;
    const said = text.match(/^sep=([,;|\t])\n/);
    return said ? { text: text.slice(6), separator: said[1], first: 2 } : { text, separator: null, first: 1 };
  };

  // The field in quotes that opens at `at`: its text, where it ends, and how many lines it goes over.
  function quotedField(text, at, line) {
    let field = "";
    let end = at;
    for (let from = at + 1; ; from = end + 1) {
      end = text.indexOf('"', from);
      if (end < 0) refuse(`The quote that opens in line ${line} is never closed: close it, or take it away.`);
      field += text.slice(from, end);
      end += 1;
      if (text[end] !== '"') break;
      field += '"';
    }
    return { field, end, lines: text.slice(at, end).split("\n").length - 1 };
  }

  const atBlank = (text, at, separator) => text[at] === " " || (text[at] === "\t" && separator !== "\t");

  // One row from `at` on.  Several spaces separate as one does.
  function row(text, start, line, separator) {
    const fields = [];
    const raw = []; // of fields that had spaces around
    let [at, quoted, over] = [start, false, 0];
    const skipBlanks = () => {
      const from = at;
      while (atBlank(text, at, separator)) at += 1;
      return at > from;
    };
    for (;;) {
      const begun = at;
      skipBlanks();
      if (separator === " " && text[at] === "\n" && fields.length) break;
      let field = "";
      if (text[at] === '"') {
        const found = quotedField(text, at, line + over);
        ({ end: at, field } = found);
        if (field !== field.trim()) raw[fields.length] = field;
        quoted ||= fields.length === 0;
        over += found.lines;
        const blank = skipBlanks();
        if (text[at] !== separator && text[at] !== "\n" && !(separator === " " && blank)) {
          refuse(
            `Line ${line + over} goes on after a closing quote: write a quote inside a quoted text as two quotes.`,
          );
        }
      } else {
        while (text[at] !== separator && text[at] !== "\n" && !(separator === " " && text[at] === "\t")) at += 1;
        field = text.slice(begun, at);
        if (field !== field.trim() && separator !== " ") raw[fields.length] = field;
      }
      fields.push(field.trim());
      if (separator === " ") skipBlanks();
      if (text[at] === "\n") break;
      if (separator !== " ") at += 1;
    }
    return { line, fields, raw: raw.length ? raw : null, quoted, end: at + 1, over };
  }

  // Rows of the text: {line, fields, raw, quoted}, or {line, comment} of a line that begins with #.
  course.splitText = (text, separator, first = 1, most = Infinity) => {
    const rows = [];
    let line = first;
    for (let at = 0; at < text.length && rows.length < most; line += 1) {
      if (text[at] === "#") {
        const end = text.indexOf("\n", at);
        rows.push({ line, comment: text.slice(at, end) });
        at = end + 1;
      } else {
        const one = row(text, at, line, separator);
        rows.push(one);
        at = one.end;
        line += one.over;
      }
    }
    return rows;
  };

  // How well a separator fits: rows that have as many fields as most, and the share of numbers among their fields.
  function fit(text, separator) {
    let rows = [];
    try {
      rows = course.splitText(text, separator, 1, LOOKED_AT).filter(({ fields }) => fields?.some((field) => field));
    } catch {
      return { separator, rows: 0, numbers: 0 };
    }
    const widths = rows.map(({ fields }) => fields.length).filter((width) => width > 1);
    const most = Math.max(0, ...widths.map((width) => widths.filter((other) => other === width).length));
    const all = rows.flatMap(({ fields }) => fields);
    const numbers = all.filter((field) => course.isNumber(field)).length / all.length;
    return { separator, rows: most, numbers };
  }

  // What separates the fields; null if nothing does.
  course.separatorOf = (text) => {
    const better = (a, b) => b.rows - a.rows || b.numbers - a.numbers;
    const [best] = CANDIDATES.map((separator) => fit(text, separator)).sort(better);
    const spaces = fit(text, " ");
    if (spaces.rows > 1 && spaces.rows > 2 * best.rows) return " ";
    if (best.rows) return best.separator;
    // Nothing fits, perhaps for a quote that is never closed: the one that stands most often in the first line
    const line = text.slice(0, text.indexOf("\n"));
    const [often] = CANDIDATES.map((one) => [line.split(one).length, one]).sort(([a], [b]) => b - a);
    return often[0] > 1 ? often[1] : null;
  };
})();
