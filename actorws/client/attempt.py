"""Attempt: one connection with its actor, from the URL to its end. One at a time; made once and begun again.

Rule owned here: the actor is there before anything that the server sends is handled, and ``init``'s frames are the
first that it gets. Must not know what comes after the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

import trio

from actorws.client.actor import OutboundActor
from actorws.client.attach import attach
from actorws.client.dialing import Dialing
from actorws.client.opening import Opened, open_websocket
from actorws.conn import Conn
from actorws.events import ActorStarted
from actorws.exceptions import Unreachable
from actorws.reasons import Reason
from actorws.transports.client import client_transport
from actorws.transports.opening import Opening
from actorws.transports.rates import Metered

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.runtime import Runtime
    from actorws.transports.client import ClientRecipient
    from actorws.transports.contract import Receiver
    from actorws.transports.wire import Wire

__all__ = ["Attempt", "conn_of", "receiver_of"]


class Attempt:
    """A connection that ends with its wire."""

    def __init__(self, runtime: Runtime, kind: Kind, dialing: Dialing) -> None:
        self._runtime = runtime
        self._kind = kind
        self._dialing = dialing
        self._ended = trio.Event()
        self._reason: Reason | None = None

    is_alive: bool = False
    """Whether the actor outlives the connection that was lost, and goes on with the next one."""

    async def begin(self) -> Conn | None:
        """Open the connection and begin its actor. Raises ``ConnectError``.

        ``None``: the actor that was to go on with it has ended meanwhile; ``wait_ended`` says how.
        """
        return await self._begin_over(await open_websocket(self._dialing))

    async def _begin_over(self, opened: Opened) -> Conn:
        """A new actor, over a connection that ends with its wire."""
        self._ended, self._reason = trio.Event(), None
        conn = conn_of(opened, self._runtime)

        def make(wire: Wire) -> Receiver:
            actor = self._actor = OutboundActor(self._kind, conn, None, self._has_ended)  # type: ignore[arg-type]
            return receiver_of(opened, self._kind, wire, conn, actor)

        def start() -> None:
            self._runtime.supervisor.add(self._actor, conn)
            self._runtime.emit(ActorStarted(conn))
            self._actor.start()

        await self._attach(opened, make, start)
        return conn

    async def _attach(self, opened: Opened, make: Callable[[Wire], Receiver], start: Callable[[], None]) -> None:
        try:
            # Shielded: it takes no time, and cancelled halfway there would be an actor that nobody knows of.
            with trio.CancelScope(shield=True):
                await attach(opened, self._runtime, self._runtime.drivers, self._kind.config.backpressure, make, start)
        except OSError as error:
            raise Unreachable(
                self._dialing.target.shown, f"this system has no room for it: {error.strerror}"
            ) from error

    def _has_ended(self, reason: Reason) -> None:
        self._reason = reason
        self._ended.set()

    async def wait_ended(self) -> Reason:
        """Wait for the end of the connection that was begun last; how it ended."""
        await self._ended.wait()
        assert self._reason is not None
        return self._reason

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until there is nothing to wait for."""
        await trio.sleep(seconds)

    def give_up(self, reason: Reason) -> Reason:
        """There will be no other connection: an actor that waits for one ends for ``reason``. How it all ended."""
        return reason

    async def finish(self, reason: Reason) -> None:
        """As ``give_up``, and wait until ``terminate`` has returned."""


def conn_of(opened: Opened, runtime: Runtime, ours: str = "") -> Conn:
    """What the actor sees: the path and query that were asked for, and the headers of the server's answer.

    ``ours`` is a parameter of the query that isn't for the actor.
    """
    asked = opened.target
    query = {name: value for name, value in asked.query.items() if name != ours}
    conn = Conn(
        runtime,
        Opening(unquote(asked.path.partition("?")[0]), query, opened.headers),
        serial=runtime.next_serial(),
        path_params={},
        remote_address=opened.address,
    )
    conn.subprotocol = opened.subprotocol
    return conn


def receiver_of(opened: Opened, kind: Kind, wire: Wire, conn: Conn, recipient: ClientRecipient) -> Receiver:
    """What takes the bytes of ``wire``, with ``recipient`` behind it."""
    transport = client_transport(wire, kind, conn, opened.agreed, recipient)
    return transport if kind.rates is None else Metered(transport, kind.rates, trio.current_time)
