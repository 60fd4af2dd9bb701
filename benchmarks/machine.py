"""Machine: its cores, and what processes take of it.

Rule owned here: CPU time and memory are what the kernel says of a process, from outside; so what is measured is the
same for a node, a server and a peer. (Linux: elsewhere there is no figure.)
"""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "ROLES",
    "all_descriptors",
    "cpu_seconds",
    "cpu_seconds_of_family",
    "describe",
    "family",
    "is_runnable",
    "on_cores",
    "pin",
    "resident",
    "resident_of_family",
    "seats",
]

#: Who runs in a measurement, the busiest first.
ROLES = ("sender", "server", "receiver")

#: Of descriptors for one process: more than any measurement wants.
MOST_DESCRIPTORS = 1 << 20

#: Of the clocks that Linux has for each process, the one of the scheduler, in nanoseconds: user and system.
_SCHEDULED = 2


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has taken, user and system, all threads, those that have ended too; in nanoseconds.

    Raises ``OSError`` where there is no such process.
    """
    # clock_getcpuclockid(3), which Python doesn't have. /proc/PID/stat would be the same in steps of 10 ms.
    return time.clock_gettime(~pid << 3 | _SCHEDULED)


def resident(pid: int) -> int:
    """Bytes of memory that a process has in RAM. Raises ``OSError`` where there is no such process."""
    # What statm says may be off by 128 KiB for each core, as the kernel adds it up later.
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"process {pid} has ended")


def family(pid: int) -> list[int]:
    """A process, those that it has started, those that they have started, and so on, as long as they run."""
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            pass
    return found


def cpu_seconds_of_family(pid: int) -> float:
    """As ``cpu_seconds``, with all that the process has started and that runs now."""
    return cpu_seconds(pid) + sum(_or_nothing(cpu_seconds, child) for child in family(pid)[1:])


def resident_of_family(pid: int) -> int:
    """As ``resident``, with all that the process has started and that runs now. What they share counts for each."""
    return resident(pid) + sum(int(_or_nothing(resident, child)) for child in family(pid)[1:])


def is_runnable(pid: int) -> bool:
    """Whether a process, or one that it has started, has something to do, even if others have the cores for now."""
    for member in family(pid):
        try:
            states = [
                stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{member}/task").glob("*/stat")
            ]
        except OSError:
            continue
        if "R" in states:
            return True
    return False


def _or_nothing(measure: Callable[[int], float], pid: int) -> float:
    try:
        return measure(pid)
    except OSError:
        return 0.0


def seats(cores: list[int]) -> Mapping[str, list[int]]:
    """The cores that each role gets: one of its own where there are enough, else the sender alone."""
    if len(cores) < 2:
        return {}
    if len(cores) == 2:
        return {"sender": cores[:1], "server": cores[1:], "receiver": cores[1:]}
    return {role: [core] for role, core in zip(ROLES, cores, strict=False)}


def pin(pid: int, cores: Sequence[int] | None) -> None:
    """Keep a process on ``cores``; nothing where that can't be done."""
    if cores and hasattr(os, "sched_setaffinity"):
        try:
            os.sched_setaffinity(pid, cores)
        except OSError:
            pass


@contextmanager
def on_cores(cores: Sequence[int] | None) -> Iterator[None]:
    """Processes that this thread starts in the block are kept on ``cores`` from their first instruction on."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    pin(0, cores)
    try:
        yield
    finally:
        pin(0, sorted(before or ()))


@contextmanager
def all_descriptors() -> Iterator[int]:
    """Processes that are started in the block may have as many descriptors as the system lets us; that many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Where there is no limit, or one of 10^9, some programs would run through all of them before they start another.
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def describe() -> dict[str, object]:
    """What the figures were taken on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
