"""Probe: how long an echo takes while all that happens, seen by a process that does nothing else.

``python -m tests.soak.probe PORT SECONDS`` writes a line for each echo, its milliseconds, until its standard input ends
or there was no echo for some seconds.

Rule owned here: the time is that of the server and the machine, never that of a busy client. Must not know the others.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tests.soak.world import Fault
from tests.support.wire import TEXT, frame, handshake

__all__ = ["Probe", "open_probe"]

#: Seconds between two echoes, and until no echo is taken for a fault of the server.
EVERY, TOO_LONG = 0.1, 5
#: Echoes of one connection.
ECHOES = 20
MESSAGE = b"are you well?"


class Probe:
    """The other process, seen from the soak."""

    def __init__(self, process: trio.Process, too_long: float) -> None:
        self._process = process
        self._too_long = too_long
        self.milliseconds: list[float] = []

    async def listen(self) -> None:
        """Take its lines. Raises ``Fault`` if it ends by itself, which is when the server doesn't answer."""
        assert self._process.stdout is not None
        unread = b""
        async for data in self._process.stdout:
            *lines, unread = (unread + data).split(b"\n")
            self.milliseconds += map(float, lines)
        raise Fault(f"the probe had no echo within {self._too_long:g} s")

    def percentile(self, share: float) -> float:
        """The time that a share of the echoes keep to."""
        ordered = sorted(self.milliseconds) or [0.0]
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


@asynccontextmanager
async def open_probe(port: int, too_long: float = TOO_LONG) -> AsyncIterator[Probe]:
    """Probe a server while the block lasts."""
    command = [sys.executable, "-m", __name__, str(port), str(too_long)]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        async with trio.open_nursery() as nursery:
            probe = Probe(process, too_long)
            nursery.start_soon(probe.listen)
            yield probe
            nursery.cancel_scope.cancel()
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


# The other process


def run(port: int, too_long: float) -> None:
    """Probe until standard input ends."""
    while True:
        with socket.create_connection(("127.0.0.1", port), too_long) as client:
            client.sendall(handshake("/echo"))
            assert client.recv(4096).startswith(b"HTTP/1.1 101")
            for _ in range(ECHOES):
                print(f"{_echo(client) * 1000:.3f}", flush=True)
                if select.select([sys.stdin], [], [], EVERY)[0]:
                    return


def _echo(client: socket.socket) -> float:
    began = time.perf_counter()
    client.sendall(frame(TEXT, MESSAGE))
    came = b""
    while len(came) < 2 + len(MESSAGE):
        data = client.recv(4096)
        assert data, "the server closed the probe's connection"
        came += data
    assert came == bytes([0x80 | TEXT, len(MESSAGE)]) + MESSAGE, came
    return time.perf_counter() - began


if __name__ == "__main__":
    try:
        run(int(sys.argv[1]), float(sys.argv[2]))
    except TimeoutError:
        sys.exit(1)
