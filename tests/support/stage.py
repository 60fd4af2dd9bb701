"""The stage of the behaviour suite: a scenario is written once, and played over every wire there is.

``serve`` opens a server for a behaviour written with ``def``: as it is or with every callback made ``async def``, for
clients on one of ``WIRES``. In what wires truly differ, the stage has a property that says so, and why.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import trio
from attrs import fields

from actorws import Expired, Reason, Remote, Websocket
from actorws.config import ServerConfig
from tests.support.stage_journal import Journal, instrumented
from tests.support.stage_outbound import open_outbound
from tests.support.stage_run_over import open_run_over_memory, open_run_over_trio_websocket
from tests.support.stage_servers import Piece, open_http, open_sessions, open_streams, open_tcp

__all__ = ["KINDS", "WEBSOCKETS", "WIRES", "Stage"]

SERVER_OPTIONS = {option.name for option in fields(ServerConfig)}

#: Each wire by its name. All are in memory and in virtual time, but "tcp".
WIRES: Mapping[str, Callable[[Piece], AbstractAsyncContextManager[Any]]] = {
    "websocket": open_streams,
    "tcp": open_tcp,
    "session": open_sessions,
    "trio-websocket": open_run_over_trio_websocket,
    "memory": open_run_over_memory,
    "sse": partial(open_http, "sse"),
    "stream": partial(open_http, "stream"),
    "poll": partial(open_http, "poll"),
    "outbound": open_outbound,
}
#: Plain WebSockets: on both drivers, and of the client's side.
WEBSOCKETS = ("websocket", "tcp", "outbound")
KINDS = ("def", "async def")


class Stage:
    """Opens servers; the fixture ``serve``."""

    def __init__(self, wire: str, kind: str, clock: trio.abc.Clock | None) -> None:
        self.wire = wire
        self.kind = kind
        self._clock = clock
        #: Whether time is virtual.
        self.is_virtual = wire != "tcp"
        #: Seconds of a wait that is meant to run out: as in life in virtual time, short in real time.
        self.soon = 5.0 if self.is_virtual else 0.05
        #: More bytes than lie between the two for a client that doesn't read: a kernel takes many.
        self.much = (4 if self.is_virtual else 16) * 1024 * 1024
        #: Why an actor has ended whose client has vanished. A poll's end is no news: its client comes back by itself.
        self.gone: Reason = Expired("session_resume_timeout") if wire == "poll" else Remote(1006)
        #: In how many more seconds it ends then, at most (the janitor comes by once a second).
        self.missed_after = 30.0 if wire == "poll" else 0.0
        over_http = wire in ("sse", "stream", "poll")
        #: Whether a Close has an answer to wait for. Over HTTP it is over when it is said.
        self.close_is_answered = not over_http
        #: Whether a server of ours has accepted the connection; else somebody has who uses ``run_over``.
        self.is_served = wire not in ("trio-websocket", "memory", "outbound")
        #: Whether a refusal is an answer of HTTP. In memory, where there is none, it is a Close.
        self.answers_with_headers = wire != "memory"
        #: What ``conn.transport`` says.
        self.transport = "websocket" if wire in (*WEBSOCKETS, "session") else wire
        #: Deadlines of a server whose actors have all ended: its own, and those of kept connections.
        self.timers_left = 3 if over_http else 1

    def __call__(
        self, target: type[Websocket] | Mapping[str, type[Websocket]], *, crashes: Any = "raise", **options: Any
    ) -> AbstractAsyncContextManager[Any]:
        """Serve a behaviour at every path, or those of a mapping at theirs. ``options`` are of route or server."""
        journal = Journal()
        routes = target if isinstance(target, Mapping) else {"/{path:path}": target}
        routes = {path: instrumented(behaviour, self.kind, journal) for path, behaviour in routes.items()}
        server_options = {name: options.pop(name) for name in SERVER_OPTIONS & set(options)}
        return self._open(Piece(routes, options, server_options), journal, crashes)

    @asynccontextmanager
    async def _open(self, piece: Piece, journal: Journal, crashes: str) -> AsyncIterator[Any]:
        if self._clock is not None:
            assert trio.lowlevel.current_clock() is self._clock, "the test must take the fixture clock"
        with trio.fail_after(1e6 if self.is_virtual else 30):
            async with WIRES[self.wire](piece) as server:
                server.journal = journal
                yield server
            journal.check(server.events)
            if crashes == "raise":
                server._seen.raise_crashes()
