"""Dialing: what may be asked for, and the error for what may not, before anything is tried."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from actorws.client.dialing import Dialing
from actorws.exceptions import ConfigError, InvalidUrl


async def a_stream(host: str, port: int) -> Any:
    raise AssertionError


def test_a_dialing_has_defaults_for_everything() -> None:
    dialing = Dialing.to("wss://example.org/chat", proxy=None)
    assert dialing.target.shown == "wss://example.org/chat"
    assert (dialing.connect_timeout, dialing.handshake_timeout, dialing.max_redirects) == (10.0, 10.0, 5)
    assert (dialing.tls, dialing.open_stream, dict(dialing.headers)) == (None, None, {})  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"tls": True}, "tls must be an ssl.SSLContext or None, not True"),
        (
            {"tls": ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)},
            "tls must be a context for clients, such as of ssl.create_default_context(), not for servers",
        ),
        ({"proxy": b"http://u:s3cret@h"}, "proxy must be a URL, 'environment' or None, not bytes"),
        (
            {"proxy": "http://h:1", "open_stream": a_stream},
            "proxy and open_stream exclude each other: open_stream opens what the proxy would",
        ),
        ({"open_stream": "tcp"}, "open_stream must be an async function of a host and a port, or None, not 'tcp'"),
        ({"headers": [("A", "b")]}, "headers must be a mapping, or a function that returns one, not list"),
        ({"headers": {"A": "b\n"}}, "the header 'A' has a value that can't be sent: 'b\\n'"),
        ({"subprotocols": ("a b",)}, "the subprotocol 'a b' is not a token (RFC 9110 section 5.6.2)"),
        ({"connect_timeout": 0}, "connect_timeout must be a number of at least 0.001, not 0"),
        ({"handshake_timeout": float("inf")}, "handshake_timeout must be a number of at least 0.001, not inf"),
        ({"max_redirects": -1}, "max_redirects must be a whole number of at least 0, not -1"),
        ({"max_redirects": 1.5}, "max_redirects must be a whole number of at least 0, not 1.5"),
    ],
)
def test_what_cant_be_asked_for_is_an_error_that_names_it(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Dialing.to("ws://example.org", **{"proxy": None, **asked})
    assert str(refused.value) == sentence


def test_a_url_that_is_none_is_an_error_of_its_own() -> None:
    with pytest.raises(InvalidUrl):
        Dialing.to("example.org")


def test_a_stream_of_the_callers_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "no sense at all")
    assert Dialing.to("ws://example.org", open_stream=a_stream).open_stream is a_stream
