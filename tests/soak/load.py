"""Load: which clients come, how many at a time, and how one follows another.

Rule owned here: the seed alone says which clients come in which order, and what each of them wants. Must not know what
any of them does.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import TypeAlias

import trio

from tests.soak import chatters, crashers, echoes, flooders, slackers, squeezed, vanishers, violators
from tests.soak.world import Fault, World

__all__ = ["BAD", "GOOD", "run_load"]

Run: TypeAlias = Callable[[World, Random], Awaitable[None]]

#: Each kind of client, and how often it comes for each time that others do.
GOOD: dict[Run, int] = {
    chatters.chatter: 16,
    chatters.usurper: 3,
    chatters.claimant: 3,
    chatters.timekeeper: 2,
    echoes.echoer: 8,
    echoes.quiet: 1,
    squeezed.squeezer: 3,
    echoes.visitor: 4,
}
BAD: dict[Run, int] = {
    vanishers.passer_by: 4,
    vanishers.resetter: 10,
    vanishers.half_frame: 3,
    vanishers.silent_handshake: 1,
    vanishers.half_handshake: 1,
    vanishers.mute: 1,
    vanishers.deaf: 1,
    violators.violator: 12,
    violators.stranger: 8,
    slackers.never_reader: 2,
    slackers.slow_reader: 2,
    slackers.busy: 3,
    flooders.pinger: 5,
    flooders.flooder: 10,
    flooders.crowder: 1,
    flooders.hasty: 2,
    squeezed.bomber: 2,
    crashers.crasher: 6,
}
KINDS = {**GOOD, **BAD}

#: Seconds between a client and the next one in its place, on average.
PAUSE = 0.2
#: Seconds that one client may take beyond its life, in all that it waits for.
HOPELESS = 120


async def run_load(world: World, seed: int, clients: int, seconds: float) -> None:
    """Have ``clients`` clients at a time come and go for some seconds. Raises ``Fault`` at the first thing wrong."""
    world.ends = trio.current_time() + seconds
    random = Random(seed)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch, world)
        async with trio.open_nursery() as places:
            for _ in range(clients):
                places.start_soon(_place, world, Random(random.random()))
        nursery.cancel_scope.cancel()
    world.ledger.close()
    _watch_once(world)


async def _watch(world: World) -> None:
    while True:
        _watch_once(world)
        await trio.sleep(0.1)


def _watch_once(world: World) -> None:
    if world.ledger.faults:
        raise Fault(f"ledger: {world.ledger.faults[0]} ({len(world.ledger.faults)} such faults)")


async def _place(world: World, random: Random) -> None:
    """One client after the other."""
    await trio.sleep(random.random())
    while trio.current_time() < world.ends:
        run = random.choices(list(KINDS), list(KINDS.values()))[0]
        await _client(run, world, Random(random.random()))
        await trio.sleep(random.expovariate(1 / PAUSE))


async def _client(run: Run, world: World, random: Random) -> None:
    name = getattr(run, "__name__", repr(run))
    world.figures[f"client {name}"] += 1
    world.present += 1
    try:
        with trio.fail_after(HOPELESS):
            await run(world, random)
    except trio.Cancelled:
        raise
    except Exception as error:
        wrong = [leaf for leaf in leaves(error) if not isinstance(leaf, trio.Cancelled)]
        if not wrong:
            raise
        text = "".join(traceback.format_exception(wrong[0]))
        raise Fault(f"{name}: {type(wrong[0]).__name__}: {wrong[0]}\n{text}") from None
    finally:
        world.present -= 1


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions of a group, at any depth."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from leaves(each)
    else:
        yield error
