"""The opening handshake, client side: a request out, the judgement of a 101 in."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import pytest

from actorws.protocol.handshake import accept_key
from actorws.protocol.head import parse_head
from actorws.protocol.opening_handshake import check_headers, check_response, new_key, request
from actorws.protocol.url import parse_url

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
#: Of RFC 6455 section 1.3.
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
FINE = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-accept": ACCEPT}


def lines(url: str, headers: Any = (), subprotocols: tuple[str, ...] = (), extensions: str | None = None) -> list[str]:
    raw = request(parse_url(url), KEY, dict(headers), subprotocols, extensions)
    assert raw.endswith(b"\r\n\r\n")
    return raw[:-4].decode("latin-1").split("\r\n")


def test_a_request_is_what_rfc_6455_asks_for() -> None:
    assert lines("ws://example.org/chat?a=b") == [
        "GET /chat?a=b HTTP/1.1",
        "Host: example.org",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
    ]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("ws://h:8080/", "h:8080"),
        ("wss://h:443/", "h"),
        ("wss://h:80/", "h:80"),
        ("ws://[::1]/", "[::1]"),
        ("ws://[::1]:1/", "[::1]:1"),
        ("ws+unix:/run/a.sock", "localhost"),
    ],
)
def test_host_names_the_port_where_it_is_another(url: str, host: str) -> None:
    assert lines(url)[1] == f"Host: {host}"


def test_what_is_offered_is_in_one_line_each() -> None:
    offered = lines("ws://h/", (), ("chat", "json"), "permessage-deflate; client_max_window_bits")
    assert offered[-2:] == [
        "Sec-WebSocket-Protocol: chat, json",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    ]


def test_credentials_of_the_url_are_basic_and_in_utf_8() -> None:
    assert lines("ws://us%C3%A9r:p%3Ass@h/")[-1] == "Authorization: Basic " + b64encode("usér:p:ss".encode()).decode()


def test_given_headers_come_last_and_take_the_place_of_ours() -> None:
    head = lines(
        "ws://user:pass@h/", {"host": "virtual", "AUTHORIZATION": "Bearer x", "Cookie": ["a=b", "c=d"], "X": "é"}
    )
    assert head[1] == "Upgrade: websocket"
    assert head[-5:] == ["host: virtual", "AUTHORIZATION: Bearer x", "Cookie: a=b", "Cookie: c=d", "X: é"]


def test_a_server_takes_the_request_for_a_handshake() -> None:
    head = parse_head(request(parse_url("ws://h/a?b"), new_key(), {"Origin": "http://h"}, ("x",), None), 100)
    assert head.headers["origin"] == "http://h"


def test_a_key_is_sixteen_bytes_that_nobody_knows() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100 and {len(b64decode(key)) for key in keys} == {16}


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        (["a"], "headers must be a mapping, or a function that returns one, not list"),
        ({"A b": "c"}, "the header name 'A b' is not a token (RFC 9110 section 5.6.2)"),
        ({"Upgrade": "h2c"}, "the header 'Upgrade' is set by actorws and can't be given"),
        ({"sec-websocket-key": "x"}, "the header 'sec-websocket-key' is set by actorws and can't be given"),
        ({"A": "b\r\nC: d"}, "the header 'A' has a value that can't be sent: 'b\\r\\nC: d'"),
        ({"A": "\u20ac"}, "the header 'A' has a value that can't be sent: '\u20ac'"),
        ({"A": 5}, "the header 'A' must have a value that is a str or a list of them, not int"),
        ({"A": b"b"}, "the header 'A' must have a value that is a str or a list of them, not bytes"),
        ({"A": ["b", None]}, "the header 'A' must have a value that is a str or a list of them, not list"),
        ({b"A": "b"}, "the header name b'A' must be a str"),
        ({"Host": ["a", "b"]}, "there is one Host in a request (RFC 9112 section 3.2), not 2"),
        (
            {"Authorization": "Bearer s3cret\n"},
            "the header 'Authorization' has a value that can't be sent (a line break?)",
        ),
        ({"cookie": ["a=b", "s3cret\0"]}, "the header 'cookie' has a value that can't be sent (a line break?)"),
    ],
)
def test_a_header_that_cant_be_sent_is_an_error_without_its_secret(headers: Any, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        check_headers(headers, ())
    assert str(refused.value) == sentence
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    ("subprotocols", "sentence"),
    [
        (("a b",), "the subprotocol 'a b' is not a token (RFC 9110 section 5.6.2)"),
        (("",), "the subprotocol '' is not a token (RFC 9110 section 5.6.2)"),
        (("a", "a"), "each subprotocol may be offered once (RFC 6455 section 4.1), not ['a', 'a']"),
    ],
)
def test_a_subprotocol_that_cant_be_offered_is_an_error(subprotocols: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        check_headers({}, subprotocols)
    assert str(refused.value) == sentence


def test_a_sound_answer_may_choose_what_was_offered() -> None:
    assert accept_key(KEY) == ACCEPT
    assert check_response(FINE, KEY, ("chat",)) is None
    assert check_response(FINE | {"sec-websocket-protocol": "chat"}, KEY, ("json", "chat")) == "chat"
    assert check_response(FINE | {"upgrade": "WebSocket", "connection": "keep-alive, UPGRADE"}, KEY, ()) is None


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({"upgrade": None}, "its answer 101 has no Upgrade, which should be websocket"),
        ({"upgrade": "h2c"}, "it switches to another protocol than WebSocket: 'h2c'"),
        ({"upgrade": "websocket, h2c"}, "it switches to another protocol than WebSocket: 'websocket, h2c'"),
        ({"connection": None}, "its answer 101 has no Connection, which should be Upgrade"),
        ({"connection": "close"}, "its answer 101 has the Connection 'close', which should be Upgrade"),
        ({"sec-websocket-accept": None}, "its Sec-WebSocket-Accept is not the one for our key"),
        ({"sec-websocket-accept": ACCEPT.lower()}, "its Sec-WebSocket-Accept is not the one for our key"),
        ({"sec-websocket-accept": f"{ACCEPT}, {ACCEPT}"}, "its Sec-WebSocket-Accept is not the one for our key"),
        ({"sec-websocket-protocol": "xml"}, "it chose the subprotocol 'xml', which was not offered"),
        ({"sec-websocket-protocol": "Chat"}, "it chose the subprotocol 'Chat', which was not offered"),
        ({"sec-websocket-protocol": "chat, json"}, "it chose the subprotocol 'chat, json', which was not offered"),
        ({"sec-websocket-protocol": ""}, "it chose the subprotocol '', which was not offered"),
    ],
)
def test_an_answer_that_breaks_a_rule_is_an_error_in_words(headers: dict[str, str | None], sentence: str) -> None:
    answer = {name: value for name, value in (FINE | headers).items() if value is not None}
    with pytest.raises(ValueError) as refused:
        check_response(answer, KEY, ("json", "chat"))
    assert str(refused.value) == sentence
