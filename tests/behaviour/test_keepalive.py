"""Silence: a client that says nothing is pinged, then told, then gone; any byte is a sign of life."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actorws import Close, Ping, Pong, Remote, Timeout, Websocket
from actorws.events import ActorEnded
from actorws.protocol.encoder import encode
from tests.support.behaviour_clients import as_sent_by
from tests.support.stage import WIRES


class Quiet(Websocket):
    def handle_client_message(self, state, conn, frame):
        return state, frame


#: Times are looked at here, so they are virtual.
virtual = pytest.mark.parametrize("wire", ["websocket", "outbound"])
#: The wires on which a client that is there need not say anything. (In memory nobody asks it.)
silent = pytest.mark.parametrize("wire", [wire for wire in WIRES if wire not in ("tcp", "memory")])


def near(seconds):
    """The timers' grain is 1/64 to 1/32 of a wait, and may be met twice on the way."""
    return pytest.approx(seconds, abs=seconds / 16)


@virtual
@pytest.mark.websocket
async def test_a_silent_client_is_pinged_after_40_s_and_told_after_60(clock, serve):
    async with serve(Quiet) as server:
        client = await server.connect(automatic=False)
        assert await client.receive_control() == Ping()
        assert trio.current_time() == near(40)
        assert await client.receive() == Close(1001, "idle for too long")
        assert trio.current_time() == near(60)
        assert (await server.wait_event(ActorEnded)).reason == Timeout("ping")


@silent
async def test_a_silent_client_that_is_there_lives_on(clock, serve):
    async with serve(Quiet) as server:
        client = await server.connect()
        with trio.move_on_after(600):
            await client.wait_closed(timeout=1000)
        await client.send("still here")
        assert await client.receive() == "still here"


#: Frames, and how many bytes of them.
SIGNS = {
    "a message": (encode("x"), None),
    "a ping": (encode(Ping()), None),
    "a pong": (encode(Pong(b"unasked")), None),
    "one byte of a frame": (encode("x"), 1),
}


async def give(client, sign):
    frame, size = SIGNS[sign]
    await client.send_raw(as_sent_by(client, frame)[:size])


@virtual
@pytest.mark.websocket
@pytest.mark.parametrize("sign", SIGNS)
async def test_any_byte_is_a_sign_of_life(clock, serve, sign):
    """And starts the wait anew."""
    async with serve(Quiet) as server:
        client = await server.connect(automatic=False)
        await trio.sleep(39)
        await give(client, sign)
        while (await client.receive_control()) != Ping():
            pass
        assert trio.current_time() == near(79)


@virtual
@pytest.mark.websocket
@pytest.mark.parametrize("sign", SIGNS)
async def test_any_byte_answers_a_ping(clock, serve, sign):
    async with serve(Quiet) as server:
        client = await server.connect(automatic=False)
        assert await client.receive_control() == Ping()
        await trio.sleep(15)
        await give(client, sign)
        while (await client.receive_control()) != Ping():
            pass
        assert trio.current_time() == near(95)
        while await client.receive() != Close(1001, "idle for too long"):
            pass
        assert trio.current_time() == near(115)


@virtual
@pytest.mark.websocket
async def test_a_frame_that_trickles_in_keeps_the_connection(clock, serve):
    """A byte every 30 s: the message arrives after ten minutes."""
    async with serve(Quiet) as server:
        client = await server.connect(automatic=False)
        for byte in as_sent_by(client, encode("x" * 14)):
            await trio.sleep(30)
            await client.send_raw(bytes([byte]))
        assert await client.receive() == "x" * 14


@virtual
@pytest.mark.websocket
async def test_output_is_no_sign_of_life(clock, serve):
    """What we send says nothing of the peer while nobody acknowledges it."""

    class Talker(Quiet):
        def init(self, conn):
            conn.send_after(1, "tick")
            return None, []

        def handle_server_message(self, state, conn, message):
            conn.send_after(1, "tick")
            return state, message

    async with serve(Talker, send_pings=False) as server:
        client = await server.connect(automatic=False)
        client.pause_reading()
        assert (await server.wait_event(ActorEnded, timeout=200)).reason == Timeout("idle")
        assert trio.current_time() == near(60)


@virtual
@pytest.mark.websocket
async def test_without_pings_a_silent_client_is_told_at_the_idle_timeout(clock, serve):
    async with serve(Quiet, send_pings=False, idle_timeout=30) as server:
        client = await server.connect(automatic=False)
        assert await client.receive() == Close(1001, "idle for too long")
        assert trio.current_time() == near(30)
        assert (await server.wait_event(ActorEnded)).reason == Timeout("idle")
        with pytest.raises(trio.EndOfChannel):
            await client.receive_control()


@silent
async def test_without_an_idle_timeout_silence_is_fine(clock, serve):
    async with serve(Quiet, idle_timeout=None) as server:
        client = await server.connect(automatic=False)
        await trio.sleep(1e4)
        await client.send("back")
        assert await client.receive() == "back"


@virtual
@pytest.mark.websocket
async def test_a_short_timeout_has_its_ping_after_two_thirds(clock, serve):
    async with serve(Quiet, idle_timeout=9) as server:
        client = await server.connect(automatic=False)
        await client.receive_control()
        assert trio.current_time() == near(6)
        await client.receive()
        assert trio.current_time() == near(9)


@silent
async def test_a_client_is_not_blamed_while_its_actor_is_the_slow_one(clock, serve, kind):
    """Its socket isn't read while the mailbox is full, so its silence can't be known."""
    go = trio.Event()

    class Slow(Websocket):
        async def handle_client_message(self, state, conn, frame):
            await go.wait()
            return state, frame

    async with serve(Slow, mailbox_messages=2) as server:
        client = await server.connect(automatic=False)

        async def send():
            for number in range(5):
                await client.send(str(number))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.sleep(300)
            go.set()
            assert [await client.receive() for _ in range(5)] == ["0", "1", "2", "3", "4"]


@virtual
@pytest.mark.websocket
async def test_a_client_that_takes_nothing_of_a_full_output_is_gone_after_the_idle_timeout(clock, serve):
    """Reading is paused above the high-water mark; who doesn't take a byte in all that time is dead."""

    class Flood(Websocket):
        def handle_client_message(self, state, conn, frame):
            return state, [b"x" * 100_000] * 10

    async with serve(Flood) as server:
        client = await server.connect(automatic=False)
        client.pause_reading()
        await client.send("go")
        reason = (await server.wait_event(ActorEnded, timeout=200)).reason
        assert isinstance(reason, Timeout)
        assert trio.current_time() == near(60)


@virtual
@pytest.mark.websocket
async def test_a_client_that_takes_its_output_slowly_lives(clock, serve):
    class Flood(Websocket):
        def handle_client_message(self, state, conn, frame):
            return state, [b"x" * 100_000] * 10 if frame == "go" else frame

    async with serve(Flood) as server:
        client = await server.connect()
        client.pause_reading()
        await client.send("go")
        while client.conn._actor is None or len(client.unread) < 10:
            await trio.sleep(30)
            client._take(await client._stream.receive_some(60_000))
        assert trio.current_time() > 400
        client.resume_reading()
        await client.send("done")
        while await client.receive() != "done":
            pass


class Hung(Websocket):
    async def handle_client_message(self, state, conn, frame):
        await trio.sleep_forever()
        return state, []


@virtual
@pytest.mark.websocket
async def test_a_client_that_is_not_read_from_and_has_gone_is_noticed(clock, serve):
    """Its actor hangs and its mailbox is full, so nothing is read; a ping that can't be written tells."""
    async with serve(Hung, crashes="ignore") as server:
        client = await server.connect()
        for _ in range(1100):
            await client.send("x")
        await trio.testing.wait_all_tasks_blocked()
        client.abort()
        ended = await server.wait_event(ActorEnded)
        assert ended.reason == Remote(1006)
        assert trio.current_time() < 60
