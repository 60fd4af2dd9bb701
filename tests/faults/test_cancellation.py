"""Cancellation at every step: a client gets whole frames and then the end, and every actor is terminated once."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio

from actorws import App, Websocket, events
from actorws.io import readiness
from actorws.server.serve import serve
from tests.support.attacker import FIN, head, split
from tests.support.serving import Server, descriptors
from tests.support.wire import BINARY, CLOSE, SECONDS, TEXT, frame, handshake

LARGE = 3_000_000
SAID = frame(TEXT, b"hello") + frame(TEXT, b"much") + frame(BINARY, bytes(100_000))
#: The welcome, and for each message what was published and the answer in two frames.
ANSWERS = 10
#: All that is ever sent.
FRAMES = [
    *((TEXT, text) for text in (b"welcome", b"hello", b"much", b"and more")),
    *((BINARY, bytes(size)) for size in (LARGE, 100_000)),
    (CLOSE, b"\x03\xe9"),
]
WHOLE = [head(FIN | opcode, len(payload), masked=False) + payload for opcode, payload in FRAMES]


class Everything(Websocket):
    """Waits in each of its callbacks, joins, publishes to itself, sends little and much."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    async def init(self, conn: Any) -> Any:
        self.log.append("init")
        await conn.join("room")
        return None, ["welcome"]

    async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        await conn.publish("room", frame)
        await trio.lowlevel.checkpoint()
        return state, [bytes(LARGE) if frame == "much" else frame, "and more"]

    def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        return state, [message]

    async def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        await trio.lowlevel.checkpoint()
        self.log.append("terminate")


class CancelAfter(trio.abc.Instrument):
    """Cancels ``scope`` when tasks have taken so many steps."""

    def __init__(self, steps: float, scope: trio.CancelScope) -> None:
        self.steps = steps
        self.taken = 0
        self._scope = scope

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.taken += 1
        if self.taken >= self.steps:
            self._scope.cancel()


async def talk(port: int) -> bytes:
    """Say all that there is to say at once; what came behind the handshake, be it everything or not."""
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError:
        return b""  # it was too late
    came = body = b""
    with trio.fail_after(SECONDS):
        try:
            await stream.send_all(handshake() + SAID)
            while len(split(body)[0]) < ANSWERS and (data := await stream.receive_some(1 << 20)):
                came += data
                if came.startswith(b"HTTP/1.1 101"):
                    body = came.partition(b"\r\n\r\n")[2]
        except trio.BrokenResourceError:
            pass
    await stream.aclose()
    return body


async def cancelled_after(steps: float) -> tuple[int, bytes, list[str]]:
    """Serve one client, and cancel the server after so many steps; how many it took, and what came of it."""
    log: list[str] = []
    app, server = App(), Server()
    app.websocket("/", Everything(log))
    came = b""

    async def client() -> None:
        nonlocal came
        came = await talk(server.port)
        scope.cancel()

    scope = trio.CancelScope()
    instrument = CancelAfter(steps, scope)
    trio.lowlevel.add_instrument(instrument)
    try:
        async with trio.open_nursery() as clients:
            with trio.fail_after(SECONDS), scope:
                async with trio.open_nursery() as nursery:
                    server.served = await nursery.start(partial(serve, app, port=0, on_event=server))
                    clients.start_soon(client)
    finally:
        trio.lowlevel.remove_instrument(instrument)
    server.assert_sound()
    assert len(server.all(events.ActorStarted)) == len(server.all(events.ActorEnded))
    return instrument.taken, came, log


@pytest.mark.parametrize("driver", ["poller", "streams"])
async def test_at_every_step_frames_are_whole_and_terminate_runs_once(
    driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if driver == "streams":
        monkeypatch.setattr(readiness, "is_supported", False)
    steps, came, log = await cancelled_after(float("inf"))
    assert len(split(came)[0]) == ANSWERS
    assert log == ["init", "terminate"]
    before = descriptors()
    reached = set()
    for step in range(1, steps):
        _, came, log = await cancelled_after(step)
        frames, rest = split(came)
        reached.add(len(frames))
        assert all(came in FRAMES for came in frames)
        # One may be torn, the last: behind it the connection ended.
        assert any(whole.startswith(rest) for whole in WHOLE)
        assert log in ([], ["init", "terminate"])
    assert descriptors() == before
    assert len(reached) > 3, "there were not many different ends"
