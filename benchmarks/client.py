"""What a message costs a client: an echo over ``actorws`` beside other clients, with the same server.

    python -m benchmarks.client [seconds]

The figure is the client's CPU time per message in microseconds, which a busy machine disturbs least: medians of three
rounds, in which the clients take turns. One message of 32 bytes is in flight, or 32 are. The server is actorws' own, in
a process of its own; so is each client. All on loopback.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any, ClassVar

import trio
from attrs import frozen

from actorws import Close, Conn, Websocket, connect, open_runtime

TEXT = "x" * 32
ROUNDS = 3
WINDOWS = (1, 32)


class Echo(Websocket):
    """The server."""

    def handle_client_message(self, state: None, conn: Conn, frame: str) -> tuple[None, list[str]]:
        return None, [frame]


@frozen
class Spent:
    """What one client took."""

    messages: int
    cpu: float
    """Seconds."""


class Meter:
    """Counts messages until the time is over."""

    def __init__(self, seconds: float) -> None:
        self._cpu, self._end = time.process_time(), time.monotonic() + seconds
        self.messages = 0

    def goes_on(self) -> bool:
        """One more has come. Whether another is to be sent."""
        self.messages += 1
        return self.messages % 16 != 0 or time.monotonic() < self._end

    def spent(self) -> Spent:
        return Spent(self.messages, time.process_time() - self._cpu)


# The clients: each keeps ``window`` messages in flight, and answers every message with one.


def with_actorws(url: str, window: int, seconds: float) -> Spent:
    async def main() -> Spent:
        async with connect(url) as connection:
            return await echo(connection.send, connection.receive, window, seconds)

    return trio.run(main)


def with_behaviour(url: str, window: int, seconds: float) -> Spent:
    """An actor: ``runtime.connect``."""

    class Client(Websocket):
        def init(self, conn: Conn) -> tuple[Meter, list[str]]:
            return Meter(seconds), [TEXT] * window

        def handle_client_message(self, meter: Meter, conn: Conn, frame: str) -> tuple[Meter, Any]:
            return meter, [TEXT] if meter.goes_on() else Close()

        def terminate(self, meter: Meter, conn: Conn, reason: object) -> None:
            self.spent.append(meter.spent())

        spent: ClassVar[list[Spent]] = []

    async def main() -> Spent:
        async with open_runtime() as runtime:
            connector = await runtime.connect(url, Client, restart="temporary")
            await connector.wait_ended()
        return Client.spent[0]

    return trio.run(main)


def with_trio_websocket(url: str, window: int, seconds: float) -> Spent:
    from trio_websocket import open_websocket_url

    async def main() -> Spent:
        async with open_websocket_url(url) as connection:
            return await echo(connection.send_message, connection.get_message, window, seconds)

    return trio.run(main)


def with_websockets(url: str, window: int, seconds: float) -> Spent:
    from websockets.asyncio.client import connect

    async def main() -> Spent:
        async with connect(url, compression=None) as connection:
            return await echo(connection.send, connection.recv, window, seconds)

    return asyncio.run(main())


async def echo(
    send: Callable[[str], Awaitable[None]], receive: Callable[[], Awaitable[Any]], window: int, seconds: float
) -> Spent:
    """In any framework."""
    meter = Meter(seconds)
    for _ in range(window):
        await send(TEXT)
    while await receive() and meter.goes_on():
        await send(TEXT)
    return meter.spent()


CLIENTS: dict[str, Callable[[str, int, float], Spent]] = {
    "actorws": with_actorws,
    "actorws behaviour": with_behaviour,
    "trio-websocket": with_trio_websocket,
    "websockets": with_websockets,
}


def keep_to_core(number: int, pid: int = 0) -> None:
    """The server has one core and the client another, where there are two: else they move about."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(pid))
        os.sched_setaffinity(pid, {cores[number % len(cores)]})


def measure(name: str, port: int, window: int, seconds: float) -> float:
    """Microseconds per message of one client, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.client", name, str(port), str(window), str(seconds)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def compare(seconds: float) -> dict[tuple[str, int], float]:
    """The medians, by client and messages in flight."""
    command = [sys.executable, "-m", "actorws", "serve", "benchmarks.client:Echo", "--port", "0"]
    server = subprocess.Popen([*command, "--log-level", "error"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        keep_to_core(0, server.pid)
        port = int(server.stdout.readline().rpartition(":")[2])
        taken: dict[tuple[str, int], list[float]] = {}
        for _ in range(ROUNDS):
            for window in WINDOWS:
                for name in CLIENTS:
                    taken.setdefault((name, window), []).append(measure(name, port, window, seconds))
    finally:
        server.terminate()
        server.wait()
    return {key: median(figures) for key, figures in taken.items()}


def main(argv: list[str]) -> int:
    """The command. Returns the exit status."""
    if len(argv) == 4:
        name, port, window, _ = argv
        keep_to_core(1)
        spent = CLIENTS[name](f"ws://127.0.0.1:{port}/", int(window), float(argv[3]))
        print(spent.cpu / spent.messages * 1e6)
        return 0
    try:
        seconds = float(argv[0]) if argv else 2.0
    except ValueError:
        print(f"seconds must be a number, not {argv[0]!r}", file=sys.stderr)
        return 2
    figures = compare(seconds)
    print(f"{'client CPU, us per message':30}" + "".join(f"{f'{window} in flight':>14}" for window in WINDOWS))
    for name in CLIENTS:
        print(f"{name:30}" + "".join(f"{figures[name, window]:14.1f}" for window in WINDOWS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
