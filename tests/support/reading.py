"""What tests of the page "Your data" share: a text goes through its scripts, up to the data of a program."""

import node

from book.sphinx import sampling
from helpers.inputs import MISSING

SCRIPTS = [*sampling.SHARED, *(f"your_data/{name}.js" for name in sampling.TABLES)]
PRIOR = {"theta": [10, 3], "tau": 5, "sigma": 5}
OPTIONS = {
    "prior": PRIOR,
    "sharedTau": True,
    "weight": 0,
    "writeNodes": False,
    "likelihood": "normal",
    "nu": 4,
}
READ = """
return cases.map(({ text, answers, levels, value, size, options }) => {
  const out = { asks: [], did: [] };
  try {
    const read = course.readGrid(text, answers);
    Object.assign(out, { names: read.names, asks: read.asks, did: read.did });
    if (!read.names) return out;
    const guess = course.guess(read, answers);
    const { grid } = guess;
    out.names = grid.names;
    out.guess = { value: guess.value, levels: guess.levels };
    const chosen = { levels: levels ?? guess.levels, value: value ?? guess.value };
    const { likelihood } = options;
    const taken = course.takeColumns(grid, { ...chosen, size, likelihood, answers, missing });
    out.asks = [...guess.asks, ...(taken.ask ? [taken.ask] : [])];
    out.did = [...grid.did, ...taken.did];
    out.problem = taken.problem;
    if (!taken.table) return out;
    const { table, percent } = taken;
    out.csv = course.toCsv(table);
    out.schema = table.columns.map(({ name, type }) => [name, type]);
    const tree = course.stanData(table);
    const trials = course.trialsOf(grid, chosen.value);
    out.remarks = course.remarks(table, tree, { missing, percent, likelihood, trials });
    out.told = out.remarks.filter(course.isTold).length;
    out.data = course.treeData(tree, options);
  } catch (error) {
    out.problem = error.message;
  }
  return out;
});
"""


def case(text: str, levels=None, value=None, answers=None, size=None, **options) -> dict:
    """Describe what a reader gives, and chooses, or leaves to the guess of the page."""
    given = {"text": text, "answers": answers or {}, "levels": levels, "value": value, "size": size}
    return given | {"options": OPTIONS | options}


def in_page(*cases: dict) -> list[dict]:
    """Tell what the page makes of each case: names, did, asks, guess, problem, csv, schema, remarks, data.

    `said` has in one string what the page did, `asked` the names of its questions.
    """
    told = node.run(READ, *SCRIPTS, cases=cases, missing=MISSING)
    for one in told:
        one["said"] = " ".join(did["text"] for did in one["did"])
        one["asked"] = [ask["id"] for ask in one["asks"]]
    return told


def read(text: str, **options) -> dict:
    """Tell what the page makes of one text."""
    [told] = in_page(case(text, **options))
    return told
