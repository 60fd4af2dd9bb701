"""How a script's connection ends, and what can be had behind that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws import Connection, ConnectionClosed, Error, ReadyState, Remote, Stop, Timeout
from tests.support.client_frames import CLOSE, TEXT
from tests.support.peer import Peer

NORMAL = (1000).to_bytes(2, "big")


async def everything(connection: Connection) -> list[str | bytes]:
    return [message async for message in connection]


# By us


async def test_close_says_why_and_returns_when_the_server_has_answered(
    autojump_clock: Any, peer: Peer, nursery: trio.Nursery
) -> None:
    async def answer() -> None:
        assert await peer.closed() == (4000, "enough")
        await trio.sleep(2)
        await peer.send(CLOSE, (4000).to_bytes(2, "big"))

    async with peer.connect() as connection:
        nursery.start_soon(answer)
        began = trio.current_time()
        await connection.close(4000, "enough")
        assert trio.current_time() - began == pytest.approx(2)
        assert connection.reason == Stop()
        await connection.close(4001)
        assert await peer.rest() == b""


async def test_close_is_over_after_close_timeout_whatever_the_server_does(autojump_clock: Any, peer: Peer) -> None:
    async with peer.connect(close_timeout=3) as connection:
        began = trio.current_time()
        await connection.close()
        assert trio.current_time() - began == pytest.approx(3, abs=0.1)
        assert connection.reason == Timeout("close")
        assert await everything(connection) == []
        with pytest.raises(ConnectionClosed, match="by us, and the server did not answer in time"):
            await connection.send("late")


@pytest.mark.parametrize("code, reason", [(1005, ""), (999, ""), (1000, "x" * 124)])
async def test_a_close_that_can_not_be_said_is_told_and_changes_nothing(
    autojump_clock: Any, peer: Peer, code: int, reason: str
) -> None:
    async with peer.connect() as connection:
        with pytest.raises(ValueError):
            await connection.close(code, reason)
        assert connection.ready_state is ReadyState.OPEN
        peer.take_leave_later()


async def test_close_in_two_tasks_says_it_once(autojump_clock: Any, peer: Peer, nursery: trio.Nursery) -> None:
    async with peer.connect() as connection:
        async with trio.open_nursery() as closers:
            closers.start_soon(connection.close, 4000)
            closers.start_soon(connection.close, 4000)
            assert await peer.closed() == (4000, "")
            await peer.send(CLOSE, NORMAL)
        assert await peer.rest() == b""


async def test_a_close_that_is_cancelled_cuts_the_connection(autojump_clock: Any, peer: Peer) -> None:
    async with peer.connect() as connection:
        with trio.move_on_after(1):
            await connection.close()
        assert (connection.ready_state, connection.reason) == (ReadyState.CLOSED, Stop())
        assert await peer.closed() == (1000, "")
        assert await peer.rest() == b""


async def test_close_while_others_wait_ends_their_waiting(
    autojump_clock: Any, small_peer: Peer, nursery: trio.Nursery
) -> None:
    """Who waits to send is told at once; who waits for messages, when it is sure that none comes."""
    ended: list[str] = []

    async def until_closed(name: str, call: Callable[[], Awaitable[Any]]) -> None:
        with pytest.raises(ConnectionClosed, match="by us"):
            while True:
                await call()
        ended.append(name)

    async with small_peer.connect() as connection:
        nursery.start_soon(until_closed, "send", lambda: connection.send(bytes(100_000)))
        nursery.start_soon(until_closed, "receive", connection.receive)
        await wait_all_tasks_blocked()
        nursery.start_soon(connection.close)
        await wait_all_tasks_blocked()
        assert ended == ["send"]
        await small_peer.take_leave()
        await wait_all_tasks_blocked()
        assert ended == ["send", "receive"]


async def test_abort_cuts_it_without_a_word(autojump_clock: Any, peer: Peer) -> None:
    async with peer.connect() as connection:
        await peer.send(TEXT, b"unread")
        await wait_all_tasks_blocked()
        connection.abort()
        assert (connection.ready_state, connection.reason) == (ReadyState.CLOSED, Stop())
        assert await peer.rest() == b""
        assert await everything(connection) == ["unread"]
        connection.abort()


# By the server


@pytest.mark.parametrize("code, payload", [(1000, NORMAL), (1001, b"\x03\xe9"), (1005, b"")])
async def test_a_loop_ends_with_a_close_in_good_order(
    autojump_clock: Any, peer: Peer, code: int, payload: bytes
) -> None:
    """Behind the last message; the Close is answered with its own code."""
    async with peer.connect() as connection:
        await peer.stream.send_all(b"\x81\x03one\x81\x03two" + bytes([0x88, len(payload)]) + payload)
        assert await everything(connection) == ["one", "two"]
        assert connection.reason == Remote(code)
        assert await peer.closed() == (code, "")
        with pytest.raises(ConnectionClosed):
            await connection.receive()
        await peer.stream.aclose()


@pytest.mark.parametrize(
    "data, reason, words",
    [
        (b"\x88\x02\x03\xf3", Remote(1011), "the server closed it with 1011$"),
        (b"\x88\x07\x0f\xa0sorry", Remote(4000, "sorry"), "the server closed it with 4000: sorry"),
        (None, Remote(1006), "the server has gone without a Close"),
    ],
)
async def test_a_loop_raises_how_it_ended_otherwise(
    autojump_clock: Any, peer: Peer, data: bytes | None, reason: Any, words: str
) -> None:
    """After the messages that came before."""
    async with peer.connect() as connection:
        await peer.send(TEXT, b"one")
        await (peer.stream.aclose() if data is None else peer.stream.send_all(data))
        messages = aiter(connection)
        assert await anext(messages) == "one"
        with pytest.raises(ConnectionClosed, match=words) as raised:
            await anext(messages)
        assert raised.value.reason == connection.reason == reason
        await peer.stream.aclose()


async def test_the_guarded_forms_never_raise_for_a_closed_connection(autojump_clock: Any, peer: Peer) -> None:
    async with peer.connect() as connection:
        await peer.send(TEXT, b"one")
        await peer.stream.send_all(b"\x88\x02\x03\xf3")
        await wait_all_tasks_blocked()
        assert await connection.send_guarded("late") is False
        assert await connection.receive_guarded() == ("one", True)
        assert await connection.receive_guarded() == (b"", False)
        await peer.stream.aclose()


async def test_whoever_waits_is_told_when_the_server_ends_it(
    autojump_clock: Any, small_peer: Peer, nursery: trio.Nursery
) -> None:
    told: list[Any] = []

    async def until_closed(call: Callable[[], Awaitable[Any]]) -> None:
        with pytest.raises(ConnectionClosed) as raised:
            while True:
                await call()
        told.append(raised.value.reason)

    async with small_peer.connect() as connection:
        calls = connection.receive, connection.receive, connection.ping, lambda: connection.send(bytes(50_000))
        for call in calls:
            nursery.start_soon(until_closed, call)
        await wait_all_tasks_blocked()
        await small_peer.stream.aclose()
        await wait_all_tasks_blocked()
        assert told == [Remote(1006)] * len(calls)


async def test_both_may_close_at_once(autojump_clock: Any, peer: Peer, nursery: trio.Nursery) -> None:
    async with peer.connect() as connection:
        nursery.start_soon(connection.close, 4000)
        await peer.send(CLOSE, NORMAL)
        assert await peer.closed() in ((4000, ""), (1000, ""))
        assert await peer.rest() == b"", "one Close is all that is said"
        assert connection.reason in (Stop(), Remote(1000))


async def test_it_is_for_the_server_to_end_tcp(autojump_clock: Any, peer: Peer, nursery: trio.Nursery) -> None:
    """RFC 6455 section 7.1.1: we have said and heard Close, and wait."""
    async with peer.connect(close_timeout=3) as connection:
        await peer.send(CLOSE, NORMAL)
        assert await peer.closed() == (1000, "")
        with trio.move_on_after(2):
            await peer.rest()
            pytest.fail("the client ended TCP")
        assert connection.ready_state is ReadyState.CLOSED
        began = trio.current_time()
        assert await peer.rest() == b""
        assert trio.current_time() - began == pytest.approx(1, abs=0.1), "but not for longer than close_timeout"


# What a server may not do


@pytest.mark.parametrize(
    "data, code, words",
    [
        (b"\x81\x81abcd\x00", 1002, "mask"),
        (b"\x83\x00", 1002, "opcode"),
        (b"\xc1\x00", 1002, "reserved"),
        (b"\x80\x00", 1002, "continuation"),
        (b"\x09\x00", 1002, "fragment"),
        (b"\x81\x01\xff", 1007, "UTF-8"),
        (b"\x88\x01\x03", 1002, "Close"),
        (b"\x82\x7e\x03\xe9", 1009, "more than 1000 bytes"),
    ],
)
async def test_a_violation_is_answered_with_its_code_and_told_in_words(
    autojump_clock: Any, peer: Peer, data: bytes, code: int, words: str
) -> None:
    async with peer.connect(max_message_size=1000) as connection:
        await peer.stream.send_all(data)
        with pytest.raises(ConnectionClosed, match=f"the server broke the protocol: .*(?i:{words})") as raised:
            await connection.receive()
        assert isinstance(raised.value.reason, Error)
        assert (await peer.closed())[0] == code
        await peer.stream.aclose()
