"""WebSocket transports of the client's side: what is sent is masked, with a fresh key for each frame (RFC 6455 5.3).

Rules owned here: no frame leaves unmasked; it is for the server to end TCP, within ``close_timeout``; who has to wait
to send may go on reading. What a server's frames must look like, ``DecoderRules`` say. Must not know who the server is,
nor how it was found.
"""

from __future__ import annotations

from os import urandom
from typing import TYPE_CHECKING, Any, Protocol

from actorws.conn import ReadyState, SendStatus
from actorws.frames import CloseCode, Ping
from actorws.protocol.encoder import encode, mask
from actorws.protocol.unmasked import UnmaskedDecoder
from actorws.reasons import Remote
from actorws.transports.contract import Recipient
from actorws.transports.deflated import DeflatedTransport
from actorws.transports.websocket import WebsocketTransport
from actorws.transports.wire import OUTPUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorws.actor.kind import Kind
    from actorws.actor.runqueue import Shared
    from actorws.conn import Conn
    from actorws.frames import Frame
    from actorws.protocol.deflate import Agreed
    from actorws.transports.wire import Wire

__all__ = ["ClientRecipient", "ClientTransport", "DeflatedClientTransport", "client_transport"]


class ClientRecipient(Recipient, Protocol):
    """What has its transport made for it."""

    transport: Any


class _Masking(WebsocketTransport):
    """What both have in common: the last step of everything that is sent."""

    if not TYPE_CHECKING:
        # Those of what is added stand in the classes below: of two bases with slots nothing can be made.
        __slots__ = ()

    decodes_by = UnmaskedDecoder

    _pong: bytes

    def __init__(self, *args: Any) -> None:
        self._pong = b""
        super().__init__(*args)

    def masked(self, frame: bytes) -> bytes:
        return mask(frame, urandom(4))

    def send_frames(self, frames: Any) -> None:
        self._send_each(frames)

    # What many get is not the same for them: each has a key of its own.

    def send_shared(self, frames: Any, shared: Shared) -> list[bytes] | None:
        self.send_frames(frames)
        return None

    def send_encoded(
        self, frames: Sequence[Frame], chunks: Sequence[bytes], together: bytes, compressed: dict[Any, Any]
    ) -> None:
        for frame in frames:
            self.send(frame)

    def _offer(self, chunks: tuple[bytes, ...], frame: Frame) -> SendStatus:
        return super()._offer((self.masked(chunks[0] if len(chunks) == 1 else b"".join(chunks)),), frame)

    # A server that doesn't read

    def passed_mark(self, buffered: int) -> None:
        # It is read from all the same: two that each wait for the other to read would wait for ever, and a server may
        # be one of those. What we send is bounded by ``backpressure_limit``, and by those who wait until it has left.
        self.wire.resume(OUTPUT)

    def _answer(self, pongs: list[bytes], messages: list[Any]) -> None:
        if pongs and self.wire.queue is not None:
            # The last ping may be answered for all of them (RFC 6455 section 5.5.3): else they would pile up.
            self._pong, pongs = pongs[-1], []
        super()._answer(pongs, messages)

    def drained(self) -> None:
        if self._pong and self.ready_state is ReadyState.OPEN:
            self.wire.write(self._pong)
        self._pong = b""
        super().drained()

    # The end

    def _leave(self) -> None:
        """No frame goes either way any more: the server is to end TCP (RFC 6455 section 7.1.1), and what it still
        sends is dropped.
        """
        self.ready_state = ReadyState.CLOSED
        self.gathering = False
        self.decoder.stop()
        self.wire.open = False
        self.wire.resume(~0)
        self.within(self.timeouts.close_timeout)

    def ended(self, error: OSError | None) -> None:
        super().ended(error)
        if self.wire is not None:
            self.wire.close()

    def closed(self) -> None:
        recipient, was_over = self.actor, self.ready_state is ReadyState.CLOSED
        super().closed()
        if not was_over:
            # The driver itself has come to its end.
            recipient.end(Remote(CloseCode.ABNORMAL))


class ClientTransport(_Masking):
    """One WebSocket of the client's side."""

    __slots__ = ("_pong",)

    def put(self, frame: str | bytes | Ping, compressed: dict[Any, Any] | None = None) -> None:
        self.wire.write(self.masked(encode(frame)))


class DeflatedClientTransport(_Masking, DeflatedTransport):
    """One whose server has agreed to compression."""

    __slots__ = ("_pong",)

    def put(self, frame: str | bytes | Ping, compressed: dict[Any, Any] | None = None) -> None:
        self.wire.write(self.masked(self._deflated(frame) or encode(frame)))


def client_transport(
    wire: Wire, kind: Kind, conn: Conn, agreed: Agreed | None, recipient: ClientRecipient
) -> ClientTransport | DeflatedClientTransport:
    """The transport for a connection that was opened, with ``recipient`` behind it."""
    if agreed is None:
        transport: ClientTransport | DeflatedClientTransport = ClientTransport(wire, kind, conn, recipient)
    else:
        transport = DeflatedClientTransport(wire, kind, conn, agreed, recipient)
    recipient.transport = transport
    return transport
