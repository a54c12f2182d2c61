"""What tests of the page "Your data" share: a text goes through its scripts, up to the data of a program."""

import node

from helpers.inputs import MISSING, RESERVED

SCRIPTS = [f"{name}.js" for name in ("numbers", "csv", "grid", "guess", "clean", "rules", "remarks")]
PRIOR = {"theta": [10, 3], "tau": 5, "sigma": 5}
OPTIONS = {"prior": PRIOR, "sharedTau": True, "weight": 0, "writeNodes": False}
READ = """
return cases.map(({ text, answers, levels, value, options }) => {
  const out = {};
  try {
    const read = course.readGrid(text, answers);
    Object.assign(out, { names: read.names, asks: read.asks, did: read.did });
    if (!read.names) return out;
    const guess = course.guess(read, answers);
    const { grid } = guess;
    Object.assign(out, { names: grid.names, did: grid.did });
    out.guess = { value: guess.value, levels: guess.levels };
    const chosen = { levels: levels ?? guess.levels, value: value ?? guess.value };
    const taken = course.takeColumns(grid, { ...chosen, answers, missing });
    out.asks = [...guess.asks, ...(taken.ask ? [taken.ask] : [])];
    out.did = [...grid.did, ...taken.did];
    out.problem = taken.problem;
    if (!taken.table) return out;
    const { table, percent } = taken;
    out.csv = course.toCsv(table);
    out.schema = table.columns.map(({ name, type }) => [name, type]);
    const tree = course.stanData(table);
    out.remarks = course.remarks(table, tree, { missing, percent });
    out.told = out.remarks.filter(course.isTold).length;
    out.data = course.treeData(tree, options);
  } catch (error) {
    out.problem = error.message;
  }
  return out;
});
"""


def case(text: str, levels=None, value=None, answers=None, **options) -> dict:
    """Describe what a reader gives, and chooses, or leaves to the guess of the page."""
    return {
        "text": text, "answers": answers or {}, "levels": levels, "value": value, "options": OPTIONS | options
    }  # fmt: skip


def in_page(cases: list[dict]) -> list[dict]:
    """Tell what the page makes of each case: names, did, asks, guess, problem, csv, schema, remarks, data."""
    return node.run(READ, *SCRIPTS, cases=cases, missing=MISSING, reserved=RESERVED.split())


def read(text: str, **options) -> dict:
    """Tell what the page makes of one text, and write what it did in one string."""
    [told] = in_page([case(text, **options)])
    told["said"] = " ".join(one["text"] for one in told.get("did", []))
    told["asked"] = [one["id"] for one in told.get("asks", [])]
    return told
