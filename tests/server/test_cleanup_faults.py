"""User code that fails while it cleans up after its cancellation: trio raises both, in a group; the server goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import trio

from actorws import App, events
from actorws.server.http import Response
from actorws.server.serve import serve
from tests.support.serving import Echo, Server, serving
from tests.support.wire import Client, connect, handshake, open_client


async def hang_and_fail(*_: Any) -> Any:
    """Wait, and when that is cancelled fail beside a task that is cancelled as well."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("while cleaning up")


class FailingConnect(Echo):
    async def connect(self, conn: Any) -> Any:
        await hang_and_fail()


class FailingMessage(Echo):
    async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        await hang_and_fail()


class FailingTerminate(Echo):
    async def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        await hang_and_fail()


class Pieces:
    """A body that hangs after its first piece."""

    def __init__(self) -> None:
        self.began = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.began:
            await hang_and_fail()
        self.began = True
        return b"piece"


app = App()
app.websocket("/", Echo)
app.websocket("/connect", FailingConnect)
app.websocket("/message", FailingMessage, callback_timeout=0.05)
app.websocket("/gone", FailingMessage, terminate_timeout=0.05)
app.websocket("/terminate", FailingTerminate, terminate_timeout=0.05)
app.http("/handler", hang_and_fail)
app.http("/pieces", lambda request: Response(Pieces()))


async def connect_handshake(client: Client) -> None:
    await client.send(handshake("/connect"))


async def message_too_late(client: Client) -> None:
    await client.upgrade("/message")
    await client.text("hello")


async def message_of_one_who_leaves(client: Client) -> None:
    await client.upgrade("/gone")
    await client.text("hello")
    client.reset()


async def terminate_too_late(client: Client) -> None:
    await client.upgrade("/terminate")
    client.reset()


async def handler(client: Client) -> None:
    await client.send(b"GET /handler HTTP/1.1\r\nhost: a\r\n\r\n")


async def body_in_pieces(client: Client) -> None:
    await client.send(b"GET /pieces HTTP/1.1\r\nhost: a\r\n\r\n")


@pytest.mark.parametrize(
    ("attack", "told"),
    [
        (connect_handshake, events.HandlerCrashed),
        (message_too_late, events.ActorCrashed),
        (message_of_one_who_leaves, events.ActorCrashed),
        (terminate_too_late, events.TerminateFailed),
        (handler, events.HandlerCrashed),
        (body_in_pieces, events.HandlerCrashed),
    ],
)
async def test_it_is_told_and_costs_its_connection_only(attack: Any, told: type[events.Event]) -> None:
    async with serving(app, handler_timeout=0.05) as server, open_client(server.port) as bystander:
        async with connect(server.port) as client:
            await attack(client)
            await server.seen(told)
        await bystander.echo("still here")


async def test_a_background_function_that_fails_at_the_end_does_not_fail_the_shutdown() -> None:
    app, server = App(), Server()
    app.background(hang_and_fail)
    async with trio.open_nursery() as nursery:
        server.served = await nursery.start(partial(serve, app, port=0, on_event=server))
        server.served.shut_down()
    (crashed,) = server.all(events.BackgroundCrashed)
    assert crashed.name == "hang_and_fail"
