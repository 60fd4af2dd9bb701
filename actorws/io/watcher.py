"""Watcher: the contract of who waits for sockets to be ready, for a crowd of them or for one.

Rule owned here: what a socket's wire asks of its driver. Must not know any driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from actorws.io.socket_input import SocketInput

__all__ = ["Watcher"]


class Watcher(Protocol):
    """Who waits for sockets to be ready."""

    #: The runtime's clock at the begin of this turn.
    tick_began: float

    def set_events(self, fd: int, events: int, /) -> None:
        """Watch a descriptor for other events."""

    def read_again(self, wire: SocketInput, /) -> None:
        """Go on with a wire in the next turn: its last read holds more complete frames."""

    def shortage(self, error: MemoryError, /) -> None:
        """There was no memory."""

    def forget(self, fd: int, /) -> None:
        """A wire has closed its socket."""

    def release(self, fd: int, /) -> None:
        """A wire is about to close its socket, which stays open in another process."""
