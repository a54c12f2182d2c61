"""Draw the README's picture, the funnel before and after the repair: ``make cover``.

The picture carries the stamp of what it was drawn from; a test says when it is stale.
"""

from pathlib import Path

import arviz_base
import matplotlib
import matplotlib.pyplot as plt

import helpers
from helpers.plots import COLORS, FUNNEL
from tools.tables.stamp import LESSONS, stamp, statements

PICTURE = LESSONS / "figures" / "funnel.png"
SEED = 11
RUNS = {"centered": {}, "noncentered": {"adapt_delta": 0.99}}


def origin() -> str:
    """Stamp what the picture is drawn from: this file, our cells and the two programs."""
    texts = [Path(__file__).read_text("utf-8"), *(statements(helpers.stan_file(name)) for name in RUNS)]
    return stamp(*texts, helpers.measurements().write_csv())


def draw() -> None:
    """Sample both programs and write the picture."""
    matplotlib.use("Agg")
    data, _ = helpers.stan_data(helpers.measurements(), helpers.LEVELS, "y")
    figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharex=True, sharey=True, layout="constrained")
    for panel, color, (name, options) in zip(panels, COLORS, RUNS.items(), strict=False):
        fit = helpers.stan_model(name).sample(data=data, seed=SEED, show_progress=False, **options)
        tree = arviz_base.from_cmdstanpy(fit)
        tau = helpers.draws(tree, "tau")
        offset = helpers.draws(tree, "theta_1[1]") - helpers.draws(tree, "theta")
        divergent = tree["sample_stats"]["diverging"].values.ravel()
        panel.scatter(offset, tau, s=2, alpha=0.4, color=color)
        panel.scatter(offset[divergent], tau[divergent], s=40, marker="x", color="black")
        panel.set(title=name, yscale="log", xlim=FUNNEL["offset"], ylim=FUNNEL["tau"])
        panel.set_xlabel(f"a {helpers.LEVELS[0]}'s mean minus the population's ({helpers.UNIT})")
    panels[0].set_ylabel(f"τ, spread between groups ({helpers.UNIT})")
    figure.savefig(PICTURE, dpi=110, metadata={"Source": origin()})


if __name__ == "__main__":
    draw()
