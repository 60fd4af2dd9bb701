"""Chaos: three nodes, talkers and fighters on them, faults, and the judgement.

Rules owned here: faults come to an end before it is judged whether all is well again; no check counts that had nothing
to check. Must not know how faults are done, nor what a ledger holds true.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from random import Random

import trio
from attrs import field, frozen

from tests.chaos import acts
from tests.chaos.clients import Crowd, fight
from tests.chaos.faults import KINDS, MILD, SLACK, Fault, Schedule
from tests.chaos.ledger import Ledger
from tests.chaos.world import World, open_world
from tests.support.nodes import QUICK

__all__ = ["NAMES", "Outcome", "chaos", "end_to_end"]

#: Those that are fought for.
NAMES = ("north", "east", "south", "west")
TALKERS = 4
#: Seconds in which all must be well when the faults are over: a lease and a grace, and some.
RECOVERY = 30.0


@frozen
class Outcome:
    """What came of it."""

    faults: tuple[str, ...]
    figures: dict[str, object] = field(hash=False)


async def chaos(
    seconds: float, seed: int, folder: Path, say: Callable[[str], None], kinds: Sequence[Fault] = KINDS
) -> Outcome:
    """A schedule of faults by ``seed``: names fought for, and some talk."""
    random, ledger = Random(seed), Ledger()
    crowd = Crowd(ledger, Random(random.random()), 0.02)
    async with open_world(folder, quick=True) as world, trio.open_nursery() as nursery:
        schedule = Schedule(world, Random(random.random()), say)
        _fill(world, crowd, nursery, 2)
        for node in world.nodes:
            for name in NAMES:
                nursery.start_soon(fight, node, name, Random(random.random()), ledger.faults)
        await _until_all_talk(ledger, 2 * len(world.nodes))
        await _until_acted(world, ledger.faults)
        await schedule.run(kinds, trio.current_time() + seconds)
        await _come_to_rest(world, crowd, ledger)
        await _until_acted(world, ledger.faults)
        nursery.cancel_scope.cancel()
    return _judge(schedule, ledger, crowd, acts.read(world.acts))


async def end_to_end(messages: int, seed: int, folder: Path, say: Callable[[str], None]) -> Outcome:
    """So many messages between nodes as the command line starts them, with kills meanwhile."""
    random, ledger = Random(seed), Ledger()
    crowd = Crowd(ledger, Random(random.random()), 0)
    async with open_world(folder, quick=False) as world, trio.open_nursery() as nursery:
        schedule = Schedule(world, Random(random.random()), say)
        _fill(world, crowd, nursery, TALKERS)
        await _until_all_talk(ledger, TALKERS * len(world.nodes))
        # Each kind twice; eight times among a million.
        step = messages // (24 if messages >= 500_000 else 6)
        kinds = cycle(MILD)
        while ledger.accepted < messages:
            enough = min(messages, ledger.accepted + step)
            while ledger.accepted < enough:
                await trio.sleep(0.02)
            say(f"{ledger.accepted:,} sent, {ledger.delivered:,} received")
            if ledger.accepted < messages:
                await schedule.do(next(kinds))
        await _come_to_rest(world, crowd, ledger)
        nursery.cancel_scope.cancel()
    return _judge(schedule, ledger, crowd, [])


def _fill(world: World, crowd: Crowd, nursery: trio.Nursery, talkers: int) -> None:
    for node in world.nodes:
        for number in range(talkers):
            nursery.start_soon(crowd.talk, node, f"talker{node.number}{number}")


async def _until_all_talk(ledger: Ledger, count: int) -> None:
    with trio.fail_after(RECOVERY):
        while len(ledger.receivers) < count:
            await trio.sleep(0.02)


async def _come_to_rest(world: World, crowd: Crowd, ledger: Ledger) -> None:
    """Everybody is there again, says his last words, and gets the others'."""
    with trio.move_on_after(RECOVERY):
        await world.until_up()
        while len(ledger.receivers) < len(crowd.names):
            await trio.sleep(0.02)
        crowd.is_talking = False
        await trio.sleep(1)
        while ledger.lacking():
            await trio.sleep(0.1)
        return
    if len(ledger.receivers) < len(crowd.names):
        ledger.faults.append(f"only {sorted(ledger.receivers)} are there, {RECOVERY:g} s after the last fault")
    ledger.faults += ledger.lacking()


async def _until_acted(world: World, faults: list[str]) -> None:
    """Every name has an owner that acts."""
    begun, missing = trio.current_time(), set(NAMES)
    seen = world.acts.stat().st_size if world.acts.exists() else 0
    while missing and trio.current_time() < begun + RECOVERY:
        await trio.sleep(0.1)
        missing = set(NAMES) - {act.name for act in acts.read(world.acts, seen) if act.fence}
    faults += [f"{name} had no owner that acts for {RECOVERY:g} s without faults" for name in sorted(missing)]


def _judge(schedule: Schedule, ledger: Ledger, crowd: Crowd, done: list[acts.Act]) -> Outcome:
    ledger.judge()
    within = QUICK.lease + SLACK
    times, too_late = acts.late(done, schedule.deaths, within)
    if schedule.deaths and not times:
        too_late.append("no killed node had a name that another got")
    figures: dict[str, object] = {
        "faults": dict(schedule.done),
        "messages": f"{ledger.sent:,} sent, {ledger.delivered:,} received",
        "missing, and why": dict(ledger.covered),
        "talkers": f"{len(ledger.senders)}, ended with {dict(crowd.endings)}",
    }
    if done:
        figures |= {
            "acts": f"{sum(bool(act.fence) for act in done):,}, {acts.without_lease(done)} callbacks without the name",
            "owners": dict(acts.owners(done)),
            "free after a death": ", ".join(f"{time:.2f} s" for time in times),
        }
    stale = acts.stale(done)
    figures["stale acts"] = len(stale)
    return Outcome((*ledger.faults, *stale, *too_late), figures)
