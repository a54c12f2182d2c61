"""What is to be done: the arguments of `calibrate`, checked before anything runs, and single simulations."""

import hashlib
import inspect
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.inputs import describe_type, is_number, is_whole, short_repr
from helpers.models import program_files, stan_file, stan_model

if TYPE_CHECKING:
    import cmdstanpy

Simulate = Callable[[np.random.Generator], tuple[Mapping, Mapping]]

AGAIN = "the same call goes on from here"
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


@dataclass(frozen=True)
class Job:
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


def make_job(program, simulate, seed, draws, timeout, options) -> Job:
    """Check all arguments before anything runs: what is wrong here would be wrong in every replication."""
    import cmdstanpy

    source = _check_arguments(program, simulate, seed, draws, timeout)
    options = _check_options(options, draws)
    model = stan_model(source)
    truth, data = example = simulated(simulate, seed, 0)
    if json.dumps(simulated(simulate, seed, 0)) != json.dumps(example):
        raise ValueError("simulate gives two answers for one seed: draw all from the generator given")
    _check_names(model, truth, data)
    # Ten simulations stand for the function `simulate`, whose text would tell less of what it does.
    examples = [example]
    for i in range(1, 10):
        try:
            examples.append(simulated(simulate, seed, i))
        except Exception as error:  # that replication will say so in the table
            examples.append(in_a_line(error))
    files = program_files(source)
    made_from = [files, list(truth), seed, draws, options, cmdstanpy.cmdstan_version(), examples]
    key = hashlib.sha256(json.dumps(made_from, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return Job(model.name, files, simulate, list(truth), seed, draws, timeout, options, key)


def _check_arguments(program, simulate, seed, draws, timeout) -> Path:
    """Refuse what is no argument of `calibrate`; give the program's file."""
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
    return source


def _check_options(options: dict[str, Any], draws: int) -> dict[str, Any]:
    """Refuse what cmdstanpy's `sample` would refuse in every replication; fill in the number of chains."""
    import cmdstanpy
    from cmdstanpy.cmdstan_args import SamplerArgs

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
        raise ValueError(f"cmdstanpy refuses the options of sample: {in_a_line(error)}") from None
    available = options["chains"] * (options.get("iter_sampling", 1000) // options.get("thin", 1))
    if draws > available:
        raise ValueError(f"draws is {draws}, but a fit has {available}: give a smaller number")
    return options


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


def seeds(seed: int, i: int) -> tuple[np.random.Generator, int]:
    """Random numbers for the simulation, and Stan's seed, of one replication."""
    for_simulation, for_stan = np.random.SeedSequence(seed, spawn_key=(i,)).spawn(2)
    return np.random.default_rng(for_simulation), int(for_stan.generate_state(1)[0] >> 1) + 1


def simulated(simulate: Simulate, seed: int, i: int) -> tuple[dict[str, float], dict]:
    """Simulate one replication: its parameters one by one, and its data as JSON knows them."""
    given = simulate(seeds(seed, i)[0])
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


def in_a_line(error: Exception) -> str:
    """Say in one line what went wrong; of CmdStan's report, the line that names the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    if not lines[0].startswith("Error during sampling"):
        return f"{type(error).__name__}: {lines[0][:200]}"
    if lines[1].startswith("Command"):  # it said nothing; a negative code is that of a signal
        return f"CmdStan ended with code {re.search(r'retcodes=.(-?[0-9]+)', str(error))[1]}"
    reason = lines[1].replace("Exception: ", "")
    return "CmdStan: " + re.sub(r"\(in '[^']*', (.*)\)", r"(\1)", reason)[:200]
