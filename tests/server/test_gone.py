"""Clients that go while they are served, or don't go when they should: nobody waits for ever, and nothing fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws import App, Response, testing
from actorws.events import ActorStarted, HandlerCrashed
from actorws.server.reception import LINGER
from tests.support.serving import Echo, Server, serving
from tests.support.wire import connect, handshake


def get(path: str = "/", connection: str = "keep-alive") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n\r\n".encode()


async def read_until(stream: trio.abc.ReceiveStream, end: bytes) -> bytes:
    data = b""
    while end not in data:
        more = await stream.receive_some()
        assert more, data
        data += more
    return data


class Stubborn:
    """Work that can't be cancelled, but is let go on."""

    def __init__(self) -> None:
        self.began, self.go_on, self.did = trio.Event(), trio.Event(), [False]

    async def __call__(self) -> None:
        self.began.set()
        with trio.CancelScope(shield=True):
            await self.go_on.wait()
        self.did.append(True)


def handler(work: Stubborn) -> App:
    async def slow(request: Any) -> str:
        await work()
        return "for nobody"

    app = App()
    app.http("/", slow)
    return app


def stream(work: Stubborn, pieces: int) -> App:
    """A body whose pieces come behind the work; with none it just ends."""

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await work()
        for _ in range(pieces):
            yield b"for nobody"

    app = App()
    app.http("/", lambda request: Response(body()))
    return app


KINDS: dict[str, Callable[[Stubborn], App]] = {
    "a handler": handler,
    "a body": lambda work: stream(work, 2),
    "the end of a body": lambda work: stream(work, 0),
}


async def served_to_nobody(app: App, work: Stubborn, request: bytes) -> Server:
    """What a server says when work for ``request`` goes on after its client has gone."""
    async with serving(app) as server:
        async with connect(server.port) as client:
            await client.send(request)
            await work.began.wait()
            client.reset()
            await server.no_wires()
        work.go_on.set()
        await wait_all_tasks_blocked()
        assert work.did[-1]
        async with connect(server.port) as client:
            assert (await client.get("/nothing")).status == 404
    return server


@pytest.mark.parametrize("kind", KINDS)
async def test_what_goes_on_after_its_client_has_gone_comes_to_nothing(kind: str) -> None:
    """No crash and no answer; and the next client is served."""
    work = Stubborn()
    server = await served_to_nobody(KINDS[kind](work), work, get())
    assert not server.all(HandlerCrashed)


async def test_a_connect_that_goes_on_after_its_client_has_gone_lets_nobody_in() -> None:
    work = Stubborn()

    class Slow(Echo):
        async def connect(self, conn: Any) -> None:
            await work()

    app = App()
    app.websocket("/", Slow)
    server = await served_to_nobody(app, work, handshake())
    assert not server.all(ActorStarted)


async def test_a_long_answer_may_take_long_as_long_as_some_of_it_is_taken(autojump_clock: Any) -> None:
    """A client that takes nothing any more is cut."""
    app = App()
    app.http("/", lambda request: bytes(2_000_000))
    async with testing.open_app(app, keep_alive_timeout=10) as server:
        client = server.open_stream()
        await client.send_all(get())
        for _ in range(10):
            await trio.sleep(6)
            assert await client.receive_some()
        assert server.runtime.wires == 1
        await trio.sleep(30)
        assert server.runtime.wires == 0


async def test_a_client_that_stays_after_the_end_is_waited_for_and_then_cut(autojump_clock: Any) -> None:
    app = App()
    app.http("/", lambda request: "bye")
    async with testing.open_app(app) as server:
        client = server.open_stream()
        await client.send_all(get(connection="close"))
        await read_until(client, b"bye")
        assert await client.receive_some() == b""
        await trio.sleep(LINGER - 0.5)
        await client.send_all(b"still here")
        assert server.runtime.wires == 1
        await trio.sleep(1)
        assert server.runtime.wires == 0


def slowly(answer: Callable[[], Awaitable[None]]) -> App:
    app = App()

    @app.http("/slow")
    async def slow(request: Any) -> str:
        await answer()
        return "slow"

    app.http("/fast", lambda request: "fast")
    app.http("/long", lambda request: bytes(40_000))
    return app


async def test_more_requests_than_one_turn_takes_are_answered_behind_an_async_handler(autojump_clock: Any) -> None:
    async with testing.open_app(slowly(trio.lowlevel.checkpoint)) as server:
        client = server.open_stream()
        await client.send_all(get("/slow") + get("/fast") * 100 + get("/fast", "close"))
        data = b""
        while more := await client.receive_some():
            data += more
        assert (data.count(b"slow"), data.count(b"fast")) == (1, 101)


async def test_a_request_behind_an_async_handler_may_be_refused(autojump_clock: Any) -> None:
    async with testing.open_app(slowly(trio.lowlevel.checkpoint)) as server:
        client = server.open_stream()
        await client.send_all(get("/slow") + get("/nothing"))
        data = b""
        while more := await client.receive_some():
            data += more
        assert data.startswith(b"HTTP/1.1 200 ") and b"HTTP/1.1 404 " in data


async def test_an_answer_that_waits_is_taken_while_the_next_one_is_made(autojump_clock: Any) -> None:
    go_on = trio.Event()
    async with testing.open_app(slowly(go_on.wait), capacity=1000) as server:
        client = server.open_stream()
        await client.send_all(get("/long") + get("/slow", "close"))
        await wait_all_tasks_blocked()
        data = b""
        while len(data) < 40_000:
            data += await client.receive_some()
        await wait_all_tasks_blocked()
        go_on.set()
        assert b"slow" in await read_until(client, b"slow")
