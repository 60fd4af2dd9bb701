"""Peer: a well-behaved client of a chat route: asks, is answered, and writes down what comes in between.

Rule owned here: what comes is told to the ledger in the order in which it came, answers included, so that a message
behind the answer to a join is one of a member. Must not know what its owner is up to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio

from actorws import CloseCode
from tests.soak.ledger import Inbox, Membership
from tests.soak.squeezed import open_squeezed
from tests.soak.world import PATIENCE, Fault, World
from tests.support.wire import CLOSE, PING, PONG, TEXT, Client, frame, open_client

__all__ = ["Ended", "Peer", "open_peer"]

#: What is done with an answer as soon as it is there.
Then = Callable[[str], object]


class Ended(Exception):
    """The server closed the connection."""


class Peer:
    """One connection to a chat."""

    def __init__(self, world: World, client: Client, path: str) -> None:
        self.world = world
        self.client = client
        self.id = ""
        self.inbox: Inbox
        self.memberships: dict[str, Membership] = {}
        #: Called with the number of each timer that fires.
        self.on_timer: Callable[[int], object] = self._unwanted_timer
        #: The code and reason of the server's Close.
        self.closed: tuple[int, str] | None = None
        self._is_async = path.endswith("async")
        #: Whether our Close was sent.
        self._closing = False
        self._answers: deque[Then] = deque([self._greeted])
        self._sending = trio.Lock()
        self._news = trio.Event()

    @property
    def was_replaced(self) -> bool:
        """Whether somebody took its name over."""
        return self.closed is not None and self.closed[0] == CloseCode.REPLACED

    # What comes

    async def listen(self) -> None:
        """Take what comes, until the server closes."""
        while self.closed is None:
            opcode, payload = await self.client.frame()
            self.world.figures["messages"] += 1
            self.world.figures["bytes"] += len(payload)
            if opcode == TEXT:
                self._came(payload.decode())
            elif opcode == PING:
                await self._send(frame(PONG, payload))
            else:
                assert opcode == CLOSE, (opcode, payload)
                await self._close_came(payload)
            self._news.set()
            self._news = trio.Event()

    def _came(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        if kind == "=":
            self._answers.popleft()(rest)
        elif kind == "#":
            room, position, sender, number, _ = rest.split(" ", 4)
            if room in self.memberships:
                self.memberships[room].got(int(position), sender, int(number))
            else:
                self.world.ledger.fault(f"{self.id} got position {position} of {room}, where it is no member")
        elif kind == "@":
            sender, number, _ = rest.split(" ", 2)
            self.inbox.got(sender, int(number))
        else:
            assert kind == "*", line
            self.on_timer(int(rest))

    async def _close_came(self, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big") if payload else CloseCode.NO_STATUS
        if not self._closing:
            self._closing = True
            await self._send(frame(CLOSE, payload[:2]))
        assert await self.client.rest() == b"", "something came behind Close"
        self.closed = code, payload[2:].decode()

    def _greeted(self, name: str) -> None:
        self.id = name
        self.inbox = self.world.ledger.inbox(name)

    def _unwanted_timer(self, number: int) -> None:
        raise Fault(f"timer {number} fired, which {self.id} hasn't set")

    # What is asked

    async def ask(self, *lines: str, then: Then | list[Then] = lambda answer: None) -> list[str]:
        """Send lines at once; their answers. Raises ``Ended`` if the server closes instead."""
        answers: list[str] = []
        thens = then if isinstance(then, list) else [then] * len(lines)
        for act in thens:
            self._answers.append(partial(_both, answers.append, act))
        await self._send(b"".join(frame(TEXT, line.encode()) for line in lines))
        if not await self.until(lambda: len(answers) == len(lines) or self.closed is not None):
            raise Fault(f"{self.id} had no answer to {lines[len(answers)][:80]!r} in {PATIENCE} s")
        if len(answers) < len(lines):
            raise Ended(f"{self.id} was closed with {self.closed} instead of an answer to {lines[len(answers)][:80]!r}")
        return answers

    async def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> bool:
        """Wait for a condition, which is looked at with everything that comes, and from time to time."""
        deadline = trio.current_time() + seconds
        while not condition():
            if trio.current_time() > deadline:
                return False
            with trio.move_on_after(0.05):
                await self._news.wait()
        return True

    async def _send(self, data: bytes) -> None:
        async with self._sending:
            self.world.figures["messages"] += 1
            self.world.figures["bytes"] += len(data)
            try:
                await self.client.send(data)
            except trio.BrokenResourceError:
                pass  # what the server said before it left is still to be read

    # Rooms

    async def join(self, room: str) -> None:
        """Become a member."""

        def joined(answer: str) -> None:
            self.memberships[room] = self.world.ledger.joined(room, int(answer), self.id)

        await self.ask(f"join {room}", then=joined)

    async def leave(self, room: str) -> None:
        """Be no member any more."""
        membership = self.memberships[room]

        def left(answer: str) -> None:
            membership.left(int(answer))
            if not self._is_async:
                del self.memberships[room]

        await self.ask(f"leave {room}", then=left)
        if self._is_async:
            # What was in the actor's mailbox then came behind the answer, and is handled before this is.
            await self.ask("nothing")
            del self.memberships[room]
        membership.finish()

    async def get_all(self, room: str) -> None:
        """Wait for everything that anybody knows to have been said."""
        newest = self.world.ledger.room(room).newest
        if not await self.until(lambda: self.memberships[room].has_all(newest)):
            self.memberships[room].lost(newest)

    async def say(self, room: str, texts: dict[int, str], verb: str = "say") -> None:
        """Say several things at once, each with its number."""
        thens: list[Then] = [partial(self._said, room, number) for number in texts]
        await self.ask(*(f"{verb} {room} {number} {text}" for number, text in texts.items()), then=thens)

    def _said(self, room: str, number: int, position: str) -> None:
        self.world.ledger.said(room, int(position), self.id, number)

    # Direct messages

    async def send(self, name: str, number: int, text: str) -> None:
        """Send to whoever has a name."""
        ledger = self.world.ledger
        asked = ledger.asks(name)

        def answered(owner: str) -> None:
            ledger.answered(asked, None if owner == "nobody" else owner, self.id, number)

        await self.ask(f"send {name} {number} {text}", then=answered)

    async def release(self, name: str) -> None:
        """Give a name back, and wait for all that was sent to it."""
        (had_it,) = await self.ask(f"release {name}")
        asked = self.world.ledger.open_asks(name)

        def is_done() -> bool:
            return self.inbox.is_complete and not asked & self.world.ledger.open_asks(name)

        if not await self.until(lambda: is_done() or self.closed is not None) and had_it == "True":
            self.world.ledger.fault(f"{self.id} waited in vain for what was sent to {name}")

    # The end

    async def bye(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """The closing handshake, from our side."""
        payload = b"" if code == CloseCode.NO_STATUS else code.to_bytes(2, "big") + reason.encode()
        if not self._closing:
            self._closing = True
            await self._send(frame(CLOSE, payload))
        if not await self.until(lambda: self.closed is not None):
            raise Fault(f"{self.id} had no answer to its Close in {PATIENCE} s")
        # Who takes over its name may have been quicker.
        if self.closed != (code, "") and not self.was_replaced:
            raise Fault(f"{self.id} closed with {code} and was answered {self.closed}")


def _both(first: Then, second: Then, answer: str) -> None:
    first(answer)
    second(answer)


@asynccontextmanager
async def open_peer(world: World, path: str) -> AsyncIterator[Peer]:
    """A peer that has been greeted."""
    opened = open_squeezed(world.port, path) if path.endswith("deflate") else open_client(world.port, path)
    async with opened as client, trio.open_nursery() as nursery:
        peer = Peer(world, client, path)
        nursery.start_soon(peer.listen)
        if not await peer.until(lambda: peer.id):
            raise Fault(f"{path} didn't greet in {PATIENCE} s")
        yield peer
        nursery.cancel_scope.cancel()
