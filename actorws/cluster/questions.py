"""Questions: what this node has asked others, until they have answered or the time is up.

Rule owned here: the answer says how many of those who were asked are missing from it. Must not know what is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import trio

from actorws.cluster.engine import Answers

__all__ = ["Question", "Questions"]


class Question:
    """One question."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_over = False
        self._payloads: list[bytes] = []
        #: Whether we were asked ourselves: then one of those who were is no other node.
        self._came_back = False
        self._news = trio.Event()

    def answered(self, payload: bytes) -> None:
        """An answer has come."""
        self._payloads.append(payload)
        self._news.set()

    def came_back(self) -> None:
        """The question has come to this node, too."""
        self._came_back = True
        self._news.set()

    def end(self) -> None:
        """No answer will come any more."""
        self.is_over = True
        self._news.set()

    async def wait(self, asked: int, timeout: float) -> Answers:
        """Wait until all ``asked`` have answered, or the question has come back from them, or ``timeout`` seconds."""
        with trio.move_on_after(timeout):
            while len(self._payloads) + self._came_back < asked and not self.is_over:
                self._news = trio.Event()
                await self._news.wait()
        return Answers(tuple(self._payloads), max(0, asked - self._came_back - len(self._payloads)))


class Questions:
    """All that are open."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._open: dict[int, Question] = {}

    @contextmanager
    def open(self) -> Iterator[Question]:
        """A new question, open for as long as the block lasts."""
        question = Question(next(self._numbers))
        self._open[question.number] = question
        try:
            yield question
        finally:
            del self._open[question.number]

    def get(self, number: int) -> Question | None:
        """An open question; to one that is closed already every answer is late."""
        return self._open.get(number)

    def end(self) -> None:
        """No answer will come any more."""
        for question in self._open.values():
            question.end()
