"""A run as text: a row for each section, every case that isn't OK, and the verdict.

Rule owned here: nothing that isn't OK is left out, accepted or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

from attrs import frozen

from tests.autobahn.cases import SECTIONS, number, section
from tests.autobahn.judge import RACES, Offence, judge
from tests.autobahn.result import FAILED, INFORMATIONAL, NON_STRICT, OK, UNIMPLEMENTED, Result
from tests.autobahn.suite import Outcome

__all__ = ["Report"]

BEHAVIORS = (OK, NON_STRICT, INFORMATIONAL, FAILED, UNIMPLEMENTED)
COLUMNS = ("cases", *BEHAVIORS, "bad close", "unfinished", "seconds")
NAME_WIDTH = 2 + max(len(f"{key} {title}") for key, title in SECTIONS.items())


@frozen
class Report:
    """What came of all groups of a run."""

    outcomes: Sequence[Outcome]
    server_trouble: str | None = None
    """How the server failed, if it did."""
    races: Set[str] = RACES
    """Cases that may be NON-STRICT."""

    @property
    def cases(self) -> list[str]:
        """What was to be run."""
        return [case for outcome in self.outcomes for case in outcome.group.cases]

    @property
    def results(self) -> list[Result]:
        return [result for outcome in self.outcomes for result in outcome.results]

    @property
    def offences(self) -> list[Offence]:
        return judge(self.cases, self.results, self.races)

    @property
    def troubles(self) -> list[str]:
        """What cut groups short, and what the server did at its end."""
        troubles = [f"{outcome.group.name}: {outcome.trouble}" for outcome in self.outcomes if outcome.trouble]
        return [*troubles, *([self.server_trouble] if self.server_trouble else [])]

    @property
    def passed(self) -> bool:
        """Whether there was something to be run, and nothing was wrong with it."""
        return bool(self.cases) and not self.offences and not self.troubles

    def __str__(self) -> str:
        """The table and the lists."""
        refused = {offence.case for offence in self.offences}
        accepted = [str(r) for r in self.results if not r.plain and r.case not in refused]
        lines = [*self._rows()]
        lines += _list("not OK, as the suite allows", sorted(accepted, key=lambda line: number(line.split()[0])))
        lines += _list("refused", [str(offence) for offence in self.offences])
        lines += _list("trouble", self.troubles)
        lines.append("passed" if self.passed else "not passed")
        return "\n".join(lines)

    def _rows(self) -> list[str]:
        keys = sorted({section(case) for case in self.cases})
        rows = [_line("section", COLUMNS)]
        rows += [_line(f"{key} {SECTIONS[key]}", self._cells({key})) for key in keys]
        return [*rows, _line("all", self._cells(set(keys)))]

    def _cells(self, keys: set[int]) -> list[str]:
        cases = {case for case in self.cases if section(case) in keys}
        results = [result for result in self.results if result.case in cases]
        behaviors = Counter(result.behavior for result in results)
        bad = sum(result.close not in (OK, INFORMATIONAL) for result in results)
        seconds = sum(o.seconds for o in self.outcomes if section(o.group.name) in keys)
        counts = [len(cases), *(behaviors[name] for name in BEHAVIORS), bad, len(cases) - len(results)]
        return [*map(str, counts), f"{seconds:.1f}"]


def _line(name: str, cells: Sequence[str]) -> str:
    padded = [cell.rjust(len(column)) for cell, column in zip(cells, COLUMNS, strict=True)]
    return name.ljust(NAME_WIDTH) + "  ".join(padded)


def _list(title: str, lines: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in lines)] if lines else []
