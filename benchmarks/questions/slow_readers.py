"""Slow readers: whether clients that don't read hold up those that do.

Rule owned here: the pace leaves every server time, and the messages are so large that what the slow ones don't take
is more than the kernel keeps for them: the server has to do something about it.
"""

from __future__ import annotations

from benchmarks.contenders import CONTENDERS
from benchmarks.question import Case, Load, Question

#: Who still serves anybody then.
STAY = tuple(each.name for each in CONTENDERS if each.name not in ("trio-websocket", "websockets (trio)"))

QUESTION = Question(
    name="slow_readers",
    title="Slow readers among fast ones",
    text="500 members of a topic get 50 messages of 8 KiB a second. How late they come to those that read, counted "
    "from when each was due: with everybody reading, and with 50 that read nothing. trio-websocket and websockets on "
    "trio are not asked for the latter: they wait for each member in turn, and stop for good at the first slow one.",
    figure="p99_us",
    unit="us from due to delivered, 99th percentile",
    cases=(
        Case("nobody slow", Load("slow", 500, size=8192, path="/topic", rate=50)),
        Case(
            "50 of 500 read nothing",
            Load("slow", 500, size=8192, path="/topic", rate=50, slow=50),
            contenders=STAY,
        ),
    ),
)
