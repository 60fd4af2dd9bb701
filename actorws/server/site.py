"""Site: what all endpoints of a server share.

Rule owned here: who is served when the server is going away: what is being answered is, what is idle or new isn't. Must
not know how a request is answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorws.config import Backpressure, ServerConfig

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.runtime import Runtime
    from actorws.server.app import Handler
    from actorws.server.reception import Reception
    from actorws.server.router import Router

__all__ = ["Site"]


class Site:
    """One per server."""

    __slots__ = ("config", "draining", "endpoints", "options", "router", "runtime")

    def __init__(self, runtime: Runtime, router: Router[Kind, Handler], config: ServerConfig) -> None:
        self.runtime = runtime
        self.router = router
        self.config = config
        #: Of connections that are not WebSockets (yet).
        self.options = Backpressure()
        self.endpoints: set[Reception] = set()
        self.draining = False

    def drain(self) -> None:
        """Answer what is being answered, close what is idle, take nothing new."""
        self.draining = True
        for endpoint in list(self.endpoints):
            endpoint.close_if_idle()
