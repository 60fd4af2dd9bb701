"""Contracts: what an actor needs of a transport, and a driver of what receives its bytes.

Rule owned here: the two interfaces; every transport and every receiver of bytes is written against them. Calls
only go down from an actor's callback (send, close, abort); what comes up (receive, drained, lost) is never
called from within one of them. Must not know any transport or driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from actorws.actor.timers import Expirable
from actorws.conn import ReadyState, SendStatus
from actorws.frames import Close, Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actorws.actor.kind import Kind
    from actorws.actor.runqueue import Shared
    from actorws.conn import Conn
    from actorws.reasons import Reason

__all__ = ["ActorTransport", "Receiver", "Recipient"]


class Recipient(Protocol):
    """What a transport tells of its client: an actor, or what stands between it and a session."""

    kind: Kind
    conn: Conn

    def receive(self, messages: Iterable[Any], /) -> None:
        """Messages of the client have come, and control frames if it wants them."""

    def drained(self) -> None:
        """The client has taken all output, some of which had to wait."""

    def close(self, frame: Close, /) -> bool:
        """A ``Close`` was among the frames that a callback returned."""

    def close_finished(self, reason: Reason, /) -> None:
        """A close that was begun by ``ActorTransport.close`` is over."""

    def close_unanswered(self) -> None:
        """The wire has gone before our Close was answered."""

    def end(self, reason: Reason, /) -> None:
        """The client has ended it; the transport has done its part."""

    def stop(self, reason: Reason, frame: Close | None = None, /) -> None:
        """It has to end for ``reason``, and the wire may still be open."""


class Receiver(Expirable):
    """What a driver hands a connection's bytes to. Its one deadline (``expire``) is on the runtime's wheel."""

    __slots__ = ()

    #: Whether the connection has its place: out of memory it goes on in small pieces, and others are given up.
    settled: ClassVar[bool] = False
    #: Whether the driver may read straight into ``room()`` and then call ``filled(size)``.
    gathering: bool

    def receive(self, data: bytes) -> bool:
        """Bytes came. True: the fairness bound held some back; call again with ``b""`` in the next tick."""
        raise NotImplementedError

    def room(self) -> memoryview:
        """Where the next bytes may be put while ``gathering``."""
        raise NotImplementedError

    def filled(self, size: int) -> bool:
        """``size`` bytes were put into ``room()``; returns as ``receive``."""
        raise NotImplementedError

    def ended(self, error: OSError | None) -> None:
        """The peer sends nothing more (``None``: it finished; else how the connection was lost)."""
        raise NotImplementedError

    def drained(self) -> None:
        """The kernel has taken all output that waited."""
        raise NotImplementedError

    def passed_mark(self, buffered: int) -> None:
        """Output that waits, ``buffered`` bytes, has passed the high-water mark: nothing is read until ``drained``.

        For events alone, and the exception to the rule above: it comes from within a send.
        """

    def closed(self) -> None:
        """The wire is gone, for whatever reason. Called once, last."""
        raise NotImplementedError


class ActorTransport(Receiver):
    """What an actor's frames go through."""

    __slots__ = ("actor", "ready_state")

    settled: ClassVar[bool] = True
    #: The kind of wire, as ``conn.transport`` says it.
    name: ClassVar[str]

    actor: Recipient
    ready_state: ReadyState

    @property
    def buffered(self) -> int:
        """Bytes that wait to be taken by the kernel."""
        raise NotImplementedError

    @property
    def owes_relief(self) -> bool:
        """Whether output had to wait or found no room, so that ``drained`` of the actor will be called."""
        raise NotImplementedError

    def send(self, frame: Frame) -> SendStatus:
        """Send one frame that is not a ``Close``. Raises ``TypeError`` for what is no frame."""
        raise NotImplementedError

    def send_frames(self, frames: Any) -> list[bytes] | None:
        """Send what a callback returned, which is not ``None`` or an empty list.

        What it returns, if anything, is an outlet: where the actor itself may append the bytes of later frames that are
        ``SHORT`` (plain frames of a server) instead of sending them, until its turn is over. Raises ``InvalidReturn``
        for what is no frame.
        """
        raise NotImplementedError

    def send_shared(self, frames: Any, shared: Shared) -> list[bytes] | None:
        """As ``send_frames``; may take a lone frame's bytes from ``shared``, or leave them there for other actors.

        What it returns, if anything, is an outlet for ``shared.chunk`` of later messages.
        """
        raise NotImplementedError

    def send_encoded(
        self, frames: Sequence[Frame], chunks: Sequence[bytes], together: bytes, compressed: dict[Any, Any]
    ) -> None:
        """Send frames whose bytes are known, because they go to many; ``together`` is all chunks joined.

        ``compressed`` is for what the transport would rather send, to be used by it and others: empty at first.
        """
        raise NotImplementedError

    def close(self, frame: Close) -> None:
        """Begin to close; ``actor.close_finished`` is called when the peer has answered, has gone or was too slow."""
        raise NotImplementedError

    def finish(self, frame: Close) -> None:
        """Tell the peer and end the wire in good order; the actor has ended and isn't called any more."""
        raise NotImplementedError

    def abort(self) -> None:
        """Cut the wire at once; the actor isn't called any more."""
        raise NotImplementedError

    def pause(self) -> bool:
        """Read nothing from the client: the actor's mailbox is full. Whether it was read from until now."""
        raise NotImplementedError

    def resume(self) -> None:
        """The mailbox has room again."""
        raise NotImplementedError
