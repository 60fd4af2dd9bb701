"""Mailbox: an actor whose callback is an ``async def`` is flooded, beside a task that reads from a queue.

    python -m benchmarks.programs.mailbox VARIANT flood NUMBER SECONDS

NUMBER messages are sent in a row, without waiting, and then handled one by one. An operation is a message, sent and
handled.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import trio

from actorws import Conn, Websocket
from actorws.testing import open_app
from benchmarks.programs import measured
from benchmarks.programs.measured import Meter, Work
from benchmarks.programs.registry import on_trio


class Flood:
    """What is still to be handled."""

    def begin(self, number: int) -> None:
        self.left = number
        self.handled = trio.Event()


class Flooded(Websocket):
    """Counts down to the last message."""

    options: ClassVar[Mapping[str, Any]] = {"mailbox_messages": 1_000_000, "mailbox_bytes": 1 << 30}

    def __init__(self, flood: Flood) -> None:
        self._flood = flood

    def init(self, conn: Conn) -> tuple[None, None]:
        conn.register_nowait("flooded")
        return None, None

    def handle_client_message(self, state: None, conn: Conn, frame: str | bytes) -> tuple[None, None]:
        return None, None

    async def handle_server_message(self, state: None, conn: Conn, message: str) -> tuple[None, None]:
        self._flood.left -= 1
        if not self._flood.left:
            self._flood.handled.set()
        return None, None


async def actor(number: int, meter: Meter) -> None:
    flood = Flood()
    async with open_app(Flooded(flood)) as server:
        await server.connect()
        ref = server.runtime.unique.whereis_nowait("flooded")
        assert ref is not None
        while meter.goes_on():
            with meter.counts(number):
                flood.begin(number)
                for _ in range(number):
                    ref.send_nowait("hello")
                await flood.handled.wait()


async def memory_channel(number: int, meter: Meter) -> None:
    send, receive = trio.open_memory_channel[str](number)

    async def handle_all() -> None:
        for _ in range(number):
            await receive.receive()

    while meter.goes_on():
        with meter.counts(number):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(handle_all)
                for _ in range(number):
                    send.send_nowait("hello")


async def asyncio_queue(number: int, meter: Meter) -> None:
    queue = asyncio.Queue[str]()

    async def handle_all() -> None:
        for _ in range(number):
            await queue.get()

    while meter.goes_on():
        with meter.counts(number):
            task = asyncio.create_task(handle_all())
            for _ in range(number):
                queue.put_nowait("hello")
            await task


WORKS: Mapping[str, Mapping[str, Work]] = {
    "actorws": {"flood": on_trio(actor)},
    "trio memory channel": {"flood": on_trio(memory_channel)},
    "asyncio.Queue": {"flood": lambda number, meter: asyncio.run(asyncio_queue(number, meter))},
}

if __name__ == "__main__":
    sys.exit(measured.main(WORKS, sys.argv[1:]))
