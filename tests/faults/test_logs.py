"""A log that can't be written: lines are lost, and nothing else."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest
import trio

from tests.support.attacker import attacker
from tests.support.faults import MiB, Target
from tests.support.wire import connect, open_client

INTERNAL_ERROR = 1011
#: Bytes that the file may have.
ROOM = 2048

#: Where stderr goes: to a disk without room, to a file that may not grow, to a pipe that nobody reads any more.
FULL_DISK = ["sh", "-c", 'exec "$@" 2>/dev/full', "sh"]
FULL_FILE = ["prlimit", f"--fsize={ROOM}"]
CLOSED_PIPE = [
    sys.executable,
    "-c",
    "import os, sys; read, write = os.pipe(); os.dup2(write, 2); os.close(read); os.execv(sys.argv[1], sys.argv[1:])",
]
NO_STDERR = ["sh", "-c", 'exec "$@" 2>&-', "sh"]


@pytest.fixture(params=[FULL_DISK, FULL_FILE, CLOSED_PIPE, NO_STDERR], ids=["disk", "file", "pipe", "none"])
def mute(request: pytest.FixtureRequest, start_target: Callable[..., Target]) -> Iterator[Target]:
    """Can't write its log, or no more than a bit of it. It leaves with status 0, as ever."""
    target = start_target("tests.servers.torture:app", "--log-level", "debug", prefix=request.param)
    yield target
    process = target.process.process
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 0


async def misbehave(target: Target) -> None:
    """All that is worth a line: refused, violated, crashed with a traceback, come and gone."""
    async with connect(target.port) as client:
        assert (await client.get("/nowhere")).status == 404
    async with attacker(target.port) as client:
        await client.send(b"\xff" * 10)
        await client.told(1002)
    async with attacker(target.port) as client:
        await client.text("boom!")
        await client.told(INTERNAL_ERROR)
    async with open_client(target.port) as client:
        client.reset()


async def test_it_serves_on_without_a_log(mute: Target) -> None:
    descriptors, memory = mute.descriptors(), mute.memory()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_client(mute.port)) for _ in range(10)]
        for _ in range(30):
            await misbehave(mute)
        await mute.answers()
        cpu = mute.cpu()
        await trio.sleep(0.3)
        assert mute.cpu() - cpu < 0.1, "what can't be written must not keep it busy"
        for client in clients:
            await client.echo("still here")
            await client.close()
    await mute.comes(lambda: mute.descriptors() <= descriptors)
    assert mute.memory() - memory < 8 * MiB
    assert len(mute.process.log()) <= ROOM
