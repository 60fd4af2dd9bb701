"""HTTP sessions: which plain requests on a behaviour's path are for a session (PROTOCOL.md, section 3).

Rule owned here: what a route doesn't allow for isn't there: such a request is as any other. Must not know what these
requests are answered with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorws.server import cors
from actorws.server.http_downlink import Downlink, wanted_transport
from actorws.server.http_uplink import Uplink
from actorws.server.session_request import Preflight, SessionRequest

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.protocol.head import Head
    from actorws.server.app import Handler
    from actorws.server.router import Match

__all__ = ["session_request"]


def session_request(match: Match[Kind, Handler], head: Head) -> type[SessionRequest] | None:
    """What a request is for a session, if it is for one. It is no handshake."""
    kind = match.websocket
    if kind is None:
        return None
    config = kind.config
    over_http = [name for name in config.sessions.transports if name != "websocket"]
    if not over_http:
        return None
    match head.method:
        case "GET" if wanted_transport(head) in over_http:
            return Downlink
        case "POST" if head.get("actorws-session") is not None:
            return Uplink
        case "OPTIONS" if "OPTIONS" not in match.http and cors.is_preflight(head, config.handshake):
            return Preflight
    return None
