"""Witness: what an actor saw of its client, for who checks the transport between them.

Rules owned here: everything that is waited for has a deadline, and what was promised is said when it doesn't come. Must
not know any transport.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import trio

from actorws.behaviour import Websocket
from actorws.conn import Conn
from actorws.frames import Close
from actorws.reasons import Reason

__all__ = ["PATIENCE", "Peer", "Subject", "Witness", "gets", "until"]

#: Seconds that a promise has to come true: where nothing is broken it takes milliseconds.
PATIENCE = 30.0


class Peer(Protocol):
    """The client's end of one connection, as ``check_transport`` needs it.

    It may also have ``pause_reading()`` and ``resume_reading()``, if it reads without being asked to.
    """

    async def send(self, message: str | bytes, /) -> None:
        """Send a message; wait while the server doesn't read."""

    async def receive(self) -> str | bytes | Close:
        """The server's next message, or its Close, answered. Raises ``trio.EndOfChannel`` when nothing more comes."""

    async def close(self, code: int, reason: str, /) -> None:
        """Take leave in good order."""

    def vanish(self) -> None:
        """Go without a word."""


class Witness:
    """One actor."""

    def __init__(self, conn: Conn, news: trio.lowlevel.ParkingLot) -> None:
        self.conn = conn
        self.received: list[str | bytes] = []
        self.drained = 0
        self.reasons: list[Reason] = []
        #: Awaited before a message is handled.
        self.gate: trio.Event | None = None
        #: What a message is answered with; may raise.
        self.answer: Callable[[str | bytes], Any] = lambda message: []
        self.news = news


class Subject(Websocket):
    """The behaviour that is served; each of its actors has a witness."""

    def __init__(self, first: str) -> None:
        self.first = first
        self.witnesses: list[Witness] = []
        self.news = trio.lowlevel.ParkingLot()

    def init(self, conn: Conn) -> Any:
        witness = Witness(conn, self.news)
        self.witnesses.append(witness)
        self.news.unpark_all()
        return witness, [self.first]

    async def handle_client_message(self, witness: Witness, conn: Conn, frame: str | bytes) -> Any:
        if witness.gate is not None:
            await witness.gate.wait()
        witness.received.append(frame)
        self.news.unpark_all()
        return witness, witness.answer(frame)

    def handle_server_message(self, witness: Witness, conn: Conn, message: Any) -> Any:
        return witness, message

    def handle_drain(self, witness: Witness, conn: Conn) -> Any:
        witness.drained += 1
        self.news.unpark_all()
        return witness, []

    def terminate(self, witness: Witness, conn: Conn, reason: Reason) -> None:
        witness.reasons.append(reason)
        self.news.unpark_all()


async def until(promise: str, who: Subject | Witness, condition: Callable[[], bool], shows: Callable[[], Any]) -> None:
    """Wait for actors to have seen what fulfils ``condition``; else ``promise`` is broken, as ``shows`` tells."""
    with trio.move_on_after(PATIENCE):
        while not condition():
            await who.news.park()
    assert condition(), f"{promise}; in the end there was {shows()!r:.200}"


async def gets(promise: str, peer: Peer, *expected: str | bytes | Close | None) -> None:
    """The client has to get exactly this next; ``None`` is the end of the connection."""
    for one in expected:
        got: str | bytes | Close | None = None
        with trio.move_on_after(PATIENCE) as scope:
            try:
                got = await peer.receive()
            except trio.EndOfChannel:
                pass
        assert not scope.cancelled_caught, f"{promise}; nothing came in {PATIENCE:g} s where {one!r:.60} should"
        same = got == one and type(got) is type(one)
        assert same, f"{promise}; instead of {one!r:.60} came {'the end' if got is None else got!r:.60}"
