"""Sessions of an outbound connection, against a server in memory whose wires break where a test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import trio
import trio.testing

from actorws import App, Backoff, Close, Conn, Reason, Runtime, Websocket, events, open_runtime, testing
from actorws.client.connector import Connector
from actorws.events import Event
from actorws.testing.memory import MemoryStream, memory_streams
from tests.support.client_frames import TEXT, ClientFrames, accept
from tests.support.session_client import control

__all__ = ["SOON", "Cut", "Life", "Outbound", "Scripted", "Side", "open_outbound", "scripted", "talk"]

E = TypeVar("E", bound=Event)

#: Waits of exactly one second.
SOON = Backoff(initial=1, maximum=1, jitter=0, health_time=1000)
#: Far more than anything here takes.
SECONDS = 100
NEVER = 1 << 60


class Cut(trio.abc.HalfCloseableStream):
    """A client's end that is reset when so many bytes have gone up, or come down."""

    def __init__(self, stream: MemoryStream, up: int = NEVER, down: int = NEVER) -> None:
        self._stream = stream
        self._up, self._down = up, down
        self.was_cut = False

    def cut(self) -> None:
        self.was_cut = True
        self._stream.reset()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        part = bytes(data)[: self._up]
        self._up -= len(part)
        with self._losing():
            await self._stream.send_all(part)
            if not self._up:
                # What was sent before has got there: it is the wire that is lost, not what it has carried.
                await trio.testing.wait_all_tasks_blocked()
                self.cut()
                raise trio.BrokenResourceError("cut")

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        with self._losing():
            if not self._down:
                self.cut()
                raise trio.BrokenResourceError("cut")
            data = await self._stream.receive_some(min(max_bytes or NEVER, self._down))
            self._down -= len(data)
            return data

    @contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except trio.ClosedResourceError:
            if not self.was_cut:
                raise
            raise trio.BrokenResourceError("cut") from None

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


class Life:
    """One actor's: what it has sent, as far as that was accepted, and what it has heard."""

    def __init__(self, conn: Conn) -> None:
        self.conn = conn
        self.said: list[str | bytes] = []
        self.heard: list[Any] = []
        self.statuses: list[str] = []
        self.reasons: list[Reason] = []

    def say(self, *messages: str | bytes) -> None:
        for message in messages:
            status = self.conn.send(message)
            self.statuses.append(status.value)
            if status.value in ("sent", "backpressured"):
                self.said.append(message)


class Side(Websocket):
    """Either side: each actor has its ``Life``; a message that it gets from other actors it sends."""

    resumable = True
    options = {"close_timeout": 2, "terminate_timeout": 3}

    def __init__(self) -> None:
        self.lives: list[Life] = []

    @property
    def now(self) -> Life:
        return self.lives[-1]

    def init(self, conn: Any) -> Any:
        assert all(life.reasons for life in self.lives if life.conn.runtime is conn.runtime) or not self.is_alone
        life = Life(conn)
        self.lives.append(life)
        life.say("hello")
        return life, []

    #: Whether there is one actor at a time.
    is_alone = True

    def handle_client_message(self, life: Any, conn: Any, frame: Any) -> Any:
        life.heard.append(frame)
        return life, []

    def handle_server_message(self, life: Any, conn: Any, message: Any) -> Any:
        return life, [message]

    def terminate(self, life: Any, conn: Any, reason: Any) -> None:
        life.reasons.append(reason)


class Many(Side):
    """The server's: it may have actors whose clients don't know their sessions, and will not come back."""

    is_alone = False


class Outbound:
    """A server, and a runtime of its own that connects to it. Made by ``open_outbound``."""

    def __init__(self, server: testing.MemoryServer, theirs: Side, ours: Side) -> None:
        self.server = server
        self.theirs, self.ours = theirs, ours
        self.runtime: Runtime
        self.events: list[Event] = []
        self.wires: list[Cut] = []
        #: Where the next wires are cut: up and down.
        self.cuts: list[tuple[int, int]] = []
        #: Whether there is a server to be reached.
        self.is_up = True
        self.connector: Connector

    async def open_stream(self, host: str, port: int) -> trio.abc.Stream:
        if not self.is_up:
            raise ConnectionRefusedError("away")
        stream = self.server.open_stream()
        assert isinstance(stream, MemoryStream)
        self.wires.append(Cut(stream, *(self.cuts.pop(0) if self.cuts else ())))
        return self.wires[-1]

    async def connect(self, behaviour: Any = None, **options: Any) -> Connector:
        options = {"backoff": SOON, "open_stream": self.open_stream, **options}
        self.connector = await self.runtime.connect("ws://host/path?a=1", behaviour or self.ours, **options)
        return self.connector

    def cut(self) -> None:
        self.wires[-1].cut()

    async def lose(self) -> None:
        """The wire is lost, and the client has heard of it."""
        self.is_up = False
        self.cut()
        await self.until(lambda: self.connector._attempt._ended.is_set())

    async def until(self, condition: Callable[[], Any]) -> None:
        with trio.fail_after(SECONDS):
            while not condition():
                await trio.sleep(0.1)

    def told(self, kind: type[E]) -> list[E]:
        """Events of the client's runtime."""
        return [event for event in self.events if isinstance(event, kind)]

    def assert_complete(self) -> None:
        """Both sides have all that the other has said, in order, and once."""
        assert self.ours.now.heard == self.theirs.now.said
        assert self.theirs.now.heard == self.ours.now.said


@asynccontextmanager
async def open_outbound(
    ours: Side | None = None, theirs: Side | None = None, app: App | None = None, **options: Any
) -> AsyncIterator[Outbound]:
    """``options`` are the route's of the server."""
    theirs = theirs or Many()
    if app is None:
        app = App()
        app.websocket("/{rest:path}", theirs, **options)
    async with testing.open_app(app) as server:
        world = Outbound(server, theirs, ours or Side())
        async with open_runtime(world.events.append) as world.runtime:
            yield world
    assert world.told(events.BackgroundCrashed) == world.told(events.ActorCrashed) == []


class Scripted(ClientFrames):
    """The server's end of one wire, in the hand of a test."""

    head: str

    async def accept(self, protocol: str | None = "actorws.v1") -> None:
        head = await self.until(b"\r\n\r\n")
        self.head = head.decode()
        await self.stream.send_all(accept(head, f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""))

    async def hear(self) -> str:
        opcode, payload = await self.frame()
        assert opcode == TEXT, (opcode, payload)
        return payload.decode()

    async def say(self, *frames: str | Close) -> None:
        for said in frames:
            if isinstance(said, Close):
                await self.send(0x8, said.code.to_bytes(2, "big") + said.reason.encode())
            else:
                await self.send(TEXT, said.encode())


async def talk(wire: Scripted, *frames: str | Close) -> str:
    """Accept a wire, and answer its first words by ``frames``; the words."""
    await wire.accept()
    words = await wire.hear()
    await wire.say(*frames)
    return words


def greeting(session: str = "node.1.secret", **said: Any) -> str:
    return control(**{"session": session, "resumed": False, "received": 0, **said})


def scripted(nursery: trio.Nursery, *scripts: Callable[[Scripted], Awaitable[Any]]) -> Any:
    """An ``open_stream`` to a server of which each wire goes by the next script, the last one again and again."""
    left = list(scripts)

    async def open_stream(host: str, port: int) -> trio.abc.Stream:
        ours, theirs = memory_streams()
        nursery.start_soon(left.pop(0) if len(left) > 1 else left[0], Scripted(theirs))
        return ours

    return open_stream
