// What the numbers of a table may be, the words for it, and which numbers cannot be that: rules of
// helpers/likelihoods.py, in the words of the page; tests/book/test_your_data.py compares them.

(() => {
  const LARGEST = 2 ** 31 - 1; // of Stan's whole numbers
  const identity = (x) => x;
  const NUMBERS = { size: null, unit: "in the unit of the measurements", toData: identity, toLink: identity };

  // `size` is what a count is compared with, by its name in Stan's data; `link` the scale on which θ and the groups
  // stand, `toData` leads from there to that of the data, called `scale`, and `toLink` back.
  course.likelihoods = {
    normal: { ...NUMBERS, label: "numbers" },
    student_t: { ...NUMBERS, label: "numbers, with outliers" },
    poisson: {
      label: "counts",
      size: "exposure",
      without: "none: the same for each count",
      link: "log rate",
      unit: "in log rates",
      scale: "rate",
      own: "counts for one unit of exposure",
      toData: Math.exp,
      toLink: Math.log,
    },
    binomial: {
      label: "successes of trials",
      size: "trials",
      without: "none: one trial in each row",
      link: "log odds",
      unit: "in log odds",
      scale: "probability",
      own: "share of successes",
      toData: (x) => 1 / (1 + Math.exp(-x)),
      toLink: (p) => Math.log(p / (1 - p)),
    },
  };

  const TRIALS =
    /^(n|nr?_?(trials|total|tested|obs)|trials?|total|totals|tested|attempts?|tries|sample_?size|size|out_?of|denominator)$/i;

  const isWhole = (values) => values.every((x) => Number.isInteger(x) && x >= 0);

  // The column that may hold the trials of another one: whole numbers, named like that, nowhere smaller.
  course.trialsOf = (grid, value) => {
    const numbers = (name) => {
      const { values, numbers: n } = course.describe(grid.columns[grid.names.indexOf(name)]);
      return n === values.length ? values : null;
    };
    const named = grid.names.filter((name) => name !== value && TRIALS.test(name.trim().replace(/[\s.]+/g, "_")));
    const own = named.length ? numbers(value) : null;
    if (!own || !isWhole(own)) return null;
    const fits = (those) => those !== null && isWhole(those) && those.every((x, i) => x >= Math.max(1, own[i]));
    return named.find((name) => fits(numbers(name))) ?? null;
  };

  // A sentence on the first count, trials or exposure that cannot be; empty if all can.  `value` and `size` are
  // {name, values}, `size` null where there is no such column; `lines` where each row stands.
  course.countProblem = (likelihood, value, size, lines) => {
    const { size: meant } = course.likelihoods[likelihood];
    if (!meant) return "";
    const whole = Number.isInteger;
    const large = `this page counts up to ${course.count(LARGEST)}.`;
    const fraction = {
      binomial: "a fraction is no count. Choose the column of the successes, and that of the trials of each.",
      poisson: "a fraction is no count. Choose the column of the counts, and as exposure what each was counted over.",
    };
    const checks = [
      [value, (x) => whole(x), fraction[likelihood]],
      [value, (x) => x >= 0, "a count is 0 or more. Correct it in the table."],
      [value, (x) => x <= LARGEST, large],
    ];
    if (size && meant === "trials") {
      checks.push([
        size,
        (n) => whole(n) && n >= 1,
        "trials are a whole number, 1 or more. Correct it in the table.",
      ]);
      checks.push([size, (n) => n <= LARGEST, large]);
    } else if (size) {
      checks.push([size, (x) => x > 0, "an exposure is above 0. Correct it in the table, or leave the row out."]);
    }
    for (const [{ name, values }, isFine, told] of checks) {
      const bad = values.findIndex((x) => !isFine(x));
      if (bad >= 0) return `“${name}” is ${values[bad]} in line ${lines[bad]}: ${told}`;
    }
    if (meant !== "trials") return "";
    const trials = (i) => (size ? size.values[i] : 1);
    const bad = value.values.findIndex((x, i) => x > trials(i));
    if (bad < 0) return "";
    const of = size ? `“${size.name}” ${trials(bad)}` : "each row is one trial";
    const told = size ? "Correct one of them in the table." : "Choose the column of the trials.";
    return `“${value.name}” is ${value.values[bad]} in line ${lines[bad]}, and ${of}: more successes than trials. ${told}`;
  };

  // What the data of a program say of each leaf on its own, on the scale of the data, and of how many
  course.ownAverages = ({ family, n, y_mean, J, y, leaf, count, trials, exposure }) => {
    if (!family) return { own: y_mean, n };
    if (family === 2) return { own: count.map((k, j) => k / exposure[j]), n: exposure };
    if (family === 3) return { own: count.map((k, j) => k / trials[j]), n: trials };
    const many = Array(J.at(-1)).fill(0);
    const own = many.slice();
    leaf.forEach((j, i) => {
      many[j - 1] += 1;
      own[j - 1] += (y[i] - own[j - 1]) / many[j - 1];
    });
    return { own, n: many };
  };

  course.largestCount = LARGEST;
})();
