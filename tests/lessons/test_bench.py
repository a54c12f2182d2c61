"""The table of what the programs cost was measured with the programs as they are, and has no holes."""

import polars as pl

from tools.tables import bench_trees

TABLE = bench_trees.LESSONS / "bench.csv"


def test_table_says_when_and_on_what_it_was_measured_and_is_of_the_programs_as_they_are():
    with TABLE.open(encoding="utf-8") as lines:
        first = next(lines)
    assert first.startswith("# 20")
    assert "cores" in first
    assert first.strip().endswith(f"origin {bench_trees.origin()}"), "run `make bench`"


def test_table_has_every_program_at_every_size_and_leaves_out_only_what_would_take_hours():
    table = pl.read_csv(TABLE, comment_prefix="#")
    for size in bench_trees.CHAINS:
        here = [name for name in bench_trees.PROGRAMS if name not in bench_trees.LEFT_OUT.get(size, [])]
        rows = table.filter(size=size)
        assert rows["program"].unique().sort().to_list() == sorted(here)
        assert rows.height == len(here) * bench_trees.REPEATS[size]
        assert rows["µs per gradient"].is_not_null().all()
        slow = rows.filter(pl.col("bulk ESS per second").is_null())["program"].unique().sort().to_list()
        assert slow == sorted(bench_trees.SLOW.get(size, []))
