"""Whether ranks are uniform: their ECDF, and the band inside which it should stay."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import polars as pl

from helpers.inputs import describe_type, is_number, is_whole, short_repr


def rank_test(table: pl.DataFrame, probability: float = 0.95) -> pl.DataFrame:
    """Ask of every parameter whether its ranks are uniform, that is, whether their ECDF stays inside a band.

    Parameters
    ----------
    table
        What `calibrate` gives. Replications without a rank, because the fit failed, are left out.
    probability
        With which the whole ECDF of one parameter stays inside, if its ranks are uniform. Above 0.995 the
        band is somewhat too wide.

    Returns
    -------
    polars.DataFrame
        One row per ``parameter``: ``replications``; ``largest``, the largest distance of the ECDF from the
        uniform one (signed: positive where ranks are too often small); and ``inside`` (Boolean).

    Raises
    ------
    TypeError
        If the table is not a polars DataFrame.
    ValueError
        If a column is missing, if a parameter has no ranks, or one that cannot be, or if the probability is
        not between 0 and 1.

    Notes
    -----
    The band of Säilynoja, Bürkner and Vehtari (2022), "Graphical test for discrete uniformity and its
    applications in goodness-of-fit evaluation and multiple sample comparison", as ArviZ computes it.
    """
    rows = []
    for name, n, _, difference, low, high in ecdf_differences(table, probability):
        largest = float(difference[abs(difference).argmax()])
        inside = bool(((difference >= low) & (difference <= high)).all())
        rows.append((name, n, largest, inside))
    return pl.DataFrame(rows, schema=["parameter", "replications", "largest", "inside"], orient="row")


def ecdf_differences(table: pl.DataFrame, probability: float) -> Iterator[tuple]:
    """Give for each parameter what is drawn and tested: its ECDF less the uniform one, and the band."""
    from arviz_stats.ecdf_utils import get_pointwise_confidence_band

    if not isinstance(table, pl.DataFrame):
        raise TypeError(f"the table is {describe_type(table)}: give a table of calibrate, a polars DataFrame")
    for column in ("parameter", "rank", "draws"):
        if column not in table.columns:
            raise ValueError(f"no column {column!r}: give a table of calibrate")
        dtype = table[column].dtype
        if column != "parameter" and not (dtype.is_integer() or dtype == pl.Null):
            raise ValueError(f"column {column!r} is {dtype}: give whole numbers, as calibrate does")
    if table.is_empty():
        raise ValueError("the table has no rows: give a table of calibrate")
    if not (is_number(probability) and 0 < probability < 1):
        raise ValueError(f"probability is {short_repr(probability)}: give a number between 0 and 1")
    for (name,), rows in table.group_by("parameter", maintain_order=True):
        ranks, draws = rows["rank"].drop_nulls().to_numpy(), rows["draws"][0]
        if not len(ranks):
            raise ValueError(f"no fit gave a rank of {name!r}: look at the column status")
        if rows["draws"].n_unique() != 1 or not is_whole(draws, 1):
            raise ValueError(
                f"column 'draws' of {name!r} is not one number above 0: give one table at a time"
            )
        if draws > 10_000:
            raise ValueError(
                f"draws is {draws:,}: the band is computed for at most 10,000, so rank among fewer"
            )
        bad = (ranks < 0) | (ranks > draws)
        if bad.any():
            raise ValueError(
                f"a rank of {name!r} is {ranks[bad][0]}: ranks among {draws} draws are 0 to {draws}"
            )
        # Halfway between two ranks the ECDF of the discrete uniform distribution is that of the continuous.
        points = np.arange(1, draws + 1) / (draws + 1)
        difference = np.searchsorted(np.sort(ranks), np.arange(1, draws + 1)) / len(ranks) - points
        low, high = get_pointwise_confidence_band(
            _pointwise(len(ranks), draws, probability), len(ranks), points
        )
        yield name, len(ranks), points, difference, low - points, high - points


@cache
def _pointwise(n: int, draws: int, probability: float) -> float:
    """Probability at each single point for which the band as a whole has `probability`."""
    if probability > 0.995:  # simulating this takes too long; Bonferroni's bound is on the safe side
        return 1 - (1 - probability) / draws
    from arviz_stats.ecdf_utils import simulate_confidence_bands

    points = np.arange(1, draws + 1) / (draws + 1)
    return simulate_confidence_bands(n, 1, points, probability, 4000, np.random.default_rng(1))
