// Which column is measured and which are levels, as far as the columns tell; and a wide table made long.

(() => {
  const OF_PANDAS = /^unnamed: ?[0-9.]+$/i; // as it names an index that has no name

  // Numbers that only go up, one for each row, number the rows.
  function isRunning(values) {
    for (let i = 0; i < values.length; i++) {
      if (!Number.isInteger(values[i]) || (i && !(values[i] > values[i - 1]))) return false;
    }
    return values.length > 1;
  }

  // What is on either side of the number in a name, as in t1, t2 or 2001: columns of one quantity share it.
  function stem(name) {
    const found = !/^column [0-9]+$/.test(name) && name.match(/^(\D*)\d+(?:[.,]\d+)?(\D*)$/);
    return found ? `${found[1].trim().toLowerCase()}\n${found[2].trim().toLowerCase()}` : null;
  }

  // Whether a table writes decimal commas: then what looks like a decimal point may be one of thousands.
  course.commasLikely = ({ columns, separator }) => separator === ";" || columns.some(course.hasDecimalCommas);

  // Every column by its name: kind, "text", "whole", or "measured" for numbers that no label has; running, if it
  // numbers the rows; how many different fields it has; and whether it has no name.
  function look(grid) {
    const commasLikely = course.commasLikely(grid);
    return grid.names.map((name, j) => lookAt(name, grid.columns[j], commasLikely, grid.unnamed));
  }

  function lookAt(name, fields, commasLikely, none) {
    const { numbers, other, values, whole, roles, example } = course.describe(fields, { commasLikely });
    const marked = Object.values(roles).some((role) => role === "ask" || role === "thousands");
    const odd = Object.hasOwn(example, "percent") || Object.hasOwn(example, "gaps");
    const below = other.some((i) => course.isLimit(fields[i]));
    let kind = "text";
    if (numbers && numbers >= other.length) {
      if (!whole || marked || odd || below) kind = "measured";
      else if (!other.length) kind = "whole";
    }
    const running = kind === "whole" && isRunning(values);
    const unnamed = none.includes(name) || OF_PANDAS.test(name);
    return { name, kind, running, unnamed, different: new Set(fields).size };
  }

  // Columns that seem to hold one quantity: measured ones, and whole numbers that are named like them.
  function wide(looks) {
    const numeric = looks.filter(({ kind }) => kind !== "text");
    const measured = numeric.filter(({ kind }) => kind === "measured");
    const groups = new Map();
    for (const one of numeric) {
      const key = stem(one.name);
      if (key !== null) groups.set(key, [...(groups.get(key) ?? []), one]);
    }
    for (const group of groups.values()) {
      const others = measured.filter((one) => !group.includes(one));
      const some = group.some(({ kind }) => kind === "measured");
      if (group.length > 1 && !others.length && (some || group.length > 2) && !group.every(({ running }) => running))
        return { columns: group, named: true };
    }
    return { columns: measured.length > 1 ? measured : [], named: false };
  }

  // Trials of another column are not what is measured.
  function measuredOne(grid, looks) {
    const rows = grid.lines.length;
    const numbers = looks.filter(({ kind, unnamed }) => kind !== "text" && !unnamed);
    const trials = numbers.filter(({ kind }) => kind === "whole").map(({ name }) => course.trialsOf(grid, name));
    const numeric = numbers.filter(({ name }) => !trials.includes(name));
    const counted = numeric.filter(({ running }) => !running);
    const measured = counted.filter(({ kind }) => kind === "measured");
    if (measured.length > 1) return null;
    if (!measured.length) {
      const all = counted.length ? counted : numeric;
      return all.length === 1 ? all[0] : null;
    }
    // Whole numbers to the right of it, or that hardly ever repeat, may be what is measured just as well.
    const [one] = measured;
    const place = looks.indexOf(one);
    const rivals = counted.filter(
      (other) => other !== one && (looks.indexOf(other) > place || 2 * other.different > rows + 1),
    );
    return rivals.length ? null : one;
  }

  // Columns for levels, once the measured one is known: labels that repeat, in the order of the table.
  course.guessLevels = (grid, value) => {
    const looks = look(grid);
    const labels = looks.filter(
      ({ name, kind, running, unnamed }) =>
        ![value, grid.long?.which, course.trialsOf(grid, value)].includes(name) &&
        kind !== "measured" &&
        !running &&
        !unnamed,
    );
    const repeated = labels.filter(({ different }) => different > 1 && different < grid.lines.length);
    return (repeated.length ? repeated : labels.slice(0, 1)).map(({ name }) => name);
  };

  const free = (name, names) => (names.includes(name) ? free(`${name}_`, names) : name);

  // A row for each of some columns: the others are repeated, and two hold the name of the column and what stood there.
  function makeLong(grid, chosen) {
    const rest = grid.names.filter((name) => !chosen.includes(name));
    const column = (name) => grid.columns[grid.names.indexOf(name)];
    const repeat = (items) => items.flatMap((item) => chosen.map(() => item));
    const [which, value] = [free("column", rest), free("value", rest)];
    const names = [...rest, which, value];
    const columns = [
      ...rest.map((name) => repeat(column(name))),
      grid.lines.flatMap(() => chosen),
      grid.lines.flatMap((_, i) => chosen.map((name) => column(name)[i])),
    ];
    const text =
      `Made long: “${value}” has the numbers of ${chosen.map((name) => `“${name}”`).join(", ")}, and “${which}” the ` +
      "name of the column in which each stood.";
    const did = [...grid.did, { text, undo: "long" }];
    return { ...grid, names, columns, lines: repeat(grid.lines), did, long: { which, value } };
  }

  function askToMakeLong({ columns, named }) {
    const names = columns.map(({ name }) => `“${name}”`).join(", ");
    const text = named
      ? `This table looks wide, with one quantity in ${columns.length} columns: ${names}. Here it has to be long, ` +
        "with one measured number in each row."
      : `Several columns may be measured: ${names}. Choose one below; or, if all of them are the same quantity ` +
        "in the same unit, make the table long, with one measured number in each row.";
    return { id: "long", text, options: [["yes", "Make the table long"]] };
  }

  // {grid, value, levels, asks}: the table, made long if that was the answer; and the columns, null and none where
  // they are not clear, with what to ask.
  course.guess = (given, answers) => {
    const found = wide(look(given));
    const isWide = found.columns.length > 0;
    if (isWide && !answers.long) return { grid: given, value: null, levels: [], asks: [askToMakeLong(found)] };
    const names = found.columns.map(({ name }) => name);
    const grid = isWide ? makeLong(given, names) : given;
    const value = isWide ? grid.long.value : (measuredOne(grid, look(grid))?.name ?? null);
    return { grid, value, levels: value === null ? [] : course.guessLevels(grid, value), asks: [] };
  };
})();
