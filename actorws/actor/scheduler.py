"""Scheduler: the end of every tick, and the task that runs one when no driver does.

Rules owned here: what a tick produced leaves at its end, all output for one wire in one write; whatever happens outside
of a driver's tick is seen to just as soon. Must not know what a wire is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import trio

from actorws.actor.runqueue import END, MESSAGE, RunQueue
from actorws.events import Emit

if TYPE_CHECKING:
    from actorws.actor.actor import Actor
    from actorws.reasons import Reason
    from actorws.registry.table import Members

__all__ = ["BUDGET", "Flushable", "Scheduler"]

#: Seconds that a tick may spend on the run queue before it lets sockets and other tasks have their turn.
BUDGET = 0.003


class Flushable(Protocol):
    """A wire with output to write at the end of the tick."""

    def flush(self) -> None:
        """Write what is pending; never raises, never waits."""


def _nothing() -> None:
    pass


def _flush_each(wires: Sequence[Flushable]) -> None:
    for wire in wires:
        wire.flush()


class Scheduler:
    """The run queue and the wires with output."""

    __slots__ = ("_parked", "_woken", "before_delivery", "before_tick", "dirty", "flush_all", "queue", "ticking")

    def __init__(
        self, emit: Emit, before_tick: Callable[[], None] = _nothing, before_delivery: Callable[[], None] = _nothing
    ) -> None:
        self.queue = RunQueue(emit)
        #: Called before each tick of the scheduler's own.
        self.before_tick = before_tick
        #: Called before what waits is delivered: what leaves for elsewhere should not have to wait for that.
        self.before_delivery = before_delivery
        #: Wires with pending output; whoever adds one outside of a tick calls ``wake``.
        self.dirty: list[Flushable] = []
        #: Writes what is pending on wires. A driver may bring a quicker way to flush its own.
        self.flush_all: Callable[[Sequence[Flushable]], None] = _flush_each
        #: Whether a driver is in the middle of a tick, at whose end everything is seen to.
        self.ticking = False
        self._parked: trio.lowlevel.Task | None = None
        self._woken = False

    def post(self, kind: int, targets: Sequence[Actor], payload: Any, group: Members | None) -> None:
        """Append an entry to the run queue. Never delivers inside the call."""
        self.queue.post(kind, targets, payload, group)
        if not self.ticking:
            self.wake()

    def post_message(self, actor: Actor, message: Any) -> None:
        """Append a message for one actor."""
        self.post(MESSAGE, (actor,), message, None)

    def post_end(self, actor: Actor, reason: Reason) -> None:
        """Append the end of an actor, for a reason that is decided inside another one's callback."""
        self.post(END, (actor,), reason, None)

    def settle(self) -> bool:
        """The end of every tick: deliver within the budget, then flush. Whether something is left to deliver."""
        queue = self.queue
        if queue:
            self.before_delivery()
            queue.drain(BUDGET)
        dirty = self.dirty
        while dirty:
            self.dirty = []
            self.flush_all(dirty)
            dirty = self.dirty
        return bool(queue)

    def wake(self) -> None:
        """Have the scheduler's own task run a tick soon; for what happens outside of a driver's tick."""
        self._woken = True
        if self._parked is not None:
            trio.lowlevel.reschedule(self._parked)
            self._parked = None

    async def run(self) -> None:
        """Run ticks for what happens outside of a driver's. Never returns; cancel it."""
        while True:
            if not self._woken:
                await self._park()
            self._woken = False
            self.before_tick()
            self.ticking = True
            try:
                self._woken = self.settle()
            finally:
                self.ticking = False
            if self._woken:
                await trio.lowlevel.checkpoint()

    async def _park(self) -> None:
        self._parked = trio.lowlevel.current_task()

        def abort(_: Any) -> trio.lowlevel.Abort:
            self._parked = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
