"""A compiled program as cmdstanpy has it, which says so if there is no room for its draws."""

import errno
import functools
import json
import os
import shutil
import subprocess
import tempfile

import cmdstanpy
from cmdstanpy.compilation import CompilerOptions, stanc_path

ROOM_FOR_DRAWS = 1_000_000  # bytes; with less, a fit that failed failed for want of room


class Model(cmdstanpy.CmdStanModel):
    """A compiled program, with what it includes beside it."""

    def src_info(self):  # noqa: D102
        # asked from within its folder, because Stan takes the name of another apart at commas
        folder, name = os.path.split(self.stan_file)
        options = CompilerOptions(
            stanc_options={k: v for k, v in self.stanc_options.items() if k != "include-paths"}
        )
        command = [stanc_path(), *options.compose_stanc(None), "--include-paths=.", "--info", name]
        asked = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if asked.returncode:
            raise ValueError(f"Stan does not read {self.stan_file}: {asked.stderr.strip()}")
        return json.loads(asked.stdout)

    @functools.wraps(cmdstanpy.CmdStanModel.sample)
    def sample(self, *args, **options):  # noqa: D102
        # CmdStan does not notice that its draws were not written, and cmdstanpy that it is for want of room
        try:
            return super().sample(*args, **options)
        except (OSError, RuntimeError, ValueError) as error:
            folder = options.get("output_dir") or tempfile.gettempdir()
            full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
            if not full and shutil.disk_usage(folder).free > ROOM_FOR_DRAWS:
                raise
            raise OSError(f"no room for the draws in {folder}: free some there, and sample again") from None
