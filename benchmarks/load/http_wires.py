"""HTTP wires: server-sent events, streams of lines and polls, and POSTs for what a client says
(``actorws/sessions/PROTOCOL.md``).

Rule owned here: a client has one POST on its way at most, and puts into it all that waits, an acknowledgement too. One
that gets much and says nothing acknowledges every 32 messages by a POST without any; polls do it as they ask.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import ClassVar

from benchmarks.load.wire import ACKNOWLEDGE, TEXT, Client, Counter, WireFailed, read, read_head, read_past

__all__ = ["HttpClient", "PollClient", "SseClient", "StreamClient"]

LINE = b'"' + TEXT + b'"\n'


class HttpClient(Client):
    """What server-sent events, streams and polls have in common: POSTs."""

    _acknowledges_by_post = True

    def __init__(self, port: int, path: str) -> None:
        super().__init__(port, path)
        self._session: dict[str, str] = {}
        self._sent = self._waiting = 0
        self._is_posting = False
        self._answer = b""

    def open(self) -> None:
        self._down, self._up = self._connect(), self._connect()
        self._begin()

    def _begin(self) -> None:
        raise NotImplementedError

    def _greeted(self, greeting: bytes) -> None:
        self._session = {"Actorws-Session": json.loads(greeting)["session"]}

    def send(self, count: int) -> None:
        self._waiting += count
        if not self._is_posting:
            self._post()

    def take(self, connection: socket.socket) -> int:
        if connection is self._up:
            self._take_answer()
            return 0
        count = self._take_messages(read(connection))
        self.received += count
        if self._must_acknowledge() and not self._is_posting:
            self._post()
        return count

    def _must_acknowledge(self) -> bool:
        return self._acknowledges_by_post and self.received - self.acknowledged >= ACKNOWLEDGE

    def _take_messages(self, data: bytes) -> int:
        raise NotImplementedError

    def _post(self) -> None:
        """Send all that waits, or acknowledge alone."""
        body = LINE * self._waiting
        fields = {**self._session, "Actorws-Received": self.received, "Actorws-Offset": self._sent}
        self._up.sendall(self._head("POST", "", {**fields, "Content-Length": len(body)}) + body)
        self._sent, self._waiting, self.acknowledged = self._sent + self._waiting, 0, self.received
        self._is_posting = True

    def _take_answer(self) -> None:
        self._answer += read(self._up)
        if (body := whole_body(self._answer)) is None:
            return
        if json.loads(body)["received"] != self._sent:
            raise WireFailed(f"{self._sent} messages were posted, and the server has {body!r}")
        self._answer, self._is_posting = b"", False
        if self._waiting or self._must_acknowledge():
            self._post()


def whole_body(answer: bytes) -> bytes | None:
    """The body of an answer with a length, if it is there. Raises ``WireFailed`` if the status isn't 200."""
    head, mark, body = answer.partition(b"\r\n\r\n")
    if not mark:
        return None
    if head.split(b" ", 2)[1] != b"200":
        raise WireFailed(f"the server answers {head.splitlines()[0].decode()!r}: {body[:200]!r}")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return body if len(body) >= length else None


class SseClient(HttpClient):
    """Server-sent events."""

    _accept: ClassVar[Mapping[str, str]] = {"Accept": "text/event-stream"}
    _query = ""
    _message = b"data: " + TEXT + b"\n"

    def _begin(self) -> None:
        self._counter = Counter(self._message)
        self._down.sendall(self._head("GET", self._query, self._accept))
        _, data = read_head(self._down, 200)
        _, data = read_past(self._down, b"{", data)
        greeting, _ = read_past(self._down, b"}", data)
        self._greeted(b"{" + greeting + b"}")

    def _take_messages(self, data: bytes) -> int:
        return self._counter.feed(data)


class StreamClient(SseClient):
    """Lines in chunks."""

    _accept: ClassVar[Mapping[str, str]] = {}
    _query = "?transport=stream"
    _message = LINE


class PollClient(HttpClient):
    """One request for each few messages; it acknowledges what came before."""

    _acknowledges_by_post = False

    def _begin(self) -> None:
        self._body = b""
        self._ask()
        while (body := whole_body(self._body)) is None:
            self._body += read(self._down)
        self._greeted(body.splitlines()[0])
        self._body = b""
        self._ask()

    def _ask(self) -> None:
        received = {"Actorws-Received": self.received} if self._session else {}
        self._down.sendall(self._head("GET", "?transport=poll", {**self._session, **received}))

    def take(self, connection: socket.socket) -> int:
        count = super().take(connection)
        if connection is self._down and not self._body:
            self._ask()
        return count

    def _take_messages(self, data: bytes) -> int:
        self._body += data
        if (body := whole_body(self._body)) is None:
            return 0
        self._body = b""
        return body.count(LINE)
