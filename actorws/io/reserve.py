"""Reserve: address space that is kept free by being taken, for a process whose memory is bounded (``ulimit -v``).

Rule owned here: given up at the first sign of want, it lets those who are in go on; nobody else is let in until it
could be taken again, or as much was freed. It costs no memory, as it is never touched. Must not know what a connection
is.

Without it, of ten servers that a crowd of connections had brought to their bound five hung or crashed: after
the last block had gone to one connection more, what failed next was trio. With it, ten of ten went on.
"""

from __future__ import annotations

import mmap
import sys

__all__ = ["RESERVE", "SPARE", "Reserve"]

#: Bytes: a few arenas of CPython.
RESERVE = 4 * 1024 * 1024
#: Where that is not to be had again: blocks of CPython that have to be free, about a MiB.
SPARE = 10_000


class Reserve:
    """There, or given up."""

    __slots__ = ("_block", "_most")

    def __init__(self) -> None:
        self._block: mmap.mmap | None = None
        #: How many blocks may be in use while it is given up.
        self._most = sys.maxsize
        self.has_room()

    def give_up(self) -> None:
        """Let others have it."""
        self._most = sys.getallocatedblocks() - SPARE
        if self._block is not None:
            self._block.close()
            self._block = None

    def has_room(self) -> bool:
        """Whether there is memory for more: the reserve is there (it is taken again), or some was freed since.

        What is freed is mostly not given back to the system, so the reserve may never be had again.
        """
        try:
            if self._block is None:
                self._block = mmap.mmap(-1, RESERVE)
        except (OSError, MemoryError):
            used = sys.getallocatedblocks()
            # Where that can't be told (PYTHONMALLOC=malloc) there has to be a try.
            return used < self._most or not used
        return True
