"""The exact posterior that "Your data" marks its draws against is exact."""

import node
import numpy as np
import pytest
from scipy import special, stats
from scipy.integrate import simpson

import helpers
from helpers.data import LEVELS

SCRIPTS = ["stan/diagnostics.js", "stan/summary.js", "your_data/messages.js", "your_data/exact.js"]
SOLVE = """
const found = [];
for (const data of all) {
  try {
    const rows = await course.exact(data);
    found.push(rows.map(({ name, mean, sd, below }) => [name, [mean, sd, below ? below(limit) : 0]]));
  } catch (error) {
    found.push(error.message);
  }
}
return found;
"""
LINK = {"theta": (0, 1.5), "tau": 1}
CELLS = helpers.stan_data(helpers.measurements(), LEVELS, "y")[0]


def solve(*flats: dict, limit=0.2) -> list:
    """Mean, sd and P(below the limit) of every parameter, as the page computes them; or its sentence."""
    plain = [{k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in flat.items()} for flat in flats]
    found = node.run(SOLVE, *SCRIPTS, all=plain, limit=limit)
    return [one if isinstance(one, str) else dict(one) for one in found]


def counted(likelihood: str, **items) -> tuple[dict, dict]:
    """Make data on the tree of the cells, from given counts."""
    data = {name: value for name, value in CELLS.items() if name != "y"} | items
    return data, {"prior": LINK, "likelihood": likelihood}


def agree(found: dict, exact, limit=0.2):
    """Hold the page to a tenth of a thousandth of a standard deviation."""
    for name, (mean, sd, below) in found.items():
        other = {"tau.1": "tau"}.get(name, name.replace(".", "[") + "]" * ("." in name))
        assert abs(mean - exact.mean(other)) < 1e-4 * exact.sd(other), name
        assert abs(sd - exact.sd(other)) < 1e-4 * exact.sd(other), name
        assert name == "theta" or abs(below - exact.cdf(other, limit)) < 1e-4, name


def test_normal_measurements_are_as_exact_as_in_python():
    [one] = solve(helpers.tree_data(CELLS))
    agree(one, helpers.exact_posterior(CELLS))
    tree, _ = helpers.stan_data(helpers.measurements(), LEVELS[:2], "y")
    [own] = solve(helpers.tree_data(tree, shared_tau=False))
    agree(
        {name.replace("tau.1", "tau[1]"): row for name, row in own.items()},
        helpers.exact_posterior(tree, shared_tau=False),
    )


def test_other_measurements_are_as_exact_as_in_python():
    rng = np.random.default_rng(20261129)
    leaf = CELLS[f"index_{len(LEVELS)}"] - 1
    logs = 0.6 * rng.normal(size=leaf.max() + 1)[leaf]
    jobs = [(CELLS, {"likelihood": "student_t", "nu": 4})]
    exposure = rng.uniform(0.5, 2, len(leaf))
    jobs += [counted("poisson", y=rng.poisson(exposure * np.exp(1 + logs)), exposure=exposure)]
    jobs += [counted("binomial", y=rng.binomial(5, special.expit(logs)), trials=np.full(len(leaf), 5))]
    for found, (data, options) in zip(
        solve(*(helpers.tree_data(d, **o) for d, o in jobs)), jobs, strict=True
    ):
        agree(found, helpers.exact_posterior(data, **options))


# ---- two groups by brute force: θ by Simpson's rule, each group and τ by rules of Gauss

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(150)
STEPS, SHARES = np.polynomial.legendre.leggauss(80)


def integrate_group(log_likelihood, theta, tau):
    """Likelihood of one group with its node integrated out, at every θ."""
    x = theta[:, None] + tau * NODES
    return np.exp(log_likelihood(x)) @ WEIGHTS / np.sqrt(2 * np.pi)


def by_brute_force(groups, prior, limit):
    """Mean and sd of θ and τ, and P(τ < limit), for groups below θ and a half-normal τ."""
    theta = np.linspace(
        prior["theta"][0] - 7 * prior["theta"][1], prior["theta"][0] + 7 * prior["theta"][1], 2001
    )
    ends = [(0, limit), (limit, 7 * prior["tau"])]
    taus = np.concatenate([a + (b - a) * (STEPS + 1) / 2 for a, b in ends])
    shares = np.concatenate([(b - a) / 2 * SHARES for a, b in ends])
    density = np.array(
        [np.prod([integrate_group(one, theta, tau) for one in groups], axis=0) for tau in taus]
    )
    density *= stats.norm.pdf(theta, *prior["theta"]) * stats.norm.pdf(taus, 0, prior["tau"])[:, None]
    density *= shares[:, None]
    density /= simpson(density.sum(0), x=theta)
    over_theta, over_tau = density.sum(0), simpson(density, x=theta, axis=1)
    means = simpson(over_theta * theta, x=theta), over_tau @ taus
    squares = simpson(over_theta * theta**2, x=theta), over_tau @ taus**2
    rows = [[m, np.sqrt(s - m**2)] for m, s in zip(means, squares, strict=True)]
    return dict(zip(["theta", "tau.1"], rows, strict=True)) | {"below": over_tau[: len(STEPS)].sum()}


TWO = [
    ("binomial", [3, 0], [4, 6]),
    ("binomial", [5, 9], [5, 9]),
    ("binomial", [1, 38], [40, 40]),
    ("poisson", [0, 0], [1, 2.5]),
    ("poisson", [40, 2], [1, 1]),
]


@pytest.mark.parametrize(("likelihood", "counts", "sizes"), TWO)
def test_two_groups_of_counts_are_those_of_brute_force(likelihood, counts, sizes):
    item = {"binomial": "trials", "poisson": "exposure"}[likelihood]
    data = {"J_1": 2, "index_1": [1, 2], "y": counts, item: sizes}
    [found] = solve(helpers.tree_data(data, prior=LINK, likelihood=likelihood), limit=0.5)

    def logs(k, n):
        if likelihood == "binomial":
            return lambda x: k * special.log_expit(x) + (n - k) * special.log_expit(-x)
        return lambda x: k * x - n * np.exp(x)

    exact = by_brute_force([logs(k, n) for k, n in zip(counts, sizes, strict=True)], LINK, 0.5)
    for name in ("theta", "tau.1"):
        np.testing.assert_allclose(found[name][:2], exact[name], atol=2e-4 * exact[name][1], err_msg=name)
    assert abs(found["tau.1"][2] - exact["below"]) < 2e-4


def test_what_cannot_be_trusted_or_takes_long_is_not_marked():
    many = {"J_1": 3000, "index_1": np.arange(1, 3001), "y": np.arange(3000) % 7}
    flats = [helpers.tree_data(many, prior=LINK, likelihood="poisson")]
    far = {"J_1": 9, "index_1": np.repeat(np.arange(1, 10), 4), "y": np.tile([0.0, 1, 2, 3], 9)}
    far["y"][-4:] += 1e6
    flats += [
        helpers.tree_data(
            far, prior={"theta": (0, 1e6), "tau": 1e6, "sigma": 3}, likelihood="student_t", nu=4
        )
    ]
    for told in solve(*flats):
        assert isinstance(told, str), told
        assert told.startswith("Not marked against the exact answer: ")
