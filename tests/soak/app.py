"""The server that the soak is about: ``python -m actorws serve tests.soak.app:app --port 0``.

Rule owned here: which path has which behaviour and options, and what the server says about itself at
``/soak/statistics``. Must not know who comes.
"""

from __future__ import annotations

import gc
import resource
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import trio

from actorws import App, Conn, Reject, Request, Response, Runtime, Websocket
from actorws.io.allocator import compact, empty_free_lists, trim
from tests.soak.chat import AsyncChat, Chat
from tests.soak.crashes import crash
from tests.soak.sinks import POLICIES, Busy, Source
from tests.support.programs import usage

__all__ = ["PIECE", "RATE", "app", "serves"]

KiB = 1024
#: Seconds between two messages to the group "noise", and their size.
NOISE_EVERY, NOISE_SIZE = 0.02, 2 * KiB
#: Frames that one client may send in a second, on the routes that have such a limit.
RATE = 1000
#: For actors that wait: none is to be ended because the machine is busy with something else.
PATIENT = {"mailbox_messages": 50_000, "mailbox_bytes": 64 * KiB * KiB}
TAKEOVER = {"compression": True, "server_context_takeover": True, "client_context_takeover": True}
#: One piece of a streamed response.
PIECE = bytes(range(256)) * 16


class Echo(Websocket):
    """Says everything back. Crashes during the handshake, or right after it, for who asks for that."""

    def connect(self, conn: Conn) -> Any:
        if "connect" in conn.query:
            crash("error", int(conn.query["connect"]))
        return Reject(403, "go away") if "reject" in conn.query else None

    def init(self, conn: Conn) -> Any:
        if "init" in conn.query:
            crash("error", int(conn.query["init"]))
        return None, []

    def handle_client_message(self, state: Any, conn: Conn, frame: Any) -> Any:
        return state, [frame]


class AsyncEcho(Echo):
    async def connect(self, conn: Conn) -> Any:
        await trio.lowlevel.checkpoint()
        return super().connect(conn)

    async def handle_client_message(self, state: Any, conn: Conn, frame: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return state, [frame]


def statistics(request: Request) -> dict[str, Any]:
    """What the process holds. With ``?tidy`` after it has given back what it can, as after a crowd has left."""
    runtime = request.runtime
    assert runtime is not None
    garbage = 0
    if "tidy" in request.query:
        garbage = gc.collect()
        compact()
        empty_free_lists()
        trim()
    group = runtime.group
    return {
        **usage(request),
        "garbage": garbage,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KiB,
        "tasks": trio.lowlevel.current_statistics().tasks_living - len(runtime.workers.waiting),
        "names": runtime.unique.count(),
        "groups": len(group.names()),
        "members": sum(group.count_nowait(name) for name in group.names()),
        "timers": len(runtime.wheel),
        "wires": runtime.wires,
        "queued": len(runtime.scheduler.queue),
        "cpu": time.process_time(),
        "started": runtime.supervisor.statistics().started,
    }


def body(request: Request) -> bytes:
    return request.body


async def stream(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(int(request.path_params["count"])):
            yield PIECE

    return Response(pieces())


def fail(request: Request) -> str:
    return crash("error", int(request.path_params["number"]))


async def noise(runtime: Runtime) -> None:
    """Talks to a group that only bad clients are in."""
    count = 0
    while True:
        count += 1
        # By turns to the actors and straight to their clients.
        send = runtime.group.publish_nowait if count % 2 else runtime.group.broadcast_nowait
        send("noise", f"{count} {'z' * NOISE_SIZE}")
        await trio.sleep(NOISE_EVERY)


def serves(chat: type[Chat] = Chat) -> App:
    """A new app of the kind."""
    app = App()
    positions: Counter[str] = Counter()
    app.websocket("/echo", Echo)
    app.websocket("/echo/async", AsyncEcho, terminate_timeout=2)
    app.websocket("/chat", chat(positions))
    app.websocket("/chat/async", AsyncChat(positions), terminate_timeout=2, **PATIENT)
    app.websocket("/chat/deflate", chat(positions), compression=True)
    app.websocket("/deflate", Echo, compression=True)
    app.websocket("/deflate/takeover", Echo, **TAKEOVER)
    for policy in ("throttle", "close"):
        app.websocket(f"/rate/{policy}", Echo, max_frames_per_second=RATE, rate_policy=policy)
    app.websocket("/deaf", Chat(positions), close_timeout=1)
    app.websocket("/mute", Echo, idle_timeout=1.5)
    app.websocket("/quiet", Echo, idle_timeout=12)
    app.websocket("/few", Echo, max_connections_per_address=3)
    for name, (output, mailbox) in POLICIES.items():
        app.websocket(f"/output/{name}", Source, output_policy=output, backpressure_limit=256 * KiB)
        app.websocket(f"/mailbox/{name}", Busy, mailbox_policy=mailbox, mailbox_messages=20, terminate_timeout=2)
    app.http("/soak/statistics", statistics)
    app.http("/soak/body", body, methods=("POST",))
    app.http("/soak/stream/{count}", stream)
    app.http("/soak/boom/{number}", fail)
    app.background(noise)
    return app


app = serves()
