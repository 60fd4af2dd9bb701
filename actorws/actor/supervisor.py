"""Supervisor: all actors of a runtime: how many there may be, who they are, and how they all end.

Rule owned here: a slot is taken once per accepted handshake and given back on every path; ending all of them
takes no longer than one deadline. Must not know how a single actor ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import random
from typing import TYPE_CHECKING

import trio
from attrs import frozen

from actorws.actor.chain import Chain, unlink
from actorws.addresses import host_of
from actorws.config import Limits
from actorws.events import ActorCut, Emit
from actorws.exceptions import HandshakeError
from actorws.frames import Close
from actorws.reasons import Reason, Shutdown

if TYPE_CHECKING:
    from actorws.actor.life import Life
    from actorws.conn import Conn

__all__ = ["Supervisor", "SupervisorStatistics"]

#: Of the time to drain, how much the Close frames are spread over at most, so that clients don't all come back at once.
PACE = 0.3
#: Close frames per second, if the time allows: a small server ends at once.
PACE_FROM = 500
#: And how much is kept for the ``terminate`` callbacks of those who were cut.
CUT_AT = 0.8


@frozen
class SupervisorStatistics:
    """A count of actors."""

    running: int
    """Actors whose ``terminate`` has not returned."""
    started: int
    """Actors since the runtime began."""
    refused: int
    """Handshakes refused because of a limit."""
    outbound: int
    """Of those that run, the ones whose connections we opened; no limit on connections is about them."""


class Supervisor:
    """Counts, lists and ends actors."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._actors: Chain[Life] = Chain()
        self._running = 0
        self._by_address: dict[int | str, int] = {}
        #: Of the actors, those whose connections we opened.
        self._outbound = 0
        self._started = 0
        self._refused = 0
        self._draining = False
        #: Called when nobody is let in any more, for those who would let themselves in.
        self.on_draining: Callable[[], None] = lambda: None
        self._empty: trio.Event | None = None

    def __len__(self) -> int:
        return self._running

    def __iter__(self) -> Iterator[Life]:
        return iter(tuple(self._actors))

    def statistics(self) -> SupervisorStatistics:
        """Counts at this instant."""
        return SupervisorStatistics(self._running, self._started, self._refused, self._outbound)

    @property
    def draining(self) -> bool:
        """Whether nobody is let in any more, and nobody comes back."""
        return self._draining

    def admit(self, conn: Conn, limits: Limits) -> None:
        """Check that there is room for one more. Raises ``HandshakeError`` 503 if there is none."""
        if self._draining:
            self._refuse("the server is going away")
        if limits.max_connections is not None and self._running - self._outbound >= limits.max_connections:
            self._refuse(limits.overload_body, "max_connections")
        most = limits.max_connections_per_address
        if most is not None and self._by_address.get(host_of(conn._address), 0) >= most:
            self._refuse("too many connections from this address", "max_connections_per_address")

    def _refuse(self, why: str, limit: str = "") -> None:
        self._refused += 1
        raise HandshakeError(503, why, [("Retry-After", "5")], limit)

    def add(self, actor: Life, conn: Conn) -> None:
        """Take a slot."""
        self._actors.add(actor)
        self._running += 1
        self._started += 1
        if actor.kind.is_client:
            self._outbound += 1
            return
        address = host_of(conn._address)
        self._by_address[address] = self._by_address.get(address, 0) + 1

    def remove(self, actor: Life, conn: Conn) -> None:
        """Give the slot back."""
        unlink(actor)
        self._running -= 1
        if actor.kind.is_client:
            self._outbound -= 1
        else:
            self._leave_address(host_of(conn._address))
        if not self._running and self._empty is not None:
            self._empty.set()

    def _leave_address(self, address: int | str) -> None:
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def renew(self) -> None:
        """Make the table anew, as small as it can be: a dict never shrinks by itself."""
        self._by_address = dict(self._by_address)
        self._started += 0  # an object of its own: see `actorws.io.allocator`

    # The end of all

    def refuse_new(self) -> None:
        """From now on every handshake is refused with 503, and no connection is opened."""
        if not self._draining:
            self._draining = True
            self.on_draining()

    def end_all(self, frame: Close | None = None) -> None:
        """Let nobody in any more, and end every actor at once with ``Shutdown``."""
        self.refuse_new()
        for actor in self:
            actor.stop(Shutdown(), _said_to(actor, frame))

    async def drain(self, timeout: float, reason: Callable[[], Reason] = Shutdown, frame: Close | None = None) -> None:
        """End every actor within ``timeout`` seconds, and return when all have ended.

        The Close frames are spread with jitter over the first part of the time, so that the clients don't come
        back all at once; who hasn't ended near the end of it is cut. Cancellation ends the waiting, not the actors.
        """
        self.refuse_new()
        began = trio.current_time()
        actors = list(self)
        pause = min(PACE * timeout / len(actors), 1 / PACE_FROM) if actors else 0.0
        for number, actor in enumerate(actors):
            await trio.sleep_until(began + pause * (number + random()))
            actor.stop(reason(), _said_to(actor, frame))
        with trio.move_on_at(began + CUT_AT * timeout):
            await self.wait_empty()
        for actor in self:
            if actor.worker is not None:
                self._emit(ActorCut(actor.conn, actor.worker.doing))
        self.cut_all()
        with trio.move_on_at(began + timeout):
            await self.wait_empty()

    def cut_all(self) -> None:
        """Cut every wire and cancel every callback that still runs; ``terminate`` callbacks run on."""
        for actor in self:
            actor.abort()
            if actor.worker is not None:
                actor.worker.cancel()

    async def wait_empty(self) -> None:
        """Wait until no actor is left."""
        if self._running:
            self._empty = trio.Event()
            await self._empty.wait()
        else:
            await trio.lowlevel.checkpoint()


def _said_to(actor: Life, frame: Close | None) -> Close | None:
    """What clients are told is not for the servers that we are a client of: that we restart, say."""
    return None if actor.kind.is_client else frame
