"""Compressed messages that are large only when inflated: memory stays at what a message may have."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from functools import cache

import pytest

from tests.support.attacker import FIN, RSV1, attacker, compressed, head, naming, pour
from tests.support.deflate import deflated
from tests.support.faults import MiB, Target
from tests.support.wire import BINARY, CONTINUATION, frame

OFFER = {"sec_websocket_extensions": "permessage-deflate"}
TOO_BIG = 1009
MAX = 1 * MiB
WHY = f"the message has more than {MAX} bytes"
#: As large as a message may be, in 1 KB.
ZEROS = deflated(bytes(MAX))


@pytest.fixture
def target(start_target: Callable[..., Target]) -> Target:
    """Agrees to compression; messages of at most 1 MiB."""
    return start_target("tests.servers.deflating:app")


@cache
def bomb() -> bytes:
    """256 MiB of zeros, a thousandth of that compressed."""
    stream = zlib.compressobj(wbits=-15)
    return b"".join(stream.compress(bytes(MiB)) for _ in range(256)) + stream.flush(zlib.Z_SYNC_FLUSH)


def fragments(data: bytes, size: int) -> bytes:
    """A compressed message in fragments of ``size`` bytes, whose last is yet to come."""
    rest = [frame(CONTINUATION, data[i : i + size], fin=False) for i in range(size, len(data), size)]
    return compressed(BINARY, data[:size]) + b"".join(rest)


@pytest.mark.parametrize("size", [1 << 20, 65_536, 500])
async def test_a_bomb_costs_what_a_message_may_have(target: Target, size: int) -> None:
    """In one frame, in fragments, in many small ones."""
    frames = fragments(bomb(), size)
    async with target.unharmed():
        with target.memory_bound(MAX + 4 * MiB):
            for _ in range(5):
                async with attacker(target.port, **OFFER) as client:
                    await client.send(frames)
                    await target.answers()
                    assert await client.told(TOO_BIG) == WHY


async def test_the_limit_is_exact(target: Target) -> None:
    """Accepted is what has as many bytes; refused is what has one or two more, however it is cut into fragments."""
    random = os.urandom(MAX + 2)
    async with target.unharmed():
        for name, payload in (("zeros", bytes(MAX + 2)), ("random bytes", random)):
            for more in (0, 1, 2):
                data = deflated(payload[: MAX + more])
                cut = len(data) - 1
                shapes = {
                    "in one frame": compressed(FIN | BINARY, data),
                    "the end in a second": compressed(BINARY, data[:cut]) + frame(CONTINUATION, data[cut:]),
                    "and a third that is empty": fragments(data, cut) + frame(CONTINUATION),
                }
                for shape, frames in shapes.items():
                    with naming(f"{name}, {more} more, {shape}"):
                        async with attacker(target.port, **OFFER) as client:
                            await client.send(frames)
                            if more:
                                assert await client.told(TOO_BIG) == WHY
                            else:
                                assert await client.binary() == payload[:MAX]
                                await client.close()
        await target.answers()


async def test_many_small_bombs_in_one_read_are_taken_one_by_one(target: Target) -> None:
    """60 MiB in 60 KB; each is as large as it may be, and comes back."""
    async with target.unharmed(), attacker(target.port, **OFFER) as client:
        with target.memory_bound(8 * MiB):
            await client.send(compressed(FIN | BINARY, ZEROS) * 60)
            await target.answers()
            for _ in range(60):
                assert await client.binary() == bytes(MAX)
        await client.close()


async def test_small_bombs_for_an_actor_that_is_busy_wait_unread(target: Target) -> None:
    """What is inflated counts for the mailbox: 4 MiB, and the message that didn't fit."""
    async with target.unharmed(), attacker(target.port, "/slow", **OFFER) as client:
        with target.memory_bound(4 * MiB + 6 * MiB):
            sent = await pour(client, compressed(FIN | BINARY, ZEROS) * 60, 64 * MiB)
            assert sent < 64 * MiB
            await target.answers()
        client.reset()


async def test_a_claim_above_what_a_message_can_be_compressed_to_is_refused_from_its_header(target: Target) -> None:
    """Deflate never makes an eighth more of anything."""
    claims = (2 * MAX, 1 << 31, (1 << 63) - 1)
    async with target.unharmed():
        for claim in claims:
            for begin in (head(FIN | RSV1 | BINARY, claim), compressed(BINARY, b"\0") + head(CONTINUATION, claim)):
                with naming(f"{claim} bytes"):
                    async with attacker(target.port, **OFFER) as client:
                        await client.send(begin)
                        await target.answers()
                        assert await client.told(TOO_BIG) == WHY


async def test_fragments_that_inflate_to_nothing_are_counted_as_well(target: Target) -> None:
    """Empty blocks: in bytes on the wire, and in fragments."""
    blocks = b"\x00\x00\x00\xff\xff" * 10_000
    async with target.unharmed():
        with target.memory_bound(MAX + 4 * MiB):
            async with attacker(target.port, **OFFER) as client:
                await client.send(compressed(BINARY, blocks))
                sent = await pour(client, head(CONTINUATION, len(blocks)) + blocks, 8 * MiB)
                assert sent >= 8 * MiB, "what comes behind our Close is dropped"
                await target.answers()
                assert await client.told(TOO_BIG) == WHY
            async with attacker(target.port, **OFFER) as client:
                await client.send(compressed(BINARY, b"") + frame(CONTINUATION, fin=False) * 2000)
                assert await client.told(TOO_BIG) == "the message has more than 1024 fragments"


async def test_a_bomb_for_a_route_with_large_messages(start_target: Callable[..., Target]) -> None:
    """32 MiB; zlib has them twice for a moment. The allocator keeps 8 MiB of what was freed."""
    target = start_target()
    async with target.unharmed(growth=12 * MiB):
        with target.memory_bound(2 * 32 * MiB + 4 * MiB):
            for _ in range(3):
                async with attacker(target.port, "/big", **OFFER) as client:
                    await client.send(compressed(FIN | BINARY, bomb()))
                    await target.answers()
                    assert await client.told(TOO_BIG) == f"the message has more than {32 * MiB} bytes"
