"""Wire streams: what trio's own checks and the wire have to say about them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import check_one_way_stream, wait_all_tasks_blocked

from actorws import Runtime, open_runtime
from actorws.config import Backpressure
from actorws.io.stream import drive
from actorws.io.wire_stream import ROOM, WireStream
from actorws.testing.memory import MemoryStream, memory_streams
from tests.support.fake_wire import FakeWire


@asynccontextmanager
async def taken_over(data: bytes = b"", capacity: int = 1 << 16) -> AsyncIterator[tuple[WireStream, MemoryStream]]:
    """A wire stream on the stream driver, and the peer's end."""
    ours, theirs = memory_streams(capacity)
    stream = WireStream()

    def attach(wire: Any) -> WireStream:
        stream.attach(wire, data)
        return stream

    async with open_runtime(lambda event: None) as runtime, trio.open_nursery() as nursery:
        nursery.start_soon(drive, ours, runtime, Backpressure(), attach)
        await wait_all_tasks_blocked()
        yield stream, theirs
        nursery.cancel_scope.cancel()


@pytest.fixture
async def fake() -> AsyncIterator[tuple[WireStream, FakeWire]]:
    """One whose wire is moved by hand."""
    async with open_runtime(lambda event: None) as runtime:
        stream = WireStream()
        wire = FakeWire(runtime, Backpressure())
        stream.attach(wire, b"")
        yield stream, wire
        wire.shut()


async def test_what_was_read_before_is_read_first() -> None:
    async with taken_over(b"before ") as (stream, peer):
        await peer.send_all(b"after")
        await wait_all_tasks_blocked()
        assert await stream.receive_some(3) == b"bef"
        assert await stream.receive_some() == b"ore after"


async def test_bytes_go_both_ways_until_the_peer_has_finished() -> None:
    async with taken_over() as (stream, peer):
        await stream.send_all(b"ping")
        assert await peer.receive_some() == b"ping"
        await peer.send_all(b"pong")
        await peer.send_eof()
        assert [await stream.receive_some(), await stream.receive_some()] == [b"pong", b""]
        await stream.send_all(b"still")
        assert await peer.receive_some() == b"still"


async def test_megabytes_arrive_whole_through_little_room() -> None:
    data = bytes(range(256)) * 8192
    got = bytearray()
    async with taken_over(capacity=5000) as (stream, peer), trio.open_nursery() as nursery:

        async def send() -> None:
            await stream.send_all(data)
            await stream.aclose()

        nursery.start_soon(send)
        while piece := await peer.receive_some():
            got += piece
    assert got == data


async def test_who_sends_waits_for_who_reads(fake: Any, autojump_clock: Any) -> None:
    stream, wire = fake
    wire.takes = 10
    with trio.move_on_after(5) as scope:
        await stream.send_all(b"x" * (4 * ROOM))
    assert scope.cancelled_caught and wire.buffered <= 2 * ROOM
    with pytest.raises(trio.TooSlowError), trio.fail_after(1):
        await stream.wait_send_all_might_not_block()
    wire.take_everything()
    await stream.wait_send_all_might_not_block()
    await stream.send_all(b"again")


async def test_what_is_not_read_is_not_taken_from_the_peer(fake: Any) -> None:
    stream, wire = fake
    assert not wire.paused
    stream.receive(b"x" * ROOM)
    assert wire.paused
    await stream.receive_some(1)
    assert not wire.paused


async def test_while_it_sends_it_goes_on_reading(fake: Any, autojump_clock: Any) -> None:
    stream, wire = fake
    wire.takes = 0
    with trio.move_on_after(1):
        await stream.send_all(b"x" * (3 * ROOM))
    assert not wire.paused


async def test_a_cancelled_receive_loses_nothing(fake: Any, autojump_clock: Any) -> None:
    stream, _ = fake
    with trio.move_on_after(1) as scope:
        await stream.receive_some()
    stream.receive(b"kept")
    assert scope.cancelled_caught and await stream.receive_some() == b"kept"


async def test_a_connection_that_broke_is_broken_both_ways(fake: Any) -> None:
    stream, wire = fake
    stream.receive(b"the last")
    stream.ended(OSError("reset"))
    wire.shut()
    assert await stream.receive_some() == b"the last"
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(b"x")


async def test_a_connection_that_breaks_wakes_who_waits(fake: Any) -> None:
    stream, wire = fake
    wire.takes = 0
    async with trio.open_nursery() as nursery:

        async def expect_broken(call: Any) -> None:
            with pytest.raises(trio.BrokenResourceError):
                await call

        nursery.start_soon(expect_broken, stream.receive_some())
        nursery.start_soon(expect_broken, stream.send_all(b"x" * (4 * ROOM)))
        await wait_all_tasks_blocked()
        wire.abort()


async def test_aclose_takes_leave_and_abort_does_not_cut_that_short(fake: Any, autojump_clock: Any) -> None:
    stream, wire = fake
    await stream.aclose()
    stream.abort()
    await stream.aclose()
    assert wire.ended == "closed"
    for call in (stream.receive_some(), stream.send_all(b""), stream.wait_send_all_might_not_block()):
        with pytest.raises(trio.ClosedResourceError):
            await call
    await trio.sleep(10)
    assert wire.ended == "aborted"  # the peer has had its time


async def test_abort_resets_at_once_and_wakes_who_waits(fake: Any) -> None:
    stream, wire = fake
    async with trio.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await stream.receive_some()

        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        stream.abort()
        stream.abort()
        assert wire.ended == "aborted"


async def test_cancelled_aclose_resets(fake: Any) -> None:
    stream, wire = fake
    await trio.aclose_forcefully(stream)
    assert wire.ended == "aborted"


async def test_two_tasks_cannot_do_the_same_at_once(fake: Any) -> None:
    stream, wire = fake
    wire.takes = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.receive_some)
        nursery.start_soon(stream.send_all, b"x" * (4 * ROOM))
        await wait_all_tasks_blocked()
        for call in (stream.receive_some(), stream.send_all(b"x")):
            with pytest.raises(trio.BusyResourceError):
                await call
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("size", [0, -1])
async def test_less_than_a_byte_cannot_be_asked_for(fake: Any, size: int) -> None:
    with pytest.raises(ValueError, match="max_bytes"):
        await fake[0].receive_some(size)


async def test_before_it_is_attached_nothing_can_be_done_with_it() -> None:
    stream = WireStream()
    for call in (stream.receive_some(), stream.send_all(b"x")):
        with pytest.raises(trio.ClosedResourceError):
            await call
    stream.abort()


async def test_trios_own_check_of_streams_agrees() -> None:
    async with open_runtime(lambda event: None) as runtime, trio.open_nursery() as nursery:

        async def pair() -> tuple[WireStream, trio.SocketStream]:
            return await over_sockets(runtime, nursery)

        await check_one_way_stream(pair, None)  # type: ignore[arg-type]
        nursery.cancel_scope.cancel()


async def over_sockets(runtime: Runtime, nursery: trio.Nursery) -> tuple[WireStream, trio.SocketStream]:
    ours, theirs = trio.socket.socketpair()
    stream = WireStream()

    def attach(wire: Any) -> WireStream:
        stream.attach(wire, b"")
        return stream

    nursery.start_soon(drive, trio.SocketStream(ours), runtime, Backpressure(), attach)
    await wait_all_tasks_blocked()
    return stream, trio.SocketStream(theirs)
