"""Compiler: the C programs of the benchmarks, built where they are first needed.

Rule owned here: a program is built from all the C files of one folder, again when one of them has changed, and put in
its place only when it is whole; so any number of runs may ask for it at once. It needs a C compiler and a libc, nothing
else. Must not know what the programs do.

``CC`` in the environment is the compiler, with its options if there are any; by default ``cc``.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from benchmarks.environment import CACHE

__all__ = ["build"]

#: Seconds that a compiler may take; it takes two.
SECONDS = 120.0
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")


def build(folder: Path, cache: Path = CACHE) -> Path:
    """The program of ``folder``, which is named after it. Raises ``OSError`` in one line where it can't be built."""
    program = cache / "programs" / folder.name
    sources = sorted([*folder.glob("*.c"), *folder.glob("*.h")])
    if not _is_current(program, sources):
        program.parent.mkdir(parents=True, exist_ok=True)
        # On the same file system, so that taking its place is one step.
        with tempfile.TemporaryDirectory(dir=program.parent) as room:
            made = Path(room, folder.name)
            _compile([source for source in sources if source.suffix == ".c"], made)
            made.replace(program)
    return program


def _is_current(program: Path, sources: list[Path]) -> bool:
    try:
        built = program.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return all(source.stat().st_mtime_ns < built for source in sources)


def _compile(sources: list[Path], target: Path) -> None:
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    what = f"{target.name} can't be built from {sources[0].parent}"
    try:
        done = subprocess.run(
            [*compiler, *_FLAGS, "-o", str(target), *map(str, sources)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
        )
    except (FileNotFoundError, PermissionError) as error:
        hint = "install one (Debian: apt-get install gcc libc6-dev) or name it in CC"
        raise OSError(f"{what}: there is no C compiler {compiler[0]!r}; {hint}") from error
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{what}: {compiler[0]} took more than {SECONDS:g} s") from error
    if done.returncode:
        lines = done.stdout.decode(errors="replace").split("\n")
        # The first error is the cause of the others; what is not one (a signal, a linker) says it last.
        errors = [line for line in lines if "error" in line] or [line for line in reversed(lines) if line.strip()]
        why = errors[0].strip() if errors else "it said nothing"
        raise OSError(f"{what}: {compiler[0]} ended with status {done.returncode}: {why}")
