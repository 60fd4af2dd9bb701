"""Registry: names and groups inside a process.

Rule owned here: beside it stands a dict of actors and a dict of sets, with which nothing but the bare work is done;
what actorws adds to that is checks, messages that wait their turn, and that who ends is forgotten.
"""

from __future__ import annotations

from benchmarks.programs.measured import program
from benchmarks.question import Case, Question

VARIANTS = ("actorws", "dict")


def _case(name: str, case: str, number: int, *, in_quick: bool = False) -> Case:
    return Case(name, program("registry", VARIANTS, case, str(number)), in_quick=in_quick)


QUESTION = Question(
    name="registry",
    title="Names and groups",
    text="Inside one process, beside a plain dict of actors and of sets, where a message is a call: the least that it "
    "can cost. Messages count until they were handled by every actor that they are for.",
    unit="us of CPU per operation",
    cases=(
        _case("register and unregister a name", "register", 1000),
        _case("look up a name", "look-up", 1000),
        _case("send to a name", "send", 1000),
        _case("join and leave a group", "join", 100),
        _case("publish to nobody", "publish", 0),
        _case("publish to 1 member", "publish", 1),
        _case("publish to 100 members", "publish", 100, in_quick=True),
    ),
)
