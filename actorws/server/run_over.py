"""Run over: one actor behind a connection that the server didn't accept itself, from ``connect`` until ``terminate``.

Rules owned here: ``connect`` decides before a slot is taken, whoever accepted the connection; the caller's task has it
until the actor has ended, and a cancellation ends the actor first. Must not know what carries the frames.
"""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Protocol

import trio

from actorws.actor.actor import Actor
from actorws.actor.kind import Kind
from actorws.behaviour import Accept, Reject, Websocket
from actorws.config import Handshake, ServerConfig
from actorws.conn import Conn
from actorws.events import ActorStarted, BackgroundCrashed, HandlerCrashed, HandshakeRefused
from actorws.exceptions import HandshakeError
from actorws.frames import MAX_CLOSE_REASON, Close, CloseCode
from actorws.reasons import Error, Reason, Remote, Shutdown
from actorws.runtime import Runtime
from actorws.server.http import Request
from actorws.transports.adapter import Adapter
from actorws.transports.custom import Transport
from actorws.transports.opening import Opening
from actorws.transports.pump import Failed, attempt, pump

if TYPE_CHECKING:
    from trio_websocket import WebSocketConnection, WebSocketRequest

__all__ = ["Door", "run_behind", "run_over"]

#: Seconds of an ``async def connect``, as a server has them by default.
CONNECT_SECONDS = ServerConfig().handler_timeout


class Door(Protocol):
    """Where a client waits until ``connect`` has decided about it."""

    name: str
    """What ``conn.transport`` will say."""

    @property
    def request(self) -> dict[str, Any]:
        """What is known of the client's request, as arguments of ``Request``."""

    async def open(self, accept: Accept, options: Handshake) -> Transport:
        """Let the client in."""

    async def refuse(self, reject: Reject, frame: Close) -> None:
        """Turn the client away: with ``reject`` before a handshake, with ``frame`` after it."""

    def abort(self) -> None:
        """Cut the connection at once. Again: nothing."""

    async def let_go(self) -> None:
        """It was cut, and its maker has it again: whatever is left to do before that. May be cancelled."""


class OpenDoor:
    """The door of a ``Transport``, whose client is in already."""

    def __init__(self, wire: Transport) -> None:
        self.name: str = wire.name
        self.request: dict[str, Any] = {}
        self._wire = wire

    async def open(self, accept: Accept, options: Handshake) -> Transport:
        if accept.subprotocol is not None:
            self._wire.subprotocol = accept.subprotocol
        return self._wire

    async def refuse(self, reject: Reject, frame: Close) -> None:
        await self._wire.close(frame)

    def abort(self) -> None:
        self._wire.abort()

    async def let_go(self) -> None:
        pass


class Lodger(Actor):
    """An actor whose end somebody waits for."""

    __slots__ = ("over", "why")

    def __init__(self, kind: Kind, conn: Conn, transport: Adapter) -> None:
        super().__init__(kind, conn, transport)
        #: Set when ``terminate`` has returned.
        self.over = trio.Event()
        #: The reason, then.
        self.why: Reason | None = None

    def ended(self) -> None:
        self.why = self.reason
        super().ended()
        self.over.set()


async def run_over(
    wire: Transport | WebSocketConnection | WebSocketRequest,
    behaviour: type[Websocket] | Websocket,
    runtime: Runtime,
    *,
    request: Request | None = None,
    **options: Any,
) -> Reason:
    """Run an actor of ``behaviour`` over a connection of your own, and return why it ended when ``terminate`` has.

    ``wire`` is a ``Transport``, or trio-websocket's: a ``WebSocketConnection``, or better the ``WebSocketRequest`` that
    it is made of, which ``connect`` can still turn away as HTTP does, and whose headers are known. Who has accepted it
    has seen to who may connect (Host, Origin). Whatever happens, the wire is aborted at the end. ``request`` is what
    ``conn`` shows as path, query, headers, path parameters and address, instead of what the wire knows itself.
    ``options`` are those of ``actorws.config.Config``, by name.

    ``connect`` is asked first. A client that it, or a limit, turns away after the handshake is told by Close: 1008 for
    ``Reject`` (its status and body as the reason), 1011 if it raised, 1013 above a limit. Then the result is ``Error``
    with what was raised, a ``HandshakeError`` for ``Reject`` and limits; there has been no actor.

    Cancelled, the actor ends with ``Shutdown`` and the wire is cut; ``terminate`` still has its ``terminate_timeout``.
    Raises nothing that a client or a callback does; before the wire is touched ``BehaviourError`` for a class that
    can't be served, ``ConfigError`` for a bad option, ``TypeError`` for another ``wire`` or no ``runtime``. A class is
    made an instance each time: give an instance to have one for all connections.
    """
    kind = Kind(behaviour, **options)
    if not isinstance(runtime, Runtime):
        raise TypeError(f"runtime must be a Runtime, not {runtime!r}")
    return await run_behind(_door_of(wire), kind, runtime, request)


def _door_of(wire: object) -> Door:
    if isinstance(wire, Transport):
        return OpenDoor(wire)
    # Not at the top: who has none of its connections should not have to load it.
    from actorws.transports.trio_websocket import door_of

    return door_of(wire)


async def run_behind(door: Door, kind: Kind, runtime: Runtime, request: Request | None = None) -> Reason:
    """Run an actor of ``kind`` for whoever waits behind ``door``. As ``run_over``."""
    if request is None:
        request = Request(method="GET", **{"path": "/", **door.request})
    conn = Conn(
        runtime,
        Opening(request.path, request.query, request.headers),
        serial=runtime.next_serial(),
        path_params=request.path_params,
        remote_address=request.remote_address,
        transport=door.name,
    )
    wire: Transport | None = None
    try:
        decided = await _decide(kind, conn, door)
        if not isinstance(decided, Transport):
            return decided
        wire = decided
    finally:
        if wire is None:
            _abort(conn, door)
    try:
        return await _run(wire, kind, conn)
    finally:
        await door.let_go()


def _abort(conn: Conn, door: Door) -> None:
    try:
        door.abort()
    except Exception as error:
        conn.runtime.emit(BackgroundCrashed(f"{door.name}.abort", error))


async def _decide(kind: Kind, conn: Conn, door: Door) -> Transport | Reason:
    """Ask ``connect`` and the limits, and let the client in, or turn it away."""
    try:
        decision = await _ask(kind, conn)
        if isinstance(decision, Reject):
            return await _refuse(kind, conn, door, decision, HandshakeError(decision.status, "rejected by connect"))
        conn.runtime.supervisor.admit(conn, kind.config.limits)
        wire = await door.open(decision, kind.config.handshake)
        conn.subprotocol = wire.subprotocol
        return wire
    except HandshakeError as error:
        status = error.status if 300 <= error.status <= 599 else 500
        return await _refuse(kind, conn, door, Reject(status, str(error), dict(error.headers)), error)
    except trio.BrokenResourceError:
        return Remote(CloseCode.ABNORMAL)
    except Exception as error:
        conn.runtime.emit(HandlerCrashed(conn.path, error))
        await _tell(kind, conn, door, Reject(500), Close(CloseCode.INTERNAL_ERROR))
        return Error(error)


async def _ask(kind: Kind, conn: Conn) -> Accept | Reject:
    decision = kind.connect(conn)
    if isawaitable(decision):
        with trio.move_on_after(CONNECT_SECONDS) as scope:
            decision = await decision
        if scope.cancelled_caught:
            raise HandshakeError(503, "the handshake took too long", limit="handler_timeout")
    if decision is None:
        return Accept()
    if not isinstance(decision, Accept | Reject):
        raise TypeError(f"{kind.name}.connect must return None, Accept or Reject, not {decision!r:.100}")
    return decision


async def _refuse(kind: Kind, conn: Conn, door: Door, reject: Reject, error: HandshakeError) -> Error:
    conn.runtime.emit(HandshakeRefused(reject.status, str(error), str(conn.remote_address), error.limit))
    body = reject.body if isinstance(reject.body, str) else reject.body.decode(errors="replace")
    words = f"{reject.status} {body}".strip().encode()[:MAX_CLOSE_REASON].decode(errors="ignore")
    code = CloseCode.TRY_AGAIN_LATER if reject.status == 503 else CloseCode.POLICY_VIOLATION
    await _tell(kind, conn, door, reject, Close(code, words))
    return Error(error)


async def _tell(kind: Kind, conn: Conn, door: Door, reject: Reject, frame: Close) -> None:
    with trio.move_on_after(kind.config.timeouts.close_timeout):
        outcome = await attempt(door.refuse(reject, frame))
        if isinstance(outcome, Failed) and not outcome.is_gone:
            conn.runtime.emit(BackgroundCrashed(f"{door.name}.close", outcome.error))


async def _run(wire: Transport, kind: Kind, conn: Conn) -> Reason:
    """The life of the actor."""
    adapter = Adapter(wire, kind, conn)
    adapter.actor = actor = Lodger(kind, conn, adapter)
    conn.runtime.supervisor.add(actor, conn)
    try:
        conn.runtime.emit(ActorStarted(conn))
        actor.start()
        await pump(adapter)
        await actor.over.wait()
    finally:
        if not actor.over.is_set():
            actor.stop(Shutdown())
            if actor.worker is not None:
                actor.worker.cancel()
            with trio.CancelScope(shield=True):
                # Bounded: callbacks were cancelled, and terminate has its deadline.
                await actor.over.wait()
        adapter.cut()
        adapter.release()
    assert actor.why is not None
    return actor.why
