"""An app that says which node a client is served by, and what a server knows of its client."""

from __future__ import annotations

from typing import Any

from actorws import App
from tests.support.serving import Echo

__all__ = ["WhichNode", "app", "naming", "to_node"]


class WhichNode(Echo):
    """Begins by saying which node it is in and where the client is, and says everything back; to ``push``: 8 MB."""

    def init(self, conn: Any) -> Any:
        return None, [f"{conn.runtime.id} {where(conn.remote_address)}"]

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [bytes(80_000)] * 100 if frame == "push" else [frame]


def where(address: tuple[str, int] | str) -> str:
    """``host:port``, or nothing for a client on a Unix socket."""
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else address


def node(request: Any) -> str:
    """Which node answers."""
    return str(request.runtime.id)


def big(request: Any) -> bytes:
    """More than a socket takes."""
    return bytes(8_000_000)


app = App()
app.websocket("/", WhichNode, close_timeout=1)
app.http("/node", node)
app.http("/big", big)


def to_node(name: str) -> str:
    """The path of a WebSocket that names a node."""
    return f"/?actorws-node={name}"


def naming(name: str) -> str:
    """The id of a session of that node."""
    return f"{name}.7.c2VjcmV0"
