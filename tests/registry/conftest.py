"""Actors and an outbox that do nothing but remember."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from actorws.conn import Conn
from actorws.protocol.head import Head


class FakeActor:
    """What the registry sees of an actor."""

    def __init__(self, serial: int) -> None:
        self.names: set[str] | None = None
        self.groups: set[str] | None = None
        self.has_ended = False
        runtime: Any = SimpleNamespace(id="here")
        head = Head(b"GET / HTTP/1.1\r\n\r\n")
        self.conn = Conn(runtime, head, serial=serial, path_params={}, remote_address="")
        self.conn._actor = self  # type: ignore[assignment]


class FakeOutbox:
    """Keeps what is posted."""

    def __init__(self) -> None:
        self.posts: list[tuple[int, tuple[Any, ...], Any, Any]] = []

    def post(self, kind: int, targets: tuple[Any, ...], payload: object, group: Any) -> None:
        self.posts.append((kind, targets, payload, group))


@pytest.fixture
def outbox() -> FakeOutbox:
    return FakeOutbox()


@pytest.fixture
def new_actor() -> Callable[[], FakeActor]:
    actors: list[FakeActor] = []

    def new_actor() -> FakeActor:
        actors.append(FakeActor(len(actors) + 1))
        return actors[-1]

    return new_actor
