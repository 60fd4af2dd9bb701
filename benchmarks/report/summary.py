"""Summary: the table that the README has.

Rule owned here: it stands between two markers and is what the last full run has shown; nobody writes it by hand.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.contender import OURS
from benchmarks.figures import short
from benchmarks.report.results import Answer, CaseAnswer, Run
from benchmarks.report.table import LEGEND, grid

__all__ = ["in_readme", "put_into_readme", "summary"]

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
_BETWEEN = re.compile(f"{BEGIN}\n(.*?)\n{END}", re.DOTALL)


def summary(run: Run) -> str:
    """The scenarios that something is promised for: a row for each, a column for each contender."""
    names = [entrant.name for entrant in run.entrants]
    scenarios = [(answer, case) for answer in run.answers for case in answer.cases if case.promises]
    head = ("", *(f"**{name}**" if name == OURS else name for name in names))
    table = grid([head, *(_row(answer, case, names) for answer, case in scenarios)], numbers=True)
    about = (
        "Microseconds of the server's CPU for each message (delivery, connection), unless another unit is given: "
        f"medians of {run.rounds} rounds, less is better. {run.taken[:10]}, {run.machine.get('processor', 'unknown')}, "
        f"{run.machine.get('python', 'unknown')}."
    )
    notes = [about, *(f"Left out: {who}, because {why}." for who, why in run.left_out.items())]
    if any(case.is_marked(name) for _, case in scenarios for name in names):
        notes.append(LEGEND)
    return table + "\n\n" + "\n".join(notes)


def _row(answer: Answer, case: CaseAnswer, names: list[str]) -> tuple[str, ...]:
    def cell(name: str) -> str:
        spread = case.spread(name, answer.figure)
        if spread is None:
            return "failed" if name in case.failed else "-"
        text = f"**{short(spread.median)}**" if name == OURS else short(spread.median)
        return text + ("\\*" if case.is_marked(name) else "")

    unit = f" ({answer.figure})" if answer.figure != "us" else ""
    return f"{answer.title}, {case.name}{unit}", *map(cell, names)


def in_readme(readme: str) -> str | None:
    """What stands between the markers; ``None`` if they aren't there."""
    found = _BETWEEN.search(readme)
    return found[1] if found else None


def put_into_readme(path: Path, run: Run) -> None:
    """Write the table of ``run`` between the markers. Raises ``ValueError`` if they aren't there."""
    text = path.read_text()
    if in_readme(text) is None:
        raise ValueError(f"{path} has no place for the table: two lines, {BEGIN} and {END}, with a line between them")
    path.write_text(_BETWEEN.sub(lambda _: f"{BEGIN}\n{summary(run)}\n{END}", text))
