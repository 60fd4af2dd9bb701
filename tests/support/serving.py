"""Servers for tests: in this process with their events recorded, or in one of their own, on free ports."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import trio

from actorws import App, Websocket, events
from actorws.events import Event
from actorws.server.serve import Served, serve
from tests.support.wire import SECONDS

__all__ = ["Echo", "Server", "descriptors", "serving"]

E = TypeVar("E", bound=Event)


class Echo(Websocket):
    """Says everything back."""

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [frame]


class Server:
    """A server that runs, and the events so far."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = trio.Event()
        self.served: Served

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()
        self._news = trio.Event()

    @property
    def port(self) -> int:
        assert self.served.port is not None
        return self.served.port

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def seen(self, kind: type[E], count: int = 1) -> list[E]:
        """Wait until there are ``count`` events of a kind."""
        await self.until(lambda: len(self.all(kind)) >= count)
        return self.all(kind)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition that changes with an event."""
        with trio.fail_after(SECONDS):
            while not condition():
                await self._news.wait()

    async def no_wires(self) -> None:
        """Wait until every connection is closed on the server's side."""
        with trio.fail_after(SECONDS):
            await self.served.runtime.wait_no_wires()

    def assert_sound(self) -> None:
        """Nothing of the server's own went wrong."""
        assert not self.all(events.BackgroundCrashed)


@asynccontextmanager
async def serving(app: App | type[Websocket] | Websocket, **options: Any) -> AsyncIterator[Server]:
    """Serve ``app`` on a free port while the block lasts; then it must come to its end by itself."""
    server = Server()
    options = {"port": 0, "drain_timeout": 1.0, **options}
    async with trio.open_nursery() as nursery:
        server.served = await nursery.start(partial(serve, app, on_event=server, **options))
        try:
            yield server
            server.assert_sound()
        finally:
            server.served.shut_down()
            # A server that doesn't end must not hang the suite.
            nursery.cancel_scope.deadline = trio.current_time() + SECONDS
    assert not nursery.cancel_scope.cancelled_caught, "the server did not end"


def descriptors() -> set[str]:
    """What this process has open."""
    return {f"{fd}:{os.readlink(f'/proc/self/fd/{fd}')}" for fd in os.listdir("/proc/self/fd") if _is_open(fd)}


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")
