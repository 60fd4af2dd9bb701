"""Rules: what the rules of the hot path are worth.

Rule owned here: each stands beside the same work done without it, in the same server.
"""

from __future__ import annotations

from benchmarks.programs.measured import program
from benchmarks.question import Case, Question

VARIANTS = ("actorws", "without it")
#: As ``benchmarks.hot_path`` calls them.
RULES = (
    "no task per connection",
    "one write per connection and tick",
    "def callbacks inline",
    "a group is one entry of the run queue",
    "a frame for many is encoded once",
)

QUESTION = Question(
    name="rules",
    title="What the rules of the hot path are worth",
    text="The server beside itself with one rule broken: on trio's streams, with two tasks for each connection (as "
    "under TLS); one message in flight instead of 32; callbacks that are async def; a member reached by its name; a "
    "frame made for each member.",
    cases=tuple(Case(rule, program("rules", VARIANTS, rule)) for rule in RULES),
)
