"""Server: the soaked one, in a process of its own, with a log of its own, seen from outside.

Rule owned here: it is ended by SIGTERM, and whatever happens it doesn't outlive the soak. Must not know who its clients
are.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from tests.soak.world import PATIENCE, Fault
from tests.support.wire import connect

__all__ = ["DRAIN_TIMEOUT", "HANDSHAKE_TIMEOUT", "Server", "ServerEnded", "open_server"]

PROJECT = Path(__file__).resolve().parent.parent.parent
#: Seconds; shorter than the defaults, so that more comes to its end.
DRAIN_TIMEOUT, HANDSHAKE_TIMEOUT = 3, 5


#: Looks at its statistics, each of which has it tidy up, and seconds between two: what a task holds while it waits
#: moves only when it has run, as ``actorws.io.crowd`` says.
LOOKS, PAUSE = 12, 0.05


class ServerEnded(Fault):
    """What comes of it is no fault of anything else."""


class Server:
    """A server that runs."""

    def __init__(self, process: trio.Process, port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    async def statistics(self, tidy: bool = False) -> dict[str, Any]:
        """What it says about itself."""
        async with connect(self.port) as client:
            response = await client.get(f"/soak/statistics{'?tidy=1' * tidy}")
        if response.status != 200:
            raise Fault(f"the statistics were answered with status {response.status}")
        statistics: dict[str, Any] = json.loads(response.body)
        return statistics

    async def statistics_when(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """What it says, tidied, when a condition is met, or in the end; not before some looks at it."""
        looks = 0
        with trio.move_on_after(PATIENCE):
            while not condition(statistics := await self.statistics(tidy=True)) or looks < LOOKS:
                looks += 1
                await trio.sleep(PAUSE)
        return statistics

    async def watch(self, seconds: float = float("inf")) -> None:
        """Raise ``ServerEnded`` if it ends by itself within some seconds."""
        with trio.move_on_after(seconds, shield=seconds < float("inf")):
            raise ServerEnded(f"the server ended by itself, with status {await self.process.wait()}")


@asynccontextmanager
async def open_server(app: str, log: Path) -> AsyncIterator[Server]:
    """Serve ``app``, such as ``tests.soak.app:app``, while the block lasts."""
    options = [f"--option=drain_timeout={DRAIN_TIMEOUT}", f"--option=handshake_timeout={HANDSHAKE_TIMEOUT}"]
    command = [sys.executable, "-m", "actorws", "serve", app, "--port", "0", *options]
    with log.open("w") as stderr:
        process = await trio.lowlevel.open_process(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr
        )
    try:
        yield Server(process, await _port(process), log)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def _port(process: trio.Process) -> int:
    assert process.stdout is not None
    with trio.move_on_after(2 * PATIENCE):
        line = bytes(await process.stdout.receive_some()).decode()
        if line.startswith("listening on http://"):
            return int(line.rpartition(":")[2])
    raise Fault("the server didn't start; see its log")
