"""Promises of transports: what ``actorws.Transport`` asks for, as far as a client and an actor see it.

Rule owned here: each has a sentence of its own, which is all that the author of a transport that breaks it gets to
read. Must not know any transport.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import trio

from actorws.conn import SendStatus
from actorws.frames import Close, CloseCode
from actorws.reasons import Error, Remote, Stop
from actorws.testing.witness import PATIENCE, Peer, Subject, Witness, gets, until

__all__ = ["Can", "Door", "Visit", "busy_actor", "endings", "messages", "others", "slow_client"]

#: Messages whose order is looked at.
MANY = 300
#: As long as a client's message may be by default.
LONG = 1024 * 1024
#: Of these so many are sent to who doesn't take them: more than any kernel keeps for a connection.
PIECE, PIECES = 64 * 1024, 1000
#: Seconds in which nothing moves, when who sends is held up.
STUCK = 0.5


class Door(Protocol):
    """What ``serve`` gives: where clients come from."""

    async def connect(self) -> Peer:
        """Connect a client; return when the server has accepted it, or is about to."""


class Can:
    """What a transport is capable of."""

    def __init__(self, *, binary: bool, empty: bool, codes: bool) -> None:
        self.binary = binary
        self.empty = empty
        self.codes = codes

    def payloads(self) -> dict[str, str | bytes]:
        """Messages that it has to carry, by what they are."""
        payloads: dict[str, str | bytes] = {
            "a text": "hello",
            "a text with all kinds of characters": "gr\xfc\xdfe \u4e16\u754c \U0001f388 \"'\\ \n\r\n\t\0 end",
            "a text of 1 MiB": "x" * LONG,
        }
        if self.empty:
            payloads["an empty text"] = ""
        if self.binary:
            payloads["binary"] = bytes(range(256))
            payloads["binary of 1 MiB"] = b"\xff\0\n\x80" * (LONG // 4)
        if self.binary and self.empty:
            payloads["an empty binary message"] = b""
        return payloads


class Visit:
    """One client and its actor."""

    def __init__(self, peer: Peer, witness: Witness, can: Can) -> None:
        self.peer = peer
        self.witness = witness
        self.can = can

    @classmethod
    async def begin(cls, door: Door, subject: Subject, can: Can) -> Visit:
        """Connect a client."""
        before = len(subject.witnesses)
        peer = await door.connect()
        promise = "a client that connects must get an actor"
        await until(promise, subject, lambda: len(subject.witnesses) > before, lambda: "none")
        await gets("what init returns must be what the client gets first", peer, subject.first)
        return cls(peer, subject.witnesses[before], can)

    async def hears(self, promise: str, *messages: str | bytes) -> None:
        """The actor has to get exactly these next."""
        received = self.witness.received
        await until(promise, self.witness, lambda: len(received) >= len(messages), lambda: received)
        got, received[:] = received[:], []
        wrong = [(a, b) for a, b in zip(got, messages, strict=False) if a != b or type(a) is not type(b)]
        assert not wrong, f"{promise}; instead of {wrong[0][1]!r:.60} came {wrong[0][0]!r:.60}"
        assert len(got) == len(messages), f"{promise}; {len(got)} came instead of {len(messages)}"

    async def ends(self, promise: str, is_right: Callable[[Any], bool]) -> None:
        """The actor has to end, once, and for the right reason."""
        reasons = self.witness.reasons
        await until(promise, self.witness, lambda: bool(reasons), lambda: "no end")
        assert is_right(reasons[0]), f"{promise}; it ended with {reasons[0]!r:.100}"


# Messages


async def messages(begin: Callable[[], Awaitable[Visit]]) -> None:
    visit = await begin()
    for what, payload in visit.can.payloads().items():
        await visit.peer.send(payload)
        await visit.hears(f"{what} must arrive at the actor as it was sent", payload)
        visit.witness.conn.send(payload)
        await gets(f"{what} must arrive at the client as it was sent", visit.peer, payload)
    numbers = [str(number) for number in range(MANY)]
    for number in numbers:
        await visit.peer.send(number)
    await visit.hears("what a client sends must arrive once each, in its order", *numbers)
    for number in numbers:
        visit.witness.conn.send(number)
    await gets("what an actor sends must arrive once each, in its order", visit.peer, *numbers)
    visit.witness.answer = lambda message: ["one", "two", message, "four"]
    await visit.peer.send("three")
    await gets("the frames of one return must arrive in its order", visit.peer, "one", "two", "three", "four")
    await both_ways(visit, numbers)
    visit.peer.vanish()


async def both_ways(visit: Visit, numbers: list[str]) -> None:
    """Send one way and the other at once."""
    visit.witness.answer = lambda message: message
    visit.witness.received.clear()
    failure: AssertionError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_send_all, visit.peer, numbers)
        try:
            await gets("what is sent both ways at once must arrive", visit.peer, *numbers)
        except AssertionError as error:
            # Raised below: out of the nursery it would come in a group.
            failure = error
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _send_all(peer: Peer, messages: list[str]) -> None:
    for message in messages:
        await peer.send(message)


async def others(begin: Callable[[], Awaitable[Visit]]) -> None:
    """Messages of other actors."""
    visit, other = await begin(), await begin()
    conn = visit.witness.conn
    await conn.register("silent")
    await other.witness.conn.send_message("silent", "from another")
    await gets("what another actor sends must arrive while the client is silent", visit.peer, "from another")
    visit.peer.vanish()
    other.peer.vanish()


# The end


async def endings(begin: Callable[[], Awaitable[Visit]]) -> None:
    await _we_close(await begin())
    await _they_close(await begin())
    await _they_vanish(await begin())
    await _we_abort(await begin())
    await _we_crash(await begin())


async def _we_close(visit: Visit) -> None:
    visit.witness.answer = lambda message: ["one", "two", Close(4001, "so long")]
    await visit.peer.send("end it")
    await gets("what an actor sends before its Close must arrive before it", visit.peer, "one", "two")
    if visit.can.codes:
        await gets("an actor's Close must reach the client as it is", visit.peer, Close(4001, "so long"))
    await _hangs_up("an actor's Close must end the connection", visit.peer)
    await visit.ends("an actor that closes must end with Stop, as the client has taken leave", lambda r: r == Stop())


async def _they_close(visit: Visit) -> None:
    await visit.peer.send("the last")
    await visit.peer.close(4002, "my turn")
    wanted = Remote(4002, "my turn")
    is_right = (lambda r: r == wanted) if visit.can.codes else (lambda r: isinstance(r, Remote))
    await visit.ends("the client's leave must end the actor with Remote, its code and its reason", is_right)
    await visit.hears("what a client says before it leaves must arrive", "the last")


async def _they_vanish(visit: Visit) -> None:
    visit.peer.vanish()
    is_right = (lambda r: r == Remote(CloseCode.ABNORMAL)) if visit.can.codes else (lambda r: isinstance(r, Remote))
    await visit.ends("a client that vanishes must end the actor with Remote(1006)", is_right)


async def _we_abort(visit: Visit) -> None:
    visit.witness.conn.abort()
    await visit.ends("an actor that aborts must end with Stop", lambda reason: reason == Stop())
    await _hangs_up("abort() must end the connection for the client, too", visit.peer)


async def _we_crash(visit: Visit) -> None:
    def crash(message: object) -> None:
        raise RuntimeError("a callback crashes here on purpose, for check_transport")

    visit.witness.answer = crash
    await visit.peer.send("crash")
    if visit.can.codes:
        promise = "a crash must be told the client as Close 1011"
        await gets(promise, visit.peer, Close(CloseCode.INTERNAL_ERROR))
    await _hangs_up("a crash must end the connection", visit.peer)
    await visit.ends("an actor that crashes must end with Error", lambda reason: isinstance(reason, Error))


async def _hangs_up(promise: str, peer: Peer) -> None:
    """The connection has to end for the client, by whatever Close."""
    with trio.move_on_after(PATIENCE):
        try:
            while True:
                last = await peer.receive()
                assert isinstance(last, Close), f"{promise}; instead came {last!r:.60}"
        except trio.EndOfChannel:
            return
    raise AssertionError(f"{promise}; it goes on after {PATIENCE:g} s")


# Backpressure


async def slow_client(begin: Callable[[], Awaitable[Visit]]) -> None:
    visit, other = await begin(), await begin()
    conn, piece = visit.witness.conn, "x" * PIECE
    _call(visit.peer, "pause_reading")
    sent = 0
    while sent < PIECES:
        sent += 1
        if not await _is_taken(visit.witness, piece):
            sent += 1
            if conn.send(piece) is SendStatus.BACKPRESSURED:
                break
    assert sent < PIECES, f"a client that takes nothing must make send() wait; {PIECE * PIECES >> 20} MiB went out"
    await other.peer.send("hello?")
    await other.hears("a client that takes nothing must not hold up what others send", "hello?")
    other.witness.conn.send("yes")
    await gets("a client that takes nothing must not hold up what others get", other.peer, "yes")
    _call(visit.peer, "resume_reading")
    await gets("a client that takes again must get everything that waited", visit.peer, *[piece] * sent)
    drained = "handle_drain must be called when the client has taken everything"
    await until(drained, visit.witness, lambda: visit.witness.drained > 0, lambda: 0)
    visit.peer.vanish()
    other.peer.vanish()


async def _is_taken(witness: Witness, piece: str) -> bool:
    """Send a piece. Whether it leaves."""
    conn = witness.conn
    conn.send(piece)
    with trio.move_on_after(STUCK):
        while conn.buffered:
            await trio.sleep(STUCK / 100)
        return True
    return False


async def busy_actor(begin: Callable[[], Awaitable[Visit]]) -> None:
    visit, piece = await begin(), "x" * PIECE
    visit.witness.gate = trio.Event()
    sent = 0

    async def send_all() -> None:
        nonlocal sent
        while sent < PIECES and not is_over:
            await visit.peer.send(piece)
            sent += 1

    is_over = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_all)
        before = -1
        while before < sent < PIECES:
            before = sent
            await trio.sleep(STUCK)
        held_up, is_over = sent < PIECES, True
        visit.witness.gate.set()
    assert held_up, f"a client must be made to wait while its actor is busy; {PIECE * PIECES >> 20} MiB were taken"
    await visit.hears("what waited while the actor was busy must arrive", *[piece] * sent)
    visit.peer.vanish()


def _call(peer: Peer, method: str) -> None:
    """What only some peers have."""
    getattr(peer, method, lambda: None)()
