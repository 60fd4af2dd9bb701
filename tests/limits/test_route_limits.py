"""Every limit of a route is reached: the outcome is the promised one, an event names the option, the metric counts it.

There is a scenario for each pair of option and event in the package's own table, so that a new limit without a test
fails here.
"""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actorws import Close, Expired, Overflow, Remote, SendStatus, Timeout, Websocket, events, testing
from actorws.observability.limits import LIMITS
from tests.support.deflate import deflated
from tests.support.limits import ROUTE_OPTIONS, Hanging, HangingAtTheEnd, Scenarios
from tests.support.serving import Echo
from tests.support.sessions import open_wire
from tests.support.wire import TEXT, frame

SCENARIOS = Scenarios()
reaches = SCENARIOS.reach


class Slow(Websocket):
    """Takes three seconds for each message."""

    async def init(self, conn):
        await conn.join("everybody")
        return None, []

    async def handle_client_message(self, state, conn, message):
        await trio.sleep(3)
        return state, [message]

    handle_server_message = handle_client_message


class Pushing(Websocket):
    """Answers a number with that many frames of 10 kB."""

    def handle_client_message(self, state, conn, message):
        return state, [bytes(10_000)] * int(message)


# Messages


@reaches("max_message_size", events.ProtocolViolated)
async def a_message_that_is_too_large(serve):
    async with serve(Echo, max_message_size=10) as server:
        client = await server.connect()
        await client.send("x" * 10)
        assert await client.receive() == "x" * 10, "as large as it may be"
        await client.send_raw(b"\x82\x8b")
        assert await client.receive() == Close(1009, "the message has more than 10 bytes"), "before anything has come"


@reaches("max_message_size", events.ProtocolViolated)
async def fragments_that_are_too_large_together(serve):
    async with serve(Echo, max_message_size=10) as server:
        client = await server.connect()
        for opcode in (TEXT, 0):
            await client.send_raw(frame(opcode, b"x" * 6, fin=False))
        assert (await client.wait_closed()).code == 1009


@reaches("max_message_size", events.ProtocolViolated)
async def a_compressed_message_that_is_too_large(serve):
    async with serve(Echo, max_message_size=1000, compression=True) as server:
        client = await server.connect(headers={"Sec-WebSocket-Extensions": "permessage-deflate"})
        await client.send_raw(frame(0x40 | TEXT, deflated(bytes(1001))))
        assert await client.receive() == Close(1009, "the message has more than 1000 bytes")


@reaches("max_fragments", events.ProtocolViolated)
async def a_message_in_too_many_fragments(serve):
    async with serve(Echo, max_fragments=3) as server:
        client = await server.connect()
        for opcode in (TEXT, 0, 0, 0):
            await client.send_raw(frame(opcode, b"x", fin=False))
        assert await client.receive() == Close(1009, "the message has more than 3 fragments")


# Connections


@reaches("max_connections", events.HandshakeRefused)
async def a_connection_too_many(serve):
    async with serve(Echo, max_connections=1, overload_body="we are full") as server:
        first = await server.connect()
        with pytest.raises(testing.Refused, match="503") as refused:
            await server.connect()
        assert (refused.value.body, refused.value.headers["retry-after"]) == (b"we are full\n", "5")
        await first.close()
        await server.connect()


@reaches("max_connections_per_address", events.HandshakeRefused)
async def a_connection_too_many_of_one_address(serve):
    async with serve(Echo, max_connections_per_address=1) as server:
        await server.connect(host="192.0.2.1")
        await server.connect(host="192.0.2.2")
        with pytest.raises(testing.Refused, match="503"):
            await server.connect(host="192.0.2.1")


# Rates


@reaches("max_frames_per_second", events.RateLimited)
async def too_many_frames(serve):
    async with serve(Echo, max_frames_per_second=10) as server:
        client = await server.connect()
        await client.send_raw(b"".join(frame(TEXT, b"%d" % number) for number in range(30)))
        await client.send("the last")
        assert [await client.receive() for _ in range(31)] == [*map(str, range(30)), "the last"]
        assert trio.current_time() == pytest.approx(2, abs=0.1), "20 more than were saved up"


@reaches("max_bytes_per_second", events.RateLimited)
async def too_many_bytes(serve):
    async with serve(Echo, max_bytes_per_second=1000, rate_burst=2) as server:
        client = await server.connect()
        await client.send(bytes(5000 - 8))
        await client.receive()
        await client.send("the last")
        assert await client.receive() == "the last"
        assert trio.current_time() == pytest.approx(3, abs=0.1), "3000 more than were saved up"


@reaches("max_control_frames_per_second", events.RateLimited)
async def too_many_pings(serve):
    async with serve(Echo, max_control_frames_per_second=10, rate_policy="close") as server:
        client = await server.connect()
        for number in range(100):
            await client.send(str(number))
            await client.receive()
        assert trio.current_time() == 0, "messages don't count"
        await client.send_raw(frame(0x9) * 11)
        assert await client.receive() == Close(1008, "too fast: max_control_frames_per_second")
        assert (await server.wait_event(events.ActorEnded)).reason == Overflow("rate")


# Waits for a peer


@reaches("idle_timeout", events.ActorEnded)
async def a_client_that_says_nothing(serve):
    async with serve(Echo, idle_timeout=8) as server:
        client = await server.connect(automatic=False)
        assert await client.receive() == Close(1001, "idle for too long")
        assert trio.current_time() == pytest.approx(8, abs=0.5)
        assert (await server.wait_event(events.ActorEnded)).reason == Timeout("ping")


@reaches("idle_timeout", events.ActorEnded)
async def a_client_that_says_nothing_and_is_not_asked(serve):
    async with serve(Echo, idle_timeout=8, send_pings=False) as server:
        client = await server.connect()
        assert await client.receive() == Close(1001, "idle for too long")
        assert (await server.wait_event(events.ActorEnded)).reason == Timeout("idle")


@reaches("close_timeout", events.ActorEnded)
async def a_close_without_answer(serve):
    async with serve(Echo, close_timeout=3) as server:
        client = await server.connect(automatic=False)
        client.conn.close()
        assert (await server.wait_event(events.ActorEnded)).reason == Timeout("close")
        assert trio.current_time() == pytest.approx(3, abs=0.2)


# Callbacks


@reaches("callback_timeout", events.CallbackTimedOut)
async def a_callback_that_hangs(serve):
    async with serve(Hanging, callback_timeout=3) as server:
        client = await server.connect()
        await client.send("x")
        assert (await client.wait_closed()).code == 1011
        assert trio.current_time() == pytest.approx(3, abs=0.2)


@reaches("terminate_timeout", events.CallbackTimedOut)
async def a_terminate_that_hangs(serve):
    async with serve(HangingAtTheEnd, terminate_timeout=3) as server:
        client = await server.connect()
        await client.close()
        await server.wait_event(events.ActorEnded)
        assert trio.current_time() == pytest.approx(3, abs=0.2)


@reaches("terminate_timeout", events.CallbackTimedOut)
async def a_callback_that_hangs_when_the_client_has_gone(serve):
    async with serve(Hanging, terminate_timeout=3) as server:
        client = await server.connect()
        await client.send("x")
        await trio.testing.wait_all_tasks_blocked()
        client.abort()
        assert (await server.wait_event(events.ActorEnded)).reason == Remote(1006)
        assert trio.current_time() == pytest.approx(3, abs=0.2)


@reaches("slow_callback", events.SlowCallback)
async def a_callback_that_holds_up_others(serve):
    """Any callback takes longer than no time at all."""
    async with serve(Echo, slow_callback=0) as server:
        client = await server.connect()
        await client.send("x")
        assert await client.receive() == "x"
        callbacks = [event.callback for event in server.events if isinstance(event, events.SlowCallback)]
        assert callbacks == ["init", "handle_client_message"]


# What waits


@reaches("backpressure_limit", events.OutputFull)
async def more_output_than_may_wait(serve):
    async with serve(Echo, backpressure_limit=20_000, high_water_mark=10**9, idle_timeout=None) as server:
        client = await server.connect()
        client.pause_reading()
        statuses = set()
        while SendStatus.DROPPED not in statuses:
            statuses.add(client.conn.send(bytes(10_000)))
            await trio.testing.wait_all_tasks_blocked()
        assert client.conn.buffered <= 20_000 + 10_004
        assert statuses == {SendStatus.SENT, SendStatus.DROPPED}, "below the mark what waits is no backpressure"


@reaches("high_water_mark", events.ReadingPaused)
async def more_output_than_a_client_takes(serve):
    async with serve(Pushing, high_water_mark=50_000) as server:
        client = await server.connect()
        client.pause_reading()
        for _ in range(5):
            await client.send("10")
            await trio.testing.wait_all_tasks_blocked()
        assert client.conn.buffered < 200_000, "what it asked for later isn't read"
        paused = await server.wait_event(events.ReadingPaused)
        assert 50_000 < paused.buffered < 200_000
        client.resume_reading()
        assert [await client.receive() for _ in range(50)] == [bytes(10_000)] * 50


@reaches("mailbox_messages", events.MailboxFull)
async def more_messages_than_may_wait(serve):
    async with serve(Slow, mailbox_messages=2) as server:
        client = await server.connect()
        for number in range(4):
            await server.runtime.group.publish("everybody", number)
        assert await client.receive() == Close(1013, "mailbox full")
        assert (await server.wait_event(events.ActorEnded)).reason == Overflow("mailbox")


@reaches("mailbox_messages", events.MailboxFull)
async def a_message_that_takes_the_place_of_an_old_one(serve):
    async with serve(Slow, mailbox_messages=2, mailbox_policy="drop_old") as server:
        client = await server.connect()
        for number in range(4):
            await server.runtime.group.publish("everybody", str(number))
            await trio.testing.wait_all_tasks_blocked()
        assert [await client.receive() for _ in range(3)] == ["0", "2", "3"]


@reaches("mailbox_messages", events.ReadingPaused)
async def more_input_than_may_wait(serve):
    async with serve(Slow, mailbox_messages=2) as server:
        client = await server.connect()
        for number in range(5):
            await client.send(str(number))
            await trio.testing.wait_all_tasks_blocked()
        assert (await server.wait_event(events.ReadingPaused)).buffered == 2
        assert [await client.receive() for _ in range(5)] == ["0", "1", "2", "3", "4"], "it is read when there is room"


@reaches("mailbox_bytes", events.MailboxFull)
async def more_bytes_than_may_wait(serve):
    async with serve(Slow, mailbox_bytes=1000, mailbox_policy="drop_new") as server:
        client = await server.connect()
        for size in (1, 600, 601, 2):
            await server.runtime.group.publish("everybody", "x" * size)
            await trio.testing.wait_all_tasks_blocked()
        assert [len(await client.receive()) for _ in range(3)] == [1, 600, 2]


@reaches("mailbox_bytes", events.ReadingPaused)
async def more_bytes_of_input_than_may_wait(serve):
    async with serve(Slow, mailbox_bytes=1000) as server:
        client = await server.connect()
        for _ in range(3):
            await client.send("x" * 1000)
            await trio.testing.wait_all_tasks_blocked()
        assert (await server.wait_event(events.ReadingPaused)).buffered == 1000
        assert [len(await client.receive()) for _ in range(3)] == [1000] * 3


# Sessions


async def lost_wire(server, *, known):
    """A session without a wire, whose client has shown that it knows it or has not; its connection."""
    wire = await open_wire(server)
    if known:
        await wire.send("hello")
        assert await wire.receive() == "hello"
    wire.cut()
    await server.wait_event(events.SessionDetached)
    return (await server.wait_event(events.ActorStarted)).conn


@reaches("session_open_timeout", events.ActorEnded)
async def a_client_that_never_showed_that_it_knows_its_session(serve):
    async with serve(Echo, resumable=True, session_open_timeout=5.0) as server:
        await lost_wire(server, known=False)
        assert (await server.wait_event(events.ActorEnded)).reason == Expired("session_open_timeout")


@reaches("session_resume_timeout", events.ActorEnded)
async def a_client_that_does_not_come_back(serve):
    async with serve(Echo, resumable=True, session_resume_timeout=5.0) as server:
        await lost_wire(server, known=True)
        assert (await server.wait_event(events.ActorEnded)).reason == Expired("session_resume_timeout")


@reaches("session_buffer_messages", events.OutputFull)
async def more_messages_than_are_kept_for_a_client_that_is_away(serve):
    async with serve(Echo, resumable=True, session_buffer_messages=2) as server:
        conn = await lost_wire(server, known=True)
        assert [conn.send(text) for text in "abc"] == [*[SendStatus.BACKPRESSURED] * 2, SendStatus.CLOSED]
        assert (await server.wait_event(events.ActorEnded)).reason == Overflow("session")


@reaches("session_buffer_bytes", events.OutputFull)
async def more_bytes_than_are_kept_for_a_client_that_is_away(serve):
    async with serve(Echo, resumable=True, session_buffer_bytes=10, output_policy="drop_old") as server:
        conn = await lost_wire(server, known=True)
        assert [conn.send(text) for text in ("0123456", "789", "x")] == [SendStatus.BACKPRESSURED] * 3
        assert conn.buffered == 4


# The tables


@pytest.mark.parametrize(("option", "kind", "scenario"), SCENARIOS, ids=[row[2].__name__ for row in SCENARIOS])
async def test_a_limit_that_is_reached_is_told_and_counted(option, kind, scenario, autojump_clock):
    await SCENARIOS.play(option, kind, scenario)


def test_every_limit_of_a_route_is_reached_by_a_scenario_for_each_of_its_events():
    pairs = {(option, kind) for option, kinds in LIMITS.items() for kind in kinds}
    assert SCENARIOS.reached == {pair for pair in pairs if pair[0] in ROUTE_OPTIONS}
