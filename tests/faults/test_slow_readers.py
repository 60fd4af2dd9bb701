"""Clients that ask for more than they take: TCP holds them up, memory stays within its bounds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
import trio

from tests.support.attacker import FIN, attacker, head, pour
from tests.support.faults import MiB, Target
from tests.support.wire import BINARY

READERS = 12


def request_and_echo(size: int) -> tuple[bytes, bytes]:
    payload = bytes(range(256)) * (size // 256)
    return head(FIN | BINARY, size) + payload, head(FIN | BINARY, size, masked=False) + payload


@pytest.mark.parametrize("size", [1024, 65_536, MiB])
async def test_a_client_that_reads_nothing_is_not_read_either(target: Target, size: int) -> None:
    """It could ask for 64 MiB. When it begins to read, it gets everything, in order."""
    request, echo = request_and_echo(size)
    async with target.unharmed(), attacker(target.port, receive_buffer=4096) as client:
        with target.memory_bound(4 * MiB + 4 * size):
            sent = await pour(client, request, 64 * MiB)
            assert sent < 64 * MiB
            await target.answers()
        async with trio.open_nursery() as nursery:
            if sent % len(request):
                nursery.start_soon(client.send, request[sent % len(request) :])
            for _ in range(-(-sent // len(request))):
                assert await client.read(len(echo)) == echo
        await client.close()


async def test_twelve_of_them_at_once(target: Target) -> None:
    """Each asks for 20 MiB in small messages; the others don't notice."""
    request, _ = request_and_echo(1024)
    async with target.unharmed(), AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(attacker(target.port, receive_buffer=4096)) for _ in range(READERS)]
        sent: list[int] = []

        async def ask(client: object) -> None:
            sent.append(await pour(client, request * 64, 20 * MiB))

        with target.memory_bound(8 * MiB):
            async with trio.open_nursery() as nursery:
                for client in clients:
                    nursery.start_soon(ask, client)
                await target.answers()
            await target.answers()
        assert len(sent) == READERS and max(sent) < 20 * MiB


async def test_tiny_messages_that_nobody_takes_do_not_pile_up(start_target: Callable[..., Target]) -> None:
    """400 000 of one byte each, which would take 56 MiB; there is room for 131 072, in 18 MiB.

    (Which CPython keeps for other small objects, because it has put one here and there among them meanwhile.)
    """
    target = start_target("tests.servers.endings:app")
    async with target.unharmed(growth=24 * MiB), attacker(target.port, receive_buffer=4096) as client:
        with target.memory_bound(8 * MiB + 32 * MiB):
            await client.text("drip")
            await target.comes(lambda: any("no room" in line for line in target.lines()))
            await target.answers()
        client.reset()
