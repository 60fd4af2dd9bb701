"""Floods of frames that are all right one by one: each is answered, in order, and nobody else has to wait for it."""

from __future__ import annotations

import pytest
import trio

from tests.support.attacker import FIN, Attacker, attacker, head, pour, unmasked
from tests.support.faults import MiB, Target
from tests.support.wire import CLOSE, PING, PONG, TEXT, frame

PINGS = 30_000
#: Seconds of the flood of messages.
FLOOD = 3.0
NORMAL = b"\x03\xe8"


async def check(client: Attacker, expected: bytes, times: int) -> None:
    """What comes is ``expected``, so often."""
    for _ in range(times):
        assert await client.read(len(expected)) == expected


async def test_30_000_pings_are_answered_in_order(target: Target) -> None:
    numbers = [number.to_bytes(4) for number in range(PINGS)]
    pings = b"".join(head(FIN | PING, 4) + number for number in numbers)
    pongs = b"".join(unmasked(PONG, number) for number in numbers)
    async with target.unharmed(), attacker(target.port) as client:
        with target.memory_bound(4 * MiB):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.send, pings)
                await target.answers()
                await check(client, pongs, 1)
        await client.close()


@pytest.mark.parametrize("size", [8, 125])
async def test_pings_whose_pongs_are_not_read_are_not_read_either(target: Target, size: int) -> None:
    """TCP holds the client up: pongs don't pile up here, and none is lost when it begins to read."""
    ping, pong = head(FIN | PING, size) + bytes(size), unmasked(PONG, bytes(size))
    async with target.unharmed(), attacker(target.port, receive_buffer=4096) as client:
        with target.memory_bound(4 * MiB):
            sent = await pour(client, ping * 1000, 64 * MiB)
            assert sent < 64 * MiB
            await target.answers()
        async with trio.open_nursery() as nursery:
            # Go on where TCP cut the last ping.
            nursery.start_soon(client.send, ping[sent % len(ping) :] if sent % len(ping) else b"")
            await check(client, pong, -(-sent // len(ping)))
        await client.close()


async def test_50_000_pongs_that_nobody_asked_for_are_ignored(target: Target) -> None:
    """RFC 6455 section 5.5.3: they are signs of life, and nothing more."""
    pongs = (head(FIN | PONG, 0) + head(FIN | PONG, 125) + bytes(125)) * 25_000
    async with target.unharmed(), attacker(target.port) as client:
        with target.memory_bound(4 * MiB):
            await client.send(pongs)
            await target.answers()
            await client.echo("nothing came in between")
        await client.close()


class Pipelining:
    """A client that sends on without waiting for the answers, and takes them as they come."""

    def __init__(self) -> None:
        texts = [f"message {number}".encode() for number in range(1000)]
        self._messages = b"".join(head(FIN | TEXT, len(text)) + text for text in texts)
        self._echoes = b"".join(unmasked(TEXT, text) for text in texts)
        self.sent = self.echoed = 0

    async def run(self, port: int, seconds: float) -> None:
        async with attacker(port) as client, trio.open_nursery() as nursery:
            nursery.start_soon(self._send, client, trio.current_time() + seconds)
            close = unmasked(CLOSE, NORMAL)
            while (begin := await client.read(len(close))) != close:
                assert begin + await client.read(len(self._echoes) - len(close)) == self._echoes
                self.echoed += 1
            await client.finished()

    async def _send(self, client: Attacker, until: float) -> None:
        while trio.current_time() < until:
            await client.send(self._messages)
            self.sent += 1
        await client.send(frame(CLOSE, NORMAL))


async def test_clients_that_pipeline_all_they_can_hold_nobody_up(target: Target) -> None:
    """They get all of it back in order; others connect and have their echo meanwhile."""
    floods = [Pipelining() for _ in range(3)]
    async with target.unharmed(), trio.open_nursery() as nursery:
        for flood in floods:
            nursery.start_soon(flood.run, target.port, FLOOD)
        with trio.move_on_after(FLOOD):
            while True:
                await target.answers()
    for flood in floods:
        assert flood.echoed == flood.sent > 10, "thousands of messages"
