"""The page "Beyond one machine" says what its table holds."""

import re

import polars as pl

from tools.tables import bench_calibration as bench


def test_page_quotes_what_the_table_holds():
    quoted = bench.PAGE.read_text("utf-8").split(bench.BEGIN)[1].split(bench.END)[0]
    assert quoted == f"\n{bench.paragraphs(*bench.read())}\n", (
        "run `python tools/tables/bench_calibration.py page`"
    )


def test_table_bears_out_what_the_page_says_in_words():
    first_line, table = bench.read()
    assert re.match(r"# 20\d\d-\d\d-\d\d, \d+ cores, ", first_line)
    fits, idle = (table.filter(pl.col("tasks are") == kind) for kind in ("fits", "sleep"))
    assert (table["others, cores"] < bench.QUIET).all()
    one, two = (fits.filter(workers=n).sort("repeat") for n in (1, 2))
    assert one.height == two.height >= 3
    assert idle["seconds a task"].n_unique() == 1 + len(bench.LENGTHS)
    times = two["tasks per second"] / one["tasks per second"]
    assert times.median() >= 1.7
    assert times.min() > 1.5, "no run in which a worker idled"
    share = idle.group_by("seconds a task").agg(
        (pl.col("tasks per second") * pl.col("seconds a task") / pl.col("workers")).median().alias("busy"),
        pl.col("ms of scheduler", "ms of client").median(),
    )
    share = share.sort("seconds a task")
    assert share["busy"][-1] > 0.8, "with fits like ours the workers are kept busy"
    assert share["busy"][0] < 0.6, "with shorter ones it breaks"
    assert (share["ms of scheduler"] > share["ms of client"]).all(), "the scheduler is the first to be full"
    assert 0 < share["ms of scheduler"][-1] / share["seconds a task"][-1] / 10 < 1, "both keep up"
    assert abs(one["seconds a task"].median() / share["seconds a task"][-1] - 1) < 0.05, "as long as a fit"
