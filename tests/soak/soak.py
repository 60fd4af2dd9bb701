"""Soak: the phases of it: a warm-up, the load, quiet, the end; and the verdict.

Rule owned here: the first thing that is wrong ends the soak; what is measured before and after is a server that
everybody has left. Must not know what clients do.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import trio
from attrs import frozen

from tests.soak import leaks
from tests.soak.farewell import FAREWELL_CLIENTS, end_server
from tests.soak.load import run_load
from tests.soak.log import faults_of_log
from tests.soak.probe import Probe, open_probe
from tests.soak.report import figures, left_behind, progress
from tests.soak.server import Server, open_server
from tests.soak.world import PATIENCE, Fault, World

__all__ = ["APP", "Plan", "soak"]

APP = "tests.soak.app:app"
#: Seconds between two lines that say how it goes.
PROGRESS_EVERY = 10
#: Share of the time that the warm-up takes, and its most seconds.
WARM_UP, LONGEST_WARM_UP = 0.4, 30
#: Share of the time that a client stays at most, and its most seconds.
LIFE, LONGEST_LIFE = 0.3, 15


@frozen
class Plan:
    """What to do."""

    seconds: float
    seed: int
    clients: int
    log: Path
    app: str = APP


async def soak(plan: Plan) -> None:
    """The whole of it. Raises ``Fault``, alone or in a group."""
    began = trio.current_time()
    async with open_server(plan.app, plan.log) as server, trio.open_nursery() as nursery:
        nursery.start_soon(server.watch)
        world = World(server.port, min(LONGEST_LIFE, LIFE * plan.seconds))
        try:
            await _phases(plan, server, world)
        except Exception:
            await server.watch(seconds=1)
            raise
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            print(f"SIGTERM: status 0 after {await end_server(server):.1f} s", flush=True)
    ended, seconds = world.noted + FAREWELL_CLIENTS, trio.current_time() - began
    _judge("the log", faults_of_log(plan.log.read_text(), world.crashes, ended, seconds))


async def _phases(plan: Plan, server: Server, world: World) -> None:
    """Warm up, load, and compare what is left."""
    warm_up = min(LONGEST_WARM_UP, WARM_UP * plan.seconds)
    at_first = await server.statistics(tidy=True)
    async with open_probe(server.port):
        await run_load(world, plan.seed + 1, plan.clients, warm_up)
    before = await server.statistics_when(lambda now: leaks.is_quiet(now, at_first))
    _judge(f"{PATIENCE} s after the warm-up there are", leaks.leaks(before, at_first))
    world.figures = Counter()
    world.ledger.delivered = world.ledger.withdrawn = 0
    async with open_probe(server.port) as probe, trio.open_nursery() as nursery:
        nursery.start_soon(_tell, server, world, probe)
        try:
            await run_load(world, plan.seed, plan.clients, plan.seconds - warm_up)
        finally:
            print(figures(world, probe), flush=True)
        nursery.cancel_scope.cancel()
    after = await server.statistics_when(
        lambda now: leaks.is_quiet(now, at_first) and not leaks.faults_of_memory(now, before)
    )
    print(left_behind({"before": at_first, "after warm-up": before, "after soak": after}), flush=True)
    _judge(f"{PATIENCE} s after the soak there are", leaks.leaks(after, at_first))
    _judge("memory", leaks.faults_of_memory(after, before) + leaks.faults_of_peak(after, at_first, plan.clients))


async def _tell(server: Server, world: World, probe: Probe) -> None:
    """Say how it goes."""
    began = then = trio.current_time()
    cpu: float = (await server.statistics())["cpu"]
    while True:
        await trio.sleep_until(then + PROGRESS_EVERY)
        now, state = trio.current_time(), await server.statistics()
        share, then, cpu = (state["cpu"] - cpu) / (now - then), now, state["cpu"]
        print(progress(now - began, world, probe, state["rss"], share), flush=True)


def _judge(what: str, faults: list[str]) -> None:
    if faults:
        raise Fault(f"{what}: {'; '.join(faults[:5])}" + f" ({len(faults)} in all)" * (len(faults) > 5))
