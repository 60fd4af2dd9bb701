"""trio-websocket: connections that the user's own trio server accepted with that library, as a ``Transport``.

Rules owned here: after a cancelled or failed send nothing but the cut follows (the library would go on inside the old
frame); what it raises is translated; only its public names are used. Must not know actors. Owner of ``trio_websocket``.
"""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest

from actorws.behaviour import Accept, Reject
from actorws.config import Handshake
from actorws.exceptions import ProtocolError
from actorws.frames import Close, CloseCode, Ping, Pong
from actorws.protocol.handshake import choose_subprotocol
from actorws.reasons import Remote
from actorws.transports.custom import Transport

__all__ = ["TrioWebsocket", "door_of"]

NAME = "trio-websocket"
_TOO_LARGE = "Exceeded maximum message size"


class TrioWebsocket(Transport):
    """A ``WebSocketConnection``. The library answers the client's pings and its Close by itself."""

    name: ClassVar[str] = NAME

    def __init__(self, connection: WebSocketConnection) -> None:
        self.subprotocol = connection.subprotocol
        self._connection = connection
        self._aborted = False

    async def receive(self) -> str | bytes | Close | Remote:
        try:
            return await self._connection.get_message()
        except ConnectionClosed:
            pass
        how = self._connection.closed
        if how is None or how.code == CloseCode.ABNORMAL:
            raise trio.EndOfChannel("the connection ended without a Close")
        if how.code == CloseCode.MESSAGE_TOO_BIG and (how.reason or "").startswith(_TOO_LARGE):
            # The library's own limit, and its own Close: not what the client said.
            raise ProtocolError(how.code, how.reason or "")
        return Remote(how.code, how.reason or "")

    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        try:
            if isinstance(frame, str | bytes):
                await self._connection.send_message(frame)
            elif isinstance(frame, Pong):
                await self._connection.pong(frame.data)
            # A Ping of the behaviour's own would wait here for its answer, and everything else behind it.
        except ConnectionClosed:
            if self._has_left:
                return  # nobody takes it; `receive` tells how it ended, behind what the client said before
            raise trio.BrokenResourceError("the connection is closed") from None

    @property
    def _has_left(self) -> bool:
        """Whether the connection has ended by a Close."""
        how = self._connection.closed
        return how is not None and how.code != CloseCode.ABNORMAL

    async def close(self, frame: Close) -> None:
        await self._connection.aclose(frame.code, frame.reason)

    def abort(self) -> None:
        if not self._aborted:
            self._aborted = True
            # The library has no way to do it without a task, and this may be the end of the caller's.
            trio.lowlevel.spawn_system_task(self.cut, name="actorws trio-websocket")

    async def cut(self) -> None:
        """Close the stream, whatever is under way. Again: nothing."""
        with trio.CancelScope() as scope:
            # Cancelled before it has written anything, it closes the stream and nothing else.
            scope.cancel()
            try:
                await self._connection.aclose()
            except Exception:
                pass  # of the stream; this is the end, and nobody is left to tell

    async def ping(self) -> bool:
        try:
            await self._connection.ping()
        except ConnectionClosed:
            raise trio.BrokenResourceError("the connection is closed") from None
        return True


class _Connected:
    """The door of a connection whose handshake is done."""

    name: str = NAME

    def __init__(self, connection: WebSocketConnection) -> None:
        self._wire = TrioWebsocket(connection)
        self.request: dict[str, Any] = _described(connection.path or "/", connection, ())

    async def open(self, accept: Accept, options: Handshake) -> Transport:
        return self._wire

    async def refuse(self, reject: Reject, frame: Close) -> None:
        await self._wire.close(frame)

    def abort(self) -> None:
        self._wire.abort()

    async def let_go(self) -> None:
        # Else the library may be first, with a Close in the middle of a frame, and 60 s for the answer.
        await self._wire.cut()


class _Requested:
    """The door of a client whose handshake has not been answered."""

    name: str = NAME

    def __init__(self, request: WebSocketRequest) -> None:
        self._request = request
        self._wire: TrioWebsocket | None = None
        self.request: dict[str, Any] = _described(request.path, request, request.headers)

    async def open(self, accept: Accept, options: Handshake) -> Transport:
        subprotocol = choose_subprotocol(self._request.proposed_subprotocols, options, accept.subprotocol)
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in accept.headers.items()]
        try:
            connection = await self._request.accept(subprotocol=subprotocol, extra_headers=headers)
        except ConnectionClosed:
            raise trio.BrokenResourceError("the connection is closed") from None
        self._wire = TrioWebsocket(connection)
        return self._wire

    async def refuse(self, reject: Reject, frame: Close) -> None:
        body = reject.body.encode() if isinstance(reject.body, str) else reject.body
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reject.headers.items()]
        try:
            await self._request.reject(reject.status, extra_headers=headers, body=body or f"{reject.status}\n".encode())
        except ConnectionClosed:
            pass

    def abort(self) -> None:
        """A client that was turned away is the library's again, which closes its connection."""
        if self._wire is not None:
            self._wire.abort()

    async def let_go(self) -> None:
        if self._wire is not None:
            await self._wire.cut()


def door_of(wire: object) -> _Connected | _Requested:
    """Where the client waits. Raises ``TypeError`` for what is none of the library's."""
    if isinstance(wire, WebSocketConnection):
        return _Connected(wire)
    if isinstance(wire, WebSocketRequest):
        return _Requested(wire)
    raise TypeError(
        "wire must be an actorws.Transport, or a WebSocketConnection or WebSocketRequest of trio-websocket, "
        f"not {wire!r:.100}"
    )


def _described(
    target: str, end: WebSocketConnection | WebSocketRequest, headers: list[tuple[bytes, bytes]] | tuple[()]
) -> dict[str, Any]:
    """What the library knows of a request. Of a connection it doesn't keep the headers."""
    address = end.remote
    parts = urlsplit(target)
    found: dict[str, str] = {}
    for raw, value in headers:
        name = raw.decode("latin-1").lower()
        text = value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return {
        "path": unquote(parts.path) or "/",
        "query": dict(parse_qsl(parts.query, keep_blank_values=True)),
        "headers": found,
        "remote_address": "" if isinstance(address, str) else (str(address.address), address.port),
    }
