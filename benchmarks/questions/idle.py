"""Idle: what a server keeps for a connection that says nothing.

Rule owned here: a server that has done nothing before, for memory that it has used and not given back would be taken
for free. As many connections as the descriptor limit lets a process have, 15 000 at most.
"""

from __future__ import annotations

import resource

from benchmarks.question import Case, Load, Promise, Question

MOST = 15_000
#: Descriptors that a server or a load needs for other things.
RESERVE = 200


def possible() -> int:
    """Connections that a process may have here, ``MOST`` at most."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST if limit == resource.RLIM_INFINITY else min(MOST, limit - RESERVE)


def _idle(connections: int, *, in_quick: bool = False, promises: tuple[Promise, ...] = ()) -> Case:
    name = f"{connections} connections"
    return Case(name, Load("idle", connections), in_quick=in_quick, promises=promises, fresh=True)


QUESTION = Question(
    name="idle",
    title="Memory of an idle connection",
    text="Connections are opened and say nothing. How much the server's resident memory has grown, for each of them; "
    "with few connections, what a server allocates once counts too.",
    figure="bytes",
    unit="bytes of server memory per connection",
    cases=(
        _idle(1000, in_quick=True),
        _idle(possible(), promises=(Promise(most=1000),)),
    ),
)
