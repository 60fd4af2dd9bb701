"""Shutdown: how everybody is told, and given the time to come to an end.

Rule owned here: whatever hangs, it is over in time. Must not know listeners.
"""

from __future__ import annotations

import trio

from actorws.events import ActorCut, DrainTimedOut, ServerDraining
from actorws.frames import Close
from actorws.runtime import Runtime
from actorws.server.site import Site

__all__ = ["drain", "say_goodbye"]


async def drain(site: Site, timeout: float, frame: Close | None = None) -> None:
    """Let everything come to its end, within ``timeout`` seconds. Clients are told ``frame`` (default: Close 1001)."""
    runtime = site.runtime
    runtime.emit(ServerDraining(len(runtime.supervisor), timeout))
    with trio.move_on_after(timeout):
        site.drain()
        await runtime.supervisor.drain(timeout, frame=frame)
        await runtime.wait_no_wires()
        if site.mounts is not None:
            await site.mounts.wait_idle()
    for actor in runtime.supervisor:
        runtime.emit(ActorCut(actor.conn, "terminate"))
    if runtime.wires:
        runtime.emit(DrainTimedOut(runtime.wires))


def say_goodbye(runtime: Runtime, frame: Close | None = None) -> None:
    """Tell who is left, as far as that goes without waiting."""
    runtime.supervisor.end_all(frame)
    runtime.scheduler.settle()
