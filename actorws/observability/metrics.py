"""Metrics: events counted for Prometheus.

Rule owned here: names, labels and what is counted where; no label has a value that a peer or an application makes up,
so the number of series is bounded. Must not know who emits. Owner of ``prometheus_client`` (extra ``metrics``).

================================================== ======================================================
metric                                             counts
================================================== ======================================================
actorws_limit_reached_total{limit}                 each event that names an option in its ``limit``
actorws_connections_open                           actors now (a gauge)
actorws_connections_started_total                  actors that began
actorws_connections_ended_total{reason}            and those that ended, by the reason's name
actorws_outbound_connections_open                  connections that we opened, now (a gauge)
actorws_outbound_connections_made_total            connections that we have opened
actorws_outbound_connections_lost_total{reason}    and those of them that ended, by the reason's name
actorws_connects_failed_total{error}               tries to open one that failed, by the error's name
actorws_sessions_detached_total                    sessions that lost their wire and waited for their client
actorws_sessions_resumed_total                     sessions that their client came back to
actorws_sessions_lost_total{reason}                clients that came back in vain
actorws_handshakes_refused_total{status}           requests that were answered with an error status
actorws_protocol_violations_total{code}            Closes for a peer's fault, by close code
actorws_crashes_total{callback}                    what was raised by user code; ``handler``: by ``connect`` or
                                                   a plain HTTP handler; ``background``: elsewhere
actorws_slow_callbacks_total{callback}             callbacks that held up every other connection
actorws_callbacks_timed_out_total{callback}        callbacks that were cancelled
actorws_mailbox_overflows_total{policy}            messages without room, by what was done
actorws_output_overflows_total{policy}             frames without room, by what was done
actorws_accept_failures_total                      times that the system refused to give a connection
actorws_handover_failures_total                    connections that could not be handed to another worker
================================================== ======================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, get_args

from actorws import events
from actorws.events import Event
from actorws.exceptions import ConnectError
from actorws.observability.limits import LIMITS, limit_of
from actorws.reasons import Reason

try:
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
except ImportError:
    raise ImportError("actorws.observability.metrics needs prometheus_client: pip install 'actorws[metrics]'") from None

__all__ = ["Metrics"]

_Count: TypeAlias = Callable[[Any], None]

REASONS = [reason.__name__.lower() for reason in get_args(Reason)]
POLICIES = ("drop_new", "drop_old", "close")
LOST = ("unknown", "expired", "overflow", "elsewhere")
#: By name; the kinds that are declared in ``exceptions``.
_KINDS: list[type[ConnectError]] = [ConnectError, *ConnectError.__subclasses__()]
CONNECT_ERRORS = [kind.__name__.lower() for kind in _KINDS]
CALLBACKS = ("init", "handle_client_message", "handle_server_message", "handle_drain", "terminate")


class Metrics:
    """A subscriber that counts. Use it as ``run(app, on_event=[log_events(), metrics])``; never raises, never blocks.

    ``registry`` is where the metrics are kept: by default one of its own, so that several servers in a process don't
    share theirs. Make it before the server, or ``actorws_connections_open`` doesn't know who was there already.
    """

    #: Of what ``text`` returns, for the header of that name.
    content_type: str = CONTENT_TYPE_LATEST

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Raises ``ValueError`` for a registry that has metrics of these names already."""
        self.registry: CollectorRegistry = CollectorRegistry() if registry is None else registry
        self._limits = self._counter("limit_reached", "Limits of the configuration reached.", "limit", LIMITS)
        self._by_kind: dict[type[Event], _Count] = {**self._connections(), **self._refusals(), **self._callbacks()}

    def __call__(self, event: Event) -> None:
        """Count ``event``."""
        count = self._by_kind.get(type(event))
        if count is not None:
            count(event)
        limit = limit_of(event)
        if limit:
            self._limits.labels(limit).inc()

    def text(self) -> bytes:
        """All metrics of the registry in Prometheus' text format, for the answer to a scrape."""
        return generate_latest(self.registry)

    # What is counted

    def _connections(self) -> dict[type[Event], _Count]:
        opened = Gauge("actorws_connections_open", "Connections with an actor.", registry=self.registry)
        started = self._counter("connections_started", "Connections that got an actor.")
        ended = self._counter("connections_ended", "Connections whose actor has ended.", "reason", REASONS)

        def start(event: events.ActorStarted) -> None:
            opened.inc()
            started.inc()

        def end(event: events.ActorEnded) -> None:
            opened.dec()
            ended.labels(type(event.reason).__name__.lower()).inc()

        return {events.ActorStarted: start, events.ActorEnded: end, **self._outbound(), **self._sessions()}

    def _outbound(self) -> dict[type[Event], _Count]:
        opened = Gauge("actorws_outbound_connections_open", "Connections that we opened.", registry=self.registry)
        made = self._counter("outbound_connections_made", "Connections that we have opened.")
        lost = self._counter("outbound_connections_lost", "Connections of ours that have ended.", "reason", REASONS)
        failed = self._counter("connects_failed", "Tries to open a connection that failed.", "error", CONNECT_ERRORS)

        def begin(event: events.Connected) -> None:
            opened.inc()
            made.inc()

        def end(event: events.ConnectionLost) -> None:
            opened.dec()
            lost.labels(type(event.reason).__name__.lower()).inc()

        return {
            events.Connected: begin,
            events.ConnectionLost: end,
            events.ConnectFailed: lambda event: failed.labels(type(event.error).__name__.lower()).inc(),
        }

    def _sessions(self) -> dict[type[Event], _Count]:
        detached = self._counter("sessions_detached", "Sessions that lost their wire and waited for their client.")
        resumed = self._counter("sessions_resumed", "Sessions that their client came back to.")
        lost = self._counter("sessions_lost", "Clients that came back in vain.", "reason", LOST)
        return {
            events.SessionDetached: lambda event: detached.inc(),
            events.SessionResumed: lambda event: resumed.inc(),
            events.SessionLost: lambda event: lost.labels(event.reason).inc(),
        }

    def _refusals(self) -> dict[type[Event], _Count]:
        refused = self._counter("handshakes_refused", "Requests answered with an error status.", "status")
        violated = self._counter("protocol_violations", "Connections closed for the peer's fault.", "code")
        mailbox = self._counter("mailbox_overflows", "Messages that found no room.", "policy", POLICIES)
        output = self._counter("output_overflows", "Frames that found no room.", "policy", POLICIES)
        accepts = self._counter("accept_failures", "Times that the system refused to give a connection.")
        handovers = self._counter("handover_failures", "Connections that could not be handed to another worker.")
        return {
            events.HandshakeRefused: lambda event: refused.labels(str(event.status)).inc(),
            events.ProtocolViolated: lambda event: violated.labels(str(int(event.code))).inc(),
            events.MailboxFull: lambda event: mailbox.labels(event.policy).inc(),
            events.OutputFull: lambda event: output.labels(event.policy).inc(),
            events.AcceptFailed: lambda event: accepts.inc(),
            events.HandoverFailed: lambda event: handovers.inc(),
        }

    def _callbacks(self) -> dict[type[Event], _Count]:
        raising = (*CALLBACKS, "output_policy", "handler", "background")
        crashes = self._counter("crashes", "What user code raised.", "callback", raising)
        slow = self._counter("slow_callbacks", "Callbacks that held up everything.", "callback", CALLBACKS)
        late = self._counter("callbacks_timed_out", "Callbacks that were cancelled.", "callback", CALLBACKS)
        return {
            events.ActorCrashed: lambda event: crashes.labels(event.callback).inc(),
            events.TerminateFailed: lambda event: crashes.labels("terminate").inc(),
            events.HandlerCrashed: lambda event: crashes.labels("handler").inc(),
            events.BackgroundCrashed: lambda event: crashes.labels("background").inc(),
            events.SlowCallback: lambda event: slow.labels(event.callback).inc(),
            events.CallbackTimedOut: lambda event: late.labels(event.callback).inc(),
        }

    def _counter(self, name: str, text: str, label: str = "", values: Any = ()) -> Counter:
        """A counter. Values of its label that are known are there from the start, at 0: else the first is missed."""
        counter = Counter(f"actorws_{name}_total", text, [label] if label else [], registry=self.registry)
        for value in values:
            counter.labels(value)
        return counter
