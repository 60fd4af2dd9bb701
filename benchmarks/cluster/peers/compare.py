"""Compare: the peers' environments, and their runs beside actorws.

Rule owned here: all of them do the same work on the same server in turn, so that what disturbs one disturbs all; who
can't be installed is named.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import trio
from attrs import frozen

from benchmarks.cluster import publish
from benchmarks.cluster.bench import Bench, Process

__all__ = ["CONTESTANTS", "Contestant", "run"]

QUESTION = "peers"
#: They have no way to send without waiting.
CASES = [case for case in publish.CASES if case.order != "publish_in_ticks"]
#: Seconds for an installation.
PATIENCE = 180.0


@frozen
class Contestant:
    """One system."""

    name: str
    command: tuple[str, ...]
    """Of ``python -m``, without the URL."""
    packages: tuple[str, ...] = ()
    """To be installed; none for ourselves."""


_COMMON = ("uvloop", "redis[hiredis]")
_PEERS = "benchmarks.cluster.peers"
CONTESTANTS = (
    Contestant("actorws", ("benchmarks.cluster.node", "runtime")),
    # With redis-py 8, broadcaster 0.3.1 hears nothing at all.
    Contestant("broadcaster", (f"{_PEERS}.broadcast",), ("broadcaster[redis]", "uvloop", "redis[hiredis]<7")),
    Contestant("Channels (pub/sub)", (f"{_PEERS}.django_channels", "pubsub"), ("channels_redis", *_COMMON)),
    Contestant("Channels (lists)", (f"{_PEERS}.django_channels", "list"), ("channels_redis", *_COMMON)),
    Contestant("python-socketio", (f"{_PEERS}.socket_io",), ("python-socketio", *_COMMON)),
)


async def run(bench: Bench) -> None:
    """Install what is missing, and measure all of it."""
    pythons: dict[Contestant, str] = {}
    for contestant in CONTESTANTS:
        try:
            pythons[contestant] = await environment(contestant.packages)
        except (OSError, subprocess.CalledProcessError, trio.TooSlowError) as error:
            bench.figures.leave_out(QUESTION, contestant.name, _why(error))
    for _ in range(bench.scale.rounds):
        for contestant, python in pythons.items():
            async with bench.case(QUESTION, contestant.name):
                await _measure(bench, contestant, python)


async def _measure(bench: Bench, contestant: Contestant, python: str) -> None:
    # Through TCP, which all of them can.
    command = (*contestant.command, bench.server.tcp)
    async with (
        bench.process("the sender", *command, role="sender", python=python) as sender,
        bench.process("the receiver", *command, role="receiver", python=python) as receiver,
    ):
        await _run_cases(bench, contestant.name, sender, receiver)


async def _run_cases(bench: Bench, name: str, sender: Process, receiver: Process) -> None:
    await receiver.ask("join_many", prefix="g", count=max(case.groups for case in CASES))
    await publish.warm_up(sender, receiver)
    for case in CASES:
        async with bench.case(QUESTION, f"{name}: {case.name}"):
            await publish.measure(bench, QUESTION, f"{name}: {case.name}", case, sender, receiver)


async def environment(packages: tuple[str, ...]) -> str:
    """The Python of an environment with ``packages``, made when it is first asked for.

    Raises ``OSError``, ``CalledProcessError`` and ``TooSlowError`` if it can't be made.
    """
    if not packages:
        return sys.executable
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "actorws-benchmarks")
    folder = cache / f"{packages[0].partition('[')[0]}-{sys.version_info.major}.{sys.version_info.minor}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with trio.fail_after(PATIENCE):
            await run_quietly(sys.executable, "-m", "venv", "--clear", str(folder))
            await run_quietly(str(python), "-m", "pip", "install", "--quiet", *packages)
        complete.touch()
    return str(python)


async def run_quietly(*command: str) -> None:
    """Raises ``CalledProcessError`` with what it said."""
    await trio.run_process(command, capture_stdout=True, capture_stderr=True)


def _why(error: BaseException) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = [line for line in error.stderr.decode(errors="replace").splitlines() if line.strip()]
        return f"can't be installed: {lines[-1] if lines else error}"
    return f"can't be installed: {error!r}"
