"""Pongs that have to wait: no more of them than the client may ask for at a time."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actorws import Pong, testing
from actorws.events import ReadingPaused
from tests.support.serving import Echo
from tests.support.wire import PING, frame

HIGH_WATER_MARK = 64 * 1024
#: What one read can add: 256 of them.
READ = 256 * 127


async def test_pings_are_not_read_while_their_pongs_wait(autojump_clock: MockClock) -> None:
    """On a stream; with sockets the fault suite does it. None is lost when the client reads again."""
    numbers = [number.to_bytes(125) for number in range(3000)]
    async with testing.open_app(Echo, capacity=1000) as server, trio.open_nursery() as nursery:
        client = await server.connect()
        assert client.conn is not None
        client.pause_reading()
        nursery.start_soon(client.send_raw, b"".join(frame(PING, number) for number in numbers))
        await server.wait_event(ReadingPaused)
        await wait_all_tasks_blocked()
        assert HIGH_WATER_MARK < client.conn.buffered < HIGH_WATER_MARK + READ + HIGH_WATER_MARK
        client.resume_reading()
        assert [await client.receive_control() for _ in numbers] == [Pong(number) for number in numbers]
