"""Mailbox: what waits for an actor while one of its callbacks runs.

Rule owned here: first in, first out, bounded in messages and in bytes. A server message that finds no room meets the
behaviour's policy; client messages are always taken, because their transport stops reading when the mailbox is full.
An idle actor has no mailbox. Must not know what an actor does with a message.
"""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Any, Final

from actorws import config
from actorws.actor.bounded import BoundedQueue

if TYPE_CHECKING:
    from actorws.registry.table import Members

__all__ = ["CLIENT", "DRAIN", "FRAME", "INIT", "SERVER", "Mailbox", "size_of"]

#: Kinds of items: which callback an item is for (``FRAME``: none, straight to the client).
INIT: Final = 0
CLIENT: Final = 1
SERVER: Final = 2
DRAIN: Final = 3
FRAME: Final = 4


def size_of(message: object) -> int:
    """Bytes that a message counts for: its payload, or the shallow size of what is not a string."""
    if isinstance(message, str | bytes | bytearray):
        return len(message)
    if isinstance(message, memoryview):
        return message.nbytes
    return getsizeof(message)


class Mailbox(BoundedQueue[tuple[int, Any, "Members | None"]]):
    """The queue of one actor: kind, payload, and the group to which it was published: who has left gets nothing."""

    __slots__ = ("was_full",)

    def __init__(self, options: config.Mailbox) -> None:
        super().__init__(options.mailbox_messages, options.mailbox_bytes, options.mailbox_policy)
        #: Whether it was full since the transport was last told to go on reading.
        self.was_full = False

    @property
    def full_of(self) -> str:
        """The option that sets the bound which ``is_full`` is about."""
        return "mailbox_messages" if len(self) >= self.max_items else "mailbox_bytes"

    @property
    def short_of(self) -> str:
        """The option that sets the bound which the last message without room met."""
        return "mailbox_messages" if self.had_no_entry else "mailbox_bytes"

    @property
    def is_full(self) -> bool:
        """Whether the transport should stop reading from the client."""
        return len(self) >= self.max_items or self.bytes >= self.max_bytes

    @property
    def has_room(self) -> bool:
        """Whether a transport that stopped reading may go on: half of the bound is free."""
        return 2 * len(self) <= self.max_items and 2 * self.bytes <= self.max_bytes
