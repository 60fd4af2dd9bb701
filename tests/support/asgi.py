"""ASGI apps for tests, as short as they can be, and where they are mounted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from actorws import App, testing
from actorws.testing import MemoryServer
from tests.support.serving import serving
from tests.support.wire import Client, connect

__all__ = [
    "GET",
    "START",
    "Call",
    "Seen",
    "app_of",
    "body",
    "client_of",
    "failing",
    "forever",
    "hello",
    "mounted",
    "only_http",
]

Call = Callable[[Any, Any, Any], Awaitable[None]]

START: dict[str, Any] = {"type": "http.response.start", "status": 200}


def body(data: bytes = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def only_http(call: Call) -> Call:
    """``call`` as an app without a lifespan."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await call(scope, receive, send)

    return app


def app_of(call: Call, prefix: str = "/m") -> App:
    app = App()
    app.mount(prefix, only_http(call))
    return app


@asynccontextmanager
async def mounted(call: Call, **options: Any) -> AsyncIterator[MemoryServer]:
    """``call`` at ``/m``, in memory."""
    async with testing.open_app(app_of(call), **options) as server:
        yield server


@asynccontextmanager
async def client_of(call: Call, **options: Any) -> AsyncIterator[Client]:
    """A connection over TCP to ``call`` at ``/m``."""
    async with serving(app_of(call), **options) as server, connect(server.port) as client:
        yield client


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(body(b"hello"))


async def forever(scope: Any, receive: Any, send: Any) -> None:
    await trio.sleep_forever()


async def failing(scope: Any, receive: Any, send: Any) -> None:
    raise LookupError("secret")


class Seen:
    """An app that keeps the scopes it was called with."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await hello(scope, receive, send)


GET = b"GET /m HTTP/1.1\r\nhost: a\r\n\r\n"
