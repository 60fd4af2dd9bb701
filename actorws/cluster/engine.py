"""Engine: what carries names and messages between the nodes of a cluster. A contract; users may write their own.

Rules owned here: an engine moves bytes and never sees an actor or a message; calls go down to it, what it has to tell
comes up through ``Node``, from its own tasks, never from inside a call. Whatever it promises is checked by
``actorws.testing.check_engine``. Must not know any engine.

Words: a **node** is one runtime in one process, with an id that is never used again. An **actor** is known to other
nodes by its node's id and a number. A **fence** is a number that rises with each new owner of a name.

Delivery: at most once; what one node sends to one receiver arrives in the order of the calls, whether by name, by
place or through a group; after a loss of the link ``Node.gap`` says that something may be missing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import inf
from typing import Any, Literal, Protocol, TypeAlias

import trio
from attrs import field, frozen

from actorws.notices import Gap

__all__ = ["Answers", "Engine", "Kind", "Node", "NodeInfo", "Place"]

#: What a payload sent through a group is: a message for actors, or a frame for their clients.
Kind: TypeAlias = Literal["message", "text", "binary", "close"]


@frozen
class Place:
    """Where an actor is."""

    node: str
    actor: int


@frozen
class NodeInfo:
    """One node of the cluster."""

    id: str
    name: str
    """As its operator called it; default: the host's name and the process's id."""
    meta: Mapping[str, Any] = field(factory=dict, hash=False)
    """What else its operator wants others to know."""


@frozen
class Answers:
    """What other nodes said to a question."""

    payloads: tuple[bytes, ...]
    missing: int
    """Nodes that were asked and did not answer in time."""


class Node(Protocol):
    """What an engine tells the node that it serves. No call may wait or raise."""

    def deliver(self, name: str, payload: bytes) -> None:
        """A message for the actor that has ``name`` here, if one has."""

    def deliver_to(self, actor: int, payload: bytes) -> None:
        """A message for an actor, if it still runs."""

    def deliver_group(self, group: str, kind: Kind, payload: bytes) -> None:
        """Something for the members of ``group`` on this node, sent by another node."""

    def answer(self, group: str, question: bytes) -> bytes:
        """Another node asks about ``group``."""

    def name_lost(self, name: str, actor: int, why: Literal["lease", "taken"]) -> None:
        """``actor`` has ``name`` no more: the lease has run out, or another one took it over."""

    def gap(self, gap: Gap) -> None:
        """Messages may have been lost."""

    def node_joined(self, node: NodeInfo) -> None:
        """Another node has come."""

    def node_left(self, node: NodeInfo) -> None:
        """Another node has gone, in order or not."""


class Engine(ABC):
    """Carries bytes between nodes.

    Methods that wait raise ``EngineUnavailable`` when the engine can't be reached, at once if that is known, else
    within its request timeout; whether it was done then is unknown. Cancelled, a call may or may not have been carried
    out; ``register`` gives back what it got. ``X_nowait`` never waits: it raises ``trio.WouldBlock`` when too much
    waits to be sent, and ``EngineUnavailable`` when the link is down.
    """

    #: Whether there is no other node and never will be: nothing has to be encoded or asked.
    alone: bool = False
    #: This node's id.
    node_id: str
    #: By ``trio.current_time``: from then on this node must act for none of its names, whatever it believes.
    lease_ends: float = inf

    @abstractmethod
    async def run(self, node: Node, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve ``node`` until cancelled; then its names and memberships are free at once.

        ``task_status`` is told when the engine is reached for the first time. Raises ``ConfigError`` for what no retry
        can mend (a password, a certificate, a server that can't serve as engine); everything else is retried.
        """

    @property
    def trouble(self) -> str | None:
        """Why the engine can't be reached now, in a sentence; ``None`` if it can, or that isn't known."""
        return None

    def check_lease(self) -> None:  # noqa: B027 - what has no lease has nothing to check
        """Tell the node now what it has lost, if ``lease_ends`` has come: this process may have been frozen."""

    def flush(self) -> None:  # noqa: B027 - what moves nothing has nothing to write
        """Write what waits to be sent, as far as that goes at once: this node's own members are served next, which
        may take a while. (Else it leaves with the next turn of the engine's tasks.)"""

    # Unique names

    @abstractmethod
    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        """Take ``name`` for ``actor``; returns the fence. Again for the same actor: the same fence.

        Raises ``NameTaken`` if another actor in the cluster has it; with ``takeover`` that one loses it instead (one of
        this node is not told of by ``Node.name_lost``: the caller knows).
        """

    @abstractmethod
    def release(self, name: str, actor: int) -> None:
        """Give ``name`` back. Never fails: done when the link allows, unless the lease was over before."""

    @abstractmethod
    def fence(self, name: str) -> int | None:
        """The fence of a name that this node has."""

    @abstractmethod
    async def send(self, name: str, payload: bytes) -> bool:
        """Send to the actor that has ``name``, on another node. True: its node has it. False: nobody has the name."""

    @abstractmethod
    def send_nowait(self, name: str, payload: bytes) -> None:
        """As ``send``, without knowing what became of it."""

    @abstractmethod
    async def locate(self, name: str) -> Place | None:
        """Where the actor is that has ``name``."""

    @abstractmethod
    async def send_to(self, place: Place, payload: bytes) -> bool:
        """Send to an actor wherever it is. True: its node has it."""

    @abstractmethod
    def send_to_nowait(self, place: Place, payload: bytes) -> None:
        """As ``send_to``, without knowing what became of it."""

    # Groups

    @abstractmethod
    async def join(self, group: str) -> None:
        """This node has a member: return when what others publish from now on will come here.

        Joins and leaves are counted by the caller: one ``join`` for the first member, one ``leave`` for the last.
        """

    @abstractmethod
    def join_nowait(self, group: str) -> None:
        """As ``join``, without waiting until it holds."""

    @abstractmethod
    def leave(self, group: str) -> None:
        """This node has no member any more. (What still comes for a while is the node's to drop.)"""

    @abstractmethod
    async def publish(self, group: str, kind: Kind, payload: bytes) -> int:
        """Send to the other nodes that have members; returns how many these are."""

    @abstractmethod
    def publish_nowait(self, group: str, kind: Kind, payload: bytes) -> None:
        """As ``publish``, without waiting."""

    @abstractmethod
    async def ask(self, group: str, question: bytes, timeout: float) -> Answers:
        """Ask every other node with members of ``group``; what came within ``timeout`` seconds."""

    # Nodes

    @abstractmethod
    def nodes(self) -> tuple[NodeInfo, ...]:
        """The nodes of the cluster, this one first, as last heard of."""
