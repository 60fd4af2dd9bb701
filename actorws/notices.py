"""Notices: messages that the runtime itself sends to actors' ``handle_server_message``.

Rule owned here: an actor gets them only where its behaviour asked for them (``receive_gaps``, ``on_lease_lost``). Must
not know who notices.
"""

from __future__ import annotations

from attrs import frozen

__all__ = ["Gap", "NameLost"]


@frozen
class Gap:
    """Messages from other nodes may have been lost: the link to the cluster's engine was down, or went silent.

    What comes after it came after the gap. Nothing that came before it is repeated.
    """

    seconds: float
    """Seconds from when something last came from the engine until the link held again.

    What others sent in that time, and at most a network's delay before, may be missing. 0 if no link was lost, but more
    came at once than could be kept.
    """
    reason: str
    """Why, in words."""


@frozen
class NameLost:
    """The actor has the unique name no more, because this node could not keep its lease: another may have it now."""

    name: str
