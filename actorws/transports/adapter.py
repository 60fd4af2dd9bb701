"""Adapter: what an actor needs of its transport, on top of a ``Transport`` that a user wrote.

Rules owned here: every wait on the client has a deadline; frames leave in the order sent, none behind a Close; whatever
the user's transport does costs this one actor at most, and nobody's time. Must not know how the tasks go about it that
call the transport: that is ``pump``.

=========  ===========================================  =============================================
state      meaning                                      leaves it by
=========  ===========================================  =============================================
OPEN       frames go both ways                          any of the below
CLOSING    the actor closes: what waits is sent, then   the end of that, the client's leave, the end
           ``Transport.close`` takes leave              of the wire, ``close_timeout``
CLOSED     no frame goes either way any more; leave     the same; then the wire is cut
           may still be taken
=========  ===========================================  =============================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import trio

from actorws.conn import ReadyState, SendStatus
from actorws.events import ActorCrashed, BackgroundCrashed, OutputFull, ProtocolViolated, ReadingPaused
from actorws.exceptions import InvalidReturn, ProtocolError
from actorws.frames import MAX_CLOSE_REASON, Close, CloseCode, Frame, Ping, Pong
from actorws.protocol.encoder import payload_of
from actorws.reasons import Error, Overflow, Remote, Stop, Timeout
from actorws.transports.custom import check_size
from actorws.transports.output import Output, size_of
from actorws.transports.patience import Patient
from actorws.transports.wire import MAILBOX, OUTPUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorws.actor.kind import Kind
    from actorws.actor.runqueue import Shared
    from actorws.conn import Conn
    from actorws.transports.custom import Transport

__all__ = ["Adapter"]

OPEN, CLOSING, CLOSED = ReadyState.OPEN, ReadyState.CLOSING, ReadyState.CLOSED


class Adapter(Patient):
    """One ``Transport``. Whoever makes it sets ``actor``, and runs ``pump`` for it."""

    __slots__ = (
        "farewell",
        "is_cut",
        "name",
        "output",
        "scope",
        "wire",
    )

    def __init__(self, wire: Transport, kind: Kind, conn: Conn) -> None:
        super().__init__(kind, conn)
        self.wire = wire
        self.name = wire.name  # type: ignore[misc]  # of the class everywhere else
        self.ready_state = OPEN
        self.output = Output(kind.config.backpressure)
        #: What the client is to be told last; ``None`` while it isn't, and when the wire is gone.
        self.farewell: Close | None = None
        #: Around the tasks.
        self.scope = trio.CancelScope()
        #: Whether nothing more goes either way.
        self.is_cut = False

    @property
    def owes_relief(self) -> bool:
        return self.output.relief_owed

    # From the tasks: what the client does

    def take(self, received: object) -> None:
        """The client has said something, or has taken leave in good order."""
        if isinstance(received, Close | Remote):
            self.left(Remote(received.code, received.reason))
        elif not isinstance(received, str | bytes):
            wanted = "a str, bytes, a Close or a Remote"
            self.failed("receive", TypeError(f"{self._where('receive')} must return {wanted}, not {received!r:.100}"))
        elif self.ready_state is OPEN:
            self.alive()
            try:
                check_size(_size_of(received), self.kind.config.limits.max_message_size)
            except ProtocolError as error:
                self._violated(error)
            else:
                self.conn.runtime.engine.check_lease()
                self.actor.receive((received,))

    def left(self, how: Remote) -> None:
        """The client has gone, ``how`` tells in which way."""
        was = self.ready_state
        self.cut()
        if was is CLOSING:
            self.actor.close_finished(Stop())
        elif was is OPEN:
            self.actor.end(how)

    def sent(self) -> None:
        """The transport has taken a frame."""
        if self.paused & OUTPUT:
            # Not read from, the client shows that it is there by what it takes.
            self.alive()
        if self.output.taken():
            self._resume(OUTPUT)
            if self.ready_state is OPEN:
                self.actor.drained()

    def said_goodbye(self) -> None:
        """Leave was taken."""
        was = self.ready_state
        self.cut()
        if was is CLOSING:
            self.actor.close_finished(Stop())

    def failed(self, method: Literal["receive", "send", "close", "ping"], error: BaseException) -> None:
        """The transport raised what it may not, or in ``ProtocolError`` the client's fault."""
        if isinstance(error, ProtocolError) and self.ready_state is OPEN and method != "send":
            self._violated(error)
            return
        if self.ready_state is CLOSED:
            self.conn.runtime.emit(BackgroundCrashed(self._where(method), error))
        else:
            self.conn.runtime.emit(ActorCrashed(self.conn, self._where(method), error))
        was = self.ready_state
        if method != "receive" or was is not OPEN:
            # After a failed send nothing more can be said: half a frame may be there.
            self.cut()
        if was is CLOSING:
            self.actor.close_finished(Error(error))
        elif was is OPEN:
            self.actor.stop(Error(error), Close(CloseCode.INTERNAL_ERROR))

    def _violated(self, error: ProtocolError) -> None:
        words = str(error)
        self.conn.runtime.emit(ProtocolViolated(self.conn, error.code, words, error.limit))
        self.finish(Close(error.code, words.encode()[:MAX_CLOSE_REASON].decode(errors="ignore")))
        self.actor.end(Error(error))

    def _where(self, method: str) -> str:
        return f"{type(self.wire).__name__}.{method}"

    # From the actor

    @property
    def buffered(self) -> int:
        return self.output.buffered

    def send(self, frame: Frame) -> SendStatus:
        if isinstance(frame, Close):
            return SendStatus.SENT if self.actor.close(frame) else SendStatus.CLOSED
        plain = _plain(frame)
        return self._offer(plain) if self.ready_state is OPEN else SendStatus.CLOSED

    def _offer(self, frame: str | bytes | Ping | Pong) -> SendStatus:
        emit = self.conn.runtime.emit
        try:
            status, policy = self.output.offer(frame)
        except Exception as error:
            # The policy's key function; who sends may be anyone, so the fault is told where it lies.
            emit(ActorCrashed(self.conn, "output_policy", error))
            self.actor.stop(Error(error), Close(CloseCode.INTERNAL_ERROR))
            return SendStatus.CLOSED
        self.changed.unpark_all()
        if self.output.above_mark and not self.paused & OUTPUT:
            self.paused |= OUTPUT
            emit(ReadingPaused(self.conn, self.buffered, "high_water_mark"))
        if policy:
            emit(OutputFull(self.conn, policy, self.buffered))
            if policy == "close":
                self.actor.stop(Overflow("output"), Close(CloseCode.TRY_AGAIN_LATER, "output full"))
        return status

    def send_frames(self, frames: Any) -> None:
        several = frames if type(frames) is list or type(frames) is tuple else (frames,)
        # All are looked at before the first is sent: a bad one must not leave half an answer on the wire.
        try:
            plain = [frame if isinstance(frame, Close) else _plain(frame) for frame in several]
        except TypeError as error:
            raise InvalidReturn(f"returned what is no frame: {error}") from error
        for frame in plain:
            self.send(frame)

    def send_shared(self, frames: Any, shared: Shared) -> None:
        self.send_frames(frames)

    def send_encoded(
        self, frames: Sequence[Frame], chunks: Sequence[bytes], together: bytes, compressed: dict[Any, Any]
    ) -> None:
        for frame in frames:
            self.send(frame)

    def close(self, frame: Close) -> None:
        self._take_leave(CLOSING, frame)

    def finish(self, frame: Close) -> None:
        if self.ready_state is not CLOSED:
            self._take_leave(CLOSED, frame if self.farewell is None else self.farewell)

    def _take_leave(self, state: ReadyState, frame: Close) -> None:
        self.ready_state = state
        self.farewell = frame
        self.paused = 0
        self.within(self.kind.config.timeouts.close_timeout)
        self.changed.unpark_all()

    def abort(self) -> None:
        self.cut()

    def cut(self) -> None:
        """Nothing more goes either way; the tasks end. Again: nothing."""
        if self.is_cut:
            return
        self.is_cut = True
        self.ready_state = CLOSED
        self.farewell = None
        self.output.clear()
        self.conn.runtime.wheel.cancel(self)
        self.scope.cancel()
        try:
            self.wire.abort()
        except Exception as error:
            self.conn.runtime.emit(BackgroundCrashed(self._where("abort"), error))

    def pause(self) -> bool:
        if self.ready_state is not OPEN or self.paused & MAILBOX:
            return False
        self.paused |= MAILBOX
        return True

    def resume(self) -> None:
        self._resume(MAILBOX)

    def _resume(self, why: int) -> None:
        if self.paused & why:
            self.paused &= ~why
            self.changed.unpark_all()

    def release(self) -> None:
        """Actor and tasks have ended: cycles are cut, so that memory is back without the garbage collector."""
        self.actor = self.conn = None  # type: ignore[assignment]
        self.wire = None  # type: ignore[assignment]

    # Deadlines

    def expire(self, now: float) -> None:
        if self.ready_state is OPEN:
            self.check_silence(now)
            return
        was = self.ready_state
        self.cut()
        if was is CLOSING:
            self.actor.close_finished(Timeout("close"))


def _size_of(message: str | bytes) -> int:
    """Bytes of a message. Raises the ``ProtocolError`` 1007 for a str that is no text: JSON lets clients write such."""
    try:
        return size_of(message)
    except UnicodeEncodeError:
        raise ProtocolError(CloseCode.INVALID_PAYLOAD, "the text has a lone surrogate") from None


def _plain(frame: object) -> str | bytes | Ping | Pong:
    """A frame as a ``Transport`` gets it. Raises ``TypeError`` for what is none, ``UnicodeEncodeError`` for no text."""
    if isinstance(frame, str):
        if not frame.isascii():
            frame.encode()
        return frame
    if isinstance(frame, bytes | Ping | Pong):
        return frame
    return payload_of(frame)[1]  # type: ignore[arg-type]  # which raises for what is no frame
