"""HTTP/1.1 requests: the bytes of one connection in, one request after another out.

Rule owned here: what a well-formed request is. Where two readings are possible (request smuggling) the request is
refused, with an HTTP status; the judge is llhttp in its strict mode, and the few shapes that it lets pass
are refused here. Must not know what a request is answered with. Owner of ``httptools``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_to_bytes

import httptools

from actorws.exceptions import HandshakeError
from actorws.protocol.chunked import ChunkedBody

if TYPE_CHECKING:
    from actorws.config import ServerConfig

__all__ = ["Head", "RequestReader", "parse_head"]

_END = b"\r\n\r\n"
#: Origin-form only (RFC 9112 section 3.2.1): one space on each side, no fragment, no byte outside printable ASCII.
_REQUEST_LINE = re.compile(rb"([A-Z][A-Z-]*) (/[!\"$-~]*) HTTP/1\.([01])\r\n")
_VERSION = re.compile(rb"[^\r\n]* HTTP/(\d\.\d)\r\n")
_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_LEADING_LINES = re.compile(rb"(?:\r\n)*")


class _Judge:
    """Takes none of llhttp's callbacks: only its verdict is wanted (1.3 us a head, 2.7 us with header callbacks)."""


_JUDGE = _Judge()


class Head:
    """The head of one request. Keeps the raw bytes and parses on access, as every open connection keeps one."""

    # A dict of 8 headers takes 1.5 KB, the raw bytes 300: `forget` is what an idle connection lives on.
    __slots__ = ("_headers", "_path", "_query", "body_length", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        """The bytes as they came, the empty line included."""
        self.body_length: int | None = 0
        """Bytes of the body that follows; ``None`` if it is chunked."""
        self._headers: dict[str, str] | None = None
        self._path: str | None = None
        self._query: dict[str, str] | None = None

    def forget(self) -> None:
        """Drop what was parsed; it is parsed again when it is asked for."""
        self._headers = self._path = self._query = None

    @property
    def method(self) -> str:
        """Such as ``GET``."""
        return self.raw[: self.raw.index(b" ")].decode("ascii")

    @property
    def target(self) -> str:
        """The path and query as they came."""
        return self.raw.split(b" ", 2)[1].decode("ascii")

    @property
    def http_version(self) -> str:
        """``1.0`` or ``1.1``."""
        end = self.raw.index(b"\r\n")
        return self.raw[end - 3 : end].decode("ascii")

    @property
    def path(self) -> str:
        """The path, percent-decoded, without the query."""
        if self._path is None:
            self._path = _decode_path(self.raw.split(b" ", 2)[1])
        return self._path

    @property
    def query(self) -> Mapping[str, str]:
        """The query's parameters, decoded; of one given several times, the last."""
        if self._query is None:
            self._query = dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))
        return self._query

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case; the values of one name are joined with ``", "``. Values are decoded as latin-1."""
        if self._headers is None:
            self._headers = _parse_headers(self.raw)
        return self._headers

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of the header ``name`` (in lower case)."""
        return self.headers.get(name, default)

    def count(self, name: str) -> int:
        """How many header lines have ``name`` (in lower case)."""
        return self.raw.lower().count(b"\r\n%b:" % name.encode("ascii"))

    def has_token(self, name: str, token: str) -> bool:
        """Whether the comma-separated header ``name`` has ``token``; both in lower case."""
        value = self.headers.get(name)
        if value is None:
            return False
        value = value.lower()
        return value == token or token in [item.strip(" \t") for item in value.split(",")]

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants another request answered on this connection (RFC 9112 section 9.3)."""
        if self.has_token("connection", "close"):
            return False
        return self.http_version == "1.1" or self.has_token("connection", "keep-alive")

    @property
    def is_upgrade(self) -> bool:
        """Whether the client asks for a WebSocket here (RFC 6455 section 4.2.1), well or badly."""
        return self.has_token("upgrade", "websocket") and self.has_token("connection", "upgrade")

    def __repr__(self) -> str:
        return f"<Head {self.method} {self.target}>"


def _parse_headers(raw: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in raw.decode("latin-1").split("\r\n")[1:-2]:
        name, _, value = line.partition(":")
        name = name.lower()
        value = value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _decode_path(target: bytes) -> str:
    path = target.partition(b"?")[0]
    if b"%" not in path:
        return path.decode("ascii")
    if _BAD_PERCENT.search(path):
        raise HandshakeError(400, "the path has a % that two hexadecimal digits don't follow")
    try:
        return unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        raise HandshakeError(400, "the path is not UTF-8") from None


def parse_head(raw: bytes, max_headers: int) -> Head:
    """The head in ``raw``, which ends with its empty line.

    Raises ``HandshakeError``: 400 for what is malformed or ambiguous, 431 for more than ``max_headers`` header
    lines, 505 for another version than 1.0 and 1.1.
    """
    line = _REQUEST_LINE.match(raw)
    if line is None:
        raise _request_line_error(raw)
    if raw.find(_END) != len(raw) - 4:
        raise HandshakeError(400, "the request head is not one head")
    if raw.count(b"\r\n") - 2 > max_headers:
        raise HandshakeError(431, f"the request has more than {max_headers} headers")
    try:
        httptools.HttpRequestParser(_JUDGE).feed_data(raw)
    except httptools.HttpParserUpgrade:
        # llhttp's way to say that what follows is not for it.
        if line[1] == b"CONNECT":
            raise HandshakeError(400, "CONNECT is for proxies, and this is none") from None
    except httptools.HttpParserError as error:
        raise HandshakeError(400, f"the request is malformed: {error}") from None
    head = Head(raw)
    head._path = _decode_path(line[2])
    _check_framing(head, raw.lower(), line[3] == b"1")
    return head


def _check_framing(head: Head, lower: bytes, is_1_1: bool) -> None:
    # llhttp has refused a second Content-Length, one that is no number, and one beside Transfer-Encoding; and
    # space before a colon, so that a name between CRLF and a colon can't be written in another way.
    hosts = lower.count(b"\r\nhost:")
    if hosts != 1 and (is_1_1 or hosts):
        raise HandshakeError(400, f"the request has {hosts} Host headers, not one")
    if b"\r\ncontent-length:" in lower:
        head.body_length = _content_length(head.headers["content-length"])
    if b"\r\ntransfer-encoding:" in lower:
        # RFC 9112 section 6.1: in HTTP/1.0, or beside Content-Length, it is faulty framing.
        if not is_1_1 or b"\r\ncontent-length:" in lower or head.headers["transfer-encoding"].lower() != "chunked":
            raise HandshakeError(400, "the only Transfer-Encoding is chunked, in HTTP/1.1 and without Content-Length")
        head.body_length = None


def _content_length(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise HandshakeError(400, "Content-Length is not one decimal number")
    return int(value)


def _request_line_error(raw: bytes) -> HandshakeError:
    version = _VERSION.match(raw)
    if version is not None and version[1] not in (b"1.0", b"1.1"):
        return HandshakeError(505, "the versions served are HTTP/1.1 and HTTP/1.0")
    return HandshakeError(400, "the request line is malformed: expected METHOD /path HTTP/1.1")


class RequestReader:
    """Bytes of one connection in, requests out, one after another.

    Feed ``receive`` until ``complete``, answer, then call ``next``. What comes behind a complete request is kept in
    ``rest`` and not looked at, so stop reading while a request is being answered. After a ``HandshakeError`` the
    connection can't be read any further.
    """

    __slots__ = ("_body", "_buffer", "_config", "body", "complete", "head", "rest")

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
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
        """Whether any byte of a request is there."""
        return self.head is not None or self._buffer != b""

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
        start = 0
        if self._buffer:
            # At worst 16 KiB come byte by byte, each copied with what is there: cheaper than the recv that brought it.
            start = max(0, len(self._buffer) - 3)
            data = self._buffer + data
        if not data[:1].isupper():
            data = _without_empty_lines(data)
        limit = self._config.max_head_size
        end = data.find(_END, start, limit)
        if end < 0:
            if len(data) >= limit:
                raise HandshakeError(431, f"the request head is larger than {limit} bytes")
            self._buffer = data
            return
        end += len(_END)
        self._buffer = b""
        self.head = head = parse_head(data if end == len(data) else data[:end], self._config.max_headers)
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
            raise HandshakeError(413, f"the request body is larger than {limit} bytes")
        self._body = ChunkedBody(limit) if head.body_length is None else bytearray()

    def _receive_body(self, head: Head, data: bytes) -> None:
        body = self._body
        if isinstance(body, ChunkedBody):
            rest = body.receive(data)
            if rest is not None:
                self._finish(body.body, rest)
        elif body is not None and head.body_length is not None:
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
