"""Holding: very many groups and names on one node: what they weigh, and how soon they are back after a killed link."""

from __future__ import annotations

from time import monotonic

from actorws.cluster.timings import Timings
from benchmarks import machine
from benchmarks.cluster.bench import LEVELS, Bench, Costs, Process, RunFailed
from benchmarks.figures import Goal

__all__ = ["run"]

QUESTION = "holding"
#: Rounds; each takes a new node, and memory is steadier than time.
ROUNDS = 3
#: Seconds for anything that is done to all of them.
PATIENCE = 120.0
#: Of them, after the link has been killed.
SAMPLES = 1000


async def run(bench: Bench) -> None:
    """Measure all of it."""
    for level in LEVELS:
        for number in range(min(bench.scale.rounds, ROUNDS)):
            case = f"{level}: {bench.scale.holding} groups and names"
            async with bench.case(QUESTION, case), bench.node(level, bench.server.unix, "sender") as node:
                await node.ask("register", prefix=f"{level}{number}-warm-up-", count=1)
                prefix = f"{level}{number}-"
                values = await _grow(bench, node, "group", "join_many", f"{prefix}g")
                seconds, groups_back = await _kill(bench, node)
                values |= {"groups back after, s": seconds, "CPU of the engine, us for a group": groups_back}
                values |= await _grow(bench, node, "name", "register", f"{prefix}n")
                seconds, all_back = await _kill(bench, node)
                values |= {"all back after, s": seconds, "CPU of the engine, us for a name": all_back - groups_back}
                await _check(bench, node, level, prefix)
                bench.note(QUESTION, case, values, {"all back after, s": Goal(most=Timings().lease / 2)})


async def _grow(bench: Bench, node: Process, what: str, order: str, prefix: str) -> dict[str, float]:
    """Have very many, and see what that costs."""
    count = bench.scale.holding
    before, before_engine = machine.resident(node.pid), bench.server.memory
    seconds = await node.ask(order, prefix=prefix, count=count, patience=PATIENCE)
    return {
        f"all {what}s, s": seconds,
        f"a {what} on the node, bytes": (machine.resident(node.pid) - before) / count,
        f"a {what} in the engine, bytes": (bench.server.memory - before_engine) / count,
    }


async def _kill(bench: Bench, node: Process) -> tuple[float, float]:
    """Cut all connections to the engine; returns after how many seconds all is back, and what each cost the engine."""
    before = len(await node.ask("gaps"))
    costs, began = Costs(engine=bench.server.pid), monotonic()
    bench.server.kill_clients()
    gaps = await node.ask("gaps", more_than=before, timeout=PATIENCE, patience=PATIENCE)
    (spent,) = costs.per(bench.scale.holding).values()
    return gaps[-1] - began, spent


async def _check(bench: Bench, node: Process, level: str, prefix: str) -> None:
    """What is said to be back must be: another node sends to some of it."""
    step = max(1, bench.scale.holding // SAMPLES)
    async with bench.node(level, bench.server.unix, "receiver") as other:
        for order, letter in (("publish_one_each", "g"), ("send_one_each", "n")):
            await node.ask("listen")
            receivers = [f"{prefix}{letter}{number}" for number in range(0, bench.scale.holding, step)]
            came = await node.ask("report", sent=[await other.ask(order, to=receivers)])
            if came["fault"]:
                raise RunFailed(f"after the link was back, of {order}: {came['fault']}")
