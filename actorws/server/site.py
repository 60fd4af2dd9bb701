"""Site: what all endpoints of a server share.

Rule owned here: who is served when the server is going away: what is being answered is, what is idle or new isn't. Must
not know how a request is answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorws.config import Backpressure, ServerConfig
from actorws.protocol.forms import Forms
from actorws.server.custom import Routes
from actorws.server.polls import Polls
from actorws.sessions.store import Store

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.runtime import Runtime
    from actorws.server.app import Handler
    from actorws.server.handover import Handover
    from actorws.server.mount import Mounts
    from actorws.server.reception import Reception
    from actorws.server.router import Router

__all__ = ["Site"]


class Site:
    """One per server."""

    __slots__ = (
        "config",
        "draining",
        "endpoints",
        "factories",
        "forms",
        "handover",
        "mounts",
        "options",
        "polls",
        "router",
        "runtime",
        "sessions",
    )

    def __init__(
        self, runtime: Runtime, router: Router[Kind, Handler], config: ServerConfig, mounts: Mounts | None = None
    ) -> None:
        self.runtime = runtime
        self.router = router
        #: Who is asked for transports, in the order of registration.
        self.factories = router.factories if isinstance(router, Routes) else ()
        self.config = config
        #: Of handshakes that have come, for others like them and for connections that are open.
        self.forms = Forms(config.max_headers)
        #: The mounted apps that run here; ``None`` if there can't be any.
        self.mounts = mounts
        #: Of connections that are not WebSockets (yet).
        self.options = Backpressure()
        self.endpoints: set[Reception] = set()
        self.draining = False
        self.sessions = Store(runtime)
        self.polls = Polls(self)
        #: Where there are other workers on this host.
        self.handover: Handover | None = None

    def drain(self) -> None:
        """Answer what is being answered, close what is idle, take nothing new."""
        self.draining = True
        for endpoint in list(self.endpoints):
            endpoint.close_if_idle()
        self.sessions.drain()
        if self.handover is not None:
            self.handover.drain()
