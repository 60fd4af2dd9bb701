"""Cancelled at every checkpoint there is, one after the other: whole frames, or a connection that is over.

The streams hold next to nothing, so that each frame is written and read in many pieces, with a checkpoint between any
two of them. One run is cancelled at its first checkpoint, the next at its second, until one comes to its end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actorws import App, Close, Reason, Remote, Websocket, testing
from actorws.protocol.encoder import encode
from tests.support.attacker import split
from tests.support.wire import CLOSE, TEXT, frame, handshake

CAPACITY = 300
MESSAGES = ["", "text" * 50, "ö" * 700, "end"]
REQUEST = b"".join(frame(TEXT, message.encode()) for message in MESSAGES)
ECHOES = b"".join(encode(message) for message in MESSAGES)


class Recording(Websocket):
    """Says everything back, and keeps what it was told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.messages: list[str] = []
        self.ends: list[Reason] = []

    def init(self, conn: Any) -> Any:
        self.begun.append(conn.id)
        return None, []

    def handle_client_message(self, state: Any, conn: Any, message: Any) -> Any:
        self.messages.append(message)
        return state, [message]

    def terminate(self, state: Any, conn: Any, reason: Reason) -> None:
        self.ends.append(reason)


class RecordingAsync(Recording):
    """The same in tasks, with checkpoints of its own."""

    async def handle_client_message(self, state: Any, conn: Any, message: Any) -> Any:  # type: ignore[override]
        await trio.lowlevel.checkpoint()
        result = super().handle_client_message(state, conn, message)
        await trio.lowlevel.checkpoint()
        return result


class Countdown(trio.abc.Instrument):
    """Cancels a scope when a task has come to a checkpoint for the ``steps``-th time, whichever task it is."""

    def __init__(self, scope: trio.CancelScope, steps: int) -> None:
        self._scope = scope
        self._left = steps

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._left -= 1
        if self._left == 0:
            self._scope.cancel()


async def cancelled_after(steps: int, work: Callable[[], Awaitable[None]]) -> bool:
    """Do ``work``, and cancel it after so many steps of any task; whether it took as many."""
    with trio.CancelScope() as scope:
        countdown = Countdown(scope, steps)
        trio.lowlevel.add_instrument(countdown)
        try:
            await work()
        finally:
            trio.lowlevel.remove_instrument(countdown)
    return scope.cancel_called


class Peer:
    """A client that reads in small pieces all it can get, and knows how much that should be."""

    def __init__(self) -> None:
        self._received = bytearray()
        self.got_all = trio.Event()

    async def run(self, stream: trio.abc.HalfCloseableStream, request: bytes) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read, stream)
            try:
                await stream.send_all(request)
            except trio.BrokenResourceError:
                pass

    async def _read(self, stream: trio.abc.ReceiveStream) -> None:
        try:
            while data := await stream.receive_some(100):
                self._received += data
                if self._received.endswith(ECHOES):
                    self.got_all.set()
        except trio.BrokenResourceError:
            pass

    @property
    def frames(self) -> bytes:
        """What came behind the response's head."""
        return bytes(self._received).partition(b"\r\n\r\n")[2]


async def cancel_server(behaviour: Recording, steps: int) -> tuple[bytes, bool]:
    """One run: what the client got, and whether the server was cancelled."""
    peer = Peer()

    async def serve() -> None:
        async with testing.open_app(behaviour, capacity=CAPACITY) as server:
            nursery.start_soon(peer.run, server.open_stream(), handshake() + REQUEST)
            await peer.got_all.wait()

    async with trio.open_nursery() as nursery:
        cancelled = await cancelled_after(steps, serve)
    return peer.frames, cancelled


@pytest.mark.parametrize("kind", [Recording, RecordingAsync])
def test_a_server_that_is_cancelled_sends_whole_frames_or_nothing_more(kind: type[Recording]) -> None:
    """A frame that was begun either comes to its end or is the last that is heard of the connection."""
    cuts = 0
    for steps in count(1):
        behaviour = kind()
        received, cancelled = trio.run(cancel_server, behaviour, steps, clock=MockClock(autojump_threshold=0))
        frames, rest = split(received)
        if frames and frames[-1][0] == CLOSE:
            assert frames.pop() == (CLOSE, b"\x03\xe9") and not rest
        said = b"".join(encode(payload.decode()) for _, payload in frames) + rest
        assert ECHOES.startswith(said), f"cancelled after {steps} steps"
        assert len(behaviour.ends) == len(behaviour.begun), f"cancelled after {steps} steps"
        cuts += bool(rest)
        if not cancelled:
            break
    assert said == ECHOES and cuts > 5


async def cancel_client(behaviour: Recording, steps: int) -> bool:
    """One run: whether the client was cancelled. Then another one is served."""
    async with testing.open_app(behaviour, capacity=CAPACITY) as server:
        peer = Peer()

        async def use() -> None:
            stream = server.open_stream()
            try:
                await peer.run(stream, handshake() + REQUEST + frame(CLOSE, b"\x0f\xa0"))
            finally:
                await trio.aclose_forcefully(stream)

        cancelled = await cancelled_after(steps, use)
        client = await server.connect()
        await client.send("still there?")
        assert await client.receive() == "still there?"
        await client.close()
        with trio.fail_after(10):
            await server.runtime.wait_no_wires()
    return cancelled


@pytest.mark.parametrize("kind", [Recording, RecordingAsync])
def test_of_a_client_that_is_cancelled_only_whole_messages_are_handled(kind: type[Recording]) -> None:
    """And its actor ends, as that of a client that has gone, or that has said so."""
    for steps in count(1):
        behaviour = kind()
        cancelled = trio.run(cancel_client, behaviour, steps, clock=MockClock(autojump_threshold=0))
        assert behaviour.messages.pop() == "still there?"
        assert behaviour.messages == MESSAGES[: len(behaviour.messages)], f"cancelled after {steps} steps"
        assert len(behaviour.ends) == len(behaviour.begun)
        assert set(behaviour.ends) <= {Remote(1000), Remote(1006), Remote(4000)}
        if not cancelled:
            break
    assert behaviour.messages == MESSAGES and behaviour.ends == [Remote(4000), Remote(1000)]


class Talkative(Websocket):
    """Sends as long as it is let."""

    async def handle_client_message(self, state: Any, conn: Any, message: Any) -> Any:
        for number in range(100):
            conn.send(f"{number}" * 100)
            await trio.sleep(1)
        return state, []


@pytest.mark.parametrize("seconds", range(1, 8))
async def test_a_callback_that_is_cancelled_has_sent_whole_frames(autojump_clock: MockClock, seconds: int) -> None:
    app = App()
    app.websocket("/", Talkative, callback_timeout=seconds - 0.5)
    async with testing.open_app(app, capacity=CAPACITY, crashes="ignore") as server:
        client = await server.connect()
        await client.send("go")
        assert [await client.receive() for _ in range(seconds)] == [f"{number}" * 100 for number in range(seconds)]
        assert await client.receive() == Close(1011)
