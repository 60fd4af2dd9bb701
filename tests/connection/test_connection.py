"""What a script can do with an open connection, in memory."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

import actorws
from actorws import Close, Connection, ConnectionClosed, ReadyState, Remote, Stop, Websocket
from actorws.testing import open_app
from tests.support.client_frames import PING, PONG, TEXT
from tests.support.peer import Peer
from tests.support.serving import Echo


class Colour(str, enum.Enum):  # noqa: UP042  # whose str() is not what it is
    RED = "red"


class Greeting(Echo):
    def init(self, conn: Any) -> Any:
        return None, ["hello", b"\x00"]


@asynccontextmanager
async def connected(behaviour: type[Websocket] = Echo, url: str = "ws://test/", **options: Any) -> AsyncIterator[Any]:
    async with open_app(behaviour) as server:

        async def open_stream(host: str, port: int) -> trio.abc.Stream:
            return server.open_stream()

        async with actorws.connect(url, open_stream=open_stream, **options) as connection:
            yield connection


@pytest.mark.parametrize(
    "message, comes",
    [
        ("hello", "hello"),
        ("", ""),
        ("ö" * 70_000, "ö" * 70_000),
        (b"\x00\xff", b"\x00\xff"),
        (b"", b""),
        (bytes(200), bytes(200)),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"abcd")[::2], b"ac"),
        (Colour.RED, "red"),
    ],
    ids=lambda value: f"{value!r:.20}",
)
async def test_a_message_goes_there_and_comes_back_as_what_it_is(autojump_clock: Any, message: Any, comes: Any) -> None:
    async with connected() as connection:
        await connection.send(message)
        assert await connection.receive() == comes
        assert await connection.send_guarded(message) is True
        assert await connection.receive_guarded() == (comes, True)


@pytest.mark.parametrize("message", [None, 3, ["a"], Close(), "\ud800"], ids=repr)
async def test_what_is_no_message_is_told_and_nothing_is_sent(autojump_clock: Any, message: Any) -> None:
    async with connected() as connection:
        with pytest.raises((TypeError, UnicodeEncodeError)):
            await connection.send(message)
        with pytest.raises((TypeError, UnicodeEncodeError)):
            await connection.send_guarded(message)
        await connection.send("good")
        assert await connection.receive() == "good"


async def test_a_loop_takes_messages_as_they_come(autojump_clock: Any) -> None:
    """And what ``break`` leaves, the next loop takes."""
    async with connected(Greeting) as connection:
        async for message in connection:
            assert message == "hello"
            break
        async for message in connection:
            assert message == b"\x00"
            await connection.close()


async def test_what_the_handshake_came_to_can_be_seen(autojump_clock: Any) -> None:
    app = actorws.App()
    app.websocket("/chat", Echo, subprotocols=("v2", "v1"))
    async with open_app(app) as server:

        async def open_stream(host: str, port: int) -> trio.abc.Stream:
            assert (host, port) == ("test", 81)
            return server.open_stream()

        url = "ws://test:81/chat"
        async with actorws.connect(url, subprotocols=["v1", "v3"], open_stream=open_stream) as connection:
            assert connection.subprotocol == "v1"
            assert connection.headers["sec-websocket-protocol"] == "v1"
            assert connection.remote_address == ""


async def test_the_state_goes_from_open_to_closed(autojump_clock: Any, peer: Peer, nursery: trio.Nursery) -> None:
    async with peer.connect() as connection:
        assert (connection.ready_state, connection.reason) == (ReadyState.OPEN, None)
        nursery.start_soon(connection.close)
        await wait_all_tasks_blocked()
        assert (connection.ready_state, connection.reason) == (ReadyState.CLOSING, None)
        await peer.take_leave()
        await wait_all_tasks_blocked()
        assert (connection.ready_state, connection.reason) == (ReadyState.CLOSED, Stop())


async def test_every_message_goes_to_one_of_those_who_wait_the_first_first(
    autojump_clock: Any, peer: Peer, nursery: trio.Nursery
) -> None:
    got: list[Any] = []

    async def take(number: int) -> None:
        got.append((number, await connection.receive()))

    async with peer.connect() as connection:
        peer.take_leave_later()
        for number in range(5):
            nursery.start_soon(take, number)
            await wait_all_tasks_blocked()
        for number in range(5):
            await peer.send(TEXT, b"%d" % number)
        await wait_all_tasks_blocked()
    assert sorted(got) == [(number, f"{number}") for number in range(5)]


# Pings


async def test_a_ping_tells_how_long_its_pong_took(autojump_clock: Any, peer: Peer, nursery: trio.Nursery) -> None:
    async def answer() -> None:
        opcode, data = await peer.frame()
        assert (opcode, len(data)) == (PING, 8)
        await trio.sleep(2)
        await peer.send(PONG, data)

    async with peer.connect() as connection:
        nursery.start_soon(answer)
        assert await connection.ping() == pytest.approx(2)
        peer.take_leave_later()


async def test_a_pong_answers_the_pings_before_it_too(autojump_clock: Any, peer: Peer, nursery: trio.Nursery) -> None:
    """A server may answer the last one only (RFC 6455 section 5.5.3)."""
    took: dict[int, float] = {}

    async def ping(number: int) -> None:
        took[number] = await connection.ping()

    async with peer.connect() as connection:
        data = []
        for number in range(3):
            nursery.start_soon(ping, number)
            data.append((await peer.frame())[1])
            await trio.sleep(1)
        await peer.send(PONG, data[1])
        await wait_all_tasks_blocked()
        assert took == {0: pytest.approx(3), 1: pytest.approx(2)}
        await peer.send(PONG, data[2])
        await peer.send(PONG, data[0])
        await wait_all_tasks_blocked()
        assert took[2] == pytest.approx(1)
        peer.take_leave_later()


async def test_pongs_that_nobody_asked_for_are_nothing(autojump_clock: Any, peer: Peer) -> None:
    """Neither are they the answer to a ping, nor are they messages."""
    async with peer.connect() as connection:
        for data in (b"", b"x", bytes(8)):
            await peer.send(PONG, data)
        with trio.move_on_after(1) as scope:
            await connection.ping()
        assert scope.cancelled_caught
        await peer.send(PONG, (await peer.frame())[1])  # Its own, but nobody waits for it any more.
        await peer.send(TEXT, b"a message")
        assert await connection.receive() == "a message"
        peer.take_leave_later()


async def test_a_ping_ends_with_the_connection(autojump_clock: Any, peer: Peer, nursery: trio.Nursery) -> None:
    async def vanish() -> None:
        await peer.frame()
        await peer.stream.aclose()

    async with peer.connect() as connection:
        nursery.start_soon(vanish)
        with pytest.raises(ConnectionClosed, match="gone without a Close"):
            await connection.ping()
        assert connection.reason == Remote(1006)
        with pytest.raises(ConnectionClosed):
            await connection.ping()


# Tasks


@pytest.mark.parametrize("code", [None, 1000])
async def test_everything_that_waits_is_a_checkpoint_also_when_it_has_not_to_wait(
    autojump_clock: Any, peer: Peer, code: int | None
) -> None:
    def at_rest(connection: Connection) -> None:
        """As if nothing had been sent or received for long."""
        connection._exchange.inbox.turn_ends = 0.0

    async with peer.connect() as connection:
        await peer.send(TEXT, b"one")
        await peer.send(TEXT, b"two")
        await wait_all_tasks_blocked()
        at_rest(connection)
        with assert_checkpoints():
            await connection.send("a")
        at_rest(connection)
        with assert_checkpoints():
            await connection.receive()
        peer.take_leave_later()
        await connection.close()
        for call in (connection.close, connection.receive_guarded, connection.receive_guarded):
            at_rest(connection)
            with assert_checkpoints():
                await call()
        for failing in (connection.receive, connection.ping, lambda: connection.send("late")):
            at_rest(connection)
            with assert_checkpoints(), pytest.raises(ConnectionClosed):
                await failing()


async def test_who_is_cancelled_neither_sends_nor_takes_anything(autojump_clock: Any, peer: Peer) -> None:
    """Also in a task that has just been let run, which isn't made to yield again."""
    async with peer.connect() as connection:
        await peer.send(TEXT, b"one")
        await peer.send(TEXT, b"two")
        assert await connection.receive() == "one"
        await connection.send("first")
        with trio.CancelScope() as scope:
            scope.cancel()
            await connection.send("never")
        assert scope.cancelled_caught
        with trio.CancelScope() as scope:
            scope.cancel()
            await connection.receive()
        assert scope.cancelled_caught
        assert await connection.receive() == "two"
        await connection.send("second")
        assert [await peer.frame(), await peer.frame()] == [(TEXT, b"first"), (TEXT, b"second")]
        peer.take_leave_later()


async def test_a_task_that_never_has_to_wait_lets_others_run(autojump_clock: Any, peer: Peer, nursery: Any) -> None:
    """At least every few milliseconds, by the real clock."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with peer.connect(mailbox_messages=100_000) as connection:
        await peer.stream.send_all(b"\x81\x01a" * 20_000)
        await wait_all_tasks_blocked()
        nursery.start_soon(other)
        for _ in range(20_000):
            await connection.receive()
        taken = turns
        nursery.cancel_scope.cancel()
    assert taken > 3
