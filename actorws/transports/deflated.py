"""WebSocket transport with permessage-deflate (RFC 7692): what its client gets is compressed, where that pays.

Rules owned here: what goes to many clients that agreed to the same is compressed once; where messages refer to earlier
ones, each is compressed when it is sure to be sent, or the next one starts anew. Connections without compression never
come here. Must not know how anything is compressed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorws.conn import ReadyState, SendStatus
from actorws.frames import Frame
from actorws.protocol.codec import Decoder
from actorws.protocol.deflate import Agreed, Deflater, Inflater
from actorws.protocol.encoder import payload_of
from actorws.protocol.opcodes import CLOSE
from actorws.transports.websocket import WebsocketTransport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorws.actor.kind import Kind
    from actorws.actor.runqueue import Shared
    from actorws.conn import Conn
    from actorws.transports.contract import Recipient
    from actorws.transports.wire import Wire

__all__ = ["DeflatedTransport"]


class DeflatedTransport(WebsocketTransport):
    """One WebSocket whose client has agreed to compression."""

    # With an inflater that is this connection's alone.
    decodes_by = Decoder

    __slots__ = ("_deflater",)

    def __init__(self, wire: Wire, kind: Kind, conn: Conn, agreed: Agreed, recipient: Recipient | None = None) -> None:
        super().__init__(wire, kind, conn, recipient)
        self.decoder.inflater = Inflater(agreed.extension)
        options = kind.config.compression
        self._deflater = Deflater(agreed.extension, options.compression_threshold, options.compression_max_size)

    def send(self, frame: Frame) -> SendStatus:
        if self.ready_state is not ReadyState.OPEN:
            payload_of(frame)  # what is no frame is told all the same
            return SendStatus.CLOSED
        chunk = self._deflated(frame)
        if chunk is None:
            return super().send(frame)
        status = self._offer((chunk,), frame)
        if status is SendStatus.DROPPED:
            self._deflater.forget()
        return status

    def put(self, frame: str | bytes, compressed: dict[Any, Any] | None = None) -> None:
        recipe = self._deflater.recipe
        if compressed is None or recipe is None:
            chunk = self._deflated(frame)
        else:
            known, chunk = compressed.get((recipe, id(frame)), (None, None))
            if known is not frame:
                chunk = self._deflated(frame)
                compressed[recipe, id(frame)] = frame, chunk
        if chunk is None:
            super().put(frame)
        else:
            self.wire.write(chunk)

    def _deflated(self, frame: Frame) -> bytes | None:
        """The frame compressed, if it is worth it."""
        opcode, payload = payload_of(frame)
        if opcode >= CLOSE or not self._deflater.threshold <= len(payload) <= self._deflater.max_size:
            return None
        return self._deflater.encode(opcode, payload)

    def send_frames(self, frames: Any) -> None:
        self._send_each(frames)

    def send_shared(self, frames: Any, shared: Shared) -> list[bytes] | None:
        recipe = self._deflater.recipe
        if recipe is None or type(frames) is not list or len(frames) != 1 or type(frames[0]) not in (str, bytes):
            self.send_frames(frames)
            return None
        frame = frames[0]
        if shared.compressed is None:
            shared.compressed = {}
        known, chunk = shared.compressed.get(recipe, (None, None))
        if known is not frame:
            chunk = self._deflated(frame)
            shared.compressed[recipe] = frame, chunk
        if chunk is None:
            self._send_one(frame)
        elif self.ready_state is ReadyState.OPEN:
            self._offer((chunk,), frame)
        return None

    def send_encoded(
        self, frames: Sequence[Frame], chunks: Sequence[bytes], together: bytes, compressed: dict[Any, Any]
    ) -> None:
        recipe = self._deflater.recipe
        if recipe is None:
            for frame in frames:
                self.send(frame)
            return
        if recipe not in compressed:
            made = [self._deflated(frame) or chunk for frame, chunk in zip(frames, chunks, strict=True)]
            compressed[recipe] = made, b"".join(made)
        made, all_made = compressed[recipe]
        super().send_encoded(frames, made, all_made, compressed)
