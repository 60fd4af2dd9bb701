"""Frame codec, the parsing half: bytes of one peer to messages and control frames (RFC 6455 section 5).

Rule owned here: every rule about a frame's header and payload; what ``Decoder`` hands out is valid. It parses all
complete frames of a read in one pass and makes no object per data frame but its payload; checks and limits act on
the header, before payload is kept. Own code because it is the hot path: per small message the well-known parsers
cost 3-11 us, this loop under 1 us. Must not know about sockets, actors or what a close handshake is.
"""

from __future__ import annotations

from typing import TypeAlias

from actorws.exceptions import ProtocolError
from actorws.frames import CloseCode, Ping, Pong, is_sendable
from actorws.protocol.masking import apply_mask
from actorws.protocol.opcodes import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    FIN_BINARY,
    FIN_TEXT,
    MASKED,
    PING,
    PONG,
    TEXT,
)
from actorws.protocol.payload import Gather, Message, invalid_utf8, text, utf8_decoder
from actorws.reasons import Remote

__all__ = ["FRAMES_PER_READ", "Decoder", "DecoderRules", "Received"]

#: Fairness: frames that one call of ``receive`` hands out at most, fragments counted. (Reads without a bound of tiny
#: frames delayed other clients by 120-640 ms under a flood, bounded ones by 1-2 ms.)
FRAMES_PER_READ = 256
#: Unfinished binary frames up to this size are kept as raw bytes and parsed again when more has come; larger ones
#: are gathered, so that a payload that trickles in costs no more than it should.
TAIL_SIZE = 4096

#: What comes out: a whole text or binary message, a control frame, or how the peer closed.
Received: TypeAlias = str | bytes | Ping | Pong | Remote


class DecoderRules:
    """What a decoder holds a peer to; shared by all connections of a route."""

    __slots__ = ("masked", "max_fragments", "max_message_size", "small")

    def __init__(self, *, max_message_size: int, max_fragments: int, masked: bool = True) -> None:
        self.max_message_size = max_message_size
        self.max_fragments = max_fragments
        #: Clients must mask, servers must not (RFC 6455 section 5.1).
        self.masked = masked
        #: Up to which payload size a read may be looked at as one small frame.
        self.small = min(125, max_message_size) if masked else -1


class Decoder:
    """Parses what one peer sends. After an error or a Close it takes nothing more (RFC 6455 sections 7.1.7 and 1.4)."""

    __slots__ = ("_gather", "_message", "_over", "_tail", "_unfinished", "attention", "error", "more", "rules")

    def __init__(self, rules: DecoderRules) -> None:
        self.rules = rules
        #: Set when there is more to see to than messages: a control frame, an error, ``more``, or ``gathering`` began.
        self.attention = False
        #: The rule the peer broke, once it did.
        self.error: ProtocolError | None = None
        #: Whether complete frames may be waiting that the fairness bound held back; call ``receive(b"")``.
        self.more = False
        self._over = False
        #: Whether something of the last reads bears on the next: a tail, a message or payload begun, a flag set.
        self._unfinished = False
        self._tail = b""
        self._gather: Gather | None = None
        self._message: Message | None = None

    def receive(self, data: bytes) -> list[Received]:
        """Take what the peer sent; return what is complete, in order. Never raises for what a peer sends."""
        size = len(data) - 6
        if not self._unfinished and 0 <= size <= self.rules.small and data[1] == MASKED + size:
            # A read that is just one small message, as most reads of most servers are: half the cost of the loop.
            if data[0] == FIN_BINARY:
                return [apply_mask(data[6:], data[2:6])]
            if data[0] == FIN_TEXT:
                try:
                    return [apply_mask(data[6:], data[2:6]).decode()]
                except UnicodeDecodeError:
                    pass  # found again, and told, below
        received = self._receive(data)
        self._unfinished = bool(self.attention or self._tail or self._gather is not None or self._message is not None)
        return received

    def _receive(self, data: bytes) -> list[Received]:
        if self._over:
            return []
        if self._tail:
            data = self._tail + data
            self._tail = b""
        received: list[Received] = []
        position = 0
        self.attention = self.more = False
        if self._gather is not None:
            position = self._gather.take(data)
            if not self._gathered(received):
                return received
        try:
            position = self._frames(data, position, received)
        except ProtocolError as error:
            self._fail(error)
        else:
            if position < len(data):
                self._tail = data[position:]
        return received

    def _frames(self, data: bytes, position: int, received: list[Received]) -> int:
        """Parse frames from ``position`` on; return the position of the first byte not used."""
        end = len(data)
        max_size = self.rules.max_message_size
        unmask = apply_mask
        append = received.append
        fast = self.rules.masked
        budget = FRAMES_PER_READ
        while end - position >= 2:
            # The common case, a whole unfragmented small or medium frame of data from a client, with no call but
            # unmasking. Less than six bytes are never one, but they may be a server's frame or show an error.
            length = data[position + 1] - MASKED
            start = position + 6
            if length == 126 and end - position >= 8:
                length = (data[position + 2] << 8) | data[position + 3]
                start = position + 8
                if length < 126:
                    length = -1
            elif length > 125:
                length = -1
            stop = start + length
            if fast and 0 <= length <= max_size and stop <= end and self._message is None:
                first = data[position]
                if first == FIN_BINARY:
                    append(unmask(data[start:stop], data[start - 4 : start]))
                elif first == FIN_TEXT:
                    try:
                        append(unmask(data[start:stop], data[start - 4 : start]).decode())
                    except UnicodeDecodeError:
                        raise invalid_utf8() from None
                else:
                    stop = self._frame(data, position, received)
            else:
                stop = self._frame(data, position, received)
                if stop < 0:
                    return position
                if self._message is not None:
                    # A fragment hands out nothing, but takes time: 64 KiB of empty ones took 25 ms.
                    budget -= 1
            position = stop
            if len(received) >= budget and position < end:
                self.attention = self.more = True
                return position
        return position

    def _frame(self, data: bytes, position: int, received: list[Received]) -> int:
        """Parse one frame of any kind; return the position behind it, or -1 if it isn't all there."""
        first, second = data[position], data[position + 1]
        fin, opcode, masked, length = first & FIN, first & 0x0F, second & MASKED, second & 0x7F
        self._check_first_bytes(first, opcode, masked, length)
        start = position + 2
        if length > 125:
            size = 2 if length == 126 else 8
            if len(data) < start + size:
                return -1
            length = int.from_bytes(data[start : start + size], "big")
            if length < (126 if size == 2 else 65536):
                raise _error("the payload length is not in its shortest form", "5.2")
            if length >> 63:
                raise _error("the payload length has its top bit set", "5.2")
            start += size
        if opcode < CLOSE:
            self._check_size(opcode, length)
        key = b""
        if masked:
            key = data[start : start + 4]
            if len(key) < 4:
                return -1
            start += 4
        stop = start + length
        if stop <= len(data):
            payload = apply_mask(data[start:stop], key) if masked else data[start:stop]
            if opcode >= CLOSE:
                self._control(opcode, payload, received)
            else:
                self._data(fin, opcode, payload, received)
            return len(data) if self._over else stop
        if opcode >= CLOSE or (length <= TAIL_SIZE and opcode == BINARY):
            return -1
        self._begin_gather(fin, opcode, key, length, data, start)
        return len(data)

    def _check_first_bytes(self, first: int, opcode: int, masked: int, length: int) -> None:
        if first & 0x70:
            raise _error("a reserved bit is set without an extension that defines it", "5.2")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise _error(f"opcode {opcode:#x} is reserved", "5.2")
        if bool(masked) is not self.rules.masked:
            raise _error("a client's frame must be masked" if self.rules.masked else "a server masked a frame", "5.1")
        if opcode >= CLOSE:
            if not first & FIN:
                raise _error("a control frame is fragmented", "5.5")
            if length > 125:
                raise _error("a control frame has more than 125 bytes of payload", "5.5")
        elif opcode == CONTINUATION:
            if self._message is None:
                raise _error("a continuation frame continues nothing", "5.4")
        elif self._message is not None:
            raise _error("a new message begins inside a fragmented one", "5.4")

    def _check_size(self, opcode: int, length: int) -> None:
        rules, message = self.rules, self._message
        total = length
        if message is not None and opcode == CONTINUATION:
            total += message.size
            if len(message.parts) >= rules.max_fragments:
                raise ProtocolError(
                    CloseCode.MESSAGE_TOO_BIG, f"the message has more than {rules.max_fragments} fragments"
                )
        if total > rules.max_message_size:
            raise ProtocolError(CloseCode.MESSAGE_TOO_BIG, f"the message has more than {rules.max_message_size} bytes")

    def _control(self, opcode: int, payload: bytes, received: list[Received]) -> None:
        self.attention = True
        if opcode == PING:
            received.append(Ping(payload))
        elif opcode == PONG:
            received.append(Pong(payload))
        else:
            received.append(_parse_close(payload))
            self._end()

    def _data(self, fin: int, opcode: int, payload: bytes, received: list[Received]) -> None:
        """A whole data frame: a message, or a fragment of one."""
        message = self._message
        if message is None and fin:
            received.append(text(payload) if opcode == TEXT else payload)
            return
        if message is None:
            message = self._message = Message(utf8_decoder(opcode == TEXT))
        message.add(payload, bool(fin))
        if fin:
            self._message = None
            received.append(message.whole())

    # A frame whose payload comes in many reads

    @property
    def gathering(self) -> bool:
        """Whether the next bytes belong to a large payload, and may be read straight into ``room()``."""
        return self._gather is not None

    def room(self) -> memoryview:
        """Where the driver may put the next bytes of the payload; release it before calling ``filled``."""
        assert self._gather is not None
        return self._gather.room()

    def filled(self, size: int) -> list[Received]:
        """Tell that ``size`` bytes were put into ``room()``; as ``receive`` otherwise."""
        assert self._gather is not None
        received: list[Received] = []
        self.attention = False
        self._gather.size += size
        self._gathered(received)
        return received

    def _begin_gather(self, fin: int, opcode: int, key: bytes, length: int, data: bytes, start: int) -> None:
        # The text of an unfinished frame is checked as it comes: an error is told at once, not a megabyte later.
        message = self._message
        utf8 = utf8_decoder(opcode == TEXT) if message is None else message.utf8
        self._gather = Gather(fin, opcode, key, length, utf8)
        self.attention = True
        self._gather.take(data[start:])
        self._gather.check()

    def _gathered(self, received: list[Received]) -> bool:
        """After bytes were gathered: whether the payload is whole (and then handed on)."""
        gather = self._gather
        assert gather is not None
        try:
            gather.check()
            if gather.size < gather.length:
                return False
            self._gather = None
            message = self._message
            payload = gather.payload()
            if message is None and gather.fin:
                received.append(text(payload) if gather.opcode == TEXT else payload)
                return True
            if message is None:
                message = self._message = Message(gather.utf8)
            message.add(payload, bool(gather.fin), checked=True)
            if gather.fin:
                self._message = None
                received.append(message.whole())
        except ProtocolError as error:
            self._fail(error)
            return False
        return True

    def _fail(self, error: ProtocolError) -> None:
        self.error = error
        self.attention = True
        self._end()

    def _end(self) -> None:
        self._over = True
        self._gather = self._message = None


def _error(message: str, section: str) -> ProtocolError:
    return ProtocolError(CloseCode.PROTOCOL_ERROR, f"{message} (RFC 6455 section {section})")


def _parse_close(payload: bytes) -> Remote:
    """The code and reason of a Close frame (RFC 6455 section 5.5.1)."""
    if not payload:
        return Remote(CloseCode.NO_STATUS)
    if len(payload) == 1:
        raise _error("a Close frame has one byte of payload", "5.5.1")
    code = int.from_bytes(payload[:2], "big")
    if not is_sendable(code):
        raise _error(f"close code {code} may not be sent", "7.4")
    return Remote(code, text(payload[2:]))
