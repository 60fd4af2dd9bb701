"""Workers: ``actorws serve --workers 2`` beside ``--workers 1``, on echo and on fan-out.

The clients are one process beside it: on two cores they take their share of what the workers could have, so the CPU
time for each message says more than how many messages there were.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio
from attrs import frozen

from benchmarks import machine
from benchmarks.cluster.bench import PATIENCE, ROOT, Bench, RunFailed
from benchmarks.cluster.server import free_port

__all__ = ["CASES", "run"]

QUESTION = "workers"
WORKERS = (1, 2)
#: Seconds in which nothing of what serves takes CPU time, when all of it has begun.
CALM = 0.3


@frozen
class Case:
    """What is served, and what the clients do."""

    name: str
    served: str
    clients: int
    window: int = 1
    fan: bool = False
    """Whether one sends and all receive."""


CASES = (
    Case("echo, 64 clients", "examples.bench:Echo", 64),
    Case("echo, 64 clients, 32 in flight", "examples.bench:Echo", 64, window=32),
    Case("fan-out to 500, callbacks", "examples.bench:Fan", 500, window=4, fan=True),
    Case("fan-out to 500, broadcast", "examples.bench:Topic", 500, window=4, fan=True),
)


async def run(bench: Bench) -> None:
    """Measure all of it."""
    for case in CASES:
        for workers in WORKERS:
            name = f"{case.name}, --workers {workers}"
            async with bench.case(QUESTION, name):
                await _measure(bench, case, workers, name)


async def _measure(bench: Bench, case: Case, workers: int, name: str) -> None:
    async with (
        _served(case.served, workers) as (pid, port),
        bench.process("the clients", "benchmarks.cluster.clients") as clients,
    ):
        await clients.ask("connect", port=port, count=case.clients)
        await clients.ask("begin", window=case.window, fan=case.fan)
        for _ in range(bench.scale.rounds):
            before = machine.cpu_seconds_of_family(pid)
            result = await clients.ask("run", seconds=bench.scale.seconds)
            spent = machine.cpu_seconds_of_family(pid) - before
            if not result["came"]:
                raise RunFailed("no message came")
            rate = result["came"] / result["seconds"]
            bench.note(QUESTION, name, {"messages/s": rate, "CPU of all that serves, us": spent / result["came"] * 1e6})


@asynccontextmanager
async def _served(what: str, workers: int) -> AsyncIterator[tuple[int, int]]:
    """Serve in processes of its own; the parent's id, and the port."""
    port = free_port()
    command = [sys.executable, "-m", "actorws", "serve", what, "--port", str(port), "--workers", str(workers)]
    command += ["--log-level", "error"]
    server = await trio.lowlevel.open_process(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        with trio.move_on_after(PATIENCE) as waiting:
            await _wait_until_it_listens(port)
            await _wait_until_it_is_calm(server.pid)
        if waiting.cancelled_caught:
            raise RunFailed(f"{' '.join(command)} did not begin to serve")
        yield server.pid, port
    finally:
        server.send_signal(signal.SIGTERM)
        with trio.CancelScope(shield=True), trio.move_on_after(PATIENCE):
            await server.wait()


async def _wait_until_it_listens(port: int) -> None:
    while True:
        with suppress(OSError):
            await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
            return
        await trio.sleep(0.02)


async def _wait_until_it_is_calm(pid: int) -> None:
    """Until all of it has begun."""
    while True:
        before = machine.cpu_seconds_of_family(pid)
        await trio.sleep(CALM)
        if machine.cpu_seconds_of_family(pid) - before < CALM / 10:
            return
