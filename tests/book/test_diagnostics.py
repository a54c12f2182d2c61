"""What pages say of their draws is what ArviZ says of them."""

import warnings

import arviz
import node
import numpy as np
import pytest

COMPUTE = """
return cases.map((chains) => ({
    rhat: course.rhat(chains), bulk: course.essBulk(chains), tail: course.essTail(chains),
    mean: course.essMean(chains), mcse: course.mcseMean(chains), bfmi: course.bfmi(chains),
}));
"""


def autoregressive(rng, chains: int, draws: int, memory: float) -> np.ndarray:
    x = rng.normal(size=(chains, draws))
    for i in range(1, draws):
        x[:, i] = memory * x[:, i - 1] + np.sqrt(1 - memory**2) * x[:, i]
    return x


def cases() -> dict[str, np.ndarray]:
    """Chains of many kinds, whole and broken."""
    rng = np.random.default_rng(20261123)
    made = {
        f"memory {memory}, {chains} × {draws}": autoregressive(rng, chains, draws, memory)
        for memory in (-0.9, -0.3, 0, 0.5, 0.95, 0.999)
        for chains, draws in ((4, 1000), (4, 101), (2, 40), (8, 250), (4, 4), (4, 5), (4, 7), (1, 300))
    }
    x = made["memory 0.5, 4 × 1000"]
    made |= {
        "skewed": np.exp(3 * x),
        "far from zero": x + 1e6,
        "tiny": 1e-9 * x,
        "with ties": np.round(x, 1),
        "two values": (x > 1).astype(float),
        "rare": (x > 2.8).astype(float),
        "one chain elsewhere": x + np.array([[0], [0], [0], [3]]),
        "one chain wider": x * np.array([[1], [1], [1], [4]]),
        "one chain stuck": np.where(np.arange(4)[:, None] == 2, 0.3, x),
        "drifting": x + np.linspace(0, 5, 1000),
        "alternating": np.tile([0.0, 1.0], (4, 100)) + 1e-3 * x[:, :200],
        "long": autoregressive(rng, 4, 6000, 0.9),
    }
    return made


@pytest.fixture(scope="module")
def computed() -> dict[str, dict]:
    made = cases()
    results = node.run(COMPUTE, "diagnostics.js", cases=[x.tolist() for x in made.values()])
    return dict(zip(made, results, strict=True))


@pytest.mark.parametrize("name", cases())
def test_diagnostics_are_those_of_arviz(computed, name):
    x = cases()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "rhat": arviz.rhat(x),
            "bulk": arviz.ess(x, method="bulk"),
            "tail": arviz.ess(x, method="tail", prob=(0.05, 0.95)),
            "mean": arviz.ess(x, method="mean"),
            "mcse": arviz.mcse(x, method="mean"),
            "bfmi": arviz.bfmi(x),
        }
    for what, value in expected.items():
        got = np.array(computed[name][what], dtype=float)
        np.testing.assert_allclose(got, value, rtol=1e-6, err_msg=what)


def test_what_cannot_be_computed_is_not_a_number():
    bad = [[[1, 2, 3]] * 4, [[1, None, 3, 4, 5]] * 4]
    for result in node.run(COMPUTE.replace("cases", "bad.map(x => x.map(y => y.map(z => z ?? NaN)))"),
                           "diagnostics.js", bad=bad):  # fmt: skip
        assert {result[what] for what in ("rhat", "bulk", "tail", "mean", "mcse")} == {"NaN"}
