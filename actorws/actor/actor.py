"""Actor: one connection's state, its callbacks one at a time, and how it ends.

Rules owned here: never two callbacks of one actor at once, never one inside another; a message is handled when all that
came before it are; ``terminate`` runs exactly once for every actor whose ``init`` was entered.

The status is a set of bits. ``BUSY`` alone says whether a callback is on the stack or in a worker; a mailbox that holds
something implies it. The others only rise::

    (0, running) -> CLOSING (we sent Close, nothing more is handled) -> ENDING (the reason is known) -> ENDED
                 -> ENDING  (what was accepted from a peer that has gone is still handled)

``def`` callbacks run inline while the actor is idle; everything else goes through the mailbox and a worker.
Must not know about sockets, or how a frame becomes bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import trio

from actorws.actor.bounded import policy_name
from actorws.actor.kind import Kind
from actorws.actor.mailbox import CLIENT, DRAIN, FRAME, INIT, SERVER, Mailbox, size_of
from actorws.actor.timers import Expirable, Timer, cancel_timers
from actorws.events import ActorCrashed, ActorEnded, CallbackTimedOut, MailboxFull, SlowCallback, TerminateFailed
from actorws.exceptions import InvalidReturn
from actorws.frames import Close, CloseCode, Frame
from actorws.reasons import RULES, Error, Overflow, Reason, Shutdown, Stop

if TYPE_CHECKING:
    from actorws.actor.runqueue import Shared
    from actorws.actor.workers import Worker
    from actorws.conn import Conn
    from actorws.transports.contract import Transport

__all__ = ["Actor"]

IDLE: Final = 0
BUSY: Final = 1
CLOSING: Final = 2
ENDING: Final = 4
ENDED: Final = 8
OVER: Final = CLOSING | ENDING | ENDED

#: The state of an actor whose ``init`` waits for its worker: ended before that, it is not to be terminated.
_NOT_BEGUN: Final = object()
#: The callback for each kind of item.
CALLBACKS: Final = ("init", "handle_client_message", "handle_server_message", "handle_drain")


class Actor:
    """One connection. Made by a transport, begun by ``start``."""

    # One per connection: slots, and nothing that an idle connection doesn't need.
    __slots__ = ("conn", "groups", "kind", "mailbox", "names", "reason", "state", "status", "timers", "transport", "worker")

    def __init__(self, kind: Kind, conn: Conn, transport: Transport) -> None:
        self.kind = kind
        self.conn = conn
        self.transport = transport
        self.state: Any = None
        self.status = IDLE
        self.mailbox: Mailbox | None = None
        self.reason: Reason | None = None
        self.worker: Worker | None = None
        # These belong to the registry and to the timers.
        self.names: set[str] | None = None
        self.groups: set[str] | None = None
        self.timers: set[Timer] | None = None
        conn._actor = self

    @property
    def has_ended(self) -> bool:
        """Whether the actor handles nothing more that arrives from now on."""
        return self.status >= CLOSING

    # What comes in

    def start(self) -> None:
        """Call ``init``."""
        if self.kind.init_is_async:
            self.state = _NOT_BEGUN
            self._put(INIT, None)
        else:
            self._run(INIT, None)

    def receive(self, messages: Iterable[Any]) -> None:
        """Handle messages of the client, in order. The hot path: one call per read, inline if it can be."""
        kind = self.kind
        if self.status != IDLE or kind.client_is_async:
            for message in messages:
                self._put(CLIENT, message)
            return
        handle, conn, send = kind.handle_client_message, self.conn, self.transport.send_frames
        self.status = BUSY
        result = None
        began = perf_counter()
        try:
            for message in messages:
                result = handle(self.state, conn, message)
                if type(result) is not tuple:
                    break
                state, frames = result
                if frames:
                    send(frames)
                elif frames is not None and frames.__class__ is not list:
                    self._send_falsy(frames)
                self.state = state
                if self.status != BUSY:
                    break
        except BaseException as error:
            self._crash(CLIENT, error, result)
        if perf_counter() - began > kind.slow:
            conn.runtime.emit(SlowCallback(conn, "handle_client_message", perf_counter() - began))
        self._inline_done(CLIENT, result)

    def deliver(self, messages: Sequence[tuple[Any, Shared]]) -> None:
        """Handle messages from other actors or timers. The hot path of a fan-out: inline if it can be."""
        kind = self.kind
        if self.status != IDLE or kind.server_is_async:
            for message, _ in messages:
                self._offer(SERVER, message)
            return
        handle, conn, outlet = kind.handle_server_message, self.conn, None
        self.status = BUSY
        result = None
        try:
            for message, shared in messages:
                result = handle(self.state, conn, message)
                if type(result) is not tuple:
                    break
                state, frames = result
                if outlet is not None and type(frames) is list and len(frames) == 1 and frames[0] is shared.frame:
                    # What the actor before this one returned: its bytes are known, and this is all it takes.
                    if self.status == BUSY:
                        outlet.append(shared.chunk)
                elif frames:
                    outlet = self.transport.send_shared(frames, shared)
                elif frames is not None and frames.__class__ is not list:
                    self._send_falsy(frames)
                self.state = state
                if self.status != BUSY:
                    break
        except BaseException as error:
            self._crash(SERVER, error, result)
        self._inline_done(SERVER, result)

    def _inline_done(self, item: int, result: Any) -> None:
        """After inline callbacks: be idle, or go on with what came of them."""
        if type(result) is not tuple and not self.status & OVER:
            self._crash(item, self._invalid_return(item, result))
        if self.status == BUSY and self.mailbox is None:
            self.status = IDLE
        else:
            self._callback_done()

    def deliver_frames(self, frames: Sequence[Frame], chunks: Sequence[bytes], together: bytes) -> None:
        """Send broadcast frames to the client, behind everything that came before them."""
        if self.status == IDLE:
            self.transport.send_encoded(frames, chunks, together)
        elif not self.status & OVER:
            for frame in frames:
                self._offer(FRAME, frame)

    def deliver_made(self, frame: Frame) -> None:
        """The same for a frame that is this client's alone. Raises ``TypeError`` for what is no frame."""
        if type(frame) is Close:
            self.close(frame)
        elif self.status == IDLE:
            self.transport.send(frame)
        elif not self.status & OVER:
            self._offer(FRAME, frame)

    def drained(self) -> None:
        """The client has taken all output: call ``handle_drain``, if the behaviour has one."""
        if not self.kind.wants_drain or self.status & OVER:
            return
        if self.status == IDLE and not self.kind.drain_is_async:
            self._run(DRAIN, None)
        else:
            self._put(DRAIN, None)

    def send_after(self, seconds: float, message: Any) -> Timer:
        """Deliver ``message`` in ``seconds``, unless the actor has ended or the timer is cancelled by then."""
        return Timer(self.conn.runtime.wheel, self, seconds, message)

    def timer_fired(self, timer: Timer) -> None:
        """A timer's time has come: its message takes its place in the run queue."""
        self.conn.runtime.scheduler.post_message(self, timer.message)

    # How it ends

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
            _Cut(self)

    def cut(self) -> None:
        """The worker's word that it was cancelled in the middle of a callback."""
        self.worker = None
        self.status &= ~BUSY
        self.mailbox = None
        if self.status & ENDING:
            self._terminate()
        else:
            self.stop(Shutdown())

    # One callback

    def _run(self, item: int, payload: Any) -> None:
        """Run a ``def`` callback inline; the actor is idle."""
        self.status |= BUSY
        began = perf_counter()
        try:
            self._take(item, self._call(item, payload))
        except BaseException as error:
            self._crash(item, error)
        if perf_counter() - began > self.kind.slow:
            self.conn.runtime.emit(SlowCallback(self.conn, CALLBACKS[item], perf_counter() - began))
        self._callback_done()

    def _call(self, item: int, payload: Any) -> Any:
        kind = self.kind
        if item == CLIENT:
            return kind.handle_client_message(self.state, self.conn, payload)
        if item == SERVER:
            return kind.handle_server_message(self.state, self.conn, payload)
        if item == DRAIN:
            return kind.handle_drain(self.state, self.conn)
        self.state = None
        return kind.init(self.conn)

    def _take(self, item: int, result: Any) -> None:
        """Take what a callback returned: its frames, then its state."""
        if type(result) is not tuple or len(result) != 2:
            raise self._invalid_return(item, result)
        state, frames = result
        if frames:
            self.transport.send_frames(frames)
        elif frames is not None:
            self._send_falsy(frames)
        self.state = state

    def _send_falsy(self, frames: Any) -> None:
        """An empty message is a frame; an empty list or tuple is none."""
        if not isinstance(frames, list | tuple):
            self.transport.send_frames((frames,))

    def _invalid_return(self, item: int, result: Any) -> InvalidReturn:
        return InvalidReturn(f"must return (state, frames), not {result!r:.100}")

    def _callback_done(self) -> None:
        """After an inline callback: become idle, or go on with what happened meanwhile."""
        if self.mailbox is not None:
            self._start_worker()
            return
        self.status &= ~BUSY
        if self.status & ENDING:
            self._terminate()

    def _crash(self, item: int, error: BaseException, result: Any = None) -> None:
        if type(result) is tuple and len(result) != 2:
            # Taking it apart is the check: a length of its own for each message costs 3 % of an echo.
            error = self._invalid_return(item, result)
        if type(error) is InvalidReturn:
            # Whoever raised it doesn't know the callback.
            error.args = (f"{self.kind.name}.{CALLBACKS[item]} {error}",)
        self.conn.runtime.emit(ActorCrashed(self.conn, CALLBACKS[item], error))
        # Also where the end has begun already: nothing is handled after a crash.
        self._forget_mailbox()
        self.stop(Error(error), Close(self.kind.close_code_for(error)))

    # What waits

    def _put(self, item: int, payload: Any) -> None:
        """Let something wait that must not be lost."""
        if self.status & OVER:
            return
        mailbox = self._wait()
        mailbox.put((item, payload), size_of(payload))
        if mailbox.is_full:
            self.transport.pause()

    def _offer(self, item: int, payload: Any) -> None:
        """Let a server message wait, if there is room."""
        if self.status & OVER:
            return
        mailbox = self._wait()
        before = len(mailbox)
        taken = mailbox.offer((item, payload), size_of(payload), payload)
        if taken and (len(mailbox) > before or mailbox.policy != "drop_old"):
            return
        policy = policy_name(mailbox.policy)
        self.conn.runtime.emit(MailboxFull(self.conn, policy))
        if policy == "close":
            self.stop(Overflow("mailbox"), Close(CloseCode.TRY_AGAIN_LATER, "mailbox full"))

    def _wait(self) -> Mailbox:
        mailbox = self.mailbox
        if mailbox is None:
            mailbox = self.mailbox = Mailbox(self.kind.config.mailbox)
            if not self.status & BUSY:
                self.status |= BUSY
                self._start_worker()
        return mailbox

    def _start_worker(self) -> None:
        if self.worker is None:
            self.worker = self.conn.runtime.workers.start(self)

    def _forget_mailbox(self) -> None:
        if self.mailbox is not None:
            self.mailbox.clear()

    # In a worker

    async def work(self) -> None:
        """Handle what waits until nothing does, then what is left to do at the end."""
        while self.mailbox:
            item, payload = self.mailbox.take()
            await self._handle(item, payload)
            if self.mailbox.has_room:
                self.transport.resume()
        self.mailbox = None
        self.worker = None
        self.status &= ~BUSY
        if self.status & ENDING:
            self._terminate()

    async def _handle(self, item: int, payload: Any) -> None:
        if item == FRAME:
            self.transport.send(payload)
            return
        try:
            result = self._call(item, payload)
            if self._is_async(item):
                result = await self._within_deadline(result)
            self._take(item, result)
        except trio.Cancelled:
            raise
        except BaseException as error:
            cancelled, failed = _split(error)
            if failed is not None:
                self._crash(item, failed)
            if cancelled is not None:
                raise cancelled from None

    def _is_async(self, item: int) -> bool:
        kind = self.kind
        return (kind.init_is_async, kind.client_is_async, kind.server_is_async, kind.drain_is_async)[item]

    async def _within_deadline(self, callback: Any) -> Any:
        timeout = self.kind.config.timeouts.callback_timeout
        if timeout is None:
            return await callback
        with trio.fail_after(timeout):
            return await callback

    # The end

    def _let_go(self) -> None:
        """Names, memberships and timers are gone before anyone can see that the actor is."""
        if self.names or self.groups:
            self.conn.runtime.forget(self)
        if self.timers:
            cancel_timers(self)

    def _terminate(self) -> None:
        """Call ``terminate``, or have a worker do it; no callback runs and none will."""
        self.status |= BUSY
        if self.state is _NOT_BEGUN:
            self.ended()
            return
        if self.kind.terminate_is_async:
            self.conn.runtime.workers.start(_Terminate(self))
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
        # Cycles are cut here, so that memory is back without the garbage collector.
        self.state = None
        self.conn = None  # type: ignore[assignment]
        conn.runtime.supervisor.remove(self, conn)
        conn.runtime.emit(ActorEnded(conn, reason))


class _Terminate:
    """A worker's job: an ``async def terminate``, shielded and bounded."""

    __slots__ = ("actor",)

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    async def work(self) -> None:
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
            runtime.emit(TerminateFailed(conn, trio.TooSlowError(f"terminate took longer than {timeout} s")))
        actor.ended()

    def cut(self) -> None:
        self.actor.ended()


class _Cut(Expirable):
    """Cancels what still runs or waits for an actor whose client has gone, when its time is over."""

    __slots__ = ("actor", "seconds", "worker")

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.worker = actor.worker
        self.seconds = actor.kind.config.timeouts.terminate_timeout
        actor.conn.runtime.wheel.schedule(self, self.seconds)

    def expire(self, now: float) -> None:
        actor = self.actor
        if self.worker is not None and actor.worker is self.worker:
            actor.conn.runtime.emit(CallbackTimedOut(actor.conn, "a callback", self.seconds))
            self.worker.cancel()


def _split(error: BaseException) -> tuple[BaseException | None, BaseException | None]:
    """What of an exception is trio's cancellation, which passes, and what is the callback's failure."""
    if not isinstance(error, BaseExceptionGroup):
        return None, error
    return error.split(trio.Cancelled)


