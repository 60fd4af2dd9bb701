"""The opening handshake of RFC 6455, client side: a request out, the judgement of a 101 response in.

Rule owned here: what a server must have answered before anything it sends is taken for frames (section 4.1). All
functions are pure but for the key. Must not know how anything is sent, nor what becomes of other answers.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from actorws.protocol.handshake import accept_key
from actorws.protocol.headers import header_lines, is_token

if TYPE_CHECKING:
    from actorws.protocol.url import Target

__all__ = ["SECRET", "check_headers", "check_response", "new_key", "request"]

#: What makes a request a handshake is not for others to set.
_OURS = frozenset(
    {
        "connection",
        "content-length",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "transfer-encoding",
        "upgrade",
    }
)
#: What is shown to nobody but the server that it is for.
SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})


def new_key() -> str:
    """A fresh ``Sec-WebSocket-Key``: 16 random bytes."""
    return b64encode(os.urandom(16)).decode("ascii")


def check_headers(headers: Mapping[str, str | Sequence[str]], subprotocols: Sequence[str]) -> None:
    """Raises ``ValueError`` for headers that can't be sent or are the handshake's, and for bad subprotocols."""
    if not isinstance(headers, Mapping):
        raise ValueError(f"headers must be a mapping, or a function that returns one, not {type(headers).__name__}")
    for name, values in headers.items():
        _check_header(name, values)
    for subprotocol in subprotocols:
        if not is_token(subprotocol):
            raise ValueError(f"the subprotocol {subprotocol!r} is not a token (RFC 9110 section 5.6.2)")
    if len(set(subprotocols)) < len(subprotocols):
        raise ValueError(f"each subprotocol may be offered once (RFC 6455 section 4.1), not {list(subprotocols)!r}")


def _check_header(name: str, values: str | Sequence[str]) -> None:
    lines = [values] if isinstance(values, str) else values
    if not isinstance(name, str):
        raise ValueError(f"the header name {name!r} must be a str")
    if not isinstance(lines, list | tuple) or not all(isinstance(line, str) for line in lines):
        kind = type(values).__name__
        raise ValueError(f"the header {name!r} must have a value that is a str or a list of them, not {kind}")
    if name.lower() == "host" and len(lines) != 1:
        raise ValueError(f"there is one Host in a request (RFC 9112 section 3.2), not {len(lines)}")
    try:
        header_lines({name: values}, _OURS)
    except ValueError:
        if name.lower() not in SECRET:
            raise
        raise ValueError(f"the header {name!r} has a value that can't be sent (a line break?)") from None


def request(
    target: Target,
    key: str,
    headers: Mapping[str, str | Sequence[str]],
    subprotocols: Sequence[str],
    extensions: str | None,
) -> bytes:
    """The request. ``headers`` may have another ``Host`` and ``Authorization`` than ``target`` asks for."""
    given = {name.lower() for name in headers}
    lines = {} if "host" in given else {"Host": target.authority}
    lines |= {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
    }
    if subprotocols:
        lines["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
    if extensions is not None:
        lines["Sec-WebSocket-Extensions"] = extensions
    if target.credentials is not None and "authorization" not in given:
        # RFC 7617 section 2; in UTF-8, as all servers take it by now.
        lines["Authorization"] = "Basic " + b64encode(":".join(target.credentials).encode()).decode("ascii")
    return f"GET {target.path} HTTP/1.1\r\n{header_lines(lines)}{header_lines(headers, _OURS)}\r\n".encode("latin-1")


def check_response(headers: Mapping[str, str], key: str, subprotocols: Sequence[str]) -> str | None:
    """The subprotocol that the server has chosen in a 101 with these ``headers``, if any.

    Raises ``ValueError``, in words, for what is no valid answer.
    """
    upgrade, connection = headers.get("upgrade"), headers.get("connection")
    if upgrade is None:
        raise ValueError("its answer 101 has no Upgrade, which should be websocket")
    if upgrade.lower() != "websocket":
        raise ValueError(f"it switches to another protocol than WebSocket: {upgrade!r:.100}")
    if connection is None:
        raise ValueError("its answer 101 has no Connection, which should be Upgrade")
    if "upgrade" not in _tokens(connection):
        raise ValueError(f"its answer 101 has the Connection {connection!r:.100}, which should be Upgrade")
    if headers.get("sec-websocket-accept") != accept_key(key):
        raise ValueError("its Sec-WebSocket-Accept is not the one for our key")
    chosen = headers.get("sec-websocket-protocol")
    if chosen is not None and chosen not in subprotocols:
        raise ValueError(f"it chose the subprotocol {chosen!r:.100}, which was not offered")
    return chosen


def _tokens(value: str) -> list[str]:
    return [item.strip(" \t") for item in value.lower().split(",")]
