"""The runtime's own part: ids, events, the end of everything."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio
import trio.testing

from actorws import Backoff, events, open_runtime
from actorws.actor.timers import Expirable
from actorws.events import BackgroundCrashed
from actorws.exceptions import BehaviourError, ConfigError, InvalidUrl
from tests.support.outbound import Quiet


async def test_events_are_logged_unless_somebody_subscribes(caplog: pytest.LogCaptureFixture) -> None:
    async with open_runtime() as runtime:
        runtime.emit(BackgroundCrashed("ticker", ValueError("boom")))
    assert [(record.name, record.levelno) for record in caplog.records] == [("actorws", logging.ERROR)]
    assert "ticker" in caplog.text and "boom" in caplog.text


async def test_a_subscriber_gets_events_instead_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[events.Event] = []
    event = BackgroundCrashed("ticker", ValueError("boom"))
    async with open_runtime(seen.append) as runtime:
        runtime.emit(event)
    assert seen == [event]
    assert not caplog.records


async def test_what_a_subscriber_raises_changes_nothing() -> None:
    def subscriber(event: events.Event) -> None:
        raise ValueError("the subscriber's own fault")

    async with open_runtime(subscriber) as runtime:
        runtime.emit(BackgroundCrashed("ticker", ValueError("boom")))


async def test_two_runtimes_have_two_ids() -> None:
    async with open_runtime() as one, open_runtime() as other:
        assert one.id != other.id


async def test_a_deadline_that_fails_costs_itself_only(autojump_clock: trio.abc.Clock) -> None:
    """It is told, and the timers go on."""
    expired: list[float] = []
    seen: list[events.Event] = []

    class Deadline(Expirable):
        def __init__(self, fails: bool) -> None:
            self.fails = fails

        def expire(self, now: float) -> None:
            expired.append(trio.current_time())
            if self.fails:
                raise LookupError("ours")

    async with open_runtime(seen.append) as runtime:
        for seconds, fails in ((1.0, True), (1.0, False), (2.0, False)):
            runtime.wheel.schedule(Deadline(fails), seconds)
        await trio.sleep(3)
    (crash,) = seen
    assert isinstance(crash, BackgroundCrashed)
    assert (crash.name, [type(error) for error in crash.exception.exceptions]) == ("timers", [LookupError])  # type: ignore[attr-defined]
    assert expired == [pytest.approx(1, abs=0.1), pytest.approx(1, abs=0.1), pytest.approx(2, abs=0.1)]


async def test_who_waits_for_the_last_wire_waits_for_no_other() -> None:
    async with open_runtime() as runtime:
        await runtime.wait_no_wires()
        runtime.wire_opened()
        runtime.wire_opened()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runtime.wait_no_wires)
            await trio.testing.wait_all_tasks_blocked()
            runtime.wire_closed()
            await trio.testing.wait_all_tasks_blocked()
            assert nursery.child_tasks
            runtime.wire_closed()


# What can't be connected at all: see `tests/client` for the rest

BAD: list[tuple[type[Exception], str, dict[str, Any]]] = [
    (InvalidUrl, "ftp", {"url": "ftp://host/"}),
    (InvalidUrl, "ws://", {"url": "ws://"}),
    (InvalidUrl, "int|17", {"url": 17}),
    (BehaviourError, "expected a subclass of Websocket", {"behaviour": object()}),
    (BehaviourError, "expected a subclass of Websocket", {"behaviour": dict}),
    (ConfigError, "restart must be 'permanent', 'transient' or 'temporary', not 'always'", {"restart": "always"}),
    (ConfigError, "backoff must be a Backoff or None, not 3", {"backoff": 3}),
    (ConfigError, "backoff must be a Backoff or None, not <class", {"backoff": Backoff}),
    (ConfigError, "several strings.*not 'chat'", {"subprotocols": "chat"}),
    (ConfigError, "headers must be", {"headers": [("a", "b")]}),
    (ConfigError, "tls must be", {"tls": True}),
    (ConfigError, "proxy must be", {"proxy": False}),
    (ConfigError, "connect_timeout must be", {"connect_timeout": 0}),
    (ConfigError, "handshake_timeout must be", {"handshake_timeout": None}),
    (ConfigError, "max_redirects must be", {"max_redirects": -1}),
    (ConfigError, "open_stream must be", {"open_stream": "a stream"}),
    (ConfigError, "idle_timeout", {"idle_timeout": -1}),
    (ConfigError, "no_such_option", {"no_such_option": 1}),
]


@pytest.mark.parametrize(("error", "words", "argument"), BAD, ids=[str(next(iter(row[2].items()))) for row in BAD])
async def test_a_bad_argument_of_connect_is_raised_by_the_call_and_nothing_is_begun(
    error: type[Exception], words: str, argument: dict[str, Any]
) -> None:
    tried = []

    async def open_stream(host: str, port: int) -> trio.abc.Stream:
        tried.append(host)
        raise OSError("not to be tried")

    arguments = {
        "url": "ws://host/",
        "behaviour": Quiet,
        "restart": "temporary",
        "open_stream": open_stream,
        **argument,
    }
    async with open_runtime(()) as runtime:
        before = len(runtime.nursery.child_tasks)
        with pytest.raises(error, match=words):
            await runtime.connect(**arguments)
        assert len(runtime.nursery.child_tasks) == before
        assert not runtime.connectors and not tried
