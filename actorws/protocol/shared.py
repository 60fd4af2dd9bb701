"""Shared decoder: one for all connections of a route of which nothing is unfinished.

Rule owned here: a decoder knows nothing of whom it reads from as long as it reads whole messages. What is more than
that is taken out before anybody else reads, for the connection to go on with; what was not (there was no memory for
it, say) is dropped. Must not know connections.

A decoder takes 128 bytes, and those of most connections would be empty at most times.
"""

from __future__ import annotations

from actorws.protocol.codec import Decoder, Received

__all__ = ["SharedDecoder", "is_idle"]


class SharedDecoder(Decoder):
    """Whoever finds it ``unfinished`` after a read, and not idle, has to take that out."""

    __slots__ = ()

    def _receive(self, data: bytes, position: int, received: list[Received]) -> list[Received]:
        if self.unfinished:
            self._begin_anew()
        self.unfinished = True  # should this fail, nobody is to go on from here
        return super()._receive(data, position, received)

    def taken_out(self) -> Decoder:
        """A decoder that goes on with what is unfinished here; nothing is, here, from now on."""
        taken = Decoder(self.rules)
        taken.unfinished, taken.attention, taken.more = self.unfinished, self.attention, self.more
        taken.error, taken._over, taken._tail = self.error, self._over, self._tail
        taken._gather, taken._message = self._gather, self._message
        self._begin_anew()
        return taken

    def _begin_anew(self) -> None:
        super().__init__(self.rules)


def is_idle(decoder: Decoder) -> bool:
    """Whether nothing that has come bears on what comes next. (A ping doesn't, although it needs ``attention``.)"""
    return not (decoder._tail or decoder.more or decoder._over or decoder._gather or decoder._message)
