"""Connect: a connection for as long as a block lasts.

Rules owned here: the block ends within ``close_timeout``, whatever the server does; what the block raises passes as it
is. Must not know what is said.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from actorws.actor.kind import Kind
from actorws.behaviour import Websocket
from actorws.client.attach import attach
from actorws.client.attempt import conn_of, receiver_of
from actorws.client.dialing import Dialing, Headers, OpenStream
from actorws.client.opening import Opened, open_websocket
from actorws.connection.connection import Connection
from actorws.connection.exchange import Exchange
from actorws.frames import Close, CloseCode
from actorws.io.drivers import LAST_TURNS
from actorws.reasons import Stop
from actorws.runtime import Runtime, open_runtime

if TYPE_CHECKING:
    from actorws.transports.contract import Receiver
    from actorws.transports.wire import Wire

__all__ = ["connect"]


class _Script(Websocket):
    """Stands for a script where a behaviour is asked for its options."""

    receive_control = True

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        raise AssertionError("there is no actor")


@asynccontextmanager
async def connect(
    url: str,
    *,
    headers: Headers | None = None,
    subprotocols: Sequence[str] = (),
    tls: ssl.SSLContext | None = None,
    proxy: str | None = "environment",
    connect_timeout: float = 10.0,
    handshake_timeout: float = 10.0,
    max_redirects: int = 5,
    open_stream: OpenStream | None = None,
    runtime: Runtime | None = None,
    **options: Any,
) -> AsyncIterator[Connection]:
    """Open a WebSocket, closed with 1000 at the end of the block (1011 if the block raises)."""
    kind = Kind(_Script, is_client=True, subprotocols=subprotocols, **options)
    dialing = Dialing.to(
        url,
        headers={} if headers is None else headers,
        subprotocols=kind.config.handshake.subprotocols,
        subprotocol_required=kind.config.handshake.subprotocol_required,
        compression=kind.config.compression,
        tls=tls,
        proxy=proxy,
        connect_timeout=connect_timeout,
        handshake_timeout=handshake_timeout,
        max_redirects=max_redirects,
        open_stream=open_stream,
    )
    opened = await open_websocket(dialing)
    failure: BaseException | None = None
    async with AsyncExitStack() as stack:
        own = runtime is None
        if runtime is None:
            runtime = await stack.enter_async_context(open_runtime(()))
        exchange = await _begin(opened, runtime, kind)
        try:
            yield Connection(exchange)
        except BaseException as error:
            # Raised below: out of a runtime's block it would come in a group.
            failure = error
        await _end(exchange, failure)
        if own:
            with trio.move_on_after(kind.config.timeouts.close_timeout):
                await runtime.wait_no_wires()
    if failure is not None:
        raise failure


async def _begin(opened: Opened, runtime: Runtime, kind: Kind) -> Exchange:
    exchange = Exchange(kind, conn_of(opened, runtime))

    def make(wire: Wire) -> Receiver:
        return receiver_of(opened, kind, wire, exchange.conn, exchange)

    await attach(opened, runtime, runtime.drivers, kind.config.backpressure, make, lambda: None)
    return exchange


async def _end(exchange: Exchange, failure: BaseException | None) -> None:
    """Take leave: with patience, if nobody is in a hurry."""
    if failure is None or isinstance(failure, Exception):
        exchange.close(Close(CloseCode.NORMAL if failure is None else CloseCode.INTERNAL_ERROR))
        try:
            await exchange.over.wait()
        except trio.Cancelled:
            exchange.abort()
            raise
        return
    exchange.stop(Stop(), Close(CloseCode.GOING_AWAY))
    with trio.CancelScope(shield=True):
        # Not to wait for anyone, but to let the writer take its turn with our last word.
        for _ in range(LAST_TURNS):
            await trio.lowlevel.checkpoint()
