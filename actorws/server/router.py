"""Router: which target serves a path.

Rule owned here: the more literal pattern wins, whatever the order of adding: segment by segment a literal beats
``{name}``, which beats ``{name:path}``; mounted prefixes are asked last, the longest first. A path can have
one WebSocket target and an HTTP target per method. Must not know what a target is or does.

Paths come percent-decoded, so ``%2F`` separates segments as ``/`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from attrs import define, field, frozen

from actorws.protocol.headers import is_token

__all__ = ["Match", "Route", "Router"]

W = TypeVar("W")
H = TypeVar("H")

_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


@define(eq=False)
class Route(Generic[W, H]):
    """One pattern and what it leads to."""

    path: str
    """The pattern."""
    names: tuple[str, ...] = ()
    """Of its ``{name}`` in order."""
    websocket: W | None = None
    """Target of WebSocket handshakes."""
    http: dict[str, H] = field(factory=dict)
    """Targets of plain requests by method."""


@frozen
class Match(Generic[W, H]):
    """What serves a path."""

    websocket: W | None
    """Target of WebSocket handshakes, if any."""
    http: Mapping[str, H]
    """Targets of plain requests by method; ``HEAD`` is there where ``GET`` is."""
    params: Mapping[str, str]
    """The values of ``{name}``; of a mounted prefix ``path``, what is behind it."""

    @property
    def allow(self) -> str:
        """The methods that are served, as the header ``Allow`` has them."""
        return ", ".join(sorted({*self.http, "GET"} if self.websocket is not None else self.http))


class _EveryMethod(Mapping[str, H]):
    """One target for every method there is or will be. (There is no list of those.)"""

    __slots__ = ("_target",)

    def __init__(self, target: H) -> None:
        self._target = target

    def __getitem__(self, method: str) -> H:
        return self._target

    def __contains__(self, method: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@define(eq=False)
class _Node(Generic[W, H]):
    """The patterns that begin alike. Matching visits each node once at most, so it is linear in the patterns."""

    literals: dict[str, _Node[W, H]] = field(factory=dict)
    one: _Node[W, H] | None = None
    rest: Route[W, H] | None = None
    route: Route[W, H] | None = None


class Router(Generic[W, H]):
    """Patterns in, targets out.

    A pattern starts with ``/``; a segment is literal, ``{name}`` (any one segment that is not empty) or, as the
    last one, ``{name:path}`` (whatever follows, slashes and nothing at all included).
    """

    def __init__(self) -> None:
        self._root: _Node[W, H] = _Node()
        self._literal: dict[str, Match[W, H]] = {}  # what has no {name}: one lookup on the way of every connect
        self._mounts: list[tuple[str, Match[W, H]]] = []
        self._routes: list[Route[W, H]] = []

    @property
    def routes(self) -> tuple[Route[W, H], ...]:
        """All patterns, in the order of adding, without mounted prefixes."""
        return tuple(self._routes)

    def websocket(self, path: str, target: W) -> None:
        """Serve WebSocket handshakes at ``path``. Raises ``ValueError`` for a bad or duplicate pattern."""
        route = self._route(path)
        if route.websocket is not None:
            raise ValueError(f"path {path!r} has a WebSocket already")
        route.websocket = target
        self._add(route)

    def http(self, path: str, target: H, methods: Iterable[str] = ("GET",)) -> None:
        """Serve plain requests at ``path``; ``GET`` includes ``HEAD``.

        Raises ``ValueError`` for a bad pattern or method, and for a method that the pattern has already.
        """
        checked = _methods(methods)
        route = self._route(path)
        for method in checked:
            if method in route.http:
                raise ValueError(f"path {path!r} has a handler for {method} already")
        route.http.update(dict.fromkeys(checked, target))
        self._add(route)

    def mount(self, prefix: str, target: H, methods: Iterable[str] | None = ("GET",)) -> None:
        """Serve ``prefix`` and everything below it that no pattern matches; ``methods`` as ``http``, ``None``: all.

        Raises ``ValueError`` for a prefix that is no literal path or is mounted already.
        """
        if any("{" in segment or "}" in segment for segment in _segments(prefix)):
            raise ValueError(f"prefix {prefix!r} can't have {{name}}")
        below = prefix.rstrip("/") + "/"
        if any(below == mounted for mounted, _ in self._mounts):
            raise ValueError(f"prefix {prefix!r} is mounted already")
        http = _EveryMethod(target) if methods is None else _with_head(dict.fromkeys(_methods(methods), target))
        self._mounts.append((below, Match(None, http, _NO_PARAMS)))
        self._mounts.sort(key=lambda mount: -len(mount[0]))

    def resolve(self, path: str) -> Match[W, H] | None:
        """What serves ``path``; ``None`` if nothing does (404)."""
        match = self._literal.get(path)
        if match is not None:
            return match
        if path[:1] != "/":
            return None
        found = _walk(self._root, path[1:].split("/"), 0, ())
        return _match(*found) if found is not None else self._resolve_mount(path)

    def _resolve_mount(self, path: str) -> Match[W, H] | None:
        for below, match in self._mounts:
            if path.startswith(below) or path == below[:-1]:
                return Match(None, match.http, {"path": path[len(below) :]})
        return None

    def _route(self, path: str) -> Route[W, H]:
        """The route of the pattern, made if need be. Patterns that differ in names only are one."""
        names, node, last = [], self._root, _segments(path)
        for place, segment in enumerate(last):
            kind, name = _parse(path, segment)
            if name in names:
                raise ValueError(f"path {path!r} has {name!r} twice")
            if kind == "literal":
                node = node.literals.setdefault(segment, _Node())
                continue
            names.append(name)
            if kind == "rest":
                if place != len(last) - 1:
                    raise ValueError(f"path {path!r} has {segment!r} before its end")
                if node.rest is None:
                    node.rest = Route(path, tuple(names))
                return _same_names(node.rest, path, names)
            if node.one is None:
                node.one = _Node()
            node = node.one
        if node.route is None:
            node.route = Route(path, tuple(names))
        return _same_names(node.route, path, names)

    def _add(self, route: Route[W, H]) -> None:
        if route not in self._routes:
            self._routes.append(route)
        if not route.names:
            self._literal[route.path] = _match(route, ())


def _walk(
    node: _Node[W, H], segments: list[str], at: int, values: tuple[str, ...]
) -> tuple[Route[W, H], tuple[str, ...]] | None:
    if at == len(segments):
        return None if node.route is None else (node.route, values)
    segment = segments[at]
    literal = node.literals.get(segment)
    found = _walk(literal, segments, at + 1, values) if literal is not None else None
    if found is None and segment and node.one is not None:
        found = _walk(node.one, segments, at + 1, (*values, segment))
    if found is None and node.rest is not None:
        found = node.rest, (*values, "/".join(segments[at:]))
    return found


def _match(route: Route[W, H], values: tuple[str, ...]) -> Match[W, H]:
    return Match(
        route.websocket,
        _with_head(route.http),
        dict(zip(route.names, values, strict=True)) if values else _NO_PARAMS,
    )


def _with_head(http: dict[str, H]) -> Mapping[str, H]:
    if "GET" in http and "HEAD" not in http:
        http = {**http, "HEAD": http["GET"]}
    return MappingProxyType(http)


def _segments(path: str) -> list[str]:
    if not isinstance(path, str) or path[:1] != "/":
        raise ValueError(f"path must be a str that starts with '/', not {path!r}")
    return path[1:].split("/")


def _parse(path: str, segment: str) -> tuple[str, str]:
    """Kind and name of a segment."""
    if "{" not in segment and "}" not in segment:
        return "literal", ""
    name = segment[1:-1].removesuffix(":path")
    if segment[0] != "{" or segment[-1] != "}" or not name.isidentifier():
        raise ValueError(f"path {path!r} has the segment {segment!r}: expected a literal, {{name}} or {{name:path}}")
    return ("rest" if segment.endswith(":path}") else "one"), name


def _same_names(route: Route[W, H], path: str, names: list[str]) -> Route[W, H]:
    if route.names != tuple(names):
        raise ValueError(f"path {path!r} differs from {route.path!r} in names only")
    return route


def _methods(methods: Iterable[str]) -> list[str]:
    checked = [] if isinstance(methods, str) else list(dict.fromkeys(methods))
    if not checked or not all(isinstance(method, str) and is_token(method) for method in checked):
        raise ValueError(f"methods must be names such as ['GET', 'POST'], not {methods!r}")
    return [method.upper() for method in checked]
