"""Fragments in the wrong order, too many of them, and messages that grow without end."""

from __future__ import annotations

import pytest

from tests.support.attacker import FIN, attacker, head, naming, pour, refuses
from tests.support.faults import MiB, Target
from tests.support.wire import BINARY, CONTINUATION, PING, PONG, TEXT, frame

PROTOCOL_ERROR, TOO_BIG = 1002, 1009
#: Defaults, and what the route ``/big`` takes.
MAX, FRAGMENTS, BIG_FRAGMENTS = 1 * MiB, 1024, 70_000
WHOLE = head(FIN | PING, 0)
MORE = head(CONTINUATION, 2) + b"xy"


async def test_a_continuation_needs_a_message_that_was_begun(shared_target: Target) -> None:
    """RFC 6455 section 5.4."""
    fragmented = frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b")
    cases = {
        "the last fragment": frame(CONTINUATION, b"x"),
        "not the last": frame(CONTINUATION, b"x", fin=False),
        "an empty one": frame(CONTINUATION),
    }
    async with shared_target.unharmed():
        await refuses(shared_target, PROTOCOL_ERROR, cases)
        async with attacker(shared_target.port) as client:
            await client.send(fragmented + frame(CONTINUATION, b"c"))
            assert await client.message() == "ab"
            await client.told(PROTOCOL_ERROR)


async def test_a_message_may_not_begin_inside_another(shared_target: Target) -> None:
    cases = {
        f"{second} in {first}, {'whole' if fin else 'begun'}": frame(first, b"a", fin=False) + frame(second, fin=fin)
        for first in (TEXT, BINARY)
        for second in (TEXT, BINARY)
        for fin in (True, False)
    }
    async with shared_target.unharmed():
        await refuses(shared_target, PROTOCOL_ERROR, cases)


async def test_a_message_that_grows_by_fragments_is_refused_when_it_is_too_big(target: Target) -> None:
    """64 KiB each, never the last one, four times what is allowed: memory stays at what is allowed."""
    fragment = head(CONTINUATION, 65_536) + bytes(65_536)
    async with target.unharmed():
        with target.memory_bound(4 * MiB):
            async with attacker(target.port) as client:
                await client.send(head(BINARY, 65_536) + bytes(65_536))
                assert await pour(client, fragment, 4 * MAX) >= 4 * MAX, "what comes behind our Close is dropped"
                await target.answers()
                assert await client.told(TOO_BIG) == f"the message has more than {MAX} bytes"


async def test_as_many_fragments_as_are_allowed_and_one_more(shared_target: Target) -> None:
    async with shared_target.unharmed():
        for path, most in (("/", FRAGMENTS), ("/big", BIG_FRAGMENTS)):
            with naming(path):
                async with attacker(shared_target.port, path) as client:
                    begin = frame(BINARY, b"xy", fin=False) + MORE * (most - 2)
                    await client.send(begin + frame(CONTINUATION, b"xy"))
                    assert await client.frame() == (BINARY, b"xy" * most)
                    await client.send(begin + MORE)
                    await shared_target.answers()
                    await client.send(head(CONTINUATION, 0))
                    assert await client.told(TOO_BIG) == f"the message has more than {most} fragments"


@pytest.mark.parametrize("path", ["/", "/big"])
async def test_300_000_fragments_of_nothing_or_next_to_nothing(target: Target, path: str) -> None:
    """What is kept of each costs far more than the fragment, if it is not bounded in number."""
    async with target.unharmed():
        with target.memory_bound(4 * MiB if path == "/" else 16 * MiB):
            for size in (0, 2):
                fragment = head(CONTINUATION, size) + bytes(size)
                with naming(f"{size} bytes"):
                    async with attacker(target.port, path) as client:
                        await client.send(head(BINARY, 0))
                        everything = 300_000 * len(fragment)
                        assert await pour(client, fragment * 1000, everything) == everything
                        await target.answers()
                        await client.told(TOO_BIG)


async def test_a_message_that_is_never_finished_leaves_its_client_all_else(shared_target: Target) -> None:
    """Pings are answered in the middle of it, as often as they come."""
    async with shared_target.unharmed(), attacker(shared_target.port) as client:
        await client.send(frame(TEXT, b"never", fin=False))
        for _ in range(100):
            await client.send(WHOLE + MORE)
            assert await client.frame() == (PONG, b"")
        await shared_target.answers()
        await client.close()
