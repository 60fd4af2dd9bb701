"""Poll as a carrier: one request of a client, parked until there is something to answer it with.

Rules owned here: what is said in one tick leaves in one answer, bounded in messages and in bytes; a poll that another
wire has taken the place of brings no messages, they go there; the connection goes back to who answers requests. Must
not know how a request came.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from actorws.frames import Close
from actorws.sessions import control, lines
from actorws.sessions.http_carrier import Entrance, HttpCarrier
from actorws.sessions.outbox import Message
from actorws.transports.wire import MAILBOX

if TYPE_CHECKING:
    from actorws.transports.wire import Wire

__all__ = ["CONTENT_TYPE", "Poll", "Returns"]

CONTENT_TYPE: Final = "application/x-ndjson"


class Returns(Protocol):
    """Who takes a connection back when its poll is answered."""

    def answer(self, poll: Poll, wire: Wire, body: bytes, behind: bytes, /) -> None:
        """Answer ``poll`` with ``body`` and go on with what came behind it. Calls no user code."""


class Poll(HttpCarrier):
    """One poll."""

    name: ClassVar[str] = "poll"
    returns: ClassVar[bool] = True

    __slots__ = (
        "_at_once",
        "_behind",
        "_lines",
        "_messages",
        "_received",
        "_returns",
        "_size",
        "address",
        "headers",
        "keep_alive",
    )

    def __init__(
        self,
        entrance: Entrance,
        returns: Returns,
        *,
        address: tuple[str, int] | str,
        headers: str,
        keep_alive: bool,
        at_once: bool,
    ) -> None:
        """``at_once``: it isn't parked, messages or not. The others are for ``returns``."""
        super().__init__(entrance)
        self._returns = returns
        self.address = address
        #: Lines for the answer's head.
        self.headers = headers
        #: Whether the client wants the connection to go on.
        self.keep_alive = keep_alive
        self._at_once = at_once
        #: What has come of further requests: nothing is read behind the first piece of them.
        self._behind = b""
        #: The answer so far, its greeting first; ``None`` when it is answered.
        self._lines: list[bytes] | None = []
        self._messages = self._size = 0
        #: What the greeting says of the client's messages.
        self._received = 0

    # From the driver

    def receive(self, data: bytes) -> bool:
        self._behind += data
        if self._behind and self.wire is not None:
            self.wire.pause(MAILBOX)
        return False

    def expire(self, now: float) -> None:
        if self._left:
            self.abort()
        else:
            self.flush()

    # From the session

    @property
    def takes(self) -> bool:
        if self._lines is None or self.wire is None or self.session is None:
            return False
        most = self.session.kind.config.sessions.poll_messages
        return self._messages < most and self._size <= self.wire.options.high_water_mark

    @property
    def buffered(self) -> int:
        return self._size

    def greet(self, greeting: str) -> None:
        assert self.session is not None
        wire, behind = self._enter()
        self.receive(behind)
        self._lines = [lines.control_line(greeting)]
        self._received = self.session.received
        if self._at_once:
            self._answer_soon(wire)
        else:
            wire.runtime.wheel.schedule(self, self.session.kind.config.sessions.poll_timeout)

    def carry(self, message: Message, cache: dict[Any, Any] | None = None) -> None:
        if cache is None:
            self._add(lines.line(message))
            return
        key = "line", message
        line: bytes | None = cache.get(key)
        if line is None:
            line = cache[key] = lines.line(message)
        self._add(line)

    def _add(self, line: bytes) -> None:
        if self._lines is None or self.wire is None:
            return
        if len(self._lines) == 1 and not self._at_once:
            self._answer_soon(self.wire)
        self._lines.append(line)
        self._messages += 1
        self._size += len(line)

    def _answer_soon(self, wire: Wire) -> None:
        """At the end of this tick, with all that it brings."""
        scheduler = wire.runtime.scheduler
        scheduler.dirty.append(self)
        if not scheduler.ticking:
            scheduler.wake()

    def flush(self) -> None:
        """Answer, as ``Flushable`` has it."""
        said, self._lines = self._lines, None
        wire, session = self.wire, self.session
        if said is None or wire is None or self._left:
            return
        if session is not None:
            if session.received != self._received:
                # More has come by POSTs, which were told so: a lower count would be a violation now.
                greeting = {**json.loads(said[0]), "received": session.received}
                said[0] = lines.control_line(json.dumps(greeting, separators=(",", ":")))
            session.returned(self)
        # From here on the wire is somebody else's.
        self.wire = None
        self._left = True
        wire.runtime.wheel.cancel(self)
        self._returns.answer(self, wire, b"".join(said), self._behind)

    def close(self, frame: Close) -> bool:
        self._add(lines.control_line(control.close(frame.code, frame.reason)))
        return False

    def leave(self, frame: Close) -> None:
        self.close(frame)

    def supersede(self) -> None:
        if self._lines is not None:
            # The messages in it are the new one's to bring.
            del self._lines[1:]
            self.flush()
