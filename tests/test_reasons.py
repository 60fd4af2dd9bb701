"""Reasons: a closed union with one table."""

from __future__ import annotations

import logging
import re
from typing import get_args

import pytest

from actorws import reasons
from actorws.frames import CloseCode, is_sendable
from actorws.reasons import RULES, Error, Overflow, Reason, Remote, Replaced, Timeout

KINDS: tuple[type, ...] = get_args(Reason)


def test_the_table_has_a_row_for_each_reason_and_no_other() -> None:
    assert set(RULES) == set(KINDS)


def test_the_module_exports_each_reason_and_the_union() -> None:
    assert sorted(reasons.__all__) == sorted([kind.__name__ for kind in KINDS] + ["Reason"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_reason_has_a_close_code_that_may_be_sent(kind: type) -> None:
    assert is_sendable(RULES[kind].close_code)


def test_the_table_in_the_docstring_says_what_the_code_does() -> None:
    """The row of each reason shows its log level and, where it is a number, its close code."""
    rows = {
        words[0]: line
        for line in (reasons.__doc__ or "").splitlines()
        if (words := line.split()) and words[0] in {kind.__name__ for kind in KINDS}
    }
    assert set(rows) == {kind.__name__ for kind in KINDS}
    for kind in KINDS:
        row = rows[kind.__name__]
        assert row.split()[-1] == logging.getLevelName(RULES[kind].log_level).lower()
        code = re.search(r"  (\d{4})\b", row)
        if code is not None:
            assert int(code.group(1)) == RULES[kind].close_code


def test_only_a_wire_that_failed_or_is_leaving_can_be_resumed() -> None:
    """What the actor, its supervisor or a rule ended stays ended."""
    assert {kind.__name__ for kind in KINDS if RULES[kind].resumable} == {"Timeout", "Remote", "Shutdown"}


def test_the_peer_that_lost_its_name_is_told_to_stay_away() -> None:
    assert RULES[Replaced].close_code == CloseCode.REPLACED
    assert 4500 <= CloseCode.REPLACED <= 4999


def test_reasons_are_compared_by_what_happened() -> None:
    assert Remote(1000, "bye") == Remote(1000, "bye")
    assert Remote(1000, "bye") != Remote(1001, "bye")
    assert Timeout() == Timeout("idle") != Timeout("ping")
    assert Overflow() == Overflow("mailbox") != Overflow("output")


def test_errors_are_equal_whatever_the_exception() -> None:
    """Two exceptions are never equal, so ``Error(...) == reason`` would be of no use with them."""
    assert Error(ValueError("a")) == Error(KeyError("b"))


def test_a_reason_without_fields_is_hashable_and_short_to_show() -> None:
    assert repr(reasons.Normal()) == "Normal()"
    assert len({reasons.Normal(), reasons.Normal(), reasons.Stop()}) == 2
