"""Metrics: what happened, in numbers that Prometheus can scrape."""

from __future__ import annotations

import errno
import subprocess
import sys
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from actorws import App, Reason, Response, Websocket, events, reasons, testing
from actorws.events import Event
from actorws.exceptions import ConnectTimeout, Unreachable
from actorws.observability.limits import LIMITS
from actorws.observability.metrics import Metrics
from tests.support.serving import Echo

CONN: Any = SimpleNamespace(id="node-7", path="/chat")
BOOM = ValueError("boom")

#: One of each event that is counted by itself, and the metric in which.
COUNTED: list[tuple[Event, str, dict[str, str]]] = [
    (events.ActorStarted(CONN), "connections_started_total", {}),
    (events.ActorEnded(CONN, reasons.Timeout("ping")), "connections_ended_total", {"reason": "timeout"}),
    (events.HandshakeRefused(404, "no such path", ""), "handshakes_refused_total", {"status": "404"}),
    (events.ProtocolViolated(CONN, 1007, "bad"), "protocol_violations_total", {"code": "1007"}),
    (events.ActorCrashed(CONN, "init", BOOM), "crashes_total", {"callback": "init"}),
    (events.ActorCrashed(CONN, "output_policy", BOOM), "crashes_total", {"callback": "output_policy"}),
    (events.TerminateFailed(CONN, BOOM), "crashes_total", {"callback": "terminate"}),
    (events.HandlerCrashed("/api", BOOM), "crashes_total", {"callback": "handler"}),
    (events.BackgroundCrashed("broadcast to 'room 1'", BOOM), "crashes_total", {"callback": "background"}),
    (events.SlowCallback(CONN, "init", 0.1), "slow_callbacks_total", {"callback": "init"}),
    (events.CallbackTimedOut(CONN, "init", 5.0), "callbacks_timed_out_total", {"callback": "init"}),
    (events.MailboxFull(CONN, "drop_old"), "mailbox_overflows_total", {"policy": "drop_old"}),
    (events.OutputFull(CONN, "close", 10), "output_overflows_total", {"policy": "close"}),
    (events.AcceptFailed(OSError(errno.EMFILE, "full"), 0.1), "accept_failures_total", {}),
    (events.HandoverFailed("0123", "refused"), "handover_failures_total", {}),
    (events.Connected(CONN, "ws://a/", 0), "outbound_connections_made_total", {}),
    (
        events.ConnectionLost(CONN, "ws://a/", reasons.Remote(1006), None),
        "outbound_connections_lost_total",
        {"reason": "remote"},
    ),
    (
        events.ConnectFailed("ws://a/", Unreachable("ws://a/", "nobody"), 1, 2.0),
        "connects_failed_total",
        {"error": "unreachable"},
    ),
    (
        events.ConnectFailed("ws://a/", ConnectTimeout("ws://a/", "late", "connect_timeout"), 1, 2.0),
        "connects_failed_total",
        {"error": "connecttimeout"},
    ),
]


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"actorws_{name}", labels)


@pytest.mark.parametrize(("event", "name", "labels"), COUNTED, ids=[type(row[0]).__name__ for row in COUNTED])
def test_each_of_these_events_is_counted(event: Event, name: str, labels: dict[str, str]) -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics(event)
    assert value(metrics, name, **labels) == 3


@pytest.mark.parametrize("limit", LIMITS)
def test_every_limit_has_a_number_from_the_start(limit: str) -> None:
    assert value(Metrics(), "limit_reached_total", limit=limit) == 0


@pytest.mark.parametrize("reason", [reason.__name__.lower() for reason in get_args(Reason)])
def test_every_reason_has_a_number_from_the_start(reason: str) -> None:
    assert value(Metrics(), "connections_ended_total", reason=reason) == 0


@pytest.mark.parametrize(
    "error", ["unreachable", "proxyfailed", "tlsfailed", "notwebsocket", "rejected", "connecttimeout", "connecterror"]
)
def test_every_way_to_have_no_connection_has_a_number_from_the_start(error: str) -> None:
    assert value(Metrics(), "connects_failed_total", error=error) == 0


def test_outbound_connections_of_now_are_those_that_were_made_and_not_lost() -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics(events.Connected(CONN, "ws://a/", 0))
    metrics(events.ConnectionLost(CONN, "ws://a/", reasons.Stop(), None))
    metrics(events.ConnectFailed("ws://a/", Unreachable("ws://a/", "nobody"), 1, None))
    assert value(metrics, "outbound_connections_open") == 2


def test_an_event_that_names_a_limit_is_counted_there_beside_its_own_metric() -> None:
    metrics = Metrics()
    metrics(events.HandshakeRefused(503, "we are full", "", "max_connections"))
    assert value(metrics, "limit_reached_total", limit="max_connections") == 1
    assert value(metrics, "handshakes_refused_total", status="503") == 1


def test_what_is_no_limit_of_ours_makes_no_series() -> None:
    metrics = Metrics()
    metrics(events.HandshakeRefused(429, "too many", "", "the application's own"))
    assert b"the application's own" not in metrics.text()


def test_an_event_that_somebody_else_made_is_not_counted_and_does_not_hurt() -> None:
    class Special(Event):
        limit = None

    before = Metrics().text().count(b"\n")
    metrics = Metrics()
    metrics(Special())
    assert metrics.text().count(b"\n") == before


def test_two_metrics_count_apart_unless_they_are_given_one_registry() -> None:
    one, other = Metrics(), Metrics()
    one(events.ActorStarted(CONN))
    assert (value(one, "connections_open"), value(other, "connections_open")) == (1, 0)
    registry = CollectorRegistry()
    Metrics(registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Metrics(registry)


class Crashing(Websocket):
    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        raise BOOM


async def test_a_served_app_is_scraped_over_http(autojump_clock: Any) -> None:
    metrics = Metrics()
    app = App()
    app.websocket("/echo", Echo)
    app.websocket("/crash", Crashing)
    app.http("/metrics", lambda request: Response(metrics.text(), content_type=metrics.content_type))
    async with testing.open_app(app, on_event=metrics, crashes="ignore") as server:
        staying, leaving = await server.connect("/echo"), await server.connect("/echo")
        crashing = await server.connect("/crash")
        await leaving.close()
        await crashing.send("x")
        await crashing.wait_closed()
        answer = await server.request("GET", "/metrics")
        await staying.close()
    assert answer.headers["content-type"] == metrics.content_type
    families = text_string_to_metric_families(answer.body.decode())
    samples = {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}
    assert samples["actorws_connections_open",] == 1
    assert samples["actorws_connections_started_total",] == 3
    assert samples["actorws_connections_ended_total", "remote"] == 1
    assert samples["actorws_connections_ended_total", "error"] == 1
    assert samples["actorws_crashes_total", "handle_client_message"] == 1
    assert value(metrics, "connections_open") == 0


def test_all_names_are_as_prometheus_wants_them() -> None:
    """https://prometheus.io/docs/practices/naming: one prefix, counters end with _total."""
    for family in text_string_to_metric_families(Metrics().text().decode()):
        assert family.name.startswith("actorws_")
        assert family.documentation or family.name.endswith("_created")
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total"), sample.name


def test_the_names_are_those_in_the_table_of_the_module() -> None:
    from actorws.observability import metrics as module

    for family in Metrics().registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        assert name in (module.__doc__ or "")


WITHOUT = """
import sys
sys.modules["prometheus_client"] = None
import actorws
try:
    import actorws.observability.metrics
except ImportError as error:
    print(error)
"""


def test_without_the_extra_all_else_works_and_this_module_says_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60)
    expected = "actorws.observability.metrics needs prometheus_client: pip install 'actorws[metrics]'\n"
    assert (done.stdout, done.stderr) == (expected, "")
