"""The check of the log finds what doesn't belong there, and what is missing."""

from __future__ import annotations

import pytest

from tests.soak.log import faults_of_log

TIME = "2026-11-21 15:10:39,666"
TRACEBACK = "Traceback (most recent call last):\n  File ..."
CRASH = f"""\
{TIME} ERROR   actorws: 3f46-218 at /chat: handle_client_message raised Boom: boom! 7
{TRACEBACK}
tests.soak.crashes.Boom: boom! 7
{TIME} ERROR   actorws: 3f46-218 ended: Error(Boom: boom! 7)
"""
REFUSED = f"{TIME} INFO    actorws: refused ('127.0.0.1', 48598) with status 403: rejected by connect\n"
REPLACED = f"{TIME} INFO    actorws: 3f46-149 ended: Replaced(name='crown')\n"


def faults(log: str, crashes: dict[int, bool] | None = None, ended: int = 0, seconds: float = 10) -> list[str]:
    return faults_of_log(log, crashes or {}, ended, seconds)


def test_what_was_to_be_expected_is_right() -> None:
    assert faults(CRASH + REFUSED * 10 + REPLACED, {7: True}, ended=1) == []


def test_a_crash_that_may_have_happened_may_be_told_of_or_not() -> None:
    assert faults(CRASH, {7: False}) == []
    assert faults("", {7: False}) == []


@pytest.mark.parametrize(
    ("log", "crashes", "fault"),
    [
        ("", {7: True}, "crash 7 is told of 0 times"),
        (CRASH * 2, {7: True}, "crash 7 is told of 2 times"),
        (CRASH, {}, "crash 7 is told of, and nobody asked for it"),
        (
            f"{TIME} ERROR   actorws: the background function x raised KeyError\n{TRACEBACK}\nKeyError\n",
            {},
            "a traceback that nobody asked for: 'the background function x raised KeyError', 'KeyError'",
        ),
        (
            CRASH.replace(TRACEBACK, f"{TRACEBACK}\nKeyError\n\nDuring handling ...\n\n{TRACEBACK}"),
            {7: True},
            "several tracebacks below '3f46-218 at /chat: handle_client_message raised Boom: boom! 7'",
        ),
        (f"{TRACEBACK}\nKeyError\n", {}, f"a traceback that nobody asked for: '{TRACEBACK[:34]}', 'KeyError'"),
        (f"{TIME} ERROR   trio: what\n", {}, "an error that nobody asked for: 'what'"),
        (REFUSED * 14, {}, "14 lines of the kind 'refused' in 10 s, not 13 at most"),
        (REPLACED * 2, {}, "2 lines of the kind 'ended' in 10 s, not 0 at most"),
        (f"{TIME} INFO    actorws: hello\n" * 14, {}, "14 lines of the kind 'other' in 10 s, not 13 at most"),
    ],
    ids=[
        "missing crash",
        "doubled crash",
        "crash out of nothing",
        "other traceback",
        "chained traceback",
        "bare traceback",
        "error",
        "flood",
        "flood of ends",
        "flood of others",
    ],
)
def test_what_is_wrong_is_found(log: str, crashes: dict[int, bool], fault: str) -> None:
    assert faults(log, crashes)[0] == fault
