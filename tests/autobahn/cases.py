"""The cases of Autobahn's testsuite: their order, their sections, and the groups in which they are run.

Rule owned here: which cases a pattern stands for, and how long a group may take before it is stopped.
Must not know how a case is run or judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from attrs import frozen

__all__ = ["SECTIONS", "Group", "NoSuchCase", "groups", "number", "section", "select"]

#: What there is; the numbers between are those of drafts and of cases that were never written.
SECTIONS = {
    1: "framing",
    2: "pings and pongs",
    3: "reserved bits",
    4: "opcodes",
    5: "fragmentation",
    6: "UTF-8",
    7: "closing",
    9: "limits and speed",
    10: "auto-fragmentation",
    12: "compression: payloads",
    13: "compression: parameters",
}
SPEED, COMPRESSION = 9, (12, 13)
#: Up to so many messages a case, a whole section with compression is one group: it takes 5 s.
FEW_MESSAGES = 20
#: What a group may take, ten times what it does: at most 5 s, but section 9 takes 10 s, or 39 s where nothing of the
#: suite is in C; a case with compression 20 ms, and for each of its messages 2 to 5 ms (of 16 bytes to 128 KiB).
SECONDS, SPEED_SECONDS, CASE_SECONDS, MESSAGE_SECONDS = 60.0, 300.0, 0.5, 0.05


class NoSuchCase(ValueError):
    """A pattern stands for nothing."""


def number(case: str) -> tuple[int, ...]:
    """By which cases are put in order: ``"9.10"`` comes behind ``"9.9"``."""
    return tuple(int(part) for part in case.split("."))


def section(case: str) -> int:
    """The section of a case."""
    return number(case)[0]


def select(known: Iterable[str], patterns: Sequence[str] = ()) -> list[str]:
    """The cases, in order, that any pattern stands for: ``7.1.5``, ``6.4`` (and ``6.4.*``), ``1-7``. None: all.

    Raises ``NoSuchCase`` for a pattern that stands for nothing.
    """
    ordered = sorted(set(known), key=number)
    chosen = set(ordered) if not patterns else set()
    for pattern in patterns:
        found = {case for case in ordered if _matches(pattern, case)}
        if not found:
            raise NoSuchCase(f"no case is meant by {pattern!r}; write 7.1.5, 6.4, 9 or 1-7")
        chosen |= found
    return [case for case in ordered if case in chosen]


def _matches(pattern: str, case: str) -> bool:
    if sections := re.fullmatch(r"(\d+)-(\d+)", pattern):
        first, last = map(int, sections.groups())
        return first <= section(case) <= last
    return f"{case}.".startswith(pattern.removesuffix("*").removesuffix(".") + ".")


@frozen
class Group:
    """Cases that one process of the suite runs in a row."""

    name: str
    cases: tuple[str, ...]
    budget: float
    """Seconds after which it is stopped."""


def groups(cases: Iterable[str], messages: int) -> list[Group]:
    """A group for each section; for each part of a section with compression that takes minutes."""
    members: dict[str, list[str]] = {}
    for case in cases:
        depth = 2 if section(case) in COMPRESSION and messages > FEW_MESSAGES else 1
        members.setdefault(".".join(case.split(".")[:depth]), []).append(case)
    return [Group(name, tuple(found), _budget(found, messages)) for name, found in members.items()]


def _budget(cases: Sequence[str], messages: int) -> float:
    if section(cases[0]) in COMPRESSION:
        return SECONDS + len(cases) * (CASE_SECONDS + messages * MESSAGE_SECONDS)
    return SPEED_SECONDS if section(cases[0]) == SPEED else SECONDS
