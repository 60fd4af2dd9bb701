"""Questions: what came in time, and how many of those who were asked are missing from it."""

from __future__ import annotations

from collections.abc import Callable

import trio
from trio.testing import wait_all_tasks_blocked

from actorws.cluster.engine import Answers
from actorws.cluster.questions import Question, Questions


async def asked(asked: int, script: Callable[[Question], None], timeout: float = 5.0) -> tuple[Answers, float]:
    """The answers to a question, and how long they took by the clock; ``script`` runs while it waits."""
    questions, found = Questions(), []
    began = trio.current_time()

    async def ask() -> None:
        with questions.open() as question:
            found.append(await question.wait(asked, timeout))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        question = questions.get(1)
        if question is not None:
            script(question)
    assert questions.get(1) is None, "later answers find no question"
    return found[0], trio.current_time() - began


async def test_it_waits_no_longer_than_for_all_answers(autojump_clock):
    def script(question: Question) -> None:
        question.answered(b"a")
        question.answered(b"b")

    assert await asked(2, script) == (Answers((b"a", b"b"), 0), 0.0)


async def test_who_does_not_answer_in_time_is_missing(autojump_clock):
    assert await asked(3, lambda question: question.answered(b"a")) == (Answers((b"a",), 2), 5.0)


async def test_asked_ourselves_one_of_those_asked_is_no_other_node(autojump_clock):
    def script(question: Question) -> None:
        question.came_back()
        question.answered(b"a")

    assert await asked(2, script) == (Answers((b"a",), 0), 0.0)


async def test_nobody_asked_is_nobody_missing(autojump_clock):
    assert await asked(0, lambda question: None) == (Answers((), 0), 0.0)


async def test_asked_nobody_but_ourselves_nobody_is_missing(autojump_clock):
    assert await asked(1, lambda question: question.came_back()) == (Answers((), 0), 0.0)


async def test_when_no_answer_can_come_any_more_it_does_not_wait(autojump_clock):
    def script(question: Question) -> None:
        question.answered(b"a")
        question.end()

    assert await asked(3, script) == (Answers((b"a",), 2), 0.0)


async def test_each_question_has_its_own_answers():
    questions = Questions()
    with questions.open() as first, questions.open() as second:
        assert first.number != second.number
        assert questions.get(first.number) is first
        assert questions.get(second.number) is second
        questions.end()
        assert await first.wait(9, 5.0) == await second.wait(9, 5.0) == Answers((), 9)
