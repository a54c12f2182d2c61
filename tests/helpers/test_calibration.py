"""`calibrate` gives one table for one set of arguments, and the test of ranks errs as often as it says."""

import functools
import resource
import threading
import time

import distributed
import numpy as np
import polars as pl
import pytest
import scipy.stats
from calibrating import OPTIONS, PAUSE, agree, here, journal, program, reference, simulation, truth  # noqa: F401
from filelock import FileLock
from polars.testing import assert_frame_equal

import helpers
from helpers.calibration import cluster
from helpers.calibration.job import seeds, simulated
from helpers.calibration.journal import Journal
from helpers.calibration.ranks import ecdf_differences

# Results depend on nothing but the arguments


def test_one_worker_and_a_larger_n_give_the_table_of_two_at_once(program, reference, tmp_path):
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with distributed.Client(processes=False, **options) as client:
        calls = [
            helpers.calibrate(program, simulation(), n, client, folder=tmp_path, **OPTIONS) for n in (7, 20)
        ]
    for table, n in zip(calls, (7, 20), strict=True):
        assert agree(table, reference, range(n))
    assert [line["replication"] for line in journal(tmp_path)] == list(range(20))


def test_the_order_of_finishing_does_not_matter(program, reference, here, tmp_path):
    late = simulation({i: {"loops": 3 * PAUSE} for i in range(0, 12, 2)})
    table = helpers.calibrate(program, late, 12, here, folder=tmp_path, **OPTIONS)
    order = [line["replication"] for line in journal(tmp_path)]
    assert order != sorted(order)
    assert agree(table, reference, range(12))


def test_failed_fits_are_tried_again(program, reference, here, tmp_path):
    tries = tmp_path / "tries"

    def simulate(rng):  # for the same numbers another answer, as on a machine that was out of memory
        mu = rng.normal()
        if mu == fails and not tries.exists():
            tries.touch()
            raise MemoryError
        return {"mu": mu}, {"y": rng.normal(mu), "refuse": 0, "loops": 0}

    fails = truth(11)
    call = functools.partial(helpers.calibrate, program, simulate, 12, here, folder=tmp_path, **OPTIONS)
    assert call().filter(pl.col("status") != "ok")["replication"].to_list() == [11]
    table = call()
    assert agree(table, reference, range(12))
    assert len(journal(tmp_path)) == 13


def test_no_more_than_a_few_replications_are_on_their_way(program, here, tmp_path, monkeypatch):
    started, most, count = [], [], here.map

    def counted(function, packed, numbers, **options):
        started.extend(numbers)
        most.append(len(started) - len(done))
        return count(function, packed, numbers, **options)

    def at_once(packed, i):
        numbers = {name: [0.5] for name in ("truth", "mean", "sd", "ess", "r_hat")}
        return {"replication": i, "status": "ok", "seconds": 0, "divergences": 0, "rank": [i % 100]} | numbers

    done = []
    monkeypatch.setattr(cluster, "replicate", at_once)
    monkeypatch.setattr(here, "map", counted)
    options = OPTIONS | {"folder": tmp_path, "watch": done.append}
    table = helpers.calibrate(program, simulation(), 500, here, **options)
    assert table["rank"].to_list() == [i % 100 for i in range(500)]
    assert sorted(started) == list(range(500))
    assert max(most) == 4, "two for each thread"


# Arguments, and the folder


def refuse(error, words, options):
    """Make sure of one line that says so, and that nothing was run or written."""
    options = {"simulate": simulation(), "n": 5} | OPTIONS | options
    with pytest.raises(error) as raised:
        helpers.calibrate(**options)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("error", "words", "options"),
    [
        (FileNotFoundError, "no Stan program 'centred' (did you mean 'centered'?)", {"program": "centred"}),
        (TypeError, "program is 3: give the name", {"program": 3}),
        (TypeError, "simulate is a dict: give a function", {"simulate": {}}),
        (ValueError, "n is 0: give the number of replications", {"n": 0}),
        (ValueError, "n is 2.5: give the number of replications", {"n": 2.5}),
        (ValueError, "n is True: give the number of replications", {"n": True}),
        (TypeError, "client is 'tcp://here:8786': give distributed.Client", {"client": "tcp://here:8786"}),
        (ValueError, "seed is -1: give a whole number", {"seed": -1}),
        (ValueError, "draws is 0: give the number of draws", {"draws": 0}),
        (ValueError, "draws is 1001, but a fit has 1000: give a smaller", {"draws": 1001}),
        (ValueError, "draws is 99, but a fit has 50: give a smaller", {"thin": 20}),
        (ValueError, "timeout is 0: give the seconds", {"timeout": 0}),
        (ValueError, "timeout is '60': give the seconds", {"timeout": "60"}),
        (TypeError, "folder is 3: give the path", {"folder": 3}),
        (TypeError, "watch is 'rows': give a function", {"watch": "rows"}),
        (TypeError, "calibrate has no option 'parallel_chains': replications run", {"parallel_chains": 2}),
        (TypeError, "calibrate has no option 'adaptdelta', nor has", {"adaptdelta": 0.9}),
        (ValueError, "adapt_delta", {"adapt_delta": 2}),
        (ValueError, "chains is 0: give a whole number, 1 or more", {"chains": 0}),
        (ValueError, "iter_sampling is '500': give a whole number", {"iter_sampling": "500"}),
        (ValueError, "cmdstanpy refuses the options of sample: TypeError", {"adapt_delta": "high"}),
        (ValueError, "step_size has 3 entries: give one for each chain", {"step_size": [0.1, 0.2, 0.3]}),
        (TypeError, "simulate has to return two dictionaries", {"simulate": lambda rng: {}}),
        (ValueError, "simulate gives no parameters", {"simulate": lambda rng: ({}, {})}),
        (ValueError, "simulate gives nan for 'mu'", {"simulate": lambda rng: ({"mu": np.nan}, {})}),
        (
            ValueError,
            "gives 'nu', which the program has not",
            {"simulate": lambda rng: ({"nu": 1}, {"y": 1})},
        ),
        (ValueError, "gives no 'refuse', which", {"simulate": lambda rng: ({"mu": 1}, {"y": 1})}),
        (TypeError, "gives 'high' for 'y'", {"simulate": lambda rng: ({"mu": 1}, {"y": "high"})}),
        (ValueError, "two answers", {"simulate": lambda rng: ({"mu": np.random.random()}, {"y": 1})}),  # noqa: NPY002
    ],
)
def test_a_wrong_argument_is_named_before_anything_runs(error, words, options, program, tmp_path):
    refuse(error, words, {"program": program, "folder": tmp_path / "kept"} | options)
    assert list(tmp_path.iterdir()) == []


def test_a_client_that_is_closed_is_refused(program, tmp_path):
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with distributed.Client(processes=False, **options) as client:
        pass
    options = {"program": program, "folder": tmp_path / "kept", "client": client}
    refuse(ValueError, "client is closed: give one that is connected", options)
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_does_not_compile_is_shown_by_stan(tmp_path):
    (tmp_path / "wrong.stan").write_text("parameters { real mu }")
    with pytest.raises(helpers.StanError, match="does not compile"):
        helpers.calibrate(tmp_path / "wrong.stan", simulation(), 2, folder=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_folder_that_cannot_be_written_is_named(program, here, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        OSError, match=r"^cannot write to .*file.below \(Not a directory\): give another folder$"
    ):
        helpers.calibrate(program, simulation(), 2, here, folder=tmp_path / "file" / "below", **OPTIONS)


def test_a_full_disk_is_named_and_what_was_finished_is_kept(tmp_path):
    kept = Journal(tmp_path / "kept.jsonl")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # no file may grow beyond
    done = set()
    try:
        with kept:
            for i in range(1000):
                kept.add({"replication": i, "status": "ok"})
                done.add(i)
    except OSError as error:
        said = str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    again = "mend it, and the same call goes on from here"
    assert said == f"cannot write to {kept.path} (File too large): {again}"
    assert not kept.path.read_bytes().endswith(b"\n"), "half a line is left"
    with kept:
        assert kept.finished() == done
        kept.add({"replication": 1000, "status": "ok"})
        assert kept.finished() == done | {1000}


def test_a_second_call_waits_for_the_first_and_goes_on_from_there(program, here, tmp_path, capfd):
    call = functools.partial(
        helpers.calibrate, program, simulation(), folder=tmp_path, client=here, **OPTIONS
    )
    three = call(n=3)
    (journal,) = tmp_path.glob("*.jsonl")
    told, tables = "", []
    with FileLock(journal.with_suffix(".lock")):
        second = threading.Thread(target=lambda: tables.append(call(n=4)))
        second.start()
        end = time.monotonic() + 60
        while "waiting for it" not in told and time.monotonic() < end:
            told += capfd.readouterr().err
            time.sleep(0.05)
        assert "another process is at this table" in told
        assert len(journal.read_bytes().splitlines()) == 3
        assert not tables
    second.join(60)
    assert_frame_equal(tables[0].filter(pl.col("replication") < 3).drop("shrinkage"), three.drop("shrinkage"))
    assert tables[0]["replication"].unique().to_list() == [0, 1, 2, 3]


def test_resume_false_begins_anew(program, here, tmp_path):
    call = functools.partial(helpers.calibrate, program, simulation(), 3, here, folder=tmp_path, **OPTIONS)
    first, done = call(), []
    second = call(resume=False, watch=done.append)
    assert len(done) == 3
    assert second.drop("seconds").equals(first.drop("seconds"))
    assert call(watch=done.append).equals(second)
    assert len(done) == 3


# The numbers


def test_mean_sd_and_rank_are_those_of_the_exact_posterior(reference):
    """With y ~ normal(mu, 1) and mu ~ normal(0, 1), mu given y is normal(y / 2, sqrt(1 / 2)).

    The seed is fixed, so this is settled once for a machine; for a new seed the chance of a false alarm is
    below 1 in 100,000: 200 normal deviates beyond 6 standard errors, with room for the error of ESS; and 100
    binomial ranks farther than 3 sqrt(99) from their mean, less than 2 exp(-18) each after Hoeffding.
    """
    assert reference["status"].unique().to_list() == ["ok"]
    assert len({seeds(1, i)[1] for i in range(100)}) == reference["truth"].n_unique() == 100
    y = np.array([simulated(simulation(), 1, i)[1]["y"] for i in range(100)])
    mean, sd, ess, true = (reference[name].to_numpy() for name in ("mean", "sd", "ess", "truth"))
    exact = 0.5**0.5
    assert (abs(mean - y / 2) < 7 * exact / ess**0.5).all()
    assert (abs(sd - exact) < 7 * exact / ess**0.5).all()
    assert 0.5 < ((mean - y / 2) ** 2 * ess / exact**2).mean() < 2
    below = scipy.stats.norm.cdf(true, y / 2, exact)
    assert (abs(reference["rank"].to_numpy() - 99 * below) < 3 * 99**0.5).all()
    np.testing.assert_allclose(reference["z_score"], (mean - true) / sd)
    np.testing.assert_allclose(reference["shrinkage"], 1 - (sd / true.std(ddof=1)) ** 2)


def test_ranks_of_a_right_program_are_uniform(reference):
    """For a new seed the chance of a false alarm is that of chi² on 9 degrees of freedom beyond 50, 1e-7."""
    counts = np.bincount(reference["rank"].to_numpy() // 10, minlength=10)
    assert ((counts - 10) ** 2 / 10).sum() < 50
    assert helpers.rank_test(reference)["replications"].to_list() == [100]


def table_of(ranks, draws=99, parameter="mu"):
    return pl.DataFrame(
        {"rank": ranks, "draws": draws, "parameter": parameter}, schema_overrides={"rank": int}
    )


@pytest.mark.parametrize(("n", "draws"), [(50, 99), (200, 19), (1000, 99)])
def test_uniform_ranks_stay_inside_the_band_as_often_as_it_says(n, draws):
    """Of 2,000 tables 95% are inside, within 5 standard errors: a false alarm is less likely than 1e-6.

    The share has a standard error of 0.0049; the band, from 4,000 simulations, has one of 0.0034.
    """
    rng = np.random.default_rng(1)
    ranks = rng.integers(draws + 1, size=(2000, n))
    points = np.arange(1, draws + 1)
    ((_, _, _, _, low, high),) = ecdf_differences(table_of(ranks[0], draws), 0.95)
    ecdf = (
        (ranks[:, :, None] < points).mean(axis=1)
        if n * draws < 30_000
        else np.array([np.searchsorted(np.sort(row), points) / n for row in ranks])
    )
    difference = ecdf - points / (draws + 1)
    inside = ((difference >= low) & (difference <= high)).all(axis=1)
    assert abs(inside.mean() - 0.95) < 5 * (0.0049**2 + 0.0034**2) ** 0.5
    answers = [helpers.rank_test(table_of(row, draws))["inside"][0] for row in ranks[:50]]
    assert answers == inside[:50].tolist()


def test_ranks_that_are_shifted_or_heaped_leave_the_band():
    rng = np.random.default_rng(1)
    beta = scipy.stats.beta
    for a, b, sign in [(1, 2, 1), (2, 1, -1), (2, 2, None), (0.5, 0.5, None)]:
        ranks = rng.binomial(99, beta(a, b).rvs(300, random_state=rng))
        ((_, n, largest, inside),) = helpers.rank_test(table_of(ranks)).rows()
        assert (n, inside) == (300, False)
        assert sign is None or np.sign(largest) == sign


def test_fits_that_failed_have_no_rank_and_are_left_out():
    rng = np.random.default_rng(1)
    ranks = rng.integers(100, size=100).tolist()
    test = helpers.rank_test(table_of(ranks))
    assert helpers.rank_test(table_of([None, *ranks, None])).equals(test)
    assert test["replications"].to_list() == [100]
    with pytest.raises(ValueError, match=r"^no fit gave a rank of 'mu': look at the column status$"):
        helpers.rank_test(table_of([None, None]))
    with pytest.raises(ValueError, match=r"^no column 'draws': give a table of calibrate$"):
        helpers.rank_test(table_of(ranks).drop("draws"))
    for probability in (0, 1, 95):
        with pytest.raises(
            ValueError, match=f"^probability is {probability}: give a number between 0 and 1$"
        ):
            helpers.rank_test(table_of(ranks), probability)


def test_the_figure_draws_the_numbers_of_the_test():
    rng = np.random.default_rng(1)
    tables = {"few": table_of(rng.integers(100, size=50)), "many": table_of(rng.integers(100, size=400))}
    figure = helpers.rank_ecdf(tables)
    numbers = {label: next(ecdf_differences(table, 0.95)) for label, table in tables.items()}
    lines = {item.label.value: item.renderers[0].data_source.data for item in figure.legend[0].items}
    assert list(lines) == ["few", "many"]
    for label, (_, _, points, difference, _, _) in numbers.items():
        np.testing.assert_array_equal(lines[label]["x"], [0, *points, 1])
        np.testing.assert_array_equal(lines[label]["y"], [0, *difference, 0])
    (band,) = [r.data_source.data for r in figure.renderers if "y1" in r.data_source.data]
    np.testing.assert_array_equal(band["y1"], [0, *numbers["few"][4], 0])
    np.testing.assert_array_equal(band["y2"], [0, *numbers["few"][5], 0])
