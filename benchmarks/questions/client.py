"""Client: what a message costs the one who connects.

Rule owned here: as ``echo``, but it is the client that is measured; the server is actorws for all of them.
"""

from __future__ import annotations

from benchmarks.programs.measured import program
from benchmarks.question import Case, Question

VARIANTS = ("actorws", "actorws behaviour", "trio-websocket", "websockets")

QUESTION = Question(
    name="client",
    title="Clients",
    text="One client exchanges texts of 32 characters with an echo server. `actorws` is its connect(), for scripts; "
    "`actorws behaviour` an actor behind an outbound connection; websockets runs on asyncio's own loop.",
    unit="us of client CPU per message",
    cases=(
        Case("1 in flight", program("client", VARIANTS, "1")),
        Case("32 in flight", program("client", VARIANTS, "32")),
    ),
)
