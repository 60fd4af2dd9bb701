"""A server under attack, seen from outside: what it must still do and what it must not keep."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import trio

from tests.support.wire import Client, connect, open_client

__all__ = ["MiB", "Target", "seconds_of_cpu", "secure"]

MiB = 1024 * 1024
#: A well-behaved client has its echo within this time, whatever others do.
ECHO_SECONDS = 1.0
#: And what an attack took is given back within this one.
BACK_SECONDS = 10.0
#: Between two looks at the other process, which doesn't tell when it changes.
LOOK = 0.02


class Target:
    """A server in a process of its own. ``process`` is what the fixture ``start_server`` returns.

    ``tls``: what a client connects with, for a server that needs it.
    """

    def __init__(self, process: Any, path: str = "/", tls: ssl.SSLContext | None = None) -> None:
        self.process = process
        self.path = path
        self.tls = tls
        self.pid: int = process.process.pid
        self.port = int(process.address.rpartition(":")[2])

    # What it must do

    async def answers(self) -> None:
        """A fresh and well-behaved client gets its echo in time."""
        with trio.fail_after(ECHO_SECONDS):
            async with self.good_client() as client:
                await client.echo("still there?")
                await client.close()

    @asynccontextmanager
    async def good_client(self) -> AsyncIterator[Client]:
        """A WebSocket of a well-behaved client."""
        if self.tls is None:
            async with open_client(self.port, self.path) as client:
                yield client
        else:
            async with secure(self.port, self.tls) as client:
                await client.upgrade(self.path)
                yield client

    @asynccontextmanager
    async def unharmed(self, *, growth: int = 8 * MiB, log_lines: int = 5, tracebacks: int = 0) -> AsyncIterator[None]:
        """Attack in the block. Then a good client is served, descriptors and memory are back, the log is calm.

        ``growth``: bytes of resident memory that may remain. ``log_lines``: lines that may be written in the block, and
        ``tracebacks``: how many must be among them.
        """
        await self.answers()
        memory, lines = self.memory(), len(self.lines())
        async with self.good_client() as bystander:
            await bystander.echo("before")
            # The good client's connection is gone by now: its end came before the bystander did.
            descriptors = self.descriptors() - 1
            yield
            await self.answers()
            await bystander.echo("after")
            await bystander.close()
        await self.comes(lambda: self.descriptors() <= descriptors, lambda: f"descriptors: {self.descriptors()}")
        await self.comes(lambda: self.memory() <= memory + growth, lambda: f"memory: {memory} -> {self.memory()}")
        new = self.lines()[lines:]
        assert len(new) <= log_lines, new
        assert sum(line.startswith("Traceback") for line in new) == tracebacks, new

    async def comes(
        self, condition: Callable[[], bool], what: Callable[[], str] = str, seconds: float = BACK_SECONDS
    ) -> None:
        """Wait for something to become true of the process."""
        with trio.move_on_after(seconds):
            while not condition():
                await trio.sleep(LOOK)
        assert condition(), what()

    # What it uses

    def descriptors(self) -> int:
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory(self) -> int:
        """Bytes of resident memory."""
        return self._status("VmRSS") * 1024

    def peak_memory(self) -> int:
        """The most it ever was, since ``forget_peak``."""
        return self._status("VmHWM") * 1024

    def forget_peak(self) -> None:
        """Begin to measure the peak anew (proc(5), clear_refs)."""
        with open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")

    @contextmanager
    def memory_bound(self, growth: int) -> Iterator[None]:
        """At no moment of the block may it have ``growth`` bytes more than at its begin."""
        before = self.memory()
        self.forget_peak()
        yield
        assert self.peak_memory() - before <= growth, f"{before} -> {self.peak_memory()}"

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        return seconds_of_cpu(self.pid)

    def lines(self) -> list[str]:
        """The log so far."""
        log: str = self.process.log()
        return log.splitlines()

    def _status(self, name: str) -> int:
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(name + ":"))


@asynccontextmanager
async def secure(port: int, tls: ssl.SSLContext) -> AsyncIterator[Client]:
    """A connection with TLS to this machine."""
    async with connect(port) as tcp:
        stream = trio.SSLStream(tcp.stream, tls, server_hostname="127.0.0.1")
        await stream.do_handshake()
        yield Client(stream)


def seconds_of_cpu(pid: int) -> float:
    """What a process has used, system time included."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
