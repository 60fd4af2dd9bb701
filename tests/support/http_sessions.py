"""Clients of sessions over HTTP: server-sent events, lines, and polls, each with POSTs for what it sends.

Written from PROTOCOL.md, apart from the server's code. They have the methods of ``actorws.testing.Client``.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import trio

from actorws import Close, Conn, Runtime
from actorws.reasons import Remote
from actorws.testing import Answer, MemoryServer, Refused
from actorws.testing.client import PATIENCE, reset
from actorws.testing.http import read_answer, request_bytes
from tests.support.event_source import EventSourceParser

__all__ = ["KINDS", "HttpClient", "Wire", "open_http"]

Wire = Literal["sse", "stream", "poll"]
KINDS: tuple[Wire, ...] = ("sse", "stream", "poll")
Dial = Callable[[], Awaitable[trio.abc.HalfCloseableStream]]

_GONE = (trio.BrokenResourceError, trio.ClosedResourceError, EOFError)


async def open_http(
    server: MemoryServer,
    kind: Wire = "sse",
    path: str = "/",
    *,
    headers: Mapping[str, str] | None = None,
    resume: HttpClient | None = None,
) -> HttpClient:
    """A client of ``server`` that has been greeted. ``resume``: it goes on with that one's session.

    Raises ``Refused`` for another answer than 200.
    """

    async def dial() -> trio.abc.HalfCloseableStream:
        await trio.lowlevel.checkpoint()
        return server.open_stream()

    client = _CLIENTS[kind](dial, path, headers or {}, server.runtime)
    if resume is not None:
        client.session, client.received, client.sent = resume.session, resume.received, resume.sent
    await client.open(server._nursery)
    return client


class HttpClient:
    """What the three have in common. Made by ``open_http``, or by hand with a ``dial`` for real sockets."""

    kind: Wire

    def __init__(self, dial: Dial, path: str, headers: Mapping[str, str], runtime: Runtime | None = None) -> None:
        self.session: str | None = None
        """The session's id."""
        self.received = 0
        """Messages of the server that have come."""
        self.sent = 0
        """Messages that the server has confirmed."""
        self.greetings: list[dict[str, Any]] = []
        """What the server has said first, on each wire."""
        self.posts: list[Answer] = []
        """The answers to POSTs."""
        self.closed_with: Remote | None = None
        """How it ended: 1006 if nobody said a word."""
        self.answer: Answer | None = None
        """The head of the first answer."""
        self._dial = dial
        self._path = path
        self._headers = headers
        self._runtime = runtime
        self._down: trio.abc.HalfCloseableStream | None = None
        self._up: trio.abc.HalfCloseableStream | None = None
        self._posting = trio.Lock()
        self._messages: deque[str | bytes | Close] = deque()
        self._news = trio.lowlevel.ParkingLot()
        self._scope = trio.CancelScope()
        self._paused = self._over = False
        self._failure: BaseException | None = None

    # The beginning

    async def open(self, nursery: trio.Nursery) -> None:
        """Begin, and return when the server has greeted."""
        self._down = await self._dial()
        nursery.start_soon(self._run, name="actorws test HTTP client")
        while not self.greetings and not self._over:
            await self._news.park()
        if self._failure is not None:
            raise self._failure

    @property
    def conn(self) -> Conn | None:
        """The server's end, to look at what the actor sees; ``None`` when it has ended."""
        assert self.session is not None and self._runtime is not None
        number = int(self.session.split(".")[1])
        conns = (actor.conn for actor in self._runtime.supervisor)
        return next((conn for conn in conns if conn is not None and conn.number == number), None)

    def _get(self, query: str = "", **more: str) -> bytes:
        headers = {**self._headers, **more}
        if self.session is not None:
            headers |= {"Actorws-Session": self.session, "Actorws-Received": str(self.received)}
        separator = "&" if "?" in self._path else "?"
        return request_bytes("GET", self._path + (separator + query if query else ""), headers)

    # Sending

    async def send(self, *messages: str | bytes) -> None:
        """Send messages in one POST, again until they are taken. Raises ``Refused`` when they never will be."""
        body = "\n".join(json.dumps(_value(message)) for message in messages)
        async with self._posting:
            while True:
                answer = await self.post(body.encode(), self.sent)
                if answer.status == 200:
                    self.sent = json.loads(answer.body)["received"]
                    return
                if answer.status not in (429, 503):
                    raise Refused(answer)
                await trio.sleep(int(answer.headers["retry-after"]))

    async def post(self, body: bytes = b"", offset: int | None = None, **more: str) -> Answer:
        """One POST as it is given, and its answer."""
        headers = {**self._headers, "Actorws-Session": self.session or "", **more}
        if offset is not None:
            headers["Actorws-Offset"] = str(offset)
        request = request_bytes("POST", self._path, headers, body)
        if not body:
            request = request.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n")
        if self._up is None:
            self._up = await self._dial()
        try:
            await self._up.send_all(request)
            answer, _ = await read_answer(self._up)
        except _GONE:  # the server has ended a connection that was idle
            await self._hang_up_posts()
            self._up = await self._dial()
            await self._up.send_all(request)
            answer, _ = await read_answer(self._up)
        if answer.headers.get("connection") == "close":
            await self._hang_up_posts()
        self.posts.append(answer)
        return answer

    async def _hang_up_posts(self) -> None:
        up, self._up = self._up, None
        if up is not None:
            await trio.aclose_forcefully(up)

    async def acknowledge(self) -> Answer:
        """Say which messages have come."""
        return await self.post(**{"Actorws-Received": str(self.received)})

    # Receiving

    async def receive(self, timeout: float = PATIENCE) -> str | bytes | Close:
        """The next message, or how the server closes. Raises as ``actorws.testing.Client.receive``."""
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(timeout):
            while not self._messages and not self._over:
                await self._news.park()
        if self._messages:
            return self._messages.popleft()
        if self._over:
            raise trio.EndOfChannel(f"nothing more comes: {self.closed_with}")
        raise trio.TooSlowError(f"nothing came in {timeout:g} s")

    @property
    def unread(self) -> tuple[str | bytes | Close, ...]:
        """What has come and wasn't taken by ``receive``."""
        return tuple(self._messages)

    def pause_reading(self) -> None:
        """Take nothing more from the connection."""
        self._paused = True
        self._scope.cancel()

    def resume_reading(self) -> None:
        """Go on reading."""
        self._paused = False
        self._news.unpark_all()

    # The end

    async def close(self, code: int = 1000, reason: str = "", timeout: float = PATIENCE) -> Remote:
        """End the session, and wait until the wire is over."""
        await self.post(json.dumps({"close": {"code": code, "reason": reason}}).encode(), self.sent)
        return await self.wait_closed(timeout)

    async def wait_closed(self, timeout: float = PATIENCE) -> Remote:
        """Wait until it is over, whoever ends it; how the server did."""
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(timeout):
            while not self._over:
                await self._news.park()
        if not self._over or self.closed_with is None:
            raise trio.TooSlowError(f"it is still open after {timeout:g} s")
        return self.closed_with

    async def hang_up(self) -> None:
        """End TCP in good order."""
        assert self._down is not None
        await self._down.aclose()

    async def aclose(self) -> None:
        """Let go of everything, at once."""
        assert self._down is not None
        await trio.aclose_forcefully(self._down)
        await self._hang_up_posts()

    def abort(self) -> None:
        """Vanish: TCP is reset."""
        assert self._down is not None
        reset(self._down)

    # The task that reads

    async def _run(self) -> None:
        try:
            await self._read_all()
        except _GONE:
            pass
        except Refused as error:
            self._failure = error
        finally:
            self._over = True
            if self.closed_with is None:
                self.closed_with = Remote(1006)
            self._news.unpark_all()
            with trio.CancelScope(shield=True):
                assert self._down is not None
                await trio.aclose_forcefully(self._down)

    async def _read_all(self) -> None:
        raise NotImplementedError

    async def _some(self) -> bytes:
        assert self._down is not None
        while True:
            while self._paused:
                await self._news.park()
            with trio.CancelScope() as self._scope:
                return bytes(await self._down.receive_some(64 * 1024))

    def _take(self, value: Any) -> None:
        """A message, or a control message."""
        if isinstance(value, str):
            self._message(value)
        elif "binary" in value:
            self._message(b64decode(value["binary"], validate=True))
        elif "session" in value:
            self.greetings.append(value)
            self.session = value["session"]
            # A poll's is as old as its request: what a POST was told may be newer.
            self.sent = max(self.sent, value["received"])
            if not value["resumed"]:
                self.received = self.sent = 0
        elif "close" in value:
            self.closed_with = Remote(value["close"]["code"], value["close"]["reason"])
            self._messages.append(Close(value["close"]["code"], value["close"]["reason"]))
        else:
            raise AssertionError(f"nothing of the protocol: {value!r}")
        self._news.unpark_all()

    def _message(self, message: str | bytes) -> None:
        self.received += 1
        self._messages.append(message)


class _Streaming(HttpClient):
    """A body that doesn't end."""

    query = ""
    headers: Mapping[str, str] = {}

    async def _read_all(self) -> None:
        assert self._down is not None
        await self._down.send_all(self._get(self.query, **self.headers))
        data = b""
        while b"\r\n\r\n" not in data:
            data += await self._some() or _eof()
        head, _, data = data.partition(b"\r\n\r\n")
        self.answer = Answer(int(head.split(b" ")[1]), _fields(head), b"")
        if self.answer.status != 200:
            while len(data) < int(self.answer.headers["content-length"]):
                data += await self._some() or _eof()
            raise Refused(Answer(self.answer.status, self.answer.headers, data))
        assert self.answer.headers["transfer-encoding"] == "chunked"
        while True:
            while (end := data.find(b"\r\n")) < 0 or len(data) < end + 4 + (size := int(data[:end], 16)):
                data += await self._some() or _eof()
            if not size:
                return
            self._feed(data[end + 2 : end + 2 + size])
            data = data[end + 4 + size :]

    def _feed(self, piece: bytes) -> None:
        raise NotImplementedError


class EventClient(_Streaming):
    kind = "sse"
    headers = {"Accept": "text/event-stream"}

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.parser = EventSourceParser()

    def _feed(self, piece: bytes) -> None:
        for event in self.parser.feed(piece):
            if event.type in ("session", "close", "json"):
                self._take(json.loads(event.data))
            elif event.type == "binary":
                self._take({"binary": event.data})
            else:
                assert event.type == "message"
                self._take(event.data)
            if event.type not in ("close",):
                assert event.last_event_id == f"{self.session}.{self.received}"


class LineClient(_Streaming):
    kind = "stream"
    query = "transport=stream"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._rest = b""

    def _feed(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in filter(None, lines):
            self._take(json.loads(line))


class PollClient(HttpClient):
    kind = "poll"

    async def _read_all(self) -> None:
        assert self._down is not None
        while self.closed_with is None:
            while self._paused:
                await self._news.park()
            await self._down.send_all(self._get("transport=poll"))
            answer, _ = await read_answer(self._down)
            self.answer = answer
            if answer.status != 200:
                raise Refused(answer)
            for line in filter(None, answer.body.split(b"\n")):
                self._take(json.loads(line))
            if answer.headers["connection"] == "close" and self.closed_with is None:
                await self._down.aclose()
                self._down = await self._dial()


_CLIENTS: dict[str, type[HttpClient]] = {"sse": EventClient, "stream": LineClient, "poll": PollClient}


def _value(message: str | bytes) -> object:
    return message if isinstance(message, str) else {"binary": b64encode(message).decode()}


def _eof() -> bytes:
    raise EOFError("the connection ended before the answer did")


def _fields(head: bytes) -> dict[str, str]:
    lines = [line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:]]
    return {name.lower(): value for name, _, value in lines}
