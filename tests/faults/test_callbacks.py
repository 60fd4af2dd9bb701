"""A callback that raises: 1011 for its client, one traceback in the log, and nothing for anybody else."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest
import trio

from tests.support.attacker import attacker
from tests.support.faults import Target
from tests.support.wire import CLOSE, CONTINUATION, PING, TEXT, frame

INTERNAL_ERROR = 1011
CRASHES = 20


@pytest.fixture
def failing(start_target: Callable[..., Target]) -> Iterator[Target]:
    """Ended here, and well, because tracebacks are in its log then, as they should be."""
    target = start_target()
    yield target
    process = target.process.process
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 0


async def test_a_callback_that_raises_ends_its_client_alone(failing: Target) -> None:
    """What was sent before is answered, what came behind isn't."""
    behind = frame(TEXT, b"behind") + frame(PING, b"ping") + frame(CLOSE, b"\x03\xe8")
    async with failing.unharmed(log_lines=30, tracebacks=1), attacker(failing.port) as client:
        await client.send(frame(TEXT, b"before"))
        assert await client.message() == "before"
        await client.send(frame(TEXT, b"bo", fin=False) + frame(CONTINUATION, b"om!") + frame(TEXT, b"behind"))
        assert await client.told(INTERNAL_ERROR) == "", "the client is not told what it was"
        await failing.answers()
        await client.send(behind)


async def test_many_that_raise_at_once(failing: Target) -> None:
    async with failing.unharmed(log_lines=30 * CRASHES, tracebacks=CRASHES), AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(attacker(failing.port)) for _ in range(CRASHES)]
        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(client.text, "boom!")
        for client in clients:
            await client.told(INTERNAL_ERROR)
        await failing.answers()
