"""Connection: one open WebSocket, as a script sees it.

Rules owned here: a message is handed to the transport as a whole or not at all, so that cancellation never cuts a
frame; every wait ends with the connection. Must not know how a connection is opened, nor sockets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from time import perf_counter

import trio

from actorws.conn import ReadyState
from actorws.connection.exchange import Exchange
from actorws.connection.inbox import TURN
from actorws.exceptions import ConnectionClosed
from actorws.frames import Close, CloseCode, Ping
from actorws.reasons import Error, Overflow, Reason, Remote, Stop, Timeout

__all__ = ["Connection"]

#: Codes after which a stream of messages was whole.
_REGULAR = (CloseCode.NORMAL, CloseCode.GOING_AWAY, CloseCode.NO_STATUS)


class Connection:
    """An open WebSocket. Made by ``actorws.connect``.

    Any number of tasks may send, and receive: each message goes to one of those that wait, in their order.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    # What it is

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the server's answer to the handshake, names in lower case."""
        return self._exchange.conn.headers

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol agreed on, if any."""
        return self._exchange.conn.subprotocol

    @property
    def remote_address(self) -> tuple[str, int] | str:
        """``(host, port)`` of the other end of the socket; the empty string if it has none."""
        return self._exchange.conn.remote_address

    @property
    def ready_state(self) -> ReadyState:
        """Where in its life the connection is."""
        return ReadyState.CLOSED if self.reason is not None else self._exchange.transport.ready_state

    @property
    def reason(self) -> Reason | None:
        """How it ended, ``None`` until then: ``Remote`` has the server's close code (1006: none came), ``Stop`` means
        that we closed it.
        """
        return self._exchange.reason

    # Sending

    @trio.lowlevel.enable_ki_protection
    async def send(self, message: str | bytes | bytearray | memoryview) -> None:
        """Send a text (``str``) or binary message. Waits while the server is slow to take what was sent before.

        Cancelled, it has sent nothing. Raises ``ConnectionClosed`` when the connection is closing or closed,
        ``TypeError`` for what is no message, ``UnicodeEncodeError`` for a ``str`` that UTF-8 can't say. Each of several
        tasks that wait sends in its turn, and what one sends is never mixed with what another does.
        """
        data = message if type(message) is str or type(message) is bytes else _as_message(message)
        exchange = self._exchange
        if perf_counter() < exchange.inbox.turn_ends:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()
            exchange.inbox.turn_ends = perf_counter() + TURN
        if not exchange.senders and exchange.takes_more():
            exchange.send(data)
        else:
            await self._send_in_turn(data)

    async def _send_in_turn(self, frame: str | bytes | Ping) -> None:
        exchange = self._exchange
        if not exchange.is_open:
            raise self._closed()
        exchange.look_after()
        sent = await exchange.senders.wait(frame)
        exchange.inbox.turn_ends = perf_counter() + TURN
        if isinstance(sent, Exception):
            raise sent
        if not sent:
            raise self._closed()

    @trio.lowlevel.enable_ki_protection
    async def send_guarded(self, message: str | bytes | bytearray | memoryview) -> bool:
        """As ``send``: True if it was sent, False instead of ``ConnectionClosed``."""
        try:
            await self.send(message)
        except ConnectionClosed:
            return False
        return True

    @trio.lowlevel.enable_ki_protection
    async def ping(self) -> float:
        """Ping the server; seconds from when the ping is sent until its pong comes. Waits its turn, as ``send`` does.

        Raises ``ConnectionClosed`` if the connection ends before, which it does by itself if no pong comes (see the
        option ``idle_timeout``).
        """
        await trio.lowlevel.checkpoint()
        exchange = self._exchange
        ping = exchange.pings.add()
        try:
            if not exchange.senders and exchange.takes_more():
                exchange.send(Ping(ping.data))
            else:
                await self._send_in_turn(Ping(ping.data))
            exchange.look_after()
            await ping.done.wait()
        finally:
            exchange.pings.forget(ping)
        if ping.seconds is None:
            raise self._closed()
        return ping.seconds

    # Receiving

    @trio.lowlevel.enable_ki_protection
    async def receive(self) -> str | bytes:
        """The next message: ``str`` for text, ``bytes`` for binary. What came before the end can be had behind it.

        Cancelled, it has taken nothing. Raises ``ConnectionClosed`` when nothing more comes.
        """
        message = await self._exchange.take()
        if message is None:
            raise self._closed()
        return message

    @trio.lowlevel.enable_ki_protection
    async def receive_guarded(self) -> tuple[str | bytes, bool]:
        """As ``receive``: the message and True, or ``(b"", False)`` instead of ``ConnectionClosed``."""
        try:
            return await self.receive(), True
        except ConnectionClosed:
            return b"", False

    # No generator: one that is left by `break` would have to be closed by whoever wrote the loop.

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Messages, until the connection ends in good order: by us, or the server's Close with 1000, 1001 or no code.

        Raises ``ConnectionClosed`` if it ends otherwise. Left by ``break``, it can be gone on with.
        """
        return self

    @trio.lowlevel.enable_ki_protection
    async def __anext__(self) -> str | bytes:
        """As ``receive``, but ``StopAsyncIteration`` where it ended in good order."""
        message = await self._exchange.take()
        if message is None:
            raise StopAsyncIteration if _is_regular(self.reason) else self._closed()
        return message

    # The end

    @trio.lowlevel.enable_ki_protection
    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Send Close and wait for the server's, at most ``close_timeout`` seconds. When it is closed already: nothing.

        Cancelled, the connection is cut. Raises ``ValueError`` as ``Close`` does.
        """
        self._exchange.close(Close(code, reason))
        try:
            await self._exchange.over.wait()
        except trio.Cancelled:
            self.abort()
            raise

    @trio.lowlevel.enable_ki_protection
    def abort(self) -> None:
        """Cut the connection at once (TCP RST), without a word."""
        self._exchange.abort()

    def _closed(self) -> ConnectionClosed:
        reason = self.reason or Stop()
        return ConnectionClosed(reason, f"the connection is closed: {_in_words(reason)}")


def _as_message(message: object) -> str | bytes:
    if isinstance(message, str):
        return str.__str__(message)  # of a subclass (an enum, say) what it is, not what it says
    if isinstance(message, bytes | bytearray | memoryview):
        return bytes(message)
    raise TypeError(f"a message must be str or bytes-like, not {type(message).__name__}: {message!r:.80}")


def _is_regular(reason: Reason | None) -> bool:
    match reason:
        case Remote(code=code):
            return code in _REGULAR
        case Stop() | Timeout(waited_for="close"):
            return True
    return False


def _in_words(reason: Reason) -> str:
    match reason:
        case Remote(code=CloseCode.ABNORMAL):
            return "the server has gone without a Close"
        case Remote(code=CloseCode.NO_STATUS):
            return "the server closed it, without a code"
        case Remote(code=code, reason=words):
            return f"the server closed it with {int(code)}" + (f": {words}" if words else "")
        case Stop():
            return "by us"
        case Timeout(waited_for="close"):
            return "by us, and the server did not answer in time"
        case Timeout(waited_for=what):
            return f"the server was silent for too long ({what})"
        case Error(exception=error):
            return f"the server broke the protocol: {error}"
        case Overflow(bound=bound):
            return f"a bound was reached: {bound}"
    return type(reason).__name__.lower()
