"""Clients of servers that are several processes: one of each, and many that come and go."""

from __future__ import annotations

from contextlib import AsyncExitStack

import trio

from tests.support.wire import SECONDS, Client, open_client
from tests.support.workers import Command

__all__ = ["REPLACED", "Load", "clients_of_all", "replaced"]

#: What clients are told when their worker is replaced.
REPLACED = 1012


async def clients_of_all(stack: AsyncExitStack, run: Command, count: int, path: str = "/") -> dict[int, Client]:
    """A client of each of ``count`` workers, by their process."""
    clients: dict[int, Client] = {}
    with trio.fail_after(SECONDS):
        while len(clients) < count:
            client = await stack.enter_async_context(open_client(run.port, path))
            clients.setdefault(int(await client.message()), client)
    return clients


class Load:
    """Clients that ask on new connections, all the time."""

    def __init__(self, run: Command) -> None:
        self._run = run
        self._answers = 0
        self._news = trio.Event()

    async def ask(self) -> None:
        while True:
            await self._run.which()
            self._answers += 1
            self._news.set()
            self._news = trio.Event()

    async def more(self, answers: int) -> None:
        """Wait for so many more."""
        until = self._answers + answers
        with trio.fail_after(SECONDS):
            while self._answers < until:
                await self._news.wait()


async def replaced(client: Client) -> None:
    """Wait until the client is told so."""
    assert (await client.closed())[0] == REPLACED
    await client.stream.aclose()
