"""Plain HTTP as a client does it: a request's bytes out, an answer in.

Rule owned here: an answer is read to its end and not a byte further, so that frames behind a 101 are not lost. Written
apart from the server's code, so that a mistake there can't be agreed on here. Must not know WebSockets.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio
from attrs import frozen

__all__ = ["Answer", "Refused", "read_answer", "request_bytes"]


@frozen
class Answer:
    """The server's answer to a plain HTTP request."""

    status: int
    """Such as 200."""
    headers: Mapping[str, str]
    """Names in lower case; several of one name are joined with ``", "``."""
    body: bytes
    """The whole body, without its framing."""

    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()


class Refused(Exception):
    """The server answered a WebSocket handshake with a plain HTTP response."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status}: {answer.body.decode(errors='replace').strip()}")
        self.status = answer.status
        """Such as 403."""
        self.headers = answer.headers
        """Names in lower case."""
        self.body = answer.body
        """The whole body."""


def request_bytes(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request. ``Host`` and, for a body, ``Content-Length`` are added where ``headers`` don't have them."""
    given = {name.lower() for name in headers}
    lines = [f"{method} {path} HTTP/1.1"]
    if "host" not in given:
        lines.append("Host: test")
    if body and not given & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def read_answer(stream: trio.abc.ReceiveStream, *, has_body: bool = True) -> tuple[Answer, bytes]:
    """The next answer on ``stream``, and what came behind it. ``has_body`` is False for the answer to ``HEAD``.

    Raises ``EOFError`` if the connection ends before the answer does.
    """
    data = b""
    while b"\r\n\r\n" not in data:
        data += await _more(stream)
    head, _, data = data.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    status, headers = int(status_line.split(" ")[1]), _headers(lines)
    if status in (100, 101, 204, 304) or not has_body:
        return Answer(status, headers, b""), data
    if headers.get("transfer-encoding") == "chunked":
        body, data = await _chunks(stream, data)
    elif "content-length" in headers:
        body, data = await _exactly(stream, data, int(headers["content-length"]))
    else:
        body, data = await _rest(stream, data), b""
    return Answer(status, headers, body), data


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _more(stream: trio.abc.ReceiveStream) -> bytes:
    data = await stream.receive_some()
    if not data:
        raise EOFError("the connection ended before the answer did")
    return bytes(data)


async def _exactly(stream: trio.abc.ReceiveStream, data: bytes, size: int) -> tuple[bytes, bytes]:
    while len(data) < size:
        data += await _more(stream)
    return data[:size], data[size:]


async def _chunks(stream: trio.abc.ReceiveStream, data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        while b"\r\n" not in data:
            data += await _more(stream)
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        piece, data = await _exactly(stream, data, size + 2)
        body += piece[:-2]
        if not size:
            return body, data


async def _rest(stream: trio.abc.ReceiveStream, data: bytes) -> bytes:
    while more := await stream.receive_some():
        data += bytes(more)
    return data
