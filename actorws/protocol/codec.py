"""Frame codec, the parsing half: bytes of one peer to messages and control frames (RFC 6455 section 5).

Rule owned here: every rule about a frame's header and payload; what ``Decoder`` hands out is valid. It parses all
complete frames of a read in one pass and makes no object per data frame but its payload; checks and limits act on
the header, before payload is kept. Own code because it is the hot path: per small message the well-known parsers
cost 3-11 us, this one 0.4 us, of 32 in a read; with the inner loop in C (``accelerator``) 0.02 us. Must not know about
sockets, actors or what a close handshake is.
"""

from __future__ import annotations

from actorws.exceptions import ProtocolError
from actorws.protocol.accelerator import speedups
from actorws.protocol.assembly import Assembly, DecoderRules, Received
from actorws.protocol.header_rules import check_first_bytes, check_length
from actorws.protocol.masking import apply_mask
from actorws.protocol.opcodes import BINARY, CLOSE, FIN, FIN_BINARY, FIN_TEXT, MASKED, RSV1
from actorws.protocol.payload import Gather

__all__ = ["ACCELERATED", "FRAMES_PER_READ", "Decoder", "DecoderRules", "Received", "parse_in_python"]

#: Fairness: frames that one call of ``receive`` hands out at most, fragments counted. (Reads without a bound of tiny
#: frames delayed other clients by 120-640 ms under a flood, bounded ones by 1-2 ms.)
FRAMES_PER_READ = 256
#: Unfinished binary frames up to this size are kept as raw bytes and parsed again when more has come; larger ones
#: are gathered, so that a payload that trickles in costs no more than it should.
TAIL_SIZE = 4096
#: Memory: bytes of inflated messages after which a call of ``receive`` stops. A read of 64 KiB could hold hundreds of
#: compressed messages of the largest size otherwise.
INFLATED_PER_READ = 64 * 1024


def parse_in_python(data: bytes, position: int, max_size: int, received: list[Received], budget: int) -> int:
    """Take whole, unfragmented, masked messages from ``position`` on, for as long as one follows the other.

    Appends them to ``received`` until that has ``budget`` items. Returns the position of the first byte not used: there
    may be anything else, or an error of the peer, or a message of more than ``max_size`` bytes. Never raises for what a
    peer sends.
    """
    end = len(data)
    size = end - 6
    if not position and 0 <= size <= 125 and data[1] == MASKED + size and size <= max_size and len(received) < budget:
        # A read that is just one small message, as most reads of most servers are: half the cost of the loop.
        if data[0] == FIN_BINARY:
            received.append(apply_mask(data[6:], data[2:6]))
            return end
        if data[0] == FIN_TEXT:
            try:
                received.append(apply_mask(data[6:], data[2:6]).decode())
                return end
            except UnicodeDecodeError:
                return 0
    unmask, append = apply_mask, received.append
    budget -= len(received)
    while budget > 0 and end - position >= 6:
        length = data[position + 1] - MASKED
        start = position + 6
        if length == 126 and end - position >= 8:
            length = (data[position + 2] << 8) | data[position + 3]
            start = position + 8
            if length < 126:
                break  # not the shortest form
        elif length > 125:
            break
        stop = start + length
        if not 0 <= length <= max_size or stop > end:
            break
        first = data[position]
        if first == FIN_BINARY:
            append(unmask(data[start:stop], data[start - 4 : start]))
        elif first == FIN_TEXT:
            try:
                append(unmask(data[start:stop], data[start - 4 : start]).decode())
            except UnicodeDecodeError:
                break
        else:
            break
        position = stop
        budget -= 1
    return position


#: Whether it is the C code that does this.
ACCELERATED = speedups is not None
parse = parse_in_python if speedups is None else speedups.parse


class Decoder(Assembly):
    """Parses what one peer sends. After an error or a Close it takes nothing more (RFC 6455 sections 7.1.7 and 1.4)."""

    __slots__ = ("_tail", "unfinished")

    def __init__(self, rules: DecoderRules) -> None:
        super().__init__(rules)
        self._tail = b""
        #: Whether something of the last reads may bear on the next: a tail, a message or payload begun, a flag set.
        self.unfinished = False

    def receive(self, data: bytes) -> list[Received]:
        """Take what the peer sent; return what is complete, in order. Never raises for what a peer sends."""
        received: list[Received] = []
        if self.unfinished:
            return self._receive(data, 0, received)
        # A read of nothing but whole messages, as most reads of most servers are, needs no more than this.
        position = parse(data, 0, self.rules.small, received, FRAMES_PER_READ)
        return received if position == len(data) else self._receive(data, position, received)

    def stop(self) -> None:
        """As ``Assembly.stop``."""
        super().stop()
        self.unfinished = True

    def _receive(self, data: bytes, position: int, received: list[Received]) -> list[Received]:
        """Take what stands behind ``position``, which is 0 where something is unfinished."""
        self._take(data, position, received)
        self.unfinished = bool(
            self._over or self.attention or self._tail or self._gather is not None or self._message is not None
        )
        return received

    def _take(self, data: bytes, position: int, received: list[Received]) -> None:
        if self._over:
            return
        if self._tail:
            data = self._tail + data
            self._tail = b""
        self.attention = self.more = False
        self._inflated = 0
        if self._gather is not None:
            position = self._gather.take(data)
            if not self._gathered(received):
                return
        try:
            position = self._frames(data, position, received)
        except ProtocolError as error:
            self._fail(error)
        else:
            if position < len(data):
                self._tail = data[position:]

    def _frames(self, data: bytes, position: int, received: list[Received]) -> int:
        """Parse frames from ``position`` on; return the position of the first byte not used."""
        end = len(data)
        budget = FRAMES_PER_READ
        while True:
            if self._message is None:
                position = parse(data, position, self.rules.small, received, budget)
            if len(received) >= budget and position < end:
                self.attention = self.more = True
                return position
            if end - position < 2:
                return position
            stop = self._frame(data, position, received)
            if stop < 0:
                return position
            position = stop
            if self._message is not None:
                # A fragment hands out nothing, but takes time: 64 KiB of empty ones took 25 ms.
                budget -= 1
            if self._inflated > INFLATED_PER_READ:
                budget = 0

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
