"""Events: values with documented fields."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import attrs
import pytest

from actorws import events
from actorws.events import ActorCrashed, Event, HandlerCrashed, ListenerStarted, ServerDraining

KINDS = [
    kind for _, kind in inspect.getmembers(events, inspect.isclass) if issubclass(kind, Event) and kind is not Event
]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def test_every_event_is_exported() -> None:
    assert {kind.__name__ for kind in KINDS} | {"Event", "Emit"} == set(events.__all__)


@kinds
def test_an_event_says_in_its_docstring_what_happened(kind: type[Event]) -> None:
    assert kind.__doc__ and "Method generated" not in kind.__doc__


@kinds
def test_an_event_is_frozen(kind: type[Event]) -> None:
    """One value goes to every subscriber, so none may change it."""
    event = kind(*(None for _ in attrs.fields(kind)))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(event, attrs.fields(kind)[0].name, 1)


@kinds
def test_numbers_of_an_event_have_their_unit_in_words(kind: type[Event]) -> None:
    """A field of type float is seconds, and is called so or says so below."""
    body = ast.parse(inspect.getsource(kind)).body[0].body  # type: ignore[attr-defined]
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.annotation) == "float":
            below = following.value.value if isinstance(following, ast.Expr) else ""  # type: ignore[attr-defined]
            assert "seconds" in f"{ast.unparse(statement.target)} {below}".lower()


def test_events_are_equal_by_what_happened_but_for_the_exception() -> None:
    conn: Any = object()
    assert ListenerStarted("http://a:1") == ListenerStarted("http://a:1") != ListenerStarted("http://a:2")
    assert ServerDraining(1, 2.0) != ServerDraining(2, 2.0)
    assert ActorCrashed(conn, "init", ValueError()) == ActorCrashed(conn, "init", KeyError())
    assert ActorCrashed(conn, "init", ValueError()) != ActorCrashed(conn, "terminate", ValueError())
    assert HandlerCrashed("/a", ValueError()) != HandlerCrashed("/b", ValueError())
