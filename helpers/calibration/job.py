"""Simulation-based calibration: fit many simulated data sets, and see where the true values rank."""

import contextlib
import hashlib
import inspect
import itertools
import json
import logging
import math
import multiprocessing
import os
import re
import shlex
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs
import polars as pl
from filelock import FileLock, Timeout

from helpers.compiling.cache import fault
from helpers.inputs import as_bool, describe_type, is_number, is_whole, short_repr
from helpers.models import program_files, stan_file, stan_model

if TYPE_CHECKING:
    import cmdstanpy
    import distributed

Simulate = Callable[[np.random.Generator], tuple[Mapping, Mapping]]

# Options of `sample` that are not the caller's, with the way to say it here
OURS = {
    "data": "simulate gives the data",
    "chain_ids": "chains are numbered from 1",
    "seed": "every replication has its own, from calibrate's seed",
    "output_dir": "output is deleted when it has been read",
    "save_warmup": "ranks are of draws after warm-up",
    "show_console": "use show_progress",
    "parallel_chains": "replications run side by side, the chains of one in turn",
    "threads_per_chain": "replications run side by side, each on one core",
    "force_one_process_per_chain": "replications run side by side",
}
GUARD = 'In a script, call calibrate below `if __name__ == "__main__":`.'
AGAIN = "the same call goes on from here"
LOST = f"lost the scheduler: start it again, and {AGAIN}"
RANKED = ("truth", "rank", "mean", "sd", "ess", "r_hat")  # a number for every parameter
SCHEMA = {
    "replication": pl.Int64,
    "status": pl.String,
    "seconds": pl.Float64,
    "divergences": pl.Int64,
    **{name: pl.List(pl.Int64 if name == "rank" else pl.Float64) for name in RANKED},
}
COLUMNS = [
    *("replication", "parameter", "truth", "rank", "draws", "mean", "sd", "z_score", "shrinkage"),
    *("ess", "r_hat", "divergences", "seconds", "status"),
]


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
    job = _job(program, simulate, seed, draws, timeout, options)
    folder = Path(folder or platformdirs.user_cache_path("hierarchical-models") / "calibrations")
    with _Journal(folder.expanduser() / f"{job.name}-{job.key}.jsonl") as journal:
        if not resume:
            journal.clear()
        finished = journal.finished()
        waiting = [i for i in range(n) if i not in finished]
        done = n - len(waiting)
        bar = _bar(n, done, job.name, show_progress)
        with bar, _Interrupts() as interrupts, contextlib.ExitStack() as stack:
            try:
                if waiting:
                    client = client or stack.enter_context(_local_client(len(waiting)))
                for record in _records(client, job, waiting, interrupts) if waiting else ():
                    journal.add(record)
                    done += 1
                    bar.update()
                    if watch:
                        watch(_table([record], job))
            except KeyboardInterrupt:
                bar.close()
                print(f"interrupted: {AGAIN}, {done} of {n}", file=sys.stderr)
        return _table(journal.read(n), job)


@dataclass(frozen=True)
class _Job:
    """What a worker needs to know for any replication."""

    name: str  # of the program
    files: dict[str, str]  # text of the program, and of what it includes
    simulate: Simulate
    parameters: list[str]
    seed: int
    draws: int
    timeout: float
    options: dict[str, Any]
    key: str  # hash of what the results depend on


def _check_caller(client: Any, watch: Any) -> None:
    import distributed

    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(1)  # a worker that imports a script without the guard; _local_client says so
    if client is not None and not isinstance(client, distributed.Client):
        raise TypeError(
            f"client is {short_repr(client)}: give distributed.Client(...), with the scheduler's address"
        )
    if client and (client.asynchronous or client.status != "running"):
        state = "asynchronous" if client.asynchronous else client.status
        raise ValueError(f"client is {state}: give one that is connected, and not asynchronous")
    if watch is not None and not callable(watch):
        raise TypeError(f"watch is {short_repr(watch)}: give a function of the rows of a replication")


def _job(program, simulate, seed, draws, timeout, options) -> _Job:
    """Check all arguments before anything runs: what is wrong here would be wrong in every replication."""
    import cmdstanpy
    from cmdstanpy.cmdstan_args import SamplerArgs

    if not isinstance(program, str | os.PathLike) or not str(program):
        raise TypeError(
            f"program is {short_repr(program)}: give the name of a program, or the path of a .stan file"
        )
    source = stan_file(program)
    if not callable(simulate):
        raise TypeError(f"simulate is {describe_type(simulate)}: give a function of a random generator")
    if not is_whole(seed, 0):
        raise ValueError(f"seed is {short_repr(seed)}: give a whole number, 0 or more")
    if not is_whole(draws, 1):
        raise ValueError(f"draws is {short_repr(draws)}: give the number of draws to rank among, 1 or more")
    if not (is_number(timeout) and timeout > 0):
        raise ValueError(f"timeout is {short_repr(timeout)}: give the seconds that a fit may take, above 0")
    known = inspect.signature(cmdstanpy.CmdStanModel.sample).parameters
    for name in options:
        if name in OURS:
            raise TypeError(f"calibrate has no option {name!r}: {OURS[name]}")
        if name not in known:
            raise TypeError(f"calibrate has no option {name!r}, nor has cmdstanpy's sample")
    options = {"chains": 4} | {name: value for name, value in options.items() if value is not None}
    for name, least in {"chains": 1, "iter_sampling": 1, "iter_warmup": 0, "thin": 1}.items():
        if not is_whole(options.get(name, 1), least):
            raise ValueError(f"{name} is {short_repr(options[name])}: give a whole number, {least} or more")
    for name, value in options.items():
        if isinstance(value, list) and len(value) != options["chains"]:
            raise ValueError(f"{name} has {len(value)} entries: give one for each chain")
    known = options.keys() & inspect.signature(SamplerArgs).parameters.keys()
    try:
        SamplerArgs(**{name: options[name] for name in known}).validate(options["chains"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"cmdstanpy refuses the options of sample: {_in_a_line(error)}") from None
    available = options["chains"] * (options.get("iter_sampling", 1000) // options.get("thin", 1))
    if draws > available:
        raise ValueError(f"draws is {draws}, but a fit has {available}: give a smaller number")

    model = stan_model(source)
    truth, data = example = _simulated(simulate, seed, 0)
    if json.dumps(_simulated(simulate, seed, 0)) != json.dumps(example):
        raise ValueError("simulate gives two answers for one seed: draw all from the generator given")
    _check_names(model, truth, data)
    examples = [example]
    for i in range(1, 10):
        try:
            examples.append(_simulated(simulate, seed, i))
        except Exception as error:  # that replication will say so in the table
            examples.append(_in_a_line(error))
    files = program_files(source)
    parts = [files, list(truth), seed, draws, options, cmdstanpy.cmdstan_version(), examples]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return _Job(model.name, files, simulate, list(truth), seed, draws, timeout, options, key)


def _check_names(model: "cmdstanpy.CmdStanModel", truth: dict, data: dict) -> None:
    """Refuse parameters that the program has not, and data that it misses."""
    info = model.src_info()
    blocks = ("parameters", "transformed parameters", "generated quantities")
    there = [name for block in blocks for name in info[block]]
    for name in truth:
        if name.partition("[")[0] not in there:
            raise ValueError(f"simulate gives {name!r}, which the program has not: it has {', '.join(there)}")
    for name in info["inputs"]:
        if name not in data:
            raise ValueError(f"simulate gives no {name!r}, which the program needs: add it to the data")


def _seeds(seed: int, i: int) -> tuple[np.random.Generator, int]:
    """Random numbers for the simulation, and Stan's seed, of one replication."""
    for_simulation, for_stan = np.random.SeedSequence(seed, spawn_key=(i,)).spawn(2)
    return np.random.default_rng(for_simulation), int(for_stan.generate_state(1)[0] >> 1) + 1


def _simulated(simulate: Simulate, seed: int, i: int) -> tuple[dict[str, float], dict]:
    """Simulate one replication: its parameters one by one, and its data as JSON knows them."""
    given = simulate(_seeds(seed, i)[0])
    if not (isinstance(given, tuple) and len(given) == 2 and all(isinstance(d, Mapping) for d in given)):
        raise TypeError("simulate has to return two dictionaries, (parameters, data)")
    truth = {}
    for name, value in given[0].items():
        values = np.asarray(value, dtype=float)
        for place in np.ndindex(values.shape):
            index = ",".join(str(k + 1) for k in place)
            truth[f"{name}[{index}]" if place else name] = float(values[place])
    if not truth:
        raise ValueError("simulate gives no parameters: name at least one to rank")
    for name, value in truth.items():
        if not math.isfinite(value):
            raise ValueError(f"simulate gives {value} for {name!r}: parameters have to be finite")
    data = {}
    for name, value in given[1].items():
        if np.asarray(value).dtype.kind not in "biuf":
            raise TypeError(f"simulate gives {value!r:.50} for {name!r}: give a number, or numbers")
        data[name] = value if isinstance(value, int | float) else np.asarray(value).tolist()
    return truth, data


class _Journal:
    """The file of finished replications, a line each; held by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, FileLock(path.with_suffix(".lock"))

    def __enter__(self) -> "_Journal":
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self.lock.acquire(timeout=0)
            except Timeout:  # a lesson that is open twice, say: what the other computes is ours, too
                print("another process is at this table: waiting for it (Ctrl-C stops that)", file=sys.stderr)
                self.lock.acquire()
            with self.path.open("a+b") as file:
                file.seek(0)
                # a process that was killed, or a full disk, may have left half a line
                file.truncate(file.read().rfind(b"\n") + 1)
        except OSError as error:
            self.lock.release()
            folder = self.path.parent
            raise OSError(f"cannot write to {folder} ({error.strerror}): give another folder") from None
        return self

    def __exit__(self, *_) -> None:
        self.lock.release()

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)

    def add(self, record: dict) -> None:
        try:
            with self.path.open("ab") as file:
                file.write(json.dumps(record).encode() + b"\n")
        except OSError as error:
            raise OSError(f"cannot write to {self.path} ({error.strerror}): mend it, and {AGAIN}") from None

    def read(self, n: int) -> pl.DataFrame:
        """Read the first `n` replications as far as they are finished; of one tried again, the last try."""
        if not self.path.is_file() or not self.path.stat().st_size:
            return pl.DataFrame(schema=SCHEMA)
        frame = pl.scan_ndjson(self.path.read_bytes(), schema=SCHEMA).filter(pl.col("replication") < n)
        return frame.unique("replication", keep="last").sort("replication").collect()

    def finished(self) -> set[int]:
        if not self.path.is_file() or not self.path.stat().st_size:
            return set()
        frame = pl.scan_ndjson(self.path.read_bytes(), schema=SCHEMA).select("replication", "status")
        return set(frame.filter(status="ok").collect()["replication"])


def _table(records: pl.DataFrame | list[dict], job: _Job) -> pl.DataFrame:
    """Make the tidy table, a row per replication and parameter."""
    frame = pl.DataFrame(records, schema=SCHEMA) if isinstance(records, list) else records
    prior_sd = pl.col("truth").std().over("parameter")
    return (
        frame.with_columns(parameter=pl.lit(job.parameters))
        .explode("parameter", *RANKED)
        .with_columns(
            draws=pl.lit(job.draws, dtype=pl.Int64),
            z_score=(pl.col("mean") - pl.col("truth")) / pl.col("sd"),
            shrinkage=1 - (pl.col("sd") / prior_sd) ** 2,
        )
        .select(COLUMNS)
    )


def _bar(n: int, done: int, name: str, shown: bool):
    from tqdm import tqdm

    return tqdm(total=n, initial=done, desc=name, unit="fit", disable=not shown, dynamic_ncols=True)


class _Interrupts:
    """Ctrl-C, put off to where it does no harm: while waiting for a result. A third one is not put off."""

    def __init__(self) -> None:
        self.asked, self.waiting = 0, False

    def __enter__(self) -> "_Interrupts":
        main = threading.current_thread() is threading.main_thread()
        self.ours = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self.ours:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_) -> None:
        if self.ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, *_) -> None:
        self.asked += 1
        if self.waiting or self.asked > 2:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        self.waiting = True
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self.waiting = False


@contextlib.contextmanager
def _local_client(most: int) -> "Iterator[distributed.Client]":
    """Start a process for each core of this machine; their certificate is made for them alone.

    A process takes seconds to start, and 0.4 GB: with fewer than ten replications it would not pay.
    """
    import dask.system
    import distributed
    import psutil

    with contextlib.ExitStack() as stack:
        with _deaf_children():
            try:
                cluster = distributed.LocalCluster(
                    n_workers=min(dask.system.CPU_COUNT, math.ceil(most / 10)),
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",
                    protocol="tls://",
                    security=True,
                    silence_logs=logging.CRITICAL + 1,
                    scheduler_kwargs={"dashboard": False, "allowed_failures": 0},
                )
            except RuntimeError as error:
                raise RuntimeError(f"{error} {GUARD}") from None
            stack.enter_context(cluster)
            client = stack.enter_context(distributed.Client(cluster))
        try:
            yield client
        finally:  # after an interruption, CmdStan is still at work
            for nanny in cluster.workers.values():
                with contextlib.suppress(psutil.Error):
                    for process in psutil.Process(nanny.pid).children(recursive=True):
                        process.kill()


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """Start processes that do not get Ctrl-C, which a terminal sends to all of them: this one tells them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # or the first process started would start it, and hear again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _records(
    client: "distributed.Client", job: _Job, waiting: Iterable[int], interrupts: _Interrupts
) -> Iterator[dict]:
    """Run replications, and give what becomes of each as it finishes.

    No more than a few for each worker are on their way at any time, so that memory does not grow with their
    number, and workers may come and go.
    """
    import cloudpickle
    import distributed

    packed = cloudpickle.dumps(job)
    waiting, running, suspects, alone = iter(waiting), {}, [], set()
    results = distributed.as_completed(loop=client.loop, with_results=True, raise_errors=False)
    asked, room, call = -math.inf, 0, uuid.uuid4().hex

    try:
        while True:
            if time.monotonic() - asked > 2:
                asked, room = time.monotonic(), 2 * max(1, sum(client.nthreads().values()))
            more = list(itertools.islice(waiting, max(0, room - len(running))))
            if not (more or running) and suspects:
                more = [suspects.pop()]  # others may have killed the workers that tried it: it runs alone
                alone.update(more)
            if more:
                keys = [f"calibrate-{call}-{len(alone)}-{i}" for i in more]
                futures = client.map(_replicate, [packed] * len(more), more, key=keys, pure=False)
                running |= zip(keys, zip(more, futures, strict=True), strict=True)
                results.update(futures)
            if not running:
                return
            with interrupts.allowed():
                batch = results.next_batch()
            for future, result in batch:
                i, _ = running.pop(future.key)
                if future.status == "finished":
                    yield result
                elif future.status != "error":
                    raise RuntimeError(LOST)
                elif not isinstance(result[1], distributed.KilledWorker):
                    raise RuntimeError(f"a worker cannot run the program ({_in_a_line(result[1])}); {AGAIN}")
                elif i in alone:
                    yield _failure(job, i, "every worker that tried it died")
                else:
                    suspects.append(i)
    except OSError:
        raise RuntimeError(LOST) from None
    finally:
        if running and client.status == "running":
            client.cancel([future for _, future in running.values()], force=True)


def _failure(job: _Job, i: int, status: str, truth: list | None = None) -> dict:
    unknown = [None] * len(job.parameters)
    row = {"replication": i, "status": status, "seconds": None, "divergences": None}
    return row | {name: unknown for name in RANKED} | {"truth": truth or unknown}


# What follows runs on the workers.


def _replicate(packed: bytes, i: int) -> dict:
    """Do one replication."""
    from distributed import get_worker

    job, worker = _unpacked(packed), get_worker()
    # An error here is this machine's, and not the replication's.
    model = _model(job.name, tuple(sorted(job.files.items())), worker.local_directory, math.ceil(job.timeout))
    if not worker.address.startswith("inproc"):  # a process of its own: what is told of fits is in the table
        logging.getLogger("cmdstanpy").setLevel(logging.CRITICAL)
    start = time.perf_counter()
    truth = None
    try:
        truth, data = _simulated(job.simulate, job.seed, i)
        if list(truth) != job.parameters:
            raise ValueError(f"simulate gives {', '.join(truth)} here, other than in replication 0")
        with tempfile.TemporaryDirectory(dir=worker.local_directory) as folder:
            record = _fit(job, model, i, truth, data, folder)
    except TimeoutError:
        status = f"timeout: the fit took more than {job.timeout:g} s"
        record = _failure(job, i, status, list(truth.values()) if truth else None)
    except Exception as error:
        known = list(truth.values()) if truth and list(truth) == job.parameters else None
        record = _failure(job, i, _in_a_line(error), known)
    return record | {"seconds": round(time.perf_counter() - start, 3)}


@lru_cache(maxsize=4)
def _unpacked(packed: bytes) -> _Job:
    import cloudpickle

    return cloudpickle.loads(packed)


@cache
def _model(
    name: str, files: tuple[tuple[str, str], ...], scratch: str, limit: int
) -> "cmdstanpy.CmdStanModel":
    """Compile the program that was sent, or take it from this machine's cache."""
    import cmdstanpy

    with tempfile.TemporaryDirectory() as folder:
        for file, text in files:
            Path(folder, file).write_text(text, "utf-8", "surrogateescape")
        model = stan_model(Path(folder, f"{name}.stan"))
    if os.name != "posix":
        return model
    # A worker that is killed can stop nothing: the system ends what hangs then.
    folder = tempfile.mkdtemp(dir=scratch)
    script = Path(folder, name)
    script.write_text(f'#!/bin/sh\nulimit -t {limit}\nexec {shlex.quote(model.exe_file)} "$@"\n')
    script.chmod(0o700)
    if fault(script):  # on some clusters nothing may be started from scratch folders
        return model
    limited = cmdstanpy.CmdStanModel(exe_file=script)
    limited.program = model  # which stays in the cache as long as this is there
    return limited


def _fit(job: _Job, model: "cmdstanpy.CmdStanModel", i: int, truth: dict, data: dict, folder: str) -> dict:
    """Fit once, writing to `folder`, and reduce the draws to what the table holds."""
    import arviz
    import cmdstanpy

    cmdstanpy.write_stan_json(written := str(Path(folder, "data.json")), data)
    end, chains = time.monotonic() + job.timeout, []
    for chain in range(job.options["chains"]):  # one by one, for the fit to end with the first that hangs
        fit = model.sample(
            data=written,
            seed=_seeds(job.seed, i)[1],
            chain_ids=chain + 1,
            output_dir=folder,
            show_progress=False,
            timeout=max(end - time.monotonic(), 0.001),
            **{k: v[chain] if isinstance(v, list) else v for k, v in job.options.items()} | {"chains": 1},
        )
        chains.append(fit.draws(concat_chains=False))  # read now: the next chain may write the same file
    x = np.concatenate(chains, axis=1)  # draw, chain, column
    columns = {name: k for k, name in enumerate(fit.column_names)}
    record = {"replication": i, "status": "ok", "seconds": None}
    record |= {"divergences": int(x[:, :, columns["divergent__"]].sum())} | {name: [] for name in RANKED}
    for name, true in truth.items():
        # a vector of length 1 may stand for a number
        column = columns.get(name, columns.get(f"{name}[1]"))
        if column is None or (name not in columns and f"{name}[2]" in columns):
            raise ValueError(f"the program writes no {name!r}")
        chains = x[:, :, column].T
        every = chains.ravel()
        kept = every[((np.arange(job.draws) + 0.5) * len(every) / job.draws).astype(int)]
        values = {
            "truth": true,
            "rank": int((kept < true).sum()),
            "mean": float(every.mean()),
            "sd": float(every.std(ddof=1)),
            "ess": float(arviz.ess(chains)),
            "r_hat": float(arviz.rhat(chains)),
        }
        for key, value in values.items():
            record[key].append(value if math.isfinite(value) else None)
    return record


def _in_a_line(error: Exception) -> str:
    """Say in one line what went wrong; of CmdStan's report, the line that names the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    if not lines[0].startswith("Error during sampling"):
        return f"{type(error).__name__}: {lines[0][:200]}"
    if lines[1].startswith("Command"):  # it said nothing; a negative code is that of a signal
        return f"CmdStan ended with code {re.search(r'retcodes=.(-?[0-9]+)', str(error))[1]}"
    reason = lines[1].replace("Exception: ", "")
    return "CmdStan: " + re.sub(r"\(in '[^']*', (.*)\)", r"(\1)", reason)[:200]
