"""The clients of HTTP sessions as scenarios use them: an end is told as on other wires, and by the same exceptions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import trio

from actorws import Close, CloseCode, Conn, Remote
from actorws.testing import MemoryServer, Refused
from actorws.testing.client import PATIENCE
from tests.support.event_source import EventSourceParser
from tests.support.http_sessions import EventClient, HttpClient, LineClient, PollClient

__all__ = ["HttpEnd", "open_http_end"]


class QuickParser(EventSourceParser):
    """The same for lines that end with LF, as ours do: character by character a MiB takes a second."""

    def _lines(self, text: str) -> Iterator[str]:
        assert "\r" not in text
        *lines, self._line = (self._line + text).split("\n")
        yield from lines


class QuickEventClient(EventClient):
    """With that."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.parser = QuickParser()


CLIENTS: dict[str, type[HttpClient]] = {"sse": QuickEventClient, "stream": LineClient, "poll": PollClient}


async def open_http_end(
    server: MemoryServer, wire: str, path: str, headers: Mapping[str, str], subprotocols: Sequence[str], host: str
) -> HttpEnd:
    """Begin a session. Raises ``Refused``."""
    addresses: list[tuple[str, int]] = []

    async def dial() -> trio.abc.HalfCloseableStream:
        await trio.lowlevel.checkpoint()
        stream, address = server._open(host)
        addresses.append(address)
        return stream

    if subprotocols:
        headers = {**headers, "Actorws-Subprotocols": ", ".join(subprotocols)}
    client = CLIENTS[wire](dial, path, headers)
    await client.open(server._nursery)
    return HttpEnd(client, server._seen.conn_of(addresses[0]))


class HttpEnd:
    """A client of one HTTP session."""

    def __init__(self, client: HttpClient, conn: Conn | None) -> None:
        assert client.answer is not None
        self.conn = conn
        self.headers = client.answer.headers
        self.subprotocol: str | None = client.greetings[0].get("subprotocol")
        self._client = client
        #: With what code the client has ended the session, once the server has confirmed that.
        self._left_with: int | None = None
        self.receive, self.hang_up, self.abort = client.receive, client.hang_up, client.abort
        self.pause_reading, self.resume_reading = client.pause_reading, client.resume_reading

    @property
    def unread(self) -> tuple[str | bytes | Close, ...]:
        return self._client.unread

    @property
    def closed_with(self) -> Remote | None:
        how = self._client.closed_with
        if how == Remote(CloseCode.ABNORMAL) and self._left_with is not None:
            # There is no Close in answer: that the POST was confirmed is one.
            return Remote(self._left_with)
        return how

    async def send(self, *messages: str | bytes) -> None:
        try:
            await self._client.send(*messages)
        except Refused as error:
            if error.status != 410:
                raise
            raise trio.BrokenResourceError("the session has ended") from None

    async def send_together(self, frames: tuple[str | bytes | Close, ...]) -> None:
        messages = [frame for frame in frames if not isinstance(frame, Close)]
        if len(messages) == len(frames):
            await self.send(*messages)
            return
        close = frames[-1]
        assert isinstance(close, Close) and len(messages) == len(frames) - 1
        await self._post([*messages, {"close": {"code": close.code, "reason": close.reason}}])
        self._left_with = close.code

    async def close(self, code: int | None = CloseCode.NORMAL, reason: str = "", timeout: float = PATIENCE) -> Remote:
        code = CloseCode.NO_STATUS if code is None else code
        if await self._post([{"close": {"code": code, "reason": reason}}]):
            self._left_with = code
        return await self.wait_closed(timeout)

    async def wait_closed(self, timeout: float = PATIENCE) -> Remote:
        await self._client.wait_closed(timeout)
        assert self.closed_with is not None
        return self.closed_with

    async def _post(self, values: Sequence[Any]) -> bool:
        body = "\n".join(json.dumps(value) for value in values).encode()
        answer = await self._client.post(body, self._client.sent)
        assert answer.status in (200, 410), answer
        return answer.status == 200
