"""The client's side of a session: an outbound actor's transport whose wire may be lost and had again.

Rules owned here: what the actor sends while there is no wire waits, as on a server; whoever looks after it is told when
the wire is lost, when the end is decided, and when ``terminate`` has returned, in this order. A session that we end for
good says so: the server would wait for us. Must not know how a wire is had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import trio

from actorws.client.actor import OutboundActor
from actorws.conn import ReadyState
from actorws.frames import Close, CloseCode
from actorws.reasons import Reason
from actorws.sessions import ids
from actorws.sessions.policies import CleanupPolicy
from actorws.sessions.session import Session

if TYPE_CHECKING:
    from actorws.actor.actor import Actor
    from actorws.actor.kind import Kind
    from actorws.conn import Conn
    from actorws.sessions.carrier import Carrier

__all__ = ["ClientSession", "Guardian"]

#: Codes from here on are the application's, which knows what they mean to a session (PROTOCOL.md, "Ends").
_OF_APPLICATIONS: Final = 3000


class Guardian(Protocol):
    """Who looks after a session."""

    def detached(self, reason: Reason, /) -> None:
        """Its wire is lost, for ``reason``; its actor goes on."""

    def ending(self) -> None:
        """The end of its actor is decided: no wire is wanted any more."""

    def ended(self, reason: Reason, /) -> None:
        """Its actor has ended; ``terminate`` has returned."""


class _Alone:
    """What a session without a store has in its place: it is found by nobody, and the server says when it is over."""

    def __init__(self) -> None:
        self._policy = CleanupPolicy()

    def current_time(self) -> float:
        return trio.current_time()

    def policy_of(self, kind: Kind) -> CleanupPolicy:
        return self._policy

    def attached(self, session: Session) -> None:
        pass

    def detached(self, session: Session) -> None:
        pass

    def ended(self, session: Session) -> None:
        session.forgotten()

    def forget(self, session: Session) -> None:
        session.forgotten()


class ClientSession(Session):
    """One server's, over all its wires. Its first carrier is attached before ``start``."""

    __slots__ = ("_guardian", "text")

    def __init__(self, kind: Kind, conn: Conn, text: str, guardian: Guardian) -> None:
        """``text`` is the id that the server has given it, which has been looked at."""
        session_id = ids.parse(text)
        assert session_id is not None
        self.text = text
        self._guardian = guardian
        super().__init__(_Alone(), kind, conn, session_id, None)
        self.known = True

    def _make_actor(self) -> Actor:
        return OutboundActor(self.kind, self.conn, self, self._guardian.ended)

    @property
    def is_over(self) -> bool:
        """Whether the end of its actor is decided, or waits for the answer to our Close."""
        return self.ready_state is not ReadyState.OPEN

    def _greet(self, carrier: Carrier, resumed: bool, lost: str | None) -> None:
        """It is for the server to greet."""

    def lost(self, carrier: Carrier, reason: Reason) -> None:
        super().lost(carrier, reason)
        if not self.is_over and not self.is_attached:
            self._guardian.detached(reason)

    def let_go(self, reason: Reason) -> None:
        """It can't be gone on with, or isn't wanted: end its actor. What waits, or isn't acknowledged, is gone."""
        self.epitaph = "lost"
        self.actor.stop(reason)

    def finish(self, frame: Close) -> None:
        if frame.code < _OF_APPLICATIONS:
            # Our codes, such as 1011, would only detach the server's session.
            frame = Close(CloseCode.NORMAL, frame.reason)
        super().finish(frame)

    @property
    def _can_return(self) -> bool:
        return False

    def _ended(self) -> Actor:
        actor = super()._ended()
        self._guardian.ending()
        return actor
