"""Unique names: each is had by one actor, and reaches it from anywhere.

Rule owned here: what happens when two actors want one name. Must not know how the loser of a takeover is ended.

Each call has two forms. ``X_nowait`` acts and returns. ``X`` does the same between two checkpoints: cancelled
on entry it has done nothing; once it has acted it can't be cancelled any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from attrs import field, frozen
from trio.lowlevel import cancel_shielded_checkpoint, checkpoint_if_cancelled

from actorws.exceptions import NameTaken
from actorws.registry.table import MESSAGE, Actor, Names, Outbox, check_name

__all__ = ["ActorRef", "OnConflict", "Unique"]

#: What ``register`` does about another actor that has the name.
OnConflict: TypeAlias = Literal["reject", "takeover"]


@frozen
class ActorRef:
    """The address of one actor. Equal to every other reference to the same actor; may outlive it."""

    id: str
    """The id of the actor's connection."""
    _actor: Actor = field(eq=False, repr=False)
    _outbox: Outbox = field(eq=False, repr=False)

    async def send(self, message: Any) -> bool:
        """Send ``message`` to the actor's ``handle_server_message``. False if it has ended."""
        await checkpoint_if_cancelled()
        sent = self.send_nowait(message)
        await cancel_shielded_checkpoint()
        return sent

    def send_nowait(self, message: Any) -> bool:
        """As ``send``, without waiting."""
        if self._actor.has_ended:
            return False
        self._outbox.post(MESSAGE, (self._actor,), message, None)
        return True


class Unique:
    """The unique names of one runtime.

    ``outbox`` takes what is sent. ``on_takeover(actor, name)`` is called when ``actor`` has lost ``name`` to
    another, after the other has it; it is expected to end the loser.
    """

    __slots__ = ("_names", "_on_takeover", "_outbox")

    # Any: whoever ends actors knows more of them than the registry does.
    def __init__(self, outbox: Outbox, on_takeover: Callable[[Any, str], None]) -> None:
        self._names = Names()
        self._outbox = outbox
        self._on_takeover = on_takeover

    async def register(self, name: str, actor: Actor, on_conflict: OnConflict = "reject") -> None:
        """Give ``name`` to ``actor``. If it has it already, nothing happens.

        If another actor has it, ``"reject"`` raises ``NameTaken``; with ``"takeover"`` that one loses it at once
        and is ended with ``Replaced``. Raises ``ConnectionEnded`` if ``actor`` has ended, ``TypeError`` or
        ``ValueError`` for a bad name, ``ValueError`` for another ``on_conflict``.
        """
        await checkpoint_if_cancelled()
        self.register_nowait(name, actor, on_conflict)
        await cancel_shielded_checkpoint()

    def register_nowait(self, name: str, actor: Actor, on_conflict: OnConflict = "reject") -> None:
        """As ``register``, without waiting."""
        check_name("name", name)
        if on_conflict not in ("reject", "takeover"):
            raise ValueError(f"on_conflict must be 'reject' or 'takeover', not {on_conflict!r}")
        owner = self._names.owner(name)
        if owner is not None and owner is not actor and on_conflict == "reject" and not actor.has_ended:
            raise NameTaken(name)
        loser = self._names.give(name, actor)
        if loser is not None:
            self._on_takeover(loser, name)

    async def unregister(self, name: str, actor: Actor | None) -> bool:
        """Take ``name`` from ``actor``. False if it doesn't have it."""
        await checkpoint_if_cancelled()
        had_it = self.unregister_nowait(name, actor)
        await cancel_shielded_checkpoint()
        return had_it

    def unregister_nowait(self, name: str, actor: Actor | None) -> bool:
        """As ``unregister``, without waiting."""
        check_name("name", name)
        return actor is not None and self._names.take(name, actor)

    async def send_message(self, name: str, message: Any) -> bool:
        """Send ``message`` to ``handle_server_message`` of the actor that has ``name``. False if none has it."""
        await checkpoint_if_cancelled()
        sent = self.send_message_nowait(name, message)
        await cancel_shielded_checkpoint()
        return sent

    def send_message_nowait(self, name: str, message: Any) -> bool:
        """As ``send_message``, without waiting."""
        actor = self._names.owner(check_name("name", name))
        if actor is None or actor.has_ended:
            return False
        self._outbox.post(MESSAGE, (actor,), message, None)
        return True

    async def whereis(self, name: str) -> ActorRef | None:
        """A reference to the actor that has ``name``, if any. It stays with that actor, whoever has the name later."""
        await checkpoint_if_cancelled()
        ref = self.whereis_nowait(name)
        await cancel_shielded_checkpoint()
        return ref

    def whereis_nowait(self, name: str) -> ActorRef | None:
        """As ``whereis``, without waiting."""
        actor = self._names.owner(check_name("name", name))
        return None if actor is None else ActorRef(actor.conn.id, actor, self._outbox)

    def names_of(self, actor: Actor | None) -> frozenset[str]:
        """The names that ``actor`` has."""
        return frozenset() if actor is None or actor.names is None else frozenset(actor.names)

    def count(self) -> int:
        """How many names are taken in this runtime."""
        return len(self._names)

    def forget(self, actor: Actor) -> None:
        """Free every name of ``actor``; called in the step that decides its end, so that nobody sees one without
        the other."""
        self._names.forget(actor)
