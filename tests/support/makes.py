"""A `make` that makes, in no time, what starts and does nothing else; and it keeps a log."""

from pathlib import Path

import pytest

PROGRAM = "parameters { real x; } model { x ~ normal(0, 1); }\n"
SCRIPT = """#!/bin/sh
echo compile >> {0}/compiles
printf '%s\\n' "$@" >> {0}/words
for last; do :; done
printf '#!/bin/sh\\nexit 0\\n' > "$last"
chmod +x "$last"
"""


class Quick:
    """An empty cache, and what `make` was told so far."""

    def __init__(self, folder: Path):
        self.cache, self.log, self.make = folder / "cache", folder / "log", folder / "make"
        self.log.mkdir()
        self.let_make(SCRIPT.format(self.log))

    def let_make(self, script: str) -> None:
        """Let `make` do something else."""
        self.make.write_text(script)
        self.make.chmod(0o755)

    def compiles(self) -> int:
        """Say how often it compiled."""
        return len(self._read("compiles"))

    def words(self) -> list[str]:
        """Say which words it was called with."""
        return self._read("words")

    def _read(self, name: str) -> list[str]:
        path = self.log / name
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Compile nothing, into an empty cache."""
    quick = Quick(tmp_path)
    monkeypatch.setenv("MAKE", str(quick.make))
    monkeypatch.setenv("STAN_MODEL_CACHE", str(quick.cache))
    return quick
