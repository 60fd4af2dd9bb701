"""Assembly: frames' payloads to messages (RFC 6455 sections 5.4 and 5.5), the half of the codec that has time.

Rules owned here: the limits of a message, on the header first, then while it is inflated; a violation ends everything,
and nothing of what had come is kept. Must not know how frames are found in what comes.
"""

from __future__ import annotations

from codecs import IncrementalDecoder
from typing import TYPE_CHECKING, TypeAlias

from actorws.exceptions import ProtocolError
from actorws.frames import CloseCode, Ping, Pong
from actorws.protocol.deflate import largest_deflated
from actorws.protocol.header_rules import parse_close
from actorws.protocol.opcodes import PING, PONG, TEXT
from actorws.protocol.payload import Gather, Message, text, utf8_decoder
from actorws.reasons import Remote

if TYPE_CHECKING:
    from actorws.protocol.deflate import Inflater

__all__ = ["Assembly", "DecoderRules", "Received"]

#: What comes out: a whole text or binary message, a control frame, or how the peer closed.
Received: TypeAlias = str | bytes | Ping | Pong | Remote

#: Memory: bytes of a buffer that is kept for the next large payload.
MAX_SPARE = 512 * 1024


class DecoderRules:
    """What a decoder holds a peer to; shared by all connections of a route."""

    __slots__ = ("masked", "max_deflated_size", "max_fragments", "max_message_size", "small", "spare")

    def __init__(self, *, max_message_size: int, max_fragments: int, masked: bool = True) -> None:
        self.max_message_size = max_message_size
        self.max_deflated_size = largest_deflated(max_message_size)
        self.max_fragments = max_fragments
        #: Clients must mask, servers must not (RFC 6455 section 5.1).
        self.masked = masked
        #: Up to which payload size ``parse`` may take a message: what has a length of eight bytes is never in one read.
        self.small = min(65535, max_message_size) if masked else -1
        #: Where the last large payload was gathered, for the next one.
        self.spare: bytearray | None = None


class Assembly:
    """What has come of a message, and what is wrong with it. ``Decoder`` is one that also finds the frames."""

    __slots__ = ("_gather", "_inflated", "_message", "_over", "attention", "error", "inflater", "more", "rules")

    def __init__(self, rules: DecoderRules) -> None:
        self.rules = rules
        #: Set where compression was agreed to, before anything comes.
        self.inflater: Inflater | None = None
        #: Set when there is more to see to than messages: a control frame, an error, ``more``, or ``gathering`` began.
        self.attention = False
        #: The rule the peer broke, once it did.
        self.error: ProtocolError | None = None
        #: Whether complete frames may be waiting that the fairness bound held back; call ``receive(b"")``.
        self.more = False
        self._over = False
        #: Bytes that were inflated in this call of ``receive``.
        self._inflated = 0
        self._gather: Gather | None = None
        self._message: Message | None = None

    def _check_size(self, length: int, deflated: bool) -> None:
        rules, message = self.rules, self._message
        total = length
        if message is not None:
            total += message.received
            if len(message.parts) >= rules.max_fragments:
                why = f"the message has more than {rules.max_fragments} fragments"
                raise ProtocolError(CloseCode.MESSAGE_TOO_BIG, why, limit="max_fragments")
        # How large a compressed message really is shows when it is inflated.
        if total > (rules.max_deflated_size if deflated else rules.max_message_size):
            why = f"the message has more than {rules.max_message_size} bytes"
            raise ProtocolError(CloseCode.MESSAGE_TOO_BIG, why, limit="max_message_size")

    def _control(self, opcode: int, payload: bytes, received: list[Received]) -> None:
        self.attention = True
        if opcode == PING:
            received.append(Ping(payload))
        elif opcode == PONG:
            received.append(Pong(payload))
        else:
            received.append(parse_close(payload))
            self._end()

    def _data(self, fin: int, opcode: int, deflated: bool, payload: bytes, received: list[Received]) -> None:
        """A whole data frame: a message, or a fragment of one."""
        message = self._message
        if message is None and fin:
            if deflated:
                payload = self._inflate(payload, None, True)
            received.append(text(payload) if opcode == TEXT else payload)
            return
        if message is None:
            message = self._message = Message(utf8_decoder(opcode == TEXT), deflated)
        self._add(message, fin, payload, received)

    def _add(
        self, message: Message, fin: int, payload: bytes, received: list[Received], *, checked: bool = False
    ) -> None:
        """A fragment of a message."""
        size = len(payload)
        if message.deflated:
            payload = self._inflate(payload, message, bool(fin))
        message.add(payload, size, bool(fin), checked=checked)
        if fin:
            self._message = None
            received.append(message.whole())

    def _inflate(self, payload: bytes, message: Message | None, last: bool) -> bytes:
        limit, inflater = self.rules.max_message_size, self.inflater
        assert inflater is not None
        first = message is None or not message.parts
        room = limit if message is None else limit - message.size
        inflated = inflater.inflate(payload, first=first, last=last, room=room, limit=limit)
        self._inflated += len(inflated)
        return inflated

    # A frame whose payload comes in many reads

    @property
    def gathering(self) -> bool:
        """Whether the next bytes belong to a large payload, and may be read straight into ``room()``."""
        return self._gather is not None

    def room(self) -> memoryview:
        """Where the driver may put the next bytes of the payload; release it before calling ``filled``."""
        assert self._gather is not None
        return self._gather.room()

    def _utf8(self, opcode: int, deflated: bool) -> IncrementalDecoder | None:
        """What checks the text of an unfinished frame as it comes: an error is told at once, not a megabyte later."""
        if deflated:
            return None
        return utf8_decoder(opcode == TEXT) if self._message is None else self._message.utf8

    def _begin_gather(self, gather: Gather, data: bytes) -> None:
        self._gather = gather
        self.attention = True
        # The buffer of the last one, which has its size already: to make another for each costs as much as unmasking.
        gather.buffer, self.rules.spare = self.rules.spare or gather.buffer, None
        gather.take(data)
        gather.check()

    def _gathered(self, received: list[Received]) -> bool:
        """After bytes were gathered: whether the payload is whole (and then handed on)."""
        gather = self._gather
        assert gather is not None
        try:
            gather.check()
            if gather.size < gather.length:
                return False
            self._gather = None
            payload, message = gather.payload(), self._message
            if len(gather.buffer) <= MAX_SPARE:
                self.rules.spare = gather.buffer
            if gather.deflated or (message is None and gather.fin):
                self._data(gather.fin, gather.opcode, gather.deflated, payload, received)
                return True
            if message is None:
                message = self._message = Message(gather.utf8, False)
            self._add(message, gather.fin, payload, received, checked=True)
        except ProtocolError as error:
            self._fail(error)
            return False
        return True

    def _fail(self, error: ProtocolError) -> None:
        # Without the traceback, and that of the error behind it (``from None`` hides it, and keeps it): their frames
        # would keep what has come of the message, until the garbage collector runs.
        error.__context__ = None
        self.error = error.with_traceback(None)
        self.attention = True
        self._end()

    def stop(self) -> None:
        """Take nothing more, as after a Close."""
        self._end()

    def _end(self) -> None:
        self._over = True
        self._gather = self._message = None
