"""The page "Many replications" says what its table holds."""

import re

import numpy as np
import polars as pl

from tools.tables import bench_calibration as bench

FIRST_LINE = bench.TABLE.read_text("utf-8").partition("\n")[0]
TABLE = pl.read_csv(bench.TABLE, comment_prefix="#")
FITS, IDLE = (TABLE.filter(pl.col("tasks are") == kind) for kind in ("fits", "sleep"))
ONE, TWO = (FITS.filter(workers=n).sort("repeat") for n in (1, 2))


def told(values, digits):
    """Median, and from where to where, as the page has it."""
    values = np.asarray(values)
    low, middle, high = (f"{x:,.{digits}f}" for x in (values.min(), np.median(values), values.max()))
    return middle if low == high else f"{middle} ({low} to {high})"


def rows():
    """Rows of the page's two tables."""
    for n, runs in ((1, ONE), (2, TWO)):
        between = 1000 * (n / runs["tasks per second"] - runs["seconds a task"])
        cells = [told(runs["tasks per second"], 2), told(1000 * runs["seconds a task"], 0), told(between, 0)]
        yield " | ".join([str(n), *cells])
    for (length,), runs in IDLE.group_by("seconds a task", maintain_order=True):
        share = 100 * runs["tasks per second"] * length / bench.MANY
        cells = [f"{bench.MANY / length:,.0f}", told(runs["tasks per second"], 0), told(share, 0)]
        cells += [told(runs[f"ms of {name}"], 1) for name in bench.NAMES[1:]]
        yield " | ".join([f"{round(length, 2):g}", *cells])


def test_page_quotes_what_the_table_holds():
    page = bench.PAGE.read_text("utf-8")
    quoted = [FIRST_LINE[2:12], *rows(), f"{told(ONE['ms of CmdStan'], 0)} ms of a fit"]
    quoted += [f"{told(TWO['tasks per second'] / ONE['tasks per second'], 2)} times"]
    quoted += [f"{TABLE[f'bytes {way}'][0] / 1000:.1f} kB" for way in ("sent", "back")]
    assert [words for words in quoted if words not in page] == []


def test_table_bears_out_what_the_page_says_in_words():
    assert re.match(r"# 20\d\d-\d\d-\d\d, \d+ cores, ", FIRST_LINE)
    assert (TABLE["others, cores"] < bench.QUIET).all()
    assert ONE.height == TWO.height >= 3
    times = TWO["tasks per second"] / ONE["tasks per second"]
    assert times.median() >= 1.7
    assert times.min() > 1.5, "no run in which a worker idled"
    share = IDLE.group_by("seconds a task").agg(
        (pl.col("tasks per second") * pl.col("seconds a task") / pl.col("workers")).median().alias("busy"),
        pl.col("ms of scheduler", "ms of client").median(),
    )
    share = share.sort("seconds a task")
    assert share["busy"][-1] > 0.8, "with fits like ours the workers are kept busy"
    assert share["busy"][0] < 0.6, "with shorter ones it breaks"
    assert (share["ms of scheduler"] > share["ms of client"]).all(), "the scheduler is the first to be full"
    assert 0 < share["ms of scheduler"][-1] / share["seconds a task"][-1] / 10 < 1, "both keep up"
    assert abs(ONE["seconds a task"].median() / share["seconds a task"][-1] - 1) < 0.05, "as long as a fit"
