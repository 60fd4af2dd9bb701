"""A script's connection with a server that is nothing but bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

import actorws
from actorws import Connection
from actorws.testing.memory import memory_streams
from tests.support.client_frames import ClientFrames, accept

__all__ = ["Peer"]


class Peer(ClientFrames):
    """The server's end. It says nothing by itself but 101."""

    def __init__(self, nursery: trio.Nursery, capacity: int) -> None:
        self._nursery = nursery
        self._client_end, theirs = memory_streams(capacity)
        super().__init__(theirs)
        self._accepted = trio.Event()

    async def open_stream(self, host: str, port: int) -> trio.abc.Stream:
        self._nursery.start_soon(self.accept)
        return self._client_end

    async def accept(self) -> None:
        head = await self.until(b"\r\n\r\n")
        await self.stream.send_all(accept(head))
        self._accepted.set()

    async def frame(self) -> tuple[int, bytes]:
        await self._accepted.wait()
        return await super().frame()

    @asynccontextmanager
    async def connect(self, **options: Any) -> AsyncIterator[Connection]:
        async with actorws.connect("ws://test/", open_stream=self.open_stream, **options) as connection:
            yield connection

    def take_leave_later(self) -> None:
        """Answer Close, whenever it comes, and end TCP."""
        self._nursery.start_soon(self.take_leave)
