"""Out of descriptors: whoever is in is served, the others wait; no loop, a line a second, and it goes on by itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

import trio

from tests.support.faults import Target
from tests.support.wire import SECONDS, Client, connect, handshake

LIMIT, CLIENTS = 64, 120
#: A server below a limit that even root can't pass.
LIMITED = ["sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh"]
#: How long it is watched while it can do nothing.
WATCHED = 2.0
#: Seconds of CPU in a second in which there is nothing to do. (Ten tries to accept take some ms.)
IDLE = 0.15


async def opened(client: Client) -> Client:
    """The answer to a handshake that was sent long ago has come, and the connection works."""
    with trio.fail_after(SECONDS):
        assert (await client.head()).status == 101
        await client.echo("in")
    return client


async def test_without_descriptors_it_rests_and_serves_again_when_there_are_some(
    start_target: Callable[..., Target],
) -> None:
    target = start_target(prefix=LIMITED)
    async with target.unharmed(log_lines=1 + 2 * int(WATCHED)), AsyncExitStack() as stack:
        clients = []
        for _ in range(CLIENTS):
            client = await stack.enter_async_context(connect(target.port))
            await client.send(handshake())
            clients.append(client)
        inside = [await opened(client) for client in clients[: LIMIT // 2]]
        lines, cpu = len(target.lines()), target.cpu()
        await trio.sleep(WATCHED)
        assert target.cpu() - cpu < IDLE * WATCHED
        assert 1 <= len(target.lines()) - lines <= 1 + WATCHED
        assert target.descriptors() == LIMIT
        for client in inside:
            await client.echo("still in")
        # Those who leave make room for those who wait, one by one.
        for client in clients[: CLIENTS - LIMIT // 2]:
            await client.stream.aclose()
        for client in clients[CLIENTS - LIMIT // 2 :]:
            await opened(client)
    assert "Too many open files" in target.process.log()


async def test_who_gives_up_waiting_costs_nothing(start_target: Callable[..., Target]) -> None:
    """Reset in the queue of those who wait to be accepted, again and again."""
    target = start_target(prefix=LIMITED)
    async with target.unharmed(), AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect(target.port)) for _ in range(LIMIT)]
        await target.comes(lambda: target.descriptors() == LIMIT)
        for _ in range(200):
            async with connect(target.port) as client:
                await client.send(handshake())
                client.reset()
        for client in clients:
            await client.stream.aclose()
