"""Subscribers: one or several, each called with every event."""

from __future__ import annotations

from typing import Any

import pytest

from actorws import ConfigError, open_runtime
from actorws.events import Event, ListenerStarted
from actorws.observability.subscribers import to_all

EVENT = ListenerStarted("unix:/run/a.sock")


def fail(event: Event) -> None:
    raise ValueError(event)


def test_one_is_called_directly() -> None:
    seen: list[Event] = []
    subscriber = seen.append
    assert to_all(subscriber) is subscriber
    assert to_all([subscriber]) is subscriber


def test_several_are_called_in_their_order() -> None:
    seen: list[tuple[int, Event]] = []
    emit = to_all(lambda event, number=number: seen.append((number, event)) for number in range(3))  # type: ignore[misc]
    emit(EVENT)
    emit(EVENT)
    assert seen == [(0, EVENT), (1, EVENT), (2, EVENT)] * 2


def test_what_one_raises_keeps_no_event_from_the_others() -> None:
    seen: list[Event] = []
    to_all([fail, seen.append])(EVENT)
    assert seen == [EVENT]


def test_none_is_fine_too() -> None:
    to_all([])(EVENT)


@pytest.mark.parametrize("wrong", ["print", 5, [print, None], ["ab"]])
def test_what_cannot_be_called_is_an_error_that_shows_it(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="on_event must be a function of an event, or a list of such, not "):
        to_all(wrong)


async def test_a_runtime_takes_one_or_several() -> None:
    seen: list[Event] = []
    for on_event in (seen.append, [fail, seen.append], [fail]):
        async with open_runtime(on_event) as runtime:
            runtime.emit(EVENT)
    assert seen == [EVENT, EVENT]
