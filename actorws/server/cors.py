"""CORS: what pages of other origins need to reach sessions by HTTP (Fetch standard, section 3.2).

Rules owned here: who may open a WebSocket from a page may do the same by HTTP, with cookies if its origin is named in
``allowed_origins``; where only ``"*"`` lets it in, without: else any page could act for whoever looks at it. Must not
know sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from actorws.protocol import handshake

if TYPE_CHECKING:
    from actorws.config import Handshake
    from actorws.protocol.head import Head

__all__ = ["is_preflight", "preflight_headers", "response_headers"]

#: Seconds for which a browser needs not ask again.
MAX_AGE: Final = 600
METHODS: Final = ("GET", "POST")
_NONE: Final[Mapping[str, str]] = {}


def is_preflight(head: Head, options: Handshake) -> bool:
    """Whether a browser asks, before it sends a request that we could answer for a page of another origin."""
    if not options.allowed_origins or head.method != "OPTIONS" or head.get("origin") is None:
        return False
    return head.get("access-control-request-method") in METHODS


def response_headers(head: Head, options: Handshake) -> Mapping[str, str]:
    """What the page needs to see the answer, if it may. None where no other origins may."""
    allowed = options.allowed_origins
    if not allowed:
        return _NONE
    headers = {"Vary": "Origin"}
    origin = head.get("origin")
    if origin is None:
        return headers
    if handshake.origin_allowed(head, [name for name in allowed if name != "*"]):
        headers |= {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
    elif "*" in allowed:
        headers["Access-Control-Allow-Origin"] = "*"
    else:
        return headers
    return headers | {"Access-Control-Expose-Headers": "Retry-After"}


def preflight_headers(head: Head, options: Handshake) -> Mapping[str, str]:
    """The answer to a preflight: the page may send what it says that it wants to."""
    headers = {
        **response_headers(head, options),
        "Access-Control-Allow-Methods": ", ".join(METHODS),
        "Access-Control-Max-Age": str(MAX_AGE),
    }
    wanted = head.get("access-control-request-headers")
    return headers if wanted is None else headers | {"Access-Control-Allow-Headers": wanted}
