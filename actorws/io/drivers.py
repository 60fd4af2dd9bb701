"""Drivers: what moves the bytes of a runtime: the poller where there can be one, a task for each stream elsewhere.

Rule owned here: drivers live until the last words to peers were written. Must not know what is said.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
from attrs import frozen

from actorws.io import readiness
from actorws.io.poller import Poller

if TYPE_CHECKING:
    from actorws.runtime import Runtime

__all__ = ["Drivers", "let_last_words_leave", "open_drivers", "start_drivers"]

#: Turns of other tasks between the last words to peers and the end of the streams they are written to.
LAST_TURNS = 5


@frozen(eq=False)
class Drivers:
    """A runtime's."""

    nursery: trio.Nursery
    """For the tasks of streams."""
    poller: Poller | None
    """For sockets, where the platform has one."""


def start_drivers(runtime: Runtime, nursery: trio.Nursery) -> Drivers:
    """Drivers for as long as ``nursery`` lasts."""
    poller = Poller(runtime) if readiness.is_supported else None
    if poller is not None:
        nursery.start_soon(poller.run)
    return Drivers(nursery, poller)


@asynccontextmanager
async def open_drivers(runtime: Runtime) -> AsyncIterator[Drivers]:
    """Drivers for as long as the block lasts; the runtime's own are these, meanwhile."""
    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        drivers = await nursery.start(_run_drivers, runtime, scope)
        # Shielded: cancelled with the rest they would be gone before the listeners are, and before anyone is told
        # goodbye. Not earlier: a start that is cancelled would wait for them for ever. And not if they are already.
        await trio.lowlevel.checkpoint_if_cancelled()
        scope.shield = True
        runtime.drivers = drivers
        try:
            yield drivers
        finally:
            await let_last_words_leave()
            scope.cancel()


async def let_last_words_leave() -> None:
    """Not to wait for anyone, but to let each stream's writer take its turn with our last words. Not cancelled."""
    with trio.CancelScope(shield=True):
        for _ in range(LAST_TURNS):
            await trio.lowlevel.checkpoint()


async def _run_drivers(runtime: Runtime, scope: trio.CancelScope, *, task_status: trio.TaskStatus[Drivers]) -> None:
    with scope:
        async with trio.open_nursery() as nursery:
            task_status.started(start_drivers(runtime, nursery))
            await trio.sleep_forever()
