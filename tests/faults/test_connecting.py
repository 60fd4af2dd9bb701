"""Clients that come and go: port scans, health checks, and resets at every stage of a connection."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
import trio

from tests.support.faults import Target
from tests.support.wire import TEXT, connect, frame, handshake

#: Well below the time for which the server lingers where there is something to lose.
AT_ONCE = 3.0


async def test_who_connects_and_says_nothing_costs_nothing(shared_target: Target) -> None:
    """300 in a row and 300 at once: as soon as they have gone, so have their descriptors, and no line is written."""
    async with shared_target.unharmed(log_lines=0):
        before = shared_target.descriptors()
        for _ in range(300):
            async with connect(shared_target.port):
                pass
        async with AsyncExitStack() as stack:
            for _ in range(300):
                await stack.enter_async_context(connect(shared_target.port))
            await shared_target.answers()
        await shared_target.comes(lambda: shared_target.descriptors() <= before, seconds=AT_ONCE)


async def test_who_ends_its_side_and_says_nothing_is_let_go(shared_target: Target) -> None:
    """Half a request is no request either: there is nothing to answer."""
    async with shared_target.unharmed(log_lines=0), AsyncExitStack() as stack:
        before = shared_target.descriptors()
        for said in (b"", b"GET", handshake()[:60], handshake()[:-1]) * 15:
            client = await stack.enter_async_context(connect(shared_target.port))
            await client.send(said)
            assert isinstance(client.stream, trio.SocketStream)
            await client.stream.send_eof()
            assert await client.stream.receive_some(1) == b"", "the end, not a reset"
        await shared_target.answers()
        await shared_target.comes(lambda: shared_target.descriptors() <= before, seconds=AT_ONCE)


#: What the client has said before it resets the connection, and whether it has seen the answer to its handshake.
STAGES = {
    "nothing": (b"", False),
    "half a head": (handshake()[:60], False),
    "a head": (handshake(), False),
    "a head and the 101": (handshake(), True),
    "a head and a message": (handshake() + frame(TEXT, b"hello"), False),
    "a message behind the 101": (handshake() + frame(TEXT, b"hello"), True),
    "half a frame": (handshake() + frame(TEXT, b"x" * 1000)[:500], True),
    "a megabyte to echo": (handshake() + frame(TEXT, b"x" * 1_000_000), True),
}


@pytest.mark.parametrize("stage", STAGES)
async def test_a_reset_costs_its_connection_only_at_every_stage(shared_target: Target, stage: str) -> None:
    """60 of each, in a row and at once; not a line is written about them."""
    said, sees_101 = STAGES[stage]
    async with shared_target.unharmed(log_lines=0), AsyncExitStack() as stack:
        before = shared_target.descriptors()
        clients = []
        for number in range(60):
            client = await stack.enter_async_context(connect(shared_target.port))
            await client.send(said)
            if sees_101:
                assert (await client.head()).status == 101
            if number % 2:
                client.reset()
            else:
                clients.append(client)
        await shared_target.answers()
        for client in clients:
            client.reset()
        await shared_target.comes(lambda: shared_target.descriptors() <= before, seconds=AT_ONCE)


async def test_a_reset_while_the_server_thinks_about_it_ends_the_thinking(start_target: Callable[..., Target]) -> None:
    """60 handshakes whose ``async def connect`` never returns: it is cancelled when the client has gone."""
    target = start_target("tests.servers.guarded:app")
    async with target.unharmed(log_lines=0):
        before = target.descriptors()
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connect(target.port)) for _ in range(60)]
            for client in clients:
                await client.send(handshake("/waiting"))
            await target.answers()
            for client in clients:
                client.reset()
        await target.comes(lambda: target.descriptors() <= before, seconds=AT_ONCE)


async def test_a_reset_behind_a_refusal_is_no_news(shared_target: Target) -> None:
    """60 that reset before, and 60 that reset after they have read why; the refusals are one line a second."""
    async with shared_target.unharmed():
        before = shared_target.descriptors()
        async with AsyncExitStack() as stack:
            for number in range(120):
                client = await stack.enter_async_context(connect(shared_target.port))
                await client.send(handshake("/nowhere"))
                if number % 2:
                    assert (await client.response()).status == 404
                client.reset()
            await shared_target.answers()
        await shared_target.comes(lambda: shared_target.descriptors() <= before, seconds=AT_ONCE)
