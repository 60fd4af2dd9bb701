"""Allocator: have the C library keep a few MiB of what large payloads free, and CPython give back what a crowd leaves.

Rule owned here: the one place that touches how memory is managed. Must not know what it is used for. Everything here is
a hint: where the allocators are others (musl, macOS, a free-threaded CPython, PYTHONMALLOC=malloc) it does nothing.

glibc gives the top of its heap back to the system as soon as 128 KiB of it are free, so each large message would
fault its pages in again: echoing 256 KiB took 460 us of CPU, three quarters of it page faults, and takes 118 us
without them. So it may keep 8 MiB, and what is larger than 4 MiB is mapped by itself and given back at once. Left
alone glibc would raise both by itself, to what the largest message so far has taken (mallopt(3), M_MMAP_THRESHOLD): one
of 30 MiB left 20 to 37 MiB in the process for good.

CPython (Objects/obmalloc.c) takes blocks of up to 512 bytes from pools of 16 KiB in arenas of 1 MiB, and gives an arena
back when its last block is freed. New blocks come from the pool that was full most recently, so after 10 000
connections have gone, the few blocks that a process keeps replacing (a deadline, a counter, what a task waits
for) lie in the arenas of the crowd, one or two in each: 8 arenas for 20 blocks. ``compact`` changes the order of the
pools, so that new blocks come from those that are nearly full; replaced once, the 20 leave the crowd's arenas.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from time import perf_counter

__all__ = ["KEPT", "compact", "empty_free_lists", "keep_freed_memory", "trim"]

#: Bytes of freed memory that the process may keep at the top of its heap.
KEPT = 8 * 1024 * 1024

#: What obmalloc.c calls POOL_SIZE and POOL_OVERHEAD, and the sizes of its blocks.
POOL, OVERHEAD, SIZES = 16 * 1024, 48, range(512, 0, -16)
#: Pools of one size that ``compact`` fills at most, and seconds that it takes at most (5 ms in an idle server).
MOST_POOLS, MOST_SECONDS = 100, 0.02
#: CPython 3.12 freezes some objects of its own, 375 of them.
FROZEN_BY_CPYTHON = 1000
#: Bytes of an empty ``bytes`` object.
HEADER = (b"").__sizeof__()


#: Parameters of mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def _find(name: str) -> Callable[..., int] | None:
    """A function of the C library, if it is glibc."""
    try:
        library = ctypes.CDLL(None)
        library.malloc_trim  # noqa: B018 - only glibc has it, and means the same by the others
        found: Callable[..., int] = getattr(library, name)
    except (AttributeError, OSError, TypeError):  # pragma: no cover - musl, macOS, Windows
        return None
    return found


# Looked up here: each lookup makes classes, which are left to the garbage collector.
_malloc_trim, _mallopt = _find("malloc_trim"), _find("mallopt")


def keep_freed_memory() -> None:
    """Set the threshold at which freed memory is given back to ``KEPT`` bytes."""
    if _mallopt is not None:
        _mallopt(M_MMAP_THRESHOLD, KEPT // 2)
        _mallopt(M_TRIM_THRESHOLD, KEPT)


def trim() -> None:
    """Have glibc give back what is free in its heap, wherever it is; up to ``KEPT`` bytes gather there again."""
    if _malloc_trim is not None:
        _malloc_trim(0)


def empty_free_lists() -> None:
    """Have CPython free the floats, tuples and so on that it keeps for the next ones, some 2000 of each size.

    A full run of the garbage collector does that at its end. Frozen, there is nothing for it to look through: 0.1 ms.
    """
    if gc.get_freeze_count() > FROZEN_BY_CPYTHON:
        return  # somebody else froze objects, and `unfreeze` is for all
    gc.freeze()
    try:
        gc.collect()
    finally:
        gc.unfreeze()


def compact() -> None:
    """Have new blocks come from the pools that are nearly full, so that the others get empty."""
    until = perf_counter() + MOST_SECONDS
    for size in SIZES:
        if perf_counter() < until:
            _reorder(size)


def _reorder(size: int) -> None:
    """Fill all pools of a size; then free what filled them, beginning with the pools that had most room.

    A pool that was full goes to the front when something in it is freed. Of the blocks that are made and freed
    meanwhile, lists and numbers, none stays.
    """
    whole = (POOL - OVERHEAD) // size
    pools: dict[int, list[object]] = {}
    for _ in range(MOST_POOLS):
        for block in _blocks(size, whole):
            pools.setdefault(id(block) // POOL, []).append(block)
        if max(map(len, pools.values())) >= whole:
            break  # a new pool: there is no room in the old ones
    block = None
    by_room = sorted(pools.values(), key=len)
    pools.clear()
    while by_room:
        by_room.pop().clear()


def _blocks(size: int, count: int) -> list[object]:
    if size == 16:
        return [object() for _ in range(count)]
    if size == 32:
        return list(range(1 << 29, (1 << 29) + count))
    return [bytes(size - HEADER) for _ in range(count)]
