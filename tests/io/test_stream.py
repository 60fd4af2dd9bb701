"""The stream driver: any trio stream, read and written by two tasks, closed on every path."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from actorws import open_runtime
from actorws.config import Backpressure
from actorws.events import BackgroundCrashed
from actorws.io import readiness
from actorws.io.stream import SLICE, drive
from actorws.transports.wire import MAILBOX
from tests.support.serving import Echo, serving
from tests.support.wire import SECONDS, open_client


class Receiver:
    """Says back what comes; takes leave when its peer does, and after ``bye``."""

    gathering = False

    def __init__(self, wire):
        self.wire = wire
        self.told = []
        self.left = False

    def receive(self, data):
        self.told.append(data)
        if data == b"fail":
            raise LookupError("ours")
        self.wire.write(data)
        if data == b"bye":
            self.leave()
        return data == b"again"

    def leave(self):
        self.left = True
        self.wire.close()
        self.wire.close()

    def ended(self, error):
        if not self.left:
            self.told.append(type(error))
            self.leave()

    def drained(self):
        self.told.append("drained")

    def passed_mark(self, buffered):
        self.told.append("passed mark")

    def closed(self):
        self.told.append("closed")


class Whole(trio.abc.Stream):
    """A stream that can't end one direction alone."""

    def __init__(self, stream):
        self.stream = stream

    async def send_all(self, data):
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self):
        raise NotImplementedError

    async def receive_some(self, max_bytes=None):
        return await self.stream.receive_some(max_bytes)

    async def aclose(self):
        await self.stream.aclose()


class Driven:
    """A driver at one end; ``client`` is the other."""

    def __init__(self, client, server, events):
        self.client, self.server, self.events = client, server, events
        self.done = trio.Event()

    def attach(self, wire):
        self.wire, self.receiver = wire, Receiver(wire)
        return self.receiver

    async def run(self, runtime, options):
        await drive(self.server, runtime, options, self.attach)
        self.done.set()

    @property
    def told(self):
        return self.receiver.told


@asynccontextmanager
async def driven(wrap=lambda stream: stream, **options):
    """Ends when the driver does, by itself."""
    events = []
    client, server = memory_stream_pair()
    async with open_runtime(events.append) as runtime, trio.open_nursery() as nursery:
        it = Driven(client, wrap(server), events)
        nursery.start_soon(it.run, runtime, Backpressure(**options))
        await wait_all_tasks_blocked()
        yield it
        with trio.fail_after(SECONDS):
            await it.done.wait()
        assert it.told[-1] == "closed" and it.wire.receiver is None


async def test_what_comes_is_handed_on_and_answered():
    async with driven() as it:
        await it.client.send_all(b"hello")
        assert await it.client.receive_some() == b"hello"
        await it.client.send_eof()
        assert await it.client.receive_some() == b""
    assert it.told == [b"hello", type(None), "closed"]


async def test_what_a_receiver_holds_back_is_asked_for_before_more_is_read():
    async with driven() as it:
        await it.client.send_all(b"again")
        await wait_all_tasks_blocked()
        await it.client.send_all(b"bye")
        await wait_all_tasks_blocked()
        await it.client.aclose()
    assert it.told[:3] == [b"again", b"", b"bye"]


async def test_what_a_receiver_comes_to_hold_back_is_asked_for_although_nothing_more_comes():
    async with driven() as it:
        it.wire.read_again()
        await wait_all_tasks_blocked()
        assert it.told == [b""]
        await it.client.send_all(b"nothing is lost by it")
        await wait_all_tasks_blocked()
        assert it.told == [b"", b"nothing is lost by it"]
        await it.client.aclose()


async def test_nothing_is_read_during_a_pause_and_nothing_is_lost_by_it():
    async with driven() as it:
        it.wire.pause(MAILBOX)
        await it.client.send_all(b"during the pause")
        await wait_all_tasks_blocked()
        assert it.told == []
        it.wire.resume(MAILBOX)
        await wait_all_tasks_blocked()
        assert it.told == [b"during the pause"]
        it.wire.abort()


async def test_our_leave_is_everything_that_waits_then_the_end_then_theirs():
    async with driven() as it:
        await it.client.send_all(b"bye")
        assert await it.client.receive_some() == b"bye"
        assert await it.client.receive_some() == b""
        await it.client.send_all(b"dropped")
        await wait_all_tasks_blocked()
        assert not it.done.is_set()
        await it.client.send_eof()
    assert it.told == [b"bye", "closed"]


async def test_a_stream_that_cant_end_one_direction_alone_is_closed():
    async with driven(Whole) as it:
        await it.client.send_all(b"bye")
        assert await it.client.receive_some() == b"bye"
        assert await it.client.receive_some() == b""
    assert it.told == [b"bye", "closed"]


async def test_a_peer_that_is_gone_is_told_once_whoever_notices():
    async with driven() as it:
        await it.client.aclose()
        it.wire.write(b"to nobody")
    assert it.told in ([OSError, "closed"], [type(None), "closed"])


async def test_output_of_a_slow_reader_waits_in_order_and_its_relief_is_told():
    size = 5 * SLICE
    async with driven(high_water_mark=SLICE) as it:
        it.wire.write(bytes(size))
        it.wire.write(b"behind")
        await wait_all_tasks_blocked()
        came = b""
        while len(came) < size + len(b"behind"):
            came += await it.client.receive_some()
        assert came == bytes(size) + b"behind"
        await it.client.aclose()
    assert "passed mark" in it.told and "drained" in it.told


async def test_a_fault_of_ours_costs_that_connection_and_is_told():
    async with driven() as it:
        await it.client.send_all(b"fail")
        assert await it.client.receive_some() == b""
    assert it.told == [b"fail", type(None), "closed"]
    assert [type(event.exception) for event in it.events if isinstance(event, BackgroundCrashed)] == [LookupError]


async def test_a_cancelled_driver_tells_its_receiver():
    client, server = memory_stream_pair()
    async with open_runtime(lambda event: None) as runtime, trio.open_nursery() as nursery:
        it = Driven(client, server, [])
        nursery.start_soon(it.run, runtime, Backpressure())
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert it.told == [type(None), "closed"]
    assert await client.receive_some() == b""


# Where there is no poller, every connection is a stream


@pytest.fixture
def no_poller(monkeypatch):
    monkeypatch.setattr(readiness, "is_supported", False)


async def test_websockets_are_served_without_a_poller(no_poller):
    async with serving(Echo) as server, open_client(server.port) as client:
        await client.echo("hello")
        await client.close()
        await server.no_wires()


async def test_an_abort_is_a_reset(no_poller):
    class Aborting(Echo):
        def handle_client_message(self, state, conn, frame):
            conn.abort()
            return state, []

    async with serving(Aborting) as server, open_client(server.port) as client:
        await client.text("x")
        with trio.fail_after(SECONDS), pytest.raises(trio.BrokenResourceError):
            await client.stream.receive_some(1)
