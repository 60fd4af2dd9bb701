"""Streams over HTTP: an actor behind server-sent events or lines, with POSTs for what its client says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from actorws import Close, events
from actorws.reasons import Expired, Overflow, Remote, Shutdown, Stop, Timeout
from actorws.testing import MemoryServer, open_app
from tests.support.event_source import EventSourceParser
from tests.support.http_sessions import KINDS, Wire, open_http
from tests.support.session_actors import Lasting, Talker, ended, tell

each_stream = pytest.mark.parametrize("kind", ["sse", "stream"])


@pytest.fixture
async def server() -> AsyncIterator[MemoryServer]:
    async with open_app(Lasting) as server:
        yield server


AWKWARD = [
    "",
    "two\nlines",
    "a\r\nb\r",
    " spaces ",
    "data: x",
    "\x00\x01",
    "é😀\u2028",
    b"",
    b"\x00\xff" * 300,
    "x" * 70_000,
]


@each_stream
async def test_messages_go_both_ways_as_they_are(autojump_clock: Any, server: MemoryServer, kind: Wire) -> None:
    client = await open_http(server, kind)
    await client.send(*AWKWARD)
    assert [await client.receive() for _ in range(1 + len(AWKWARD))] == ["welcome", *AWKWARD]
    assert client.sent == len(AWKWARD)
    assert client.conn is not None and client.conn.transport == kind


@each_stream
async def test_the_answer_is_for_nobody_on_its_way_to_keep_or_to_change(
    autojump_clock: Any, server: MemoryServer, kind: Wire
) -> None:
    answer = (await open_http(server, kind)).answer
    assert answer is not None
    assert answer.headers["cache-control"] == "no-store, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == {"sse": "text/event-stream", "stream": "application/x-ndjson"}[kind]


@each_stream
async def test_the_actor_closes_and_its_last_words_come_first(
    autojump_clock: Any, server: MemoryServer, kind: Wire
) -> None:
    client = await open_http(server, kind)
    await client.send("bye")
    assert [await client.receive() for _ in range(3)] == ["welcome", "last words", Close(4001, "bye")]
    assert await client.wait_closed() == Remote(4001, "bye")
    assert ended(server) == [Stop()]


@each_stream
async def test_the_client_closes_by_a_post(autojump_clock: Any, server: MemoryServer, kind: Wire) -> None:
    client = await open_http(server, kind)
    assert await client.close(4002, "enough") == Remote(1006)  # the end of the body: the client knows why
    assert client.posts[-1].status == 200
    assert ended(server) == [Remote(4002, "enough")]


@each_stream
async def test_a_lost_stream_is_resumed_and_nothing_is_missing_or_double(
    autojump_clock: Any, server: MemoryServer, kind: Wire
) -> None:
    client = await open_http(server, kind)
    assert await client.receive() == "welcome"
    client.abort()
    await server.wait_event(events.SessionDetached)
    await tell(server, "while away")
    again = await open_http(server, "stream" if kind == "sse" else "sse", resume=client)
    await again.send("back")
    assert [await again.receive(), await again.receive()] == ["while away", "back"]
    assert again.greetings[0]["resumed"] and again.session == client.session
    assert ended(server) == []


@each_stream
@pytest.mark.parametrize("end", ["hang_up", "abort"])
async def test_a_lost_stream_ends_an_actor_that_is_not_resumable(autojump_clock: Any, kind: Wire, end: str) -> None:
    async with open_app(Talker) as server:
        client = await open_http(server, kind)
        if end == "abort":
            client.abort()
        else:
            await client.hang_up()
        assert (await server.wait_event(events.ActorEnded)).reason == Remote(1006)


@each_stream
async def test_a_session_that_nobody_comes_back_to_expires(
    autojump_clock: Any, server: MemoryServer, kind: Wire
) -> None:
    client = await open_http(server, kind)
    await client.send("I know my id")
    client.abort()
    assert (await server.wait_event(events.ActorEnded)).reason == Expired("session_resume_timeout")


@each_stream
async def test_a_newer_stream_takes_the_place_of_an_older_one(
    autojump_clock: Any, server: MemoryServer, kind: Wire
) -> None:
    older = await open_http(server, kind)
    assert await older.receive() == "welcome"
    newer = await open_http(server, kind, resume=older)
    assert await older.wait_closed() == Remote(1006)
    await tell(server, "for the newest")
    assert await newer.receive() == "for the newest"
    assert older.unread == ()


@each_stream
async def test_a_crash_closes_with_1011(autojump_clock: Any, kind: Wire) -> None:
    async with open_app(Lasting, crashes="ignore") as server:
        client = await open_http(server, kind)
        await client.send("crash")
        assert await client.wait_closed() == Remote(1011)


@each_stream
async def test_a_shutdown_ends_streams_at_once_with_its_words(
    autojump_clock: Any, server: MemoryServer, kind: Wire
) -> None:
    client = await open_http(server, kind)
    began = trio.current_time()
    await server.shut_down()
    assert await client.wait_closed() == Remote(1001)
    assert trio.current_time() - began < 1
    assert ended(server) == [Shutdown()]


@each_stream
async def test_what_many_get_is_said_in_order(autojump_clock: Any, server: MemoryServer, kind: Wire) -> None:
    client = await open_http(server, kind)
    for number in range(300):
        await tell(server, [f"{number}", bytes([number % 256])])
    got = [await client.receive() for _ in range(601)]
    assert got[1::2] == [f"{number}" for number in range(300)]


async def test_what_goes_to_many_is_each_ones_own(autojump_clock: Any) -> None:
    """Bytes are made once for all who get the same by the same kind of wire."""

    class Member(Lasting):
        def init(self, conn: Any) -> Any:
            conn.join_nowait("all")
            return 0, []

    async with open_app(Member) as server:
        clients = [await open_http(server, kind) for kind in KINDS for _ in range(2)]
        await trio.sleep(1)
        group = server.runtime.group
        for frame in ("one", "t\rwo", b"one"):
            group.broadcast_nowait("all", frame)
        group.publish_nowait("all", ["three"])
        group.publish_nowait("all", ["three", b"four"])
        for client in clients:
            got = [await client.receive() for _ in range(6)]
            assert got == ["one", "t\rwo", b"one", "three", "three", b"four"], client.kind


# Silence


@pytest.mark.parametrize(("query", "sign"), [("sse", b"3\r\n:\n\n\r\n"), ("stream", b"1\r\n\n\r\n")])
async def test_a_silent_stream_shows_every_15_seconds_that_it_is_there(
    autojump_clock: Any, query: str, sign: bytes
) -> None:
    async with open_app(Lasting) as server:
        stream = server.open_stream()
        await stream.send_all(f"GET /?transport={query} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await stream.receive_some()
        began = trio.current_time()
        await trio.sleep(10)
        await tell(server, "not silent")
        assert b"not silent" in await stream.receive_some()
        assert await stream.receive_some() == sign
        assert 25 <= trio.current_time() - began <= 26
        assert await stream.receive_some() == sign
        assert 40 <= trio.current_time() - began <= 42
        await stream.aclose()


@each_stream
async def test_a_silent_client_is_not_timed_out(autojump_clock: Any, server: MemoryServer, kind: Wire) -> None:
    client = await open_http(server, kind)
    await trio.sleep(1000)
    assert ended(server) == []
    await tell(server, "there")
    assert (await client.receive(), await client.receive()) == ("welcome", "there")


# Slow clients


@each_stream
async def test_a_client_that_takes_nothing_is_given_up_and_costs_nobody_else(autojump_clock: Any, kind: Wire) -> None:
    async with open_app(Lasting, capacity=1000) as server:
        client = await open_http(server, kind)
        assert await client.receive() == "welcome"
        client.pause_reading()
        for _ in range(50):
            await tell(server, "x" * 10_000)
        with trio.fail_after(0):
            assert client.conn is not None and client.conn.buffered >= 400_000
        began = trio.current_time()
        lost = await server.wait_event(events.SessionDetached)
        assert lost.reason == Timeout("idle")
        assert 60 <= trio.current_time() - began <= 80


@each_stream
async def test_what_waits_for_a_slow_client_is_bounded_and_the_actor_is_told(autojump_clock: Any, kind: Wire) -> None:
    class Pushing(Talker):
        options = {"backpressure_limit": 100_000, "output_policy": "close"}

        def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
            return state, [message]

    async with open_app(Pushing, capacity=1000) as server:
        client = await open_http(server, kind)
        client.pause_reading()
        for _ in range(30):
            await server.runtime.unique.send_message("talker", bytes(10_000))
        assert (await server.wait_event(events.ActorEnded)).reason == Overflow("output")
        client.resume_reading()
        assert await client.wait_closed() == Remote(1013, "output full")


@each_stream
async def test_a_client_that_is_slow_for_a_while_gets_everything_and_the_drain_is_told(
    autojump_clock: Any, kind: Wire
) -> None:
    drains: list[float] = []

    class Draining(Lasting):
        def handle_drain(self, state: Any, conn: Any) -> Any:
            drains.append(trio.current_time())
            return state, []

    async with open_app(Draining, capacity=1000) as server:
        client = await open_http(server, kind)
        client.pause_reading()
        for number in range(40):
            await tell(server, str(number) * 5_000)
        await trio.sleep(20)
        assert drains == []
        client.resume_reading()
        assert [await client.receive() for _ in range(41)] == ["welcome", *(str(n) * 5_000 for n in range(40))]
        await trio.sleep(1)
        assert len(drains) == 1


@each_stream
async def test_a_client_has_nothing_to_say_on_a_stream(autojump_clock: Any, server: MemoryServer, kind: Wire) -> None:
    stream = server.open_stream()
    await stream.send_all(f"GET /?transport={kind} HTTP/1.1\r\nHost: a\r\n\r\n".encode() + b"x" * 2000)
    assert b"welcome" in await stream.receive_some()
    await stream.send_all(b"x" * 2000)
    await tell(server, "still there")
    assert b"still there" in await stream.receive_some()
    await stream.send_all(b"x" * 200)
    await everything(stream)
    assert (await server.wait_event(events.SessionDetached)).reason == Remote(1006)
    assert (await server.wait_event(events.ProtocolViolated)).code == 1002


# HTTP/1.0, and what browsers do


async def everything(stream: trio.abc.ReceiveStream) -> bytes:
    return b"".join([bytes(data) async for data in stream])


async def test_an_http_1_0_client_gets_a_body_that_ends_with_the_connection(
    autojump_clock: Any, server: MemoryServer
) -> None:
    stream = server.open_stream()
    await stream.send_all(b"GET /?transport=stream HTTP/1.0\r\n\r\n")
    assert b"welcome" in await stream.receive_some()
    await tell(server, 4001)
    head_and_more = await everything(stream)
    assert head_and_more == b'{"close":{"code":4001,"reason":"bye"}}\n'


async def event_source(server: MemoryServer, last_event_id: str = "") -> tuple[trio.abc.Stream, bytes]:
    stream = server.open_stream()
    line = f"Last-Event-ID: {last_event_id}\r\n" if last_event_id else ""
    await stream.send_all(f"GET / HTTP/1.0\r\nHost: a\r\nAccept: text/event-stream\r\n{line}\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive_some()
    return stream, data


async def test_an_event_source_reconnects_and_misses_nothing(autojump_clock: Any, server: MemoryServer) -> None:
    stream, data = await event_source(server)
    parser = EventSourceParser()
    assert [event.type for event in parser.feed(data.partition(b"\r\n\r\n")[2])] == ["session", "message"]
    await stream.aclose()
    await server.wait_event(events.SessionDetached)
    await tell(server, "while away")
    _, data = await event_source(server, parser.last_event_id)
    greeting, message = parser.feed(data.partition(b"\r\n\r\n")[2])
    assert '"resumed":true' in greeting.data
    assert (message.type, message.data) == ("message", "while away")


@pytest.mark.parametrize("last", ["nonsense", "abcd.7.xxxxxxxxxxxxxxxxxxxxxx.3", "%"])
async def test_an_event_source_whose_session_is_lost_gets_a_new_one_and_is_told(
    autojump_clock: Any, server: MemoryServer, last: str
) -> None:
    _, data = await event_source(server, last)
    greeting, message = EventSourceParser().feed(data.partition(b"\r\n\r\n")[2])
    assert '"lost":"' in greeting.data and '"resumed":false' in greeting.data
    assert message.data == "welcome"


async def test_an_event_source_that_had_the_end_is_told_to_stay_away(autojump_clock: Any, server: MemoryServer) -> None:
    stream, data = await event_source(server)
    await tell(server, 4001)
    data += await everything(stream)
    parser = EventSourceParser()
    assert [event.type for event in parser.feed(data.partition(b"\r\n\r\n")[2])][-1] == "close"
    assert parser.last_event_id.endswith(".end")
    _, answer = await event_source(server, parser.last_event_id)
    assert answer.startswith(b"HTTP/1.1 204 ")


async def test_one_that_saw_the_server_go_away_comes_back_to_another(autojump_clock: Any, server: MemoryServer) -> None:
    stream, data = await event_source(server)
    await tell(server, 1012)
    data += await everything(stream)
    parser = EventSourceParser()
    parser.feed(data.partition(b"\r\n\r\n")[2])
    assert not parser.last_event_id.endswith(".end")
