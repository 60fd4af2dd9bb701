"""Inbox: messages that have come and that the script hasn't taken.

Rules owned here: bounded in messages and bytes, by not reading from the peer; a message goes straight to the task that
has waited longest, so that none is lost by a cancellation and no task is passed by. Must not know where messages come
from.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

import trio

from actorws.actor.mailbox import size_of
from actorws.connection.line import Line

if TYPE_CHECKING:
    from actorws.config import Mailbox

__all__ = ["TURN", "Inbox"]

#: Seconds after which a task that never has to wait lets others run. (A checkpoint for each message would cost as much
#: as the message; trio asks for one "often enough", and its own scheduling delays are of this order.)
TURN = 0.001


class Inbox:
    """One connection's."""

    def __init__(self, options: Mailbox) -> None:
        self._messages: deque[str | bytes] = deque()
        self._bytes = 0
        self._options = options
        #: Empty while there are messages.
        self.line: Line[None, str | bytes | None] = Line()
        self.turn_ends = 0.0
        """Until when a task that doesn't have to wait goes on: for so long none has had to."""
        self.is_closed = False
        """Whether nothing more comes."""

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def is_full(self) -> bool:
        """Whether the peer isn't to be read from."""
        return len(self._messages) >= self._options.mailbox_messages or self._bytes >= self._options.mailbox_bytes

    @property
    def has_room(self) -> bool:
        """Whether it may be read from again: half of the bound is free. (At the bound each message would stop it.)"""
        options = self._options
        return 2 * len(self._messages) <= options.mailbox_messages and 2 * self._bytes <= options.mailbox_bytes

    @property
    def is_awaited(self) -> bool:
        """Whether the next message would be for a task that begins to wait for it now."""
        return not self._messages and not self.is_closed and not self.line

    def put(self, message: str | bytes) -> None:
        """A message has come."""
        if self.line:
            self.line.hand(message)
        else:
            self._messages.append(message)
            self._bytes += size_of(message)

    def close(self) -> None:
        """Nothing more comes."""
        self.is_closed = True
        self.line.hand_all(None)

    async def take(self) -> str | bytes | None:
        """The next message, or ``None`` when none is left and nothing more comes."""
        if self._messages and perf_counter() < self.turn_ends:
            await trio.lowlevel.checkpoint_if_cancelled()
        elif self._messages or self.is_closed:
            await trio.lowlevel.checkpoint()
            self.turn_ends = perf_counter() + TURN
        if self._messages:
            message = self._messages.popleft()
            self._bytes -= size_of(message)
            return message
        if self.is_closed:
            return None
        handed = await self.line.wait(None)
        self.turn_ends = perf_counter() + TURN
        return handed
