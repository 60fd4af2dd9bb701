"""Timers: messages for later, beside a sleeping trio task for each and asyncio's ``call_later``.

    python -m benchmarks.programs.timers VARIANT CASE NUMBER SECONDS

NUMBER timers wait at the same time. An operation is one that is set and taken back (``cancel``), or set and fired
(``fire``). asyncio's loop is its own: uvloop is not among what actorws needs.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping

import trio

from benchmarks.programs import measured
from benchmarks.programs.measured import Meter, Work
from benchmarks.programs.registry import actors, on_trio

#: Seconds until a timer that is taken back would fire.
LATER = 60.0


def soon(index: int) -> float:
    """Seconds until the ``index``-th timer fires: they are spread over ten milliseconds."""
    return index % 10 / 1000


# actorws


async def cancel(number: int, meter: Meter) -> None:
    async with actors(1) as crowd:
        (conn,) = crowd.conns
        while meter.goes_on():
            with meter.counts(number):
                timers = [conn.send_after(LATER, "hello") for _ in range(number)]
                await trio.lowlevel.checkpoint()
                for timer in timers:
                    timer.cancel()
                del timers


async def fire(number: int, meter: Meter) -> None:
    async with actors(1) as crowd:
        (conn,) = crowd.conns
        while meter.goes_on():
            with meter.counts(number):
                already = crowd.received
                for index in range(number):
                    conn.send_after(soon(index), "hello")
                while crowd.received < already + number:
                    await trio.sleep(0.001)


# A task for each


async def task_cancel(number: int, meter: Meter) -> None:
    async def sleep(scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep(LATER)

    while meter.goes_on():
        with meter.counts(number):
            async with trio.open_nursery() as nursery:
                scopes = [trio.CancelScope() for _ in range(number)]
                for scope in scopes:
                    nursery.start_soon(sleep, scope)
                await trio.lowlevel.checkpoint()
                for scope in scopes:
                    scope.cancel()
            del scopes


async def task_fire(number: int, meter: Meter) -> None:
    while meter.goes_on():
        with meter.counts(number):
            async with trio.open_nursery() as nursery:
                for index in range(number):
                    nursery.start_soon(trio.sleep, soon(index))


# asyncio


async def asyncio_cancel(number: int, meter: Meter) -> None:
    loop = asyncio.get_running_loop()
    while meter.goes_on():
        with meter.counts(number):
            timers = [loop.call_later(LATER, print, "hello") for _ in range(number)]
            await asyncio.sleep(0)
            for timer in timers:
                timer.cancel()
            del timers
            await asyncio.sleep(0)


async def asyncio_fire(number: int, meter: Meter) -> None:
    loop = asyncio.get_running_loop()
    fired: list[int] = []
    while meter.goes_on():
        with meter.counts(number):
            fired.clear()
            for index in range(number):
                loop.call_later(soon(index), fired.append, index)
            while len(fired) < number:
                await asyncio.sleep(0.001)


WORKS: Mapping[str, Mapping[str, Work]] = {
    "actorws": {"cancel": on_trio(cancel), "fire": on_trio(fire)},
    "trio tasks": {"cancel": on_trio(task_cancel), "fire": on_trio(task_fire)},
    "asyncio": {
        "cancel": lambda number, meter: asyncio.run(asyncio_cancel(number, meter)),
        "fire": lambda number, meter: asyncio.run(asyncio_fire(number, meter)),
    },
}

if __name__ == "__main__":
    sys.exit(measured.main(WORKS, sys.argv[1:]))
