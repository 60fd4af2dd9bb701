"""Client: the other end of a WebSocket, in the hands of a test.

Rule owned here: it does what a browser does (answers pings and Close, ends TCP) unless it is told not to, and it can
do what no browser does: send any bytes, stop reading, vanish. Must not know what is at the server's end.
"""

from __future__ import annotations

import socket
import struct
from base64 import b64encode
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import trio

from actorws.exceptions import ProtocolError
from actorws.frames import Close, CloseCode, Frame, Ping, Pong
from actorws.protocol.codec import Decoder, DecoderRules
from actorws.protocol.encoder import encode, encode_close, mask
from actorws.protocol.handshake import accept_key
from actorws.reasons import Remote
from actorws.testing.http import Answer, Refused, read_answer, request_bytes
from actorws.testing.memory import MemoryStream

if TYPE_CHECKING:
    from actorws.conn import Conn

__all__ = ["PATIENCE", "Client", "open_client", "reset"]

#: Seconds that a test waits for something before it fails: more than the longest default timeout.
PATIENCE = 100.0

_ANY_SIZE = DecoderRules(max_message_size=1 << 62, max_fragments=1 << 30, masked=False)
_KEY = b64encode(b"a test's own key").decode()
_MASK = b"\x37\xfa\x21\x3d"
_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


async def open_client(
    nursery: trio.Nursery,
    stream: trio.abc.HalfCloseableStream,
    path: str,
    *,
    headers: Mapping[str, str],
    subprotocols: Sequence[str],
    automatic: bool,
) -> Client:
    """Do the handshake on ``stream`` and read from it in ``nursery``. Raises ``Refused``."""
    fields = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": _KEY,
    }
    if subprotocols:
        fields["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
    given = {name.lower() for name in headers}
    fields = {name: value for name, value in fields.items() if name.lower() not in given}
    try:
        await stream.send_all(request_bytes("GET", path, {**fields, **headers}))
        answer, rest = await read_answer(stream)
        if answer.status != 101:
            raise Refused(answer)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    assert answer.headers["sec-websocket-accept"] == accept_key(_KEY)
    return Client(nursery, stream, answer, rest, automatic=automatic)


def reset(stream: trio.abc.Stream) -> None:
    """End a connection as a machine does that has lost it: by TCP's RST, without waiting."""
    if isinstance(stream, MemoryStream):
        stream.reset()
    else:
        assert isinstance(stream, trio.SocketStream), f"can't reset {stream!r}"
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.socket.close()


class Client:
    """A WebSocket client. Made by ``server.connect``.

    It reads all the time, unless ``pause_reading`` was called; what it gets waits for ``receive``.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        stream: trio.abc.HalfCloseableStream,
        answer: Answer,
        rest: bytes,
        *,
        automatic: bool = True,
    ) -> None:
        self.headers: Mapping[str, str] = answer.headers
        """Of the server's 101 response, names in lower case."""
        self.subprotocol: str | None = answer.headers.get("sec-websocket-protocol")
        """The subprotocol agreed on, if any."""
        self.conn: Conn | None = None
        """The server's end of this connection, to look at what an actor sees."""
        self.automatic = automatic
        """Whether pings and Close are answered, and the end of TCP with the same, as every browser does."""
        self.closed_with: Remote | None = None
        """How the server ended it: the code and reason of its Close, 1005 for a Close without a code, 1006 if the
        connection ended without one; ``None`` while it is open."""
        self._nursery = nursery
        self._stream = stream
        self._decoder = Decoder(_ANY_SIZE)
        self._frames: deque[str | bytes | Close] = deque()
        self._control: deque[Ping | Pong] = deque()
        self._news = trio.lowlevel.ParkingLot()
        self._sending = trio.Lock()
        self._close_sent = self._over = self._paused = False
        self._error: ProtocolError | None = None
        self._scope = trio.CancelScope()
        nursery.start_soon(self._read, rest, name="actorws test client")

    # Sending

    async def send(self, frame: Frame) -> None:
        """Send a text (``str``) or binary message, a ``Ping``, ``Pong`` or ``Close``.

        Waits while the server doesn't read and what lies between is full. Raises ``trio.BrokenResourceError`` when
        the server has gone.
        """
        await self.send_raw(mask(encode(frame), _MASK))
        if isinstance(frame, Close):
            self._close_sent = True

    async def send_raw(self, data: bytes) -> None:
        """Send bytes as they are. Waits and raises as ``send``."""
        async with self._sending:
            await self._stream.send_all(data)

    # Receiving

    async def receive(self, timeout: float = PATIENCE) -> str | bytes | Close:
        """The next message of the server, or its ``Close``.

        Raises ``trio.EndOfChannel`` when nothing more comes (``closed_with`` says why), ``trio.TooSlowError`` when
        nothing came in ``timeout`` seconds, ``ProtocolError`` when what came was no WebSocket frame.
        """
        await self._wait_for(self._frames, timeout)
        return self._frames.popleft()

    async def receive_control(self, timeout: float = PATIENCE) -> Ping | Pong:
        """The next ``Ping`` or ``Pong`` of the server. Raises as ``receive``."""
        await self._wait_for(self._control, timeout)
        return self._control.popleft()

    @property
    def unread(self) -> tuple[str | bytes | Close, ...]:
        """What has come and wasn't taken by ``receive``."""
        return tuple(self._frames)

    async def _wait_for(self, inbox: deque[str | bytes | Close] | deque[Ping | Pong], timeout: float) -> None:
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(timeout):
            while not inbox and not self._over:
                await self._news.park()
        if inbox:
            return
        if self._error is not None:
            raise self._error
        if self._over:
            raise trio.EndOfChannel(f"nothing more comes: {self.closed_with}")
        raise trio.TooSlowError(f"nothing came in {timeout:g} s")

    def pause_reading(self) -> None:
        """Take nothing more from the connection, so that the server's output has to wait."""
        self._paused = True
        self._scope.cancel()

    def resume_reading(self) -> None:
        """Go on reading."""
        self._paused = False
        self._news.unpark_all()

    # The end

    async def close(self, code: int | None = CloseCode.NORMAL, reason: str = "", timeout: float = PATIENCE) -> Remote:
        """Send Close (``None``: without a code) and wait until the connection is over; how the server closed.

        Raises ``trio.TooSlowError`` when that takes longer than ``timeout`` seconds, ``ValueError`` for a bad code.
        """
        self._close_sent = True
        await self.send_raw(mask(encode_close(CloseCode.NO_STATUS if code is None else code, reason), _MASK))
        return await self.wait_closed(timeout)

    async def wait_closed(self, timeout: float = PATIENCE) -> Remote:
        """Wait until the connection is over, whoever ends it; how the server did. Raises ``trio.TooSlowError``."""
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(timeout):
            while not self._over:
                await self._news.park()
        if self._error is not None:
            raise self._error
        if not self._over or self.closed_with is None:
            raise trio.TooSlowError(f"the connection is still open after {timeout:g} s")
        return self.closed_with

    async def hang_up(self) -> None:
        """End TCP in good order, without a Close frame. What the server still sends is lost."""
        await self._stream.aclose()

    def abort(self) -> None:
        """Vanish: TCP is reset, nothing is said."""
        reset(self._stream)

    # The task that reads

    async def _read(self, data: bytes) -> None:
        try:
            while not self._over:
                self._take(data)
                data = await self._read_some()
                if not data:
                    break
        except _GONE:
            pass
        finally:
            self._over = True
            if self.closed_with is None:
                self.closed_with = Remote(CloseCode.ABNORMAL)
            self._news.unpark_all()
            await self._let_go()

    async def _let_go(self) -> None:
        """End TCP, at once or with the block."""
        try:
            if not self.automatic:
                await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._stream)

    async def _read_some(self) -> bytes:
        while True:
            while self._paused:
                await self._news.park()
            with trio.CancelScope() as self._scope:
                return bytes(await self._stream.receive_some(64 * 1024))

    def _take(self, data: bytes) -> None:
        decoder = self._decoder
        while True:
            for item in decoder.receive(data):
                if isinstance(item, Remote):
                    self._closed(item)
                elif isinstance(item, Ping | Pong):
                    self._control.append(item)
                    if isinstance(item, Ping) and self.automatic:
                        self._answer(encode(Pong(item.data)))
                else:
                    self._frames.append(item)
            data = b""
            if not decoder.more:
                break
        if decoder.error is not None:
            self._error, self._over = decoder.error, True
        self._news.unpark_all()

    def _closed(self, how: Remote) -> None:
        self.closed_with = how
        if how.code != CloseCode.NO_STATUS:
            self._frames.append(Close(how.code, how.reason))
        if self.automatic and not self._close_sent:
            self._close_sent = True
            self._answer(encode_close(how.code))

    def _answer(self, frame: bytes) -> None:
        """In a task of its own: reading goes on even if the server doesn't read."""
        self._nursery.start_soon(self._try_to_send, mask(frame, _MASK))

    async def _try_to_send(self, data: bytes) -> None:
        try:
            await self.send_raw(data)
        except _GONE:
            pass
