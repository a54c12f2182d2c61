"""`slopes` and `crossed` give their exact posteriors, and their marks show it if they do not."""

import logging

import polars as pl
import pytest
from linear_marks import CASES, exact, marks
from many_seeds import errors_fit, sample, trees

import helpers

SEEDS, MORE, FEW = range(401, 421), range(501, 581), range(601, 605)
U = "matrix[2, J_1] u = diag_pre_multiply(tau, L) * z;"
# What might have gone wrong: the program, the table it is seen with, the line and what stands there instead
FAULTS = {
    "the other sign of rho": (
        "sleepstudy",
        U,
        "matrix[2, 2] M = L; M[2, 1] = -L[2, 1]; matrix[2, J_1] u = diag_pre_multiply(tau, M) * z;",
    ),
    "a covariance for its Cholesky factor": (
        "sleepstudy",
        U,
        "matrix[2, J_1] u = quad_form_diag(multiply_lower_tri_self_transpose(L), tau) * z;",
    ),
    "variances for spreads": ("slopes alike", U, U.replace("(tau,", "(square(tau),")),
    "another eta": ("slopes alike", "lkj_corr_cholesky(prior_rho)", "lkj_corr_cholesky(prior_rho + 1)"),
    "a variance for a spread": ("plates", "*= tau[f];", "*= square(tau[f]);"),
    "a factor that begins too early": ("plates", "- J[f] + 1;", "- J[f] + (f == 1);"),
}


def is_right(name, program, seeds):
    _, make, options = CASES[name]
    runs = trees(sample(program, make(), seeds, **options))
    return errors_fit(pl.concat([marks(run, exact(name)) for run in runs]))


@pytest.fixture(scope="module", autouse=True)
def quiet():
    logging.getLogger("cmdstanpy").setLevel(logging.CRITICAL)


@pytest.mark.parametrize("name", CASES)
def test_slopes_and_crossed_give_the_exact_posterior(name):
    # Each of up to ten quantities is outside once in 190 times with 20 seeds, so a right sampler fails once
    # in 20 times or less; then it is asked again with 80 others, and fails once in a million times.
    program = CASES[name][0]
    assert is_right(name, program, SEEDS) or is_right(name, program, MORE)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_same_marks_show_what_might_have_gone_wrong(fault, tmp_path):
    # Four seeds will do, if errors have a root mean square above 3: for a right program that is χ² with four
    # degrees of freedom above 36, which happens once in three million times, or 300,000 for ten quantities.
    name, right, wrong = FAULTS[fault]
    text = helpers.stan_file(CASES[name][0]).read_text("utf-8")
    assert text.count(right) == 1
    path = tmp_path / "faulty.stan"
    path.write_text(text.replace(right, wrong), "utf-8")
    runs = trees(sample(path, CASES[name][1](), FEW, **CASES[name][2]))
    found = pl.concat([marks(run, exact(name)) for run in runs])
    rms = found.group_by("quantity").agg((pl.col("error_in_mcse") ** 2).mean().sqrt())
    assert rms["error_in_mcse"].max() > 3
