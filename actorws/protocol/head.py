"""Request heads of HTTP/1.1: what one says, and whether it may be said so.

Rule owned here: what a well-formed head is. Where two readings are possible (request smuggling) the request is
refused, with an HTTP status; the judge is llhttp in its strict mode, and the few shapes that it lets pass
are refused here. Must not know how bytes come, nor bodies. Owner of ``httptools``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_to_bytes

import httptools

from actorws.exceptions import HandshakeError

if TYPE_CHECKING:
    from actorws.protocol.forms import Form

__all__ = ["END", "Head", "PackedHead", "check_unfinished", "parse_head"]

#: What ends a head.
END = b"\r\n\r\n"
#: Origin-form or absolute-form (RFC 9112 section 3.2): one space on each side, no fragment, no byte outside printable
#: ASCII.
_REQUEST_LINE = re.compile(rb"([A-Z][A-Z-]*) (?:[hH][tT][tT][pP][sS]?://([^/?#@ ]+))?(/[!\"$-~]*) HTTP/1\.([01])\r\n")
_VERSION = re.compile(rb"[^\r\n]* HTTP/(\d\.\d)\r\n")
#: RFC 9112 section 2.2 lets a server take it for the end of a line; who reads it otherwise sees other headers.
_BARE_LF = "a line of the request head ends with LF alone"
_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
#: A host and a port (RFC 3986 section 3.2); any other value has to be refused (RFC 9112 section 3.2).
_HOST = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[A-Za-z0-9._~!$&'()*+,;=:%-]+\])(?::[0-9]*)?")


class _Judge:
    """Takes none of llhttp's callbacks: only its verdict is wanted (1.3 us a head, 2.7 us with header callbacks)."""


_JUDGE = _Judge()


class Head:
    """The head of one request. Keeps the raw bytes and parses on access, as every open connection keeps one."""

    # A dict of 8 headers takes 1.5 KB, the raw bytes 250, and this object 80: see `packed`.
    __slots__ = ("_headers", "_path", "_query", "body_length", "form", "raw")

    def __init__(self, raw: bytes, form: Form | None = None) -> None:
        self.raw = raw
        """The bytes as they came, the empty line included."""
        self.body_length: int | None = 0
        """Bytes of the body that follows; ``None`` if it is chunked."""
        self.form = form
        """What it has in common with the heads of other clients, if that is known."""
        self._headers: dict[str, str] | None = None
        self._path: str | None = None
        self._query: dict[str, str] | None = None

    def packed(self) -> Head | PackedHead:
        """The same without what was parsed, for who keeps it and is mostly not asked."""
        return PackedHead(self.raw)

    def unpacked(self, key: int | None = None) -> Head:
        """This one: it is not packed."""
        return self

    @property
    def method(self) -> str:
        """Such as ``GET``."""
        if self.form is not None:
            return "GET"
        return self.raw[: self.raw.index(b" ")].decode("ascii")

    @property
    def target(self) -> str:
        """The path and query as they came."""
        return _origin_form(self.raw).decode("ascii")

    @property
    def http_version(self) -> str:
        """``1.0`` or ``1.1``."""
        if self.form is not None:
            return "1.1"
        end = self.raw.index(b"\r\n")
        return self.raw[end - 3 : end].decode("ascii")

    @property
    def path(self) -> str:
        """The path, percent-decoded, without the query."""
        if self.form is not None:
            return self.form.path
        if self._path is None:
            self._path = _decode_path(_origin_form(self.raw))
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
        if self.form is not None:
            return self.form.get(self.raw, name, default)
        return self.headers.get(name, default)

    def count(self, name: str) -> int:
        """How many header lines have ``name`` (in lower case)."""
        return self.raw.lower().count(b"\r\n%b:" % name.encode("ascii"))

    def has_token(self, name: str, token: str) -> bool:
        """Whether the comma-separated header ``name`` has ``token``; both in lower case."""
        value = self.get(name)
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
        if self.form is not None:
            return True
        return self.has_token("upgrade", "websocket") and self.has_token("connection", "upgrade")

    def __repr__(self) -> str:
        return f"<Head {self.method} {self.target}>"


class PackedHead(bytes):
    """The bytes of a head."""

    __slots__ = ()

    def unpacked(self, key: int | None = None) -> Head:
        """The head. ``key`` is for those that have a part in common with others."""
        return Head(self)


def _origin_form(raw: bytes) -> bytes:
    """The path and query of a request; of an absolute target (RFC 9112 section 3.2.2) the part behind the host."""
    target = raw.split(b" ", 2)[1]
    return target if target[:1] == b"/" else target[target.index(b"/", target.index(b"://") + 3) :]


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
    if raw.find(END) != len(raw) - 4:
        raise HandshakeError(400, "the request head is not one head")
    lines = raw.count(b"\r\n")
    if raw.count(b"\n") != lines:
        raise HandshakeError(400, _BARE_LF)
    if lines - 2 > max_headers:
        raise HandshakeError(431, f"the request has more than {max_headers} headers", limit="max_headers")
    try:
        httptools.HttpRequestParser(_JUDGE).feed_data(raw)
    except httptools.HttpParserUpgrade:
        # llhttp's way to say that what follows is not for it.
        if line[1] == b"CONNECT":
            raise HandshakeError(400, "CONNECT is for proxies, and this is none") from None
    except httptools.HttpParserError as error:
        raise HandshakeError(400, f"the request is malformed: {error}") from None
    head = Head(raw)
    head._path = _decode_path(line[3])
    _check_framing(head, raw.lower(), line[4] == b"1")
    if line[2] is not None and line[2].decode("latin-1").lower() != head.headers.get("host", "").lower():
        # The host in the target is the one that counts; with another in the header, each reader would pick its own.
        raise HandshakeError(400, "the Host header is not the host of the request's target")
    return head


def check_unfinished(raw: bytes, known: int) -> None:
    """Refuse a head as soon as a line of it is wrong, so that nobody waits for the deadline to hear of it.

    The first ``known`` bytes have been checked before.
    """
    first = raw.find(b"\n")
    if first >= known and not _REQUEST_LINE.match(raw):
        raise _request_line_error(raw)
    if raw.count(b"\n", known) != raw.count(b"\r\n", max(0, known - 1)):
        raise HandshakeError(400, _BARE_LF)


def _check_framing(head: Head, lower: bytes, is_1_1: bool) -> None:
    # llhttp has refused a second Content-Length, one that is no number, and one beside Transfer-Encoding; and
    # space before a colon, so that a name between CRLF and a colon can't be written in another way.
    hosts = lower.count(b"\r\nhost:")
    if hosts != 1 and (is_1_1 or hosts):
        raise HandshakeError(400, f"the request has {hosts} Host headers, not one")
    if hosts and not _HOST.fullmatch(head.headers["host"]):
        raise HandshakeError(400, "the Host header is not a host and a port")
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
