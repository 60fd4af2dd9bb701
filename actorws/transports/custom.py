"""Custom transports: what a user writes so that actors live behind a connection of the user's own.

Rule owned here: the public contract, and the helpers for what every such transport has to look after. Actors need
more than this of a transport; ``adapter`` gives it to them. Must not know how an actor or a transport works inside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from actorws.exceptions import ProtocolError
from actorws.frames import Close, CloseCode, Ping, Pong
from actorws.reasons import Remote

if TYPE_CHECKING:
    from typing import TypeAlias

    #: What a client says, one at a time.
    Received: TypeAlias = str | bytes | Close | Remote
    #: What a client is told, one at a time. The end is told by ``close``.
    Sendable: TypeAlias = str | bytes | Ping | Pong

__all__ = ["Transport", "check_size", "text_of"]


class Transport(ABC):
    """A connection of your own, for an actor to live behind: four methods and a name.

    ``actorws.run_over(transport, Behaviour, runtime)`` runs one actor over it; ``App.register_transport`` has a server
    do so. ``actorws.testing.check_transport`` says whether a transport keeps what is asked for here. For text in
    lines this is all it takes::

        class Lines(actorws.Transport):
            name = "lines"

            def __init__(self, stream):
                self.stream, self.rest = stream, b""

            async def receive(self):
                while b"\\n" not in self.rest:
                    check_size(len(self.rest), 64 * 1024)
                    data = await self.stream.receive_some()
                    if not data:
                        raise trio.EndOfChannel
                    self.rest += data
                line, _, self.rest = self.rest.partition(b"\\n")
                return text_of(line)

            async def send(self, frame):
                if isinstance(frame, str):
                    await self.stream.send_all(frame.encode() + b"\\n")

            async def close(self, frame):
                await self.stream.send_all(b"bye: " + frame.reason.encode() + b"\\n")
                await self.stream.aclose()

            def abort(self):
                self.stream.socket.close()

    **Who calls what when.** One task calls ``receive`` in a loop, another ``send``: at most one ``receive`` and one
    ``send`` at a time, and both may be under way at once. While the actor has no room for more messages ``receive``
    isn't called, and while ``send`` hasn't returned further frames wait outside, bounded by ``backpressure_limit``: so
    let the one read and the other write only when they are called, and keep nothing. ``close`` is called once at most,
    after the last ``send`` has returned, when ``receive`` isn't running and won't be called again. ``abort`` is called
    last, always, from whichever task it may be. When ``receive`` has said that the client has gone, or anything has
    raised, nothing but ``abort`` is called.

    **Cancellation.** ``receive`` is cancelled when it is no longer wanted. A cancelled ``receive`` loses and tears
    nothing: at each of its checkpoints, what has come is in your buffer.
    ``send``, ``ping`` and ``close`` may be cancelled with a frame half written; nothing but ``abort`` follows then.

    **Limits.** What you buffer is yours to bound, before it is there: a line without an end, say. ``check_size`` raises
    what tells the client that it said too much; messages above the route's ``max_message_size`` that you return are
    refused in the same way. A ``ProtocolError`` that you raise yourself ends the connection with its code. What else
    ``receive`` or ``send`` raises, beside what is said at each, is taken for a fault of the transport: it ends this
    actor with ``Error``, is told as an event, and hurts nobody else.

    **Time.** ``receive`` and ``send`` may take as long as they like; ``idle_timeout`` and ``close_timeout`` are kept
    for you. Each has to be a checkpoint, as every async function of trio's.
    """

    name: ClassVar[str] = "custom"
    """What ``conn.transport`` says."""
    subprotocol: str | None = None
    """What ``conn.subprotocol`` says, where client and server agreed on something."""

    @abstractmethod
    async def receive(self) -> Received:
        """The client's next message, whole: ``str`` for text, ``bytes`` for binary.

        Or its leave, taken in good order: ``Close(code, reason)``, or ``Remote(1005)`` where it gave no code. If your
        protocol has the client's leave answered, it is answered by then. Raises ``trio.EndOfChannel``,
        ``trio.BrokenResourceError`` or ``trio.ClosedResourceError`` when the wire is gone without a leave.
        """

    @abstractmethod
    async def send(self, frame: Sendable) -> None:
        """Send one frame, whole. To wait here until the client takes it is what makes backpressure.

        ``Ping`` and ``Pong`` are there only if the behaviour sends them; ignore them where there is no such thing.
        Raises ``trio.BrokenResourceError`` or ``trio.ClosedResourceError`` when the wire is gone.
        """

    @abstractmethod
    async def close(self, frame: Close) -> None:
        """Tell the client ``frame.code`` and ``frame.reason`` as well as your protocol can, and take leave.

        If the client is to answer, wait for that, and drop what it says before. Cancelled after ``close_timeout``.
        May raise what ``send`` may.
        """

    @abstractmethod
    def abort(self) -> None:
        """Cut the wire at once and free what it holds. Whatever is under way raises or is cancelled. Again: nothing."""

    async def ping(self) -> bool:
        """Ask the client for a sign of life, and return True when it has given one. May overlap with all the others.

        Called ``ping_margin`` seconds before a silent client's ``idle_timeout`` is over, which ends it unless the
        answer is there by then. False: there is no such thing here, and a client that says nothing is ended at its
        time. (If something below notices by itself that a client has vanished, return True at once.) Raises as
        ``send``.
        """
        return False


def check_size(size: int, limit: int) -> None:
    """Raise the ``ProtocolError`` 1009 for a message, or a part of one, whose ``size`` in bytes is above ``limit``."""
    if size > limit:
        raise ProtocolError(CloseCode.MESSAGE_TOO_BIG, f"a message may have {limit} bytes", "max_message_size")


def text_of(data: bytes) -> str:
    """``data`` as UTF-8. Raises the ``ProtocolError`` 1007 if it isn't."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ProtocolError(CloseCode.INVALID_PAYLOAD, "the text is not UTF-8") from None
