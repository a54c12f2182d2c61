"""What pages say of their draws is what ArviZ says, and alarms begin where helpers have them begin."""

import arviz
import node
import numpy as np
import pytest

from helpers.diagnostics import E_BFMI, ESS, R_HAT

COMPUTE = """
return cases.map((rows) => {
  const chains = rows.map((chain) => Float64Array.from(chain, (draw) => draw ?? NaN));
  return {
    mean: course.mean(chains), sd: course.sd(chains), low: course.quantile(chains, 0.05),
    rhat: course.rhat(chains), bulk: course.essBulk(chains), tail: course.essTail(chains),
    ess: course.essMean(chains), mcse: course.mcseMean(chains), bfmi: course.bfmi(chains),
  };
});
"""


def autoregressive(rng, chains: int, draws: int, memory: float) -> np.ndarray:
    x = rng.normal(size=(chains, draws))
    for i in range(1, draws):
        x[:, i] = memory * x[:, i - 1] + np.sqrt(1 - memory**2) * x[:, i]
    return x


def make_cases() -> dict[str, np.ndarray]:
    """Chains of many kinds, whole and broken."""
    rng = np.random.default_rng(20261123)
    made = {
        f"memory {memory}, {chains} × {draws}": autoregressive(rng, chains, draws, memory)
        for memory in (-0.9, 0, 0.5, 0.95, 0.999)
        for chains, draws in ((4, 1000), (2, 101), (8, 250), (4, 4), (4, 5), (4, 7), (1, 300))
    }
    x = made["memory 0.5, 4 × 1000"]
    return made | {
        "skewed": np.exp(3 * x),
        "far from zero": x + 1e6,
        "tiny": 1e-9 * x,
        "with ties": np.round(x, 1),
        "rare": (x > 2.8).astype(float),
        "one chain elsewhere": x + np.array([[0], [0], [0], [3]]),
        "one chain wider": x * np.array([[1], [1], [1], [4]]),
        "one chain stuck": np.where(np.arange(4)[:, None] == 2, 0.3, x),
        "drifting": x + np.linspace(0, 5, 1000),
        "alternating": np.tile([0.0, 1.0], (4, 100)) + 1e-3 * x[:, :200],
    }


@pytest.mark.filterwarnings("ignore")
def test_diagnostics_are_those_of_arviz():
    cases = make_cases()
    results = node.run(COMPUTE, "stan/diagnostics.js", cases=[x.tolist() for x in cases.values()])
    for (name, x), told in zip(cases.items(), results, strict=True):
        expected = {
            "mean": x.mean(),
            "sd": x.std(ddof=1),
            "low": np.quantile(x, 0.05),
            "rhat": arviz.rhat(x),
            "bulk": arviz.ess(x, method="bulk"),
            "tail": arviz.ess(x, method="tail", prob=(0.05, 0.95)),
            "ess": arviz.ess(x, method="mean"),
            "mcse": arviz.mcse(x, method="mean"),
            "bfmi": arviz.bfmi(x),
        }
        for what, value in expected.items():
            got = np.array(told[what], dtype=float)
            np.testing.assert_allclose(got, value, rtol=1e-6, err_msg=f"{what} of {name}")


def test_what_cannot_be_computed_is_not_a_number():
    bad = [[[1, 2, 3]] * 4, [[1, None, 3, 4, 5]] * 4]
    for result in node.run(COMPUTE, "stan/diagnostics.js", cases=bad):
        assert {result[what] for what in ("rhat", "bulk", "tail", "ess", "mcse")} == {"NaN"}


def test_alarms_of_pages_begin_where_those_of_helpers_do():
    body = "return tries.map(([kind, value]) => course.isFine[kind](value ?? NaN));"
    fine = [("rHat", R_HAT), ("bulk", ESS), ("tail", ESS), ("bfmi", [1, E_BFMI])]
    wrong = [("rHat", R_HAT + 1e-9), ("bulk", ESS - 1e-9), ("tail", ESS - 1e-9), ("bfmi", [1, E_BFMI - 1e-9])]
    wrong += [("rHat", None), ("bulk", None), ("tail", None)]
    told = node.run(body, "stan/summary.js", tries=[*fine, *wrong])
    assert told == [True] * len(fine) + [False] * len(wrong)
