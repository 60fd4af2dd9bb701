"""permessage-deflate (RFC 7692), server side, by ``websockets``' extension: negotiation, inflating, deflating.

Rules owned here: what is agreed to is what the client offered and the options allow; inflating stops at the message
limit, not behind it (zlib takes twice that for a moment); a message that isn't whole and sound is refused. Must not
know frames' headers, nor who shares what is compressed.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING

from attrs import frozen
from websockets.exceptions import InvalidHeaderFormat, NegotiationError, PayloadTooBig
from websockets.exceptions import ProtocolError as InvalidData
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.headers import build_extension, parse_extension

from actorws.exceptions import HandshakeError, ProtocolError
from actorws.frames import CloseCode
from actorws.protocol.encoder import header
from actorws.protocol.opcodes import RSV1

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.typing import ExtensionParameter

    from actorws.config import Compression
    from actorws.protocol.head import Head

__all__ = ["Agreed", "Deflater", "Inflater", "Recipe", "largest_deflated", "negotiate"]

NAME = "permessage-deflate"
#: What ends a stream in good order if all before it is whole: an empty block that is marked as the last one.
LAST_BLOCK = b"\x01\x00\x00\xff\xff"
#: A message that ended its stream itself (RFC 7692 section 7.2.3.4) is followed by this at most.
PADDING = b"\x00"
#: Bytes that the few that end a message could become at most, where they are taken for something else.
AT_THE_END = 8192


@frozen
class Recipe:
    """What decides how a message looks compressed, if it doesn't refer to others: the same for many connections."""

    window_bits: int
    level: int
    memory_level: int


#: One object per recipe: connections keep it, and look up by it what is compressed already.
_recipe = lru_cache(maxsize=64)(Recipe)


@frozen
class Agreed:
    """What was negotiated for one connection."""

    header: str
    """The value of ``Sec-WebSocket-Extensions`` in the response."""
    extension: PerMessageDeflate
    """The connection's state; it holds a window for each direction with context takeover, and else none."""


def negotiate(head: Head, options: Compression) -> Agreed | None:
    """Agree to the first offer that can be met, if any (RFC 7692 section 5.1).

    Raises ``HandshakeError`` 400 for a header that isn't a list of extensions.
    """
    if not options.compression:
        return None
    value = head.get("sec-websocket-extensions")
    if value is None:
        return None
    try:
        offers = parse_extension(value)
    except InvalidHeaderFormat:
        raise HandshakeError(400, "Sec-WebSocket-Extensions is not a list of extensions") from None
    factory = _factory(options)
    for name, parameters in offers:
        if name == NAME and (agreed := _agree(factory, parameters)) is not None:
            return agreed
    return None


def _agree(factory: ServerPerMessageDeflateFactory, parameters: Sequence[ExtensionParameter]) -> Agreed | None:
    try:
        answer, extension = factory.process_request_params(parameters, [])
    except NegotiationError:
        return None  # an offer with bad, unknown or repeated parameters is declined (RFC 7692 section 7)
    return Agreed(build_extension([(factory.name, answer)]), extension)


def _factory(options: Compression) -> ServerPerMessageDeflateFactory:
    return ServerPerMessageDeflateFactory(
        server_no_context_takeover=not options.server_context_takeover,
        client_no_context_takeover=not options.client_context_takeover,
        server_max_window_bits=options.server_max_window_bits if options.server_max_window_bits < 15 else None,
        client_max_window_bits=options.client_max_window_bits if options.client_max_window_bits < 15 else None,
        compress_settings={"level": options.compression_level, "memLevel": options.compression_memory_level},
    )


def largest_deflated(size: int) -> int:
    """How large ``size`` bytes may be compressed: more than themselves, where they are random (zlib's deflateBound)."""
    return size + size // 8 + 64


class Inflater:
    """Inflates the messages of one peer, fragment by fragment."""

    __slots__ = ("_begun", "_extension")

    def __init__(self, extension: PerMessageDeflate) -> None:
        self._extension = extension
        #: Whether any byte of the current message has come.
        self._begun = False

    def inflate(self, payload: bytes, *, first: bool, last: bool, room: int, limit: int) -> bytes:
        """What a frame's payload is, inflated; at most ``room`` bytes, which are left of a message's ``limit``.

        Raises ``ProtocolError``: 1009 above that, 1007 for what isn't, or isn't wholly, deflated data.
        """
        if first:
            self._begun = False
        if not payload and not self._begun:
            return b""  # nothing yet; or not a byte, though it should be one (RFC 7692 section 7.2.3.6): the same
        opcode = Opcode.CONT if self._begun else Opcode.BINARY
        self._begun = True
        try:
            # Room for a byte more: with none left, zlib wouldn't take in the end of a message that just fits.
            frame = Frame(opcode, payload, fin=False, rsv1=opcode is not Opcode.CONT)
            inflated = bytes(self._extension.decode(frame, max_size=room + 1).data)
            if len(inflated) > room:
                raise _too_big(limit)
        except PayloadTooBig:
            raise _too_big(limit) from None
        except (InvalidData, zlib.error):
            raise _unsound("is not deflated data") from None
        if self._extension.decoder.unused_data not in (b"", PADDING):
            # At once: zlib would copy all of it again with every fragment.
            raise _unsound("goes on behind its end")
        if last:
            self._end()
        return inflated

    def _end(self) -> None:
        """The message must have been whole: at the end of a block, with nothing behind it."""
        extension = self._extension
        rest = b""
        if extension.decoder.eof:
            # The peer ended its stream, and begins a new one with the next message.
            rest = PADDING
            extension.decoder = zlib.decompressobj(wbits=-extension.remote_max_window_bits)
        decoder = extension.decoder
        try:
            behind = extension.decode(Frame(Opcode.CONT, rest, fin=True), max_size=AT_THE_END).data
            # Looked at on a copy, if the next message goes on with it.
            probe = decoder if extension.remote_no_context_takeover else decoder.copy()
            is_whole = not behind and not probe.decompress(LAST_BLOCK) and probe.eof
        except (InvalidData, zlib.error):
            is_whole = False
        if decoder.eof and not extension.remote_no_context_takeover:
            # The tail has ended the stream: a new one begins with the next message.
            extension.decoder = zlib.decompressobj(wbits=-extension.remote_max_window_bits)
        if not is_whole:
            raise _unsound("is cut off")


def _unsound(what: str) -> ProtocolError:
    return ProtocolError(CloseCode.INVALID_PAYLOAD, f"the compressed message {what} (RFC 7692 section 7.2.2)")


def _too_big(limit: int) -> ProtocolError:
    return ProtocolError(
        CloseCode.MESSAGE_TOO_BIG, f"the message has more than {limit} bytes", limit="max_message_size"
    )


class Deflater:
    """Compresses the messages to one peer into frames."""

    __slots__ = ("_extension", "max_size", "recipe", "threshold")

    def __init__(self, extension: PerMessageDeflate, threshold: int = 0, max_size: float = inf) -> None:
        self._extension = extension
        #: Bytes from which on a message is worth it, and up to which it doesn't take too long.
        self.threshold, self.max_size = threshold, max_size
        #: By which others may have, or may use, the same frame; ``None``: ours refer to each other.
        self.recipe: Recipe | None = None
        if extension.local_no_context_takeover:
            settings = extension.compress_settings
            self.recipe = _recipe(extension.local_max_window_bits, settings["level"], settings["memLevel"])

    def encode(self, opcode: int, payload: bytes) -> bytes:
        """A whole frame, compressed; uncompressed where that is smaller and nothing was to be remembered of it."""
        deflated = self._extension.encode(Frame(Opcode(opcode), payload)).data
        if self.recipe is not None and len(deflated) >= len(payload):
            return header(opcode, len(payload)) + payload
        return header(opcode | RSV1, len(deflated)) + deflated

    def forget(self) -> None:
        """The last frame was not sent: the next must not refer to it. (What it refers to is nobody's concern then.)"""
        extension = self._extension
        if self.recipe is None:
            extension.encoder = zlib.compressobj(wbits=-extension.local_max_window_bits, **extension.compress_settings)
