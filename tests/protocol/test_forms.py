"""Forms: a head that is known gives the answers that it gives when it is parsed, and not every head is kept."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.config import Compression
from actorws.exceptions import HandshakeError
from actorws.protocol import deflate, handshake
from actorws.protocol.forms import FORMS, MAX_SIZE, Form, Forms
from actorws.protocol.head import Head, PackedHead, parse_head

KEYS = st.binary(min_size=16, max_size=16).map(b64encode)
ON = Compression(compression=True)
KEY, OTHER_KEY = b64encode(b"a" * 16), b64encode(b"\xff" * 16)
LINES = st.sampled_from(
    [
        b"Origin: http://example.org:80",
        b"Sec-WebSocket-Protocol: a, b",
        b"Sec-WebSocket-Extensions: permessage-deflate",
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Key: short",
        b"X-Key: Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Cookie: a=1",
        b"Host: b",
        b"Content-Length: 0",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"no colon",
    ]
)


def head(key: bytes = KEY, *lines: bytes, line: bytes = b"GET /chat?a=1 HTTP/1.1", version: bytes = b"13") -> bytes:
    usual = [line, b"Host: example.org", b"Upgrade: websocket", b"Connection: Upgrade"]
    usual += [b"Sec-WebSocket-Key: " + key, b"Sec-WebSocket-Version: " + version]
    return b"\r\n".join([*usual, *lines]) + b"\r\n\r\n"


def outcome(function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except HandshakeError as error:
        return error.status, str(error), error.headers, error.limit


def agreed_by(head: Head) -> str | None:
    agreed = deflate.negotiate(head, ON)
    return None if agreed is None else agreed.header


def answers(head: Any) -> Any:
    """All that can be asked of a head."""
    if not isinstance(head, Head):
        return head
    names = [*head.headers, "sec-websocket-key", "cookie", "x-none"]
    plain = (head.raw, head.method, head.target, head.http_version, head.path, head.query, head.body_length)
    words = [head.keep_alive, head.is_upgrade, head.has_token("connection", "close"), head.get("x-none", "none")]
    decided = [outcome(handshake.check, head), handshake.origin_allowed(head, None), agreed_by(head)]
    decided.append(handshake.offered_subprotocols(head))
    return plain, head.headers, [(head.get(name), head.count(name)) for name in names], words, decided


@given(
    keys=st.lists(KEYS | st.just(b"short") | st.just(KEY + b"x"), min_size=2, max_size=4),
    lines=st.lists(LINES, max_size=4),
    line=st.sampled_from([b"GET /chat?a=1 HTTP/1.1", b"GET /%C3%A9 HTTP/1.1", b"GET / HTTP/1.0", b"PUT / HTTP/1.1"]),
    version=st.sampled_from([b"13", b"8"]),
)
def test_a_known_head_gives_the_answers_that_it_gives_when_it_is_parsed(
    keys: list[bytes], lines: list[bytes], line: bytes, version: bytes
) -> None:
    forms = Forms(7)
    for key in keys:
        raw = head(key, *lines, line=line, version=version)
        assert answers(outcome(forms.read, raw)) == answers(outcome(parse_head, raw, 7))


def test_heads_that_differ_in_their_keys_only_are_one_form_and_keep_their_keys() -> None:
    forms = Forms(100)
    forms.read(head(KEY))
    again = forms.read(head(OTHER_KEY))
    assert (len(forms), again.form is not None, handshake.check(again)) == (1, True, OTHER_KEY.decode())


def test_what_one_client_does_to_its_headers_no_other_sees() -> None:
    forms = Forms(100)
    for key in (KEY, OTHER_KEY, KEY):
        known: Any = forms.read(head(key))
        assert (known.get("host"), known.headers["host"]) == ("example.org", "example.org")
        known.headers["host"] = "changed"


@pytest.mark.parametrize(
    "raw",
    [
        head(KEY, b"Cookie: session=1"),
        head(KEY, b"authorization: Bearer secret"),
        head(KEY, b"sec-websocket-key: " + KEY),
        head(KEY, b"Content-Length: 3"),
        head(KEY, b"X-Padding: " + b"x" * MAX_SIZE),
        head(b"short"),
        head(line=b"POST / HTTP/1.1"),
        head(line=b"GET / HTTP/1.0"),
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        head().replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    ],
)
def test_what_is_no_plain_handshake_or_one_clients_alone_is_not_kept(raw: bytes) -> None:
    forms = Forms(100)
    assert forms.read(raw).form is forms.read(raw).form is None
    assert len(forms) == 0


def test_there_are_never_more_than_the_bound_and_the_oldest_goes_first() -> None:
    forms = Forms(100)
    for number in range(FORMS + 10):
        forms.read(head(KEY, b"X-Number: %d" % number))
    assert len(forms) == FORMS
    assert forms.read(head(KEY, b"X-Number: 10")).form is not None
    assert forms.read(head(KEY, b"X-Number: 9")).form is None


def test_what_has_been_refused_is_refused_again() -> None:
    forms = Forms(100)
    for _ in range(3):
        with suppress(HandshakeError):
            handshake.check(forms.read(head(version=b"8")))
            pytest.fail("it was not refused")


def packed(forms: Forms, raw: bytes) -> tuple[Form | PackedHead, int | None]:
    head = forms.read(raw)
    return forms.pack(head, handshake.check(head))


@given(st.lists(st.tuples(st.sampled_from([b"/", b"/a", b"/?b=1"]), KEYS), max_size=6))
def test_a_head_that_was_packed_comes_back_as_it_came(requests: list[tuple[bytes, bytes]]) -> None:
    forms = Forms(100)
    for path, key in requests:
        raw = head(key, line=b"GET %b HTTP/1.1" % path)
        kept, number = packed(forms, raw)
        assert answers(kept.unpacked(number)) == answers(parse_head(raw, 100))


def test_of_heads_that_differ_in_their_keys_one_form_is_kept() -> None:
    forms = Forms(100)
    first, second, third = (packed(forms, head(key)) for key in (KEY, KEY, OTHER_KEY))
    assert isinstance(first[0], PackedHead)
    assert second[0] is third[0] and isinstance(second[0], Form)
    assert second[1] != third[1]


def test_a_key_that_stands_elsewhere_too_comes_back_in_both_places() -> None:
    forms = Forms(100)
    for _ in range(2):
        raw = head(KEY, b"Origin: " + KEY, line=b"GET /%b HTTP/1.1" % KEY)
        kept, number = packed(forms, raw)
        assert kept.unpacked(number).raw == raw


def test_a_key_with_bits_that_dont_count_is_kept_as_it_came() -> None:
    """RFC 4648 section 3.5: the last digit is one of 16 that say the same."""
    forms, raw = Forms(100), head(b"dGhlIHNhbXBsZSBub25jZR==")
    packed(forms, head())
    kept, key = packed(forms, raw)
    assert (type(kept), key, kept.unpacked(key).raw) == (PackedHead, None, raw)
