"""Readiness: which descriptors can be read or written, by epoll on Linux and kqueue on macOS and the BSDs.

Rule owned here: one object whose own descriptor becomes readable when any registered one is ready, so that trio can
wait for all of them at once and stay in charge. Must not know what the descriptors are.
"""

from __future__ import annotations

import select
import sys
from typing import Final

__all__ = ["READ", "WRITE", "Readiness", "has_broken", "is_readable", "is_supported"]

READ: Final = 1  # select.EPOLLIN
WRITE: Final = 4  # select.EPOLLOUT

is_supported = hasattr(select, "epoll") or hasattr(select, "kqueue")


def is_readable(fd: int) -> bool:
    """Whether ``fd`` has something to read right now, its end included. Where that can't be asked: no."""
    if not hasattr(select, "poll"):  # pragma: no cover - Windows
        return False
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def has_broken(fd: int) -> bool:
    """Whether the connection of ``fd`` is no more: reset, or ended by both sides. Where that can't be asked: yes."""
    if not hasattr(select, "poll"):  # pragma: no cover - Windows
        return True
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))


if sys.platform == "linux":

    class Readiness:
        """Level-triggered epoll. ``poll`` gives pairs of descriptor and events; errors count as READ."""

        __slots__ = ("_epoll", "add", "change", "fileno", "poll", "remove")

        def __init__(self) -> None:
            self._epoll = epoll = select.epoll()
            # Bound once: the tick calls these for each batch and each new connection.
            self.fileno = epoll.fileno
            self.poll = epoll.poll
            self.add = epoll.register
            self.change = epoll.modify
            self.remove = epoll.unregister

        def closed(self, fd: int) -> None:
            """``fd`` was closed, which took it out of the set: a system call less for each connection."""

        def close(self) -> None:
            """Give the descriptor back."""
            self._epoll.close()

else:  # pragma: no cover - exercised on macOS and the BSDs

    class Readiness:
        """kqueue behind the interface of epoll."""

        __slots__ = ("_events", "_kqueue", "fileno")

        def __init__(self) -> None:
            self._kqueue = select.kqueue()
            self._events: dict[int, int] = {}
            self.fileno = self._kqueue.fileno

        def add(self, fd: int, events: int) -> None:
            """Watch ``fd``."""
            self._events[fd] = 0
            self.change(fd, events)

        def change(self, fd: int, events: int) -> None:
            """Watch ``fd`` for other events."""
            before, self._events[fd] = self._events[fd], events
            changes = []
            for bit, kind in ((READ, select.KQ_FILTER_READ), (WRITE, select.KQ_FILTER_WRITE)):
                if (before ^ events) & bit:
                    action = select.KQ_EV_ADD if events & bit else select.KQ_EV_DELETE
                    changes.append(select.kevent(fd, kind, action))
            if changes:
                self._kqueue.control(changes, 0)

        def remove(self, fd: int) -> None:
            """Watch ``fd`` no more."""
            self.change(fd, 0)
            del self._events[fd]

        def closed(self, fd: int) -> None:
            """``fd`` was closed, which took it out of the set."""
            self._events.pop(fd, None)

        def poll(self, timeout: float = 0, maxevents: int = 512) -> list[tuple[int, int]]:
            """What is ready now."""
            ready: dict[int, int] = {}
            for event in self._kqueue.control(None, maxevents, timeout):
                bit = READ if event.filter == select.KQ_FILTER_READ else WRITE
                ready[event.ident] = ready.get(event.ident, 0) | bit
            return list(ready.items())

        def close(self) -> None:
            """Give the descriptor back."""
            self._kqueue.close()
