"""Life: an actor's status, and every way in which it ends.

Rules owned here: ``terminate`` runs exactly once for every actor whose ``init`` was entered, whatever ended it, when no
callback runs any more; names, memberships and timers are gone before anyone can see that the actor is.

The status is a set of bits. ``BUSY`` alone says whether a callback is on the stack or in a worker; a mailbox that holds
something implies it. The others only rise::

    (0, running) -> CLOSING (we sent Close, nothing more is handled) -> ENDING (the reason is known) -> ENDED
                 -> ENDING  (what was accepted from a peer that has gone is still handled)

Must not know what callbacks are called with, nor how a wire ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio

from actorws.actor.chain import Link
from actorws.actor.kind import Kind
from actorws.actor.mailbox import Mailbox
from actorws.actor.timers import Expirable, Timer, cancel_timers
from actorws.events import ActorEnded, CallbackTimedOut, TerminateFailed
from actorws.frames import Close
from actorws.reasons import RULES, Reason, Shutdown, Stop

if TYPE_CHECKING:
    from actorws.actor.workers import Assignment
    from actorws.conn import Conn
    from actorws.transports.contract import ActorTransport

__all__ = ["BUSY", "CLOSING", "ENDED", "ENDING", "IDLE", "NOT_BEGUN", "OVER", "Life"]

IDLE: Final = 0
BUSY: Final = 1
CLOSING: Final = 2
ENDING: Final = 4
ENDED: Final = 8
OVER: Final = CLOSING | ENDING | ENDED

#: The state of an actor whose ``init`` waits for its worker: ended before that, it is not to be terminated.
NOT_BEGUN: Final = object()


class Life(Link):
    """What every actor is born with; ``Actor`` adds the callbacks. Linked while it has a slot of the supervisor's."""

    # One per connection: slots, and nothing that an idle connection doesn't need.
    __slots__ = (
        "conn",
        "groups",
        "kind",
        "mailbox",
        "names",
        "reason",
        "state",
        "status",
        "timers",
        "transport",
        "worker",
    )

    def __init__(self, kind: Kind, conn: Conn, transport: ActorTransport) -> None:
        self.kind = kind
        self.conn = conn
        self.transport = transport
        self.state: Any = None
        self.status = IDLE
        self.mailbox: Mailbox | None = None
        self.reason: Reason | None = None
        self.worker: Assignment | None = None
        # These belong to the registry and to the timers.
        self.names: set[str] | None = None
        self.groups: set[str] | None = None
        self.timers: set[Timer] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the actor handles nothing more that arrives from now on."""
        return self.status >= CLOSING

    def close(self, frame: Close) -> bool:
        """The actor's own wish: send Close and end with ``Stop``. Whether this call began it."""
        if self.status & OVER:
            return False
        self.status |= CLOSING
        self._let_go()
        self._forget_mailbox()
        self.transport.close(frame)
        return True

    def close_finished(self, reason: Reason) -> None:
        """The transport's word that a close which the actor began is over, and how."""
        self.end(reason)

    def close_unanswered(self) -> None:
        """The transport's word that the wire has gone before the client could answer."""
        self.end(Stop())

    def abort(self) -> None:
        """Cut the wire and end with ``Stop``."""
        self.transport.abort()
        if not self.status & (ENDING | ENDED):
            self._forget_mailbox()
            self.end(Stop())

    def stop(self, reason: Reason, frame: Close | None = None) -> None:
        """End for ``reason`` while the wire may still be open; the client is told the reason's code, or ``frame``."""
        if self.status & (ENDING | ENDED):
            return
        self.transport.finish(frame or Close(RULES[type(reason)].close_code))
        self._forget_mailbox()
        self.end(reason)

    def end(self, reason: Reason) -> None:
        """End for ``reason``; the transport has done its part, or has nothing left to do.

        What waits in the mailbox is still handled: by itself this is the end of a peer that has gone.
        """
        if self.status & (ENDING | ENDED):
            return
        self.status |= ENDING
        self.reason = reason
        self._let_go()
        if not self.status & BUSY:
            self._terminate()
        elif self.worker is not None:
            Cut(self)

    async def wait_drained(self) -> bool:
        """Wait until what had to wait has left, or the actor handles nothing more. Whether it still does."""
        await trio.lowlevel.checkpoint()
        if self.has_ended:
            return False
        drains = self.conn.runtime.drains
        while not self.has_ended and self.transport.owes_relief:
            await drains.setdefault(self, trio.lowlevel.ParkingLot()).park()
        return not self.has_ended

    def _relieve(self) -> None:
        """Whoever waits for that may look again."""
        drains = self.conn.runtime.drains
        if drains and (waiting := drains.pop(self, None)) is not None:
            waiting.unpark_all()

    def cut(self) -> None:
        """The worker's word that it was cancelled in the middle of a callback."""
        self.worker = None
        self.status &= ~BUSY
        self.mailbox = None
        if self.status & ENDING:
            self._terminate()
        else:
            self.stop(Shutdown())

    def _let_go(self) -> None:
        """Names, memberships and timers are gone before anyone can see that the actor is."""
        self.conn.runtime.forget(self)
        self._relieve()
        if self.timers:
            cancel_timers(self)

    def _terminate(self) -> None:
        """Call ``terminate``, or have a worker do it; no callback runs and none will."""
        self.status |= BUSY
        if self.state is NOT_BEGUN:
            self.ended()
            return
        if self.kind.terminate_is_async:
            self.conn.runtime.workers.start(Terminate(self))
            return
        try:
            self.kind.terminate(self.state, self.conn, self.reason)
        except BaseException as error:
            self.conn.runtime.emit(TerminateFailed(self.conn, error))
        self.ended()

    def ended(self) -> None:
        """``terminate`` has returned. Nothing is left but the value that ``Conn`` shows."""
        conn, reason = self.conn, self.reason
        assert reason is not None
        self.status = OVER
        # Cycles are cut here, so that memory is back without the garbage collector: what was raised knows the actor.
        self.state = self.reason = None
        self.conn = None  # type: ignore[assignment]
        runtime = conn.runtime
        runtime.supervisor.remove(self, conn)
        if not RULES[type(reason)].is_detail or runtime.wants_details():
            runtime.emit(ActorEnded(conn, reason))

    def _forget_mailbox(self) -> None:
        if self.mailbox is not None:
            self.mailbox.clear()


class Terminate:
    """A worker's job: an ``async def terminate``, shielded and bounded."""

    __slots__ = ("actor",)

    def __init__(self, actor: Life) -> None:
        self.actor = actor

    async def work(self) -> None:
        """Run it."""
        actor = self.actor
        conn, runtime = actor.conn, actor.conn.runtime
        timeout = actor.kind.config.timeouts.terminate_timeout
        with trio.move_on_after(timeout, shield=True) as scope:
            if runtime.hurried:
                scope.cancel()
            runtime.terminating.add(scope)
            try:
                await actor.kind.terminate(actor.state, conn, actor.reason)
            except trio.Cancelled:
                raise
            except BaseException as error:
                runtime.emit(TerminateFailed(conn, error))
        runtime.terminating.discard(scope)
        if scope.cancelled_caught:
            if not runtime.hurried:
                runtime.emit(CallbackTimedOut(conn, "terminate", timeout, "terminate_timeout"))
            why = "the server's time was over" if runtime.hurried else f"it took longer than {timeout} s"
            runtime.emit(TerminateFailed(conn, trio.TooSlowError(f"terminate was cancelled: {why}")))
        actor.ended()

    def cut(self) -> None:
        """Cancelled before it began."""
        self.actor.ended()


class Cut(Expirable):
    """Cancels what still runs or waits for an actor whose client has gone, when its time is over."""

    __slots__ = ("actor", "seconds", "worker")

    def __init__(self, actor: Life) -> None:
        self.actor = actor
        self.worker = actor.worker
        self.seconds = actor.kind.config.timeouts.terminate_timeout
        actor.conn.runtime.wheel.schedule(self, self.seconds)

    def expire(self, now: float) -> None:
        actor = self.actor
        if self.worker is not None and actor.worker is self.worker:
            actor.conn.runtime.emit(CallbackTimedOut(actor.conn, self.worker.doing, self.seconds, "terminate_timeout"))
            self.worker.cancel()
