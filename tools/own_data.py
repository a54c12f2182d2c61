"""Put an instructor's measurements in place of ours: ``make own-data``.

Lessons, checks and figures read ``helpers/measurements.csv``. This writes what cannot read it: the priors and
the unit in the programs of lessons 2, 4 and 6, and where lessons quote the programs. It makes the tables of
many seeds, runs every lesson, and reports what its text says that does not hold of these measurements.
"""

import re
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl

import helpers
from tools.notebooks import LESSONS

try:  # what reads the table when it is imported
    from helpers import ExactPosterior
    from tools import claims
    from tools.tables import centering, seeds
except ValueError as error:
    raise SystemExit(f"helpers/{error}") from None

REPORT = LESSONS.parent / "_build" / "own-data.md"
ZERO = 0.1  # of its peak: where the density of τ at 0 is lower, few draws come into the neck of the funnel
# What lessons say of our cells in words and formulas that no claim holds
OURS = re.compile(
    r"\b(?:4[67]|Monday|Wednesday|Thursday|a\.u\.|fluorescence|[Cc]olony 1[35])(?!\w)"
    r"|Normal\}?\(10, 3\)|HalfNormal\}?\(5\)"
)


def check() -> None:
    """Read the table as lessons do, say what is remarkable about it, and stop if lessons cannot use it."""
    try:
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            data, _ = helpers.stan_data(helpers.measurements(), helpers.LEVELS, "y")
        exact = helpers.exact_posterior(data)
    except (ValueError, TypeError, pl.exceptions.PolarsError) as error:
        said = str(error).splitlines()[0]
        file = "" if "measurements.csv" in said else "cannot use helpers/measurements.csv: "
        raise SystemExit(file + said) from None
    for remark in remarks:
        print(f"is this as you mean it? {remark.message}")
    check_spread(exact)


def check_spread(exact: ExactPosterior) -> None:
    """Say whether τ is clearly above zero, and stop if it is in a unit for which lessons ask in vain."""
    peak = exact.density("tau", exact.quantile("tau", np.linspace(0.01, 0.99, 99))).max()
    if (at_zero := exact.density("tau", 0) / peak) < ZERO:
        print(
            f"with this table the spread τ is clearly above zero (its density at 0 is {at_zero:.1%} of its "
            "peak): the centered program will be nearly right, and lessons 2 to 4 have no failure to show"
        )
    if not 0.05 < exact.cdf("tau", seeds.BELOW) < 0.6:
        third = exact.quantile("tau", 1 / 3)
        ratio = third / seeds.BELOW
        change, factor = ("divide", ratio) if ratio > 1 else ("multiply", 1 / ratio)
        raise SystemExit(
            f"a third of the posterior of τ lies below {third:.3g}, the lessons ask about {seeds.BELOW}: "
            f"{change} y and the priors by {float(f'{factor:.2g}'):g}, and name that unit"
        )


def write_priors(root: Path) -> None:
    """Write the priors into the programs of the course in `root`, and where its lessons quote these."""
    first = (root / "stan" / "centered.stan").read_text("utf-8")
    unit = re.search(r"population mean +\((.*)\)\n", first)[1]
    programs = [root / "stan" / f"{name}.stan" for name in ("centered", "noncentered", "spreads")]
    texts = {path: path.read_text("utf-8").replace(f"({unit})", f"({helpers.UNIT})") for path in programs}
    texts |= {path: path.read_text("utf-8") for path in lessons(root / "lessons")}
    half = r"(?:normal\(0, |HalfNormal\()"
    for name, start in {"theta": r"[Nn]ormal\(", "tau": half, "sigma": half}.items():
        old = re.search(rf"(?m)^  {name} ~ {start}(.*?)\)", first)[1]
        new = re.sub(r"[()]", "", str(helpers.PRIOR[name]))
        line = re.compile(rf"(?<![\w\\])({name}(?:\[k\])? +~ {start}){re.escape(old)}\)")
        texts = {path: line.sub(rf"\g<1>{new})", text) for path, text in texts.items()}
    for path, text in texts.items():
        path.write_text(text, "utf-8")


def lessons(folder: Path = LESSONS) -> list[Path]:
    """List the texts but lesson 5 and appendix A, which are about eight schools and have priors for these."""
    return [path for path in sorted(folder.glob("*.md")) if not path.name.startswith(("05", "a-"))]


def make_tables() -> None:
    """Make those tables of many seeds anew that are of other measurements or other priors."""
    for table in (*seeds.TABLES, *centering.TABLES):
        if pl.read_csv(table.file)["origin"][0] != table.stamp():
            table.write()


def section(text: str, claim: str) -> str:
    """Find the heading, or the exercise, under which a lesson makes a claim."""
    claim = claim.split(" [")[0].split(" …")[0]
    if number := re.search(r"helpers\.check\('(\d\d\.\d)'", claim):
        return f"exercise {number[1]}"
    before = text[: max(text.find(claim), 0)]
    return (re.findall(r"(?m)^## (.*)$", before) or ["?"])[-1]


def report(lesson: Path, found: list[dict]) -> str:
    """List in Markdown what a lesson says that does not hold, then its lines of prose about our cells."""
    text, out = lesson.read_text("utf-8"), f"\n## {lesson.name}\n\n"
    for record in found:
        if not record["held"] and record["claim"] != claims.TO_THE_END:
            seen = ", ".join(f"{low:.4g} to {high:.4g}" for low, high in record["seen"])
            out += f"- {section(text, record['claim'])}: {record['claim']}{seen and f' (seen: {seen})'}\n"
    prose = re.sub(r"(?ms)^```.*?^```", lambda code: "\n" * code[0].count("\n"), text)
    for number, line in enumerate(prose.splitlines(), start=1):
        if words := dict.fromkeys(OURS.findall(line)):
            out += f"- line {number} speaks of {', '.join(words)}\n"
    return out


def main(file: Path = REPORT) -> None:
    """Do it all, in this order; the report is printed and written."""
    check()
    write_priors(LESSONS.parent)
    make_tables()
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        found = pool.map(partial(claims.examine, shift=0, go_on=True), lessons())
    text = "".join(map(report, lessons(), found))
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, "utf-8")
    print(f"{text}\nThis stands in {file}. Next: rewrite it, then `make notebooks calibration cover`.")


if __name__ == "__main__":
    main()
