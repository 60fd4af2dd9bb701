"""A server that goes away and comes back, in a process of its own, and those in this one who keep coming back to it.

``python -m tests.support.reconnects --clients 1000 --outage 0`` lets that happen once, and prints what it was like.
"""

from __future__ import annotations

import argparse
import gc
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import trio
from attrs import frozen

from actorws import App, Backoff, Connector, Runtime, Websocket, open_runtime
from actorws.client.actor import OutboundActor
from actorws.events import ActorCrashed, BackgroundCrashed, Connected, ConnectFailed, ConnectionLost, Event
from examples.chat import Chat
from tests.support.programs import usage

__all__ = [
    "Away",
    "Calm",
    "Outbound",
    "Storm",
    "allow_descriptors",
    "app",
    "fixed_port",
    "most_within",
    "outbound",
    "storm",
]

#: Far more than anything here takes, on a machine several times slower.
PATIENCE = 90.0
ARRIVALS: list[float] = []


class Calm(Websocket):
    """Says nothing."""

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, []


class Counted(Calm):
    """Notes by the system's clock, which all processes share, when each client asks to be let in."""

    def connect(self, conn: Any) -> None:
        ARRIVALS.append(time.monotonic())


def arrivals(request: Any) -> list[float]:
    return ARRIVALS


app = App()
app.websocket("/chat", Chat)
app.websocket("/calm", Counted, close_timeout=2)
app.http("/usage", usage)
app.http("/arrivals", arrivals)


def fixed_port() -> int:
    """A port that is free, and stays so while nobody listens.

    None of those that the system gives to clients: one of the many that call there in vain would get that very port for
    its own end, and be connected with itself.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in range(lowest - 1 - os.getpid() % 5000, 1024, -1):
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there is no free port")


def allow_descriptors(count: int) -> None:
    """For this process and the servers, which inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= count, f"the limit of descriptors is {hard}, {count} are needed"
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def most_within(seconds: float, times: Iterable[float]) -> int:
    """How many of ``times`` there are at most in any ``seconds``."""
    ordered = sorted(times)
    first = most = 0
    for last, at in enumerate(ordered):
        while ordered[first] <= at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


class Away:
    """A server that can be ended and started again, at the same address. Blocks; for threads."""

    def __init__(self, start_server: Callable[[list[str]], Any]) -> None:
        self._start_server = start_server
        self.port = fixed_port()
        self._server: Any = None

    def start(self) -> None:
        serve = [sys.executable, "-m", "actorws", "serve", "tests.support.reconnects:app", "--port", str(self.port)]
        self._server = self._start_server(serve)

    def end(self, how: signal.Signals) -> None:
        """Its clients are told as ``how`` has it; it is gone when this returns."""
        self._server.process.send_signal(how)
        self._server.process.communicate(timeout=PATIENCE)

    def ask(self, path: str) -> Any:
        """What it says at ``path``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"


class Outbound:
    """A runtime with connections to a server, and what has become of them so far."""

    def __init__(self) -> None:
        self.runtime: Runtime
        self.connectors: list[Connector] = []
        self.attempts: list[float] = []
        """When each connection was tried for."""
        self.waits: list[float] = []
        """Each that an event told of."""
        self.due: list[float] = []
        """When they were over. A process that was kept from running tries later, and all that is due at once."""
        self._on_wire = 0
        self._failures: list[Event] = []
        self._news = trio.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, ActorCrashed | BackgroundCrashed):
            self._failures.append(event)
        if isinstance(event, ConnectFailed | ConnectionLost) and event.retry_in is not None:
            self.waits.append(event.retry_in)
            self.due.append(time.monotonic() + event.retry_in)
        self._on_wire += isinstance(event, Connected) - isinstance(event, ConnectionLost)
        self._news.set()
        self._news = trio.Event()

    async def open_stream(self, host: str, port: int) -> trio.abc.Stream:
        self.attempts.append(time.monotonic())
        return await trio.open_tcp_stream(host, port)

    async def connect(self, url: str, behaviour: Any, backoff: Backoff | None = None) -> Connector:
        connector = await self.runtime.connect(url, behaviour, backoff=backoff, open_stream=self.open_stream)
        self.connectors.append(connector)
        return connector

    async def connect_many(self, url: str, count: int, at_once: int = 50) -> None:
        """``count`` who say nothing, ``at_once`` at a time."""
        behaviour, limit = Calm(), trio.CapacityLimiter(at_once)

        async def one() -> None:
            async with limit:
                await self.connect(url, behaviour)

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                for _ in range(count):
                    nursery.start_soon(one)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition that changes with an event."""
        with trio.fail_after(PATIENCE):
            while not condition():
                await self._news.wait()

    async def all_lost(self) -> None:
        """Wait until each connection of now has ended."""
        await self.until(lambda: self._on_wire == 0)

    async def all_back(self) -> None:
        """Wait until each has a connection."""
        await self.until(lambda: self._on_wire == len(self.connectors))

    async def close(self) -> None:
        """End them all, in good order."""
        with trio.fail_after(PATIENCE):
            for connector in self.connectors:
                connector.close()
            for connector in self.connectors:
                await connector.wait_ended()
            await self.runtime.wait_no_wires()
            while len(self.runtime.wheel):  # that of the driver, which tidies up when a crowd has left
                await trio.sleep_until(self.runtime.wheel.next_deadline())
        self.connectors.clear()

    def in_use(self) -> dict[str, int]:
        """What of this process is in use: it must be the same again when the same connections are there again."""
        gc.collect()
        statistics = trio.lowlevel.current_statistics()
        return {
            "tasks": statistics.tasks_living,
            "descriptors": len(os.listdir("/proc/self/fd")),
            "actors": len(self.runtime.supervisor),
            "actors in memory": sum(isinstance(thing, OutboundActor) for thing in gc.get_objects()),
            "wires": self.runtime.wires,
            "timers": len(self.runtime.wheel),
        }

    def assert_sound(self) -> None:
        assert not self._failures


@asynccontextmanager
async def outbound() -> AsyncIterator[Outbound]:
    """A runtime for as long as the block lasts."""
    everything = Outbound()
    async with open_runtime(everything) as everything.runtime:
        yield everything
    everything.assert_sound()


@frozen
class Storm:
    """What it was like when the server came back."""

    clients: int
    connecting: float
    """Seconds that it took to connect all of them."""
    bytes_each: float
    """Of this process's memory."""
    tried: int
    """Times that anyone tried to connect, from the loss on."""
    most_tried: int
    """Of these in any 100 ms."""
    most_due: int
    """Of these in any 100 ms, by what their events said before."""
    most_arrived: int
    """Times that the new server was asked to let one in, in any 100 ms."""
    back: float
    """Seconds from the new server's first word until all were back."""
    cpu: float
    """Of this process meanwhile, from the loss on, in seconds."""


async def storm(server: Away, actors: Outbound, clients: int, outage: float) -> Storm:
    """Connect ``clients``, kill the server, start it again ``outage`` seconds later, and wait until all are back."""
    rss, began = _rss(), time.monotonic()
    await actors.connect_many(server.url("/calm"), clients)
    connecting, size = time.monotonic() - began, _rss() - rss
    actors.attempts.clear()
    actors.due.clear()
    cpu = time.process_time()
    await trio.to_thread.run_sync(server.end, signal.SIGKILL)
    await actors.all_lost()
    await trio.sleep(outage)
    await trio.to_thread.run_sync(server.start)
    returned = time.monotonic()
    await actors.all_back()
    back = time.monotonic() - returned
    arrived = await trio.to_thread.run_sync(server.ask, "/arrivals")
    return Storm(
        clients=clients,
        connecting=connecting,
        bytes_each=size / clients,
        tried=len(actors.attempts),
        most_tried=most_within(0.1, actors.attempts),
        most_due=most_within(0.1, actors.due),
        most_arrived=most_within(0.1, arrived),
        back=back,
        cpu=time.process_time() - cpu,
    )


def _rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _start(command: list[str]) -> Any:
    server = SimpleNamespace(process=subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    assert "listening" in server.process.stdout.readline()
    return server


async def _main(clients: int, outage: float) -> None:
    server = Away(_start)
    server.start()
    try:
        async with outbound() as actors:
            print(await storm(server, actors, clients, outage))
            await actors.close()
    finally:
        server.end(signal.SIGTERM)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.support.reconnects", description=__doc__)
    parser.add_argument("--clients", type=int, default=1000, help="(default 1000)")
    parser.add_argument("--outage", type=float, default=20.0, help="seconds (default 20)")
    given = parser.parse_args()
    allow_descriptors(given.clients + 500)
    trio.run(_main, given.clients, given.outage)
