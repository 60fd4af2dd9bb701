"""Frame codec, the client's half: what a server sends, which is not masked.

Rule owned here: none of its own: what is quick to see as a whole small or medium message is taken here, and everything
else by ``Decoder``, with the same outcome. (A message costs 1 us here, 4 us there.) Must not know about sockets.
"""

from __future__ import annotations

from actorws.protocol.codec import FRAMES_PER_READ, INFLATED_PER_READ, Decoder, Received
from actorws.protocol.opcodes import FIN_BINARY, FIN_TEXT
from actorws.protocol.payload import invalid_utf8

__all__ = ["UnmaskedDecoder"]


class UnmaskedDecoder(Decoder):
    """Parses what one server sends."""

    __slots__ = ()

    def receive(self, data: bytes) -> list[Received]:
        """As ``Decoder.receive``."""
        size = len(data) - 2
        if not self.unfinished and 0 <= size <= 125 and data[1] == size <= self.rules.max_message_size:
            # A read that is just one small message, as most reads of most clients are.
            if data[0] == FIN_BINARY:
                return [data[2:]]
            if data[0] == FIN_TEXT:
                try:
                    return [data[2:].decode()]
                except UnicodeDecodeError:
                    pass  # found again, and told, below
        return self._receive(data, 0, [])

    def _frames(self, data: bytes, position: int, received: list[Received]) -> int:
        end = len(data)
        max_size = self.rules.max_message_size
        append = received.append
        budget = FRAMES_PER_READ
        while end - position >= 2:
            length, start = data[position + 1], position + 2
            if length == 126 and end - position >= 4:
                length = (data[position + 2] << 8) | data[position + 3]
                start = position + 4
                if length < 126:
                    length = -1  # not the shortest form
            elif length > 125:
                length = -1
            stop = start + length
            first = data[position]
            if 0 <= length <= max_size and stop <= end and self._message is None and first in (FIN_BINARY, FIN_TEXT):
                if first == FIN_BINARY:
                    append(data[start:stop])
                else:
                    try:
                        append(data[start:stop].decode())
                    except UnicodeDecodeError:
                        raise invalid_utf8() from None
            else:
                stop = self._frame(data, position, received)
                if stop < 0:
                    return position
                if self._message is not None:
                    # A fragment hands out nothing, but takes time.
                    budget -= 1
                if self._inflated > INFLATED_PER_READ:
                    budget = 0
            position = stop
            if len(received) >= budget and position < end:
                self.attention = self.more = True
                return position
        return position
