"""Actor: one connection's state and its callbacks, one at a time.

Rules owned here: never two callbacks of one actor at once, never one inside another; a message is handled when all
that came before it are. How an actor ends stands in ``life``.

``def`` callbacks run inline while the actor is idle; everything else goes through the mailbox and a worker.
Must not know about sockets, nor whether there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import trio

from actorws.actor.bounded import NO_SUBJECT, done_for
from actorws.actor.kind import Kind
from actorws.actor.life import BUSY, ENDING, IDLE, NOT_BEGUN, OVER, Life
from actorws.actor.mailbox import CLIENT, DRAIN, FRAME, INIT, SERVER, Mailbox, size_of
from actorws.actor.timers import Timer
from actorws.events import ActorCrashed, CallbackTimedOut, MailboxFull, ReadingPaused, SlowCallback
from actorws.exceptions import ConnectionEnded, InvalidReturn
from actorws.frames import Close, CloseCode, Frame
from actorws.protocol.encoder import SHORT, encode_one
from actorws.reasons import Error, Overflow

if TYPE_CHECKING:
    from actorws.actor.runqueue import Shared
    from actorws.conn import Conn
    from actorws.transports.contract import ActorTransport

__all__ = ["Actor"]

#: The callback for each kind of item.
CALLBACKS: Final = ("init", "handle_client_message", "handle_server_message", "handle_drain")
#: Items that a worker handles before it lets others run, if no callback waits for anything.
HANDLED_IN_A_ROW: Final = 32


class Actor(Life):
    """One connection. Made by a transport, begun by ``start``."""

    __slots__ = ()

    def __init__(self, kind: Kind, conn: Conn, transport: ActorTransport) -> None:
        super().__init__(kind, conn, transport)
        conn._actor = self

    # What comes in

    def start(self) -> None:
        """Call ``init``."""
        if self.kind.init_is_async:
            self.state = NOT_BEGUN
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
        handle, conn, send, outlet = kind.handle_client_message, self.conn, self.transport.send_frames, None
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
                    if outlet is not None and self.status == BUSY and (chunk := encode_one(frames, SHORT)) is not None:
                        # A short frame behind another one: this is all it takes.
                        outlet.append(chunk)
                    else:
                        outlet = send(frames)
                elif frames is not None and frames.__class__ is not list:
                    self._send_falsy(frames)
                self.state = state
                if self.status != BUSY:
                    break
        except BaseException as error:
            self._crash(CLIENT, error, result)
        if perf_counter() - began > kind.slow:
            conn.runtime.emit(SlowCallback(conn, "handle_client_message", perf_counter() - began))
        if self.status == BUSY and type(result) is tuple and self.mailbox is None:
            self.status = IDLE
        else:
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
        if self.status == BUSY and type(result) is tuple and self.mailbox is None:
            self.status = IDLE
        else:
            self._inline_done(SERVER, result)

    def _inline_done(self, item: int, result: Any) -> None:
        """After inline callbacks that were not just that: go on with what came of them."""
        if type(result) is not tuple and not self.status & OVER:
            self._crash(item, self._invalid_return(item, result))
        self._callback_done()

    def deliver_frames(
        self, frames: Sequence[Frame], chunks: Sequence[bytes], together: bytes, compressed: dict[Any, Any]
    ) -> None:
        """Send broadcast frames to the client, behind everything that came before them."""
        if self.status == IDLE:
            self.transport.send_encoded(frames, chunks, together, compressed)
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
        if self.status & OVER:
            return
        self._relieve()
        if not self.kind.wants_drain:
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
        if self.status & ENDING and isinstance(error, ConnectionEnded):
            return  # no fault: the client has gone while the callback joined or registered
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
        mailbox.put((item, payload, None), size_of(payload))
        if mailbox.is_full:
            mailbox.was_full = True
            if self.transport.pause():
                self.conn.runtime.emit(ReadingPaused(self.conn, mailbox.bytes, mailbox.full_of))

    def _offer(self, item: int, payload: Any) -> None:
        """Let a server message wait, if there is room."""
        if self.status & OVER:
            return
        mailbox = self._wait()
        group = self.conn.runtime.scheduler.queue.group
        try:
            subject = payload if item == SERVER else NO_SUBJECT
            offered = mailbox.offer((item, payload, group), size_of(payload), subject)
        except Exception as error:
            # The policy's key function. The sender is not to blame, and must not be hurt.
            self._crash(item, error)
            return
        done = done_for(offered, mailbox.policy)
        if done:
            self.conn.runtime.emit(MailboxFull(self.conn, done, mailbox.short_of))
        if done == "close":
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
        self.worker = self.conn.runtime.workers.start(self)

    # In a worker

    async def work(self) -> None:
        """Handle what waits until nothing does, then what is left to do at the end."""
        handled = 0
        while mailbox := self.mailbox:
            item, payload, group = mailbox.take()
            if group is None or self in group.by_actor or self.status & ENDING:
                await self._handle(item, payload)
            if mailbox.was_full and mailbox.has_room:
                mailbox.was_full = False
                self.transport.resume()
            handled += 1
            if not handled % HANDLED_IN_A_ROW:
                # Callbacks that never wait must not keep everybody else from running.
                await trio.lowlevel.checkpoint()
        self.mailbox = None
        self.worker = None
        self.status &= ~BUSY
        if self.status & ENDING:
            self._terminate()

    async def _handle(self, item: int, payload: Any) -> None:
        if item == FRAME:
            self.transport.send(payload)
            return
        assert self.worker is not None
        self.worker.doing = CALLBACKS[item]
        try:
            result = self._call(item, payload)
            if self.kind.is_async[item]:
                if self.kind.callback_timeout is None:
                    result = await result
                else:
                    result = await self._within_deadline(item, result, self.kind.callback_timeout)
            self._take(item, result)
        except trio.Cancelled:
            raise
        except BaseException as error:
            cancelled, failed = _split(error)
            if failed is not None:
                self._crash(item, failed)
                del failed  # a cycle with its own traceback, which has this frame
            if cancelled is not None:
                raise cancelled from None

    async def _within_deadline(self, item: int, callback: Any, timeout: float) -> Any:
        with trio.move_on_after(timeout):
            return await callback
        self.conn.runtime.emit(CallbackTimedOut(self.conn, CALLBACKS[item], timeout, "callback_timeout"))
        raise trio.TooSlowError(f"{self.kind.name}.{CALLBACKS[item]} took longer than {timeout} s")


def _split(error: BaseException) -> tuple[BaseException | None, BaseException | None]:
    """What of an exception is trio's cancellation, which passes, and what is the callback's failure."""
    if not isinstance(error, BaseExceptionGroup):
        return None, error
    return error.split(trio.Cancelled)
