"""Output for a client that reads slowly: it waits, within a bound, and the client is not asked for more."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actorws import Coalesce, SendStatus, Websocket
from actorws.events import OutputFull

MiB = 1024 * 1024


OVER_HTTP = ("sse", "stream", "poll")


class Sending(Websocket):
    """Does nothing by itself; the test sends through its conn."""

    def handle_client_message(self, state, conn, frame):
        return state, f"got {frame}"


def fill(conn, size=256 * 1024):
    """Send until something has to wait."""
    for count in range(1, 1000):
        if conn.send(b"f" * size) is SendStatus.BACKPRESSURED:
            return count
    raise AssertionError("the kernel takes everything")


async def read_until(client, last):
    frames = []
    while not frames or frames[-1] != last:
        frames.append(await client.receive())
    return frames


async def test_a_frame_that_leaves_with_the_tick_is_sent(clock, serve):
    async with serve(Sending) as server:
        client = await server.connect()
        assert client.conn.send("x") is SendStatus.SENT
        assert client.conn.send(b"y") is SendStatus.SENT
        assert [await client.receive(), await client.receive()] == ["x", b"y"]
        assert client.conn.buffered == 0


async def test_all_four_statuses(clock, serve):
    async with serve(Sending, backpressure_limit=serve.much) as server:
        client = await server.connect()
        conn = client.conn
        client.pause_reading()
        assert conn.send("first") is SendStatus.SENT
        fill(conn)
        assert conn.send("waits") is SendStatus.BACKPRESSURED
        assert conn.send(b"x" * serve.much) is SendStatus.DROPPED
        assert conn.send("judged anew") is SendStatus.BACKPRESSURED
        client.resume_reading()
        frames = await read_until(client, "judged anew")
        assert frames[0] == "first"
        assert [frame for frame in frames[1:] if frame != b"f" * (256 * 1024)] == ["waits", "judged anew"]
        conn.close()
        assert conn.send("too late") is SendStatus.CLOSED


async def test_buffered_is_what_the_client_has_not_taken(clock, serve):
    async with serve(Sending) as server:
        client = await server.connect()
        client.pause_reading()
        fill(client.conn)
        before = client.conn.buffered
        assert before > 0
        client.conn.send(b"x" * 1000)
        assert before + 1000 <= client.conn.buffered <= before + 2000
        client.resume_reading()
        await read_until(client, b"x" * 1000)
        while client.conn.buffered:
            await trio.lowlevel.checkpoint()


@pytest.mark.not_over("poll", because="between two polls a session ends that has no room, instead of losing unseen")
async def test_the_bound_holds(clock, serve):
    """However much is sent: frames that don't fit are dropped, whole, and what waits stays below the limit."""
    limit = 1 * MiB
    async with serve(Sending, backpressure_limit=limit) as server:
        client = await server.connect()
        client.pause_reading()
        accepted = []
        for number in range(400):
            frame = number.to_bytes(4, "big") * (25 * 1024)
            if client.conn.send(frame) is not SendStatus.DROPPED:
                accepted.append(frame)
            assert client.conn.buffered <= limit
            await trio.lowlevel.checkpoint()
        assert len(accepted) < 400
        client.resume_reading()
        for frame in accepted:
            assert await client.receive() == frame
        event = await server.wait_event(OutputFull)
        assert event.policy == "drop_new"
        assert 0 < event.buffered <= limit


async def test_one_frame_above_the_limit_is_dropped_at_once(clock, serve):
    async with serve(Sending, backpressure_limit=1000) as server:
        client = await server.connect()
        assert client.conn.send(b"x" * 1001) is SendStatus.DROPPED
        assert client.conn.send(b"x" * 100) is SendStatus.SENT
        assert await client.receive() == b"x" * 100


async def test_drop_old_keeps_the_newest(clock, serve):
    async with serve(Sending, backpressure_limit=MiB, output_policy="drop_old") as server:
        client = await server.connect()
        client.pause_reading()
        fill(client.conn, 100_000)
        for number in range(100):
            assert client.conn.send(number.to_bytes(4, "big") * 5000) is SendStatus.BACKPRESSURED
            assert client.conn.buffered <= MiB
        client.resume_reading()
        frames = await read_until(client, (99).to_bytes(4, "big") * 5000)
        numbers = [int.from_bytes(frame[:4], "big") for frame in frames if len(frame) == 20_000]
        assert numbers == list(range(numbers[0], 100))
        assert numbers[0] > 0
        assert (await server.wait_event(OutputFull)).policy == "drop_old"


async def test_coalesce_keeps_the_newest_of_each_key(clock, serve):
    """In the place of the one that it replaces; what has no key is left alone."""
    policy = Coalesce(lambda frame: frame.partition("=")[0] if "=" in str(frame) else None)
    async with serve(Sending, output_policy=policy) as server:
        client = await server.connect()
        client.pause_reading()
        fill(client.conn)
        for text in ("a=1", "plain", "b=1", "a=2", "plain", "b=2", "a=3"):
            assert client.conn.send(text) is SendStatus.BACKPRESSURED
        client.conn.send("end")
        client.resume_reading()
        frames = await read_until(client, "end")
        assert [frame for frame in frames if isinstance(frame, str)] == ["a=3", "plain", "b=2", "plain", "end"]
        assert not [event for event in server.events if isinstance(event, OutputFull)], "there was room"


async def test_pongs_and_close_find_room_where_nothing_else_does(clock, serve):
    async with serve(Sending, backpressure_limit=MiB) as server:
        client = await server.connect()
        client.pause_reading()
        while client.conn.send(b"x" * 100_000) is not SendStatus.DROPPED:
            pass
        assert client.conn.close(4000, "enough")
        client.resume_reading()
        assert (await client.wait_closed()).code == 4000


async def test_drain_is_told_once_per_relief(clock, serve):
    """And only when something had to wait."""

    class Drained(Sending):
        def init(self, conn):
            return 0, []

        def handle_client_message(self, drains, conn, frame):
            return drains, f"{drains} drains"

        def handle_drain(self, drains, conn):
            return drains + 1, "drained"

    async with serve(Drained) as server:
        client = await server.connect()
        client.conn.send("quick")
        assert await client.receive() == "quick"
        await client.send("?")
        assert await client.receive() == "0 drains"
        for number in (1, 2):
            client.pause_reading()
            fill(client.conn)
            client.conn.send("one")
            client.conn.send("more")
            client.resume_reading()
            await read_until(client, "drained")
            await client.send("?")
            assert await client.receive() == f"{number} drains"


async def test_drain_is_told_after_a_dropped_frame(clock, serve):
    class Drained(Sending):
        def handle_drain(self, state, conn):
            return state, "drained"

    async with serve(Drained, backpressure_limit=serve.much) as server:
        client = await server.connect()
        client.pause_reading()
        fill(client.conn)
        assert client.conn.send(b"x" * serve.much) is SendStatus.DROPPED
        client.resume_reading()
        await read_until(client, "drained")


@pytest.mark.not_over(*OVER_HTTP, because="it can still post, and is told by a status that nothing is taken just now")
@pytest.mark.not_over(
    "outbound", because="two that each wait for the other to read would wait for ever: a client reads"
)
async def test_above_the_high_water_mark_the_client_is_not_read(clock, serve):
    """It can't ask for more than it takes; when it has taken everything, it is read again."""
    handled = []

    class Asking(Websocket):
        def handle_client_message(self, state, conn, frame):
            handled.append(frame)
            return state, [b"x" * (serve.much // 4)] * 4

    async with serve(Asking, backpressure_limit=100 * serve.much) as server:
        client = await server.connect()
        client.pause_reading()
        await client.send("1")
        while not client.conn.buffered:
            await trio.lowlevel.checkpoint()
        await client.send("2")
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        assert handled == ["1"]
        client.resume_reading()
        assert [len(await client.receive()) for _ in range(8)] == [serve.much // 4] * 8
        assert handled == ["1", "2"]


@pytest.mark.parametrize("wire", ["outbound"])
async def test_a_server_that_does_not_read_is_read_all_the_same(clock, serve):
    handled = []

    class Asking(Websocket):
        def handle_client_message(self, state, conn, frame):
            handled.append(frame)
            return state, [b"x" * serve.much]

    async with serve(Asking, backpressure_limit=100 * serve.much) as server:
        client = await server.connect()
        client.pause_reading()
        for number in range(3):
            await client.send(f"{number}")
            while len(handled) <= number:
                await trio.lowlevel.checkpoint()
        client.resume_reading()
        assert [len(await client.receive()) for _ in range(3)] == [serve.much] * 3


async def test_a_slow_reader_does_not_delay_the_others(clock, serve):
    class Fan(Websocket):
        def init(self, conn):
            conn.join_nowait("all")
            return None, []

        def handle_client_message(self, state, conn, frame):
            conn.broadcast_nowait("all", b"x" * 100_000)
            conn.publish_nowait("all", frame)
            return state, []

        def handle_server_message(self, state, conn, message):
            return state, message

    async with serve(Fan, backpressure_limit=MiB) as server:
        slow, quick = await server.connect(), await server.connect()
        slow.pause_reading()
        for number in range(serve.much // 160_000):
            await quick.send(str(number))
            assert await quick.receive() == b"x" * 100_000
            assert await quick.receive() == str(number)
        assert slow.conn.buffered <= MiB


async def test_a_broadcast_meets_the_members_policy(clock, serve):
    class Member(Sending):
        def init(self, conn):
            conn.join_nowait("all")
            return None, []

    async with serve(Member, backpressure_limit=MiB) as server:
        client = await server.connect()
        client.pause_reading()
        for _ in range(100):
            server.runtime.group.broadcast_nowait("all", b"x" * 100_000)
            await trio.lowlevel.checkpoint()
        await server.wait_event(OutputFull)
        assert client.conn.buffered <= MiB


@pytest.mark.parametrize("frame", [1, None, object(), ["list"]])
async def test_what_is_no_frame_is_told_at_the_call(clock, serve, frame):
    async with serve(Sending) as server:
        client = await server.connect()
        with pytest.raises(TypeError, match="frame"):
            client.conn.send(frame)
        assert client.conn.send("fine") is SendStatus.SENT


async def test_a_close_among_output_that_waits_comes_last(clock, serve):
    """Everything accepted before it arrives."""
    async with serve(Sending) as server:
        client = await server.connect()
        client.pause_reading()
        count = fill(client.conn)
        client.conn.send("last words")
        client.conn.close(4000)
        client.resume_reading()
        frames = await read_until(client, "last words")
        assert len(frames) == count + 1
        assert (await client.wait_closed()).code == 4000


async def test_who_feeds_a_connection_from_elsewhere_can_wait_for_it(clock, serve):
    async with serve(Sending) as server:
        client = await server.connect()
        assert await client.conn.wait_drained()
        client.pause_reading()
        fill(client.conn)
        client.conn.send("last")
        told = []

        async def wait():
            told.append(await client.conn.wait_drained())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            assert told == []
            client.resume_reading()
            await read_until(client, "last")
        assert told == [True, True]
        assert client.conn.runtime.drains == {}


async def test_who_waits_for_a_connection_is_told_of_its_end(clock, serve):
    async with serve(Sending) as server:
        client = await server.connect()
        conn = client.conn
        client.pause_reading()
        fill(conn)
        with trio.move_on_after(0):
            await conn.wait_drained()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(conn.wait_drained)
            await trio.testing.wait_all_tasks_blocked()
            conn.abort()
        assert not await conn.wait_drained()
        assert conn.runtime.drains == {}
