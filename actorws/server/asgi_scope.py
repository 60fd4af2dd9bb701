"""ASGI scope: what a mounted app is told of a request.

Rule owned here: the app sees the request as it came: the bytes of path, query and headers, in order, each line that was
sent twice twice. Written to the ASGI HTTP specification, 2.3. Must not know how an answer is given.
"""

from __future__ import annotations

import socket as _socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from actorws.io.stream import StreamWire

if TYPE_CHECKING:
    from actorws.protocol.head import Head
    from actorws.runtime import Runtime
    from actorws.transports.wire import Wire

__all__ = ["AsgiApp", "Message", "Receive", "Scope", "Send", "http_scope"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
#: An ASGI 3 application.
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Not 2.4: Starlette then waits for the next piece to hear that its client has gone, which a silent stream hasn't got.
SPEC_VERSION = "2.3"


def http_scope(
    head: Head,
    wire: Wire,
    *,
    prefix: str,
    address: tuple[str, int] | str,
    runtime: Runtime,
    state: dict[str, Any] | None,
) -> Scope:
    """The scope of one request to the app mounted at ``prefix``. ``state``: its lifespan's, if it has one."""
    raw_path, _, query = head.target.encode("ascii").partition(b"?")
    scheme, server = _our_end(wire)
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
        "http_version": head.http_version,
        "method": head.method,
        "scheme": scheme,
        "path": head.path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": prefix,
        "headers": _headers(head.raw),
        "client": address or None,
        "server": server,
        "extensions": {"actorws": {"runtime": runtime}},
    }
    if state is not None:
        # Shallow: what the app put there at its start is the same for all, what a request adds is its own.
        scope["state"] = dict(state)
    return scope


def _headers(raw: bytes) -> list[tuple[bytes, bytes]]:
    lines = (line.partition(b":") for line in raw.split(b"\r\n")[1:-2])
    return [(name.lower(), value.strip(b" \t")) for name, _, value in lines]


def _our_end(wire: Wire) -> tuple[str, tuple[str, int | None] | None]:
    """The scheme, and where the client has connected to: host and port, path and ``None``, or ``None`` if in memory."""
    scheme = "https" if isinstance(wire, StreamWire) and wire.is_secure else "http"
    socket: Any = getattr(wire, "socket", None)
    if socket is None:
        return scheme, None
    try:
        name = socket.getsockname()
    except OSError:
        return scheme, None  # it is closed already
    if socket.family in (_socket.AF_INET, _socket.AF_INET6):
        return scheme, (name[0], name[1])
    return scheme, (str(name), None)
