"""Timings: durations that don't fit together are refused."""

from __future__ import annotations

from math import inf, nan

import pytest

from actorws.cluster.timings import Timings
from actorws.exceptions import ConfigError


def test_the_defaults_are_those_of_the_documentation():
    assert Timings() == Timings(lease=10, heartbeat=2.5, margin=1, probe=2, request=2, connect=2, linger=10)


@pytest.mark.parametrize("name", ["lease", "heartbeat", "margin", "probe", "request", "connect", "linger"])
@pytest.mark.parametrize("value", [-1, nan, inf, "2", None])
def test_each_must_be_seconds(name, value):
    with pytest.raises(ConfigError):
        Timings(**{name: value})


@pytest.mark.parametrize("name", ["heartbeat", "margin", "probe", "request", "connect"])
def test_none_but_linger_may_be_0(name):
    Timings(linger=0)
    with pytest.raises(ConfigError, match="must be more than 0 seconds"):
        Timings(**{name: 0})


def test_a_lease_must_outlive_a_lost_heartbeat():
    Timings(lease=6, heartbeat=2.5, margin=1)
    with pytest.raises(ConfigError, match=r"at least two heartbeats and the margin \(6 s\), not 5.9 s"):
        Timings(lease=5.9, heartbeat=2.5, margin=1)
