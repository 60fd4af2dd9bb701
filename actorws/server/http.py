"""Plain HTTP: the request that a handler gets, and what its answer looks like on the wire.

Rule owned here: how a response is framed (RFC 9112 section 6), so that client and server agree on where it ends;
the headers that say so can't be set by others. Must not know routes, sockets or when something is sent.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterable, Mapping, Sequence
from email.utils import formatdate
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import field, frozen

from actorws.exceptions import HandshakeError
from actorws.protocol.headers import header_lines

if TYPE_CHECKING:
    from actorws.runtime import Runtime

__all__ = [
    "LAST_CHUNK",
    "Framing",
    "Request",
    "Response",
    "as_response",
    "chunk",
    "framed_head",
    "framing",
    "head_bytes",
    "refusal",
]

Body: TypeAlias = str | bytes | AsyncIterable[bytes]
#: A value that is a list is sent as one line each (``Set-Cookie``).
Headers: TypeAlias = Mapping[str, str | Sequence[str]]

#: What frames a response, and so is set by nobody else.
_OURS = frozenset({"connection", "content-length", "transfer-encoding", "upgrade"})
#: Ends a body of ``Framing.CHUNKED``.
LAST_CHUNK = b"0\r\n\r\n"


@frozen(kw_only=True, eq=False)
class Request:
    """A plain HTTP request, as its handler sees it."""

    method: str
    """Such as ``GET``."""
    path: str
    """Percent-decoded, without the query."""
    path_params: Mapping[str, str] = field(factory=dict)
    """The values of ``{name}`` in the route's path."""
    query: Mapping[str, str] = field(factory=dict)
    """The query's parameters, decoded; of one given several times, the last."""
    headers: Mapping[str, str] = field(factory=dict)
    """Names in lower case; several of one name are joined with ``", "``."""
    body: bytes = b""
    """The whole body, empty if there is none."""
    remote_address: tuple[str, int] | str = ""
    """``(host, port)``, or the empty string for a Unix socket."""
    runtime: Runtime | None = field(default=None, repr=False)
    """To reach actors with; ``None`` only where a request is made by hand."""

    def text(self) -> str:
        """The body as UTF-8. Raises ``HandshakeError`` 400 if it isn't."""
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            raise HandshakeError(400, "the request body is not UTF-8") from None

    def json(self) -> Any:
        """The body as JSON. Raises ``HandshakeError`` 400 if it isn't."""
        try:
            return json.loads(self.text())
        except (ValueError, RecursionError) as error:
            raise HandshakeError(400, f"the request body is not JSON: {error}") from None


@frozen(eq=False)
class Response:
    """An answer to a plain HTTP request. Raises ``ValueError`` for a status or a header that can't be sent."""

    body: Body = b""
    """Text (sent as UTF-8), bytes, or an async iterable of bytes that is sent piece by piece."""
    status: int = 200
    """200-599."""
    headers: Headers = field(factory=dict)
    """Further headers; a list as value is sent as one line each. Those that frame the response can't be given."""
    content_type: str | None = None
    """Default: the header if given, else ``text/plain; charset=utf-8`` for text and
    ``application/octet-stream`` for bytes."""
    content_length: int | None = None
    """Bytes of an iterable body, where known; exactly as many have to come. Without it the body is chunked."""

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.status, int) or not 200 <= self.status <= 599:
            raise ValueError(f"status must be 200-599, not {self.status!r}")
        if not isinstance(self.body, str | bytes | AsyncIterable):
            raise TypeError(f"body must be str, bytes or an async iterable of bytes, not {self.body!r}")
        if self.content_length is not None and self.content_length < 0:
            raise ValueError(f"content_length must be at least 0, not {self.content_length!r}")
        self._lines()  # here, where the traceback still shows who made it

    @property
    def may_have_body(self) -> bool:
        """Whether the status allows for a body (RFC 9110 section 6.4.1)."""
        return self.status not in (204, 304)

    def payload(self) -> bytes | AsyncIterable[bytes]:
        """The body as bytes or pieces of bytes; empty for a status without a body."""
        if not self.may_have_body:
            return b""
        return self.body.encode() if isinstance(self.body, str) else self.body

    def _lines(self) -> str:
        lines = header_lines(self.headers, _OURS)
        given = {name.lower() for name in self.headers}
        content_type = self.content_type
        if content_type is None and "content-type" not in given and self.body != b"" and self.may_have_body:
            content_type = "text/plain; charset=utf-8" if isinstance(self.body, str) else "application/octet-stream"
        if content_type is not None:
            if "content-type" in given:
                raise ValueError("content_type is given twice: as an argument and as a header")
            lines += header_lines({"Content-Type": content_type})
        return lines


class Framing(Enum):
    """How the client finds the end of a response (RFC 9112 section 6.3)."""

    NONE = "none"
    """The status has no body."""
    LENGTH = "length"
    """Content-Length says it."""
    CHUNKED = "chunked"
    """Pieces are sent as ``chunk(piece)``, and ``LAST_CHUNK`` behind them."""
    CLOSE = "close"
    """It ends with the connection: an HTTP/1.0 client gets a body of unknown length."""


def framing(response: Response, http_version: str = "1.1") -> Framing:
    """How ``response`` is framed for a client of ``http_version``."""
    if not response.may_have_body:
        return Framing.NONE
    if isinstance(response.body, str | bytes) or response.content_length is not None:
        return Framing.LENGTH
    return Framing.CHUNKED if http_version == "1.1" else Framing.CLOSE


def head_bytes(response: Response, *, keep_alive: bool = True, http_version: str = "1.1") -> bytes:
    """The response's head, the same for GET and HEAD; after ``HEAD`` the body is not sent.

    With ``Framing.CLOSE`` the connection can't be kept, whatever ``keep_alive`` says.
    """
    how, length = framing(response, http_version), None
    if how is Framing.LENGTH:
        payload = response.payload()
        length = len(payload) if isinstance(payload, bytes) else response.content_length
    return framed_head(response.status, response._lines(), how, length, keep_alive=keep_alive)


def framed_head(status: int, lines: str, how: Framing, length: int | None, *, keep_alive: bool) -> bytes:
    """A head of these header ``lines``, which have to be sound; Date, Server and what frames the body are added."""
    frame = ""
    if how is Framing.LENGTH:
        frame = f"Content-Length: {length}\r\n"
    elif how is Framing.CHUNKED:
        frame = "Transfer-Encoding: chunked\r\n"
    given = "\r\n" + lines.lower()
    date = "" if "\r\ndate:" in given else _date_line(int(time.time()))
    server = "" if "\r\nserver:" in given else "Server: actorws\r\n"
    connection = "keep-alive" if keep_alive and how is not Framing.CLOSE else "close"
    return f"{_status_line(status)}{lines}{date}{server}{frame}Connection: {connection}\r\n\r\n".encode("latin-1")


def chunk(piece: bytes) -> bytes:
    """``piece`` as one chunk; empty for an empty one, which would end the body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


def as_response(value: object) -> Response:
    """What a handler's return means. Raises ``TypeError`` for a value that means nothing."""
    if isinstance(value, Response):
        return value
    if value is None:
        return Response(status=204)
    if isinstance(value, str):
        return Response(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return Response(bytes(value))
    if isinstance(value, dict | list):
        return Response(json.dumps(value, allow_nan=False), content_type="application/json")
    raise TypeError(f"a handler has to return a Response, str, bytes, dict, list or None, not {value!r}")


def refusal(error: HandshakeError, keep_alive: bool = False, *, is_head: bool = False) -> bytes:
    """The whole response that tells the client about ``error`` in one line; without that line after ``HEAD``."""
    options = ["keep-alive" if keep_alive else "close"]
    headers: dict[str, list[str]] = {}
    for name, value in error.headers:
        if name.lower() == "connection":
            options.insert(0, value)  # RFC 9110 section 7.8: Upgrade has to be named there
        else:
            headers.setdefault(name, []).append(value)
    body = f"{error}\n".encode(errors="replace")
    headers["Connection"] = [", ".join(options)]
    lines = header_lines(headers) + "Content-Type: text/plain; charset=utf-8\r\n" + _date_line(int(time.time()))
    frame = f"Server: actorws\r\nContent-Length: {len(body)}\r\n"
    head = f"{_status_line(error.status)}{lines}{frame}\r\n".encode("latin-1")
    return head if is_head else head + body


@lru_cache(maxsize=1)
def _date_line(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}\r\n"


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    try:
        return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
    except ValueError:
        return f"HTTP/1.1 {status} \r\n"  # the space stays (RFC 9112 section 4)
