"""Patience: how long a client of a user's transport may say nothing, and how it is asked whether it is there.

Rules owned here: any message is a sign of life, and an answer to a ping where there is such a thing; who is not read
from is not timed out. Must not know how messages come, nor what a ping is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actorws.conn import ReadyState
from actorws.frames import Close, CloseCode
from actorws.reasons import Timeout
from actorws.transports.contract import ActorTransport
from actorws.transports.keepalive import LATE
from actorws.transports.wire import MAILBOX

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.conn import Conn

__all__ = ["Patient"]


class Patient(ActorTransport):
    """A transport that watches for silence. Its one deadline on the wheel serves this while it is open."""

    __slots__ = ("_asked", "_late", "changed", "conn", "kind", "last_seen", "paused", "pings_due")

    def __init__(self, kind: Kind, conn: Conn) -> None:
        self.kind = kind
        self.conn = conn
        #: Why the client isn't read from, as a set of bits; 0: it is.
        self.paused = 0
        #: Where the tasks wait for anything of the transport to change.
        self.changed = trio.lowlevel.ParkingLot()
        #: Whether the client is to be asked for a sign of life.
        self.pings_due = False
        self.last_seen = trio.current_time()
        #: Whether it was asked and hasn't answered.
        self._asked = False
        #: Whether its time is over and it has been given a moment more.
        self._late = False

    def within(self, seconds: float) -> None:
        """Expire in ``seconds``, instead of whenever it was to be."""
        self.conn.runtime.wheel.schedule(self, seconds)

    def watch(self) -> None:
        """Begin."""
        if self.ready_state is ReadyState.OPEN:
            self._look_again(0.0)

    def alive(self) -> None:
        """The client has given a sign of life."""
        self.last_seen = trio.current_time()
        self._late = False

    def answered(self, answered: bool) -> None:
        """The client has answered, or can't be asked."""
        self._asked = False
        if answered and self.ready_state is ReadyState.OPEN:
            self.alive()
            self._look_again(0.0)

    def check_silence(self, now: float) -> None:
        """The deadline has come: ask the client, or end it, or look again when that may be due."""
        limit = self.kind.config.timeouts.idle_timeout
        assert limit is not None
        silent = now - self.last_seen
        if self.paused & MAILBOX:
            # We don't read, so we can't know: it isn't the client that is silent.
            self.last_seen = now
            self._look_again(0.0)
        elif silent < limit:
            if silent >= limit - self._margin(limit) and self.kind.config.keepalive.send_pings:
                self._asked = self.pings_due = True
                self.changed.unpark_all()
            self._look_again(silent)
        elif not self._late:
            # It may have been us who were held up: what the client has said may still be to be read.
            self._late = True
            self.within(LATE)
        else:
            reason = Timeout("ping" if self._asked else "idle")
            self.actor.stop(reason, Close(CloseCode.GOING_AWAY, "idle for too long"))

    def _look_again(self, silent: float) -> None:
        """When the client may have been silent for long enough to be asked, or ended."""
        limit = self.kind.config.timeouts.idle_timeout
        if limit is None:
            return
        margin = self._margin(limit)
        if self.kind.config.keepalive.send_pings and silent < limit - margin:
            limit -= margin
        self.within(max(limit - silent, 0.001))

    def _margin(self, limit: float) -> float:
        return min(self.kind.config.keepalive.ping_margin, limit / 3)
