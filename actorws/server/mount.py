"""Mounts: ASGI applications of others below a prefix, and their calls that run in a server.

Rule owned here: a call is a task of its own, in a context of its own, so that what an app keeps in context variables
stays with its request; calls end before the runtime that they may use. Must not know how an answer is sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import trio
from attrs import field, frozen

from actorws.exceptions import HandshakeError
from actorws.server.asgi_call import AsgiCall
from actorws.server.asgi_scope import http_scope

if TYPE_CHECKING:
    from actorws.protocol.head import Head
    from actorws.runtime import Runtime
    from actorws.server.asgi_scope import AsgiApp
    from actorws.server.endpoint import Endpoint
    from actorws.server.http import Request

__all__ = ["Mount", "Mounts", "open_mounts"]


def _callable(_: Any, __: Any, value: Any) -> None:
    if not callable(value):
        raise TypeError(f"app must be an ASGI application, called with scope, receive and send, not {value!r}")


@frozen(eq=False)
class Mount:
    """An app below a prefix. Among the HTTP handlers of a router it is the one that leaves the answer to the app."""

    prefix: str
    """Without a slash at its end, so that the root is empty."""
    app: AsgiApp = field(validator=_callable)

    def __call__(self, request: Request) -> Mount:
        return self


class Mounts:
    """The mounted apps of one server: their calls."""

    def __init__(
        self,
        nursery: trio.Nursery,
        runtime: Runtime,
        state_of: Callable[[AsgiApp], dict[str, Any] | None],
        patience: float,
    ) -> None:
        self._nursery = nursery
        self._runtime = runtime
        self._state_of = state_of
        self._patience = patience
        self._context = copy_context()
        self._calls = 0
        self._idle: trio.Event | None = None

    def answer(self, mount: Mount, head: Head, body: bytes, endpoint: Endpoint) -> None:
        """Have ``mount`` answer the request. Raises ``HandshakeError`` 404 for a WebSocket handshake."""
        if head.is_upgrade:
            raise HandshakeError(404, "there is no WebSocket at this path")
        scope = http_scope(
            head,
            endpoint.wire,
            prefix=mount.prefix,
            address=endpoint.address,
            runtime=self._runtime,
            state=self._state_of(mount.app),
        )
        call = AsgiCall(mount.app, scope, body, endpoint, self._patience)
        endpoint.attend(call)
        self._calls += 1
        self._context.copy().run(self._nursery.start_soon, self._run, call)

    async def _run(self, call: AsgiCall) -> None:
        try:
            await call.run()
        finally:
            self._calls -= 1
            if not self._calls and self._idle is not None:
                self._idle.set()

    async def wait_idle(self) -> None:
        """Wait until no app does anything for a request any more."""
        if self._calls:
            self._idle = trio.Event()
            await self._idle.wait()


@asynccontextmanager
async def open_mounts(
    runtime: Runtime, state_of: Callable[[AsgiApp], dict[str, Any] | None], patience: float
) -> AsyncIterator[Mounts]:
    """Where mounted apps answer requests, for as long as the block lasts; then what still runs is cancelled.

    ``state_of`` gives an app's state (see ``open_lifespans``), ``patience`` is ``handler_timeout``.
    """
    async with trio.open_nursery() as nursery:
        yield Mounts(nursery, runtime, state_of, patience)
        nursery.cancel_scope.cancel()
