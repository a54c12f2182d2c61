"""What tests over many seeds share: the runs, and how far they are from the exact posterior."""

import arviz
import polars as pl

import helpers


def sample(program, data, seeds, **options):
    model = helpers.stan_model(program)
    return [model.sample(data=data, seed=seed, show_progress=False, **options) for seed in seeds]


def trees(runs, flat=None):
    read = [arviz.from_cmdstanpy(run) for run in runs]
    return read if flat is None else [helpers.unflatten(tree, flat) for tree in read]


def errors_fit(marks: pl.DataFrame) -> bool:
    """Whether the errors of a sampler, of which `score` made the marks, are what it says they are.

    Errors in MCSEs are about standard normal, so their root mean square over the seeds is about 1: between
    0.6 and 1.5 for each quantity. With 20 seeds a right sampler is outside of it once in 190 times for each:
    χ² with 20 degrees of freedom is below 7.2 once in 250 times and above 45 once in 900. With 80 seeds or
    more it is once in 10^7, at most.
    """
    rms = marks.group_by("quantity").agg((pl.col("error_in_mcse") ** 2).mean().sqrt())
    return rms["error_in_mcse"].is_between(0.6, 1.5).all()
