"""One side that is too quick for the other: it waits, and nothing grows."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import actorws
from actorws.testing.memory import CAPACITY
from tests.support.client_frames import BINARY, PING, PONG, TEXT
from tests.support.peer import Peer
from tests.support.serving import Echo, serving
from tests.support.wire import SECONDS


def buffered(connection: Any) -> int:
    return int(connection._exchange.transport.buffered)


async def test_send_waits_while_the_server_does_not_read(
    autojump_clock: Any, peer: Peer, nursery: trio.Nursery
) -> None:
    sent = 0

    async def send() -> None:
        nonlocal sent
        for _ in range(1000):
            await connection.send(bytes(10_000))
            sent += 1

    async with peer.connect() as connection:
        nursery.start_soon(send)
        await wait_all_tasks_blocked()
        was = sent
        assert 0 < was < 50
        assert buffered(connection) < 4 * CAPACITY
        for _ in range(was + 1):
            assert await peer.frame() == (BINARY, bytes(10_000))
        await wait_all_tasks_blocked()
        assert was < sent < was + 50
        for _ in range(1000 - was - 1):
            assert await peer.frame() == (BINARY, bytes(10_000))
        peer.take_leave_later()


async def test_tasks_that_send_much_at_once_never_mix(
    autojump_clock: Any, small_peer: Peer, nursery: trio.Nursery
) -> None:
    async with small_peer.connect() as connection:
        for number in range(40):
            nursery.start_soon(connection.send, bytes([number]) * 1000 * (number + 1))
        got = [await small_peer.frame() for _ in range(40)]
        assert sorted(got) == [(BINARY, bytes([number]) * 1000 * (number + 1)) for number in range(40)]
        small_peer.take_leave_later()


@pytest.mark.parametrize("options", [{"mailbox_messages": 10}, {"mailbox_bytes": 10_000}], ids=str)
async def test_a_server_that_sends_too_much_is_not_read_from(
    autojump_clock: Any, small_peer: Peer, nursery: trio.Nursery, options: Any
) -> None:
    """Until half of what has come is taken; then all comes, in order."""
    sent = 0

    async def send() -> None:
        nonlocal sent
        for number in range(200):
            await small_peer.send(TEXT, f"{number:4}".encode() * 250)
            sent += 1

    async with small_peer.connect(**options) as connection:
        nursery.start_soon(send)
        await wait_all_tasks_blocked()
        assert sent <= 14
        for number in range(5):
            assert await connection.receive() == f"{number:4}" * 250
        await wait_all_tasks_blocked()
        assert sent <= 20
        for number in range(5, 200):
            assert await connection.receive() == f"{number:4}" * 250
        small_peer.take_leave_later()


async def test_one_message_may_be_larger_than_the_bound(autojump_clock: Any, small_peer: Peer) -> None:
    async with small_peer.connect(mailbox_bytes=1) as connection:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(small_peer.send, TEXT, b"a" * 100_000)
            assert await connection.receive() == "a" * 100_000
        small_peer.take_leave_later()


async def test_the_end_comes_behind_what_was_not_taken(
    autojump_clock: Any, small_peer: Peer, nursery: trio.Nursery
) -> None:
    """The Close of a server that isn't read from is read when there is room."""
    async with small_peer.connect(mailbox_messages=1) as connection:
        await small_peer.stream.send_all(b"\x81\x01a" * 5 + b"\x88\x02\x03\xe8")
        assert [message async for message in connection] == ["a"] * 5
        await small_peer.closed()
        await small_peer.stream.aclose()


@pytest.mark.parametrize("unread", [0, 100])
async def test_leaving_does_not_wait_for_what_nobody_takes(autojump_clock: Any, peer: Peer, unread: int) -> None:
    """The server's answer is found behind it."""
    began = trio.current_time()
    async with peer.connect(mailbox_messages=1) as connection:
        await peer.stream.send_all(b"\x81\x01a" * unread)
        await wait_all_tasks_blocked()
        peer.take_leave_later()
    assert connection.reason == actorws.Stop()
    assert trio.current_time() == began


async def test_who_waits_to_send_goes_on_reading(autojump_clock: Any, small_peer: Peer, nursery: trio.Nursery) -> None:
    """Else it would wait for ever for a server that waits for it: one that doesn't read while it sends."""
    async with small_peer.connect() as connection:
        nursery.start_soon(connection.send, bytes(1_000_000))
        await wait_all_tasks_blocked()
        for number in range(100):
            await small_peer.send(TEXT, f"{number:4}".encode() * 250)
            assert await connection.receive() == f"{number:4}" * 250
        assert await small_peer.frame() == (BINARY, bytes(1_000_000))
        small_peer.take_leave_later()


async def test_much_in_both_directions_at_once_over_a_socket() -> None:
    """Larger than all buffers on the way, to an echo that reads nothing while it sends."""
    async with serving(Echo, max_head_size=1 << 14) as server:
        large = bytes(1 << 20)
        async with actorws.connect(f"ws://127.0.0.1:{server.port}/", proxy=None) as connection:

            async def send() -> None:
                for _ in range(50):
                    await connection.send(large)

            with trio.fail_after(SECONDS):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(send)
                    for _ in range(50):
                        assert await connection.receive() == large


async def test_pongs_do_not_pile_up_while_the_server_reads_nothing(
    autojump_clock: Any, small_peer: Peer, nursery: trio.Nursery
) -> None:
    """The last of its pings is answered for all that came meanwhile (RFC 6455 section 5.5.3)."""
    async with small_peer.connect() as connection:
        nursery.start_soon(connection.send, bytes(1_000_000))
        await wait_all_tasks_blocked()
        waiting = buffered(connection)
        for number in range(2000):
            await small_peer.send(PING, b"%d" % number)
        await wait_all_tasks_blocked()
        assert buffered(connection) == waiting
        assert await small_peer.frame() == (BINARY, bytes(1_000_000))
        assert await small_peer.frame() == (PONG, b"1999")
        await small_peer.send(PING, b"again")
        assert await small_peer.frame() == (PONG, b"again")
        small_peer.take_leave_later()


async def test_a_ping_waits_its_turn_and_is_timed_from_when_it_leaves(
    autojump_clock: Any, small_peer: Peer, nursery: trio.Nursery
) -> None:
    took: list[float] = []

    async def ping() -> None:
        took.append(await connection.ping())

    async with small_peer.connect() as connection:
        nursery.start_soon(connection.send, bytes(100_000))
        await wait_all_tasks_blocked()
        nursery.start_soon(ping)
        await trio.sleep(5)
        await small_peer.frame()
        opcode, data = await small_peer.frame()
        await trio.sleep(1)
        await small_peer.send(PONG, data)
        await wait_all_tasks_blocked()
        assert (opcode, took) == (PING, [pytest.approx(1)])
        small_peer.take_leave_later()
