"""References: addresses of single actors, here or on another node.

Rule owned here: a reference stays with its actor, whoever has its names later. Must not know names or groups.
"""

from __future__ import annotations

from typing import Any

from attrs import field, frozen
from trio.lowlevel import cancel_shielded_checkpoint, checkpoint_if_cancelled

from actorws.cluster.engine import Place
from actorws.registry.courier import Courier
from actorws.registry.table import Actor

__all__ = ["ActorRef", "ref_to"]


@frozen
class ActorRef:
    """The address of one actor. Equal to every other reference to the same actor; may outlive it."""

    id: str
    """The id of the actor's connection."""
    _actor: Actor | None = field(eq=False, repr=False)
    _courier: Courier = field(eq=False, repr=False)
    _place: Place | None = field(default=None, eq=False, repr=False)

    async def send(self, message: Any) -> bool:
        """Send ``message`` to the actor's ``handle_server_message``. False if it has ended.

        On another node, True means that the node has it. Raises ``UnsendableMessage``, ``MessageTooLarge``, and
        ``EngineUnavailable`` for an actor on another node.
        """
        if self._place is not None:
            return await self._courier.engine.send_to(self._place, self._courier.encoded(message))
        await checkpoint_if_cancelled()
        sent = self.send_nowait(message)
        await cancel_shielded_checkpoint()
        return sent

    def send_nowait(self, message: Any) -> bool:
        """As ``send``, without waiting; True for an actor on another node says nothing.

        Raises ``trio.WouldBlock`` when too much waits to be sent to the engine.
        """
        if self._place is not None:
            self._courier.engine.send_to_nowait(self._place, self._courier.encoded(message))
            return True
        if self._actor is None or self._actor.has_ended:
            return False
        self._courier.post(self._actor, self._courier.copied(message))
        return True


def ref_to(place: Place, courier: Courier) -> ActorRef:
    """A reference to an actor whose place is known; it may be here."""
    if place.node == courier.engine.node_id:
        return ActorRef(f"{place.node}-{place.actor}", courier.actors.get(place.actor), courier)
    return ActorRef(f"{place.node}-{place.actor}", None, courier, place)
