"""Servers to be run by ``actorws serve tests.support.programs:NAME``: for what is seen from outside only."""

from __future__ import annotations

import os
import sys
from typing import Any

import trio

from actorws import App, Websocket
from tests.support.serving import Echo

__all__ = ["Hanging", "Reporting", "idle", "reporting"]


class Reporting(Echo):
    """Writes a line on stderr for each ``terminate``; to ``push`` it answers with 8 MB."""

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [bytes(80_000)] * 100 if frame == "push" else [frame]

    def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        print(f"terminated {reason!r}", file=sys.stderr, flush=True)


class ReportingAsync(Reporting):
    async def terminate(self, state: Any, conn: Any, reason: Any) -> None:  # type: ignore[override]
        await trio.lowlevel.checkpoint()
        print(f"terminated {reason!r}", file=sys.stderr, flush=True)


class Hanging(Echo):
    """Neither its messages nor its ``terminate`` come to an end."""

    async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        print("handling", file=sys.stderr, flush=True)
        await trio.sleep_forever()

    async def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        print("terminating", file=sys.stderr, flush=True)
        await trio.sleep_forever()


class Idle(Websocket):
    """Costs as little as a connection can."""

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [frame]


def usage(request: Any) -> dict[str, int]:
    """What the process uses: bytes of memory, blocks of it in use, and descriptors, with the actors that it has."""
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    return {
        "rss": pages * os.sysconf("SC_PAGE_SIZE"),
        "blocks": sys.getallocatedblocks(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "actors": len(request.runtime.supervisor),
    }


reporting = App()
reporting.websocket("/", Reporting, close_timeout=1)
reporting.websocket("/async", ReportingAsync, close_timeout=1)

idle = App()
idle.websocket("/", Idle, idle_timeout=None, close_timeout=2)
idle.http("/usage", usage)
