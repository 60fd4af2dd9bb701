"""Crowd: gives memory back when most of many connections have left.

Rule owned here: after a crowd (``CROWD`` connections or more) has shrunk to a tenth, once and a second later, what it
leaves behind is given back, in steps of a few ms. Must not know what a connection is.

10 000 idle connections that came and went left the process at 43 to 45 MB where it had begun with 33; with this, at 34
to 37 (CPython 3.11 to 3.13). What is left otherwise are arenas that one or two blocks keep (see ``allocator``) and
tables that had grown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from actorws.actor.timers import Expirable
from actorws.io.allocator import compact, empty_free_lists, trim

if TYPE_CHECKING:
    from actorws.runtime import Runtime

__all__ = ["CROWD", "Crowd"]

#: Connections that are worth the trouble: about a MiB.
CROWD = 1000
#: A crowd has left when one of so many is still there.
SHARE = 10
#: Seconds from then to the first step: the stragglers of a crowd leave together.
DELAY = 1.0
#: Seconds between two steps, and how many there are: what a task holds while it waits moves only when it has run, and
#: each step frees what the one before it made others drop.
PAUSE, STEPS = 0.05, 12
#: Deadlines that trio keeps although they were given up, up to a thousand; one more, and it forgets them all.
KEPT_BY_TRIO = 1001


class Crowd(Expirable):
    """Counts connections, and acts when most have left."""

    __slots__ = ("_count", "_low", "_renew", "_runtime", "_step")

    def __init__(self, runtime: Runtime, renew: Callable[[], None]) -> None:
        """``renew`` makes anew what the driver keeps from one tick to the next."""
        self._runtime = runtime
        self._renew = renew
        self._count = 0
        #: How few have to be left for a crowd to be over; -1: there was none.
        self._low = -1
        self._step = 0

    def came(self) -> None:
        """A connection more."""
        self._count += 1
        if self._count >= CROWD and self._count // SHARE > self._low:
            self._low = self._count // SHARE

    def left(self) -> None:
        """A connection less."""
        self._count -= 1
        if self._count <= self._low:
            self._low = -1
            self._step = 0
            self._runtime.wheel.schedule(self, DELAY)

    def expire(self, now: float) -> None:
        """One step."""
        runtime = self._runtime
        if self._step == 0:
            runtime.supervisor.renew()
            _forget_given_up_deadlines(now)
        empty_free_lists()
        compact()
        empty_free_lists()
        runtime.supervisor.renew()
        runtime.wheel.prune()
        runtime.scheduler.dirty = list(runtime.scheduler.dirty)
        self._renew()
        # And once in another turn of trio's loop: what this turn holds is free in that one.
        trio.lowlevel.current_trio_token().run_sync_soon(empty_free_lists)
        self._step += 1
        if self._step < STEPS:
            runtime.wheel.schedule(self, PAUSE)
        else:
            trim()
            # Those who are still there lie scattered over the whole of the crowd's memory: once more when they leave.
            self._low = max(self._low, self._count // SHARE if self._count else -1)


def _forget_given_up_deadlines(now: float) -> None:
    for _ in range(KEPT_BY_TRIO):
        with trio.CancelScope(deadline=now + 3600):
            pass
