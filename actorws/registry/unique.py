"""Unique names: each is had by one actor, and reaches it from anywhere.

Rule owned here: what happens when two actors want one name, on this node or on two. Must not know how the loser of a
takeover is ended.

Each call has two forms. ``X_nowait`` acts and returns. ``X`` does the same between two checkpoints: cancelled
on entry it has done nothing; once it has acted it can't be cancelled any more. In a cluster ``X`` also asks the engine:
cancelled meanwhile it may have been carried out (but ``register`` gives back what it got), and it raises
``EngineUnavailable`` when the engine can't be reached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from trio import sleep
from trio.lowlevel import cancel_shielded_checkpoint, checkpoint, checkpoint_if_cancelled

from actorws.exceptions import ConnectionEnded, NameTaken, UsageError
from actorws.registry.courier import Courier
from actorws.registry.refs import ActorRef, ref_to
from actorws.registry.table import Actor, Names, check_name, check_running

__all__ = ["OnConflict", "Unique"]

#: What ``register`` does about another actor that has the name.
OnConflict: TypeAlias = Literal["reject", "takeover"]

#: Seconds after which a name that an actor of another node has is asked for again, and again: a client hears that its
#: connection has ended before the engine hears that the name is free, and may be on another node by then. Measured on
#: two workers: one in 200 of those who come back at once finds its own name taken.
AGAIN = (0.01, 0.04, 0.2)


class Unique:
    """The unique names of one runtime.

    ``courier`` takes what is sent. ``on_takeover(actor, name)`` is called when ``actor`` has lost ``name`` to
    another, after the other has it; it is expected to end the loser.
    """

    __slots__ = ("_courier", "_names", "_on_takeover")

    # Any: whoever ends actors knows more of them than the registry does.
    def __init__(self, courier: Courier, on_takeover: Callable[[Any, str], None]) -> None:
        self._names = Names()
        self._courier = courier
        self._on_takeover = on_takeover

    async def register(self, name: str, actor: Actor, on_conflict: OnConflict = "reject") -> None:
        """Give ``name`` to ``actor``. If it has it already, nothing happens.

        If another actor has it, ``"reject"`` raises ``NameTaken``, after a quarter of a second if that one is on
        another node (it may have ended just now, of which the engine hears last); with ``"takeover"`` that one loses
        it at once and is ended with ``Replaced``. Raises ``ConnectionEnded`` if ``actor`` has ended, ``TypeError`` or
        ``ValueError`` for a bad name, ``ValueError`` for another ``on_conflict``. After the cluster's engine has lost
        its memory it waits, for the time of a lease at most, until every former owner has had the time to come back.
        """
        if self._courier.alone:
            await checkpoint_if_cancelled()
            self.register_nowait(name, actor, on_conflict)
            await cancel_shielded_checkpoint()
        elif self._may_take(name, actor, on_conflict):
            await self._register_everywhere(name, actor, on_conflict)
        else:
            await checkpoint()

    def register_nowait(self, name: str, actor: Actor, on_conflict: OnConflict = "reject") -> None:
        """As ``register``, without waiting. Raises ``UsageError`` in a cluster: who has the name must be asked."""
        if not self._courier.alone:
            raise UsageError("in a cluster a name can't be registered without waiting: await conn.register(name)")
        if self._may_take(name, actor, on_conflict):
            self._give(name, actor)

    def _may_take(self, name: str, actor: Actor, on_conflict: OnConflict) -> bool:
        """As far as this node knows. False: it has it already."""
        check_name("name", name)
        if on_conflict not in ("reject", "takeover"):
            raise ValueError(f"on_conflict must be 'reject' or 'takeover', not {on_conflict!r}")
        check_running(actor)
        owner = self._names.owner(name)
        if owner is not None and owner is not actor and on_conflict == "reject":
            raise NameTaken(name)
        return owner is not actor

    def _give(self, name: str, actor: Actor) -> None:
        loser = self._names.give(name, actor)
        if loser is not None:
            self._on_takeover(loser, name)

    async def _register_everywhere(self, name: str, actor: Actor, on_conflict: OnConflict) -> None:
        engine, number = self._courier.engine, self._courier.publish_number(actor)
        waits = iter(() if on_conflict == "takeover" else AGAIN)
        while True:
            try:
                await engine.register(name, number, takeover=on_conflict == "takeover")
                break
            except NameTaken:
                wait = next(waits, None)
                if wait is None:
                    raise
            await sleep(wait)
            if not self._may_take(name, actor, on_conflict):
                return
        try:
            self._give(name, actor)
        except ConnectionEnded:
            # It ended while the engine was asked, and nobody else would give the name back.
            engine.release(name, number)
            raise

    def fence(self, name: str, actor: Actor | None) -> int | None:
        """A number that rises with each new owner of ``name`` in the cluster, if ``actor`` has the name.

        Give it to whatever the owner writes to outside, to be refused there when a higher one has been seen: a process
        that was frozen may still act for a name that is another's by then. Without a cluster: ``None``.
        """
        if self._courier.alone or actor is None or self._names.owner(check_name("name", name)) is not actor:
            return None
        return self._courier.engine.fence(name)

    async def unregister(self, name: str, actor: Actor | None) -> bool:
        """Take ``name`` from ``actor``. False if it doesn't have it."""
        await checkpoint_if_cancelled()
        had_it = self.unregister_nowait(name, actor)
        await cancel_shielded_checkpoint()
        return had_it

    def unregister_nowait(self, name: str, actor: Actor | None) -> bool:
        """As ``unregister``, without waiting."""
        check_name("name", name)
        if actor is None or not self._names.take(name, actor):
            return False
        if not self._courier.alone:
            self._courier.engine.release(name, actor.conn.number)
        return True

    async def send_message(self, name: str, message: Any) -> bool:
        """Send ``message`` to ``handle_server_message`` of the actor that has ``name``. False if none has it.

        True: it is in the run queue of this node, or the node of the owner has it. Raises ``UnsendableMessage`` and
        ``MessageTooLarge`` for a message that can't be sent.
        """
        actor = self._names.owner(check_name("name", name))
        if actor is None and not self._courier.alone:
            return await self._courier.engine.send(name, self._courier.encoded(message))
        await checkpoint_if_cancelled()
        sent = self.send_message_nowait(name, message)
        await cancel_shielded_checkpoint()
        return sent

    def send_message_nowait(self, name: str, message: Any) -> bool:
        """As ``send_message``, without waiting. In a cluster True only says that the engine is asked to.

        Raises ``trio.WouldBlock`` when too much waits for the engine already.
        """
        actor = self._names.owner(check_name("name", name))
        if actor is None and not self._courier.alone:
            self._courier.engine.send_nowait(name, self._courier.encoded(message))
            return True
        message = self._courier.copied(message)
        if actor is None or actor.has_ended:
            return False
        self._courier.post(actor, message)
        return True

    async def whereis(self, name: str) -> ActorRef | None:
        """A reference to the actor that has ``name``, if any. It stays with that actor, whoever has the name later."""
        if not self._courier.alone and self._names.owner(check_name("name", name)) is None:
            place = await self._courier.engine.locate(name)
            return None if place is None else ref_to(place, self._courier)
        await checkpoint_if_cancelled()
        ref = self.whereis_nowait(name)
        await cancel_shielded_checkpoint()
        return ref

    def whereis_nowait(self, name: str) -> ActorRef | None:
        """As ``whereis``, on this node, without waiting."""
        actor = self._names.owner(check_name("name", name))
        return None if actor is None else ActorRef(actor.conn.id, actor, self._courier)

    def names_of(self, actor: Actor | None) -> frozenset[str]:
        """The names that ``actor`` has."""
        return frozenset() if actor is None or actor.names is None else frozenset(actor.names)

    def count(self) -> int:
        """How many names actors of this node have."""
        return len(self._names)

    def forget(self, actor: Actor) -> None:
        """Free every name of ``actor``; called in the step that decides its end, so that nobody sees one without
        the other."""
        names = tuple(actor.names or ())
        self._names.forget(actor)
        if not self._courier.alone:
            for name in names:
                self._courier.engine.release(name, actor.conn.number)

    # From other nodes

    def owner(self, name: str) -> Actor | None:
        """Who has ``name`` on this node."""
        return self._names.owner(name)

    def lost(self, name: str, number: int) -> Actor | None:
        """The engine says that an actor has ``name`` no more; returns it, if it had it until now."""
        actor = self._names.owner(name)
        if actor is None or actor.conn.number != number:
            return None
        self._names.take(name, actor)
        return actor
