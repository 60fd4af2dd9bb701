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
from actorws.client.attach import attach, attach_alone
from actorws.client.attempt import conn_of, receiver_of
from actorws.client.dialing import Dialing, Headers, OpenStream
from actorws.client.opening import Opened, open_websocket
from actorws.connection.connection import Connection
from actorws.connection.exchange import Exchange, OnControl
from actorws.exceptions import Unreachable, UsageError
from actorws.frames import Close, CloseCode
from actorws.io.drivers import let_last_words_leave
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
@trio.lowlevel.enable_ki_protection
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
    on_control: OnControl | None = None,
    **options: Any,
) -> AsyncIterator[Connection]:
    """A WebSocket to a server, for as long as the block lasts.

    At its end the connection is closed with 1000 (1011 if the block raises, which passes as it is), which takes
    ``close_timeout`` seconds at most; cancelled, it isn't waited for. ``options`` are those of a route as far as they
    are about a connection (see ``actorws.config``): ``idle_timeout``, ``max_message_size``, ``compression``, or
    ``mailbox_messages`` and ``mailbox_bytes`` for what has come and wasn't received. The other arguments are as
    ``Runtime.connect`` has them. ``runtime``: one whose tasks serve the connection; by default it has its own.
    ``on_control`` is called with each ``Ping`` and ``Pong`` that comes; it mustn't wait, nor raise.

    Raises ``InvalidUrl``, ``ConfigError``, and ``ConnectError`` if there is no connection. It is not made again.
    """
    if not trio.lowlevel.in_trio_task():
        raise UsageError("actorws.connect works in trio alone: trio.run() has to run the function that uses it")
    kind = Kind(_Script, is_client=True, subprotocols=subprotocols, **options)
    dialing = Dialing.of(
        kind,
        url,
        headers,
        tls=tls,
        proxy=proxy,
        connect_timeout=connect_timeout,
        handshake_timeout=handshake_timeout,
        max_redirects=max_redirects,
        open_stream=open_stream,
    )
    opened = await open_websocket(dialing)
    failure: BaseException | None = None
    exchange: Exchange | None = None
    async with AsyncExitStack() as stack:
        try:
            home = await stack.enter_async_context(_own_runtime()) if runtime is None else runtime
            exchange = await _begin(opened, home, kind, dialing, on_control, alone=runtime is None)
            yield Connection(exchange)
        except BaseException as error:
            # Raised below: out of a runtime's block it would come in a group.
            failure = error
        if exchange is None:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(opened.tcp)
        else:
            failure = await _take_leave(exchange, failure, home if runtime is None else None)
    if failure is not None:
        raise failure


@asynccontextmanager
async def _own_runtime() -> AsyncIterator[Runtime]:
    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        runtime = await nursery.start(_run_runtime, scope)
        # Shielded: cancelled with the script it would be gone before our last word is written. Not earlier: a start
        # that is cancelled would wait for it for ever. And not if it is already.
        await trio.lowlevel.checkpoint_if_cancelled()
        scope.shield = True
        try:
            yield runtime
        finally:
            scope.cancel()


async def _run_runtime(scope: trio.CancelScope, *, task_status: trio.TaskStatus[Runtime]) -> None:
    with scope:
        async with open_runtime(()) as runtime:
            task_status.started(runtime)
            await trio.sleep_forever()


async def _begin(
    opened: Opened, runtime: Runtime, kind: Kind, dialing: Dialing, on_control: OnControl | None, *, alone: bool
) -> Exchange:
    exchange = Exchange(kind, conn_of(opened, runtime), on_control)

    def make(wire: Wire) -> Receiver:
        return receiver_of(opened, kind, wire, exchange.conn, exchange)

    try:
        options = kind.config.backpressure
        if alone:
            exchange.driver = attach_alone(opened, runtime, options, make, exchange.is_waited_for)
        if exchange.driver is None:
            await attach(opened, runtime, runtime.drivers, options, make, lambda: None)
    except OSError as error:
        raise Unreachable(dialing.target.shown, f"this system has no room for it: {error.strerror}") from error
    return exchange


async def _take_leave(exchange: Exchange, failure: BaseException | None, own: Runtime | None) -> BaseException | None:
    """Say Close, and wait for the server's and for the end of TCP, if nobody is in a hurry. What is to be raised."""
    if failure is not None and not isinstance(failure, Exception):
        exchange.stop(Stop(), Close(CloseCode.GOING_AWAY))
        await let_last_words_leave()
        return failure
    deadline = trio.current_time() + exchange.kind.config.timeouts.close_timeout
    exchange.close(Close(CloseCode.NORMAL if failure is None else CloseCode.INTERNAL_ERROR))
    try:
        await exchange.over.wait()
        if own is not None:
            with trio.CancelScope(deadline=deadline):
                await own.wait_no_wires()
    except BaseException as error:
        exchange.abort()
        if failure is None or not isinstance(error, trio.Cancelled):
            return error
    return failure
