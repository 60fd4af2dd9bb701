"""Scheduler: the run queue between actors, and the tick that drains it and writes what it produced.

Rules owned here: a message between actors is never delivered inside the sender's callback, but put into one FIFO of
(targets, payload), which gives the order of each pair of sender and receiver for free and needs no entry per member;
the queue is drained within a time budget, if need be in the middle of a group; all output of a tick for one wire
leaves in one write. Must not know what a wire is made of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Protocol

import trio

from actorws.events import BackgroundCrashed, Emit, SlowCallback
from actorws.frames import Close
from actorws.protocol.codec import encode

if TYPE_CHECKING:
    from actorws.actor.actor import Actor
    from actorws.reasons import Reason
    from actorws.registry.table import Members

__all__ = ["BUDGET", "FRAME", "MESSAGE", "Flushable", "Scheduler"]

#: Kinds of entries: for ``handle_server_message``, or straight to the client.
MESSAGE: Final = 0
FRAME: Final = 1
#: Not a message: the target ends for the reason that is the payload.
END: Final = 2

#: Seconds that a tick may spend on the run queue before it lets sockets and other tasks have their turn.
BUDGET = 0.003


class Flushable(Protocol):
    """A wire with output to write at the end of the tick."""

    def flush(self) -> None:
        """Write what is pending; never raises, never waits."""


class Scheduler:
    """The run queue, the wires with output, and the task that sees to both when no driver's tick does."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._queue: deque[tuple[int, Sequence[Actor], Any, Members | None, int]] = deque()
        # How far the head of the queue has been delivered.
        self._index = 0
        #: Wires with pending output; whoever adds the first one outside of a tick calls ``wake``.
        self.dirty: list[Flushable] = []
        #: Whether a driver is in the middle of a tick, at whose end everything is seen to.
        self.ticking = False
        #: The frame encoded last and its bytes: of a message that 500 actors return, 499 need no encoding.
        self.last_frame: object = None
        self.last_chunk = b""
        self._parked: trio.lowlevel.Task | None = None
        self._woken = False

    # Putting in

    def post(self, kind: int, targets: Sequence[Actor], payload: Any, group: Members | None) -> None:
        """Append an entry. Never delivers inside the call."""
        self._queue.append((kind, targets, payload, group, 0 if group is None else group.version))
        if not self.ticking:
            self.wake()

    def post_message(self, actor: Actor, message: Any) -> None:
        """Append a message for one actor."""
        self.post(MESSAGE, (actor,), message, None)

    def post_end(self, actor: Actor, reason: Reason) -> None:
        """Append the end of an actor, for a reason that is decided inside another one's callback."""
        self.post(END, (actor,), reason, None)

    def wake(self) -> None:
        """Have the scheduler's own task run a tick soon; for what happens outside of a driver's tick."""
        self._woken = True
        if self._parked is not None:
            trio.lowlevel.reschedule(self._parked)
            self._parked = None

    # A tick

    def settle(self) -> bool:
        """The end of every tick: drain the run queue within its budget, then flush. Whether something is left."""
        if self._queue:
            self._drain(perf_counter() + BUDGET)
        dirty = self.dirty
        while dirty:
            self.dirty = []
            for wire in dirty:
                wire.flush()
            dirty = self.dirty
        return bool(self._queue)

    def _drain(self, deadline: float) -> None:
        queue = self._queue
        while queue:
            kind, targets, payload, group, version = queue[0]
            if kind == MESSAGE:
                done = self._deliver(targets, payload, group, version, deadline)
            elif kind == END:
                targets[0].stop(payload)
                done = True
            else:
                done = self._broadcast(targets, payload, group, version, deadline)
            if not done:
                return
            queue.popleft()
            self._index = 0

    def _deliver(
        self, targets: Sequence[Actor], message: Any, group: Members | None, version: int, deadline: float
    ) -> bool:
        """Deliver a message to its targets from ``_index`` on; False when the budget was used up first."""
        before = perf_counter()
        for actor in targets[self._index :] if self._index else targets:
            self._index += 1
            if group is not None and group.version != version and actor not in group.by_actor:
                continue
            conn = actor.conn
            actor.deliver(message)
            now = perf_counter()
            if now - before > actor.kind.slow:
                self._emit(SlowCallback(conn, "handle_server_message", now - before))
            if now > deadline:
                return self._index >= len(targets)
            before = now
        return True

    def _broadcast(
        self, targets: Sequence[Actor], frame: Any, group: Members | None, version: int, deadline: float
    ) -> bool:
        """The same for a frame, which is encoded once, or made for each member by a function."""
        if type(frame) is Close:
            return self._broadcast_each(targets, lambda conn, meta: frame, group, deadline)
        if callable(frame):
            return self._broadcast_each(targets, frame, group, deadline)
        chunk = encode(frame)
        for actor in targets[self._index :] if self._index else targets:
            self._index += 1
            if group is not None and group.version != version and actor not in group.by_actor:
                continue
            actor.deliver_frame(chunk, frame)
            if not self._index & 63 and perf_counter() > deadline:
                return self._index >= len(targets)
        return True

    def _broadcast_each(
        self, targets: Sequence[Actor], frame_for: Callable[..., Any], group: Members | None, deadline: float
    ) -> bool:
        for actor in targets[self._index :] if self._index else targets:
            self._index += 1
            if group is None or actor.has_ended or actor not in group.by_actor:
                continue
            try:
                frame = frame_for(actor.conn, group.by_actor[actor])
                if type(frame) is Close:
                    actor.close(frame)
                elif frame is not None:
                    actor.deliver_frame(encode(frame), frame)
            except Exception as error:
                # Not the member's fault: the others still get their frames.
                self._emit(BackgroundCrashed(f"broadcast to {group.name!r}", error))
            if perf_counter() > deadline:
                return self._index >= len(targets)
        return True

    # The task

    async def run(self) -> None:
        """Run ticks for what happens outside of a driver's. Never returns; cancel it."""
        while True:
            if not self._woken:
                await self._park()
            self._woken = False
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
