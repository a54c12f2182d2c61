"""`calibrate`: draw from the prior, simulate, fit and rank, many times over."""

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
import polars as pl

from helpers.calibration.cluster import Interrupts, local_client, run
from helpers.calibration.job import AGAIN, Simulate, make_job
from helpers.calibration.journal import Journal, tidy
from helpers.inputs import as_bool, is_whole, short_repr

if TYPE_CHECKING:
    import distributed


def calibrate(
    program: str | os.PathLike,
    simulate: Simulate,
    n: int,
    client: "distributed.Client | None" = None,
    *,
    seed: int = 1,
    draws: int = 99,
    timeout: float = 60,
    folder: str | os.PathLike | None = None,
    resume: bool = True,
    show_progress: bool = True,
    watch: Callable[[pl.DataFrame], Any] | None = None,
    **options: Any,
) -> pl.DataFrame:
    """Draw from the prior, simulate, fit and rank, `n` times over.

    If program and sampler are right, and the parameters are drawn from the prior of the program, the rank of
    the true value among draws from the posterior is uniform on 0 … `draws`.

    Replications run on Dask, each on one core. Every one has its own seed, so that the table depends neither
    on the number of workers nor on the order in which they finish. What is done is kept: after an
    interruption (Ctrl-C, or the stop button of a notebook) the same call goes on from there, and with a
    larger `n` it adds to what there is. Fits that failed are then tried again. If another process is at the
    same table, it is waited for.

    Parameters
    ----------
    program
        Name of a program of the course, such as ``"noncentered"``, or the path of a ``.stan`` file.
    simulate
        Called with a `numpy.random.Generator`, from which alone it takes its randomness; returns two
        dictionaries: the parameters drawn from the prior, under the names that they have in the program
        (``{"theta": 9.8, "theta_1": [9.1, 10.3, 10.0]}``, or single entries, ``"theta_1[2]"``, counted from
        1); and the data for the program. Only the parameters that it names are ranked.
    n
        Number of replications.
    client
        Where they run. By default processes on this machine, one for each core but no more than one for ten
        replications, which only this user's programs can reach. Workers elsewhere need this package and
        CmdStan; the text of the program is sent to them and compiled once on each machine.
    seed
        A whole number, 0 or more, from which the seeds of all replications are made.
    draws
        How many draws, evenly spaced over all chains, the true value is ranked among. Neighbouring draws of
        a chain are alike, and ranks among them are not uniform however right the program is.
    timeout
        Seconds that a fit may take, all its chains together.
    folder
        Where finished replications are kept; by default the platform's cache folder.
    resume
        Whether to go on from what an earlier call with the same arguments has left there.
    show_progress
        Whether to show a progress bar (on standard error).
    watch
        Called after every replication, with its rows of the table.
    **options
        Passed to `cmdstanpy.CmdStanModel.sample`: ``adapt_delta``, ``chains``, ``iter_sampling``, …

    Returns
    -------
    polars.DataFrame
        One row per replication (from 0) and parameter, in this order: ``replication``, ``parameter``;
        ``truth``, the value drawn from the prior; ``rank``, how many of the ``draws`` are below it; ``mean``
        and ``sd`` of all draws; ``z_score``, (mean - truth) / sd; ``shrinkage``, 1 - (sd / prior sd)², the
        prior sd estimated by that of ``truth`` in this table; bulk ``ess`` and ``r_hat``; ``divergences``
        and ``seconds`` of the whole fit; and ``status``: "ok", or in one line what went wrong, all that is
        not known then being null. After an interruption it has those replications that were finished.

    Raises
    ------
    FileNotFoundError, StanError
        If there is no such program, or it does not compile.
    TypeError, ValueError
        If an argument is not as described, if `simulate` gives what the program cannot use, or something
        else for the same random numbers. Nothing has been run then.
    RuntimeError
        If workers do not start or cannot run the program, or if the connection to them is lost. What was
        finished is kept.
    OSError
        If the folder cannot be written, or the disk is full. What was finished is kept.

    Notes
    -----
    The timeout is for Stan: how long `simulate` takes is up to you. If a worker is killed while a fit hangs,
    CmdStan goes on for as long as the timeout, not longer (on Windows, until it is done).

    In a script (not in a notebook) call it below ``if __name__ == "__main__":``, as with everything that
    starts processes in Python.

    After Talts, Betancourt, Simpson, Vehtari and Gelman (2018), "Validating Bayesian inference algorithms
    with simulation-based calibration"; z-score and shrinkage after Betancourt.
    """
    _check_caller(client, watch)
    if not is_whole(n, 1):
        raise ValueError(f"n is {short_repr(n)}: give the number of replications, 1 or more")
    resume, show_progress = as_bool(resume, "resume"), as_bool(show_progress, "show_progress")
    if folder is not None and not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder is {short_repr(folder)}: give the path of a folder")
    job = make_job(program, simulate, seed, draws, timeout, options)
    folder = Path(folder or platformdirs.user_cache_path("hierarchical-models") / "calibrations")
    with Journal(folder.expanduser() / f"{job.name}-{job.key}.jsonl") as journal:
        if not resume:
            journal.clear()
        finished = journal.finished()
        waiting = [i for i in range(n) if i not in finished]
        done = n - len(waiting)
        bar = _progress_bar(n, done, job.name, show_progress)
        with bar, Interrupts() as interrupts, contextlib.ExitStack() as stack:
            try:
                if waiting:
                    client = client or stack.enter_context(local_client(len(waiting)))
                for record in run(client, job, waiting, interrupts) if waiting else ():
                    journal.add(record)
                    done += 1
                    bar.update()
                    if watch:
                        watch(tidy([record], job))
            except KeyboardInterrupt:
                bar.close()
                print(f"interrupted: {AGAIN}, {done} of {n}", file=sys.stderr)
        return tidy(journal.read(n), job)


def _check_caller(client: Any, watch: Any) -> None:
    import distributed

    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(1)  # a worker that imports a script without the guard; local_client says so
    if client is not None and not isinstance(client, distributed.Client):
        raise TypeError(
            f"client is {short_repr(client)}: give distributed.Client(...), with the scheduler's address"
        )
    if client and (client.asynchronous or client.status != "running"):
        state = "asynchronous" if client.asynchronous else client.status
        raise ValueError(f"client is {state}: give one that is connected, and not asynchronous")
    if watch is not None and not callable(watch):
        raise TypeError(f"watch is {short_repr(watch)}: give a function of the rows of a replication")


def _progress_bar(n: int, done: int, name: str, shown: bool):
    """Make a bar on standard error."""
    from tqdm import tqdm

    return tqdm(total=n, initial=done, desc=name, unit="fit", disable=not shown, dynamic_ncols=True)
