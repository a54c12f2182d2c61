"""A compiled program as cmdstanpy has it, which says so if there is no room for its draws."""

import errno
import functools
import shutil
import tempfile

import cmdstanpy

ROOM_FOR_DRAWS = 1_000_000  # bytes; with less, a fit that failed failed for want of room


class Model(cmdstanpy.CmdStanModel):
    """A compiled program, with what it includes beside it."""

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
