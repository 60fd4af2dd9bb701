"""Ledger: what good clients were promised, and what they got of it.

Rules owned here: who is a member of a room gets each message of that time once, and those of one sender in the order
sent; a direct message that the server took reaches its receiver once, in order; who leaves may lose the last ones of a
sender, but none before one that came. Must not know connections: it is told what was said and what came.

A room's messages have *positions*, which the server counts, and each sender counts its own *numbers*. ``joined`` and
``left`` tell the room's position at that instant, so what a member must get is known exactly.
"""

from __future__ import annotations

__all__ = ["Inbox", "Ledger", "Membership"]


class Sequence:
    """What came to one receiver, by sender: each number is higher than the one before it."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}

    def wrong(self, sender: str, number: int) -> str:
        """What is wrong with ``number`` as the next one of ``sender``, if anything."""
        last = self.last.get(sender, -1)
        self.last[sender] = max(last, number)
        if number > last:
            return ""
        return f"number {number} of {sender} came twice" if number == last else f"{sender}'s {number} came after {last}"


class Membership:
    """One member's time in a room."""

    def __init__(self, ledger: Ledger, room: str, member: str, since: int) -> None:
        self._ledger = ledger
        self._room = ledger.room(room)
        self._who = f"{member} in {room}"
        self._since = since
        #: The room's position when it left.
        self._until: int | None = None
        self._positions: set[int] = set()
        self._sequence = Sequence()

    def got(self, position: int, sender: str, number: int) -> None:
        """A message came."""
        if position in self._positions:
            self._fault(f"position {position}, number {number} of {sender}, came twice")
        elif position <= self._since or (self._until is not None and position > self._until):
            self._fault(f"position {position} came to who was a member from {self._since} to {self._until}")
        elif wrong := self._sequence.wrong(sender, number):
            self._fault(f"{wrong} (position {position})")
        self._positions.add(position)
        self._room.note(position, sender, number)

    def has_all(self, until: int) -> bool:
        """Whether everything up to a position has come."""
        return len(self._positions) >= until - self._since and not self.missing(until)

    def missing(self, until: int) -> list[int]:
        """Positions that haven't come."""
        return [position for position in range(self._since + 1, until + 1) if position not in self._positions]

    def lost(self, until: int) -> None:
        """Everything up to a position should have come long since, and hasn't."""
        self._fault(f"never came: positions {self.missing(until)[:20]} of those up to {until}")

    def left(self, position: int) -> None:
        """It left at a position of the room. What was on its way, to an actor that is busy, may still come."""
        self._until = position

    def finish(self) -> None:
        """Nothing more comes. What is missing is judged when it is known whose it was."""
        self._room.open.discard(self)
        self._room.over.append(self)
        self._room.tidy()

    def judge(self, final: bool = False) -> bool:
        """Whether all was known that takes to judge; ``final``: nothing more will be."""
        assert self._until is not None
        missing = self.missing(self._until)
        if not final and any(position not in self._room.said for position in missing):
            return False
        for position in missing:
            sender, number = self._room.said.get(position, ("", 0))
            if number < self._sequence.last.get(sender, -1):
                self._fault(f"{sender}'s {number} (position {position}) never came, but a later one did")
        self._ledger.withdrawn += len(missing)
        self._ledger.delivered += len(self._positions)
        return True

    @property
    def since(self) -> int:
        """The room's position when it joined."""
        return self._since

    def _fault(self, what: str) -> None:
        self._ledger.fault(f"{self._who}: {what}")


class Room:
    """What was said in a room, as long as somebody may be asked for it."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self._ledger = ledger
        self._name = name
        self.said: dict[int, tuple[str, int]] = {}
        #: The highest position that a sender knows of.
        self.newest = 0
        self.open: set[Membership] = set()
        self.over: list[Membership] = []

    def note(self, position: int, sender: str, number: int) -> None:
        """Somebody says what a position holds."""
        if self.said.setdefault(position, (sender, number)) != (sender, number):
            known = self.said[position]
            self._ledger.fault(f"{self._name}: position {position} is {known} to one and {(sender, number)} to another")

    def tidy(self, final: bool = False) -> None:
        """Judge who has gone, and forget what nobody will be asked for."""
        self.over = [membership for membership in self.over if not membership.judge(final)]
        oldest = min((membership.since for membership in (*self.open, *self.over)), default=self.newest)
        for position in [position for position in self.said if position <= oldest]:
            del self.said[position]


class Inbox:
    """What one receiver, a connection that has names, is sent directly."""

    def __init__(self, ledger: Ledger, owner: str) -> None:
        self._ledger = ledger
        self.owner = owner
        #: Taken by the server and not come (1), or come before the sender was told that it was taken (-1).
        self._open: dict[tuple[str, int], int] = {}
        self._sequence = Sequence()
        #: Whether it was ended by somebody else, so that the last messages may be lost.
        self.was_cut = False

    def got(self, sender: str, number: int) -> None:
        """A message came."""
        self._ledger.delivered += 1
        if wrong := self._sequence.wrong(sender, number):
            self._ledger.fault(f"{self.owner}: {wrong}")
        else:
            self._count(sender, number, -1)

    def expect(self, sender: str, number: int) -> None:
        """The server said that it took one."""
        self._count(sender, number, +1)

    def _count(self, sender: str, number: int, step: int) -> None:
        key = sender, number
        self._open[key] = self._open.get(key, 0) + step
        if not self._open[key]:
            del self._open[key]

    @property
    def is_complete(self) -> bool:
        """Whether everything has come that is known to have been taken."""
        return 1 not in self._open.values()

    def judge(self) -> None:
        """Nothing more comes, and every sender has its answer."""
        for (sender, number), step in self._open.items():
            if step < 0:
                self._ledger.fault(f"{self.owner}: {sender}'s {number} came, which the server hadn't taken")
            elif not self.was_cut or number < self._sequence.last.get(sender, -1):
                self._ledger.fault(f"{self.owner}: {sender}'s {number} never came")
            else:
                self._ledger.withdrawn += 1


class Ledger:
    """The whole of it."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._rooms: dict[str, Room] = {}
        self._inboxes: dict[str, Inbox] = {}
        #: Direct messages that the server hasn't answered for, each with its name.
        self._asked: dict[int, str] = {}
        self._serial = 0
        #: Who has each name that is only given to one who finds it free.
        self._holders: dict[str, str] = {}
        #: Messages that came to who had to get them.
        self.delivered = 0
        #: Messages that were on their way to somebody who left.
        self.withdrawn = 0

    def fault(self, what: str) -> None:
        """A promise was broken."""
        self.faults.append(what)

    # Rooms

    def room(self, name: str) -> Room:
        """The account of one room."""
        if name not in self._rooms:
            self._rooms[name] = Room(self, name)
        return self._rooms[name]

    def said(self, room: str, position: int, sender: str, number: int) -> None:
        """The server took a message for a room."""
        self.room(room).note(position, sender, number)
        self.room(room).newest = max(self.room(room).newest, position)

    def joined(self, room: str, position: int, member: str) -> Membership:
        """The server made a member."""
        membership = Membership(self, room, member, position)
        self.room(room).open.add(membership)
        return membership

    # Direct messages

    def inbox(self, owner: str) -> Inbox:
        """Where messages to the connection ``owner`` arrive."""
        return self._inboxes.setdefault(owner, Inbox(self, owner))

    def asks(self, name: str) -> int:
        """Somebody sends to ``name``; the answer is to be told with the number returned."""
        self._serial += 1
        self._asked[self._serial] = name
        return self._serial

    def answered(self, asked: int, owner: str | None, sender: str, number: int) -> None:
        """The server says who got it; ``None``: nobody has the name."""
        del self._asked[asked]
        if owner is not None:
            self.inbox(owner).expect(sender, number)

    def open_asks(self, name: str) -> set[int]:
        """What is sent to ``name`` just now, by the numbers of ``asks``."""
        return {asked for asked, to in self._asked.items() if to == name}

    # Names

    def claimed(self, name: str, who: str) -> None:
        """The server gave a name to who asked for it in case it was free."""
        if name in self._holders:
            self.fault(f"{who} was given the name {name}, which {self._holders[name]} has")
        self._holders[name] = who

    def releases(self, name: str) -> None:
        """Who has the name is about to give it back."""
        self._holders.pop(name, None)

    def has_name(self, name: str, who: str) -> bool:
        """Whether ``who`` was given a name and hasn't given it back."""
        return self._holders.get(name) == who

    # The end

    def close(self) -> None:
        """Everybody has left: judge what is left to be judged."""
        for room in self._rooms.values():
            for membership in tuple(room.open):
                self.fault(f"a membership of {membership.since} was never finished")
            room.tidy(final=True)
        for inbox in self._inboxes.values():
            inbox.judge()
        self._inboxes.clear()
