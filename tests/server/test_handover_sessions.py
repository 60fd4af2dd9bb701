"""Sessions whose client comes back to another server: it is heard by the one that has its session."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actorws import App
from tests.support.handover import WhichNode
from tests.support.serving import Server, serving
from tests.support.wire import TEXT, Client, Response, connect, frame

app = App()
app.websocket("/", WhichNode, resumable=True, transports=["websocket", "sse", "stream", "poll"])


@asynccontextmanager
async def servers() -> AsyncIterator[tuple[Server, Server]]:
    with tempfile.TemporaryDirectory() as folder:
        async with serving(app, siblings=Path(folder)) as one, serving(app, siblings=Path(folder)) as other:
            yield one, other


async def poll(client: Client, session: str | None = None, received: int = 0) -> list[object]:
    """The lines of one poll."""
    headers = "" if session is None else f"actorws-session: {session}\r\nactorws-received: {received}\r\n"
    await client.send(f"GET /?transport=poll HTTP/1.1\r\nhost: a\r\n{headers}\r\n".encode())
    response = await client.response()
    assert response.status == 200, response
    return [json.loads(line) for line in response.body.splitlines()]


async def post(client: Client, session: str, text: str, pieces: int = 1) -> Response:
    body = json.dumps(text).encode() + b"\n"
    head = f"POST / HTTP/1.1\r\nhost: a\r\nactorws-session: {session}\r\nactorws-offset: 0\r\n"
    data = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    for piece in [data] if pieces == 1 else [data[:-5], data[-5:-2], data[-2:]]:
        await client.send(piece)
    return await client.response()


@pytest.mark.parametrize("pieces", [1, 3])
async def test_polls_and_posts_reach_the_session_whichever_server_accepts(pieces: int) -> None:
    async with servers() as (one, other), connect(one.port) as first, connect(other.port) as second:
        greeting, said = await poll(first)
        assert isinstance(greeting, dict) and isinstance(said, str)
        session = greeting["session"]
        assert said.startswith(one.served.runtime.id) and session.startswith(one.served.runtime.id)
        assert json.loads((await post(second, session, "hello", pieces)).body) == {"received": 1}
        # On the connection that has changed places by now, and on one that has to.
        assert "hello" in await poll(second, session, 1)
        assert json.loads((await post(second, session, "hello")).body) == {"received": 1}


async def test_a_session_begun_by_polls_goes_on_by_a_websocket() -> None:
    async with servers() as (one, other), connect(one.port) as first, connect(other.port) as second:
        greeting, *_ = await poll(first)
        assert isinstance(greeting, dict)
        node = one.served.runtime.id
        await second.upgrade(f"/?actorws-node={node}", sec_websocket_protocol="actorws.v1")
        resume = {"resume": greeting["session"], "received": 1}
        await second.send(frame(TEXT, b"\0" + json.dumps(resume).encode()))
        answer = json.loads((await second.message()).removeprefix("\0"))
        assert answer["resumed"] is True
        await second.echo("hello")


async def test_a_session_of_nobody_here_is_told_to_be_gone() -> None:
    async with servers() as (one, _other), connect(one.port) as client:
        answer = await post(client, "0123456789abcdef.1.c2VjcmV0", "hello")
        assert answer.status == 410
