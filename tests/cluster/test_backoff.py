"""Backoff: waits double up to a bound, spread by jitter, and begin anew after what held for long enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.cluster.backoff import Backoff


def test_waits_double_up_to_a_bound():
    backoff = Backoff(0.05, 2.0, chance=lambda: 0.0)
    waits = [backoff.failed() for _ in range(8)]
    assert waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_jitter_takes_up_to_a_half():
    least, most = Backoff(1.0, chance=lambda: 0.999), Backoff(1.0, chance=lambda: 0.0)
    assert least.failed() == pytest.approx(0.5, abs=0.001)
    assert most.failed() == 1.0


@given(st.lists(st.floats(0, 4.9)))
def test_what_holds_for_a_short_time_is_one_more_failure(held):
    backoff = Backoff(0.05, 2.0, 5.0, chance=lambda: 0.0)
    waits = [backoff.failed(seconds) for seconds in held]
    assert waits == [min(0.05 * 2**n, 2.0) for n in range(len(held))]


def test_what_has_held_for_long_enough_begins_anew():
    backoff = Backoff(0.05, 2.0, 5.0, chance=lambda: 0.0)
    for _ in range(10):
        backoff.failed()
    assert [backoff.failed(5.0), backoff.failed()] == [0.05, 0.1]
