"""Logs: every event has its line and level, and no peer can flood them."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
import trio

from actorws import events, reasons
from actorws.cluster.engine import NodeInfo
from actorws.events import Event
from actorws.exceptions import ProtocolError, Unreachable
from actorws.observability import logs
from actorws.observability.logs import log_events
from actorws.server.serve import serve
from tests.support.serving import Echo
from tests.support.wire import open_client

CONN: Any = SimpleNamespace(id="node-7", path="/chat")


def raised(error: BaseException) -> BaseException:
    """``error`` with a traceback, as a callback would have left it."""
    try:
        raise error
    except BaseException as caught:
        return caught


BOOM = raised(ValueError("boom"))

#: One of each event, and the line it makes.
NODE = NodeInfo("0123", "web\n1")

LINES: list[tuple[Event, int, str]] = [
    (events.ListenerStarted("http://127.0.0.1:80"), logging.INFO, "listening on http://127.0.0.1:80"),
    (events.ServerDraining(3, 10.0), logging.INFO, "shutting down: 3 connections to end within 10 s"),
    (
        events.DrainTimedOut(2),
        logging.WARNING,
        "the time to shut down is over: 2 connections without an actor are cut",
    ),
    (
        events.HandoverFailed("0123\n", "Connection refused"),
        logging.WARNING,
        r"no handover to node 0123\n: Connection refused",
    ),
    (
        events.AcceptFailed(OSError(errno.EMFILE, "Too many open files"), 0.1),
        logging.WARNING,
        "can't accept connections: [Errno 24] Too many open files; the next try is in 0.1 s",
    ),
    (
        events.HandshakeRefused(404, "no such path", "10.0.0.1"),
        logging.INFO,
        "refused 10.0.0.1 with status 404: no such path",
    ),
    (
        events.AcceptsPaused(0.05),
        logging.WARNING,
        "more connections than max_accepts_per_second came: the next one is accepted in 0.05 s",
    ),
    (events.HandshakeTimedOut("10.0.0.1"), logging.INFO, "closed 10.0.0.1: no request came in time"),
    (events.KeepAliveTimedOut("10.0.0.1"), logging.DEBUG, "closed 10.0.0.1: no further request came"),
    (
        events.ResponseCut("/api", "10.0.0.1"),
        logging.WARNING,
        "the answer to 10.0.0.1 at /api was cut short: it took too long",
    ),
    (
        events.ActorCut(CONN, "terminate"),
        logging.WARNING,
        "node-7 at /chat: the time to shut down is over, cut in terminate",
    ),
    (
        events.RateLimited(CONN, "throttle", "max_frames_per_second"),
        logging.INFO,
        "node-7 at /chat: the client sends more than max_frames_per_second (throttle)",
    ),
    (
        events.ReadingPaused(CONN, 70_000, "high_water_mark"),
        logging.DEBUG,
        "node-7 at /chat: not read from for now: 70000 bytes wait (high_water_mark)",
    ),
    (events.ActorStarted(CONN), logging.DEBUG, "node-7 opened /chat"),
    (events.ActorEnded(CONN, reasons.Timeout("ping")), logging.INFO, "node-7 ended: Timeout(waited_for='ping')"),
    (events.Connected(CONN, "ws://host/", 3), logging.INFO, "node-7 has connected to ws://host/"),
    (
        events.ConnectFailed("ws://host/", Unreachable("ws://host/", "nobody\nthere"), 2, 3.14159),
        logging.WARNING,
        r"can't connect to ws://host/: nobody\nthere; the next try is in 3.14 s",
    ),
    (
        events.ConnectionLost(CONN, "ws://host/", reasons.Remote(1006), 0.5),
        logging.INFO,
        "node-7 has lost its connection to ws://host/: Remote(code=1006, reason=''); the next try is in 0.5 s",
    ),
    (
        events.SessionDetached(CONN, reasons.Remote(1006)),
        logging.DEBUG,
        "node-7 has lost its wire and waits for its client: Remote(code=1006, reason='')",
    ),
    (events.SessionResumed(CONN, "sse"), logging.DEBUG, "node-7 goes on over sse"),
    (
        events.SessionLost("10.0.0.1", "expired"),
        logging.INFO,
        "the session of 10.0.0.1 is lost: expired",
    ),
    (
        events.ActorCrashed(CONN, "handle_client_message", BOOM),
        logging.ERROR,
        "node-7 at /chat: handle_client_message raised ValueError: boom",
    ),
    (events.TerminateFailed(CONN, BOOM), logging.ERROR, "node-7 at /chat: terminate raised ValueError: boom"),
    (events.CallbackTimedOut(CONN, "init", 5.0), logging.WARNING, "node-7 at /chat: init was cancelled after 5 s"),
    (
        events.SlowCallback(CONN, "init", 0.25),
        logging.WARNING,
        "node-7 at /chat: init held up every connection for 0.25 s",
    ),
    (
        events.ProtocolViolated(CONN, 1002, "reserved bits"),
        logging.INFO,
        "node-7 broke the protocol, closed with 1002: reserved bits",
    ),
    (
        events.MailboxFull(CONN, "close", "mailbox_bytes"),
        logging.WARNING,
        "node-7 at /chat: the mailbox is full: mailbox_bytes (close)",
    ),
    (
        events.OutputFull(CONN, "drop_new", 17),
        logging.WARNING,
        "node-7 at /chat: 17 bytes wait for the client, no room (drop_new)",
    ),
    (events.NodeJoined(NODE), logging.INFO, r"node 0123 (web\n1) has joined the cluster"),
    (events.NodeLeft(NODE), logging.INFO, r"node 0123 (web\n1) has left the cluster"),
    (
        events.LinkLost(1.5, "it was slow"),
        logging.WARNING,
        "messages from other nodes may have been lost for 1.5 s: it was slow",
    ),
    (events.MessageMalformed("no message"), logging.WARNING, "no message"),
    (events.HandlerCrashed("/api", BOOM), logging.ERROR, "the handler of /api raised ValueError: boom"),
    (events.BackgroundCrashed("tick", BOOM), logging.ERROR, "the background function tick raised ValueError: boom"),
]
every_event = pytest.mark.parametrize(
    ("event", "level", "line"), LINES, ids=[type(event).__name__ for event, _, _ in LINES]
)


class Clock:
    """Seconds that pass when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Records(logging.Handler):
    """What reached the logger."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def logger(records: Records) -> logging.Logger:
    logger = logging.getLogger("tests.observability.test_logs")
    logger.setLevel(logging.DEBUG)
    logger.handlers = [records]
    return logger


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(logger: logging.Logger, clock: Clock) -> Callable[[Event], None]:
    return log_events(logger, clock=clock)


def test_these_tests_and_the_table_of_rules_know_every_event() -> None:
    own = {getattr(events, name) for name in events.__all__} - {Event, events.Emit}
    assert {type(event) for event, _, _ in LINES} == own
    assert set(logs.RULES) == own


@every_event
def test_each_event_is_one_line_at_its_level(
    log: Callable[[Event], None], records: Records, event: Event, level: int, line: str
) -> None:
    log(event)
    assert [(record.levelno, record.getMessage()) for record in records.records] == [(level, line)]


@every_event
def test_code_that_failed_is_shown_with_its_traceback_and_nothing_else_is(
    log: Callable[[Event], None], records: Records, event: Event, level: int, line: str
) -> None:
    log(event)
    [record] = records.records
    failed = [field.name for field in attrs.fields(type(event)) if field.name == "exception"]
    assert (record.exc_info is not None) == bool(failed)
    if record.exc_info is not None:
        assert record.exc_info == (ValueError, BOOM, BOOM.__traceback__)


@pytest.mark.parametrize(
    ("reason", "level"),
    [
        (reasons.Normal(), logging.DEBUG),
        (reasons.Stop(), logging.DEBUG),
        (reasons.Timeout(), logging.INFO),
        (reasons.Remote(1006), logging.DEBUG),
        (reasons.Error(ValueError()), logging.ERROR),
        (reasons.Error(ProtocolError(1002, "reserved bits")), logging.DEBUG),
        (reasons.Shutdown(), logging.DEBUG),
        (reasons.Replaced("anna"), logging.INFO),
        (reasons.Expired(), logging.INFO),
        (reasons.Overflow(), logging.WARNING),
        (reasons.Overflow("rate"), logging.DEBUG),
    ],
    ids=repr,
)
def test_the_end_of_an_actor_is_logged_as_its_reason_says(
    log: Callable[[Event], None], records: Records, reason: reasons.Reason, level: int
) -> None:
    """But for a peer that broke the protocol or a rate: that was told, one line a second, and is no error of ours."""
    log(events.ActorEnded(CONN, reason))
    assert [record.levelno for record in records.records] == [level]


def test_a_group_of_one_exception_is_logged_as_that_exception(log: Callable[[Event], None], records: Records) -> None:
    group = BaseExceptionGroup("a nursery's", [BaseExceptionGroup("another's", [BOOM])])
    log(events.ActorCrashed(CONN, "init", group))
    assert records.lines == ["node-7 at /chat: init raised ValueError: boom"]
    assert records.records[0].exc_info == (ValueError, BOOM, BOOM.__traceback__)


def test_the_end_after_a_crash_names_what_the_group_held(log: Callable[[Event], None], records: Records) -> None:
    """The traceback was shown with the crash, so the end has none."""
    log(events.ActorEnded(CONN, reasons.Error(ExceptionGroup("a nursery's", [ValueError("boom")]))))
    assert records.lines == ["node-7 ended: Error(ValueError: boom)"]
    assert records.records[0].exc_info is None


def test_a_group_of_several_exceptions_stays_a_group(log: Callable[[Event], None], records: Records) -> None:
    group = ExceptionGroup("both failed", [ValueError("a"), KeyError("b")])
    log(events.ActorCrashed(CONN, "init", group))
    assert records.lines == ["node-7 at /chat: init raised ExceptionGroup: both failed (2 sub-exceptions)"]


LIMITED = [event for event, _, _ in LINES if logs.RULES[type(event)].limited]


def test_what_a_peer_can_cause_at_will_is_limited() -> None:
    assert {type(event).__name__ for event in LIMITED} == {
        "AcceptFailed",
        "HandoverFailed",
        "AcceptsPaused",
        "ActorCut",
        "CallbackTimedOut",
        "ConnectFailed",
        "Connected",
        "ConnectionLost",
        "HandshakeRefused",
        "HandshakeTimedOut",
        "KeepAliveTimedOut",
        "MailboxFull",
        "MessageMalformed",
        "OutputFull",
        "ProtocolViolated",
        "RateLimited",
        "ReadingPaused",
        "ResponseCut",
        "SessionLost",
        "SlowCallback",
    }


@pytest.mark.parametrize("event", LIMITED, ids=lambda event: type(event).__name__)
def test_a_flood_makes_one_line_a_second_and_the_next_line_counts_the_rest(
    log: Callable[[Event], None], records: Records, clock: Clock, event: Event
) -> None:
    for _ in range(512):
        log(event)
        clock.now += 1 / 1024
    assert len(records.lines) == 1
    clock.now += 0.5
    log(event)
    assert records.lines[1:] == [records.lines[0] + " (and 511 more like it)"]
    clock.now += 1
    log(event)
    assert records.lines[2:] == [records.lines[0]]


def test_clients_that_are_timed_out_make_one_line_a_second_and_hide_no_other_end(
    log: Callable[[Event], None], records: Records, clock: Clock
) -> None:
    silent, full, left = (
        events.ActorEnded(CONN, reason)
        for reason in (reasons.Timeout("idle"), reasons.Overflow(), reasons.Remote(1000))
    )
    for event in (silent, full, left) * 3:
        log(event)
    assert len(records.lines) == 2 + 3
    clock.now += 1
    log(silent)
    assert records.lines[-1] == records.lines[0] + " (and 2 more like it)"


NOBODY = Unreachable("ws://host/", "nobody there")
GIVEN_UP: list[tuple[Event, int, str]] = [
    (
        events.ConnectFailed("ws://host/", NOBODY, 1, None),
        logging.ERROR,
        "can't connect to ws://host/: nobody there; given up",
    ),
    (
        events.ConnectFailed("ws://host/", NOBODY, 5, None, "max_attempts"),
        logging.ERROR,
        "can't connect to ws://host/: nobody there; given up after 5 failures",
    ),
    (
        events.ConnectionLost(CONN, "ws://host/", reasons.Remote(1000), None),
        logging.INFO,
        "node-7 has lost its connection to ws://host/: Remote(code=1000, reason=''); it is over",
    ),
    (
        events.ConnectionLost(CONN, "ws://host/", reasons.Error(BOOM), None, "max_attempts"),
        logging.ERROR,
        "node-7 has lost its connection to ws://host/: Error(ValueError: boom); given up",
    ),
]


@pytest.mark.parametrize(("event", "level", "line"), GIVEN_UP, ids=[line[-25:] for _, _, line in GIVEN_UP])
def test_the_last_word_about_an_outbound_connection_is_never_left_out(
    log: Callable[[Event], None], records: Records, event: Event, level: int, line: str
) -> None:
    for _ in range(3):
        log(event)
    assert [(record.levelno, record.getMessage()) for record in records.records] == [(level, line)] * 3


def test_a_flood_of_one_kind_hides_no_other_kind(log: Callable[[Event], None], records: Records) -> None:
    for event, _, line in LINES * 2:
        log(event)
        assert line in records.lines


def test_crashes_are_never_left_out(log: Callable[[Event], None], records: Records) -> None:
    for _ in range(5):
        log(events.ActorCrashed(CONN, "init", BOOM))
    assert len(records.lines) == 5


def test_a_level_that_is_off_costs_nothing_and_counts_nothing(
    log: Callable[[Event], None], logger: logging.Logger, records: Records
) -> None:
    refused = events.HandshakeRefused(400, "bad", "10.0.0.1")
    logger.setLevel(logging.WARNING)
    log(refused)
    log(events.ActorStarted(None))  # type: ignore[arg-type]  # it would fail on conn.id, were it looked at
    logger.setLevel(logging.INFO)
    log(refused)
    assert records.lines == ["refused 10.0.0.1 with status 400: bad"]


@pytest.mark.parametrize(("level", "lines"), [(logging.DEBUG, 2), (logging.INFO, 0)])
async def test_clients_that_come_and_go_are_told_of_while_the_level_is_debug(
    logger: logging.Logger, records: Records, level: int, lines: int
) -> None:
    logger.setLevel(logging.WARNING)
    async with trio.open_nursery() as nursery:
        served = await nursery.start(partial(serve, Echo, port=0, on_event=log_events(logger)))
        logger.setLevel(level)
        async with open_client(served.port) as client:
            await client.echo("hello")
        served.shut_down()
    assert [record.levelno for record in records.records].count(logging.DEBUG) == lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nERROR forged", r"a\nERROR forged"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("straße", "straße"),
        ("x" * 301, "x" * 300 + "..."),
    ],
)
def test_words_of_a_peer_stay_in_their_line(
    log: Callable[[Event], None], records: Records, text: str, shown: str
) -> None:
    log(events.ProtocolViolated(CONN, 1002, text))
    assert records.lines == [f"node-7 broke the protocol, closed with 1002: {shown}"]


def test_an_event_that_somebody_else_made_is_a_debug_line(log: Callable[[Event], None], records: Records) -> None:
    @attrs.frozen
    class Special:
        n: int

    log(Special(5))  # type: ignore[arg-type]
    [record] = records.records
    assert (record.levelno, record.getMessage().endswith("Special(n=5)")) == (logging.DEBUG, True)


def test_the_subscriber_never_raises_and_says_on_stderr_what_went_wrong(
    log: Callable[[Event], None], records: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    log(events.ActorStarted(None))  # type: ignore[arg-type]
    assert records.lines == []
    assert "AttributeError: 'NoneType' object has no attribute 'id'" in capsys.readouterr().err


def test_a_client_of_a_unix_socket_has_no_address_to_show(log: Callable[[Event], None], records: Records) -> None:
    log(events.HandshakeRefused(400, "bad", ""))
    assert records.lines == ["refused a client with status 400: bad"]


def test_without_a_logger_events_go_to_the_one_of_the_package(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="actorws"):
        log_events()(events.ListenerStarted("unix:/run/a.sock"))
    assert caplog.record_tuples == [("actorws", logging.INFO, "listening on unix:/run/a.sock")]
