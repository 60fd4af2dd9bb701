"""HTTP/1.1 requests: the bytes of one connection in, one request after another out.

Rules owned here: how much of a request is kept, and when it is whole; what is wrong is told as soon as it shows, with
an HTTP status. Must not know what a request is answered with.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from actorws.exceptions import HandshakeError
from actorws.protocol.chunked import ChunkedBody
from actorws.protocol.forms import Forms
from actorws.protocol.head import END, Head, check_unfinished

if TYPE_CHECKING:
    from actorws.config import ServerConfig

__all__ = ["RequestReader"]

_LEADING_LINES = re.compile(rb"(?:\r\n)*")


class RequestReader:
    """Bytes of one connection in, requests out, one after another.

    Feed ``receive`` until ``complete``, answer, then call ``next``. What comes behind a complete request is kept in
    ``rest`` and not looked at, so stop reading while a request is being answered. After a ``HandshakeError`` the
    connection can't be read any further.
    """

    __slots__ = ("_body", "_buffer", "_config", "_forms", "body", "complete", "head", "rest")

    def __init__(self, config: ServerConfig, forms: Forms | None = None) -> None:
        """``forms``: what is known of other connections' heads, by the same options."""
        self._config = config
        self._forms = Forms(config.max_headers) if forms is None else forms
        self._forget()

    def _forget(self) -> None:
        self.head: Head | None = None
        """The request's head, as soon as it is there."""
        self.body: bytes = b""
        """The request's body, once complete."""
        self.complete: bool = False
        """Whether head and body are there."""
        self.rest: bytes = b""
        """What came behind the complete request: the first frames after an upgrade, or the next request."""
        self._buffer = b""  # an unfinished head
        self._body: bytearray | ChunkedBody | None = None  # an unfinished body

    @property
    def started(self) -> bool:
        """Whether any byte of a request is there. (Half an empty line is none: with such one could be forever new.)"""
        return self.head is not None or self._buffer not in (b"", b"\r")

    @property
    def raw(self) -> bytes:
        """All that has come of this request and behind it, for another reader to begin with.

        It is put together from what is kept anyway, so a body in chunks is coded in other ones.
        """
        if self.head is None:
            return self._buffer
        if isinstance(self._body, ChunkedBody):
            body = self._body.raw
        elif self._body is None and self.head.body_length is None:
            body = (b"%x\r\n%b\r\n" % (len(self.body), self.body) if self.body else b"") + b"0\r\n\r\n"
        else:
            body = self.body if self._body is None else bytes(self._body)
        return self.head.raw + body + self.rest

    @property
    def wants_continue(self) -> bool:
        """Whether the client waits for ``100 Continue`` before it sends the body (RFC 9110 section 10.1.1)."""
        head = self.head
        if head is None or self.complete:
            return False
        return head.http_version == "1.1" and head.has_token("expect", "100-continue")

    def receive(self, data: bytes) -> None:
        """Take what came. Raises ``HandshakeError``: 400, 413, 431 or 505."""
        if self.complete:
            self.rest += data
        elif self.head is None:
            self._receive_head(data)
        else:
            self._receive_body(self.head, data)

    def next(self) -> None:
        """Forget this request and go on with ``rest``. Raises as ``receive``."""
        rest = self.rest
        self._forget()
        if rest:
            self._receive_head(rest)

    def _receive_head(self, data: bytes) -> None:
        start = known = 0
        if self._buffer:
            # At worst 16 KiB come byte by byte, each copied with what is there: cheaper than the recv that brought it.
            known = len(self._buffer)
            start = max(0, known - 3)
            data = self._buffer + data
        if not data[:1].isupper():
            data = _without_empty_lines(data)
        limit = self._config.max_head_size
        end = data.find(END, start, limit)
        if end < 0:
            check_unfinished(data[:limit], known)
            if len(data) >= limit:
                # RFC 9112 section 3: where it is the target that is too long, 414 says so.
                status, what = (431, "head") if b"\n" in data[:limit] else (414, "line")
                raise HandshakeError(status, f"the request {what} is larger than {limit} bytes", limit="max_head_size")
            self._buffer = data
            return
        end += len(END)
        self._buffer = b""
        self.head = head = self._forms.read(data if end == len(data) else data[:end])
        if head.body_length == 0:
            self.complete = True
            self.rest = data[end:]
        else:
            self._begin_body(head)
            self._receive_body(head, data[end:])

    def _begin_body(self, head: Head) -> None:
        limit = self._config.max_body_size
        if head.is_upgrade:
            # What one reader takes for a body and another for frames is a way to smuggle them.
            raise HandshakeError(400, "a WebSocket handshake has no body")
        if head.body_length is not None and head.body_length > limit:
            raise HandshakeError(413, f"the request body is larger than {limit} bytes", limit="max_body_size")
        self._body = ChunkedBody(limit) if head.body_length is None else bytearray()

    def _receive_body(self, head: Head, data: bytes) -> None:
        body = self._body
        if isinstance(body, ChunkedBody):
            rest = body.receive(data)
            if rest is not None:
                self._finish(body.body, rest)
        else:
            assert body is not None and head.body_length is not None
            missing = head.body_length - len(body)
            body += data[:missing]
            if len(body) == head.body_length:
                self._finish(body, data[missing:])

    def _finish(self, body: bytearray, rest: bytes) -> None:
        self._body = None
        self.body = bytes(body)
        self.rest = rest
        self.complete = True


def _without_empty_lines(data: bytes) -> bytes:
    """RFC 9112 section 2.2: empty lines before a request line are skipped. Anything else is no request at all."""
    match = _LEADING_LINES.match(data)
    assert match is not None
    data = data[match.end() :]
    if data and data != b"\r" and not data[:1].isupper():
        raise HandshakeError(400, "this is not an HTTP request")
    return data
