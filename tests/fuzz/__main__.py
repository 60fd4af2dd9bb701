"""``python -m tests.fuzz [TARGET ...]``: fuzz the parsers, each for a while, guided by coverage where atheris is.

Prints what each target's turn came to. Exit status 0 when nothing was found, 1 when something was: then the input is
in a file, and the command that runs it again is printed. 2 for a wrong argument.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.corpus import kept
from tests.fuzz.engines import ENGINES, available, fuzz, keep

#: In the order of the layers; the same as ``targets.TARGETS``, which must not be imported here: it is instrumented.
NAMES = ("decoder", "frames", "encoder", "deflate", "head", "handshake")


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the arguments say and print it. Returns the exit status."""
    arguments = _parser().parse_args(argv)
    if arguments.input is not None:
        return _again(arguments.targets, arguments.input)
    engine = arguments.engine or available()
    seconds, folder = arguments.seconds, arguments.folder
    print(f"fuzzing with {engine}, {seconds} s for each target; new inputs and logs: {folder}", flush=True)
    found = [name for name in arguments.targets or NAMES if not _turn(engine, name, seconds, folder / name)]
    if arguments.keep and not found:
        for name in arguments.targets or NAMES:
            print(f"{name:<10} {keep(name, folder / name)} inputs kept", flush=True)
    print("nothing found" if not found else f"found something in: {', '.join(found)}")
    return 1 if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*NAMES, []], metavar="TARGET", help=f"{', '.join(NAMES)} [all]")
    parser.add_argument("--seconds", type=int, default=60, help="for each target [%(default)s]")
    parser.add_argument("--engine", choices=ENGINES, help="[the first that is installed]")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"), help="for inputs and logs [%(default)s]")
    parser.add_argument("--input", type=Path, help="run the target on this file only")
    parser.add_argument("--keep", action="store_true", help="put what was found into the kept corpus (atheris only)")
    return parser


def _turn(engine: str, name: str, seconds: int, folder: Path) -> bool:
    """Fuzz one target and tell of it. Whether nothing was found."""
    outcome = fuzz(engine, name, seconds, folder)
    print(
        f"{name:<10} {outcome.runs} runs, {outcome.reached} reached by {outcome.inputs} inputs"
        f" ({len(kept(name))} kept)",
        flush=True,
    )
    if outcome.found is None:
        return True
    print(f"\n{outcome.report.rstrip()}\n\nthe input: {outcome.found}")
    print(f"again: {_python()} -m tests.fuzz {name} --input {outcome.found}\n", flush=True)
    return False


def _python() -> str:
    """The interpreter's name, as short as it can be."""
    return min(sys.executable, os.path.relpath(sys.executable), key=len)


def _again(targets: Sequence[str], path: Path) -> int:
    from tests.fuzz.targets import TARGETS

    for name in targets or NAMES:
        TARGETS[name](path.read_bytes())
        print(f"{name:<10} takes {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
