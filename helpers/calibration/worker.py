"""What a worker does: one replication, simulated, fitted and reduced to what the table holds."""

import logging
import math
import shlex
import tempfile
import time
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers.calibration.job import Job, in_a_line, seeds, simulated
from helpers.calibration.journal import RANKED, failed
from helpers.compiling.cache import why_not_runnable
from helpers.models import stan_model

if TYPE_CHECKING:
    import cmdstanpy


def replicate(packed: bytes, i: int) -> dict:
    """Do one replication."""
    from distributed import get_worker

    job, worker = unpacked(packed), get_worker()
    # An error here is this machine's, and not the replication's.
    model = _model(job.name, tuple(sorted(job.files.items())), worker.local_directory, math.ceil(job.timeout))
    if not worker.address.startswith("inproc"):  # a process of its own: what is told of fits is in the table
        logging.getLogger("cmdstanpy").setLevel(logging.CRITICAL)
    start = time.perf_counter()
    truth = None
    try:
        truth, data = simulated(job.simulate, job.seed, i)
        if list(truth) != job.parameters:
            raise ValueError(f"simulate gives {', '.join(truth)} here, other than in replication 0")
        with tempfile.TemporaryDirectory(dir=worker.local_directory) as folder:
            record = _fit(job, model, i, truth, data, folder)
    except TimeoutError:
        status = f"timeout: the fit took more than {job.timeout:g} s"
        record = failed(job, i, status, list(truth.values()) if truth else None)
    except Exception as error:
        known = list(truth.values()) if truth and list(truth) == job.parameters else None
        record = failed(job, i, in_a_line(error), known)
    return record | {"seconds": round(time.perf_counter() - start, 3)}


@lru_cache(maxsize=4)
def unpacked(packed: bytes) -> Job:
    """Unpack a job once a process, however many replications it gets."""
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
    # A worker that is killed can stop nothing: the system ends what hangs then.
    folder = tempfile.mkdtemp(dir=scratch)
    script = Path(folder, name)
    script.write_text(f'#!/bin/sh\nulimit -t {limit}\nexec {shlex.quote(model.exe_file)} "$@"\n')
    script.chmod(0o700)
    if why_not_runnable(script):  # on some clusters nothing may be started from scratch folders
        return model
    limited = cmdstanpy.CmdStanModel(exe_file=script)
    limited.program = model  # which stays in the cache as long as this is there
    return limited


def _fit(job: Job, model: "cmdstanpy.CmdStanModel", i: int, truth: dict, data: dict, folder: str) -> dict:
    """Fit once, writing to `folder`, and reduce the draws to what the table holds."""
    import cmdstanpy
    from arviz_stats import ess, rhat

    cmdstanpy.write_stan_json(written := str(Path(folder, "data.json")), data)
    end, chains = time.monotonic() + job.timeout, []
    for chain in range(job.options["chains"]):  # one by one, for the fit to end with the first that hangs
        fit = model.sample(
            data=written,
            seed=seeds(job.seed, i)[1],
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
            "ess": float(ess(chains)),
            "r_hat": float(rhat(chains)),
        }
        for key, value in values.items():
            record[key].append(value if math.isfinite(value) else None)
    return record
