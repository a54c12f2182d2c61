"""What tests of the checks share: what is said of an answer, and a perfect sampler."""

import functools
import pickle
import re

import arviz
import numpy as np
import pytest
import xarray as xr

import helpers
from helpers.checks import exercises, programs


def says(number, answer, words):
    """Check an answer: a pattern after "✔ " or "✘ " is of its verdict, any other one of a TypeError."""
    if words[0] in "✔✘":
        verdict = helpers.check(number, answer)
        assert verdict.right == (words[0] == "✔"), verdict
        said, words = verdict.text, words[2:]
        assert len(said) < 300
    else:
        with pytest.raises(TypeError, match="give ") as caught:
            helpers.check(number, answer)
        said = str(caught.value)
    assert "\n" not in said
    assert re.search(words, said), said


class TestAnswers:
    """What every lesson's checks are tried with: its tests have `ANSWERS`, {number: [(answer, words), …]}."""

    def pytest_generate_tests(self, metafunc):
        """Try each check with every answer, for which `says` has the words."""
        if "answer" in metafunc.fixturenames:
            table = metafunc.module.ANSWERS.items()
            rows = [(number, *row) for number, group in table for row in group]
            metafunc.parametrize(("number", "answer", "words"), rows)

    def test_an_answer_is_told_what_it_is_and_what_to_look_at(self, number, answer, words):
        says(number, answer, words)

    def test_every_check_is_tried_with_answers_of_the_wrong_kind(self, request):
        table = request.module.ANSWERS.items()
        refusing = [number for number, group in table if any(words[0] not in "✔✘" for _, words in group)]
        lesson = request.module.__name__[-2:]
        assert refusing == [number for number in exercises() if number[:2] == lesson]


def of(base, name, hints):
    """Rows of wrong answers, that have one item other than it should be: {value: what is said of it, …}."""
    return [(base | {name: value}, f"✘ {words}") for value, words in hints.items()]


@functools.cache
def _independent(asked):
    """Draw from the exact posterior that is asked for in pickled form, once."""
    data, prior, sigma, n = pickle.loads(asked)
    return helpers.exact_posterior(data, prior, sigma=sigma).draws(n, seed=1)["posterior"]


def perfect(data, prior=None, n=1000, sigma=None, kick=1.0, n_steps=7, offsets=False, **stats):
    """Samples as of a perfect sampler: 4 chains of n independent draws, and what it would note."""
    posterior = _independent(pickle.dumps((data, prior, sigma, 4 * n)))
    rng = np.random.default_rng(seed=1)
    energy = kick * rng.normal(size=(4, n)) + (1 - kick) * np.cumsum(rng.normal(size=(4, n)), axis=1)
    noted = {"diverging": False, "tree_depth": 3, "n_steps": n_steps}
    noted = {"energy": energy} | {name: np.full((4, n), value) for name, value in noted.items()}
    named = {name: x.values.reshape(4, n, *x.shape[2:]) for name, x in posterior.data_vars.items()}
    named |= {"theta_1_tilde": named["theta_1"]} if offsets else {}
    return arviz.from_dict({"posterior": named, "sample_stats": noted | stats}, index_origin=1)


def changed(samples, change):
    """Copy samples; `change` gets their posterior as a dataset, and returns another."""
    samples = samples.copy()
    samples["posterior"] = xr.DataTree(change(samples["posterior"].to_dataset()))
    return samples


def with_tau(samples, change):
    """Copy samples, in which τ is something else."""
    return changed(samples, lambda post: post.assign(tau=(("chain", "draw"), change(post["tau"].values))))


@pytest.fixture
def given(monkeypatch):
    """Give programs something besides their data, and change the posterior that they draw, which is kept."""
    sample, known = programs.sample, {}

    def give(change=lambda posterior: posterior, **items):
        def sample_once(program, data, **options):
            key = str(program), repr(data | items)
            if key not in known:
                known[key] = sample(program, data | items, **options)
            return changed(known[key], change)

        monkeypatch.setattr(programs, "sample", sample_once)

    return give


@pytest.fixture
def drawn(monkeypatch):
    """Give all checks these samples, whatever the program: that of a mistake need not be compiled."""
    return lambda samples: monkeypatch.setattr(programs, "sample", lambda *_, **__: samples)


def switch(cases):
    """Write statements of which a program runs those whose number, from 0, is its datum `which`."""
    return " else ".join(f"if (which == {k}) {{ {case} }}" for k, case in enumerate(cases)) + "\n"
