"""The generator of the benchmarks, run as a program, and servers for it of which every byte is known."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from attrs import frozen

from benchmarks.load import generator
from benchmarks.question import Load
from tests.support.client_frames import ClientFrames, accept
from tests.support.raw_servers import RawServer, raw_server
from tests.support.wire import CLOSE, Client

__all__ = ["SECONDS", "Ran", "Serve", "answering", "drive", "driven", "echo", "hang_up", "serving", "take_all"]

#: Far more than anything here takes.
SECONDS = 100

Figures = dict[str, Any]


@frozen
class Ran:
    """How it went: its lines of JSON, and what it said on its error output."""

    status: int
    answers: list[Figures]
    errors: str

    @property
    def figures(self) -> Figures:
        """Of the work."""
        assert self.status == 0, self.errors
        return self.answers[1]


def ran(done: subprocess.CompletedProcess[bytes]) -> Ran:
    return Ran(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode())


def drive(load: Load, port: int, seconds: float = 0.1) -> Ran:
    """Run it against a server that is a process."""
    command = generator.command(load, port, seconds)
    return ran(subprocess.run(command, input=b"\n", capture_output=True, timeout=SECONDS))


Serve = Callable[[ClientFrames], Awaitable[None]]


@asynccontextmanager
async def serving(*serve: Serve) -> AsyncIterator[RawServer]:
    """The n-th connection is served by the n-th of these, all others by the last."""
    waiting = list(serve)

    async def handle(client: Client) -> None:
        one = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        frames = ClientFrames(client.stream)
        await client.send(accept(await frames.until(b"\r\n\r\n")))
        await one(frames)

    async with raw_server(handle) as server:
        yield server


async def driven(load: Load, server: RawServer, seconds: float = 0.1, *more: str, said: bytes = b"\n") -> Ran:
    """Run it against a server that is here, with ``more`` options, and these bytes on its input."""
    command = [*generator.command(load, server.port, seconds), *more]
    run = partial(trio.run_process, command, stdin=said, capture_stdout=True, capture_stderr=True, check=False)
    with trio.fail_after(SECONDS):
        return ran(await run())


async def echo(frames: ClientFrames) -> None:
    while True:
        opcode, payload = await frames.frame()
        await frames.send(opcode, payload)
        if opcode == CLOSE:
            return


async def take_all(frames: ClientFrames) -> None:
    await frames.rest()


def answering(answer: bytes) -> Serve:
    """Answers the first message with these bytes."""

    async def serve(frames: ClientFrames) -> None:
        await frames.frame()
        await frames.stream.send_all(answer)
        await frames.rest()

    return serve


async def hang_up(frames: ClientFrames) -> None:
    pass
