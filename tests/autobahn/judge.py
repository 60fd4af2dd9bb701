"""What is good enough.

Rule owned here: every case that was asked for came to its end, OK in how it went and how it closed. The two
exceptions are listed below by their numbers, from the source of the suite. Everything else is an offence, also a word
that the suite has never said before, and LATE, which our driver says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from attrs import frozen

from tests.autobahn.cases import number
from tests.autobahn.result import INFORMATIONAL, NON_STRICT, OK, Result

__all__ = ["INFORMATIONAL_CASES", "RACES", "UNFINISHED", "Offence", "judge"]

#: The suite calls these informational whatever happens in them: a ping behind a Close, and the close codes 5000 and
#: 65535, of which RFC 6455 section 7.4.2 says nothing.
INFORMATIONAL_CASES = frozenset({"7.1.6", "7.13.1", "7.13.2"})
#: In these a good message comes first and a violation right behind it: whether the echo still arrives is the choice of
#: who is tested and then a race. (6.4.1 to 6.4.4 have a NON-STRICT too, for bad UTF-8 that is seen late: not accepted.)
RACES = frozenset({"3.2", "3.3", "3.4", "4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5", "5.15"})

UNFINISHED = "UNFINISHED"


@frozen
class Offence:
    """One case that isn't good enough, and why."""

    case: str
    why: str

    def __str__(self) -> str:
        return self.why


def judge(wanted: Iterable[str], results: Sequence[Result], races: Set[str] = RACES) -> list[Offence]:
    """Everything that is wrong with the results of the cases that were asked for, in their order.

    ``races``: those that may be NON-STRICT.
    """
    asked = set(wanted)
    missing = asked - {result.case for result in results}
    offences = [Offence(case, f"{case} {UNFINISHED}") for case in missing]
    for result in results:
        if result.case not in asked:
            offences.append(Offence(result.case, f"{result.case} was not asked for"))
        elif not _accepted(result, races):
            offences.append(Offence(result.case, str(result)))
    return sorted(offences, key=lambda offence: number(offence.case))


def _accepted(result: Result, races: Set[str]) -> bool:
    if result.case in INFORMATIONAL_CASES:
        return {result.behavior, result.close} <= {OK, INFORMATIONAL}
    if result.case in races:
        return result.behavior in (OK, NON_STRICT) and result.close == OK
    return result.plain
