"""World: a real server, and nodes in processes of their own, each begun again when it has ended.

Rule owned here: nothing outlives the block. Must not know what is done to them, nor by whom they are used.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import trio

from tests.support.proxy import PROJECT, ProxyProcess
from tests.support.redis import RedisServer, binary_of

__all__ = ["Node", "World", "open_world"]


class Node:
    """A place in the cluster, and the process that fills it."""

    def __init__(self, number: int, command: list[str], acts: Path, log: Path, proxy: ProxyProcess | None) -> None:
        self.number = number
        self.proxy = proxy
        #: Where it listens; ``None`` while there is no process that does.
        self.port: int | None = None
        self._command = command
        self._environment = {**os.environ, "CHAOS_ACTS": str(acts)}
        self._log = log
        self._process: trio.Process | None = None
        self.begun = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, number)

    async def run(self) -> None:
        """Keep a process running; cancelled, kill it."""
        while True:
            with self._log.open("ab") as log:
                self._process = await trio.lowlevel.open_process(
                    self._command, cwd=PROJECT, env=self._environment, stdout=subprocess.PIPE, stderr=log
                )
            self.begun += 1
            try:
                await self._attend(self._process)
            finally:
                self.port = None
                self._process.kill()
                with trio.CancelScope(shield=True):
                    await self._process.wait()
                    assert self._process.stdout is not None
                    await self._process.stdout.aclose()

    async def _attend(self, process: trio.Process) -> None:
        assert process.stdout is not None
        said = b""
        while b"\n" not in said:
            part = await process.stdout.receive_some()
            if not part:
                return  # The engine was away for too long.
            said += part
        self.port = int(said.split(b"\n")[0].rpartition(b":")[2])
        await process.wait()


class World:
    """A server and its nodes."""

    def __init__(self, redis: RedisServer, nodes: list[Node], acts: Path) -> None:
        self.redis = redis
        self.nodes = nodes
        self.acts = acts

    async def until_up(self) -> None:
        """Wait until every node accepts connections."""
        while any(node.port is None for node in self.nodes):
            await trio.sleep(0.02)


@asynccontextmanager
async def open_world(folder: Path, *, count: int = 3, quick: bool) -> AsyncIterator[World]:
    """``quick``: with a short lease, and each with a proxy to the server; else as the command line starts them."""
    binary = binary_of("redis")
    assert binary is not None, "there is no redis-server; run .ci/prepare redis"
    with ExitStack() as stack:
        redis = RedisServer(binary, folder)
        stack.callback(redis.stop)
        redis.start()
        redis.settle()
        acts, nodes = folder / "acts", []
        for number in range(count):
            proxy = ProxyProcess(redis.path) if quick else None
            if proxy is not None:
                stack.callback(proxy.stop)
            command = [sys.executable, "-m"]
            command += ["tests.chaos.node", proxy.url] if proxy else ["actorws", "serve", "tests.chaos.app:app"]
            command += [] if proxy else ["--cluster", redis.url, "--port", "0"]
            nodes.append(Node(number, command, acts, folder / f"node{number}.log", proxy))
        async with trio.open_nursery() as nursery:
            for node in nodes:
                nursery.start_soon(node.run)
            world = World(redis, nodes, acts)
            with trio.fail_after(60):
                await world.until_up()
            yield world
            for node in nodes:
                node.signal(signal.SIGCONT)
            nursery.cancel_scope.cancel()
