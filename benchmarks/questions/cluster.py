"""Cluster: messages and names between two nodes, beside others who do it through the same Redis or Valkey.

Rule owned here: a selection of ``benchmarks.cluster``, which has more, and tells what each process took.
"""

from __future__ import annotations

from benchmarks.programs.measured import program
from benchmarks.question import Case, Question

OURS = ("actorws",)
ALL = (*OURS, "broadcaster", "Channels (pub/sub)", "python-socketio")

QUESTION = Question(
    name="cluster",
    title="Between two nodes of a cluster",
    text="Two processes and a Redis or Valkey server: messages published on one node reach a member on the other; "
    "names are registered, and sent to from the other node. The figure is the CPU time of all three together.",
    unit="us of CPU of both nodes and the server, per operation",
    cases=(
        Case("publish, 1 task waits for each", program("cluster", ALL, "publish by one")),
        Case("publish, 64 tasks wait for each", program("cluster", ALL, "publish by many")),
        Case("publish in ticks of 100", program("cluster", OURS, "publish in ticks")),
        Case("register a name", program("cluster", OURS, "register")),
        Case("send to a name, 64 tasks", program("cluster", OURS, "send")),
    ),
)
