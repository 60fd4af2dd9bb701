"""Browser: the round trip as a page in a real browser sees it.

Most of it is Chromium's own: four of its threads, in two processes, hand each message on, on one core here. What is
left for the server to win is small, which is the point of the question.
"""

from __future__ import annotations

from benchmarks.browser.load import Browser
from benchmarks.question import Case, Question

__all__ = ["QUESTION"]

QUESTION = Question(
    name="browser",
    title="As a real browser sees it",
    text=(
        "A page in headless Chromium measures from `send()` to `onmessage`: one message at a time, 32 at once "
        "(per message), and from publishing to one member until the last of 100 others has it. Chromium keeps its "
        "core busy all the time, so most of what is shown is its own work."
    ),
    cases=(
        Case("echo, 1 in flight", Browser()),
        Case("echo, 32 at once", Browser(window=32)),
        Case("to 100 members", Browser(members=100, path="/topic")),
    ),
    figure="p50_us",
    unit="us, as the page sees it",
)
