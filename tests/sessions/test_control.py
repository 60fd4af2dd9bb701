"""Control messages: whatever a client says is one of them, a message, or bad; nothing raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.sessions import control
from actorws.sessions.control import Ack, Bad, CloseWish, Hello, Ping, parse, parse_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["new", "resume", "received", "ack", "ping", "close", "code", "reason", "session"])


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ({"new": True}, Hello(None)),
        ({"resume": "n.1.s", "received": 0}, Hello("n.1.s", 0)),
        ({"resume": "", "received": 1 << 53}, Hello("", 1 << 53)),
        ({"ack": 7}, Ack(7)),
        ({"ping": None}, Ping(None)),
        ({"ping": 1.5}, Ping(1.5)),
        ({"ping": "é"}, Ping("é")),
        ({"close": {"code": 4001}}, CloseWish(4001, "")),
        ({"close": {"code": 1000, "reason": "bye"}}, CloseWish(1000, "bye")),
    ],
)
def test_what_a_client_may_say(said: Any, means: object) -> None:
    assert parse(said) == means
    assert parse_text("\0" + json.dumps(said)) == means


@pytest.mark.parametrize(
    "said",
    [
        None,
        True,
        0,
        "",
        [],
        {},
        {"new": 1},
        {"new": False},
        {"new": True, "received": 0},
        {"resume": "n.1.s"},
        {"resume": None, "received": 0},
        {"resume": 1, "received": 0},
        {"resume": "n.1.s", "received": -1},
        {"resume": "n.1.s", "received": 1.0},
        {"resume": "n.1.s", "received": True},
        {"resume": "n.1.s", "received": (1 << 53) + 1},
        {"resume": "n.1.s", "received": 0, "new": True},
        {"ack": -1},
        {"ack": None},
        {"ack": "1"},
        {"ack": False},
        {"ack": 1, "ping": 1},
        {"ping": {}},
        {"ping": []},
        {"ping": float("nan")},
        {"ping": float("inf")},
        {"ping": "\ud800"},
        {"pong": 1},
        {"close": 1000},
        {"close": {}},
        {"close": {"code": "1000"}},
        {"close": {"code": True}},
        {"close": {"code": 1000, "reason": 1}},
        {"close": {"code": 1000, "why": ""}},
        {"session": "n.1.s", "resumed": False, "received": 0},
    ],
)
def test_what_it_may_not(said: Any) -> None:
    assert isinstance(parse(said), Bad)


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "\0x",
        "\0{",
        '\0{"ack":1}x',
        "\0" + "[" * 2000,
        "\0" + "9" * 2000,
        '\0{"ping":"' + "x" * 2048 + '"}',
        "\0NaN",
    ],
)
def test_a_text_that_is_no_json_is_bad_and_says_why(text: str) -> None:
    said = parse_text(text)
    assert isinstance(said, Bad)
    assert said.why


@given(JSON | st.dictionaries(KEYS, JSON, max_size=3))
def test_parsing_never_raises_and_what_is_to_be_sent_back_can_be(said: Any) -> None:
    parsed = parse(said)
    if isinstance(parsed, Ping):
        assert json.loads(control.pong(parsed.value).encode(), parse_constant=pytest.fail) == {"pong": parsed.value}
    if isinstance(parsed, Bad):
        assert parsed.why


@given(st.text(st.characters(), max_size=40))
def test_no_text_that_begins_with_the_escape_raises(text: str) -> None:
    assert isinstance(parse_text("\0" + text), str | Hello | Ack | Ping | CloseWish | Bad)


@given(st.text(max_size=10) | st.text("\0a", max_size=4))
def test_a_message_goes_out_and_back_whatever_it_begins_with(message: str) -> None:
    sent = control.escaped(message)
    assert (parse_text(sent) if sent.startswith("\0") else sent) == message


def test_what_a_server_says() -> None:
    assert json.loads(control.greeting("n.1.s", 3)) == {"session": "n.1.s", "resumed": False, "received": 3}
    told = json.loads(control.greeting("n.1.s", 0, subprotocol="chat", lost="expired"))
    assert (told["subprotocol"], told["lost"]) == ("chat", "expired")
    assert json.loads(control.greeting("n.1.s", 3, resumed=True))["resumed"] is True
    assert control.on_websocket(control.ack(32)) == '\0{"ack":32}'
    assert json.loads(control.close(4001, "bye")) == {"close": {"code": 4001, "reason": "bye"}}
