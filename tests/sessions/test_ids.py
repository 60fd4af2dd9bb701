"""Ids of sessions: only what can be one is looked at, and secrets are compared in constant time."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.sessions import ids
from actorws.sessions.ids import SessionId, new_secret, node_name, parse


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.integers(0, 10**18 - 1))
def test_an_id_is_what_its_text_says(node: str, serial: int) -> None:
    made = SessionId(node, serial, new_secret())
    assert parse(str(made)) == made
    assert len(str(made)) <= 128


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.1",
        "a.1.",
        ".1.s",
        "a..s",
        "a.-1.s",
        "a.+1.s",
        "a.1.s.t",
        "a.1.s\n",
        "a.1. s",
        "a.1.\ud800",
        "a.\u0661.s",
        "ä.1.s",
        "a.1" + "0" * 18 + ".s",
        f"a.1.{'s' * 125}",
        f"{'a' * 65}.1.s",
    ],
)
def test_what_is_no_id(text: str) -> None:
    assert parse(text) is None


@given(st.text(st.characters(), max_size=140))
def test_no_text_raises(text: str) -> None:
    parse(text)


def test_secrets_have_128_bits_and_are_not_given_twice() -> None:
    assert ids.SECRET_BYTES * 8 == 128
    assert len({new_secret() for _ in range(1000)}) == 1000


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []
    monkeypatch.setattr(ids, "compare_digest", lambda a, b: compared.append((a, b)) or hmac.compare_digest(a, b))
    given = SessionId("a", 1, "secret")
    assert given.opens("secret")
    assert not given.opens("Secret")
    assert compared == [("secret", "secret"), ("secret", "Secret")]


def test_a_runtimes_id_is_made_fit_for_ids() -> None:
    assert node_name("host-1:8/ü") == "host-1_8__"
    assert len(node_name("x" * 200)) == 64
    assert parse(f"{node_name('x' * 200)}.{10**17}.{new_secret()}") is not None
