"""Results: a run, as it is kept in a file.

Rule owned here: the file has all that a report needs, so that tables and charts can be made of it anew, on any machine
and when the questions have changed; and a file that is something else is refused in a sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from attrs import asdict, field, frozen

from benchmarks.contender import Family
from benchmarks.figures import Spread
from benchmarks.question import Case, Promise, Question
from benchmarks.report.answers import Answers

__all__ = ["Answer", "CaseAnswer", "Entrant", "Run", "answered", "read", "write"]

SCHEMA = 1
#: The share of a core above which the load may have been what limited a server.
BUSY = 0.85


@frozen
class Entrant:
    """A contender."""

    name: str
    family: Family
    consists_of: str = ""
    """With versions."""


@frozen
class CaseAnswer:
    """One case."""

    name: str
    at: float | None = None
    promises: tuple[Promise, ...] = ()
    figures: dict[str, dict[str, list[float]]] = field(factory=dict)
    """By contender and figure, the values of all rounds."""
    failed: dict[str, str] = field(factory=dict)
    """Whose it went wrong for, and why."""
    left_out: dict[str, str] = field(factory=dict)
    """Who couldn't be asked on that machine, and why."""

    def spread(self, who: str, figure: str) -> Spread | None:
        """Of a contender's rounds; ``None`` if there were none."""
        values = self.figures.get(who, {}).get(figure)
        return Spread.of(values) if values else None

    def is_marked(self, who: str) -> bool:
        """Whether the load was so busy in one of the rounds that it may have been the limit."""
        return max(self.figures.get(who, {}).get("busy", [0.0])) > BUSY


@frozen
class Answer:
    """One question, as it was asked."""

    name: str
    title: str
    text: str
    figure: str
    unit: str
    axis: str | None
    cases: tuple[CaseAnswer, ...]

    def entrants(self) -> list[str]:
        """Everybody who was asked, in order of appearance."""
        return list(dict.fromkeys(who for case in self.cases for who in (*case.figures, *case.failed, *case.left_out)))


@frozen
class Run:
    """A whole run."""

    schema: int = field(default=SCHEMA, kw_only=True)
    taken: str
    """When it began: ISO 8601, in UTC."""
    kind: str
    """``quick`` or ``full``."""
    machine: dict[str, str]
    """What it was taken on, with cores and limits."""
    rounds: int
    seconds: float
    """Of each case in each round."""
    entrants: tuple[Entrant, ...]
    """Contenders that were measured, in order."""
    left_out: dict[str, str]
    """Contenders that couldn't be, and why."""
    answers: tuple[Answer, ...]

    def family(self, who: str) -> Family | None:
        """``None`` for a variant of a program."""
        return next((entrant.family for entrant in self.entrants if entrant.name == who), None)

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Contenders as they stand in the list, then what is none, as it comes."""
        order = [entrant.name for entrant in self.entrants]
        return sorted(names, key=lambda name: order.index(name) if name in order else len(order))

    def failures(self) -> Iterator[tuple[str, str, str, str]]:
        """Question, case, contender, reason."""
        for answer in self.answers:
            for case in answer.cases:
                for who, why in case.failed.items():
                    yield answer.name, case.name, who, why


def answered(questions: Sequence[Question], answers: Answers) -> tuple[Answer, ...]:
    """The questions with what was found."""

    def one(question: Question, case: Case) -> CaseAnswer:
        key = question.name, case.name
        return CaseAnswer(
            case.name, case.at, case.promises, answers.figures(*key), answers.failed(*key), answers.left_out(*key)
        )

    return tuple(
        Answer(
            each.name, each.title, each.text, each.figure, each.unit, each.axis, tuple(one(each, c) for c in each.cases)
        )
        for each in questions
    )


def write(path: Path, run: Run) -> None:
    """Keep ``run`` in a file, in which changes can be read line by line."""
    text = json.dumps(asdict(run), indent=1)
    # The values of a figure stand in one line, with the digits that count.
    text = re.sub(r"\[\s*([-+.\deE,\s]+?)\s*\]", lambda found: f"[{_rounded(found[1])}]", text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def _rounded(values: str) -> str:
    return ", ".join(f"{float(value):.6g}" for value in values.split(","))


def read(path: Path) -> Run:
    """What ``write`` has kept. Raises ``OSError``, or ``ValueError`` if the file is something else."""
    data = path.read_bytes()
    try:
        run = msgspec.json.decode(data, type=Run)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path} is no run of the benchmarks: {error}") from error
    if run.schema != SCHEMA:
        raise ValueError(f"{path} has schema {run.schema}, and this reads {SCHEMA}: run the benchmarks again")
    return run
