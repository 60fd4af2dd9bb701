"""Envelope: what goes over a channel between nodes: who sent it, what it is, and the payloads.

Rules owned here: what can't be read is told and dropped, and never breaks the link; fields that a later version adds at
the end are skipped, and so is a kind that it adds; several payloads for one channel share an envelope. Must not know
channels.

On the wire: a msgpack array of the version, the number of the kind, the id of the node that sent it, and the body: an
array of the fields below.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

from actorws.cluster.engine import NodeInfo
from actorws.exceptions import MalformedMessage, UnsendableMessage

__all__ = [
    "Answer",
    "Ask",
    "Body",
    "Group",
    "Joined",
    "Left",
    "Name",
    "Place",
    "Probe",
    "Taken",
    "beginning",
    "pack",
    "pack_info",
    "unpack",
    "unpack_info",
]

VERSION: Final = 1


class Group(msgspec.Struct, array_like=True, gc=False):
    """For the members of a group."""

    kinds: bytes
    """A code for each payload."""
    payloads: list[bytes]


class Ask(msgspec.Struct, array_like=True, gc=False):
    """A question about a group."""

    number: int
    question: bytes


class Name(msgspec.Struct, array_like=True, gc=False):
    """For who has a unique name."""

    name: str
    payload: bytes


class Place(msgspec.Struct, array_like=True, gc=False):
    """For one actor."""

    actor: int
    payload: bytes


class Taken(msgspec.Struct, array_like=True, gc=False):
    """Whoever has ``name`` there with a lower fence has it no more. Made by scripts."""

    name: str
    fence: int


class Answer(msgspec.Struct, array_like=True, gc=False):
    """The answer to a question."""

    number: int
    answer: bytes


class Probe(msgspec.Struct, array_like=True, gc=False):
    """To the sender itself: does what is published come back?"""


class Joined(msgspec.Struct, array_like=True, gc=False):
    """A node has come."""

    info: bytes


class Left(msgspec.Struct, array_like=True, gc=False):
    """The sender goes."""


Body: TypeAlias = Group | Ask | Name | Place | Taken | Answer | Probe | Joined | Left

#: Kinds by number; the numbers are on the wire and in the scripts.
KINDS: Final[tuple[type[Body], ...]] = (Group, Ask, Name, Place, Taken, Answer, Probe, Joined, Left)


class _Envelope(msgspec.Struct, array_like=True, gc=False):
    version: int
    kind: int
    source: str
    body: msgspec.Raw


_NUMBERS: Final = {kind: number for number, kind in enumerate(KINDS)}
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Envelope).decode
_decode_body: Final = [msgspec.msgpack.Decoder(kind).decode for kind in KINDS]

#: What ``msgspec`` raises for bytes, or values, that are not what they should be.
_UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError)


def pack(source: str, body: Body) -> bytes:
    """An envelope's bytes."""
    return _encode((VERSION, _NUMBERS[type(body)], source, body))


def beginning(source: str, kind: type[Body]) -> bytes:
    """How every envelope of one kind from one node begins: it can be told without being read."""
    return _encode((VERSION, _NUMBERS[kind], source, None))[:-1]


def unpack(data: bytes) -> tuple[str, Body | None]:
    """The node that sent an envelope, and the body; ``None`` for a kind that is not known yet.

    Raises ``MalformedMessage`` for what is no envelope, or of a version to come.
    """
    try:
        envelope = _decode(data)
        if envelope.version != VERSION:
            raise MalformedMessage(f"an envelope of version {envelope.version}, which this node doesn't know")
        if not 0 <= envelope.kind < len(KINDS):
            return envelope.source, None
        body = _decode_body[envelope.kind](envelope.body)
        if type(body) is Group and len(body.kinds) != len(body.payloads):
            raise MalformedMessage(f"{len(body.payloads)} payloads for a group, of {len(body.kinds)} kinds")
        return envelope.source, body
    except _UNREADABLE as error:
        raise MalformedMessage(f"no envelope: {error}") from None


class _Info(msgspec.Struct, array_like=True):
    id: str
    name: str
    meta: dict[str, Any]


_decode_info = msgspec.msgpack.Decoder(_Info).decode


def pack_info(info: NodeInfo) -> bytes:
    """What a node says of itself. Raises ``UnsendableMessage`` if its ``meta`` can't be sent."""
    try:
        return _encode(_Info(info.id, info.name, dict(info.meta)))
    except _UNREADABLE as error:
        raise UnsendableMessage(f"the node's meta can't be sent to others: {error}") from None


def unpack_info(data: bytes) -> NodeInfo:
    """The same of another node. Raises ``MalformedMessage`` if it can't be read."""
    try:
        info = _decode_info(data)
    except _UNREADABLE as error:
        raise MalformedMessage(f"no node: {error}") from None
    return NodeInfo(info.id, info.name, info.meta)
