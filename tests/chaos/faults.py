"""Faults: what is done to nodes, to their links, and to the server.

Rule owned here: each fault has an end, at which everything it touched works again. Must not know who watches.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import TypeAlias

import trio

from tests.chaos.acts import Death, read
from tests.chaos.world import World
from tests.support.nodes import QUICK

__all__ = ["KINDS", "MILD", "SLACK", "Fault", "Schedule"]

Fault: TypeAlias = "Callable[[Schedule], Awaitable[None]]"

#: Seconds that pass undisturbed before a node is killed, so that its names' way can be timed.
CALM = QUICK.lease + 1.5
#: Seconds beyond the lease until a dead node's name must have its next owner: who wants it asks every 0.1 s, on a
#: machine that does much else.
SLACK = 3.0


class Schedule:
    """Does one fault after the other."""

    def __init__(self, world: World, random: Random, say: Callable[[str], None]) -> None:
        self._world = world
        self._random = random
        self._say = say
        self.done: Counter[str] = Counter()
        self.deaths: list[Death] = []

    async def run(self, kinds: Sequence[Fault], until: float) -> None:
        """All ``kinds`` in a random order, over and over, a killed node first; none begins after ``until``."""
        order = sorted(self._shuffled(kinds), key=lambda kind: kind is not kill_node)
        while True:
            for kind in order:
                if trio.current_time() >= until:
                    return
                await self.do(kind)
                await trio.sleep(self._random.uniform(0, 1.5))
            order = self._shuffled(kinds)

    def _shuffled(self, kinds: Sequence[Fault]) -> list[Fault]:
        return self._random.sample(kinds, len(kinds))

    async def do(self, kind: Fault) -> None:
        """One fault, up to its end."""
        self._say(kind.__name__.replace("_", " "))
        self.done[kind.__name__.replace("_", " ")] += 1
        await kind(self)

    # What faults are made of

    @property
    def world(self) -> World:
        return self._world

    @property
    def random(self) -> Random:
        return self._random

    async def last(self, least: float, most: float) -> None:
        """For as long as a fault lasts."""
        await trio.sleep(self._random.uniform(least, most))


async def kill_node(schedule: Schedule) -> None:
    world = schedule.world
    await world.until_up()
    if schedule.done.total() > 1:
        await trio.sleep(CALM)
    # Of those that have a name, if any has: there is to be something to see.
    having = {act.name: act.process for act in read(world.acts) if act.fence}
    node = schedule.random.choice([node for node in world.nodes if node.pid in having.values()] or world.nodes)
    death, seen = Death(time.monotonic(), node.pid), world.acts.stat().st_size
    schedule.deaths.append(death)
    node.signal(signal.SIGKILL)
    waits = {name for name, process in having.items() if process == death.process}
    with trio.move_on_after(QUICK.lease + SLACK):
        while waits:
            await trio.sleep(0.05)
            waits -= {act.name for act in read(world.acts, seen) if act.fence and act.process != death.process}
    await world.until_up()


async def _freeze_node(schedule: Schedule, least: float, most: float) -> None:
    node = schedule.random.choice(schedule.world.nodes)
    node.signal(signal.SIGSTOP)
    await schedule.last(least, most)
    node.signal(signal.SIGCONT)


async def freeze_node(schedule: Schedule) -> None:
    await _freeze_node(schedule, 0.2, 1.2)


async def freeze_node_beyond_its_lease(schedule: Schedule) -> None:
    await _freeze_node(schedule, QUICK.lease, QUICK.lease + 1.5)


async def _hole(schedule: Schedule, where: tuple[str, ...], end: str) -> None:
    proxy = schedule.random.choice(schedule.world.nodes).proxy
    assert proxy is not None
    proxy.tell("hold", *where)
    await schedule.last(0.3, QUICK.lease + 1)
    if end == "cut":
        proxy.tell("cut")
    proxy.tell("flow")


async def hole_in_which_all_is_lost(schedule: Schedule) -> None:
    await _hole(schedule, (), "cut")


async def hole_behind_which_all_comes_late(schedule: Schedule) -> None:
    await _hole(schedule, (), "flow")


async def hole_one_way(schedule: Schedule) -> None:
    await _hole(schedule, (schedule.random.choice(["up", "down"]),), schedule.random.choice(["cut", "flow"]))


async def cut_link(schedule: Schedule) -> None:
    """CLIENT KILL of all connections, or of those that are subscribed, or of the others."""
    which = schedule.random.choice([None, True, False])
    await trio.to_thread.run_sync(lambda: schedule.world.redis.kill_clients(subscribed=which))


async def _restart_server(schedule: Schedule, least: float, most: float) -> None:
    schedule.world.redis.stop()
    await schedule.last(least, most)
    await trio.to_thread.run_sync(schedule.world.redis.start)


async def restart_server(schedule: Schedule) -> None:
    """It forgets everything."""
    await _restart_server(schedule, 0.05, 0.8)


async def restart_server_beyond_the_lease(schedule: Schedule) -> None:
    await _restart_server(schedule, QUICK.lease, QUICK.lease + 1)


async def freeze_server(schedule: Schedule) -> None:
    schedule.world.redis.freeze()
    await schedule.last(0.2, QUICK.lease + 1)
    schedule.world.redis.thaw()


KINDS = [
    kill_node,
    freeze_node,
    freeze_node_beyond_its_lease,
    hole_in_which_all_is_lost,
    hole_behind_which_all_comes_late,
    hole_one_way,
    cut_link,
    restart_server,
    restart_server_beyond_the_lease,
    freeze_server,
]


async def end_node(schedule: Schedule) -> None:
    """Kill a node, without waiting for what becomes of its names."""
    schedule.random.choice(schedule.world.nodes).signal(signal.SIGKILL)


#: What a cluster with the usual lease of 10 seconds has over in less.
MILD = [cut_link, end_node, restart_server]
