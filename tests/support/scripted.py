"""A transport that does what its test says, and sees to it that it is called as its contract promises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
import trio.testing

from actorws import Close, Ping, Pong, Reason, Remote, Request, Runtime, Transport, open_runtime, run_over
from actorws.events import Event

__all__ = ["Running", "Scripted", "running"]


class Scripted(Transport):
    """``sent``, ``closed`` and ``aborted`` are what it was told."""

    name = "scripted"

    def __init__(self) -> None:
        self.say, self._heard = trio.open_memory_channel[Any](1000)
        self.sent: list[Any] = []
        self.closed: list[Close] = []
        self.aborted = 0
        self.receives = 0
        self._room = trio.Event()
        self._room.set()
        #: What ``send`` and ``close`` raise.
        self.send_raises: Exception | None = None
        self.close_raises: Exception | None = None
        self.close_hangs = False
        #: What ``ping`` comes to: an answer, none at all, or an exception.
        self.ping_answers: bool | Exception | None = False
        self.pings = 0
        self._under_way: set[str] = set()

    def hears(self, *messages: Any) -> None:
        """The client says something; an exception is raised by ``receive``."""
        for message in messages:
            self.say.send_nowait(message)

    def block(self) -> None:
        """The client takes nothing more."""
        self._room = trio.Event()

    def unblock(self) -> None:
        self._room.set()

    async def receive(self) -> str | bytes | Close | Remote:
        self._begin("receive")
        try:
            self.receives += 1
            message = await self._heard.receive()
        finally:
            self._under_way.discard("receive")
        if isinstance(message, Exception):
            raise message
        received: str | bytes | Close | Remote = message
        return received

    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        self._begin("send")
        try:
            await trio.lowlevel.checkpoint()
            await self._room.wait()
            if self.send_raises is not None:
                raise self.send_raises
            self.sent.append(frame)
        finally:
            self._under_way.discard("send")

    async def close(self, frame: Close) -> None:
        assert not self._under_way, f"close was called beside {self._under_way}"
        assert not self.closed, "close was called again"
        self._begin("close")
        self.closed.append(frame)
        await trio.lowlevel.checkpoint()
        if self.close_raises is not None:
            raise self.close_raises
        if self.close_hangs:
            await trio.sleep_forever()

    def abort(self) -> None:
        self.aborted += 1

    async def ping(self) -> bool:
        self.pings += 1
        await trio.lowlevel.checkpoint()
        if isinstance(self.ping_answers, Exception):
            raise self.ping_answers
        if self.ping_answers is None:
            await trio.sleep_forever()
        return bool(self.ping_answers)

    def _begin(self, method: str) -> None:
        assert not self.aborted, f"{method} was called after abort"
        assert method not in self._under_way, f"{method} was called while it was under way"
        assert "close" not in self._under_way or method == "close"
        self._under_way.add(method)


class Running:
    """An actor over a transport, and the events so far."""

    def __init__(self, runtime: Runtime, events: list[Event]) -> None:
        self.runtime = runtime
        self.events = events
        self.reason: Reason | None = None
        self.over = trio.Event()
        self.scope = trio.CancelScope()

    def all(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def conn(self) -> Any:
        """Of the one actor there is."""
        [actor] = self.runtime.supervisor
        return actor.conn

    async def wait_over(self) -> Reason | None:
        with trio.fail_after(1000):
            await self.over.wait()
        return self.reason

    async def run(self, wire: Any, behaviour: Any, request: Request | None, options: dict[str, Any]) -> None:
        with self.scope:
            self.reason = await run_over(wire, behaviour, self.runtime, request=request, **options)
        self.over.set()


@asynccontextmanager
async def running(wire: Any, behaviour: Any, request: Request | None = None, **options: Any) -> AsyncIterator[Running]:
    """Run an actor over ``wire`` while the block lasts; it begins when nothing else is left to do."""
    events: list[Event] = []
    async with open_runtime(events.append) as runtime, trio.open_nursery() as nursery:
        one = Running(runtime, events)
        nursery.start_soon(partial(one.run, wire, behaviour, request, options))
        await trio.testing.wait_all_tasks_blocked()
        yield one
        nursery.cancel_scope.cancel()
