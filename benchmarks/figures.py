"""Figures: what was measured, as medians with their spread, in a table and in JSON.

Rule owned here: a figure is never shown without the lowest and the highest of its rounds, and never when one of its
rounds went wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from attrs import define, field, frozen

__all__ = ["Figure", "Figures", "Goal", "Spread", "short"]


@frozen
class Spread:
    """What the rounds of a measurement have shown together."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{short(self.lowest)} - {short(self.highest)}"


@frozen
class Goal:
    """What a median has to be."""

    least: float | None = None
    most: float | None = None

    def is_met(self, value: float) -> bool:
        """Whether ``value`` is good enough."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        return f">= {short(self.least)}" if self.least is not None else f"<= {short(self.most or 0)}"


@define
class Figure:
    """One thing that was measured, a value for each round."""

    question: str
    case: str
    what: str
    """With its unit."""
    goal: Goal | None = None
    values: list[float] = field(factory=list)

    @property
    def spread(self) -> Spread:
        """Of all rounds."""
        return Spread.of(self.values)


class Figures:
    """All of a run."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str, str], Figure] = {}
        self.failures: dict[tuple[str, str], str] = {}
        """What went wrong, by question and case."""
        self.left_out: dict[tuple[str, str], str] = {}
        """What could not be tried here, and why: no fault of what is measured."""

    def add(
        self, question: str, case: str, values: Mapping[str, float], goals: Mapping[str, Goal] | None = None
    ) -> None:
        """What one round of a case has shown."""
        for what, value in values.items():
            key = question, case, what
            if key not in self._figures:
                self._figures[key] = Figure(question, case, what, (goals or {}).get(what))
            self._figures[key].values.append(value)

    def fail(self, question: str, case: str, why: str) -> None:
        """A round of a case went wrong: the case has no figures in this run."""
        self.failures.setdefault((question, case), why)

    def leave_out(self, question: str, case: str, why: str) -> None:
        """A case can't be measured on this machine."""
        self.left_out[question, case] = why

    def good(self) -> list[Figure]:
        """Those of cases in which nothing went wrong."""
        return [figure for key, figure in self._figures.items() if key[:2] not in self.failures]

    def table(self) -> str:
        """For people."""
        rows = [("question", "case", "figure", "median", "lowest - highest", "goal", "")]
        before = ("", "")
        for figure in self.good():
            spread = figure.spread
            goal = "" if figure.goal is None else str(figure.goal)
            met = "" if figure.goal is None else ("met" if figure.goal.is_met(spread.median) else "MISSED")
            is_new = before != (before := (figure.question, figure.case))
            where = before if is_new else ("", "")
            rows.append((*where, figure.what, short(spread.median), str(spread), goal, met))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines += [f"left out  {question}, {case}: {why}" for (question, case), why in self.left_out.items()]
        lines += [f"FAILED  {question}, {case}: {why}" for (question, case), why in self.failures.items()]
        return "\n".join(lines)

    def write(self, path: Path, about: Mapping[str, Any]) -> None:
        """For programs. ``about`` says on what and how it was measured."""
        found = [
            {"question": f.question, "case": f.case, "what": f.what, "median": f.spread.median, "values": f.values}
            for f in self.good()
        ]
        missing = {
            what: [{"question": question, "case": case, "why": why} for (question, case), why in reasons.items()]
            for what, reasons in (("failures", self.failures), ("left out", self.left_out))
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**about, **missing, "figures": found}, indent=1) + "\n")


def short(value: float) -> str:
    """Three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"
