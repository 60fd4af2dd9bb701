"""Attach: a connection that was opened, on a runtime's drivers: the poller for sockets, tasks for other streams."""

from __future__ import annotations

import errno
import socket as stdlib
from collections.abc import Callable
from typing import Any

import pytest
import trio
from attrs import evolve

from actorws import events, open_runtime
from actorws.client.attach import attach
from actorws.client.dialing import Dialing
from actorws.client.opening import Opened
from actorws.config import Backpressure
from actorws.events import Event
from actorws.io.drivers import Drivers
from actorws.testing.memory import memory_streams
from tests.support.serving import descriptors

REST = b"\x81\x02hi"


class Receiver:
    """Notes what it is told."""

    gathering, settled = False, True

    def __init__(self, wire: Any) -> None:
        self.wire = wire
        self.came: list[bytes] = []
        self.has_begun = False
        self.closed_event = trio.Event()
        #: Whether it wants to be asked again, and what it raises then.
        self.holds_back = False
        self.fault: Exception | None = None

    def receive(self, data: bytes) -> bool:
        assert self.has_begun
        if self.fault is not None:
            raise self.fault
        self.came.append(bytes(data))
        held_back, self.holds_back = self.holds_back, False
        return held_back

    def ended(self, error: OSError | None) -> None:
        self.wire.close()

    def closed(self) -> None:
        self.closed_event.set()


class World:
    """A runtime with its events, and a connection to attach: ours, and the server's end."""

    def __init__(self, runtime: Any, ours: trio.abc.Stream, theirs: trio.abc.Stream) -> None:
        self.runtime = runtime
        self.theirs = theirs
        self.opened = Opened(ours, ours, Dialing.to("ws://h", proxy=None).target, "", {}, None, None, REST)
        self.receiver: Any = None

    async def attach(
        self, change: Callable[[Receiver], None] = lambda _: None, drivers: Drivers | None = None, begins: bool = True
    ) -> None:
        def make(wire: Any) -> Any:
            self.receiver = Receiver(wire)
            change(self.receiver)
            return self.receiver

        def begin() -> None:
            if not begins:
                raise KeyError("begin")
            self.receiver.has_begun = True

        drivers = drivers or self.runtime.drivers
        await attach(self.opened, self.runtime, drivers, Backpressure(), make, begin)

    async def is_gone(self) -> None:
        """Wait until the server hears of the end."""
        try:
            assert await self.theirs.receive_some(9) == b""
        except trio.BrokenResourceError:
            pass


@pytest.fixture
async def emitted() -> list[Event]:
    return []


@pytest.fixture(params=["socket", "stream"])
async def world(request: pytest.FixtureRequest, emitted: list[Event]) -> Any:
    async with open_runtime(emitted.append) as runtime:
        ends: Any = memory_streams()
        if request.param == "socket":
            ends = [trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in stdlib.socketpair()]
        yield World(runtime, *ends)
        await ends[1].aclose()


async def test_what_came_behind_the_handshake_comes_first_and_the_rest_after(world: World) -> None:
    await world.attach()
    assert world.receiver.came == [REST]
    await world.theirs.send_all(b"more")
    await world.theirs.aclose()
    await world.receiver.closed_event.wait()
    assert world.receiver.came == [REST, b"more"]


async def test_what_was_held_back_is_asked_for_again(world: World) -> None:
    await world.attach(lambda receiver: setattr(receiver, "holds_back", True))
    while len(world.receiver.came) < 2:
        await trio.sleep(0.001)
    assert world.receiver.came == [REST, b""]


async def test_a_receiver_that_fails_costs_its_connection(world: World, emitted: list[Event]) -> None:
    await world.attach(lambda receiver: setattr(receiver, "fault", KeyError("fault")))
    await world.receiver.closed_event.wait()
    await world.is_gone()
    (crash,) = [event for event in emitted if isinstance(event, events.BackgroundCrashed)]
    assert isinstance(crash.exception, KeyError)


async def test_what_making_it_raises_is_raised_and_it_is_closed(world: World, emitted: list[Event]) -> None:
    def fail(_: Receiver) -> None:
        raise KeyError("make")

    with pytest.raises(KeyError, match="make"):
        await world.attach(fail)
    await world.is_gone()
    assert not emitted


async def test_what_begin_raises_is_raised_and_it_is_closed(world: World, emitted: list[Event]) -> None:
    with pytest.raises(KeyError, match="begin"):
        await world.attach(begins=False)
    await world.is_gone()
    assert not [event for event in emitted if isinstance(event, events.BackgroundCrashed)]


async def test_where_there_is_no_room_for_it_it_is_closed(emitted: list[Event]) -> None:
    class Full:
        def add(self, socket: Any, options: Any) -> Any:
            raise OSError(errno.ENOSPC, "No space left on device")

    async with open_runtime(emitted.append) as runtime:
        drivers = evolve(runtime.drivers, poller=Full())  # type: ignore[arg-type]
        before = descriptors()
        pair = stdlib.socketpair()
        ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in pair)
        world = World(runtime, ours, theirs)
        with pytest.raises(OSError, match="No space"):
            await world.attach(drivers=drivers)
        await world.is_gone()
        await theirs.aclose()
        assert descriptors() <= before
