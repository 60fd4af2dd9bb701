"""Messages of every length that has a form of its own, up to the limit and above it."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack

import pytest

from tests.support.attacker import FIN, attacker, head, naming, pour, refuses
from tests.support.faults import MiB, Target
from tests.support.wire import BINARY, CONTINUATION, PING, PONG, TEXT, frame

MAX = 1 * MiB
TOO_BIG = 1009
SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, MAX - 1, MAX)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_a_message_of_any_length_comes_back_byte_by_byte(shared_target: Target, opcode: int) -> None:
    async with shared_target.unharmed(), attacker(shared_target.port) as client:
        for size in SIZES:
            payload = os.urandom(size // 2 + 1).hex().encode()[:size]
            with naming(f"{size} bytes"):
                await client.send(frame(opcode, payload))
                assert await client.frame() == (opcode, payload)
        await shared_target.answers()
        await client.close()


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_fragments_with_pings_between_them_are_put_together(shared_target: Target, opcode: int) -> None:
    """The pongs don't wait for the end of the message (RFC 6455 section 5.4)."""
    async with shared_target.unharmed(), attacker(shared_target.port) as client:
        for size in SIZES:
            payload = os.urandom(size // 2 + 1).hex().encode()[:size]
            first, second = size // 3, size // 2
            with naming(f"{size} bytes"):
                await client.send(frame(opcode, payload[:first], fin=False) + frame(PING, b"one"))
                assert await client.frame() == (PONG, b"one")
                await client.send(frame(CONTINUATION, payload[first:second], fin=False) + frame(PING, b"x" * 125))
                assert await client.frame() == (PONG, b"x" * 125)
                await client.send(frame(CONTINUATION, payload[second:]))
                assert await client.frame() == (opcode, payload)
        await shared_target.answers()
        await client.close()


async def test_one_byte_more_is_refused_from_the_header(shared_target: Target) -> None:
    """Whether it is whole or the fragment by which a message grows too large; no byte of it was sent."""
    cases = {
        "one frame": head(FIN | BINARY, MAX + 1),
        "the first fragment": head(TEXT, MAX + 1),
        "the last fragment": frame(BINARY, bytes(MAX), fin=False) + head(FIN | CONTINUATION, 1),
        "a fragment": frame(BINARY, bytes(MAX - 1), fin=False) + head(CONTINUATION, 2),
    }
    async with shared_target.unharmed():
        await refuses(shared_target, TOO_BIG, cases)


async def test_what_comes_behind_a_claim_that_is_too_large_costs_nothing(target: Target) -> None:
    """It is read and dropped until the client is cut, so that our Close isn't lost to a reset."""
    async with target.unharmed():
        with target.memory_bound(4 * MiB):
            for claim in (MAX + 1, 1 << 31, (1 << 63) - 1):
                with naming(f"{claim} bytes"):
                    async with attacker(target.port) as client:
                        await client.send(head(FIN | BINARY, claim))
                        assert await pour(client, bytes(MiB), 64 * MiB) >= 64 * MiB
                        await target.answers()
                        assert await client.told(TOO_BIG) == f"the message has more than {MAX} bytes"


async def test_a_claim_alone_reserves_no_memory(target: Target) -> None:
    """100 headers that announce a message of the largest size, none of which comes: 100 MiB if they were believed."""
    async with target.unharmed():
        with target.memory_bound(16 * MiB):
            async with AsyncExitStack() as stack:
                for _ in range(100):
                    client = await stack.enter_async_context(attacker(target.port))
                    await client.send(head(FIN | BINARY, MAX) + b"x")
                await target.answers()
