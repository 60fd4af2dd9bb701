"""Table: a run in Markdown.

Rule owned here: nothing is hidden. A figure has the lowest and the highest of its rounds beside it, and a star where
the load may have been the limit; who failed, or was left out, is named with the reason; a promise is met or MISSED.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from benchmarks.contender import OURS
from benchmarks.figures import short
from benchmarks.question import Promise
from benchmarks.report.results import Answer, CaseAnswer, Run

__all__ = ["LEGEND", "grid", "promises", "question", "report"]

LEGEND = "\\* The load was more than 85 % busy in one of the rounds, so the server may not have been the limit."


def report(run: Run, charts: str = "charts") -> str:
    """The whole run; ``charts`` is the folder of the pictures, as seen from the report."""
    parts = ["# Benchmarks", _about(run), *_left_out(run), "## What was promised", promises(run)]
    for answer in run.answers:
        figure = f"The figure: {answer.unit}. Medians, with the lowest and the highest in brackets; less is better."
        parts += [f"## {answer.title}", answer.text, figure]
        if _has_figures(answer):
            parts.append(f"![{answer.title}]({charts}/{answer.name}.svg)")
        parts.append(question(run, answer))
    return "\n\n".join(part for part in parts if part) + "\n"


def _has_figures(answer: Answer) -> bool:
    return any(case.spread(who, answer.figure) for case in answer.cases for who in case.figures)


def _about(run: Run) -> str:
    how = f"A {run.kind} run of {run.taken}: {run.rounds} rounds, {run.seconds:g} s for each case in each of them."
    machine = "\n".join(f"- {name}: {value}" for name, value in run.machine.items())
    return f"{how}\n\n{machine}\n\n" + grid(
        [("contender", "what it consists of"), *((each.name, each.consists_of) for each in run.entrants)]
    )


def _left_out(run: Run) -> Iterator[str]:
    if run.left_out:
        yield "\n".join(f"- left out: {who}, because {why}" for who, why in run.left_out.items())


def question(run: Run, answer: Answer) -> str:
    """One question: a row for each contender, a column for each case."""
    rows = [("", *(case.name for case in answer.cases))]
    for who in run.in_order(answer.entrants()):
        name = f"{who} (the floor)" if run.family(who) == "floor" else who
        rows.append((_bold(who, name), *(_cell(case, who, answer.figure) for case in answer.cases)))
    notes = list(_notes(answer))
    return grid(rows, numbers=True) + ("\n\n" + "\n".join(notes) if notes else "")


def _bold(who: str, text: str) -> str:
    return f"**{text}**" if who == OURS else text


def _cell(case: CaseAnswer, who: str, figure: str) -> str:
    spread = case.spread(who, figure)
    if spread is None:
        return "failed" if who in case.failed else "left out" if who in case.left_out else ""
    star = "\\*" if case.is_marked(who) else ""
    return f"{_bold(who, short(spread.median))}{star} ({spread})"


def _notes(answer: Answer) -> Iterator[str]:
    for case in answer.cases:
        yield from (f"- left out: {who}, {case.name}, because {why}" for who, why in case.left_out.items())
        yield from (f"- FAILED: {who}, {case.name}: {why}" for who, why in case.failed.items())
    if any(case.is_marked(who) for case in answer.cases for who in case.figures):
        yield f"- {LEGEND}"


def promises(run: Run) -> str:
    """What our figures were to be, and what they are; nothing where no promise was asked."""
    rows = [
        (f"{answer.title}, {case.name}", *_judged(run, answer, case, promise))
        for answer in run.answers
        for case in answer.cases
        for promise in case.promises
    ]
    return grid([("scenario", "goal", "measured", ""), *rows]) if rows else ""


def _judged(run: Run, answer: Answer, case: CaseAnswer, promise: Promise) -> tuple[str, str, str]:
    """The goal, what was measured, and whether the one is the other."""
    beside, of = _beside(run, answer, case, promise)
    ours = case.spread(OURS, answer.figure)
    theirs = None if beside is None else beside.spread(promise.peer, answer.figure)
    goal = f"<= {short(promise.factor)} x {promise.peer}{of}" if promise.peer else f"<= {short(promise.most)}"
    if ours is None:
        return goal, "", f"not measured{_why(case, OURS)}"
    if not promise.peer:
        return goal, short(ours.median), _verdict(ours.median <= promise.most)
    if theirs is None:
        return goal, short(ours.median), f"{promise.peer} was not measured{_why(beside or case, promise.peer)}"
    ratio = ours.median / theirs.median if theirs.median else inf
    measured = f"{ratio:.2f} x ({short(ours.median)} to {short(theirs.median)})"
    return goal, measured, _verdict(ours.median <= promise.factor * theirs.median)


def _beside(run: Run, answer: Answer, case: CaseAnswer, promise: Promise) -> tuple[CaseAnswer | None, str]:
    """The case in which the peer's figure stands, if that was asked, and how another question is called."""
    if promise.asked in ("", answer.name):
        return case, ""
    other = next((each for each in run.answers if each.name == promise.asked), None)
    found = next((each for each in other.cases if each.name == case.name), None) if other else None
    return found, f" in {repr(promise.asked) if other is None else other.title}"


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "**MISSED**"


def _why(case: CaseAnswer, who: str) -> str:
    why = case.failed.get(who) or case.left_out.get(who)
    return f": {why}" if why else ""


def grid(rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """A table in Markdown that can be read as it is, too; the first row is its head.

    ``numbers``: all columns but the first are figures, which stand under one another.
    """
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *map(len, column)) for column in zip(*escaped, strict=True)]
    rule = [f"{'-' * (width - 1)}{':' if numbers and column else '-'}" for column, width in enumerate(widths)]
    lines = [
        " | ".join(
            cell.rjust(width) if numbers and column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (escaped[0], rule, *escaped[1:])
    ]
    return "\n".join(f"| {line} |" for line in lines)
