"""Acts: what owners of unique names did, and whether any of it was not theirs to do.

Rules owned here: who has a lower fence than one that has acted before acts no more; when a node has died, its names are
another's within the lease. Times are of the machine's one monotonic clock, in seconds. Must not know how acts are done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

__all__ = ["Act", "Death", "late", "owners", "read", "stale", "without_lease"]


@frozen
class Act:
    """An owner did something."""

    at: float
    name: str
    fence: int
    """0: it had none, and knew it."""
    process: int


@frozen
class Death:
    """A node's process was killed while all else was well."""

    at: float
    process: int


def read(path: Path, since: int = 0) -> list[Act]:
    """What the processes have written behind so many bytes, by time.

    A last line that isn't whole is of a process that was killed.
    """
    if not path.exists():
        return []
    acts = []
    for line in path.read_bytes()[since:].decode().splitlines(keepends=True):
        if line.endswith("\n"):
            at, name, fence, process = line.split()
            acts.append(Act(int(at) / 1e9, name, int(fence), int(process)))
    return sorted(acts, key=lambda act: act.at)


def stale(acts: Iterable[Act]) -> list[str]:
    """Acts of earlier owners after the first one of a later owner."""
    highest: dict[str, Act] = {}
    found = []
    for act in acts:
        rival = highest.get(act.name)
        if not act.fence:
            continue
        if rival is not None and act.fence < rival.fence:
            found.append(f"{act} after {rival}")
        elif rival is None or act.fence > rival.fence:
            highest[act.name] = act
        elif act.process != rival.process:
            found.append(f"{act} with the fence of {rival}")
    return found


def without_lease(acts: Iterable[Act]) -> int:
    """How often a callback of an owner ran that had its name no more. It was not told, but could have known."""
    return sum(not act.fence for act in acts)


def owners(acts: Iterable[Act]) -> Counter[str]:
    """How many owners each name has had."""
    return Counter(name for name, _ in {(act.name, act.fence) for act in acts if act.fence})


def late(acts: list[Act], deaths: Iterable[Death], within: float) -> tuple[list[float], list[str]]:
    """How long the names of the dead stayed theirs; and those that did for longer than ``within``."""
    times, found = [], []
    for death in deaths:
        for name in sorted({act.name for act in acts}):
            mine = [act for act in acts if act.name == name and act.fence]
            before = [act for act in mine if act.at <= death.at]
            if not before or before[-1].process != death.process:
                continue
            next_at = next((act.at for act in mine if act.at > death.at and act.process != death.process), None)
            if next_at is None or next_at - death.at > within:
                took = "never" if next_at is None else f"{next_at - death.at:.2f} s"
                found.append(
                    f"{name} of the process {death.process}, which was killed, had another owner after: {took}"
                )
            if next_at is not None:
                times.append(next_at - death.at)
    return times, found
