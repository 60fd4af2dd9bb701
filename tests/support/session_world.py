"""A server with sessions, its wires and its clients, byte by byte in hand: no sockets, no tasks, no real time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from actorws import App, Close, Conn, Reason, Runtime, Websocket
from actorws.actor.timers import Wheel
from actorws.config import ServerConfig
from actorws.events import ActorCrashed, BackgroundCrashed, Event, HandlerCrashed, TerminateFailed
from actorws.server.endpoint import Endpoint
from actorws.server.site import Site
from actorws.sessions import store as stores
from actorws.sessions.session import Session
from actorws.sessions.store import Store
from tests.support.fake_wire import FakeWire
from tests.support.session_client import FrameReader, Message, SessionClient
from tests.support.wire import BINARY, CLOSE, PONG, TEXT, frame, handshake

__all__ = ["Life", "Link", "World"]

CRASHES = (ActorCrashed, TerminateFailed, HandlerCrashed, BackgroundCrashed)


class Life:
    """One actor: what it has sent, as far as that was accepted, and what it has heard."""

    def __init__(self, conn: Conn) -> None:
        self.conn = conn
        self.session: Any = conn._actor.transport if conn._actor is not None else None
        self.said: list[Message] = []
        self.refused: list[Message] = []
        self.heard: list[Message] = []
        self.reason: Reason | None = None
        self.ended_at = 0.0
        self.terminated = 0
        self.aborted = False


class Link:
    """One wire, with what is on its way in both directions."""

    def __init__(self, world: World, takes: int) -> None:
        runtime = world.runtime
        self.wire = FakeWire(runtime, world.site.options, takes, world.now)
        self.wire.receiver = Endpoint(self.wire, world.site, ("192.0.2.1", 4000))
        self.out = bytearray(handshake(sec_websocket_protocol="actorws.v1"))
        self.head = b""
        self.reader = FrameReader()
        self.read = 0
        self.upgraded = False
        self.more = False
        self.over = False

    def put(self, messages: Sequence[Message]) -> None:
        """The client sends."""
        for message in messages:
            payload, opcode = (message.encode(), TEXT) if isinstance(message, str) else (message, BINARY)
            self.out += frame(opcode, payload)

    def put_close(self, close: Close | None) -> None:
        payload = b"" if close is None else close.code.to_bytes(2, "big") + close.reason.encode()
        self.out += frame(CLOSE, payload)

    @property
    def serves(self) -> bool:
        """Whether the server still reads from it."""
        return self.wire.receiver is not None and not self.wire.ended


class World:
    """The server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.now = 1000.0
        self.events: list[Event] = []
        runtime: Any = Runtime(None, self.events.append)  # type: ignore[arg-type]  # nothing here is async
        runtime.wheel = Wheel(lambda: self.now)
        self.runtime: Runtime = runtime
        self.lives: dict[int, Life] = {}
        self.links: list[Link] = []
        world = self

        class Spy(Session):
            """Writes down what is accepted of what its actor sends."""

            __slots__ = ()

            def send(self, message: Any) -> Any:
                status = super().send(message)
                if isinstance(message, str | bytes):
                    life = world.lives[self.id.serial]
                    (life.said if status.value in ("sent", "backpressured") else life.refused).append(message)
                return status

            def send_shared(self, frames: Any, shared: Any) -> Any:
                return self._told(frames, super().send_shared, frames, shared)

            def send_encoded(self, frames: Any, *rest: Any) -> Any:
                return self._told(frames, super().send_encoded, frames, *rest)

            def _told(self, frames: Any, call: Any, *args: Any) -> Any:
                life = world.lives[self.id.serial]
                before, count = len(life.said) + len(life.refused), self.outbox.count
                result = call(*args)
                direct = len(life.said) + len(life.refused) == before and self.outbox.count > count
                if direct and all(isinstance(frame, str | bytes) for frame in frames):
                    life.said += frames
                return result

        class Actor(Websocket):
            """Says what it is told to."""

            def init(self, conn: Any) -> Any:
                life = world.lives[conn.number] = Life(conn)
                conn.join_nowait("all")
                return life, None

            def handle_client_message(self, life: Any, conn: Any, message: Any) -> Any:
                life.heard.append(message)
                return life, None

            def handle_server_message(self, life: Any, conn: Any, message: Any) -> Any:
                return life, [Close(frame[1]) if type(frame) is tuple else frame for frame in message]

            def terminate(self, life: Any, conn: Any, reason: Any) -> None:
                life.terminated += 1
                life.reason, life.ended_at = reason, world.now

        monkeypatch.setattr(stores, "Session", Spy)
        monkeypatch.setattr(Store, "current_time", lambda store: self.now)
        app = App()
        app.websocket("/", Actor, resumable=True, **options)
        self.site = Site(runtime, app.router, ServerConfig())
        self.store: Store = self.site.sessions

    # Wires

    def open(self, takes: int = 1 << 30) -> Link:
        link = Link(self, takes)
        self.links.append(link)
        return link

    def up(self, link: Link, size: int) -> None:
        """So many bytes of the client's come to the server."""
        if link.serves and not link.wire.paused:
            data = bytes(link.out[:size])
            del link.out[:size]
            link.wire.last_seen = self.now
            assert link.wire.receiver is not None
            link.more = link.wire.receiver.receive(data)
        self.settle()
        while link.more and link.serves and not link.wire.paused:
            assert link.wire.receiver is not None
            link.more = link.wire.receiver.receive(b"")
            self.settle()

    def down(self, link: Link, client: SessionClient, size: int) -> None:
        """So many bytes of the server's come to the client."""
        self.settle()
        data = link.wire.taken[link.read : link.read + size]
        link.read += len(data)
        if not link.upgraded:
            link.head, end, data = (link.head + data).partition(b"\r\n\r\n")
            if not end:
                return
            link.upgraded = True
            if b" 408 " in link.head:  # the handshake took too long
                link.over = True
                client.lose()
                return
            assert b" 101 " in link.head
        for item in link.reader.read(data):
            if isinstance(item, tuple):
                link.out += frame(PONG, item[1])
            else:
                if isinstance(item, Close):
                    link.put_close(item)
                    link.over = True
                link.put(client.take(item))

    def cut(self, link: Link, error: OSError | None) -> None:
        """The server is told of the wire's end. What is on its way is lost."""
        if link.serves and not (link.wire.paused and error is None):
            receiver = link.wire.receiver
            assert receiver is not None
            receiver.ended(error)
        if link.wire.receiver is not None and (error is not None or link.wire.ended):
            link.wire.shut()
        self.settle()

    def room(self, link: Link, takes: int) -> None:
        """The kernel takes more output."""
        if link.wire.ended in ("", "closed") and link.wire.rest is not None:
            link.wire.take_everything()
        link.wire.takes = takes
        self.settle()

    def settle(self) -> None:
        for _ in range(100):
            if not self.runtime.scheduler.settle():
                return
        raise AssertionError("it never ends")

    def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.runtime.wheel.next_deadline()) <= until:
            self.now = max(self.now, due)
            self.runtime.wheel.advance(self.now)
            self.settle()
        self.now = until

    # Facts

    def check(self) -> None:
        """What holds at any time."""
        assert [event for event in self.events if isinstance(event, CRASHES)] == []
        ends = Counter(life.terminated for life in self.lives.values())
        assert ends[0] == len(self.runtime.supervisor)
        assert set(ends) <= {0, 1}
        for life in self.lives.values():
            assert life.terminated or life.conn.ready_state < 3
