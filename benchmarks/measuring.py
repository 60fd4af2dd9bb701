"""Measuring: one round of one case.

Rule owned here: what the figures mean. Of the server, CPU time and memory are read from outside, between the moment
when all connections are open and the one when the work is done; and before each of the two the server has come to
rest. So neither opening nor closing counts, of this case or the one before, unless it is the work. Must not know which
round it is, nor how figures are shown.

``us`` is CPU microseconds of the server, with all its threads and processes, for each message; ``bytes`` is by how much
its memory has grown since before the load, for each connection; ``rate`` is messages a second; ``busy`` and
``server_busy`` are the shares of one core that the load and the server took. What else the load says is kept as it is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import machine
from benchmarks.processes import CannotBeDone, Driver, RunFailed, Server
from benchmarks.question import Drives

__all__ = ["measure_load", "measure_program"]

#: Seconds that a load may take to open its connections; that it, or a program, may take beyond those of its work.
OPENING, LATE = 120.0, 60.0
#: Seconds after which a server whose connections were reset has ended, if that was why.
ENDING = 0.2
#: A server is calm when it takes less than a tenth of its core for so many seconds; some never are, so that is waited
#: for so many seconds at most.
WINDOW, CALMING = 0.02, 10.0
#: Seconds after which what starting, or opening, has left behind is cleaned up, where memory is asked for.
SETTLING = 0.5


def measure_load(
    load: Drives, server: Server, seconds: float, cores: Sequence[int] | None = None, *, memory: bool = False
) -> dict[str, float]:
    """Drive ``server`` for ``seconds``. Raises ``RunFailed``, or ``CannotBeDone`` where the load can't be run."""
    try:
        command = load.command(server.port, seconds)
    except OSError as error:
        raise CannotBeDone(str(error)) from error
    try:
        return _measure(command, server, seconds, cores, memory)
    except (RunFailed, OSError, KeyError) as error:
        if server.wait_ended(ENDING):
            # Then this is why, whatever the load had to say of it.
            raise RunFailed(server.ending()) from error
        raise error if isinstance(error, RunFailed) else RunFailed(f"there is no figure: {error!r}") from error


def _measure(
    command: Sequence[str], server: Server, seconds: float, cores: Sequence[int] | None, memory: bool
) -> dict[str, float]:
    _wait_calm(server)
    before = _memory(server) if memory else 0
    with machine.on_cores(cores):
        driver = Driver("the load", command)
    with driver:
        opened = int(driver.answer(OPENING)["opened"])
        _wait_calm(server)
        grown = _memory(server) - before if memory else 0
        spent, found = _work(driver, server, seconds)
    figures = _figures(found, spent)
    return figures | {"bytes": grown / max(opened, 1)} if memory else figures


def _wait_calm(server: Server) -> None:
    """Until what was before is done with: connections that were closed, or opened, and their last messages."""
    end = time.monotonic() + CALMING
    while time.monotonic() < end:
        before = machine.cpu_seconds_of_family(server.pid)
        time.sleep(WINDOW)
        is_busy = machine.cpu_seconds_of_family(server.pid) - before > WINDOW / 10
        if not is_busy and not machine.is_runnable(server.pid):
            return


def _memory(server: Server) -> int:
    time.sleep(SETTLING)
    return machine.resident_of_family(server.pid)


def _work(driver: Driver, server: Server, seconds: float) -> tuple[float, Mapping[str, Any]]:
    """CPU seconds of the server during the work, and what the load has found."""
    before = machine.cpu_seconds_of_family(server.pid)
    driver.go_on()
    found = driver.answer(seconds + LATE)
    return machine.cpu_seconds_of_family(server.pid) - before, found


def _figures(found: Mapping[str, Any], spent: float) -> dict[str, float]:
    if found.get("failed"):
        raise RunFailed(f"{found['failed']} of the load's connections failed")
    seconds, messages = float(found["seconds"]), int(found["messages"])
    figures = _numbers(found) | {"busy": found["cpu"] / seconds, "server_busy": spent / seconds}
    if messages:
        figures |= {"us": spent / messages * 1e6, "rate": messages / seconds}
    return figures


def measure_program(
    what: str, command: Sequence[str], seconds: float, cores: Sequence[int] | None = None
) -> dict[str, float]:
    """Run a program that measures itself. Raises as ``measure_load``."""
    with machine.on_cores(cores):
        driver = Driver(what, command)
    with driver:
        return _numbers(driver.answer(seconds + LATE))


def _numbers(found: Mapping[str, Any]) -> dict[str, float]:
    """The figures among what was said."""
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
