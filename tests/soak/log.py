"""Log: whether the server's log says what it has to, and nothing else.

Rule owned here: one traceback for each crash on demand and none besides; of what peers cause, a line a second of each
kind, and one for each connection that the server itself ended. Must not know how the server writes it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

__all__ = ["faults_of_log"]

RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (\w+) +\S+: (.*)")
CRASH = re.compile(r"boom! (\d+)")
#: What tells the kinds of lines that come once a second at most.
LIMITED = (
    "refused",
    "broke the protocol",
    "can't accept",
    "mailbox is full",
    "bytes wait for the client",
    "held up every connection",
    "was cancelled after",
    "no request came in time",
    "the client sends more than",
    "was cut short",
    "the time to shut down is over",
)
#: Lines of a kind beyond one a second: at the begin and the end of a second.
SPARE = 3


class Record:
    """One line of the log, and what stands below it."""

    def __init__(self, level: str, text: str) -> None:
        self.level = level
        self.text = text
        self.below: list[str] = []

    @property
    def crash(self) -> int | None:
        """The number of the crash on demand that it is about."""
        found = CRASH.search(self.text)
        return int(found[1]) if found else None


def records(log: str) -> list[Record]:
    """The log, line by line. What stands above the first line is one of its own."""
    found: list[Record] = []
    for line in log.splitlines():
        if match := RECORD.fullmatch(line):
            found.append(Record(match[1], match[2]))
        elif found:
            found[-1].below.append(line)
        else:
            found.append(Record("ERROR", line))
    return found


def faults_of_log(log: str, crashes: Mapping[int, bool], ended: int, seconds: float) -> list[str]:
    """What is wrong with a log of ``seconds``.

    ``crashes`` says for each number whether it is certain that it happened; ``ended`` is how many connections the
    server may have ended for a reason that has a line of its own.
    """
    faults: list[str] = []
    told: Counter[int] = Counter()
    kinds: Counter[str] = Counter()
    for record in records(log):
        if record.crash is not None and " raised " in record.text:
            told[record.crash] += 1
            if sum(line.startswith("Traceback") for line in record.below) > 1:
                faults.append(f"several tracebacks below {record.text!r}")
        elif record.below:
            faults.append(f"a traceback that nobody asked for: {record.text!r}, {record.below[-1]!r}")
        elif record.level == "ERROR" and record.crash is None:
            faults.append(f"an error that nobody asked for: {record.text!r}")
        else:
            kinds[_kind(record)] += 1
    for number in {*crashes, *told}:
        if number not in crashes:
            faults.append(f"crash {number} is told of, and nobody asked for it")
        elif told[number] > 1 or (crashes[number] and not told[number]):
            faults.append(f"crash {number} is told of {told[number]} times")
    for kind, count in kinds.items():
        most = {"ended": ended, "crash": len(crashes)}.get(kind, seconds + SPARE)
        if count > most:
            faults.append(f"{count} lines of the kind {kind!r} in {seconds:.0f} s, not {most:.0f} at most")
    return faults


def _kind(record: Record) -> str:
    if record.crash is not None:
        return "crash"
    if " ended: " in record.text:
        return "ended"
    return next((kind for kind in LIMITED if kind in record.text), "other")
