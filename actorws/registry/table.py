"""The table: which actor has which names and is in which groups, in both directions.

Rule owned here: both directions always agree, and an actor that was forgotten is in neither. Every method is
one step without a wait, so nobody sees a half. Must not know what names and groups are used for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from actorws.actor.runqueue import FRAME, MESSAGE
from actorws.exceptions import ConnectionEnded

if TYPE_CHECKING:
    from actorws.conn import Conn

__all__ = ["FRAME", "MESSAGE", "Actor", "Groups", "Members", "Names", "Outbox", "check_name"]

MAX_NAME = 255


class Actor(Protocol):
    """What the registry needs of an actor. Compared by identity."""

    names: set[str] | None
    """Owned by the registry; ``None`` while it has none, because most connections have none."""
    groups: set[str] | None
    """The same, of the groups it is in."""

    @property
    def conn(self) -> Conn:
        """Its connection."""

    @property
    def has_ended(self) -> bool:
        """Whether its fate is decided. ``forget`` is called in the same step in which this becomes true."""


class Outbox(Protocol):
    """Where the registry puts what it sends: the runtime's run queue."""

    # Any: the run queue knows more of an actor than the registry does.
    def post(self, kind: int, targets: tuple[Any, ...], payload: object, group: Members | None) -> None:
        """Append one entry to the FIFO. Never delivers inside the call, never raises for an actor that ended.

        ``kind`` is ``MESSAGE`` or ``FRAME``; ``group`` is given when the targets are a group's members: whoever
        left it before the delivery is skipped. A ``FRAME`` payload may be a function of ``(conn, meta)``.
        """


class Members:
    """The members of one group.

    ``snapshot`` makes a publish to an unchanged group O(1). ``version`` rises with every leave: a delivery that
    finds it as it was at the publish may take its targets unchecked, another one must look each up in ``by_actor``
    (so who left and came back in between is taken for a member).
    """

    __slots__ = ("by_actor", "name", "snapshot", "version")

    def __init__(self, name: str) -> None:
        self.name = name
        self.by_actor: dict[Actor, Any] = {}
        """Each member's ``meta``, in the order of joining."""
        self.version = 0
        self.snapshot: tuple[Actor, ...] | None = None

    def targets(self, exclude: Actor | None = None) -> tuple[Actor, ...]:
        """The members, without ``exclude``; the same tuple every time until the membership changes."""
        snapshot = self.snapshot
        if snapshot is None:
            snapshot = self.snapshot = tuple(self.by_actor)
        if exclude is None or exclude not in self.by_actor:
            return snapshot
        place = snapshot.index(exclude)
        return snapshot[:place] + snapshot[place + 1 :]

    def __repr__(self) -> str:
        return f"<Members of {self.name!r}: {len(self.by_actor)}>"


class Names:
    """Unique names: one actor each."""

    __slots__ = ("_owners",)

    def __init__(self) -> None:
        self._owners: dict[str, Actor] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def owner(self, name: str) -> Actor | None:
        """Who has ``name``."""
        return self._owners.get(name)

    def give(self, name: str, actor: Actor) -> Actor | None:
        """Give ``name`` to ``actor``; returns who lost it. Raises ``ConnectionEnded`` if ``actor`` has ended."""
        check_running(actor)
        former = self._owners.get(name)
        if former is actor:
            return None
        if former is not None:
            self.take(name, former)
        self._owners[name] = actor
        if actor.names is None:
            actor.names = set()
        actor.names.add(name)
        return former

    def take(self, name: str, actor: Actor) -> bool:
        """Take ``name`` from ``actor``. False if it doesn't have it."""
        if actor.names is None or name not in actor.names:
            return False
        del self._owners[name]
        actor.names.remove(name)
        if not actor.names:
            actor.names = None
        return True

    def forget(self, actor: Actor) -> None:
        """Take every name of ``actor``."""
        for name in tuple(actor.names or ()):
            self.take(name, actor)


class Groups:
    """Groups: many actors each. A group exists while it has members."""

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members: dict[str, Members] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def members(self, group: str) -> Members | None:
        """The members of ``group``; ``None`` if there are none."""
        return self._members.get(group)

    def add(self, group: str, actor: Actor, meta: Any) -> None:
        """Make ``actor`` a member, or replace its ``meta``. Raises ``ConnectionEnded`` if it has ended."""
        check_running(actor)
        members = self._members.get(group)
        if members is None:
            members = self._members[group] = Members(group)
        if actor not in members.by_actor:
            members.snapshot = None
            if actor.groups is None:
                actor.groups = set()
            actor.groups.add(group)
        members.by_actor[actor] = meta

    def remove(self, group: str, actor: Actor) -> bool:
        """End a membership. False if ``actor`` is no member."""
        if actor.groups is None or group not in actor.groups:
            return False
        members = self._members[group]
        del members.by_actor[actor]
        members.version += 1
        members.snapshot = None
        if not members.by_actor:
            del self._members[group]
        actor.groups.remove(group)
        if not actor.groups:
            actor.groups = None
        return True

    def forget(self, actor: Actor) -> None:
        """End every membership of ``actor``."""
        for group in tuple(actor.groups or ()):
            self.remove(group, actor)


def check_running(actor: Actor) -> None:
    """Raise ``ConnectionEnded`` if ``actor`` has ended."""
    if actor.has_ended:
        # Not by its id: an actor that is over has let go of its conn. Conn's own methods name it.
        raise ConnectionEnded("the connection has ended: it can't hold a name or be a member of a group")


def check_name(kind: str, value: object) -> str:
    """``value``, if it is a good name: a str of 1 to 255 bytes of UTF-8. ``kind`` names the argument in errors.

    Raises ``TypeError`` if it is not a str, ``ValueError`` for a bad length or a lone surrogate.
    """
    if not isinstance(value, str):
        raise TypeError(f"{kind} must be a str, not {value!r}")
    if value.isascii() and 0 < len(value) <= MAX_NAME:  # a flag and a field: no pass over the characters
        return value
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{kind} must be valid Unicode, not {value!r}") from None
    if not 0 < size <= MAX_NAME:
        raise ValueError(f"{kind} must be 1 to {MAX_NAME} bytes of UTF-8, not {size}: {value!r}")
    return value
