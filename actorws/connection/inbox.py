"""Inbox: messages that have come and that the script hasn't taken.

Rules owned here: bounded in messages and bytes, by not reading from the peer; whoever waits gets the next message or is
told of the end. Must not know where messages come from.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

import trio

from actorws.actor.mailbox import size_of

if TYPE_CHECKING:
    from actorws.config import Mailbox

__all__ = ["Inbox"]

#: Seconds after which a task that never has to wait lets others run.
TURN = 0.001


class Inbox:
    """One connection's."""

    def __init__(self, options: Mailbox) -> None:
        self._messages: deque[str | bytes] = deque()
        self._bytes = 0
        self._options = options
        self._parked = trio.lowlevel.ParkingLot()
        self._turn_ends = 0.0
        self.is_closed = False
        """Whether nothing more comes."""

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def is_full(self) -> bool:
        """Whether the peer isn't to be read from."""
        return len(self._messages) >= self._options.mailbox_messages or self._bytes >= self._options.mailbox_bytes

    def put(self, message: str | bytes) -> None:
        """A message has come."""
        self._messages.append(message)
        self._bytes += size_of(message)
        if self._parked:
            self._parked.unpark()

    def close(self) -> None:
        """Nothing more comes."""
        self.is_closed = True
        self._parked.unpark_all()

    async def take(self) -> str | bytes | None:
        """The next message, or ``None`` when none is left and nothing more comes."""
        if self._messages and perf_counter() < self._turn_ends:
            await trio.lowlevel.checkpoint_if_cancelled()
        elif self._messages or self.is_closed:
            await trio.lowlevel.checkpoint()
            self._turn_ends = perf_counter() + TURN
        while not self._messages and not self.is_closed:
            await self._parked.park()
            self._turn_ends = perf_counter() + TURN
        if not self._messages:
            return None
        message = self._messages.popleft()
        self._bytes -= size_of(message)
        return message
