"""Crowd: the process of one node whose group has many members.

    python -m benchmarks.cluster.crowd alone|URL MEMBERS

Rule owned here: a publish is done here when the last member has handled it; each member sees the numbers 0, 1, 2, ...
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic, monotonic_ns
from typing import Any

import trio

from actorws import Conn, Runtime, Websocket, open_runtime
from actorws.cluster.redis import RedisEngine
from benchmarks.cluster.ledger import HEAD, message
from benchmarks.cluster.node import in_thread
from benchmarks.cluster.orders import obey
from benchmarks.cluster.sink import open_connections

__all__ = ["Crowd", "Member", "Seen"]

GROUP = "crowd"
#: Seconds for a publish to reach everybody.
PATIENCE = 5.0


class Seen:
    """What the members of this node have seen."""

    conn: Conn
    """Of one of them."""

    def __init__(self) -> None:
        self.fault = ""
        self.times: list[int] = []
        """When each message had been handled by everybody."""
        self.news = trio.Event()
        self.size = self.came = 0

    def is_everybody(self) -> None:
        """The last member has handled a message."""
        self.came = 0
        self.times.append(monotonic_ns())
        self.news.set()


class Member(Websocket):
    """The state of each is the number that it expects."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def init(self, conn: Conn) -> tuple[int, None]:
        conn.join_nowait(GROUP)
        self._seen.conn = conn
        self._seen.size += 1
        return 0, None

    def handle_client_message(self, state: int, conn: Conn, frame: Any) -> tuple[int, None]:
        return state, None

    def handle_server_message(self, state: int, conn: Conn, data: bytes) -> tuple[int, list[bytes]]:
        seen, number = self._seen, HEAD.unpack_from(data)[1]
        if number != state:
            seen.fault = seen.fault or f"message {number} came where {state} was due"
        seen.came += 1
        if seen.came == seen.size:
            seen.is_everybody()
        return number + 1, [data]


class Crowd:
    """What the coordinator orders."""

    def __init__(self, runtime: Runtime, seen: Seen) -> None:
        self._runtime = runtime
        self._seen = seen
        #: Messages before those that count now.
        self._before = 0

    async def begin(self) -> None:
        """What is published from now on counts."""
        self._before += len(self._seen.times)
        self._seen.times = []

    async def publish(self, rate: float, seconds: float) -> list[int]:
        """Publish at a pace, or (0) the next as soon as this node's members have the last; returns when each began."""
        called: list[int] = []
        until = monotonic() + seconds
        while monotonic() < until:
            data = message(0, self._before + len(called))
            called.append(monotonic_ns())
            await self._runtime.group.publish(GROUP, data)
            if rate:
                await trio.sleep(1 / rate)
            else:
                await self._wait(len(called))
        return called

    async def done(self, count: int) -> dict[str, Any]:
        """When each of ``count`` publishes was done here."""
        await self._wait(count)
        return {"times": self._seen.times, "fault": self._seen.fault}

    async def _wait(self, count: int) -> None:
        seen = self._seen
        with trio.fail_after(PATIENCE):
            while len(seen.times) < count:
                seen.news = trio.Event()
                await seen.news.wait()


@asynccontextmanager
async def _runtime(url: str) -> AsyncIterator[Runtime]:
    async with open_runtime() if url == "alone" else open_runtime(engine=RedisEngine(url)) as runtime:
        yield runtime


async def _main(url: str, count: int) -> None:
    seen = Seen()
    async with _runtime(url) as runtime:
        open_connections(runtime, Member(seen), count)
        await seen.conn.join(GROUP)  # again: returns when what others publish will come
        await obey(Crowd(runtime, seen), in_thread)


if __name__ == "__main__":
    trio.run(_main, sys.argv[1], int(sys.argv[2]))
