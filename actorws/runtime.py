"""Runtime: one per process; owns what all connections share and is passed in wherever it is needed.

Rule owned here: nothing of the runtime is global; two of them in one process know nothing of each other. Must not
know how bytes move, nor servers.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import trio

from actorws.actor.actor import Actor
from actorws.actor.kind import Kind
from actorws.actor.life import Life
from actorws.actor.scheduler import BUDGET, Scheduler
from actorws.actor.supervisor import Supervisor
from actorws.actor.timers import Wheel
from actorws.actor.workers import Workers
from actorws.backoff import Backoff
from actorws.behaviour import Websocket
from actorws.client.connector import Connector
from actorws.client.dialing import Dialing, Headers, OpenStream
from actorws.client.restart import Restart
from actorws.cluster.engine import Engine, NodeInfo
from actorws.cluster.local import LocalEngine
from actorws.cluster.messages import Messages
from actorws.events import BackgroundCrashed, Event, LinkLost
from actorws.exceptions import EngineUnavailable, UsageError
from actorws.io.drivers import Drivers, let_last_words_leave, start_drivers
from actorws.notices import Gap, NameLost
from actorws.observability.logs import LogEvents, log_events
from actorws.observability.subscribers import Subscribers, to_all
from actorws.reasons import LeaseLost, Replaced
from actorws.registry.arrivals import Arrivals
from actorws.registry.courier import Courier
from actorws.registry.group import Group
from actorws.registry.unique import Unique

__all__ = ["Runtime", "open_runtime"]

#: Seconds in which the engine must be reached at the start. (Later it may be away for as long as it likes.)
START_PATIENCE = 10.0


def _always() -> bool:
    return True


class Runtime:
    """What actors live in. Made by ``serve`` (or ``open_runtime``); reach it as ``conn.runtime``."""

    def __init__(
        self,
        nursery: trio.Nursery,
        on_event: Subscribers | None = None,
        *,
        engine: Engine | None = None,
        messages: Messages | None = None,
    ) -> None:
        self.engine: Engine = engine or LocalEngine(node_id=secrets.token_hex(4))
        """What carries names and messages to other nodes, if there are any."""
        self.id: str = self.engine.node_id
        """Tells this runtime from every other; the first part of its connections' ids."""
        self.nursery = nursery
        """For tasks that last as long as the runtime."""
        self._drivers: Drivers | None = None
        self._on_event = log_events() if on_event is None else to_all(on_event)
        #: Whether anybody wants events that the log has at level debug. Asked where each client causes some: not to
        #: make them takes 1 us off a connection that comes and goes.
        self.wants_details: Callable[[], bool] = (
            self._on_event.wants_details if isinstance(self._on_event, LogEvents) else _always
        )
        self._serials = count(1)
        self.scheduler = Scheduler(self.emit, self.engine.check_lease, self.engine.flush)
        self.workers = Workers(nursery, self.emit)
        self.supervisor = Supervisor(self.emit)
        self.supervisor.on_draining = self._stop_connecting
        #: Those who look after outbound connections.
        self.connectors: set[Connector] = set()
        self.wheel = Wheel(trio.current_time)
        courier = Courier(self.scheduler, self.engine, messages)
        self._courier = courier
        self.unique: Unique = Unique(courier, self._take_over)
        """Names that one actor each has."""
        self.group: Group = Group(courier)
        """Names that many actors share."""
        self._arrivals = Arrivals(courier, self.unique, self.group, self.emit, self._lost, self._gap)
        #: Whether there is no time left for a ``terminate`` that has to wait.
        self.hurried = False
        #: The shields of ``async def terminate`` callbacks that run now.
        self.terminating: set[trio.CancelScope] = set()
        #: Tasks that wait until an actor's output has left.
        self.drains: dict[Life, trio.lowlevel.ParkingLot] = {}
        #: Connections that drivers have.
        self.wires = 0
        self._no_wires: trio.Event | None = None
        self._alarm = trio.CancelScope()
        self.wheel.on_earlier = self._set_alarm

    def emit(self, event: Event) -> None:
        """Tell the subscribers. What one raises is dropped: observing must not change what is observed."""
        try:
            self._on_event(event)
        except Exception:
            pass

    def next_serial(self) -> int:
        """A number for a new connection."""
        return next(self._serials)

    def forget(self, actor: Life) -> None:
        """Take the names and memberships of an actor whose end is decided."""
        if actor.names:
            self.unique.forget(actor)
        if actor.groups:
            self.group.forget(actor)
        self._courier.forget(actor)

    def nodes(self) -> tuple[NodeInfo, ...]:
        """The nodes of the cluster as last heard of, this one first."""
        return self.engine.nodes()

    # Outbound connections

    @property
    def drivers(self) -> Drivers:
        """What moves the bytes of connections; started when they are wanted first."""
        if self._drivers is None:
            self._drivers = start_drivers(self, self.nursery)
        return self._drivers

    @drivers.setter
    def drivers(self, drivers: Drivers) -> None:
        self._drivers = drivers

    async def connect(
        self,
        url: str,
        behaviour: type[Websocket] | Websocket,
        *,
        restart: Restart = "transient",
        backoff: Backoff | None = None,
        headers: Headers | None = None,
        subprotocols: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
        proxy: str | None = "environment",
        connect_timeout: float = 10.0,
        handshake_timeout: float = 10.0,
        max_redirects: int = 5,
        open_stream: OpenStream | None = None,
        **options: Any,
    ) -> Connector:
        """Have an actor behind a connection to a server, and a new one behind a new connection whenever it is lost.

        ``behaviour`` runs as it does behind an accepted connection, but for ``connect``, which is about requests;
        ``handle_client_message`` gets what the server sends, and ``conn.headers`` are those of its answer. ``options``
        are those of a route (see ``actorws.config``); ``subprotocols`` are offered in this order.

        ``restart``: whether a connection that has ended is made again: ``permanent``, always; ``transient``, unless it
        was a normal end (our own Close, the server's with 1000, no code or 4500-4999); ``temporary``, never.
        ``backoff`` says when (default: ``Backoff()``), and when it is given up.

        ``headers`` are added to the handshake's; or ``def`` or ``async def`` that makes them for each try. ``tls``
        (default: what the system trusts) is for ``wss``; ``proxy`` is a URL (``http``, ``socks4``, ``socks5``),
        ``"environment"`` or ``None``. ``connect_timeout`` is for the name, TCP and the proxy, ``handshake_timeout`` for
        TLS and the answer, both in seconds. ``max_redirects`` are followed, but not from TLS to none. ``open_stream``,
        called with host and port, opens a trio stream instead of TCP.

        Returns when the first connection is there; a ``def init`` has returned then. Raises ``InvalidUrl``,
        ``ConfigError`` and ``BehaviourError`` before anything is tried, and ``ConnectError`` if the first try fails in
        a way in which it would fail again, if ``restart`` is ``temporary``, or if it is given up; ``UsageError`` if the
        runtime is going away. Cancelled, nothing of it is left.
        """
        kind = Kind(behaviour, is_client=True, subprotocols=subprotocols, **options)
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
        connector = Connector(self, kind, dialing, Backoff() if backoff is None else backoff, restart)
        if self.supervisor.draining:
            raise UsageError(f"can't connect to {connector.url}: the runtime is going away")
        self.connectors.add(connector)
        self.nursery.start_soon(connector.run, name=f"actorws connection to {connector.url}")
        try:
            await connector.wait_begun()
        except BaseException:
            connector.cut()
            raise
        return connector

    def _stop_connecting(self) -> None:
        for connector in tuple(self.connectors):
            connector.going_away()

    # Wires, so that a shutdown can wait for their leave

    def wire_opened(self) -> None:
        """A driver has a connection more."""
        self.wires += 1

    def wire_closed(self) -> None:
        """A driver has closed a connection."""
        self.wires -= 1
        if not self.wires and self._no_wires is not None:
            self._no_wires.set()

    async def wait_no_wires(self) -> None:
        """Wait until no driver has a connection."""
        if self.wires:
            if self._no_wires is None or self._no_wires.is_set():
                self._no_wires = trio.Event()
            await self._no_wires.wait()

    def hurry(self) -> None:
        """Give up what still runs at the end: each ``terminate`` that hasn't returned, now or later, is cancelled."""
        self.hurried = True
        for scope in tuple(self.terminating):
            scope.cancel()

    def _take_over(self, actor: Actor, name: str) -> None:
        # Through the run queue: the new owner's callback may be on the stack.
        self.scheduler.post_end(actor, Replaced(name))

    # What the engine has to tell, from its own tasks: no callback is on the stack

    def _lost(self, actor: Actor, name: str, why: str) -> None:
        if why == "taken":
            actor.stop(Replaced(name))
        elif actor.kind.behaviour.on_lease_lost == "inform":
            self.scheduler.post_message(actor, NameLost(name))
        else:
            actor.stop(LeaseLost(name))
        self.scheduler.wake()

    def _gap(self, gap: Gap) -> None:
        self.emit(LinkLost(gap.seconds, gap.reason))
        for actor in self.supervisor:
            if actor.kind.behaviour.receive_gaps and not actor.has_ended:
                self.scheduler.post_message(actor, gap)  # type: ignore[arg-type]  # every Life is an Actor

    async def run_engine(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the engine. Never returns; cancel it. ``task_status`` is told when it is reached for the first time."""
        await self.engine.run(self._arrivals, task_status=task_status)

    async def run(self) -> None:
        """Run the scheduler and the timers. Never returns; cancel it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.enable_ki_protection(self.scheduler.run), name="actorws scheduler")
            nursery.start_soon(trio.lowlevel.enable_ki_protection(self._run_timers), name="actorws timers")

    def _set_alarm(self) -> None:
        self._alarm.deadline = self.wheel.next_deadline()

    async def _run_timers(self) -> None:
        while True:
            with trio.CancelScope(deadline=self.wheel.next_deadline()) as self._alarm:
                await trio.sleep_forever()
            self.engine.check_lease()
            try:
                self.wheel.advance(trio.current_time(), BUDGET)
            except ExceptionGroup as error:
                # A fault of ours must not cost more than the deadline in which it showed.
                self.emit(BackgroundCrashed("timers", error))
            # What expired may have left output.
            self.scheduler.wake()


@asynccontextmanager
async def open_runtime(
    on_event: Subscribers | None = None,
    *,
    engine: Engine | None = None,
    messages: Iterable[type | tuple[type, str]] | None = (),
) -> AsyncIterator[Runtime]:
    """A runtime without a server, for as long as the block lasts; at its end every actor is told and cut.

    ``engine`` connects it with other nodes (default: it is alone); it must be reached within ``START_PATIENCE``
    seconds, else ``EngineUnavailable``. ``messages`` are the classes whose instances actors send each other, beside the
    plain types (see ``actorws.cluster.messages``); ``None``, without other nodes: whatever they like, as it is.

    ``on_event``, or each if it is a list, is called with each event, synchronously. Default: they are logged, see
    ``actorws.observability``. Raises ``ConfigError`` for what can't be called.
    """
    codec = None if messages is None else Messages(messages)
    async with trio.open_nursery() as nursery:
        runtime = Runtime(nursery, on_event, engine=engine, messages=codec)
        nursery.start_soon(runtime.run)
        await _start_engine(nursery, runtime)
        try:
            yield runtime
        finally:
            runtime.supervisor.end_all()
            runtime.scheduler.settle()
            with trio.CancelScope(shield=True):
                await let_last_words_leave()
                runtime.supervisor.cut_all()
                # Bounded: every terminate has its deadline.
                await runtime.supervisor.wait_empty()
            nursery.cancel_scope.cancel()


async def _start_engine(nursery: trio.Nursery, runtime: Runtime) -> None:
    with trio.move_on_after(START_PATIENCE) as scope:
        await nursery.start(runtime.run_engine)
    if scope.cancelled_caught:
        why = "" if runtime.engine.trouble is None else f": {runtime.engine.trouble}"
        raise EngineUnavailable(f"the cluster's engine was not reached within {START_PATIENCE:g} s{why}")
