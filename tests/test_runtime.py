"""The runtime's own part: ids, events, the end of everything."""

from __future__ import annotations

import logging

import pytest

from actorws import events, open_runtime
from actorws.events import BackgroundCrashed


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
