"""Runtime: one per process; owns what all connections share and is passed in wherever it is needed.

Rule owned here: nothing of the runtime is global; two of them in one process know nothing of each other. Must not
know sockets, transports or servers.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import trio

from actorws.actor.actor import Actor
from actorws.actor.life import Life
from actorws.actor.scheduler import BUDGET, Scheduler
from actorws.actor.supervisor import Supervisor
from actorws.actor.timers import Wheel
from actorws.actor.workers import Workers
from actorws.events import BackgroundCrashed, Event
from actorws.observability.logs import log_events
from actorws.observability.subscribers import Subscribers, to_all
from actorws.reasons import Replaced
from actorws.registry.group import Group
from actorws.registry.unique import Unique

__all__ = ["Runtime", "open_runtime"]


class Runtime:
    """What actors live in. Made by ``serve`` (or ``open_runtime``); reach it as ``conn.runtime``."""

    def __init__(self, nursery: trio.Nursery, on_event: Subscribers | None = None) -> None:
        self.id: str = secrets.token_hex(4)
        """Tells this runtime from every other; the first part of its connections' ids."""
        self._on_event = log_events() if on_event is None else to_all(on_event)
        self._serials = count(1)
        self.scheduler = Scheduler(self.emit)
        self.workers = Workers(nursery, self.emit)
        self.supervisor = Supervisor(self.emit)
        self.wheel = Wheel(trio.current_time)
        self.unique: Unique = Unique(self.scheduler, self._take_over)
        """Names that one actor each has."""
        self.group: Group = Group(self.scheduler)
        """Names that many actors share."""
        #: Whether there is no time left for a ``terminate`` that has to wait.
        self.hurried = False
        #: The shields of ``async def terminate`` callbacks that run now.
        self.terminating: set[trio.CancelScope] = set()
        #: Connections that drivers have.
        self.wires = 0
        self._no_wires: trio.Event | None = None
        self._alarm = trio.CancelScope()
        self.wheel.on_earlier = self._set_alarm

    def emit(self, event: Event) -> None:
        """Tell the subscribers. What one raises is dropped: observing must not change what is observed."""
        try:
            self._on_event(event)
        except Exception:
            pass

    def next_serial(self) -> int:
        """A number for a new connection."""
        return next(self._serials)

    def forget(self, actor: Life) -> None:
        """Take the names and memberships of an actor whose end is decided."""
        if actor.names:
            self.unique.forget(actor)
        if actor.groups:
            self.group.forget(actor)

    # Wires, so that a shutdown can wait for their leave

    def wire_opened(self) -> None:
        """A driver has a connection more."""
        self.wires += 1

    def wire_closed(self) -> None:
        """A driver has closed a connection."""
        self.wires -= 1
        if not self.wires and self._no_wires is not None:
            self._no_wires.set()

    async def wait_no_wires(self) -> None:
        """Wait until no driver has a connection."""
        if self.wires:
            self._no_wires = trio.Event()
            await self._no_wires.wait()

    def hurry(self) -> None:
        """Give up what still runs at the end: each ``terminate`` that hasn't returned, now or later, is cancelled."""
        self.hurried = True
        for scope in tuple(self.terminating):
            scope.cancel()

    def _take_over(self, actor: Actor, name: str) -> None:
        # Through the run queue: the new owner's callback may be on the stack.
        self.scheduler.post_end(actor, Replaced(name))

    async def run(self) -> None:
        """Run the scheduler and the timers. Never returns; cancel it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.enable_ki_protection(self.scheduler.run), name="actorws scheduler")
            nursery.start_soon(trio.lowlevel.enable_ki_protection(self._run_timers), name="actorws timers")

    def _set_alarm(self) -> None:
        self._alarm.deadline = self.wheel.next_deadline()

    async def _run_timers(self) -> None:
        while True:
            with trio.CancelScope(deadline=self.wheel.next_deadline()) as self._alarm:
                await trio.sleep_forever()
            try:
                self.wheel.advance(trio.current_time(), BUDGET)
            except ExceptionGroup as error:
                # A fault of ours must not cost more than the deadline in which it showed.
                self.emit(BackgroundCrashed("timers", error))
            # What expired may have left output.
            self.scheduler.wake()


@asynccontextmanager
async def open_runtime(on_event: Subscribers | None = None) -> AsyncIterator[Runtime]:
    """A runtime without a server, for as long as the block lasts; at its end every actor is cut.

    ``on_event``, or each if it is a list, is called with each event, synchronously. Default: they are logged, see
    ``actorws.observability``. Raises ``ConfigError`` for what can't be called.
    """
    async with trio.open_nursery() as nursery:
        runtime = Runtime(nursery, on_event)
        nursery.start_soon(runtime.run)
        try:
            yield runtime
        finally:
            runtime.supervisor.refuse_new()
            runtime.supervisor.cut_all()
            with trio.CancelScope(shield=True):
                # Bounded: every terminate has its deadline.
                await runtime.supervisor.wait_empty()
            nursery.cancel_scope.cancel()
