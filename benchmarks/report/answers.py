"""Answers: what the rounds of a run have shown so far.

Rule owned here: a contender that failed in one round of a case has no figures in it, and one that can't be asked has
none either; both say why. Must not know what the figures mean.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Answers"]


class Answers:
    """Of all questions, by question, case and contender."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str], dict[str, dict[str, list[float]]]] = {}
        self._failed: dict[tuple[str, str], dict[str, str]] = {}
        self._left_out: dict[tuple[str, str], dict[str, str]] = {}

    def add(self, question: str, case: str, who: str, figures: Mapping[str, float]) -> None:
        """What one round has shown."""
        found = self._figures.setdefault((question, case), {}).setdefault(who, {})
        for name, value in figures.items():
            found.setdefault(name, []).append(value)

    def fail(self, question: str, case: str, who: str, why: str) -> None:
        """It went wrong, in words."""
        self._failed.setdefault((question, case), {}).setdefault(who, why)

    def leave_out(self, question: str, case: str, who: str, why: str) -> None:
        """It can't be measured on this machine."""
        self._left_out.setdefault((question, case), {}).setdefault(who, why)

    def has_failed(self, question: str, case: str, who: str) -> bool:
        """Whether it went wrong in any round."""
        return who in self.failed(question, case)

    def is_settled(self, question: str, case: str, who: str) -> bool:
        """Whether it needn't be asked again."""
        return self.has_failed(question, case, who) or who in self.left_out(question, case)

    def figures(self, question: str, case: str) -> dict[str, dict[str, list[float]]]:
        """By contender and figure, the values of all rounds."""
        found = self._figures.get((question, case), {})
        return {who: figures for who, figures in found.items() if not self.is_settled(question, case, who)}

    def failed(self, question: str, case: str) -> dict[str, str]:
        """Whose it went wrong for, and why."""
        return self._failed.get((question, case), {})

    def left_out(self, question: str, case: str) -> dict[str, str]:
        """Who couldn't be asked, and why."""
        return self._left_out.get((question, case), {})
