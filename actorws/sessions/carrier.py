"""Carrier: the contract of what carries a session for a while: a WebSocket, an HTTP stream, one poll.

Rules owned here: a carrier takes what it is given, in order, or is lost as a whole: nothing is dropped in it, because
the client counts; whether it should be given more is asked before (``takes``). Calls go down from the session
(``carry``, ``close``); what comes up (``Session.brought``, ``ready``, ``lost``) is never called from within one of
them. Must not know any carrier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from actorws.frames import Close, Frame, Ping, Pong
from actorws.sessions.outbox import Message

if TYPE_CHECKING:
    from actorws.sessions.session import Session

__all__ = ["Carrier"]


class Carrier:
    """One wire of a session."""

    __slots__ = ()  # a carrier may be a receiver, too, which has slots of its own

    #: What ``conn.transport`` says.
    name: ClassVar[str]
    #: Whether the client is told of what it has sent by ``acknowledge`` (else by the answers to its POSTs).
    acknowledges: ClassVar[bool] = False
    #: Whether the wire's end is its natural end, and the client comes back by itself: a poll.
    returns: ClassVar[bool] = False

    #: The session, from ``Session.attach`` on; ``None`` before and when it has another wire.
    session: Session | None

    def bind(self, session: Session | None) -> None:
        """It carries ``session`` from now on, or none any more."""
        self.session = session  # type: ignore[misc]  # in slots of the subclass

    @property
    def takes(self) -> bool:
        """Whether it should be given a message now. If not it calls ``session.ready`` when that changes."""
        raise NotImplementedError

    @property
    def buffered(self) -> int:
        """Bytes that it was given and that the kernel has not taken."""
        raise NotImplementedError

    def greet(self, greeting: str) -> None:
        """Say first of all what ``control.greeting`` has made."""
        raise NotImplementedError

    def carry(self, message: Message, cache: dict[Any, Any] | None = None) -> None:
        """Send one message, whatever waits. ``cache``: for bytes that others who get the same message can use."""
        raise NotImplementedError

    def carry_encoded(
        self, frames: Sequence[Frame], chunks: Sequence[bytes], together: bytes, cache: dict[Any, Any]
    ) -> None:
        """As ``ActorTransport.send_encoded``, for messages that are all taken. By default: ``carry`` for each."""
        for frame in frames:
            self.carry(frame, cache)  # type: ignore[arg-type]  # the session has looked at them

    def send_control(self, frame: Ping | Pong) -> None:
        """Send a control frame, if the wire knows such. By default it doesn't."""

    def acknowledge(self, received: int) -> None:
        """Tell the client how many of its messages have come, where it ``acknowledges``."""

    def close(self, frame: Close) -> bool:
        """End the wire in good order with these words.

        True: the client will answer, or be too late; ``session.close_finished`` is called then. False: it is over, as
        far as anyone can know.
        """
        raise NotImplementedError

    def leave(self, frame: Close) -> None:
        """As ``close``, and nobody waits for anything."""
        raise NotImplementedError

    def supersede(self) -> None:
        """Another wire has taken this one's place: end it. Nothing that it still brings counts."""
        raise NotImplementedError

    def abort(self) -> None:
        """Cut the wire at once."""
        raise NotImplementedError

    def pause(self) -> bool:
        """Bring nothing more from the client; whether it did until now. By default it brings nothing anyway."""
        return False

    def resume(self) -> None:
        """Go on bringing it."""
