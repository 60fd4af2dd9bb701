"""ASGI door: a WebSocket that an ASGI server has accepted, as a ``Transport``, and who waits before it is one.

Rules owned here: every message that is sent is in the order of the ASGI WebSocket specification, 2.3; what the server
looks after (the closing handshake, pings) is left to it. Must not know actors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl

import trio

from actorws.behaviour import Accept, Reject
from actorws.config import Handshake
from actorws.frames import Close, CloseCode, Ping, Pong
from actorws.protocol.handshake import choose_subprotocol
from actorws.protocol.headers import header_lines
from actorws.reasons import Remote
from actorws.transports.custom import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actorws.server.asgi_scope import Receive, Scope, Send

__all__ = ["AsgiDoor"]

NAME = "asgi"
#: The extension by which a client is told more than 403.
_DENIAL = "websocket.http.response"


class AsgiTransport(Transport):
    """An accepted WebSocket."""

    name: ClassVar[str] = NAME

    def __init__(self, receive: Receive, send: Send, subprotocol: str | None) -> None:
        self.subprotocol = subprotocol
        self._receive = receive
        self._send = send

    async def receive(self) -> str | bytes | Close | Remote:
        message = await self._receive()
        if message["type"] == "websocket.receive":
            text: str | None = message.get("text")
            return bytes(message["bytes"]) if text is None else text
        code = message.get("code", CloseCode.NO_STATUS)
        if code == CloseCode.ABNORMAL:
            raise trio.EndOfChannel("the connection ended without a Close")
        return Remote(code, message.get("reason") or "")

    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        # A server that knows its client gone may return at once.
        await trio.lowlevel.checkpoint()
        if isinstance(frame, Ping | Pong):
            return  # the server's business
        kind = "text" if isinstance(frame, str) else "bytes"
        await _tell(self._send, {"type": "websocket.send", kind: frame})

    async def close(self, frame: Close) -> None:
        await _tell(self._send, {"type": "websocket.close", "code": frame.code, "reason": frame.reason})

    def abort(self) -> None:
        """Nothing: a server cuts the connection when its app returns."""

    async def ping(self) -> bool:
        # The server asks its clients itself, and says when one doesn't answer.
        await trio.lowlevel.checkpoint()
        return True


class AsgiDoor:
    """A client whose handshake has not been answered."""

    name: str = NAME

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self.request: dict[str, Any] = _described(scope)

    async def open(self, accept: Accept, options: Handshake) -> Transport:
        chosen = choose_subprotocol(self._scope.get("subprotocols") or (), options, accept.subprotocol)
        headers = _headers(accept.headers)
        await _tell(self._send, {"type": "websocket.accept", "subprotocol": chosen, "headers": headers})
        return AsgiTransport(self._receive, self._send, chosen)

    async def refuse(self, reject: Reject, frame: Close) -> None:
        if _DENIAL not in (self._scope.get("extensions") or {}):
            # To the client it is 403; the code is for those between.
            await _tell(self._send, {"type": "websocket.close", "code": frame.code, "reason": frame.reason})
            return
        body = reject.body.encode() if isinstance(reject.body, str) else reject.body
        body = body or f"{reject.status}\n".encode()
        headers = _headers(reject.headers)
        given = {name for name, _ in headers}
        if b"content-type" not in given:
            headers.append((b"content-type", b"text/plain; charset=utf-8"))
        if b"content-length" not in given:
            headers.append((b"content-length", b"%d" % len(body)))
        await _tell(self._send, {"type": f"{_DENIAL}.start", "status": reject.status, "headers": headers})
        await _tell(self._send, {"type": f"{_DENIAL}.body", "body": body, "more_body": False})

    def abort(self) -> None:
        """Nothing: a server cuts the connection when its app returns."""

    async def let_go(self) -> None:
        """Nothing: see ``abort``."""


async def _tell(send: Send, message: dict[str, Any]) -> None:
    try:
        await send(message)
    except OSError:
        # ASGI 2.4: what servers raise when the client has gone.
        raise trio.BrokenResourceError("the connection is closed") from None


def _headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """As ASGI has them, with names in lower case. Raises ``ValueError`` for what can't be sent."""
    header_lines(headers)
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _described(scope: Scope) -> dict[str, Any]:
    """What is known of the client's request, as arguments of ``Request``."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    client = scope.get("client")
    return {
        "path": scope["path"],
        "path_params": {name: str(value) for name, value in (scope.get("path_params") or {}).items()},
        "query": dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)),
        "headers": headers,
        "remote_address": "" if client is None else (client[0], client[1]),
    }
