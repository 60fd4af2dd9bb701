"""Publish: messages through groups, from one node to another.

Compared: waiting for each message or not, one task or many, one group (whose messages of a tick share an envelope) or
many (each message is a command of its own), a Unix socket or TCP.
"""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from benchmarks.cluster.bench import Bench, Costs, Process, RunFailed
from benchmarks.figures import Goal

__all__ = ["CASES", "Case", "measure", "run"]

QUESTION = "publish"
#: Messages a second for the latency of a system that has time.
PACE = 1000.0


@frozen
class Case:
    """One way to publish."""

    name: str
    order: str
    arguments: dict[str, Any]
    groups: int = 1
    times: bool = False
    goals: dict[str, Goal] = field(factory=dict)


CASES = (
    Case("1 task waits", "publish", {"tasks": 1}, times=True),
    Case("64 tasks wait", "publish", {"tasks": 64}, times=True, goals={"messages/s": Goal(least=60_000)}),
    Case("64 tasks wait, 64 groups", "publish", {"tasks": 64}, groups=64, times=True),
    Case("ticks of 1", "publish_in_ticks", {"batch": 1}),
    Case("ticks of 10", "publish_in_ticks", {"batch": 10}),
    Case("ticks of 100", "publish_in_ticks", {"batch": 100}, goals={"messages/s": Goal(least=500_000)}),
    Case("ticks of 1000", "publish_in_ticks", {"batch": 1000}),
    Case("ticks of 100, 100 groups", "publish_in_ticks", {"batch": 100}, groups=100),
    Case(f"{PACE:g} a second", "publish_paced", {"rate": PACE}, times=True, goals={"p50, us": Goal(most=300)}),
)


async def run(bench: Bench) -> None:
    """Measure all of it."""
    for what, level, url in (
        ("engine, unix", "engine", bench.server.unix),
        ("engine, tcp", "engine", bench.server.tcp),
        ("runtime, unix", "runtime", bench.server.unix),
    ):
        async with bench.node(level, url, "sender") as sender, bench.node(level, url, "receiver") as receiver:
            await receiver.ask("join_many", prefix="g", count=max(case.groups for case in CASES))
            await warm_up(sender, receiver)
            for _ in range(bench.scale.rounds):
                for case in CASES:
                    name = f"{what}: {case.name}"
                    async with bench.case(QUESTION, name):
                        await measure(bench, QUESTION, name, case, sender, receiver)


async def warm_up(sender: Process, receiver: Process) -> None:
    """Connections are opened and code is loaded by the first messages; those don't count."""
    sent = await sender.ask("publish", groups=["g0"], tasks=64, seconds=0.3)
    await receiver.ask("report", sent=sent["sent"])


async def measure(bench: Bench, question: str, name: str, case: Case, sender: Process, receiver: Process) -> None:
    """One run of ``case``, noted under ``question`` and ``name``; our own goals are for our own figures."""
    groups = [f"g{number}" for number in range(case.groups)]
    to = {"group": groups[0]} if case.order == "publish_paced" else {"groups": groups}
    await receiver.ask("listen", times=case.times)
    costs = Costs(sender=sender.pid, engine=bench.server.pid, receiver=receiver.pid)
    sent = await sender.ask(case.order, seconds=bench.scale.seconds, **to, **case.arguments)
    came = await receiver.ask("report", sent=sent["sent"])
    if came["fault"]:
        raise RunFailed(came["fault"])
    values: dict[str, float] = {}
    if case.order != "publish_paced":
        values["messages/s"] = came["count"] / (came["last_ns"] - sent["began_ns"]) * 1e9
    if case.times:
        values |= {"p50, us": came["p50"], "p99, us": came["p99"]}
    bench.note(question, name, values | costs.per(came["count"]), case.goals if question == QUESTION else {})
