"""Machine: its cores, and what processes take of it.

Rule owned here: CPU time and memory are what the kernel says of a process, from outside; so what is measured is the
same for a node, a server and a peer. (Linux: elsewhere there is no figure.)
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

__all__ = ["ROLES", "cpu_seconds", "describe", "pin", "resident", "seats"]

#: Who runs in a measurement, the busiest first.
ROLES = ("sender", "server", "receiver")

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has taken, user and system, all threads; resolution 10 ms."""
    # The name of the program, in parentheses, may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int) -> int:
    """Bytes of memory that a process has in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def seats(cores: list[int]) -> Mapping[str, list[int]]:
    """The cores that each role gets: one of its own where there are enough, else the sender alone."""
    if len(cores) < 2:
        return {}
    if len(cores) == 2:
        return {"sender": cores[:1], "server": cores[1:], "receiver": cores[1:]}
    return {role: [core] for role, core in zip(ROLES, cores, strict=False)}


def pin(pid: int, cores: list[int] | None) -> None:
    """Keep a process on ``cores``; nothing where that can't be done."""
    if cores and hasattr(os, "sched_setaffinity"):
        try:
            os.sched_setaffinity(pid, cores)
        except OSError:
            pass


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
