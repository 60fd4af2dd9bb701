"""Ledger: what came to whom, and whether everything that didn't is accounted for.

Rules owned here: what one sender sends to one receiver comes in order and once; whatever is missing between two
messages is covered by a gap that the receiver was told of just there, or by what its sender was told: that it wasn't
sent, or, of what was sent without waiting, by a gap; or by the sender's death, of what it never answered for. Must not
know connections: it is told what came, in the order in which it came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from attrs import frozen

__all__ = ["Hole", "Ledger", "Receiver", "Sender"]

#: Of which one message goes to everybody.
TO_GROUP = "Gg"
#: Of which nobody is told whether they were sent.
UNANSWERED = "ng"


class Sender:
    """One talker, from its beginning to its end, as one who sends."""

    def __init__(self, since: int) -> None:
        self.since = since
        self.has_ended = False
        #: Instructed so far, by kind and target.
        self.counts: Counter[tuple[str, str]] = Counter()
        #: Up to which number it has answered for what it was told to send.
        self.reported = 0
        self.failed: set[tuple[str, str, int]] = set()
        #: First and last number of what may have been lost with its node's link.
        self.gaps: list[tuple[int, int]] = []


@frozen
class Seen:
    """The last message of one kind from one sender."""

    count: int
    number: int
    at: int


@frozen
class Hole:
    """Messages that have not come, between two that have."""

    receiver: str
    target: str
    sender: str
    kind: str
    counts: range
    between: tuple[int, int]


class Receiver:
    """One talker, from its beginning to its end, as one who receives."""

    def __init__(self, ledger: Ledger, who: str, name: str, group: str, since: int) -> None:
        self._ledger = ledger
        self._who = who
        self._name = name
        self._group = group
        self._since = since
        self._gap_at = -1
        self._last: dict[str, int] = {}
        self._seen: dict[tuple[str, str], Seen] = {}

    def gap(self) -> None:
        """It was told that something may be missing."""
        self._gap_at = self._ledger.tick()

    def got(self, who: str, number: int, kind: str, count: int) -> None:
        """A message came."""
        ledger = self._ledger
        ledger.delivered += 1
        last = self._last.get(who, 0)
        if number <= last:
            how = "twice" if number == last else f"after {last}"
            ledger.faults.append(f"{self._who}: number {number} of {who} ({kind} {count}) came {how}")
            return
        self._last[who] = number
        before = self._seen.get((who, kind)) or self._beginning(who)
        if before is not None and count <= before.count:
            ledger.faults.append(f"{self._who}: {kind} {count} of {who} came after {kind} {before.count}")
        elif before is not None and count > before.count + 1:
            self._hole(who, kind, range(before.count + 1, count), before, number)
        self._seen[who, kind] = Seen(count, number, ledger.tick())

    def _beginning(self, who: str) -> Seen | None:
        """Of who began later than this one, everything has to come."""
        sender = self._ledger.senders[who]
        return Seen(0, 0, sender.since) if sender.since > self._since else None

    def _hole(self, who: str, kind: str, counts: range, before: Seen, number: int) -> None:
        if self._gap_at > before.at:
            self._ledger.covered["receiver's gap"] += len(counts)
        else:
            hole = Hole(self._who, self.target(kind), who, kind, counts, (before.number, number))
            self._ledger.holes.append(hole)

    def target(self, kind: str) -> str:
        """What messages of a kind were sent to that come here."""
        return self._group if kind in TO_GROUP else self._name

    def lacks(self, who: str, sender: Sender) -> Iterator[str]:
        """What has been sent here last, and hasn't come."""
        for kind in "NnGg":
            count = sender.counts[kind, self.target(kind)]
            seen = self._seen.get((who, kind))
            owes = seen is not None or sender.since > self._since
            if owes and (seen.count if seen else 0) < count:
                yield f"{self._who}: {kind} {count} of {who} has not come"


class Ledger:
    """The whole of it."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.senders: dict[str, Sender] = {}
        #: Those that are there now.
        self.receivers: dict[str, Receiver] = {}
        self.holes: list[Hole] = []
        #: Messages that are missing, by what accounts for them.
        self.covered: Counter[str] = Counter()
        self.sent = 0
        self.delivered = 0
        self._ticks = 0

    @property
    def accepted(self) -> int:
        """Messages sent but those that were refused, as far as told: without an engine many are, in no time."""
        return self.sent - self.covered["not sent"]

    def tick(self) -> int:
        """Later than everything before."""
        self._ticks += 1
        return self._ticks

    def began(self, who: str, name: str, group: str) -> tuple[Sender, Receiver]:
        """A talker has its name and is in the group."""
        since = self.tick()
        self.senders[who] = Sender(since)
        self.receivers[who] = Receiver(self, who, name, group, since)
        return self.senders[who], self.receivers[who]

    def ended(self, who: str) -> None:
        """A talker's connection is over."""
        self.senders[who].has_ended = True
        del self.receivers[who]

    def lacking(self) -> list[str]:
        """What those who are there have sent each other last, and hasn't come."""
        there = {who: self.senders[who] for who in self.receivers}
        every = self.receivers.values()
        return [lack for receiver in every for who in there for lack in receiver.lacks(who, there[who])]

    def judge(self) -> None:
        """Nothing more comes: account for what is missing."""
        for hole in self.holes:
            for count in hole.counts:
                cover = self._cover(hole, count)
                if cover is None:
                    self.faults.append(f"{hole.receiver}: {hole.kind} {count} of {hole.sender} is missing: {hole}")
                else:
                    self.covered[cover] += 1
        self.holes.clear()

    def _cover(self, hole: Hole, count: int) -> str | None:
        sender, (before, after) = self.senders[hole.sender], hole.between
        if (hole.kind, hole.target, count) in sender.failed:
            return "told to the sender"
        if hole.kind in UNANSWERED and any(first < after and last > before for first, last in sender.gaps):
            return "sender's gap"
        if sender.has_ended and after > sender.reported:
            return "sender's death"
        return None
