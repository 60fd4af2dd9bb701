"""A WebSocket as a carrier, on the server's side.

Rule owned here: the first message says which session it is, within ``HELLO_SECONDS``; what is sent to many is encoded
once. Must not know how a session is found, nor what goes over a socket.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from actorws.frames import CloseCode, Frame
from actorws.reasons import Reason, Remote
from actorws.sessions import control
from actorws.sessions.carrier import Carrier
from actorws.sessions.websocket_side import FINAL_CODES, WebsocketSide
from actorws.transports.websocket_output import LARGE

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.conn import Conn

__all__ = ["HELLO_SECONDS", "Reception", "WebsocketCarrier"]

#: For the client's first message.
HELLO_SECONDS: Final = 10.0
#: With these a client ends its session, as with the final ones.
_FAREWELLS: Final = (CloseCode.NORMAL, CloseCode.NO_STATUS)


class Reception(Protocol):
    """Who finds the session that a client asks for, or makes a new one, and attaches the carrier.

    Raises ``ProtocolError`` for a count of messages that can't be.
    """

    def __call__(self, carrier: WebsocketCarrier, hello: control.Hello, /) -> None: ...


class WebsocketCarrier(WebsocketSide):
    """One WebSocket whose client speaks ``actorws.v1``."""

    unmet: ClassVar[str] = "the first message has to say which session it is"
    late: ClassVar[str] = "the first message, which says which session it is, did not come in time"

    __slots__ = ("_expected",)

    def __init__(
        self, kind: Kind, conn: Conn, receive_hello: Reception, expected: dict[WebsocketCarrier, None]
    ) -> None:
        """It is among the ``expected`` until its first message comes."""
        super().__init__(kind, conn, receive_hello, HELLO_SECONDS)
        self._expected = expected
        expected[self] = None

    def _heed(self, said: control.Control) -> bool:
        if type(said) is control.Ping and self._receive_first is None:
            self._say(control.pong(said.value))
        elif type(said) is control.Hello and self._receive_first is not None:
            return self._meet(said)
        else:
            return super()._heed(said)
        return self.is_open

    def _expect_no_more(self) -> None:
        super()._expect_no_more()
        self._expected.pop(self, None)

    @staticmethod
    def meaning_of(value: Any) -> control.Control:
        return control.parse(value)

    @staticmethod
    def detaches(reason: Reason) -> bool:
        return type(reason) is Remote and reason.code not in _FAREWELLS and reason.code < FINAL_CODES

    # From the session

    def greet(self, greeting: str) -> None:
        self._say(greeting)

    def carry_encoded(
        self, frames: Sequence[Frame], chunks: Sequence[bytes], together: bytes, cache: dict[Any, Any]
    ) -> None:
        # Only where the transport has no choice but to take all of it: what it dropped would not be missed.
        wire = self.transport.wire
        is_sure = self.is_open and wire.open and len(together) < LARGE and self.transport.decoder.inflater is None
        if not is_sure or any(type(frame) is str and frame[:1] == control.ESCAPE for frame in frames):
            Carrier.carry_encoded(self, frames, chunks, together, cache)
        else:
            self.transport.send_encoded(frames, chunks, together, cache)
