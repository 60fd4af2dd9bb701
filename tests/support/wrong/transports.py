"""Transports that are wrong: each breaks one promise, and keeps those looked at before."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import trio

from actorws import Close, Ping, Pong, Remote, Transport
from actorws.transports.memory import MemoryTransport

__all__ = ["BROKEN", "Wrong"]


class Wrong(Transport):
    """All right so far."""

    def __init__(self, inner: MemoryTransport) -> None:
        self.inner = inner

    async def receive(self) -> str | bytes | Close | Remote:
        return await self.inner.receive()

    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        await self.inner.send(frame)

    async def close(self, frame: Close) -> None:
        await self.inner.close(frame)

    def abort(self) -> None:
        self.inner.abort()


#: Those promises that are broken, and by whom.
BROKEN: list[tuple[str, type[Wrong]]] = []


def breaks(promise: str) -> Callable[[type[Wrong]], type[Wrong]]:
    def note(transport: type[Wrong]) -> type[Wrong]:
        BROKEN.append((promise, transport))
        return transport

    return note


# Messages


@breaks("what init returns must be what the client gets first")
class MissesTheFirst(Wrong):
    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        await (super().send(frame) if frame != "welcome" else trio.lowlevel.checkpoint())


@breaks("a text with all kinds of characters must arrive at the actor as it was sent")
class EndsAtALine(Wrong):
    async def receive(self) -> str | bytes | Close | Remote:
        message = await super().receive()
        return message.partition("\n")[0] if isinstance(message, str) else message


@breaks("a text with all kinds of characters must arrive at the client as it was sent")
class KnowsFewCharacters(Wrong):
    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        if isinstance(frame, str):
            frame = frame.encode("latin-1", "replace").decode("latin-1")
        await super().send(frame)


@breaks("a text of 1 MiB must arrive at the actor as it was sent")
class CutsShort(Wrong):
    async def receive(self) -> str | bytes | Close | Remote:
        message = await super().receive()
        return message[:65536] if isinstance(message, str) else message


@breaks("an empty text must arrive at the client as it was sent")
class SkipsEmptyOnes(Wrong):
    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        await (super().send(frame) if frame else trio.lowlevel.checkpoint())


@breaks("binary must arrive at the client as it was sent")
class MakesText(Wrong):
    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        await super().send(frame.decode("latin-1") if isinstance(frame, bytes) else frame)


@breaks("what a client sends must arrive once each, in its order")
class Overtakes(Wrong):
    held: str | None = None

    async def receive(self) -> str | bytes | Close | Remote:
        if self.held is not None:
            message, self.held = self.held, None
            return message
        if (first := await super().receive()) == "7":
            self.held = "7"
            return await super().receive()
        return first


@breaks("what an actor sends must arrive once each, in its order")
class SaysTwice(Wrong):
    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        await super().send(frame)
        if frame == "7":
            await super().send(frame)


@breaks("the frames of one return must arrive in its order")
class Shuffles(Wrong):
    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        if frame == "two":
            await super().send("three")
        if frame != "three":
            await super().send(frame)


@breaks("what is sent both ways at once must arrive")
class LosesWhatCrosses(Wrong):
    sent: int = 0

    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        self.sent += 1
        if frame != "299" or self.sent < 500:
            await super().send(frame)


@breaks("what another actor sends must arrive while the client is silent")
class OnlyAnswers(Wrong):
    heard: trio.Event

    def __init__(self, inner: MemoryTransport) -> None:
        super().__init__(inner)
        self.heard = trio.Event()

    async def receive(self) -> str | bytes | Close | Remote:
        message = await super().receive()
        self.heard.set()
        return message

    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        if frame != "welcome":
            await self.heard.wait()
        await super().send(frame)


# The end


@breaks("every actor must end when its client has gone")
class NeverNotices(Wrong):
    async def receive(self) -> str | bytes | Close | Remote:
        try:
            return await super().receive()
        except trio.EndOfChannel:
            await trio.sleep_forever()
            raise


@breaks("what an actor sends before its Close must arrive before it")
class KeepsTheLastWord(Wrong):
    kept: bool = False

    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        if self.kept:
            await super().send("two")
        self.kept = frame == "two"
        await (super().send(frame) if not self.kept else trio.lowlevel.checkpoint())


@breaks("an actor's Close must reach the client as it is")
class GivesNoReason(Wrong):
    async def close(self, frame: Close) -> None:
        await super().close(Close(frame.code))


@breaks("an actor's Close must end the connection")
class StaysOnTheLine(Wrong):
    closed: bool = False

    async def close(self, frame: Close) -> None:
        self.closed = True
        await self.inner._down.put(frame)

    def abort(self) -> None:
        if not self.closed:
            super().abort()


@breaks("an actor that closes must end with Stop, as the client has taken leave")
class WaitsForTooMuch(Wrong):
    async def close(self, frame: Close) -> None:
        await super().close(frame)
        await trio.sleep_forever()


@breaks("the client's leave must end the actor with Remote, its code and its reason")
class ForgetsTheCode(Wrong):
    async def receive(self) -> str | bytes | Close | Remote:
        message = await super().receive()
        return Remote(1005) if isinstance(message, Close) else message


@breaks("what a client says before it leaves must arrive")
class MissesTheLast(Wrong):
    async def receive(self) -> str | bytes | Close | Remote:
        message = await super().receive()
        return await super().receive() if message == "the last" else message


@breaks("a client that vanishes must end the actor with Remote(1006)")
class IsAlwaysPolite(Wrong):
    async def receive(self) -> str | bytes | Close | Remote:
        try:
            return await super().receive()
        except trio.EndOfChannel:
            return Close(1000)


@breaks("abort() must end the connection for the client, too")
class NeverCuts(Wrong):
    def abort(self) -> None:
        pass


@breaks("a crash must be told the client as Close 1011")
class HushesUp(Wrong):
    async def close(self, frame: Close) -> None:
        await super().close(Close(1000) if frame.code == 1011 else frame)


# Backpressure


@breaks("a client that takes nothing must make send() wait")
class KeepsEverything(Wrong):
    def __init__(self, inner: MemoryTransport) -> None:
        super().__init__(inner)
        inner._down._capacity = inf  # type: ignore[assignment]


LOCK = trio.Lock()


@breaks("a client that takes nothing must not hold up what others get")
class SendsOneByOne(Wrong):
    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        if not isinstance(frame, str) or len(frame) > 100_000:
            await super().send(frame)
            return
        async with LOCK:
            await super().send(frame)


@breaks("a client that takes again must get everything that waited")
class DropsWhatHadToWait(Wrong):
    async def send(self, frame: str | bytes | Ping | Pong) -> None:
        down = self.inner._down
        waits = down._bytes >= down._capacity and isinstance(frame, str) and set(frame) == {"x"}
        while down._bytes >= down._capacity and not down.is_cut:
            await down._changed.park()
        await (super().send(frame) if not waits else trio.lowlevel.checkpoint())


@breaks("a client must be made to wait while its actor is busy")
class ReadsAhead(Wrong):
    def __init__(self, inner: MemoryTransport) -> None:
        super().__init__(inner)
        inner._up._capacity = inf  # type: ignore[assignment]


@breaks("what waited while the actor was busy must arrive")
class ForgetsWhatWaited(Wrong):
    async def receive(self) -> str | bytes | Close | Remote:
        up = self.inner._up
        was_full = up._bytes >= up._capacity and len(up._frames) == 1 and len(str(up._frames[0])) == 65536
        message = await super().receive()
        return await super().receive() if was_full else message
