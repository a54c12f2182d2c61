"""`exact_loo`: how well a model predicts what it has not seen, one measurement or one group at a time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from helpers.exact.compute import spreads_of
from helpers.inputs import as_floats, did_you_mean, is_number, read_tree, short_repr
from helpers.likelihoods import SIZE
from helpers.priors import PRIOR

if TYPE_CHECKING:
    from helpers.exact.elpd import ExactELPD


def exact_loo(
    data: Mapping,
    prior: Mapping | None = None,
    values: str = "y",
    sigma: Sequence[float] | None = None,
    shared_tau: bool = True,
    tolerance: float = 1e-6,
    likelihood: str = "normal",
    nu: float | None = None,
    leave_out: str | None = None,
) -> "ExactELPD":
    """Leave out each measurement in turn, or each group, and predict it, exactly.

    The log density of what is left out, given the rest, is the log evidence of all less that of the rest. No
    draws are used. It takes two evidences for each measurement or group, so some hundredths of a second for
    each with one τ, tenths with a τ for every level or with counts, and seconds with Student's t.

    Parameters
    ----------
    data, prior, values, sigma, shared_tau, likelihood, nu
        The model, as for `exact_posterior`.
    tolerance
        Largest error of an evidence that is accepted, as it is estimated, relative to the evidence: so about
        that of each log density.
    leave_out
        What is left out at a time: one measurement, if None; or all that is below one node of a level, such
        as ``"theta_1"``. Then it is their joint density that is predicted.

    Returns
    -------
    ExactELPD
        As `arviz_stats.loo` gives with ``pointwise=True``: ``elpd``, the sum; ``elpd_i``, an
        `xarray.DataArray` with a log density for each measurement in the order of `data`, or for each group;
        ``se``, the standard error of the sum, √n times the standard deviation of ``elpd_i``; and ``p``, the
        effective number of parameters: the sum of the same densities when nothing is left out, less ``elpd``.
        It is infinite if σ is unknown and each leaf has one measurement. It is nan, as it is not computed, if
        σ has a prior other than half-normal in this case, and if ν is unknown.

    Raises
    ------
    TypeError
        If `data` or `prior` is not a dictionary.
    ValueError
        As `exact_posterior` does; or if there is no such level; or if what is left when something is left out
        has no posterior. Then the message names it.

    Examples
    --------
    >>> data = {"J_1": 2, "index_1": [1, 1, 2], "y": [9.5, 10.0, 11.5]}
    >>> exact_loo(data, prior={"tau": 1}).elpd_i.round(1).values.tolist()
    [-1.8, -1.6, -2.3]
    """
    if not (is_number(tolerance) and tolerance > 0):
        raise ValueError(f"tolerance is {short_repr(tolerance)}: give a number above 0, such as 1e-6")
    model = {"shared_tau": shared_tau, "likelihood": likelihood, "nu": nu}
    every = spreads_of(data, prior, values, sigma, **model)
    errors = None if sigma is None else as_floats(sigma, "sigma")
    levels = read_tree(data, values, sigma, likelihood in SIZE)
    name, group = _groups(levels, values, leave_out)
    full = every.log_evidence(tolerance)
    # that priors suit the measurements was seen above; they hold for parts of these, too
    given = dict(prior or {}) if likelihood in SIZE else PRIOR | dict(prior or {})

    def evidence(rows: np.ndarray, which: str) -> float:
        if not len(rows):
            return 0.0
        part = _take(data, values, levels, rows)
        known = None if errors is None else errors[rows]
        try:
            return spreads_of(part, given, values, known, **model).log_evidence(tolerance)
        except ValueError as error:
            raise ValueError(f"{which}: {error}") from None

    twice = _without_evidence(levels, errors is None, likelihood, nu, given)
    rows, apart, together = np.arange(len(group)), [], []
    for i in range(group.max() + 1):
        node = f"{name}[{i + 1}]"
        apart.append(full - evidence(rows[group != i], f"without {node}"))
        if twice is None:
            again = np.append(rows, rows[group == i])
            together.append(evidence(again, f"with {node} twice, for p") - full)
    return _as_elpd(name, np.array(apart), np.array(together) if twice is None else twice)


def _without_evidence(levels: tuple, unknown: bool, likelihood: str, nu, prior: Mapping) -> float | None:
    """Say what p is where measurements cannot be counted twice; None if they can."""
    if likelihood == "student_t" and nu is None:
        return np.nan  # equal measurements are refused then
    if likelihood in SIZE or not unknown or levels[0][-1] < len(levels[3]):
        return None
    # Two equal measurements in a leaf have a density like 1/σ for small σ: no finite integral, unless the
    # prior of σ falls off towards zero.
    return np.inf if is_number(prior["sigma"]) else np.nan


def _groups(levels: tuple, values: str, leave_out: str | None) -> tuple[str, np.ndarray]:
    """Give a name to what is left out at a time, and say to which of these each measurement belongs."""
    sizes, parents, group, y, _ = levels
    if leave_out is None:
        return values, np.arange(len(y))
    names = [f"theta_{k}" for k in range(1, len(sizes) + 1)]
    if not (isinstance(leave_out, str) and leave_out in names):
        near = did_you_mean(leave_out, names) if isinstance(leave_out, str) else ""
        raise ValueError(
            f"leave_out is {short_repr(leave_out)}{near}: give the nodes of a level, one of "
            f"{', '.join(map(repr, names))}, or leave it out for one measurement at a time"
        )
    for k in range(len(sizes) - 1, names.index(leave_out), -1):
        group = parents[k - 1][group]
    return leave_out, group


def _take(data: Mapping, values: str, levels: tuple, rows: np.ndarray) -> dict:
    """Make the dictionary of some of the measurements, in which a node without any is left out."""
    sizes, parents, leaf, y, _ = levels
    out, index = {values: y[rows]}, leaf[rows]
    out |= {name: as_floats(data[name], repr(name))[rows] for name in SIZE.values() if name in data}
    for k in range(len(sizes), 0, -1):
        nodes, index = np.unique(index, return_inverse=True)
        out |= {f"J_{k}": len(nodes), f"index_{k}": index + 1}
        index = parents[k - 2][nodes] if k > 1 else None
    return out


def _as_elpd(name: str, apart: np.ndarray, together: np.ndarray | float) -> "ExactELPD":
    from helpers.exact.elpd import ExactELPD  # here, as ArviZ takes seconds to load

    n = len(apart)
    return ExactELPD(
        elpd=float(apart.sum()),
        se=float(np.sqrt(n) * apart.std()),
        p=float(np.sum(together - apart)),
        n_samples=0,
        n_data_points=n,
        scale="log",
        warning=False,
        good_k=None,
        elpd_i=xr.DataArray(apart, dims=[name], coords={name: np.arange(1, n + 1)}),
    )
