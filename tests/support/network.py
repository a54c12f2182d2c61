"""What lessons ask of the network: nothing, as they work offline."""

import os
from pathlib import Path

# Every Python that starts with this on its path writes down which other computer it asks for. A datagram's
# `connect` sends nothing: that is how dask learns the address of this machine.
WATCH = """
import socket, sys

HERE = {"", "0.0.0.0", "127.0.0.1", "::1", "localhost", socket.gethostname()}

def watch(event, args):
    if event == "socket.getaddrinfo":
        asked = args[0]
    elif event == "socket.connect" and args[0].type == socket.SOCK_STREAM and isinstance(args[1], tuple):
        asked = args[1][0]
    else:
        return
    asked = asked.decode() if isinstance(asked, bytes) else asked or ""
    if asked not in HERE:
        with open(LOG, "a") as log:
            print(asked, file=log)

sys.addaudithook(watch)
"""


def watch_network(folder: Path) -> tuple[dict[str, str], Path]:
    """Write what notes which other computers are asked; give what turns it on, and the file of notes."""
    (folder / "watch").mkdir(exist_ok=True)
    notes = folder / "asked"
    notes.unlink(missing_ok=True)
    (folder / "watch" / "sitecustomize.py").write_text(f"LOG = {str(notes)!r}\n{WATCH}")
    return {"PYTHONPATH": os.pathsep.join([str(folder / "watch"), os.environ.get("PYTHONPATH", "")])}, notes
