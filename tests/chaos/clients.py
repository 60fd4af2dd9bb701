"""Clients: real WebSockets to the nodes, opened again whenever they are over.

Rule owned here: what comes is told to the ledger in the order in which it came. Must not know what goes wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count
from random import Random

import trio

from tests.chaos.app import GROUP
from tests.chaos.ledger import Ledger, Receiver, Sender
from tests.chaos.world import Node
from tests.support import wire

__all__ = ["Crowd", "fight", "messages_of"]

CHUNK = 256 * 1024
#: Seconds until who found no connection, or no name, tries again.
RETRY = 0.1
#: Seconds in which a node must have answered the handshake; a frozen one doesn't.
PATIENCE = 3.0
#: Close codes that must not be seen: a crash, and more messages than a mailbox takes.
WRONG = (1011, 1013)
FAILURES = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, AssertionError)


def messages_of(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take the whole frames out of ``buffer``: opcode and payload of each."""
    at, size = 0, len(buffer)
    try:
        while size - at >= 2:
            length, begin = buffer[at + 1], at + 2
            if length == 126:
                length, begin = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif length == 127:
                length, begin = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if begin > size or begin + length > size:
                break
            opcode, payload = buffer[at] & 15, bytes(buffer[begin : begin + length])
            at = begin + length
            yield opcode, payload
    finally:
        del buffer[:at]


class Frames:
    """What comes on a connection."""

    def __init__(self, client: wire.Client) -> None:
        self._stream = client.stream
        self._buffer = bytearray(client._came)

    async def some(self) -> list[tuple[int, bytes]]:
        """The next frames; none: the connection is over."""
        while not (found := list(messages_of(self._buffer))):
            data = await self._stream.receive_some(CHUNK)
            if not data:
                break
            self._buffer += data
        return found


class Crowd:
    """The talkers of all nodes."""

    def __init__(self, ledger: Ledger, random: Random, pause: float) -> None:
        """``pause``: seconds between what one is told to send and the next."""
        self._ledger = ledger
        self._random = random
        self._pause = pause
        self._serials = count(1)
        self.names: list[str] = []
        #: What ended the connections.
        self.endings: Counter[int] = Counter()
        self.is_talking = True

    async def talk(self, node: Node, name: str) -> None:
        """One talker, again and again."""
        self.names.append(name)
        while True:
            if node.port is not None:
                try:
                    await self._connect(node.port, name)
                except FAILURES:
                    pass
            await trio.sleep(RETRY)

    async def _connect(self, port: int, name: str) -> None:
        who = f"{name}.{next(self._serials)}"
        with trio.fail_after(PATIENCE) as patience:
            async with wire.connect(port) as client:
                await client.upgrade(f"/talk/{name}/{who}")
                patience.deadline = float("inf")
                await Talk(self._ledger, self, client, who, name).run()

    def targets(self, kind: str) -> list[str]:
        """Whom to send something to."""
        if kind in "Gg":
            return [GROUP] * self._random.randint(1, 3)
        return self._random.choices(self.names, k=self._random.randint(5, 40))

    def kind(self) -> str:
        return self._random.choice("NNnnGg")

    async def pause(self) -> None:
        await trio.sleep(self._random.uniform(0, 2 * self._pause))


class Talk:
    """One connection of a talker."""

    def __init__(self, ledger: Ledger, crowd: Crowd, client: wire.Client, who: str, name: str) -> None:
        self._ledger = ledger
        self._crowd = crowd
        self._client = client
        self._who = who
        self._name = name
        self._done = trio.Event()
        self._sender: Sender
        self._receiver: Receiver
        self._is_ready = False

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                await self._read(nursery)
                nursery.cancel_scope.cancel()
        finally:
            if self._is_ready:
                self._ledger.ended(self._who)

    async def _read(self, nursery: trio.Nursery) -> None:
        frames = Frames(self._client)
        try:
            while found := await frames.some():
                for opcode, payload in found:
                    if opcode == wire.CLOSE:
                        return self._closed(int.from_bytes(payload[:2], "big"))
                    self._take(payload.decode().split(" "), nursery)
        except FAILURES:
            self._crowd.endings[1006] += 1

    def _closed(self, code: int) -> None:
        self._crowd.endings[code] += 1
        if code in WRONG:
            self._ledger.faults.append(f"{self._who} was closed with {code}")

    def _take(self, words: list[str], nursery: trio.Nursery) -> None:
        match words:
            case ["m", who, number, kind, number_of_kind]:
                self._receiver.got(who, int(number), kind, int(number_of_kind))
            case ["done", number, kind, *failed]:
                for target, _, which in (item.rpartition(":") for item in failed if item):
                    self._sender.failed.add((kind, target, int(which)))
                    self._ledger.covered["not sent"] += 1
                self._sender.reported = int(number)
                self._done.set()
            case ["gap", first, last]:
                self._receiver.gap()
                self._sender.gaps.append((int(first), int(last)))
            case ["ready"]:
                self._sender, self._receiver = self._ledger.began(self._who, self._name, GROUP)
                self._is_ready = True
                nursery.start_soon(self._say)

    async def _say(self) -> None:
        crowd = self._crowd
        try:
            while True:
                if crowd.is_talking:
                    await self._instruct(kind := crowd.kind(), crowd.targets(kind))
                await crowd.pause()
                if not crowd.is_talking and not await self._last_words():
                    return
        except FAILURES:
            pass  # The reader finds out, too.

    async def _last_words(self) -> bool:
        """One message of each kind to everybody, by which it shows whether one before has been lost."""
        for kind in "NnGg":
            await self._instruct(kind, [GROUP] if kind in "Gg" else self._crowd.names)
        await trio.sleep(1)
        return bool(self._ledger.lacking())

    async def _instruct(self, kind: str, targets: list[str]) -> None:
        self._done = trio.Event()
        for target in targets:
            self._sender.counts[kind, target] += 1
        self._ledger.sent += len(targets)
        await self._client.text(f"{kind} {' '.join(targets)}")
        await self._done.wait()


async def fight(node: Node, name: str, random: Random, faults: list[str]) -> None:
    """Get ``name`` on a node whenever it is free; now and then give it back."""
    while True:
        if node.port is not None:
            try:
                await _hold(node.port, name, random, faults)
            except FAILURES:
                pass
        await trio.sleep(RETRY)


async def _hold(port: int, name: str, random: Random, faults: list[str]) -> None:
    with trio.move_on_after(PATIENCE) as patience:
        async with wire.connect(port) as client:
            await client.upgrade(f"/fight/{name}")
            frames = Frames(client)
            while found := await frames.some():
                for opcode, payload in found:
                    if opcode == wire.CLOSE:
                        if int.from_bytes(payload[:2], "big") in WRONG:
                            faults.append(f"a fighter for {name} was closed with {payload!r}")
                        return
                    # It has the name, and is going to give it back.
                    patience.deadline = trio.current_time() + random.uniform(2, 8)
