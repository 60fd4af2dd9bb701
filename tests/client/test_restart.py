"""Restart: what ends for good and what comes back, by type."""

from __future__ import annotations

from typing import get_args

import pytest

from actorws import reasons
from actorws.client.restart import Restart, check_restart, is_worth_another_try, restarts_after
from actorws.exceptions import (
    ConfigError,
    ConnectError,
    ConnectTimeout,
    NotWebsocket,
    ProtocolError,
    ProxyFailed,
    Rejected,
    TlsFailed,
    Unreachable,
)

TYPES = get_args(Restart)
URL = "ws://host/"

#: Ends, and whether a transient one comes back.
ENDS = [
    (reasons.Normal(), False),
    (reasons.Stop(), False),
    (reasons.Timeout("idle"), True),
    (reasons.Timeout("ping"), True),
    (reasons.Timeout("close"), False),
    (reasons.Remote(1000), False),
    (reasons.Remote(1001, "going away"), True),
    (reasons.Remote(1005), False),
    (reasons.Remote(1006), True),
    (reasons.Remote(1008), True),
    (reasons.Remote(1011), True),
    (reasons.Remote(1012), True),
    (reasons.Remote(1013), True),
    (reasons.Remote(3000), True),
    (reasons.Remote(4000), True),
    (reasons.Remote(4499), True),
    (reasons.Remote(4500), False),
    (reasons.Remote(4999), False),
    (reasons.Error(ValueError()), True),
    (reasons.Error(ProtocolError(1002, "reserved bits")), True),
    (reasons.Replaced("name"), False),
    (reasons.Expired(), True),
    (reasons.Overflow("mailbox"), True),
    (reasons.Overflow("output"), True),
    (reasons.LeaseLost("name"), True),
]


def test_every_reason_is_in_the_table_below():
    assert {type(reason) for reason, _ in ENDS} | {reasons.Shutdown} == set(get_args(reasons.Reason))


@pytest.mark.parametrize(("reason", "comes_back"), ENDS, ids=[repr(reason) for reason, _ in ENDS])
def test_a_transient_one_comes_back_unless_its_end_was_normal_the_others_always_and_never(reason, comes_back):
    assert [restarts_after(reason, kind) for kind in TYPES] == [True, comes_back, False]


@pytest.mark.parametrize("kind", TYPES)
def test_nobody_comes_back_to_a_runtime_that_goes_away(kind):
    assert not restarts_after(reasons.Shutdown(), kind)


FAILURES = [
    Unreachable(URL, "nobody there"),
    ProxyFailed(URL, "no way"),
    TlsFailed(URL, "cut", is_final=False),
    ConnectTimeout(URL, "late", "connect_timeout"),
    Rejected(URL, 503, {}),
    Rejected(URL, 500, {}),
    Rejected(URL, 429, {}),
    Rejected(URL, 408, {}),
    ConnectError(URL, "no headers"),
]
MISTAKES = [
    TlsFailed(URL, "another name"),
    NotWebsocket(URL, "a page"),
    Rejected(URL, 400, {}),
    Rejected(URL, 404, {}),
    Rejected(URL, 302, {}),
]
GOODBYES = [Rejected(URL, status, {}) for status in (401, 403, 410)]


def tries_again(error: ConnectError, *, was_connected: bool) -> list[bool]:
    return [is_worth_another_try(error, kind, was_connected=was_connected) for kind in TYPES]


@pytest.mark.parametrize("error", FAILURES, ids=str)
def test_what_may_pass_is_waited_for(error):
    assert tries_again(error, was_connected=False) == [True, True, False]
    assert tries_again(error, was_connected=True) == [True, True, False]


@pytest.mark.parametrize("error", MISTAKES, ids=str)
def test_a_mistake_ends_the_first_try_and_is_an_outage_for_one_who_was_connected(error):
    assert tries_again(error, was_connected=False) == [False, False, False]
    assert tries_again(error, was_connected=True) == [True, True, False]


@pytest.mark.parametrize("error", GOODBYES, ids=str)
def test_who_is_not_let_in_any_more_stays_away_unless_it_is_permanent(error):
    assert tries_again(error, was_connected=False) == [False, False, False]
    assert tries_again(error, was_connected=True) == [True, False, False]


@pytest.mark.parametrize("word", ["always", "", None, 1, ["permanent"]])
def test_another_word_is_an_error_that_says_which_there_are(word):
    with pytest.raises(ConfigError, match="'permanent', 'transient' or 'temporary', not"):
        check_restart(word)
