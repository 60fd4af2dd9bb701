"""Exceptions: the tree, split by whose fault it is."""

from __future__ import annotations

import inspect
import re

import pytest

from actorws import exceptions
from actorws.exceptions import (
    ActorwsError,
    ConnectError,
    ConnectionClosed,
    EngineError,
    HandshakeError,
    NameTaken,
    PeerError,
    ProtocolError,
    UsageError,
)

WHOSE = (UsageError, PeerError, EngineError, ConnectError, ConnectionClosed)
CLASSES = [kind for _, kind in inspect.getmembers(exceptions, inspect.isclass) if issubclass(kind, Exception)]


def test_every_exception_is_exported_and_of_actorws() -> None:
    assert sorted(exceptions.__all__) == sorted(kind.__name__ for kind in CLASSES)
    assert all(issubclass(kind, ActorwsError) for kind in CLASSES)


def test_every_exception_is_the_callers_fault_the_peers_or_the_engines_and_one_alone() -> None:
    for kind in set(CLASSES) - {ActorwsError}:
        assert sum(issubclass(kind, whose) for whose in WHOSE) == 1, kind


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    """Each class stands below its base, with the built-in it also is in brackets."""
    line = re.compile(r"^    (?P<branch>[ |]*)(?:\+-- )?(?P<name>\w+)(?: \((?P<builtin>\w+)\))?", re.MULTILINE)
    tree = (exceptions.__doc__ or "").split("::")[1].split("Rule owned")[0]
    parents: list[str] = []
    drawn: dict[str, tuple[str, ...]] = {}
    for match in line.finditer(tree):
        depth = 0 if match["name"] == "ActorwsError" else len(match["branch"]) // 4 + 1
        parents[depth:] = [match["name"]]
        base = parents[depth - 1] if depth else "Exception"
        drawn[match["name"]] = (base, match["builtin"]) if match["builtin"] else (base,)
    assert drawn == {kind.__name__: tuple(base.__name__ for base in kind.__bases__) for kind in CLASSES}


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [("BehaviourError", TypeError), ("InvalidReturn", TypeError), ("ConfigError", ValueError)],
)
def test_mistakes_in_calls_can_be_caught_as_the_builtin_that_python_would_raise(kind: str, builtin: type) -> None:
    assert issubclass(getattr(exceptions, kind), builtin)


def test_a_taken_name_is_in_the_message_and_an_attribute() -> None:
    error = NameTaken("anna")
    assert str(error) == "the unique name 'anna' is taken by another actor"
    assert error.name == "anna"


def test_a_protocol_error_knows_its_close_code() -> None:
    error = ProtocolError(1002, "reserved bits are set")
    assert (error.code, str(error)) == (1002, "reserved bits are set")


def test_a_handshake_error_knows_its_response() -> None:
    error = HandshakeError(426, "not a WebSocket request", [("Upgrade", "websocket")])
    assert (error.status, str(error)) == (426, "not a WebSocket request")
    assert error.headers == (("Upgrade", "websocket"),)
    assert HandshakeError(400, "x").headers == ()


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_exception_says_in_its_docstring_when_it_is_raised(kind: type) -> None:
    assert kind.__doc__ and kind.__doc__.strip().endswith(".")
