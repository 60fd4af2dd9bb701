"""ASGI response: a mounted app's messages in, the bytes of one HTTP response out.

Rule owned here: who frames a response is us: the app's Content-Length is held to, and its other hop-by-hop headers are
left out (RFC 9110 section 7.6.1), but for its wish to close. A message that doesn't fit raises for the app, and changes
nothing. Must not know sockets, nor when anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable

from actorws.protocol.headers import header_lines
from actorws.server.asgi_scope import Message
from actorws.server.http import LAST_CHUNK, Framing, chunk, framed_head

__all__ = ["AsgiResponse"]

_START, _BODY = "http.response.start", "http.response.body"
#: Of a hop: left out, whatever the app says there.
_OF_A_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})


class AsgiResponse:
    """One response."""

    __slots__ = ("_framing", "_http_version", "_is_head", "_left", "_lines", "_status", "begun", "closes", "complete")

    def __init__(self, *, is_head: bool, http_version: str) -> None:
        """``is_head``: the request was HEAD, so that the body is not sent."""
        self._is_head = is_head
        self._http_version = http_version
        self._status = 0
        self._lines = ""
        self._framing = Framing.NONE
        #: Bytes that Content-Length has promised and that have not come; ``None`` if it says nothing.
        self._left: int | None = None
        self.closes: bool = False
        """Whether the connection ends with the response."""
        self.begun: bool = False
        """Whether the head was given out: at the first message of the body, as the specification says."""
        self.complete: bool = False
        """Whether everything was given out."""

    def take(self, message: Message, *, keep_alive: bool = True) -> bytes:
        """The bytes to send for the app's next message. ``keep_alive``: whether the connection may go on.

        Raises ``RuntimeError`` for a message out of order, or a body of another length than announced, and
        ``ValueError`` or ``TypeError`` for what can't be sent.
        """
        kind = message["type"]
        if kind == _START and not self._status:
            self._start(message["status"], message.get("headers", ()), keep_alive)
            return b""
        if kind == _BODY and self._status and not self.complete:
            body = message.get("body", b"")
            if not isinstance(body, bytes | bytearray | memoryview):
                raise TypeError(f"the body of {_BODY!r} has to be bytes, not {body!r:.100}")
            return self._piece(bytes(body), not message.get("more_body", False))
        expected = "nothing more" if self.complete else repr(_BODY if self._status else _START)
        raise RuntimeError(f"the app sent {kind!r}, where {expected} was expected")

    def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]], keep_alive: bool) -> None:
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ValueError(f"status must be 200-599, not {status!r}")
        lines, given, length = "", set(), None
        closes = not keep_alive
        for name, value in headers:
            name, value = bytes(name), bytes(value)
            lower = name.lower()
            if lower == b"content-length":
                length = _length(value, length)
            elif lower not in _OF_A_HOP:
                given.add(lower.decode("latin-1"))
                lines += header_lines({name.decode("latin-1"): value.decode("latin-1")})
            elif lower == b"connection" and b"close" in [token.strip().lower() for token in value.split(b",")]:
                closes = True
        self._lines, self._left, self.closes = lines, length, closes
        self._status = int(status)

    def _piece(self, piece: bytes, is_last: bool) -> bytes:
        has_body = self._status not in (204, 304) and not self._is_head
        if has_body and self._left is not None:
            left = self._left - len(piece)
            if left < 0:
                raise RuntimeError(f"the body is longer than its Content-Length by {-left} bytes or more")
            if is_last and left:
                raise RuntimeError(f"the body ended {left} bytes before its Content-Length")
        head = b"" if self.begun else self._head(len(piece) if is_last and has_body else None)
        if has_body and self._left is not None:
            self._left -= len(piece)
        self.begun, self.complete = True, is_last
        if not has_body:
            return head
        if self._framing is not Framing.CHUNKED:
            return head + piece
        return head + chunk(piece) + (LAST_CHUNK if is_last else b"")

    def _head(self, whole: int | None) -> bytes:
        """The head. ``whole``: the size of the body, where it came at once."""
        length = self._left
        if self._status == 204:
            length = None  # RFC 9110 section 8.6
        elif length is None and whole is not None:
            length = self._left = whole
        if length is not None:
            self._framing = Framing.LENGTH
        elif self._status in (204, 304) or self._is_head:
            self._framing = Framing.NONE
        else:
            self._framing = Framing.CHUNKED if self._http_version == "1.1" else Framing.CLOSE
            self.closes = self.closes or self._framing is Framing.CLOSE
        return framed_head(self._status, self._lines, self._framing, length, keep_alive=not self.closes)


def _length(value: bytes, known: int | None) -> int:
    """What Content-Length says. Raises ``ValueError`` for no number, or another one than before."""
    if not value.isdigit() or len(value) > 18 or known not in (None, int(value)):
        raise ValueError(f"Content-Length must be one decimal number, not {value!r}")
    return int(value)
