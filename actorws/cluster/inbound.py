"""Inbound: what comes through the subscriptions, sorted out and handed to whom it concerns.

Rules owned here: what comes while a session begins is held until the gap was told; what can't be read is counted, and
nothing else happens; our own messages that come back concern nobody but who waits for them. Must not know how the
connection works.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actorws.cluster import envelope
from actorws.cluster.engine import Kind, Node
from actorws.cluster.envelope import Body, beginning, unpack, unpack_info
from actorws.cluster.members import Members
from actorws.cluster.names import Names
from actorws.cluster.questions import Questions
from actorws.cluster.subscriptions import Subscriptions
from actorws.exceptions import MalformedMessage

__all__ = ["CODES", "Inbound"]

#: Codes of what a payload for a group is.
CODES: dict[Kind, int] = {"message": 0, "text": 1, "binary": 2, "close": 3}
KINDS: dict[int, Kind] = {code: kind for kind, code in CODES.items()}
#: What may be held while a session begins; above, it counts as lost: the gap covers it.
MAX_HELD, MAX_HELD_BYTES = 100_000, 64 * 1024 * 1024


class Inbound:
    """``lease_lasts`` says whether this node may act for names; ``answer`` sends what was asked back."""

    node: Node

    def __init__(
        self,
        prefix: str,
        node_id: str,
        names: Names,
        groups: Subscriptions,
        members: Members,
        questions: Questions,
        lease_lasts: Callable[[], bool],
        answer: Callable[[str, int, bytes], None],
    ) -> None:
        self._prefix = prefix + "g:"
        self._node_id = node_id
        self._own_groups = beginning(node_id, envelope.Group)
        self._names = names
        self._groups = groups
        self._members = members
        self._questions = questions
        self._lease_lasts = lease_lasts
        self._answer = answer
        self._held: list[tuple[bytes, bytes]] | None = []
        self._held_bytes = 0
        #: Whether something held was dropped since the last ``release``.
        self.has_dropped = False
        self.malformed = 0
        """Messages that could not be read."""

    # Sessions

    def hold(self) -> None:
        """Keep what comes from now on."""
        self._held, self._held_bytes, self.has_dropped = [], 0, False

    def release(self) -> None:
        """Hand on what was kept, and from now on what comes."""
        held, self._held = self._held or [], None
        for channel, data in held:
            self._take(channel, data)

    # What comes

    def on_push(self, push: list[Any]) -> None:
        """The server says something unasked."""
        kind = push[0]
        if kind == b"message":
            if self._held is None:
                self._take(push[1], push[2])
            else:
                self._keep(push[1], push[2])
        elif kind == b"subscribe":
            self._groups.acked(push[1].decode(errors="replace"))

    def _keep(self, channel: bytes, data: bytes) -> None:
        assert self._held is not None
        if len(self._held) >= MAX_HELD or self._held_bytes + len(data) > MAX_HELD_BYTES:
            # That a name was taken over is no message that may be lost.
            self._held = [item for item in self._held if self._is_notice(item[1])]
            self._held_bytes = sum(len(item[1]) for item in self._held)
            self.has_dropped = True
        self._held.append((channel, data))
        self._held_bytes += len(data)

    def _is_notice(self, data: bytes) -> bool:
        try:
            return isinstance(unpack(data)[1], envelope.Taken)
        except MalformedMessage:
            self.malformed += 1
            return False

    def _take(self, channel: bytes, data: bytes) -> None:
        if data.startswith(self._own_groups):
            return  # before it costs anything: mostly who publishes to a group has members of it
        try:
            source, body = unpack(data)
            if source == self._node_id:
                self._take_own(body)
            elif body is not None:
                self._take_from(source, channel, body)
        except MalformedMessage:
            # Whoever may publish on the server can send anything.
            self.malformed += 1

    def _take_own(self, body: Body | None) -> None:
        match body:
            case envelope.Name() | envelope.Place():
                self._take_from(self._node_id, b"", body)
            case envelope.Ask(number):
                question = self._questions.get(number)
                if question is not None:
                    question.came_back()
            case _:
                pass  # a probe: that it has come is all there is to it

    def _take_from(self, source: str, channel: bytes, body: Body) -> None:
        node = self.node
        match body:
            case envelope.Group():
                group = self._group(channel)
                for code, payload in zip(body.kinds, body.payloads, strict=True):
                    kind = KINDS.get(code)
                    if kind is None:
                        self.malformed += 1  # or of a version to come; the others are none the worse for it
                    else:
                        node.deliver_group(group, kind, payload)
            case envelope.Name():
                if self._lease_lasts():
                    node.deliver(body.name, body.payload)
            case envelope.Place():
                node.deliver_to(body.actor, body.payload)
            case envelope.Ask():
                self._answer_to(source, self._group(channel), body)
            case envelope.Answer():
                question = self._questions.get(body.number)
                if question is not None:
                    question.answered(body.answer)
            case envelope.Taken():
                loser = self._names.taken(body.name, body.fence)
                if loser is not None:
                    node.name_lost(body.name, loser, "taken")
            case envelope.Joined():
                self._members.joined(unpack_info(body.info), node)
            case envelope.Left():
                self._members.left(source, node)
            case envelope.Probe():
                pass

    def _answer_to(self, asker: str, group: str, ask: envelope.Ask) -> None:
        try:
            answer = self.node.answer(group, ask.question)
        except ValueError:
            return  # more than can be said: who asked counts us as missing
        self._answer(asker, ask.number, answer)

    def _group(self, channel: bytes) -> str:
        name = channel.decode(errors="replace")
        if not name.startswith(self._prefix):
            raise MalformedMessage(f"{name!r:.100} is not the channel of a group")
        return name[len(self._prefix) :]
