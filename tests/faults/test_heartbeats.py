"""Thousands of connections that fell silent together are pinged together: nobody else has to wait for that."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack

import trio

from tests.support.faults import MiB, Target
from tests.support.wire import PING, PONG, Client, frame, open_client

COUNT = 2000
#: Of ``/patient``: seconds of silence until the ping; and how much later that may be, by the grain of the timers.
PING_AFTER, GRAIN = 3.0, 1 / 16
#: Seconds that a client may wait for its echo because others are pinged, as the attack list has it.
SPIKE = 0.1


def say_something(client: Client) -> None:
    assert isinstance(client.stream, trio.SocketStream)
    os.write(client.stream.socket.fileno(), frame(PONG))


async def worst(client: Client, until: float) -> float:
    """How long the longest of many echoes took."""
    longest = 0.0
    while (began := trio.current_time()) < until:
        await client.echo("x" * 10)
        longest = max(longest, trio.current_time() - began)
        await trio.sleep(0.002)
    return longest


async def test_the_pings_of_a_crowd_hold_up_nobody(product: Target) -> None:
    async with product.unharmed(growth=16 * MiB), AsyncExitStack() as stack:
        probe = await stack.enter_async_context(open_client(product.port))
        clients = [await stack.enter_async_context(open_client(product.port, "/patient")) for _ in range(COUNT)]
        began = trio.current_time()
        for client in clients:
            say_something(client)
        silent = trio.current_time()
        before = await worst(probe, began + PING_AFTER / 2)
        await trio.sleep_until(began + PING_AFTER - 0.1)
        meanwhile = await worst(probe, silent + PING_AFTER + 3 * GRAIN)
        print({"the worst before": before, "and while all are pinged": meanwhile, "all silent in": silent - began})
        assert meanwhile <= before + SPIKE
        for client in clients:
            assert await client.frame() == (PING, b"")
