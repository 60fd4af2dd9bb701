"""HTTP carrier: what a stream and a poll have in common: the answer to a GET, parked, without a task or a request.

Rules owned here: who answers requests lets go of the wire when the session greets, not before, so that whatever goes
wrong until then is answered by a status; a client that goes is lost to its session at once; the last that we have said
isn't lost to a reset. Must not know how a request is read, nor how sessions are found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from actorws.frames import CloseCode
from actorws.reasons import Remote
from actorws.sessions.carrier import Carrier
from actorws.transports.contract import Receiver

if TYPE_CHECKING:
    from actorws.sessions.session import Session
    from actorws.transports.wire import Wire

__all__ = ["Entrance", "HttpCarrier"]

#: Seconds for the client to end its side of a connection that we have left.
LINGER: Final = 5.0


class Entrance(Protocol):
    """Who has the wire until the session greets."""

    def hand_over(self, carrier: HttpCarrier, /) -> tuple[Wire, bytes]:
        """Let go of the wire, whose receiver is ``carrier`` from now on. And what came behind the request."""


class HttpCarrier(Receiver, Carrier):
    """One parked answer."""

    __slots__ = ("_entrance", "_left", "session", "wire")

    settled = True
    gathering = False

    #: ``None`` before the session greets and when it is gone, or somebody else's.
    wire: Wire | None

    def __init__(self, entrance: Entrance) -> None:
        self.session: Session | None = None
        self.wire = None
        self._entrance: Entrance | None = entrance
        #: Whether the answer has ended.
        self._left = False

    def _enter(self) -> tuple[Wire, bytes]:
        """The wire is ours."""
        assert self._entrance is not None
        entrance, self._entrance = self._entrance, None
        self.wire, behind = entrance.hand_over(self)
        return self.wire, behind

    # From the driver

    def ended(self, error: OSError | None) -> None:
        wire = self.wire
        self._lose(Remote(CloseCode.ABNORMAL))
        if wire is not None and not self._left:
            self._leave(wire)

    def _lose(self, reason: Remote) -> None:
        if self.session is not None:
            self.session.lost(self, reason)

    def drained(self) -> None:
        wire = self.wire
        if wire is None:
            return
        wire.open = not self._left
        wire.stressed = False
        if self.session is not None:
            self.session.ready(self)

    def closed(self) -> None:
        wire = self.wire
        self._lose(Remote(CloseCode.ABNORMAL))
        # A cycle is cut, so that memory is back without the garbage collector.
        self.wire = None
        self._left = True
        if wire is not None:
            wire.runtime.wheel.cancel(self)

    # The end

    def abort(self) -> None:
        if self.wire is not None:
            self.wire.abort()

    def _leave(self, wire: Wire) -> None:
        """All is said: end TCP in good order."""
        self._left = True
        wire.runtime.wheel.schedule(self, LINGER)
        wire.close()
