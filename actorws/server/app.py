"""App: what is served where. Inert: it holds routes and functions, and owns nothing that runs.

Rule owned here: everything about a route is checked when it is added, so that a mistake shows at its line. Must not
know how anything is served.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from actorws.actor.kind import Kind
from actorws.behaviour import Websocket
from actorws.exceptions import ConfigError, UsageError
from actorws.server.assets import serve_assets
from actorws.server.custom import Factory, Routes
from actorws.server.http import Request
from actorws.server.mount import Mount
from actorws.server.static import StaticFolder

if TYPE_CHECKING:
    from actorws.runtime import Runtime
    from actorws.server.asgi_scope import AsgiApp

__all__ = ["App", "Background", "Handler"]

#: ``def`` or ``async def``; returns a ``Response``, ``str``, ``bytes``, ``dict``, ``list`` or ``None``.
Handler: TypeAlias = Callable[[Request], Any]
#: Runs beside the connections, for as long as the server does.
Background: TypeAlias = Callable[["Runtime"], Awaitable[None]]

H = TypeVar("H", bound=Handler)
B = TypeVar("B", bound=Background)
M = TypeVar("M", bound=type)
F = TypeVar("F", bound=Factory)


class App:
    """Routes of WebSockets and plain HTTP, static folders, mounted ASGI apps and background functions.

    Paths are literal, or have ``{name}`` for one segment and ``{name:path}`` for the rest; the more literal one wins.
    The browser client is at ``/_actorws/actorws.js`` in every app.
    """

    def __init__(self) -> None:
        self.router: Routes = Routes()
        self.backgrounds: list[Background] = []
        self.mounts: list[Mount] = []
        self._messages: dict[type, str] = {}
        serve_assets(self.router)

    @classmethod
    def of(cls, target: App | type[Websocket] | Websocket) -> App:
        """``target`` if it is an app, else an app that serves the behaviour ``target`` at every path.

        Raises ``UsageError`` for anything else, ``BehaviourError`` for a behaviour that can't be served.
        """
        if isinstance(target, App):
            return target
        if isinstance(target, Websocket) or (isinstance(target, type) and issubclass(target, Websocket)):
            app = cls()
            app.websocket("/{path:path}", target)
            return app
        raise UsageError(f"expected an App or a subclass of Websocket, not {target!r}")

    def websocket(self, path: str, behaviour: type[Websocket] | Websocket, **options: Any) -> None:
        """Serve WebSockets at ``path`` with ``behaviour``, a class or an instance (to give it arguments).

        ``options`` are those of ``actorws.config.Config``, by name. Raises ``BehaviourError`` for a class that can't
        be served, ``ConfigError`` for a bad option, ``ValueError`` for a bad or duplicate path.
        """
        self.router.websocket(path, Kind(behaviour, **options))

    def http(self, path: str, handler: H | None = None, *, methods: Iterable[str] = ("GET",)) -> Any:
        """Serve plain requests at ``path`` with ``handler``, or with the function this decorates.

        Raises ``ValueError`` for a bad path or method or one served already, ``TypeError`` for no callable.
        """

        def add(handler: H) -> H:
            if not callable(handler):
                raise TypeError(f"handler must be a function of a request, not {handler!r}")
            self.router.http(path, handler, methods)
            return handler

        return add if handler is None else add(handler)

    def static(self, prefix: str, folder: str | Path, *, index: str = "index.html") -> None:
        """Serve the files below ``folder`` at ``prefix``. Raises ``ValueError`` if there is no such folder."""
        self.router.mount(prefix, StaticFolder(folder, index))

    def mount(self, prefix: str, app: AsgiApp) -> None:
        """Serve plain requests of every method at ``prefix`` and below with ``app``, an ASGI 3 application for trio.

        Starlette, FastAPI, Litestar and what else runs on anyio is one; what needs asyncio is not. The app's
        ``root_path`` is ``prefix``; ``scope["extensions"]["actorws"]["runtime"]`` is the ``Runtime``, to reach actors
        with. Routes of this app win, then the longest prefix; WebSockets are served by routes alone. A request's
        body is whole before the app is called (``max_body_size``).

        The app's lifespan, if it has one, is started before the server accepts, and shut down when all connections
        have ended; ``serve`` raises ``UsageError`` if its startup fails. The app has ``handler_timeout`` for the
        first bytes of an answer (then 503); a stream that has begun may be silent for as long as it likes, but is cut
        when the client takes nothing for that long. When the client goes, ``receive`` says so, to ``send`` a further
        piece raises ``BrokenPipeError``, and the app is cancelled after ``handler_timeout`` more. What it does behind
        a complete answer (background tasks) goes on, and is cancelled with the server after ``drain_timeout``.

        Raises ``ValueError`` for a prefix that is no literal path or is mounted already, ``TypeError`` for no callable.
        """
        mount = Mount(prefix.rstrip("/"), app)
        self.router.mount(prefix, mount, None)
        self.mounts.append(mount)

    def register_transport(self, factory: F) -> F:
        """Ask ``factory`` for a transport, for each request on the path of a behaviour; usable as a decorator.

        ``factory(request)``, a ``def`` that doesn't wait, returns an ``actorws.Transport``, made of
        ``request.take_over()`` (the raw connection, see ``TransportRequest``), or ``None`` to leave the request to the
        factory registered before it, and in the end to what is built in. The last one registered is asked first. What
        follows is as in ``run_over``; a request whose Host or Origin the route doesn't allow gets 403, and one for
        which ``factory`` raises, 500 (or the status of the ``HandshakeError`` that it raises). The answer to the
        request, if there is to be one, is the transport's to send, once it is asked to receive or send. Raises
        ``TypeError`` for no callable.
        """
        if not callable(factory):
            raise TypeError(f"factory must be a function of a request, not {factory!r}")
        self.router.factories.append(factory)
        return factory

    def message(self, cls: M | None = None, *, tag: str | None = None) -> Any:
        """Let actors send each other instances of ``cls``: a dataclass, an attrs class or a ``msgspec.Struct``.

        Usable as a decorator. Nodes know it by ``tag`` (default: its name), which has to be the same on all of them.
        (``Websocket.messages`` does the same from the behaviour's side.) Raises ``ConfigError`` for what is no class.
        """

        def add(cls: M) -> M:
            if not isinstance(cls, type):
                raise ConfigError(f"expected a class of messages, not {cls!r}")
            self._messages[cls] = tag or cls.__name__
            return cls

        return add if cls is None else add(cls)

    def message_types(self) -> list[tuple[type, str]]:
        """The classes that actors of this app may send each other, with their tags."""
        types = dict(self._messages)
        kinds = [route.websocket for route in self.router.routes if route.websocket is not None]
        for cls in (cls for kind in kinds for cls in kind.behaviour.messages):
            types.setdefault(cls, cls.__name__)
        return list(types.items())

    def background(self, function: B) -> B:
        """Run ``await function(runtime)`` while the server runs; usable as a decorator.

        It is cancelled when all connections have ended. If it raises, a ``BackgroundCrashed`` event says so and the
        server goes on without it.
        """
        if not callable(function):
            raise TypeError(f"function must be an async function of the runtime, not {function!r}")
        self.backgrounds.append(function)
        return function
