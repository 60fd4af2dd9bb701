"""Environment: what contenders run on, the peers kept apart from actorws and from each other.

Rule owned here: what is installed for a contender has a folder of its own in the cache, so who can't be installed
takes nobody with it, and is left out with a reason. One run installs at a time. Must not know what is measured.

The cache is ``benchmarks/.cache``, or the folder that ``ACTORWS_BENCH_CACHE`` in the environment names.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from attrs import field, frozen

from benchmarks import packages
from benchmarks.contender import OURS, Contender
from benchmarks.packages import CannotInstall, Report

__all__ = ["CACHE", "Environment", "Prepared"]

CACHE = Path(os.environ.get("ACTORWS_BENCH_CACHE") or Path(__file__).with_name(".cache")).absolute()
SERVERS = Path(__file__).with_name("servers").absolute()
#: Seconds for which another run may keep the cache: it installs everything in one minute.
OTHERS = 900.0


@frozen
class Prepared:
    """What there is to be run. All by the contenders' names."""

    commands: dict[str, list[str]] = field(factory=dict)
    """What starts each, in the project's folder; only the port is missing."""
    left_out: dict[str, str] = field(factory=dict)
    """Why one can't be run here, in a line."""
    versions: dict[str, str] = field(factory=dict)
    """What each consists of: ``aiohttp 3.12.0, uvloop 0.21.0, CPython 3.13.0``; nothing for the floor."""


class Environment:
    """All that is in ``cache``."""

    def __init__(self, cache: Path = CACHE) -> None:
        self._cache = cache.absolute()

    def prepare(self, contenders: Iterable[Contender], report: Report = lambda line: None) -> Prepared:
        """Get what ``contenders`` need; ``report`` is told, in a line, what is about to take a while.

        ``OSError`` if the cache can't be written, ``TimeoutError`` if another run keeps it for more than 15 minutes.
        """
        prepared = Prepared()
        self._cache.mkdir(parents=True, exist_ok=True)
        with _alone(self._cache / "lock"):
            for contender in contenders:
                try:
                    programs, versions = self._programs(contender, report)
                except CannotInstall as reason:
                    prepared.left_out[contender.name] = str(reason)
                else:
                    prepared.commands[contender.name] = _filled_in(contender, programs)
                    prepared.versions[contender.name] = ", ".join(f"{name} {versions[name]}" for name in versions)
        return prepared

    def _programs(self, contender: Contender, report: Report) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """What the words in braces in its command stand for, and what it consists of."""
        if contender.packages:
            python, versions = packages.venv(self._folder(_PEERS, contender), contender.packages, report)
            return {"python": str(python)}, {**versions, **_PYTHON}
        if contender.npm:
            node = packages.find("node")
            modules, versions = packages.node_modules(self._folder("node", contender), contender.npm, report)
            if "{bun}" in contender.command:
                return {"bun": str(packages.bun(modules))}, versions
            engine = packages.run("node --version", [node, "--version"]).strip().removeprefix("v")
            return {"node": node, "modules": str(modules)}, {**versions, "Node.js": engine}
        if "{limit}" in contender.command:
            return {"limit": _limit()}, {}
        return {}, {OURS: metadata.version(OURS), "trio": metadata.version("trio"), **_PYTHON}

    def _folder(self, kind: str, contender: Contender) -> Path:
        return self._cache / kind / re.sub(r"[^a-z0-9]+", "-", contender.name.lower()).strip("-")


_PEERS = f"peers-{sys.version_info.major}.{sys.version_info.minor}"
_PYTHON = {platform.python_implementation(): platform.python_version()}


def _filled_in(contender: Contender, programs: Mapping[str, str]) -> list[str]:
    words = {"ours": sys.executable, "servers": str(SERVERS), **programs}
    command = [part.format_map(words) for part in contender.command]
    # Node looks for modules beside the file that asks for them, and then where this says.
    return ["env", f"NODE_PATH={programs['modules']}", *command] if "modules" in programs else command


def _limit() -> str:
    from benchmarks.limit import build  # It needs our cache.

    try:
        return str(build.binary())
    except OSError as error:
        raise CannotInstall(str(error)) from None


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Keep other runs out. Theirs ends with them, whatever has become of them."""
    deadline = time.monotonic() + OTHERS
    with file.open("w") as lock:
        while not _is_taken(lock.fileno()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"another run has kept {file} for {OTHERS:g} s: end it first")
            time.sleep(0.1)
        yield


def _is_taken(lock: int) -> bool:
    """Whether it is ours now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
