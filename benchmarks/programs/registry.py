"""Registry: what names and groups cost inside a process, beside a plain dict of actors and a dict of sets.

    python -m benchmarks.programs.registry VARIANT CASE NUMBER SECONDS

NUMBER is how many names there are, or members of the group. An operation is a name registered and given back, looked
up, or sent to; a group joined and left, or published to. Messages count until they have been handled.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from actorws import Conn, Websocket
from actorws.testing import open_app
from benchmarks.programs import measured
from benchmarks.programs.measured import Meter, Work
from benchmarks.programs.plain_registry import PlainActor, PlainRegistry

#: Operations in a row; what comes of them is waited for after that.
BATCH = 1000
#: Who shares the names.
ACTORS = 100


class Crowd:
    """Actors, and how many messages all of them together have got."""

    def __init__(self) -> None:
        self.conns: list[Conn] = []
        self.received = 0

    async def wait_received(self, number: int) -> None:
        """Until so many have come."""
        while self.received < number:
            await trio.lowlevel.checkpoint()


class Counting(Websocket):
    """One of a crowd."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd

    def init(self, conn: Conn) -> tuple[None, None]:
        self._crowd.conns.append(conn)
        return None, None

    def handle_client_message(self, state: None, conn: Conn, frame: str | bytes) -> tuple[None, None]:
        return None, None

    def handle_server_message(self, state: None, conn: Conn, message: str) -> tuple[None, None]:
        self._crowd.received += 1
        return None, None


@asynccontextmanager
async def actors(number: int) -> AsyncIterator[Crowd]:
    """So many, connected in memory."""
    crowd = Crowd()
    async with open_app(Counting(crowd)) as server:
        for _ in range(number):
            await server.connect()
        yield crowd


def named(names: int) -> list[str]:
    return [f"user:{number}" for number in range(names)]


# actorws


async def register(number: int, meter: Meter) -> None:
    async with actors(ACTORS) as crowd:
        _take_names(crowd, number)
        conn, fresh = crowd.conns[0], [f"guest:{guest}" for guest in range(BATCH)]
        while meter.goes_on():
            with meter.counts(BATCH):
                for name in fresh:
                    conn.register_nowait(name)
                for name in fresh:
                    conn.unregister_nowait(name)
            await trio.lowlevel.checkpoint()


async def look_up(number: int, meter: Meter) -> None:
    async with actors(ACTORS) as crowd:
        names = _take_names(crowd, number)
        whereis = crowd.conns[0].runtime.unique.whereis_nowait
        while meter.goes_on():
            with meter.counts(len(names)):
                for name in names:
                    whereis(name)
            await trio.lowlevel.checkpoint()


async def send(number: int, meter: Meter) -> None:
    async with actors(ACTORS) as crowd:
        names = _take_names(crowd, number)
        send_message = crowd.conns[0].runtime.unique.send_message_nowait
        while meter.goes_on():
            with meter.counts(len(names)):
                already = crowd.received
                for name in names:
                    send_message(name, "hello")
                await crowd.wait_received(already + len(names))


def _take_names(crowd: Crowd, number: int) -> list[str]:
    """Let the actors have so many; returns some of them, of all actors."""
    names = named(number)
    for name, conn in zip(names, crowd.conns * (number // ACTORS + 1), strict=False):
        conn.register_nowait(name)
    return names[:: max(number // BATCH, 1)]


async def join(number: int, meter: Meter) -> None:
    async with actors(number + 1) as crowd:
        *others, conn = crowd.conns
        for other in others:
            other.join_nowait("room")
        while meter.goes_on():
            with meter.counts(BATCH):
                for _ in range(BATCH):
                    conn.join_nowait("room")
                    conn.leave_nowait("room")
            await trio.lowlevel.checkpoint()


async def publish(number: int, meter: Meter) -> None:
    async with actors(number + 1) as crowd:
        sender, *members = crowd.conns
        for member in members:
            member.join_nowait("room")
        while meter.goes_on():
            with meter.counts(BATCH):
                already = crowd.received
                for _ in range(BATCH):
                    sender.publish_nowait("room", "hello")
                await crowd.wait_received(already + BATCH * number)


def on_trio(work: Callable[[int, Meter], Coroutine[Any, Any, None]]) -> Work:
    return lambda number, meter: trio.run(work, number, meter)


# The same by hand


def plain_register(number: int, meter: Meter) -> None:
    registry, _ = _plain_names(number)
    actor, fresh = PlainActor(), [f"guest:{guest}" for guest in range(BATCH)]
    while meter.goes_on():
        with meter.counts(BATCH):
            for name in fresh:
                registry.register(name, actor)
            for name in fresh:
                registry.unregister(name)


def plain_look_up(number: int, meter: Meter) -> None:
    registry, names = _plain_names(number)
    while meter.goes_on():
        with meter.counts(len(names)):
            for name in names:
                registry.names.get(name)


def plain_send(number: int, meter: Meter) -> None:
    registry, names = _plain_names(number)
    while meter.goes_on():
        with meter.counts(len(names)):
            for name in names:
                registry.send(name, "hello")


def _plain_names(number: int) -> tuple[PlainRegistry, list[str]]:
    registry, names, crowd = PlainRegistry(), named(number), [PlainActor() for _ in range(ACTORS)]
    for index, name in enumerate(names):
        registry.register(name, crowd[index % ACTORS])
    return registry, names[:: max(number // BATCH, 1)]


def plain_join(number: int, meter: Meter) -> None:
    registry, actor = _plain_members(number), PlainActor()
    while meter.goes_on():
        with meter.counts(BATCH):
            for _ in range(BATCH):
                registry.join("room", actor)
                registry.leave("room", actor)


def plain_publish(number: int, meter: Meter) -> None:
    registry = _plain_members(number)
    while meter.goes_on():
        with meter.counts(BATCH):
            for _ in range(BATCH):
                registry.publish("room", "hello")


def _plain_members(number: int) -> PlainRegistry:
    registry = PlainRegistry()
    for _ in range(number):
        registry.join("room", PlainActor())
    return registry


WORKS: Mapping[str, Mapping[str, Work]] = {
    "actorws": {
        "register": on_trio(register),
        "look-up": on_trio(look_up),
        "send": on_trio(send),
        "join": on_trio(join),
        "publish": on_trio(publish),
    },
    "dict": {
        "register": plain_register,
        "look-up": plain_look_up,
        "send": plain_send,
        "join": plain_join,
        "publish": plain_publish,
    },
}

if __name__ == "__main__":
    sys.exit(measured.main(WORKS, sys.argv[1:]))
