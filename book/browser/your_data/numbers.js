// Numbers as people write them: 4,930 may be 4930 or 4.93, and where a column has both readings the page asks.

(() => {
  const SHAPE = /^([-+\u2212\u2013]?)([0-9.,' \u00a0\u2009\u202f\u2019]*[0-9][.,]?)(e[-+]?[0-9]+)?\s*(%?)$/i;
  const GAPS = /[' \u00a0\u2009\u202f\u2019]/g;
  const WITH_GAPS = /^[0-9]{1,3}([' \u00a0\u2009\u202f\u2019])[0-9]{3}(\1[0-9]{3})*([.,][0-9]*)?$/;
  const PATTERNS = { ",": patterns(","), ".": patterns("\\.") };
  // What stands in place of a number that is missing, beside what stands for a missing label
  const NO_NUMBER =
    /^(|n\.?a\.?|n\/a|#n\/a|nan|null|none|<na>|missing|[-?.\u2013\u2014]|--|#(value|div\/0|num|ref|null|name)[!?])$/i;
  const LIMIT = /^([<>\u2264\u2265]=?\s*([-+]?[.,]?[0-9]|lo[dq]\b|bdl\b)|(bdl|bloq|lo[dq]|below|above)\b)/i;

  function patterns(mark) {
    return {
      several: new RegExp(`^[0-9]{1,3}(${mark}[0-9]{3}){2,}$`), // 1,234,567
      before: new RegExp(`^[0-9]{1,3}(${mark}[0-9]{3})+[.,][0-9]*$`), // 1,234.5
      unclear: new RegExp(`^[1-9][0-9]{0,2}${mark}[0-9]{3}$`), // 4,930
      decimal: new RegExp(`^([0-9]+${mark}[0-9]*|${mark}[0-9]+)$`), // 11,5
    };
  }

  // A field's parts, and what its marks are: {sign, body, power, percent, gaps, marks: {",": role, ".": role}}, with
  // the roles "thousands", "decimals" and "unclear"; null if it is no number.
  function read(field) {
    if (!(field.length < 40)) return null;
    const found = SHAPE.exec(field);
    if (!found) return null;
    const [, sign, body, power = "", percent] = found;
    const marks = {};
    const parts = { sign: sign && sign !== "+" ? "-" : "", body, power, percent: percent !== "", gaps: false, marks };
    if (/^[0-9]+$/.test(body)) return parts;
    if (body.search(GAPS) >= 0) {
      const match = WITH_GAPS.exec(body);
      if (!match) return null;
      parts.gaps = true;
      if (match[3]) marks[match[3][0]] = "decimals";
      return parts;
    }
    for (const [mark, { several, before, unclear, decimal }] of Object.entries(PATTERNS)) {
      const other = mark === "," ? "." : ",";
      if (body.includes(other)) {
        if (!before.test(body) || body.split(other).length !== 2) continue;
        marks[mark] = "thousands";
        marks[other] = "decimals";
      } else if (several.test(body)) marks[mark] = "thousands";
      else if (unclear.test(body) && !power) marks[mark] = "unclear";
      else if (decimal.test(body)) marks[mark] = "decimals";
    }
    return Object.keys(marks).length ? parts : null;
  }

  course.isNumber = (field) => read(field) !== null;
  course.isLimit = (field) => LIMIT.test(field);

  // The number of a field once it is known what a comma and a point are; NaN if it does not fit.
  function toNumber({ sign, body, power, gaps, marks }, roles) {
    let digits = gaps ? body.replace(GAPS, "") : body;
    for (const mark in marks) {
      const role = marks[mark];
      const meant = role === "unclear" ? roles[mark] : role;
      if (role !== "unclear" && roles[mark] !== role) return NaN;
      if (meant === "thousands") digits = digits.replaceAll(mark, "");
    }
    return Number(`${sign}${digits.replace(",", ".")}${power}`);
  }

  // What commas and points are in a column: "decimals", "thousands", or "ask" where each of them could be either.  A
  // point is taken for a decimal point, except beside decimal commas, or in a table that has some.
  function rolesOf(votes, { answer, commasLikely }) {
    const [comma, point] = [votes[","], votes["."]];
    const decided = ({ thousands, decimals }) => (thousands > decimals ? "thousands" : decimals ? "decimals" : null);
    const roles = { ",": decided(comma), ".": decided(point) };
    if (comma.unclear) roles[","] ??= answer ?? "ask";
    if (point.unclear && !roles["."]) {
      if (comma.thousands) roles["."] = "decimals";
      else if (comma.unclear && !comma.decimals) roles["."] = answer === "decimals" ? "thousands" : "decimals";
      else roles["."] = comma.decimals || commasLikely ? (answer ?? "ask") : "decimals";
    }
    return roles;
  }

  const parsed = new WeakMap(); // by column, as this is what takes a while in a large table

  // The fields of a column one by one: a whole number, what `read` tells of another, or null; rows without a number;
  // votes for what its marks are; and example, a row of each kind.
  function parse(fields) {
    if (parsed.has(fields)) return parsed.get(fields);
    const votes = { ",": { thousands: 0, decimals: 0, unclear: 0 }, ".": { thousands: 0, decimals: 0, unclear: 0 } };
    const out = { parts: [], missing: [], votes, example: {} };
    out.parts = fields.map((field, i) => {
      if (/^-?[0-9]{1,15}$/.test(field)) return Number(field);
      if (NO_NUMBER.test(field)) {
        out.missing.push(i);
        return null;
      }
      const one = read(field);
      if (!one) return null;
      for (const mark in one.marks) {
        votes[mark][one.marks[mark]] += 1;
        out.example[mark + one.marks[mark]] ??= i;
      }
      if (one.gaps) out.example.gaps ??= i;
      if (one.percent) out.example.percent ??= i;
      return one;
    });
    parsed.set(fields, out);
    return out;
  }

  // Describe a column: {values, NaN where there is no number; missing and other, the rows of these; numbers, how many
  // there are; roles of its commas and points, votes for them; example, a row of each kind; whole, whether all
  // numbers are}.  Until the page has been told what an unclear mark is, values have it as a decimal one.
  course.describe = (fields, options = {}) => {
    const { parts, missing, votes, example } = parse(fields);
    const values = new Float64Array(fields.length).fill(NaN);
    const roles = rolesOf(votes, options);
    const decimals = (role) => (role === "ask" ? "decimals" : role);
    const meant = { ",": decimals(roles[","]), ".": decimals(roles["."]) };
    const other = [];
    let whole = true;
    let next = 0; // among the missing
    parts.forEach((one, i) => {
      const x = typeof one === "number" ? one : one ? toNumber(one, meant) : NaN;
      if (Number.isFinite(x)) {
        values[i] = x;
        whole &&= Number.isInteger(x);
      } else if (missing[next] === i) next += 1;
      else other.push(i);
    });
    const numbers = fields.length - missing.length - other.length;
    return { values, missing, other, numbers, roles, votes, example, whole: whole && numbers > 0 };
  };

  // Whether some number in a column has a decimal comma.
  course.hasDecimalCommas = (fields) => parse(fields).votes[","].decimals > 0;

  // How the numbers of a column are written, in sentences: wherever they are not plain, what they are read as.
  course.sayHow = ({ name, fields, example, roles, values }) => {
    const said = [];
    const show = (i) => `“${fields[i]}” is ${values[i]}`;
    const words = { ",": "commas", ".": "points" };
    for (const mark of [",", "."]) {
      const role = roles[mark];
      const i = example[mark + role] ?? example[`${mark}unclear`];
      if (i === undefined || role === "ask" || (mark === "." && role === "decimals")) continue;
      const meant = role === "decimals" ? `decimal ${words[mark]}` : "marks of thousands";
      said.push(`The ${words[mark]} in “${name}” are read as ${meant}: ${show(i)}.`);
    }
    if (example.gaps !== undefined) {
      said.push(`Spaces and apostrophes inside the numbers of “${name}” are left out: ${show(example.gaps)}.`);
    }
    if (example.percent !== undefined) {
      said.push(`The % signs in “${name}” are left out: ${show(example.percent)}.`);
    }
    return said;
  };
})();
