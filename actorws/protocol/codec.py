"""Frame codec, the parsing half: bytes of one peer to messages and control frames (RFC 6455 section 5).

Rule owned here: every rule about a frame's header and payload; what ``Decoder`` hands out is valid. It parses all
complete frames of a read in one pass and makes no object per data frame but its payload; checks and limits act on
the header, before payload is kept. Own code because it is the hot path: per small message the well-known parsers
cost 3-11 us, this loop under 1 us. Must not know about sockets, actors or what a close handshake is.
"""

from __future__ import annotations

from actorws.exceptions import ProtocolError
from actorws.protocol.assembly import Assembly, DecoderRules, Received
from actorws.protocol.header_rules import check_first_bytes, check_length
from actorws.protocol.masking import apply_mask
from actorws.protocol.opcodes import BINARY, CLOSE, FIN, FIN_BINARY, FIN_TEXT, MASKED, RSV1
from actorws.protocol.payload import Gather, invalid_utf8

__all__ = ["FRAMES_PER_READ", "Decoder", "DecoderRules", "Received"]

#: Fairness: frames that one call of ``receive`` hands out at most, fragments counted. (Reads without a bound of tiny
#: frames delayed other clients by 120-640 ms under a flood, bounded ones by 1-2 ms.)
FRAMES_PER_READ = 256
#: Unfinished binary frames up to this size are kept as raw bytes and parsed again when more has come; larger ones
#: are gathered, so that a payload that trickles in costs no more than it should.
TAIL_SIZE = 4096
#: Memory: bytes of inflated messages after which a call of ``receive`` stops. A read of 64 KiB could hold hundreds of
#: compressed messages of the largest size otherwise.
INFLATED_PER_READ = 64 * 1024


class Decoder(Assembly):
    """Parses what one peer sends. After an error or a Close it takes nothing more (RFC 6455 sections 7.1.7 and 1.4)."""

    __slots__ = ("_tail", "_unfinished")

    def __init__(self, rules: DecoderRules) -> None:
        super().__init__(rules)
        self._tail = b""
        #: Whether something of the last reads bears on the next: a tail, a message or payload begun, a flag set.
        self._unfinished = False

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
        self._inflated = 0
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
                    if self._inflated > INFLATED_PER_READ:
                        budget = 0
            else:
                stop = self._frame(data, position, received)
                if stop < 0:
                    return position
                if self._message is not None:
                    # A fragment hands out nothing, but takes time: 64 KiB of empty ones took 25 ms.
                    budget -= 1
                if self._inflated > INFLATED_PER_READ:
                    budget = 0
            position = stop
            if len(received) >= budget and position < end:
                self.attention = self.more = True
                return position
        return position

    def _frame(self, data: bytes, position: int, received: list[Received]) -> int:
        """Parse one frame of any kind; return the position behind it, or -1 if it isn't all there."""
        first, second = data[position], data[position + 1]
        rules, message = self.rules, self._message
        check_first_bytes(
            first,
            second,
            must_mask=rules.masked,
            in_message=message is not None,
            inflates=self.inflater is not None,
        )
        fin, opcode, length = first & FIN, first & 0x0F, second & 0x7F
        deflated = bool(first & RSV1) if message is None else message.deflated
        start = position + 2
        if length > 125:
            size = 2 if length == 126 else 8
            if len(data) < start + size:
                return -1
            length = int.from_bytes(data[start : start + size], "big")
            check_length(length, size)
            start += size
        if opcode < CLOSE:
            self._check_size(length, deflated)
        key = b""
        if rules.masked:
            key = data[start : start + 4]
            if len(key) < 4:
                return -1
            start += 4
        stop = start + length
        if stop <= len(data):
            payload = apply_mask(data[start:stop], key) if key else data[start:stop]
            if opcode >= CLOSE:
                self._control(opcode, payload, received)
            else:
                self._data(fin, opcode, deflated, payload, received)
            return len(data) if self._over else stop
        if opcode >= CLOSE or (length <= TAIL_SIZE and opcode == BINARY):
            return -1
        self._begin_gather(Gather(fin, opcode, deflated, key, length, self._utf8(opcode, deflated)), data[start:])
        return len(data)

    def filled(self, size: int) -> list[Received]:
        """Tell that ``size`` bytes were put into ``room()``; as ``receive`` otherwise."""
        assert self._gather is not None
        received: list[Received] = []
        self.attention = False
        self._gather.size += size
        self._gathered(received)
        return received
