"""Keepalive: a WebSocket whose client says nothing is asked whether it is there, then ended.

Rules owned here: any inbound byte is a sign of life; the clock of a ping's answer starts when the ping is written; who
is not read from, or has said something that we have not read yet, is not timed out. Must not know how frames come.
"""

from __future__ import annotations

from typing import Literal

from actorws.config import Timeouts
from actorws.frames import Close, CloseCode, Ping
from actorws.protocol.encoder import encode
from actorws.reasons import Timeout
from actorws.transports.contract import ActorTransport
from actorws.transports.wire import MAILBOX, RATE, Wire

__all__ = ["LATE", "Watched"]

#: Seconds to read what a client has sent that would be timed out otherwise.
LATE = 0.1


class Watched(ActorTransport):
    """A transport that watches for silence. Its one deadline on the wheel serves this while it is open."""

    __slots__ = ("_pinged_at", "wire")

    wire: Wire

    @property
    def timeouts(self) -> Timeouts:
        """How long this connection may wait for what."""
        return self.actor.kind.config.timeouts

    def masked(self, frame: bytes) -> bytes:
        """The bytes of a frame as this side sends it: a server masks nothing."""
        return frame

    def within(self, seconds: float) -> None:
        """Expire in ``seconds``, instead of whenever it was to be."""
        self.wire.runtime.wheel.schedule(self, seconds)

    def share_decoder(self) -> None:
        """Keep nothing that is made for reading: the client has been silent for a while."""
        raise NotImplementedError

    def watch(self) -> None:
        """Begin, when the actor is there."""
        #: When a ping was sent that nothing has come after.
        self._pinged_at: float | None = None
        self._look_again(0.0)

    def check_silence(self, now: float) -> None:
        """The deadline has come: ping the client, or end it, or look again when that may be due."""
        wire, limit = self.wire, self.timeouts.idle_timeout
        assert limit is not None
        self.share_decoder()
        if self._pinged_at is not None and wire.last_seen >= self._pinged_at:
            self._pinged_at = None
        silent = now - wire.last_seen
        keepalive = self.actor.kind.config.keepalive
        if wire.paused & (MAILBOX | RATE):
            # We don't read, so we can't know: it isn't the client that is silent. But a write fails if it has gone.
            if keepalive.send_pings and wire.open:
                wire.write(self.masked(encode(Ping())))
            self._look_again(0.0)
        elif self._pinged_at is not None or (silent >= limit and not keepalive.send_pings):
            if wire.has_input():
                # It was us who were held up: what the client has said is still to be read.
                self.within(LATE)
            else:
                self._timed_out("idle" if self._pinged_at is None else "ping")
        elif silent >= limit - self._margin(limit) and keepalive.send_pings:
            wire.write(self.masked(encode(Ping())))
            self._pinged_at = now
            self.within(self._margin(limit))
        else:
            self._look_again(silent)

    def _look_again(self, silent: float) -> None:
        """When the client may have been silent for long enough to be pinged, or ended."""
        config = self.actor.kind.config
        limit = config.timeouts.idle_timeout
        if limit is None:
            return
        if config.keepalive.send_pings and self._pinged_at is None:
            limit -= self._margin(limit)
        self.within(max(limit - silent, 0.001))

    def _margin(self, limit: float) -> float:
        return min(self.actor.kind.config.keepalive.ping_margin, limit / 3)

    def _timed_out(self, waited_for: Literal["idle", "ping"]) -> None:
        self.actor.stop(Timeout(waited_for), Close(CloseCode.GOING_AWAY, "idle for too long"))
