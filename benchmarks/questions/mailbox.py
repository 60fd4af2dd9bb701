"""Mailbox: an actor that gets more than it handles at once.

Rule owned here: the callback is an ``async def``, so that the messages do wait; beside it stand the queues from which
a task would read them.
"""

from __future__ import annotations

from benchmarks.programs.measured import program
from benchmarks.question import Case, Question

VARIANTS = ("actorws", "trio memory channel", "asyncio.Queue")
MESSAGES = (100, 1000, 10_000, 100_000)

QUESTION = Question(
    name="mailbox",
    title="A flooded mailbox",
    text="So many messages are sent to one actor in a row and handled by its async def callback, one by one; beside a "
    "task that reads them from a queue. Flat: a long mailbox is no dearer, for each message, than a short one.",
    unit="us of CPU per message",
    axis="messages in a row",
    cases=tuple(
        Case(f"{number} messages", program("mailbox", VARIANTS, "flood", str(number)), at=number) for number in MESSAGES
    ),
)
