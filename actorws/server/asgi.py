"""ASGI: a behaviour as an application for the ASGI servers and frameworks of others, on trio.

Rule owned here: where an application's runtime comes from, and which scope is answered how. Must not know what goes
over a WebSocket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from actorws.actor.kind import Kind
from actorws.behaviour import Reject, Websocket
from actorws.events import HandshakeRefused
from actorws.exceptions import UsageError
from actorws.frames import Close, CloseCode
from actorws.protocol import handshake
from actorws.runtime import Runtime, open_runtime
from actorws.server.asgi_door import AsgiDoor
from actorws.server.http import Request
from actorws.server.run_over import run_behind
from actorws.transports.opening import Opening

if TYPE_CHECKING:
    from actorws.server.asgi_scope import Receive, Scope, Send

__all__ = ["asgi"]

#: A runtime, or what finds it in a scope; ``None``: see ``asgi``.
RuntimeOf: TypeAlias = Runtime | Callable[[Any], Runtime] | None

#: In ``scope["state"]``, where a lifespan leaves what its requests need.
STATE = "actorws"
_ELSEWHERE = b"this is a WebSocket endpoint: connect with a WebSocket client\n"


def asgi(behaviour: type[Websocket] | Websocket, runtime: RuntimeOf = None, **options: Any) -> AsgiWebsocket:
    """An ASGI 3 application that serves WebSockets with ``behaviour``, for ASGI servers on trio.

    Mount it in Starlette, FastAPI or Quart, or serve it by itself. The server has to run on trio, as Hypercorn's
    worker class ``trio`` does. ``runtime`` is where the actors live:

    - a ``Runtime``, where there is one when the application is made;
    - a function of the scope that returns it;
    - ``None``: ``scope["state"]["actorws"]``, where the framework's lifespan has left it. Served by itself the
      application opens one in its own lifespan, with log lines for events.

    ::

        @contextlib.asynccontextmanager
        async def lifespan(app):
            async with actorws.open_runtime(messages=Chat.messages) as runtime:
                yield {"actorws": runtime}

        async def announce(request):
            sent = await request.state.actorws.group.publish("lobby", "news")
            return JSONResponse({"to": sent})

        app = Starlette(
            lifespan=lifespan,
            routes=[
                WebSocketRoute("/chat/{room}", actorws.asgi(Chat)),
                Route("/announce", announce, methods=["POST"]),
            ],
        )
        # hypercorn --worker-class trio module:app

    ``options`` are those of ``actorws.config.Config``, by name, and hold as in ``App.websocket``: a client from another
    origin is turned away by default. ``conn.path_params`` are those of the framework's route, ``conn.transport`` is
    ``"asgi"``. What the server does is left to it: limits on what isn't whole yet, compression, and pings (a silent
    client stays as long as the server has it, unless ``send_pings=False`` is given: then ``idle_timeout`` counts).
    ``Reject`` reaches clients as it is where the server has the extension ``websocket.http.response``, else as 403.

    A plain request gets 426. Raises ``BehaviourError`` for a class that can't be served, ``ConfigError`` for a bad
    option, ``TypeError`` for another ``runtime``; called where there is no trio, or no runtime, ``UsageError``.
    """
    if runtime is not None and not isinstance(runtime, Runtime) and not callable(runtime):
        raise TypeError(f"runtime must be a Runtime, a function of the scope or None, not {runtime!r}")
    return AsgiWebsocket(Kind(behaviour, **options), runtime)


class AsgiWebsocket:
    """An ASGI 3 application. Made by ``asgi``. (Not a function: Starlette would call that with a request.)"""

    def __init__(self, kind: Kind, runtime: RuntimeOf) -> None:
        self._kind = kind
        self._runtime = runtime
        #: Its own, while its lifespan runs.
        self._own: Runtime | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            raise UsageError("actors live on trio: serve with an ASGI server on trio, such as Hypercorn's") from None
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await _refer(scope, send)
        else:
            raise UsageError(f"a scope of type {scope['type']!r} can't be served")

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        runtime = self._find(scope)
        door = AsgiDoor(scope, receive, send)
        request = Request(method="GET", **door.request)
        await receive()  # websocket.connect
        why = self._why_not(request)
        if why:
            runtime.emit(HandshakeRefused(403, why, str(request.remote_address), ""))
            await door.refuse(Reject(403, f"{why}\n"), Close(CloseCode.POLICY_VIOLATION, why))
        else:
            await run_behind(door, self._kind, runtime, request)

    def _why_not(self, request: Request) -> str:
        """Why the client may not even ask ``connect``."""
        head, options = Opening(request.path, request.query, request.headers), self._kind.config.handshake
        if not handshake.host_allowed(head, options.allowed_hosts):
            return "this server is not called so"
        if not handshake.origin_allowed(head, options.allowed_origins):
            return "the Origin of this page is not allowed"
        return ""

    def _find(self, scope: Scope) -> Runtime:
        if self._own is not None:
            return self._own
        given = self._runtime
        found = given(scope) if callable(given) else given or (scope.get("state") or {}).get(STATE)
        if not isinstance(found, Runtime):
            raise UsageError(
                f"there is no Runtime: asgi() was given none, and scope['state'][{STATE!r}] is {found!r}; open one in "
                "the lifespan of the application and leave it there"
            )
        return found

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        if self._runtime is not None:
            await _live(receive, send)
        else:
            async with open_runtime(messages=self._kind.behaviour.messages) as self._own:
                try:
                    await _live(receive, send)
                finally:
                    self._own = None
        await send({"type": "lifespan.shutdown.complete"})


async def _live(receive: Receive, send: Send) -> None:
    await send({"type": "lifespan.startup.complete"})
    await receive()  # lifespan.shutdown


async def _refer(scope: Scope, send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(_ELSEWHERE))]
    if scope["http_version"].startswith("1"):
        headers += [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]
    await send({"type": "http.response.start", "status": 426, "headers": headers})
    await send({"type": "http.response.body", "body": _ELSEWHERE})
