"""Fan-out: a publish to a group with thousands of members on each of two nodes, beside one node alone.

Each member's callback runs and returns a frame for its client (see ``sink``). The time of a publish is from the call to
the callback of the last member, wherever that is.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack
from statistics import median

from attrs import frozen

from benchmarks.cluster.bench import Bench, Costs, Process, RunFailed
from benchmarks.figures import Goal

__all__ = ["run"]

QUESTION = "fanout"
#: Publishes a second for the time of a single one: less than a tenth of what one node can do.
PACE = 20.0
#: Seconds of that, at least.
SINGLE = 1.0
#: How many times as long as on one node alone it may take on two.
MOST = 1.3


async def run(bench: Bench) -> None:
    """Measure all of it."""
    async with AsyncExitStack() as stack:
        alone, sender, other = [
            await stack.enter_async_context(_crowd(bench, url, role))
            for url, role in (("alone", "sender"), (bench.server.unix, "sender"), (bench.server.unix, "receiver"))
        ]
        for _ in range(bench.scale.rounds):
            async with bench.case(QUESTION, "two nodes to one"):
                one = await _measure(bench, "one node", [alone])
                two = await _measure(bench, "two nodes", [sender, other])
                ratios = {what: two[what] / one[what] for what in one if one[what]}
                bench.note(QUESTION, "two nodes to one", ratios, dict.fromkeys(ratios, Goal(most=MOST)))


def _crowd(bench: Bench, url: str, role: str) -> AbstractAsyncContextManager[Process]:
    return bench.process(f"the {role}", "benchmarks.cluster.crowd", url, str(bench.scale.members), role=role)


async def _measure(bench: Bench, nodes: str, processes: list[Process]) -> dict[str, float]:
    single = await _publish(processes, rate=PACE, seconds=min(SINGLE, 20 * bench.scale.seconds))
    # The busiest of them: with sockets and clients of their own, nodes are on different machines.
    costs = [Costs(node=process.pid) for process in processes]
    row = await _publish(processes, rate=0, seconds=bench.scale.seconds)
    values = {"single, us": median(single.micros), "in a row, us": row.total / len(row.micros)}
    values["CPU of a node, us"] = max(spent for cost in costs for spent in cost.per(len(row.micros)).values())
    bench.note(QUESTION, f"{bench.scale.members} members on {nodes}", values)
    return values


@frozen
class _Published:
    """What came of some publishes, in microseconds."""

    micros: list[float]
    """From each call to its last member."""
    total: float
    """From the first call to the very last member."""


async def _publish(processes: list[Process], rate: float, seconds: float) -> _Published:
    for process in processes:
        await process.ask("begin")
    called = await processes[0].ask("publish", rate=rate, seconds=seconds)
    done = [await process.ask("done", count=len(called)) for process in processes]
    for fault in (answer["fault"] for answer in done):
        if fault:
            raise RunFailed(fault)
    last = [max(times) for times in zip(*(answer["times"] for answer in done), strict=True)]
    micros = [(end - begin) / 1000 for begin, end in zip(called, last, strict=True)]
    return _Published(micros, (last[-1] - called[0]) / 1000)
