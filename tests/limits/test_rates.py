"""Rates of a client: it is slowed down and loses nothing, or is closed; nobody else notices."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actorws import App, Close, Overflow, Ping, Pong, Remote, Websocket, events, testing
from actorws.events import ActorEnded, RateLimited
from tests.support.deflate import deflated
from tests.support.serving import Echo, serving
from tests.support.wire import BINARY, PONG, TEXT, connect, frame, handshake

CONTINUATION = 0


def app_of(behaviour=Echo, **options):
    app = App()
    app.websocket("/", behaviour, **options)
    app.websocket("/free", Echo)
    return app


async def test_a_throttled_client_loses_nothing_and_keeps_its_order(autojump_clock):
    """Ten times as much as it may send: it takes ten times as long, and nothing else happens."""
    async with testing.open_app(app_of(max_frames_per_second=100, max_bytes_per_second=10_000)) as server:
        client = await server.connect()
        sent = [f"{number} {'x' * (number % 50)}" for number in range(1000)]

        async def send():
            for text in sent:
                await client.send(text)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            assert [await client.receive() for _ in sent] == sent
        assert trio.current_time() == pytest.approx(9, rel=0.15)
        assert await client.close() == Remote(1000)


async def test_frames_of_one_read_that_are_held_back_for_fairness_wait_too(autojump_clock):
    """256 of them are handed on at a time, and the debt is paid before the next."""
    async with testing.open_app(app_of(max_frames_per_second=100)) as server:
        client = await server.connect()
        await client.send_raw(b"".join(frame(TEXT, b"%d" % number) for number in range(600)))
        assert [await client.receive() for _ in range(600)] == [str(number) for number in range(600)]
        assert trio.current_time() == pytest.approx((512 - 100) / 100, rel=0.05)


async def test_others_are_not_delayed(autojump_clock):
    async with testing.open_app(app_of(max_frames_per_second=1)) as server:
        greedy, patient = await server.connect(), await server.connect()
        await greedy.send_raw(frame(TEXT, b"x") * 100)
        await server.wait_event(RateLimited)
        began = trio.current_time()
        await patient.send("hello")
        assert await patient.receive() == "hello"
        free = await server.connect("/free")
        await free.send_raw(frame(TEXT, b"x") * 100)
        assert [await free.receive() for _ in range(100)] == ["x"] * 100
        assert trio.current_time() == began


async def test_a_route_without_rates_has_no_meter(autojump_clock):
    async with testing.open_app(app_of(max_frames_per_second=1)) as server:
        free, metered = await server.connect("/free"), await server.connect()
        transport = free.conn._actor.transport
        assert transport.wire.receiver is transport
        assert metered.conn._actor.transport.wire.receiver is not metered.conn._actor.transport


async def test_what_comes_with_the_handshake_counts(autojump_clock):
    async with testing.open_app(app_of(max_frames_per_second=1)) as server:
        stream = server.open_stream()
        await stream.send_all(handshake() + frame(TEXT, b"x") * 11)
        assert (await server.wait_event(RateLimited)).limit == "max_frames_per_second"
        assert trio.current_time() == 0
        await stream.aclose()


FRAGMENTED = b"".join(
    [frame(TEXT, b"a", fin=False), *[frame(CONTINUATION, b"b", fin=False)] * 8, frame(CONTINUATION, b"c")]
)


@pytest.mark.parametrize(
    ("data", "frames"),
    {
        "messages": (frame(TEXT, b"x") * 10, 10),
        "fragments": (FRAGMENTED, 10),
        "a large frame in many reads": (frame(BINARY, bytes(300_000)), 1),
        "a large fragment": (frame(BINARY, bytes(300_000), fin=False) + frame(CONTINUATION, bytes(300_000)), 2),
        "pongs": (frame(PONG) * 10, 10),
    }.values(),
)
async def test_each_frame_counts_once(autojump_clock, data, frames):
    """As many as are saved up pass unnoticed, one more doesn't."""
    async with testing.open_app(app_of(max_frames_per_second=0.5, rate_burst=2 * frames)) as server:
        client = await server.connect()
        await client.send_raw(data)
        await trio.testing.wait_all_tasks_blocked()
        assert not [event for event in server.events if isinstance(event, RateLimited)]
        await client.send("one more")
        await server.wait_event(RateLimited)
        client.abort()


async def test_compressed_frames_count_as_those_that_are_not(autojump_clock):
    data = deflated(b"hello")
    fragments = [(0x40 | TEXT, data[:2], False), (CONTINUATION, data[2:4], False), (CONTINUATION, data[4:], True)]
    async with testing.open_app(app_of(max_frames_per_second=0.5, rate_burst=8, compression=True)) as server:
        client = await server.connect(headers={"Sec-WebSocket-Extensions": "permessage-deflate"})
        await client.send_raw(b"".join(frame(opcode, payload, fin=fin) for opcode, payload, fin in fragments))
        await client.send_raw(frame(0x40 | TEXT, data))
        assert [await client.receive() for _ in range(2)] == ["hello", "hello"]
        assert not [event for event in server.events if isinstance(event, RateLimited)]
        await client.send("one more")
        await server.wait_event(RateLimited)
        client.abort()


async def test_a_flood_of_tiny_frames_is_read_no_faster_than_the_rate(autojump_clock):
    """It is held back by the kernel's buffers, here those of the memory stream."""
    async with testing.open_app(app_of(max_frames_per_second=100), capacity=1024) as server:
        client = await server.connect()
        with trio.move_on_after(10):
            while True:
                await client.send_raw(frame(TEXT, b"x") * 50)
        assert 1000 <= len(client.unread) <= 100 + 1000 + 256
        client.abort()


async def test_the_first_read_that_is_too_much_closes_with_1008_where_that_is_the_policy(autojump_clock):
    async with testing.open_app(app_of(max_frames_per_second=5, rate_policy="close")) as server:
        client = await server.connect()
        await client.send_raw(frame(TEXT, b"x") * 6)
        received = [await client.receive() for _ in range(7)]
        assert received == ["x"] * 6 + [Close(1008, "too fast: max_frames_per_second")]
        assert (await server.wait_event(RateLimited)).policy == "close"
        assert (await server.wait_event(ActorEnded)).reason == Overflow("rate")
        assert (await client.wait_closed()).code == 1008


async def test_the_limit_that_takes_longest_is_the_one_that_is_told(autojump_clock):
    async with testing.open_app(app_of(max_frames_per_second=2, max_bytes_per_second=100)) as server:
        client = await server.connect()
        await client.send_raw(frame(TEXT, b"x") * 20)
        assert (await server.wait_event(RateLimited)).limit == "max_frames_per_second"
        client.abort()


# The end of a throttled client


async def test_a_throttled_client_that_vanishes_is_noticed_at_its_next_ping(autojump_clock):
    """It isn't read from, but a ping that can't be written tells."""
    async with testing.open_app(app_of(max_frames_per_second=0.01)) as server:
        client = await server.connect()
        await client.send_raw(frame(TEXT, b"x") * 100)
        await server.wait_event(RateLimited)
        client.abort()
        assert (await server.wait_event(ActorEnded)).reason == Remote(1006)
        assert trio.current_time() < 60


async def test_a_throttled_client_that_resets_tcp_is_noticed_at_once():
    async with serving(app_of(max_frames_per_second=0.001)) as server, connect(server.port) as client:
        await client.upgrade()
        await client.send(frame(TEXT, b"x") * 100)
        await server.seen(RateLimited)
        client.reset()
        (ended,) = await server.seen(ActorEnded)
        assert ended.reason == Remote(1006)
        await server.no_wires()
        assert len(server.served.runtime.wheel) == 0, "nor does anything wait for the end of the throttle"


async def test_a_throttled_client_that_closes_is_heard_when_it_is_read_from_again(autojump_clock):
    async with testing.open_app(app_of(max_frames_per_second=10)) as server:
        client = await server.connect()
        await client.send_raw(frame(TEXT, b"x") * 50)
        assert await client.close(4001) == Remote(4001)
        assert len(client.unread) == 51, "and its messages are all answered before"
        assert trio.current_time() == pytest.approx(4, abs=0.2)


async def test_a_throttled_client_can_be_closed_and_its_answer_is_found(autojump_clock):
    async with testing.open_app(app_of(max_frames_per_second=0.01)) as server:
        client = await server.connect()
        await client.send_raw(frame(TEXT, b"x") * 100)
        await server.wait_event(RateLimited)
        client.conn.close(4002, "enough")
        assert (await client.wait_closed()).code == 4002
        assert (await server.wait_event(ActorEnded)).reason != Remote(1006)
        assert trio.current_time() < 1


async def test_a_throttled_client_hears_of_a_shutdown(autojump_clock):
    async with testing.open_app(app_of(max_frames_per_second=0.01)) as server:
        client = await server.connect()
        await client.send_raw(frame(TEXT, b"x") * 100)
        await server.wait_event(RateLimited)
        await server.shut_down()
        assert (await client.wait_closed()).code == 1001
        assert trio.current_time() < 1


# Silence


@pytest.mark.parametrize("send_pings", [True, False])
async def test_a_client_that_is_not_read_from_is_not_taken_for_a_silent_one(autojump_clock, send_pings):
    """Its pongs lie where its messages do: in the kernel."""
    async with testing.open_app(app_of(max_frames_per_second=0.1, send_pings=send_pings)) as server:
        client = await server.connect()
        await client.send_raw(frame(TEXT, b"x") * 20)
        assert [await client.receive() for _ in range(20)] == ["x"] * 20
        await client.send("still here")
        assert await client.receive(timeout=1000) == "still here"
        assert trio.current_time() > 180, "three times what a silent client is given"


async def test_a_client_that_was_throttled_and_says_nothing_more_ends_as_any_other(autojump_clock):
    async with testing.open_app(app_of(max_frames_per_second=0.1)) as server:
        client = await server.connect(automatic=False)
        await client.send_raw(frame(TEXT, b"x") * 20)
        await server.wait_event(ActorEnded, timeout=1000)
        assert 190 < trio.current_time() < 300
        assert (await client.wait_closed()).code == 1001


async def test_pings_are_answered_in_their_turn(autojump_clock):
    async with testing.open_app(app_of(max_control_frames_per_second=1)) as server:
        client = await server.connect()
        for number in range(5):
            await client.send(Ping(b"%d" % number))
            await trio.testing.wait_all_tasks_blocked()
        assert [await client.receive_control() for _ in range(5)] == [Pong(b"%d" % number) for number in range(5)]
        assert trio.current_time() == pytest.approx(1, abs=0.1), "the third and those behind it had to wait"


# With other reasons not to read


class Slow(Websocket):
    async def handle_client_message(self, state, conn, message):
        await trio.sleep(1)
        return state, [message]


async def test_a_throttle_and_a_full_mailbox_at_once(autojump_clock):
    """Reading goes on when both are over."""
    async with testing.open_app(app_of(Slow, mailbox_messages=3, max_frames_per_second=2)) as server:
        client = await server.connect()
        for number in range(20):
            await client.send(str(number))
        assert [await client.receive() for _ in range(20)] == [str(number) for number in range(20)]
        told = {type(event) for event in server.events}
        assert {RateLimited, events.ReadingPaused} <= told


@pytest.mark.parametrize("limit", ["max_frames_per_second", "max_bytes_per_second"])
async def test_a_large_frame_that_is_read_into_its_place_counts_as_any_other(limit):
    """As the poller does it. What is saved up is just enough for it, and not for one more."""
    data = frame(BINARY, bytes(1_000_000))
    options = {limit: 0.01, "rate_burst": 100 * (1 if limit == "max_frames_per_second" else len(data))}
    async with serving(app_of(**options)) as server, connect(server.port) as client:
        await client.upgrade()
        await client.send(data)
        assert await client.frame() == (BINARY, bytes(1_000_000))
        assert not server.all(RateLimited)
        await client.send(frame(TEXT, b"one more"))
        (limited,) = await server.seen(RateLimited)
        assert limited.limit == limit
        client.reset()


async def test_on_the_poller_too():
    """Real sockets, real time. One read of 256 frames is 56 too many; the rest is held back until they are paid for."""
    async with serving(app_of(max_frames_per_second=200)) as server, connect(server.port) as client:
        await client.upgrade()
        began = trio.current_time()
        await client.send(frame(TEXT, b"x") * 300 + frame(BINARY, bytes(200_000)))
        for _ in range(300):
            assert await client.message() == "x"
        assert await client.frame() == (BINARY, bytes(200_000))
        assert trio.current_time() - began >= 0.25
        assert server.all(RateLimited)
        await client.close()
