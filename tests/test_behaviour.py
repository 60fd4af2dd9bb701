"""Behaviour: what users subclass, and its defaults."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from actorws.behaviour import Accept, Reject, Websocket
from actorws.exceptions import BehaviourError
from actorws.reasons import Normal

#: The defaults never look at their connection.
NO_CONN: Any = None


def test_by_default_everyone_is_let_in() -> None:
    assert Websocket().connect(NO_CONN) is None


def test_by_default_the_first_state_is_none_and_nothing_is_sent() -> None:
    assert Websocket().init(NO_CONN) == (None, [])


def test_by_default_a_drain_keeps_the_state_and_sends_nothing() -> None:
    state = object()
    assert Websocket().handle_drain(state, NO_CONN) == (state, [])


def test_by_default_terminate_does_nothing() -> None:
    assert Websocket().terminate(1, NO_CONN, Normal()) is None


def test_a_server_message_to_a_behaviour_that_takes_none_names_the_class_and_the_message() -> None:
    class Deaf(Websocket):
        pass

    with pytest.raises(BehaviourError, match=r"Deaf got the message \{'a': 1\} and has no handle_server_message"):
        Deaf().handle_server_message(None, NO_CONN, {"a": 1})


@pytest.mark.parametrize(
    ("callback", "parameters"),
    [
        ("connect", ["conn"]),
        ("init", ["conn"]),
        ("handle_client_message", ["state", "conn", "frame"]),
        ("handle_server_message", ["state", "conn", "message"]),
        ("handle_drain", ["state", "conn"]),
        ("terminate", ["state", "conn", "reason"]),
    ],
)
def test_callbacks_have_fixed_parameters(callback: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(Websocket(), callback)).parameters) == parameters


class Counter(Websocket):
    """Keeps something in ``self``, as one does by mistake."""

    def __init__(self, start: int = 0) -> None:
        self.start = start

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        self.count = 1
        return state, []


def test_attributes_may_be_set_while_a_behaviour_is_made() -> None:
    assert Counter(3).start == 3


def test_setting_an_attribute_while_serving_says_which_and_where_state_belongs() -> None:
    """One instance serves every connection, so what one callback sets the others would see."""
    counter = Counter()
    counter._serving = True
    with pytest.raises(AttributeError, match="can't set 'count': one Counter serves every connection") as caught:
        counter.handle_client_message(None, NO_CONN, "x")
    assert "keep what belongs to a connection in the state that callbacks return" in str(caught.value)
    assert not hasattr(counter, "count")


def test_serving_one_behaviour_seals_no_other() -> None:
    Counter()._serving = True
    other = Counter()
    other.count = 5
    assert other.count == 5


@pytest.mark.parametrize("status", [300, 302, 401, 403, 429, 503, 599])
def test_a_client_is_turned_away_with_a_redirect_or_an_error(status: int) -> None:
    assert Reject(status).status == status


@pytest.mark.parametrize("status", [-1, 0, 101, 200, 299, 600])
def test_a_status_that_lets_in_or_does_not_exist_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match=f"status must be 300-599, not {status}"):
        Reject(status)


def test_a_reject_without_arguments_is_a_403() -> None:
    assert Reject() == Reject(403, "", {})


def test_accepts_do_not_share_their_headers() -> None:
    assert Accept().headers == {}
    assert Accept().headers is not Accept().headers


def test_a_required_callback_has_nothing_to_call_in_the_base_class() -> None:
    """Without one of its own a class isn't served at all; this is what ``super()`` in one comes to."""
    with pytest.raises(BehaviourError, match="Counter has no handle_client_message"):
        Websocket.handle_client_message(Counter(), None, NO_CONN, "hello")
