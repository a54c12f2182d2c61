"""What some tests need of the machine; where it is missing, they are skipped and say what it was."""

import os
import shutil
import subprocess

import pytest

# For `unshare`: what a test mounts is seen by nobody else, and ends with its processes.
MOUNTS = ["--map-root-user", "--mount"]
NO_NETWORK = ["--map-root-user", "--net"]


def namespaces_are_allowed() -> bool:
    """Whether this user may have mounts and networks of their own; Linux and its administrator decide."""
    command = ["unshare", *MOUNTS, "--net", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    return bool(shutil.which("unshare")) and subprocess.run(command, capture_output=True).returncode == 0


root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, on Linux: it acts as other users"
)
namespaces = pytest.mark.skipif(
    not namespaces_are_allowed(), reason="needs Linux, and leave to mount in its own namespace (`unshare`)"
)
