"""Compile a Stan program where no name can harm: in a folder of ours, all under plain names.

CmdStan's makefile hands names to a shell as they are. In a folder ``R&D`` it would find nothing, and of
``a; rm x`` the shell would run the second half. So nothing of the reader's own names ever gets there.
"""

import errno
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.compiling.errors import StanError

if TYPE_CHECKING:
    from cmdstanpy.compilation import CompilerOptions

INCLUDE = re.compile(r'(#include\s*)(?:"([^"\n]*)"|<([^>\n]*)>|(\S+))')
FULL = re.compile(r"No space left on device|Disk quota exceeded")
# What a compiler or `make` says if the system stopped it, which systems do that have no memory left
KILLED = re.compile(
    r"\bKilled\b|Error 137|[Oo]ut of memory|[Mm]emory exhausted|Cannot allocate memory|bad_alloc"
)

# What clang says of a precompiled header that was made in another folder or by another release of it
HEADER = re.compile(r"error:.*(?:PCH file|AST file|precompiled header)")


def plain(name: str) -> str:
    """Write a name in letters, digits and underscores only."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


@dataclass(frozen=True)
class Program:
    """A Stan program with all that it includes, under names with which they go side by side in a folder."""

    source: Path  # the reader's own file
    folders: list[Path]  # where it may include files from
    texts: dict[str, str]  # of each file, by its plain name; the program itself comes first
    places: dict[str, Path]  # the reader's file that each of these is a copy of

    @property
    def name(self) -> str:
        """Plain name of the program, without ``.stan``."""
        return plain(self.source.stem)

    def write(self, folder: Path) -> None:
        """Put the copies into a folder."""
        for name, text in self.texts.items():
            (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))

    def in_the_readers_words(self, message: str, folder: Path) -> str:
        """Name the reader's own files in a message about the copies in `folder`."""
        for name in sorted(self.places, key=len, reverse=True):  # x.stanfunctions before x.stan
            message = message.replace(f"{folder}/{name}", str(self.places[name]))
        return message.replace(str(folder), ", ".join(map(str, self.folders)))


def gather(source: Path, folders: list[Path]) -> Program:
    """Read a program and every file that it includes from `folders`, at any depth."""
    names, texts, queue = {source: f"{plain(source.stem)}.stan"}, {}, [source]

    def renamed(match: re.Match) -> str:
        written = match[2] or match[3] or match[4] or ""
        path = next((file for folder in folders if (file := folder / written).is_file()), None)
        if path is None:  # left for Stan to report, with its line
            return match[0]
        if path not in names:
            stem, suffix, taken = plain(path.stem), path.suffix, {name.lower() for name in names.values()}
            suffix = suffix and f".{plain(suffix[1:])}"
            while f"{stem}{suffix}".lower() in taken:  # two of one name, from two folders
                stem += "_"
            names[path] = f"{stem}{suffix}"
            queue.append(path)
        return match[0] if written == names[path] else f'{match[1]}"{names[path]}"'

    while queue:
        path = queue.pop(0)
        # bytes that are no UTF-8, as in old comments, come out as they went in
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        texts[names[path]] = INCLUDE.sub(renamed, text)
    return Program(source, folders, texts, {name: path for path, name in names.items()})


def temporary_folder() -> Path:
    """Find a folder for temporary files with a name that `make` leaves whole."""
    usual = tempfile.gettempdir()
    return Path(usual if re.fullmatch(r"[\w@+./-]+", usual) else "/tmp")


def ask_stan(program: Program, folder: Path, options: "CompilerOptions") -> None:
    """Let Stan read the copies in `folder`; raise `StanError` with its message if it refuses them."""
    from cmdstanpy.compilation import stanc_path

    command = [stanc_path(), *options.compose_stanc(None), f"--include-paths={folder}", "--info"]
    command.append(folder / f"{program.name}.stan")
    asked = subprocess.run(command, capture_output=True, text=True, errors="replace")
    said = program.in_the_readers_words(asked.stderr.strip(), folder)
    if asked.returncode:
        raise StanError(f"{program.source} does not compile:\n{said or asked.stdout.strip()}")
    if said:
        print(said, file=sys.stderr)  # Stan's warnings about the program, which whoever wrote it wants


def run_make(program: Program, folder: Path, options: "CompilerOptions", header: Path | None) -> None:
    """Let `make` compile the copies in `folder`, beside which the executable will be.

    It raises `OSError` if the disk is full, and `StanError` if it fails for another reason.
    """
    import cmdstanpy

    cmdstan = os.path.realpath(cmdstanpy.cmdstan_path())  # as make sees it
    words = [*options.compose(f"{program.name}.stan"), f"STANCFLAGS+=--include-paths={folder}"]
    if header:  # C++ takes any name between quotes, and from there finds what the header itself includes
        (folder / "user_header.hpp").write_text(f'#include "{header}"\n', "utf-8")
        words.append(f"USER_HEADER={folder}/user_header.hpp")
    command = [os.environ.get("MAKE", "make"), *words, str(folder / program.name)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    environ = os.environ | {"LC_ALL": "C"}  # what it says of memory and disk is looked for below
    made = subprocess.run(command, cwd=cmdstan, env=environ, text=True, errors="replace", **pipes)
    if made.returncode:
        raise _failure(program, made.stdout.replace(f"{folder}/", ""), made.returncode, header, cmdstan)


def _failure(program: Program, said: str, code: int, header: Path | None, cmdstan: str) -> Exception:
    """Say of a failed compile what is known."""
    if FULL.search(said):
        return OSError(errno.ENOSPC, said)
    if KILLED.search(said) or code == -9:
        return StanError(
            f"Stan accepts {program.source}, but the C++ compiler was killed, for want of memory: "
            "a compile takes up to 1.5 GB, so close other programs and run it again"
        )
    where = f"mend {header}" if header else "update CmdStan, or report it"
    if HEADER.search(said):
        where = f"`rm -r {cmdstan}/stan/src/stan/model/model_header*.gch*`, and run it again"
    first = re.search(r"^.*(?:error:|undefined reference).*$", said, re.MULTILINE)
    tail = "\n".join(said.strip().splitlines()[-10:])
    return StanError(
        f"Stan accepts {program.source}, but its C++ does not compile: {where}\n{first[0] if first else tail}"
    )
