"""Publisher: what goes to groups and nodes, in the order of the calls, on the connection for commands.

Rules owned here: payloads for one group that follow each other share an envelope, and calls of one script a command, as
long as nothing else was sent in between (so the order holds across groups, too) and the write of their tick hasn't
begun. Must not know who listens, nor what the scripts do.
"""

from __future__ import annotations

from typing import Any

from actorws.cluster.envelope import Group, pack
from actorws.cluster.replies import OnReply, Reply
from actorws.cluster.resp import Argument, Connection

__all__ = ["Publisher"]

#: An envelope is full from so many bytes of payload, or payloads, on: the others on the connection have to wait for it.
MAX_BYTES = 128 * 1024
MAX_PAYLOADS = 500
#: And a command from so many calls on: the engine does nothing else meanwhile, about 2 us for each.
MAX_CALLS = 250


class Publisher:
    """Sends on one connection; lives as long as it does."""

    def __init__(self, connection: Connection, prefix: str, node_id: str, session: int = 0) -> None:
        #: The number of the session.
        self.session = session
        self._connection = connection
        self._prefix = prefix + "g:"
        self._node_id = node_id
        #: Of the envelope that is being filled.
        self._group = ""
        self._kinds = bytearray()
        self._payloads: list[bytes] = []
        self._bytes = 0
        #: Of the command that is being filled: an envelope and a command are never open both.
        self._command: tuple[Argument, ...] = ()
        self._arguments: list[Argument] = []
        self._on_reply: list[OnReply] = []
        connection.before_write = self.flush

    def publish(
        self, group: str, kind: int, payload: bytes, on_reply: OnReply | None = None, *, sure: bool = False
    ) -> None:
        """Send a payload to a group. ``on_reply`` gets how many connections it went to, or why it didn't.

        ``sure``: after ``wait_for_room``. Raises as ``Connection.check``.
        """
        payloads = self._payloads
        if not payloads or group != self._group or self._bytes >= MAX_BYTES or len(payloads) >= MAX_PAYLOADS:
            # Before the other one is closed, which takes room: this one is promised to be sent.
            self._connection.check(sure=sure)
            self.flush()
            self._group = group
            self._connection.wake()
            payloads = self._payloads
        payloads.append(payload)
        self._kinds.append(kind)
        self._bytes += len(payload)
        if on_reply is not None:
            self._on_reply.append(on_reply)

    def send_together(
        self, on_reply: OnReply, command: tuple[Argument, ...], *arguments: Argument, sure: bool = False
    ) -> None:
        """Send ``arguments`` with those of others for the same ``command``, behind everything that was published.

        It replies with a list of replies, or with one for all. ``sure`` and what is raised are as for ``publish``.
        """
        if not self._arguments or command != self._command or len(self._on_reply) >= MAX_CALLS:
            self._connection.check(sure=sure)
            self.flush()
            self._command = command
            self._connection.wake()
        self._arguments += arguments
        self._on_reply.append(on_reply)

    async def call_together(self, command: tuple[Argument, ...], *arguments: Argument) -> Any:
        """As ``send_together``, and wait for the reply. Raises as ``Connection.call``."""
        await self._connection.wait_for_room()
        reply = Reply()
        self.send_together(reply, command, *arguments, sure=True)
        return await reply.wait()

    def flush(self) -> None:
        """Close the envelope or command that is being filled."""
        if self._arguments:
            calls, arguments = self._on_reply, self._arguments
            self._arguments, self._on_reply = [], []
            self._connection.send(_to_each(calls), *self._command, *arguments, sure=True)
        if not self._payloads:
            return
        waiting, envelope = self._on_reply, pack(self._node_id, Group(bytes(self._kinds), self._payloads))
        self._kinds, self._payloads, self._on_reply, self._bytes = bytearray(), [], [], 0
        self._connection.send(_to_each(waiting), "PUBLISH", self._prefix + self._group, envelope, sure=True)

    def send(self, on_reply: OnReply, *command: Argument, sure: bool = False) -> None:
        """Send a command behind everything that was published. As ``Connection.send``."""
        self.flush()
        self._connection.send(on_reply, *command, sure=sure)

    async def call(self, *command: Argument) -> Any:
        """Send a command behind everything that was published, and wait for the reply. As ``Connection.call``."""
        self.flush()
        return await self._connection.call(*command)

    def write_now(self) -> None:
        """As ``Connection.write_now``."""
        self._connection.write_now()

    async def wait_for_room(self) -> None:
        """As ``Connection.wait_for_room``."""
        await self._connection.wait_for_room()

    async def wait_over(self) -> None:
        """As ``Connection.wait_over``."""
        await self._connection.wait_over()


def _to_each(waiting: list[OnReply]) -> OnReply:
    """Hands each its own of a list of replies; all of them the same if it is no such list."""

    def tell(replies: Any) -> None:
        for_each = replies if type(replies) is list and len(replies) == len(waiting) else [replies] * len(waiting)
        for on_reply, reply in zip(waiting, for_each, strict=True):
            on_reply(reply)

    return tell
