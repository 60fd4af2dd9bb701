"""Backoff: waits grow up to a bound, spread by jitter, and begin anew after what held for long enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.backoff import Backoff, Waits
from actorws.exceptions import ConfigError

OPTIONS = Backoff(initial=0.05, maximum=2.0, health_time=5.0)


def longest(options: Backoff = OPTIONS) -> Waits:
    return Waits(options, chance=lambda: 0.0)


def test_waits_grow_up_to_a_bound():
    waits = longest()
    assert [waits.failed() for _ in range(8)] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_the_first_wait_keeps_to_the_bound_too():
    waits = longest(Backoff(initial=5.0, maximum=2.0))
    assert [waits.failed(), waits.failed()] == [2.0, 2.0]


@pytest.mark.parametrize(("jitter", "least"), [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)])
def test_jitter_is_the_share_that_is_left_to_chance(jitter, least):
    options = Backoff(initial=1.0, jitter=jitter)
    assert Waits(options, chance=lambda: 0.999).failed() == pytest.approx(least, abs=0.002)
    assert Waits(options, chance=lambda: 0.0).failed() == 1.0


@given(st.lists(st.floats(0, 4.9)))
def test_what_holds_for_a_short_time_is_one_more_failure(held):
    waits = longest()
    assert [waits.failed(seconds) for seconds in held] == [min(0.05 * 2**n, 2.0) for n in range(len(held))]
    assert waits.failures == len(held)


def test_what_has_held_for_long_enough_begins_anew():
    waits = longest()
    for _ in range(10):
        waits.failed()
    assert [waits.failed(5.0), waits.failed()] == [0.05, 0.1]
    assert waits.failures == 2


def test_what_never_held_is_no_end_of_something_good():
    waits = longest(Backoff(initial=1, maximum=4, health_time=0, max_attempts=3))
    assert [waits.failed(), waits.failed(), waits.failed()] == [1, 2, 4]
    assert waits.are_over
    assert waits.failed(0.0) == 1
    assert not waits.are_over


def test_a_long_outage_makes_no_number_that_is_too_large():
    waits = longest(Backoff(factor=1000.0))
    assert [waits.failed() for _ in range(2000)][-1] == 20.0


def test_after_so_many_failures_in_a_row_they_are_over():
    waits = longest(Backoff(max_attempts=2, health_time=1.0))
    ends = []
    for held in (0.0, 1.0, 0.5, 0.0):
        waits.failed(held)
        ends.append(waits.are_over)
    assert ends == [False, False, True, True]


@pytest.mark.parametrize(
    "options",
    [
        {"initial": 0},
        {"maximum": -1},
        {"factor": 0.5},
        {"jitter": 1.1},
        {"jitter": True},
        {"health_time": -1},
        {"max_attempts": 0},
        {"max_attempts": 1.5},
        {"initial": float("nan")},
        {"maximum": float("inf")},
        {"jitter": "much"},
    ],
)
def test_a_value_out_of_its_range_is_an_error_that_names_it(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        Backoff(**options)
