"""Outbox: the messages that a session has for its client.

Rules owned here: messages are numbered from 1 by counting, in the order in which they are handed to a carrier; what was
handed out is kept until the client acknowledges it, bounded in messages and in bytes; what waits has no number yet, so
that a policy may drop or replace it. Must not know carriers or actors.

::

    forgotten     sent                          waiting
    1 ... f    |  f+1 ... handed | ... count  |  (no numbers)
               |  the carrier    | to be sent |
               |  has these      | again      |
"""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

from actorws.actor.bounded import BoundedQueue, Offered
from actorws.config import OverflowPolicy
from actorws.frames import Frame
from actorws.protocol.encoder import payload_of

__all__ = ["Kept", "Message", "Outbox", "kept_as"]

#: Text or binary.
Message: TypeAlias = str | bytes
#: A message and its bytes.
Kept: TypeAlias = tuple[Message, int]


def kept_as(frame: Frame) -> Kept:
    """A message as it is kept, and its bytes. Raises as ``payload_of``."""
    if type(frame) is str and frame.isascii():
        return frame, len(frame)
    if type(frame) is bytes:
        return frame, len(frame)
    _, payload = payload_of(frame)
    return (str(frame) if isinstance(frame, str) else payload), len(payload)


class Outbox:
    """One session's."""

    # One per session; what an idle one doesn't need isn't there (an empty deque takes 600 bytes).
    __slots__ = ("_max_bytes", "_max_messages", "_sent", "_sent_bytes", "_waiting", "acknowledged", "count", "handed")

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        """So many messages and bytes are kept until they are acknowledged."""
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._sent: deque[Kept] | None = None
        self._sent_bytes = 0
        self._waiting: BoundedQueue[Kept] | None = None
        #: Messages that have a number: the last one's.
        self.count = 0
        #: Of those, how many the carrier of now has, or the client had when it came.
        self.handed = 0
        #: And how many the client has said that it has got.
        self.acknowledged = 0

    @property
    def bytes(self) -> int:
        """Bytes of everything in here."""
        return self._sent_bytes + (0 if self._waiting is None else self._waiting.bytes)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of what no carrier has had yet."""
        return 0 if self._waiting is None else self._waiting.bytes

    @property
    def is_level(self) -> bool:
        """Whether the carrier has everything: what comes next may be handed to it directly."""
        return self._waiting is None and self.handed == self.count

    # Towards the carrier

    def record(self, kept: Kept) -> None:
        """A message is handed to the carrier now: number it, and keep it. Only when ``is_level``. (Per message.)"""
        sent = self._sent
        if sent is None:
            sent = self._sent = deque()
        sent.append(kept)
        self._sent_bytes += kept[1]
        self.count += 1
        self.handed += 1
        if self._sent_bytes > self._max_bytes or len(sent) > self._max_messages:
            self._trim()

    def _trim(self) -> None:
        """Forget the oldest that there is no room for."""
        while self._sent is not None and (self._sent_bytes > self._max_bytes or len(self._sent) > self._max_messages):
            self._forget_one()

    def take(self) -> Message | None:
        """The next message for the carrier, numbered and kept; ``None``: it has all."""
        if self.handed < self.count:
            assert self._sent is not None
            message, _ = self._sent[self.handed - self.forgotten]
            self.handed += 1
            return message
        if not self._waiting:
            return None
        kept = self._waiting.take()
        if not self._waiting:
            self._waiting = None
        self.record(kept)
        return kept[0]

    def wait(self, kept: Kept, subject: object, bounds: tuple[float, int], policy: OverflowPolicy) -> Offered:
        """Let a message wait within ``bounds`` (messages, bytes) or as ``policy`` says; its key may raise."""
        waiting = self._waiting
        if waiting is None:
            waiting = BoundedQueue(*bounds, policy)
        else:
            waiting.max_items, waiting.max_bytes = bounds
        offered = waiting.offer(kept, kept[1], subject)
        self._waiting = waiting if waiting else None
        return offered

    def confine(self, bounds: tuple[float, int]) -> None:
        """Drop the oldest of what waits until the rest is within ``bounds``."""
        while self._waiting and not self.waits_within(bounds):
            self._waiting.take()
        self._waiting = self._waiting or None

    def waits_within(self, bounds: tuple[float, int]) -> bool:
        """Whether what waits is within ``bounds`` (messages, bytes)."""
        waiting = self._waiting
        return waiting is None or (len(waiting) <= bounds[0] and waiting.bytes <= bounds[1])

    @property
    def had_no_entry(self) -> bool:
        """Whether what found no room last met the bound in messages (else that in bytes)."""
        return self._waiting is not None and self._waiting.had_no_entry

    # From the client

    @property
    def forgotten(self) -> int:
        """Messages that are not kept any more: the last one's number."""
        return self.count - (0 if self._sent is None else len(self._sent))

    def acknowledge(self, received: int) -> bool:
        """The client has got so many. False if that can't be: fewer than it said before, or more than were sent."""
        if not self.acknowledged <= received <= self.handed:
            return False
        self.acknowledged = received
        while self.forgotten < received:
            self._forget_one()
        return True

    def rewind(self, received: int) -> bool:
        """A carrier begins for a client that has got so many. False if it can't go on from there.

        It may have got more than it has acknowledged, and has got what it acknowledged.
        """
        if not max(self.acknowledged, self.forgotten) <= received <= self.count:
            return False
        self.handed = self.count
        self.acknowledge(received)
        self.handed = received
        return True

    def _forget_one(self) -> None:
        assert self._sent is not None
        _, size = self._sent.popleft()
        self._sent_bytes -= size
        if not self._sent:
            self._sent = None
