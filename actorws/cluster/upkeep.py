"""Upkeep: what is done for as long as a session lasts, and what proves that it still does.

Rules owned here: the lease is renewed in time, or the session is over; a message to ourselves must come back, or the
session is over; what is left behind by others, or by us, is cleared away a little at a time. Must not know how a
session begins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import uniform

import trio

from actorws.cluster.envelope import Probe, pack
from actorws.cluster.link import Session
from actorws.cluster.names import Names
from actorws.cluster.publisher import Publisher
from actorws.cluster.replies import ignore
from actorws.cluster.subscriptions import Subscriptions
from actorws.cluster.timings import Timings
from actorws.exceptions import EngineUnavailable

__all__ = ["Upkeep"]

#: Seconds between two looks at what could not be given back.
GIVE_BACK = 1.0
#: Seconds between two steps of a session's first sweep: what the engine remembers may be old.
FIRST_SWEEP = 0.05


class Upkeep:
    """The tasks of one session."""

    def __init__(self, session: Session, publisher: Publisher, prefix: str, node_id: str, timings: Timings) -> None:
        self._session = session
        self._publisher = publisher
        self._prefix = prefix
        self._node_id = node_id
        self._timings = timings

    async def beat(self, renewed: Callable[[float], None]) -> None:
        """Renew the lease; ``renewed`` is told when it was asked for."""
        lease = f"{self._prefix}L:{self._node_id}"
        while True:
            await trio.sleep(self._timings.heartbeat)
            asked_at = trio.current_time()
            # Renewed and never begun anew here: whose lease was over has to find out what others did meanwhile.
            if not await self._publisher.call("PEXPIRE", lease, round(self._timings.lease * 1000)):
                raise EngineUnavailable("the engine has forgotten this node")
            renewed(asked_at)

    async def probe(self) -> None:
        """Publish to ourselves: a connection that works proves nothing about a server that nobody else talks to."""
        pushes, patience = self._session.pushes, self._timings.probe
        inbox, probe = f"{self._prefix}in:{self._node_id}", pack(self._node_id, Probe())
        while True:
            await trio.sleep_until(pushes.last_heard + patience)
            asked = trio.current_time()
            if asked < pushes.last_heard + patience:
                continue
            self._publisher.send(ignore, "PUBLISH", inbox, probe, sure=True)
            await trio.sleep(patience)
            if pushes.last_heard < asked:
                # If it was us who stood still, it is there already: let it be read.
                await trio.sleep(patience / 20)
            if pushes.last_heard < asked:
                raise EngineUnavailable(f"what was published did not come back within {patience:g} s")

    async def look_around(self, look: Callable[[], Awaitable[None]]) -> None:
        """``look`` who else is there; those who come and go say so, but not those who crash."""
        while True:
            # Not all at the same time: each look costs the engine as much as there are nodes.
            await trio.sleep(self._timings.lease * uniform(0.4, 0.6))
            await look()

    async def drop_idle(self, groups: Subscriptions) -> None:
        """Unsubscribe from what nobody wants any more."""
        while True:
            await trio.sleep(max(self._timings.linger / 2, 0.1))
            groups.drop_idle(self._timings.linger)

    async def sweep(self, names: Names) -> None:
        """Forget names that nobody has."""
        cursor, pause = b"0", FIRST_SWEEP
        while True:
            await trio.sleep(pause)
            cursor = await names.sweep(self._publisher, cursor)
            if cursor == b"0":
                pause = self._timings.lease / 2

    async def give_back(self, names: Names) -> None:
        """Try again to give back what could not be given back at once."""
        while True:
            await trio.sleep(GIVE_BACK)
            await names.give_back_all(self._publisher)
