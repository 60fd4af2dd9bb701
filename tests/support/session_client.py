"""A client of `actorws.v1`, written from PROTOCOL.md and nothing else: messages in, messages out, over any wire."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, TypeAlias

from attrs import Factory, define

from actorws import Close

__all__ = ["Conversation", "FrameReader", "Message", "SessionClient", "control"]

Message: TypeAlias = str | bytes

#: Close codes of the server after which the client comes back: it goes away, or another wire has the session.
COMES_BACK = (1001, 1012)
SUPERSEDED = 4509


def control(**value: Any) -> str:
    """A control message as a WebSocket carries it."""
    return "\0" + json.dumps(value)


def escaped(message: Message) -> Message:
    return "\0" + message if isinstance(message, str) and message.startswith("\0") else message


@define(eq=False)
class Conversation:
    """One session as its client sees it."""

    id: str | None = None
    seen: list[Message] = Factory(list)
    """The server's messages."""
    sent: list[Message] = Factory(list)
    """Our messages, those included that no wire has taken yet."""
    acked: int = 0
    """How many of ours the server has got, for sure."""
    begun: bool = False
    """Whether a server may know of it."""
    lost: str | None = None
    """Why it could not be gone on with."""
    told: Close | None = None
    """The server's last Close. It may tell the client to come back."""
    ended: bool = False
    """Whether it told it not to."""
    subprotocol: str | None = None


class SessionClient:
    """One application's. What ``begin``, ``send`` and ``take`` return has to be sent over the wire of now, in order."""

    def __init__(self) -> None:
        self.now = Conversation()
        self.past: list[Conversation] = []
        self.pongs: list[Any] = []
        self._greeted = self._asked_new = self._on_wire = False

    @property
    def greeted(self) -> bool:
        """Whether the server has answered on the wire of now."""
        return self._on_wire and self._greeted

    def begin(self) -> list[Message]:
        """A wire begins: what is said first."""
        self._on_wire, self._greeted = True, False
        self._asked_new = self.now.id is None
        if self.now.id is not None:
            return [control(resume=self.now.id, received=len(self.now.seen))]
        if self.now.begun:  # and the wire was lost before we knew the id: that session is nobody's
            self._give_up()
        self.now.begun = True
        return [control(new=True), *map(escaped, self.now.sent)]

    def lose(self) -> None:
        """The wire of now is gone."""
        self._on_wire = False

    def send(self, message: Message) -> list[Message]:
        """The application's message."""
        self.now.sent.append(message)
        return [escaped(message)] if self._on_wire and (self._greeted or self._asked_new) else []

    def ack(self) -> list[Message]:
        """Say what has come."""
        return [control(ack=len(self.now.seen))] if self.greeted else []

    def take(self, item: Message | Close) -> list[Message]:
        """What the server has sent."""
        assert self._on_wire
        if isinstance(item, Close):
            self._closed(item)
            return []
        if isinstance(item, str) and item.startswith("\0") and not item.startswith("\0\0"):
            return self._heed(json.loads(item[1:], parse_constant=self._no_json))
        assert self._greeted, f"before anything else comes the greeting, not {item!r:.100}"
        self.now.seen.append(item[1:] if isinstance(item, str) and item.startswith("\0") else item)
        return []

    @staticmethod
    def _no_json(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    def _closed(self, close: Close) -> None:
        self._on_wire = False
        self.now.told = close
        if close.code not in (*COMES_BACK, SUPERSEDED):
            self.now.ended = True
            self.past.append(self.now)
            self.now = Conversation()

    def _heed(self, said: dict[str, Any]) -> list[Message]:
        if "session" in said:
            assert not self._greeted, "a wire has one greeting"
            self._greeted = True
            return self._resumed(said) if said["resumed"] else self._new(said)
        assert self._greeted, f"before anything else comes the greeting, not {said}"
        if "ack" in said:
            assert said.keys() == {"ack"}
            assert self.now.acked <= said["ack"] <= len(self.now.sent)
            self.now.acked = said["ack"]
        else:
            assert said.keys() == {"pong"}
            self.pongs.append(said["pong"])
        return []

    def _resumed(self, said: dict[str, Any]) -> list[Message]:
        assert said.keys() == {"session", "resumed", "received"}
        assert not self._asked_new and said["session"] == self.now.id
        assert self.now.acked <= said["received"] <= len(self.now.sent)
        self.now.acked = said["received"]
        return [escaped(message) for message in self.now.sent[self.now.acked :]]

    def _new(self, said: dict[str, Any]) -> list[Message]:
        assert said.keys() - {"subprotocol", "lost"} == {"session", "resumed", "received"}
        assert said["received"] == 0
        assert ("lost" in said) == (not self._asked_new), said
        if not self._asked_new:
            self.now.lost = said["lost"]
            self._give_up()
        assert said["session"] not in [conversation.id for conversation in self.past]
        self.now.id, self.now.begun, self.now.subprotocol = said["session"], True, said.get("subprotocol")
        return []

    def _give_up(self) -> None:
        """What was not acknowledged may have been handled or not: this application sends nothing of it again."""
        self.past.append(self.now)
        self.now = Conversation()


class FrameReader:
    """The frames of a server, from bytes that come in any pieces. Control frames are (opcode, payload)."""

    def __init__(self) -> None:
        self._came = b""

    def read(self, data: bytes) -> Iterator[Message | Close | tuple[int, bytes]]:
        self._came += data
        while (frame := self._one()) is not None:
            opcode, payload = frame
            if opcode == 0x8:
                code = int.from_bytes(payload[:2], "big") if payload else 1005
                yield Close(code, payload[2:].decode()) if payload else Close(1000)
            elif opcode in (0x9, 0xA):
                yield opcode, payload
            else:
                yield payload.decode() if opcode == 0x1 else payload

    def _one(self) -> tuple[int, bytes] | None:
        came = self._came
        if len(came) < 2:
            return None
        assert came[0] & 0xF0 == 0x80, "a server of ours sends no fragments"
        assert came[1] < 0x80, "a server masks nothing"
        at, size = 2, came[1]
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(came) < at:
                return None
            (size,) = struct.unpack("!H" if at == 4 else "!Q", came[2:at])
        if len(came) < at + size:
            return None
        self._came = came[at + size :]
        return came[0] & 0x0F, came[at : at + size]
