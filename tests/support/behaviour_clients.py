"""Clients for scenarios, one for each wire that frames of ``actorws.testing.Client`` don't go over as they are.

Each offers what scenarios use of that: ``send``, ``receive``, ``unread``, ``pause_reading``, ``resume_reading``,
``close``, ``closed_with``, ``wait_closed``, ``hang_up``, ``abort``, ``conn``, ``subprotocol``. Those of HTTP are in
``behaviour_clients_http``.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import trio

from actorws import Close, CloseCode, Conn, Remote
from actorws.protocol.codec import Decoder, DecoderRules
from actorws.protocol.encoder import encode, encode_close, mask
from actorws.testing import Answer, Client, Refused
from actorws.testing.client import PATIENCE
from actorws.transports.memory import MemoryPeer

__all__ = ["MemoryEnd", "ServerEnd", "SessionEnd", "as_not_sent_by", "as_sent_by", "together"]

_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)
_MASKED = DecoderRules(max_message_size=1 << 62, max_fragments=1 << 30, masked=True)
#: When messages are acknowledged (PROTOCOL.md, section 1; the one second is not needed by a client that stays).
ACK_MESSAGES, ACK_BYTES = 32, 64 * 1024


async def together(client: Any, *frames: str | bytes | Close) -> None:
    """Send several messages, and Close as the last one perhaps, so that they arrive together if the wire can do so."""
    if isinstance(client, Client):
        await client.send_raw(b"".join(as_sent_by(client, encode(frame)) for frame in frames))
    else:
        await client.send_together(frames)


def as_sent_by(client: Client, frame: bytes) -> bytes:
    """The bytes of a frame, given without a mask, as they come from this end: clients mask, servers don't."""
    return frame if isinstance(client, ServerEnd) else mask(frame, b"abcd")


def as_not_sent_by(client: Client, frame: bytes) -> bytes:
    """The same as they must not come from this end."""
    return mask(frame, b"abcd") if isinstance(client, ServerEnd) else frame


class ServerEnd(Client):
    """The server's end of a connection that a runtime has opened: it masks nothing, and TCP is for it to end."""

    def __init__(
        self, nursery: trio.Nursery, stream: trio.abc.HalfCloseableStream, asked: Mapping[str, str], *, automatic: bool
    ) -> None:
        """``asked``: the headers of the handshake."""
        super().__init__(nursery, stream, Answer(101, asked, b""), b"", automatic=automatic)
        self._decoder = Decoder(_MASKED)

    async def send(self, frame: Any) -> None:
        await self.send_raw(encode(frame))
        self._close_sent |= isinstance(frame, Close)

    async def close(self, code: int | None = CloseCode.NORMAL, reason: str = "", timeout: float = PATIENCE) -> Remote:
        self._close_sent = True
        await self.send_raw(encode_close(CloseCode.NO_STATUS if code is None else code, reason))
        return await self.wait_closed(timeout)

    def _answer(self, frame: bytes) -> None:
        self._nursery.start_soon(self._try_to_send, frame)

    def _closed(self, how: Remote) -> None:
        answer = b"" if self._close_sent else encode_close(how.code)
        self._close_sent = True
        super()._closed(how)
        if self.automatic:
            self._nursery.start_soon(self._take_leave, answer)

    async def _take_leave(self, answer: bytes) -> None:
        try:
            await self.send_raw(answer)
            async with self._sending:
                await self._stream.send_eof()
        except _GONE:
            pass


class SessionEnd:
    """A client that speaks ``actorws.v1`` over a WebSocket: the greeting is taken, what comes is counted."""

    def __init__(self, client: Client, nursery: trio.Nursery) -> None:
        self.conn: Conn | None = None
        self.subprotocol: str | None = None
        self.headers = client.headers
        self._client = client
        self._nursery = nursery
        self._received = self._owed = self._owed_bytes = 0
        self.abort, self.hang_up = client.abort, client.hang_up
        self.pause_reading, self.resume_reading = client.pause_reading, client.resume_reading
        self.close, self.wait_closed = client.close, client.wait_closed
        self.receive_control = client.receive_control

    async def begin(self) -> None:
        """Ask for a new session. Raises ``Refused`` with the status that a place which isn't to be had has."""
        await self._client.send('\0{"new":true}')
        said = await self._client.receive()
        if isinstance(said, Close):
            assert said.code == CloseCode.TRY_AGAIN_LATER
            raise Refused(Answer(503, {}, said.reason.encode()))
        greeting = json.loads(str(said)[1:])
        assert greeting["resumed"] is False and greeting["received"] == 0
        self.subprotocol = greeting.get("subprotocol")

    @property
    def closed_with(self) -> Remote | None:
        return self._client.closed_with

    @property
    def unread(self) -> tuple[str | bytes | Close, ...]:
        return tuple(_message_of(frame) for frame in self._client.unread if not _is_control(frame))

    async def send(self, frame: Any) -> None:
        await self._client.send("\0" + frame if isinstance(frame, str) and frame.startswith("\0") else frame)

    async def send_together(self, frames: tuple[str | bytes | Close, ...]) -> None:
        await together(self._client, *frames)

    async def receive(self, timeout: float = PATIENCE) -> str | bytes | Close:
        while _is_control(frame := await self._client.receive(timeout)):
            pass
        if not isinstance(frame, Close):
            self._count(frame)
        return _message_of(frame)

    def _count(self, message: str | bytes) -> None:
        self._received += 1
        self._owed, self._owed_bytes = self._owed + 1, self._owed_bytes + len(message)
        if self._owed >= ACK_MESSAGES or self._owed_bytes >= ACK_BYTES:
            self._owed = self._owed_bytes = 0
            # In a task of its own: the server may not be reading.
            self._nursery.start_soon(self._acknowledge, f'\0{{"ack":{self._received}}}')

    async def _acknowledge(self, text: str) -> None:
        try:
            await self._client.send(text)
        except _GONE:
            pass


def _is_control(frame: str | bytes | Close) -> bool:
    return isinstance(frame, str) and frame[:1] == "\0" and frame[1:2] != "\0"


def _message_of(frame: str | bytes | Close) -> str | bytes | Close:
    return frame[1:] if isinstance(frame, str) and frame[:1] == "\0" else frame


class MemoryEnd:
    """The client's end of a memory transport, which reads all the time."""

    def __init__(self, peer: MemoryPeer, nursery: trio.Nursery, *, automatic: bool) -> None:
        self.conn: Conn | None = None
        self.subprotocol: str | None = None
        self.send = peer.send
        self._closed_with: Remote | None = None
        #: With what code the client has taken leave.
        self._left_with: int | None = None
        self._peer = peer if automatic else _Mute(peer._up, peer._down)
        self._frames: deque[str | bytes | Close] = deque()
        self._news = trio.lowlevel.ParkingLot()
        self._over = self._paused = False
        self._scope = trio.CancelScope()
        nursery.start_soon(self._read, name="test client in memory")

    async def send_together(self, frames: tuple[str | bytes | Close, ...]) -> None:
        for frame in frames:
            if isinstance(frame, Close):
                await self._peer.close(frame.code, frame.reason)
                self._left_with = frame.code
            else:
                await self._peer.send(frame)

    # Receiving

    async def receive(self, timeout: float = PATIENCE) -> str | bytes | Close:
        await self._wait(lambda: bool(self._frames), timeout)
        if self._frames:
            return self._frames.popleft()
        raise trio.EndOfChannel(f"nothing more comes: {self.closed_with}")

    @property
    def unread(self) -> tuple[str | bytes | Close, ...]:
        return tuple(self._frames)

    def pause_reading(self) -> None:
        self._paused = True
        self._scope.cancel()

    def resume_reading(self) -> None:
        self._paused = False
        self._news.unpark_all()

    async def _wait(self, done: Any, timeout: float) -> None:
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(timeout) as scope:
            while not done() and not self._over:
                await self._news.park()
        if scope.cancelled_caught:
            raise trio.TooSlowError(f"nothing came in {timeout:g} s")

    async def _read(self) -> None:
        try:
            while True:
                frame = await self._read_one()
                self._frames.append(frame)
                if isinstance(frame, Close):
                    self._closed_with = Remote(frame.code, frame.reason)
                self._news.unpark_all()
        except (trio.EndOfChannel, *_GONE):
            pass
        finally:
            self._over = True
            self._closed_with = self._closed_with or Remote(CloseCode.ABNORMAL)
            self._news.unpark_all()

    async def _read_one(self) -> str | bytes | Close:
        while True:
            while self._paused:
                await self._news.park()
            with trio.CancelScope() as self._scope:
                return await self._peer.receive()

    # The end

    @property
    def closed_with(self) -> Remote | None:
        if self._closed_with == Remote(CloseCode.ABNORMAL) and self._left_with is not None:
            # There is no Close in answer: the end of the wire is one.
            return Remote(self._left_with)
        return self._closed_with

    async def close(self, code: int | None = CloseCode.NORMAL, reason: str = "", timeout: float = PATIENCE) -> Remote:
        await self._peer.close(code, reason)
        self._left_with = CloseCode.NO_STATUS if code is None else code
        return await self.wait_closed(timeout)

    async def wait_closed(self, timeout: float = PATIENCE) -> Remote:
        await self._wait(lambda: False, timeout)
        assert self.closed_with is not None
        return self.closed_with

    async def hang_up(self) -> None:
        await trio.lowlevel.checkpoint()
        self._peer.vanish()

    def abort(self) -> None:
        self._peer.vanish()


class _Mute(MemoryPeer):
    """It doesn't answer a Close."""

    async def receive(self) -> str | bytes | Close:
        frame = await self._down.get()
        assert not isinstance(frame, Remote)
        return frame
