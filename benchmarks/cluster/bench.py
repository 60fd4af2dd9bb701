"""Bench: the coordinator's side of a measurement: the server, the processes of nodes, and what they take.

Rule owned here: processes are started for one question and ended with it, whatever happens; every wait has a deadline;
the CPU time of a run is that of exactly this run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from benchmarks import machine
from benchmarks.cluster.server import Server
from benchmarks.figures import Figures, Goal

__all__ = ["LEVELS", "QUICK", "ROOT", "Bench", "Costs", "Process", "RunFailed", "Scale"]

#: What is measured: see ``level``.
LEVELS = ("engine", "runtime")

#: From where the processes are started.
ROOT = Path(__file__).parents[2]
#: Seconds for anything that has no deadline of its own.
PATIENCE = 60.0


class RunFailed(Exception):
    """What was measured did not happen: there is no figure."""


@frozen
class Scale:
    """How much is done. ``QUICK`` shows that everything works, and nothing else."""

    rounds: int = 5
    seconds: float = 0.5
    """Of each run of each case."""
    names: int = 20_000
    """That are registered in a round."""
    members: int = 5_000
    """Of the group on each node."""
    holding: int = 100_000
    """Groups, and names."""


QUICK = Scale(rounds=1, seconds=0.05, names=100, members=20, holding=200)


class Process:
    """A process that obeys orders."""

    def __init__(self, process: trio.Process, what: str) -> None:
        self.pid = process.pid
        self._what = what
        self._process = process
        assert process.stdin is not None and process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self._rest = b""

    async def aclose(self) -> None:
        """Close the pipes."""
        await self._stdin.aclose()
        await self._stdout.aclose()

    async def ask(self, do: str, *, patience: float = PATIENCE, **arguments: Any) -> Any:
        """Have one order carried out. Raises ``RunFailed`` if it can't be."""
        try:
            with trio.fail_after(patience):
                await self._stdin.send_all(json.dumps({"do": do, **arguments}).encode() + b"\n")
                return await self.answer()
        except (trio.TooSlowError, trio.BrokenResourceError) as error:
            raise RunFailed(f"{self._what} did not answer to {do!r}: {error!r}") from error

    async def answer(self) -> Any:
        """The next answer. Raises ``RunFailed`` if the order could not be carried out."""
        while b"\n" not in self._rest:
            data = await self._stdout.receive_some(1 << 16)
            if not data:
                raise RunFailed(f"{self._what} has ended, with status {await self._process.wait()}")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            raise RunFailed(f"{self._what}: {answer['error']}")
        return answer["ok"]


class Bench:
    """Everything that a question needs."""

    def __init__(self, server: Server, scale: Scale, figures: Figures, *, pinned: bool = True) -> None:
        self.server = server
        self.scale = scale
        self.figures = figures
        cores = sorted(os.sched_getaffinity(0)) if pinned and hasattr(os, "sched_getaffinity") else []
        self.seats: Mapping[str, list[int]] = machine.seats(cores)
        machine.pin(server.pid, self.seats.get("server"))

    @asynccontextmanager
    async def process(
        self, what: str, *arguments: str, role: str | None = None, python: str = sys.executable
    ) -> AsyncIterator[Process]:
        """Run ``python -m ARGUMENTS`` for as long as the block lasts. ``role``: whose core it gets."""
        command = [python, "-m", *arguments]
        started = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        process = Process(started, what)
        try:
            machine.pin(started.pid, self.seats.get(role or ""))
            with trio.fail_after(PATIENCE):
                await process.answer()
            yield process
        finally:
            with trio.CancelScope(shield=True):
                started.kill()
                await started.wait()
                await process.aclose()

    def node(self, level: str, url: str, role: str) -> AbstractAsyncContextManager[Process]:
        """A node, as ``process``."""
        return self.process(f"the {role}", "benchmarks.cluster.node", level, url, role=role)

    def note(
        self, question: str, case: str, values: Mapping[str, float], goals: Mapping[str, Goal] | None = None
    ) -> None:
        """What one round has shown."""
        self.figures.add(question, case, values, goals)

    @asynccontextmanager
    async def case(self, question: str, case: str) -> AsyncIterator[None]:
        """What fails inside is this case's fault and ends nothing else."""
        try:
            yield
        except RunFailed as error:
            self.figures.fail(question, case, str(error))


class Costs:
    """CPU time of some processes, per message."""

    def __init__(self, **pids: int) -> None:
        self._pids = pids
        self._before = {name: machine.cpu_seconds(pid) for name, pid in pids.items()}

    def per(self, messages: int) -> dict[str, float]:
        """Microseconds of each since this was made."""
        spent = {name: machine.cpu_seconds(pid) - self._before[name] for name, pid in self._pids.items()}
        return {f"CPU of the {name}, us": seconds / max(messages, 1) * 1e6 for name, seconds in spent.items()}
