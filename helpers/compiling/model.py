"""A compiled program as cmdstanpy has it, which tells how far it is, and in one line why it stopped."""

import copy
import errno
import functools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import cmdstanpy

from helpers.compiling.errors import RunError
from helpers.compiling.progress import sampling
from helpers.inputs import describe_type

ROOM_FOR_DRAWS = 1_000_000  # bytes; with less, a fit that failed failed for want of room
# Where CmdStan says why it stops. The last is the reason: those before are harmless notes of the warm-up.
REASON = re.compile(r"Exception: (?P<why>.+)|(?P<zero>Log probability evaluates .+)|(?P<data>.*\berror: .+)")
PLACE = re.compile(r" \(in '(?:[^']*/)?([^'/]+)', (line \d+)[^)]*\)?")
OF_CPP = re.compile(r"\w+_namespace::\w+: |\[sym\d+__\]")  # names that the reader never wrote
ITEM = re.compile(r"processing stage=data initialization; variable name=(\w+)")


class Model(cmdstanpy.CmdStanModel):
    """A compiled program, with what it includes beside it, called by the name of the reader's file."""

    def __init__(self, program: str, **options):
        super().__init__(**options)
        self.program, self.runset, self.read = program, None, None

    def src_info(self):  # noqa: D102
        try:
            return super().src_info()
        except json.JSONDecodeError as error:  # Stan 2.27 puts remarks, as on N / 2, above the answer
            start = error.doc.index("\n{")
            return json.JSONDecoder().raw_decode(error.doc, start + 1)[0]

    @functools.wraps(cmdstanpy.CmdStanModel.sample)
    def sample(self, *args, show_progress=True, **options):  # noqa: D102
        data = args[0] if args else options.get("data")
        if not isinstance(data, Mapping | str | os.PathLike | None):
            raise TypeError(
                f"data is {describe_type(data)}: give the dictionary, the first that stan_data returns"
            )
        run = copy.copy(self)  # another thread may be sampling from this model
        told = sampling(self.program) if show_progress else nullcontext()
        try:
            with told as run.read:
                # the bars of cmdstanpy come at once, and end in blank lines on stdout
                return super(Model, run).sample(*args, show_progress=False, **options)
        except (OSError, RuntimeError, ValueError) as error:
            # CmdStan does not notice that its draws were not written, nor cmdstanpy that there was no room
            folder = options.get("output_dir") or tempfile.gettempdir()
            full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
            if full or (os.path.isdir(folder) and shutil.disk_usage(folder).free <= ROOM_FOR_DRAWS):
                said = f"no room for the draws in {folder}: free some there, and sample again"
                raise OSError(said) from None
            if not str(error).startswith("Error during sampling"):
                raise
            why = _reason(str(error), run.runset).replace(f"({self.program}, line", "(line")
            raise RunError(f"{self.program} stopped: {why}") from error

    def _run_cmdstan(self, runset, idx, **options):
        # cmdstanpy calls it once for each process; nothing else sees what a process says while it runs
        self.runset = runset
        hook = self.read and functools.partial(self.read, runset.chains)
        super()._run_cmdstan(runset, idx, **options | {"progress_hook": hook})


def _reason(error: str, runset: "cmdstanpy.stanfit.RunSet") -> str:
    """Find why a run stopped in what cmdstanpy and the first process that failed say of it."""
    codes = [int(code) for code in re.search(r"retcodes=\[(.*)\]", error)[1].split(",")]
    failed, code = next((i, code) for i, code in enumerate(codes) if code)
    if code < -1:
        return f"the system killed it (signal {-code}), perhaps for want of memory"
    console = Path(runset.stdout_files[failed]).read_text("utf-8", "replace")
    said = [match[match.lastgroup] for match in REASON.finditer(console)] or console.split("\n")
    why = next((line.strip() for line in reversed(said) if line.strip()), f"it ended with code {code}")
    why = OF_CPP.sub("", PLACE.sub(r" (\1, \2)", why))
    if item := ITEM.search(why):
        lacking = "variable does not exist" in why
        why += f": give {item[1]} in data" if lacking else f": look at {item[1]} in data"
    return why.replace("processing stage=data initialization; ", "")
