"""Groups: names that many actors share, to reach them (publish) or their clients (broadcast) all at once.

Rule owned here: who is reached: the members at the instant of the call, without those who leave before the
delivery. Must not know how a frame is encoded or delivered.

Each call has two forms. ``X_nowait`` acts and returns. ``X`` does the same between two checkpoints: cancelled
on entry it has done nothing; once it has acted it can't be cancelled any more.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, TypeAlias

from attrs import frozen
from trio.lowlevel import cancel_shielded_checkpoint, checkpoint_if_cancelled

from actorws.conn import Conn
from actorws.frames import Close, Frame, Ping, Pong
from actorws.registry.table import FRAME, MESSAGE, Actor, Groups, Outbox, check_name
from actorws.registry.unique import ActorRef

__all__ = ["FrameFor", "Group", "Member"]

#: Gives each member's frame for a broadcast, from its conn and ``meta``; ``None`` leaves the member out.
FrameFor: TypeAlias = Callable[[Conn, Any], Frame | None]


@frozen
class Member:
    """One member of a group."""

    ref: ActorRef
    """Reaches it alone."""
    meta: Any
    """What it joined with."""

    @property
    def id(self) -> str:
        """The id of its connection."""
        return self.ref.id


class Group:
    """The groups of one runtime. ``outbox`` takes what is sent."""

    __slots__ = ("_groups", "_outbox")

    def __init__(self, outbox: Outbox) -> None:
        self._groups = Groups()
        self._outbox = outbox

    # Membership

    async def join(self, group: str, actor: Actor, meta: Any = None) -> None:
        """Make ``actor`` a member of ``group``; ``members`` shows ``meta``. Joining again replaces ``meta``.

        Raises ``ConnectionEnded`` if ``actor`` has ended, ``TypeError`` or ``ValueError`` for a bad name.
        """
        await checkpoint_if_cancelled()
        self.join_nowait(group, actor, meta)
        await cancel_shielded_checkpoint()

    def join_nowait(self, group: str, actor: Actor, meta: Any = None) -> None:
        """As ``join``, without waiting."""
        self._groups.add(check_name("group", group), actor, meta)

    async def leave(self, group: str, actor: Actor | None) -> bool:
        """End a membership; what was published and not delivered yet no longer reaches ``actor``.

        False if ``actor`` is no member.
        """
        await checkpoint_if_cancelled()
        was_member = self.leave_nowait(group, actor)
        await cancel_shielded_checkpoint()
        return was_member

    def leave_nowait(self, group: str, actor: Actor | None) -> bool:
        """As ``leave``, without waiting."""
        check_name("group", group)
        return actor is not None and self._groups.remove(group, actor)

    def forget(self, actor: Actor) -> None:
        """End every membership of ``actor``; called in the step that decides its end."""
        self._groups.forget(actor)

    # Sending

    async def publish(self, group: str, message: Any, exclude: Conn | ActorRef | None = None) -> int:
        """Send ``message`` to ``handle_server_message`` of every member, the sender included when it is one.

        ``exclude`` leaves one out. Returns how many members it goes to; never raises for one that is closing.
        """
        await checkpoint_if_cancelled()
        count = self.publish_nowait(group, message, exclude)
        await cancel_shielded_checkpoint()
        return count

    def publish_nowait(self, group: str, message: Any, exclude: Conn | ActorRef | None = None) -> int:
        """As ``publish``, without waiting."""
        return self._post(MESSAGE, group, message, exclude)

    async def broadcast(self, group: str, frame: Frame | FrameFor, exclude: Conn | ActorRef | None = None) -> int:
        """Send ``frame`` straight to the client of every member: no callback runs, and it is encoded once.

        ``frame`` may be a function of ``(conn, meta)``, called for each member at the delivery, that returns the
        member's frame or ``None``. ``exclude`` leaves one member out. Returns how many members it goes to.
        Raises ``TypeError`` for anything else than a frame or a function, ``ValueError`` for text with a lone
        surrogate. Bytes-like frames that can change are copied.
        """
        await checkpoint_if_cancelled()
        count = self.broadcast_nowait(group, frame, exclude)
        await cancel_shielded_checkpoint()
        return count

    def broadcast_nowait(self, group: str, frame: Frame | FrameFor, exclude: Conn | ActorRef | None = None) -> int:
        """As ``broadcast``, without waiting."""
        return self._post(FRAME, group, _checked(frame), exclude)

    def _post(self, kind: int, group: str, payload: object, exclude: Conn | ActorRef | None) -> int:
        members = self._groups.members(check_name("group", group))
        excluded = _excluded(exclude)
        if members is None:
            return 0
        targets = members.targets(excluded)
        if targets:
            self._outbox.post(kind, targets, payload, members)
        return len(targets)

    # Who is in it

    async def members(self, group: str) -> list[Member]:
        """The members of ``group``, in the order of joining."""
        await checkpoint_if_cancelled()
        members = self.members_nowait(group)
        await cancel_shielded_checkpoint()
        return members

    def members_nowait(self, group: str) -> list[Member]:
        """As ``members``, of this runtime."""
        members = self._groups.members(check_name("group", group))
        if members is None:
            return []
        outbox = self._outbox
        return [Member(ActorRef(actor.conn.id, actor, outbox), meta) for actor, meta in members.by_actor.items()]

    async def count(self, group: str) -> int:
        """How many members ``group`` has."""
        await checkpoint_if_cancelled()
        count = self.count_nowait(group)
        await cancel_shielded_checkpoint()
        return count

    def count_nowait(self, group: str) -> int:
        """As ``count``, of this runtime."""
        members = self._groups.members(check_name("group", group))
        return 0 if members is None else len(members.by_actor)

    def is_member(self, group: str, actor: Actor | None) -> bool:
        """Whether ``actor`` is a member of ``group``."""
        check_name("group", group)
        return actor is not None and actor.groups is not None and group in actor.groups

    def groups_of(self, actor: Actor | None) -> frozenset[str]:
        """The groups that ``actor`` is a member of."""
        return frozenset() if actor is None or actor.groups is None else frozenset(actor.groups)

    def names(self) -> list[str]:
        """The groups of this runtime that have members."""
        return list(self._groups)


def _excluded(exclude: object) -> Actor | None:
    if exclude is None:
        return None
    if isinstance(exclude, Conn | ActorRef):
        return exclude._actor
    raise TypeError(f"exclude must be a Conn, an ActorRef or None, not {exclude!r}")


def _checked(frame: object) -> object:
    if isinstance(frame, str):
        if not frame.isascii():
            _check_unicode(frame)
        return frame
    if isinstance(frame, bytes | Close | Ping | Pong):
        return frame
    if isinstance(frame, bytearray | memoryview):
        return bytes(frame)  # the caller may change it before the delivery
    if callable(frame) and not isinstance(frame, type) and not iscoroutinefunction(frame):
        return frame
    raise TypeError(
        f"frame must be a str, bytes-like, Close, Ping or Pong, or a function of (conn, meta) "
        f"that returns one of them or None, not {frame!r}"
    )


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"frame must be valid Unicode: {error}") from None
