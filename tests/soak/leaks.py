"""Leaks: what a quiet server holds, and whether that is more than before.

Rules owned here: what can be counted is as it was before the first client came; memory is at most a tenth above what it
was after a warm-up of the same kind of load. Must not know what held it.

Memory is measured by the server itself: its resident pages, after it has tidied up a dozen times as it does by itself
when a crowd of a thousand has left (``actorws.io.crowd``): the garbage collector, CPython's pools, glibc's heap. What
is left beside living objects are arenas that one or two of them keep (``actorws.io.allocator``), which is why it is
compared with a server that was busy, and why there is a tenth.
Blocks that CPython has handed out are exact. The peak is bounded by what each client may make the server hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["COUNTED", "MEMORY", "faults_of_memory", "faults_of_peak", "is_quiet", "leaks"]

#: What has to be as before. (``tasks`` are those that are not waiting for work.)
COUNTED = ("descriptors", "tasks", "actors", "names", "groups", "members", "timers", "wires", "queued")
#: What has to be as before but for a share.
MEMORY = {"rss": 0.10, "blocks": 0.10}

#: Bytes that one client may cost at any time: a message of 1 MiB, 256 KiB of output and what is made of them.
PER_CLIENT = 2 * 1024 * 1024

Statistics = Mapping[str, Any]


def is_quiet(now: Statistics, before: Statistics) -> bool:
    """Whether nothing is left of anybody."""
    return not leaks(now, before)


def leaks(now: Statistics, before: Statistics) -> list[str]:
    """What there is more, or less, of than before."""
    return [f"{now[name]} {name}, {before[name]} before" for name in COUNTED if now[name] != before[name]]


def faults_of_peak(now: Statistics, at_first: Statistics, clients: int) -> list[str]:
    """Whether at some time there was more memory in use than ``clients`` clients account for."""
    most = at_first["rss"] + clients * PER_CLIENT
    return [f"at its peak it had {now['peak']:,} bytes, {most:,} is the most"] if now["peak"] > most else []


def faults_of_memory(now: Statistics, before: Statistics) -> list[str]:
    """What there is too much of."""
    return [
        f"{now[name]:,} of {name}, {before[name]:,} after the warm-up: more than {share:.0%} above"
        for name, share in MEMORY.items()
        if now[name] > before[name] * (1 + share)
    ]
