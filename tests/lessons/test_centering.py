"""The tables of lesson 6 were made by the program as it is, are whole, and can be made again."""

import logging
import math
from pathlib import Path

import polars as pl
import pytest

COURSE = Path(__file__).parents[2]
from tools.tables import centering

by_table = pytest.mark.parametrize("table", centering.TABLES, ids=lambda table: table.file.stem)


def stored_and_again(table, setting):
    """One row of a table as it is stored, and made again, perhaps on another machine: not to the digit."""
    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
    row = table.settings.index(setting)
    return pl.read_csv(table.file).row(row, named=True), table.row(*setting)


@by_table
def test_table_was_computed_from_the_program_as_it_is(table):
    assert pl.read_csv(table.file)["origin"].unique().to_list() == [centering.origin(table)], (
        "run `make seeds`"
    )


@by_table
def test_table_holds_every_setting_and_no_gaps(table):
    frame = pl.read_csv(table.file)
    settings = frame.select(frame.columns[: len(table.settings[0])]).rows()
    assert settings == table.settings
    assert frame.null_count().sum_horizontal().item() == 0


def test_a_cell_of_the_map_made_again_agrees():
    # A cell in which both programs are right. Errors of the mean are normal, in posterior sds,
    # with variance 1 / ESS: 5 combined standard errors apart by chance once in 1.7 million. Over seeds the
    # logarithm of an ESS per gradient has a standard deviation of less than 0.25, so two of them differ by
    # log 6 = 1.8 about as seldom. The seed is fixed, so this is settled once for a machine and a CmdStan.
    stored, again = stored_and_again(centering.MAP, (16, 0.8, 3))
    assert again.keys() | {"origin"} == stored.keys()
    for program in ("centered", "noncentered"):
        ess = [row[f"{program} ESS"] for row in (stored, again)]
        per_gradient = [e / row[f"{program} gradients"] for e, row in zip(ess, (stored, again), strict=True)]
        assert 1 / 6 < per_gradient[0] / per_gradient[1] < 6
        difference = again[f"{program} error"] - stored[f"{program} error"]
        assert abs(difference) <= 5 * math.hypot(*(e**-0.5 for e in ess))


def test_a_run_of_weight_0_made_again_agrees_within_monte_carlo_error():
    stored, again = stored_and_again(centering.BETWEEN, (0, 7))
    assert again.keys() | {"origin"} == stored.keys()
    for estimate, mcse in [("mean of τ", "MCSE of mean"), ("P(τ < 0.1)", "MCSE of P")]:
        assert abs(again[estimate] - stored[estimate]) <= 5 * math.hypot(again[mcse], stored[mcse])
