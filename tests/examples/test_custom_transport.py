from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from actorws import Close, open_runtime
from actorws.testing import open_app
from examples import custom_transport
from tests.support.transports import JsonPeer

SECONDS = 20


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert isinstance(port, int)
        return port


@asynccontextmanager
async def lines_client(port: int) -> AsyncIterator[JsonPeer]:
    with trio.fail_after(SECONDS):
        while True:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                break
            except OSError:
                await trio.lowlevel.checkpoint()  # it doesn't listen yet
    async with stream:
        peer = JsonPeer(stream)
        assert await peer.receive() == "welcome, you came by jsonlines"
        yield peer


@pytest.fixture
async def port() -> AsyncIterator[int]:
    port = a_free_port()
    async with open_runtime() as runtime, trio.open_nursery() as nursery:
        nursery.start_soon(custom_transport.lines, runtime, port)
        yield port
        nursery.cancel_scope.cancel()


async def test_everybody_in_the_room_hears_what_one_says(port: int) -> None:
    async with lines_client(port) as alice, lines_client(port) as bob:
        await alice.send("hello\nworld")
        assert [await alice.receive(), await bob.receive()] == ["hello\nworld"] * 2


async def test_browsers_and_scripts_are_in_one_room() -> None:
    port = a_free_port()
    app = custom_transport.App.of(custom_transport.Room)
    app.background(partial(custom_transport.lines, port=port))
    async with open_app(app) as server:
        browser = await server.connect("/")
        assert await browser.receive() == "welcome, you came by websocket"
        async with lines_client(port) as script:
            await browser.send("from the browser")
            assert await script.receive() == "from the browser"
            await script.send("from the script")
            assert [await browser.receive(), await browser.receive()] == ["from the browser", "from the script"]


NOT_MEANT = ["no JSON", "12", '{"close": 1}', '{"close": 99, "reason": ""}', "[" * 9999, '"\\ud800"', "\xff"]


@pytest.mark.parametrize("line", NOT_MEANT)
async def test_who_says_what_is_no_message_is_told_so_and_nobody_else_is_hurt(port: int, line: str) -> None:
    async with lines_client(port) as good, lines_client(port) as bad:
        await bad._stream.send_all(line.encode("latin-1") + b"\n")
        told = await bad.receive()
        assert isinstance(told, Close) and told.code == 1007
        await good.send("still here")
        assert await good.receive() == "still here"


async def test_a_line_without_an_end_is_cut_off(port: int) -> None:
    async with lines_client(port) as client:
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await client._stream.send_all(b"x" * 1024 * 1024)


def test_it_is_as_short_as_it_is_said_to_be() -> None:
    assert len(Path(custom_transport.__file__).read_text().splitlines()) < 60
