"""Lines: what a client may say in a POST, and that messages come out as they went in."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.exceptions import HandshakeError
from actorws.sessions import lines
from actorws.sessions.control import Ack, CloseWish, Ping

messages = st.lists(st.one_of(st.text(), st.binary()))


def as_value(raw: bytes) -> object:
    value = json.loads(raw)
    return value if isinstance(value, str) else b64decode(value["binary"], validate=True)


@given(messages)
def test_a_message_is_one_line_of_json(said: list[str | bytes]) -> None:
    encoded = b"".join(map(lines.line, said))
    assert [as_value(raw) for raw in encoded.split(b"\n")[:-1]] == said


@given(messages)
def test_what_is_encoded_is_understood(said: list[str | bytes]) -> None:
    assert lines.parse(b"".join(map(lines.line, said[:1000])), 1 << 20) == said[:1000]


def test_control_messages_stand_between_messages() -> None:
    body = b'"a"\n{"ack":3}\n\n{"ping":null}\r\n{"close":{"code":4001,"reason":"bye"}}\n\n'
    assert lines.parse(body, 100) == ["a", Ack(3), Ping(None), CloseWish(4001, "bye")]


@pytest.mark.parametrize(
    "body",
    [
        b"nothing",
        b"1",
        b"null",
        b"[]",
        b'["a"]',
        b'"a" "b"',
        b'"a',
        b'"\xff"',
        b'\xef\xbb\xbf"a"',
        '"a"'.encode("utf-16-le"),
        b'"\\ud800"',
        b'"tab\there"',
        b'{"binary":"AA"}',
        b'{"binary":"AA=="}x',
        b'{"binary":"A A="}',
        b'{"binary":"AA==\\n"}',
        b'{"binary":"\xc3\xa9"}',
        b'{"binary":"_-8="}',
        b'{"binary":1}',
        b'{"binary":"","more":1}',
        b"{}",
        b'{"new":true}',
        b'{"resume":"a.1.b","received":0}',
        b'{"ack":-1}',
        b'{"ack":1.5}',
        b'{"ack":true}',
        b'{"ping":NaN}',
        b'{"ping":[1]}',
        b'{"ping":"' + b"x" * 9000 + b'"}',
        b'{"close":{}}',
        b'{"close":{"code":1006}}',
        b'{"close":{"code":999}}',
        b'{"close":{"code":"1000"}}',
        b'{"close":{"code":1000,"reason":"' + b"x" * 124 + b'"}}',
        b'{"close":{"code":1000,"reason":"\\udfff"}}',
        b'{"close":{"code":1000}}\n"a"',
        b"[" * 100_000,
        b"9" * 5000,
    ],
)
def test_what_is_not_of_the_protocol_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(HandshakeError) as caught:
        lines.parse(b'"before"\n' + body, 1 << 20)
    assert caught.value.status == 400
    assert len(str(caught.value)) <= 200


@pytest.mark.parametrize("body", [b'"123456789"', '"ääää5"'.encode(), b'{"binary":"AAAAAAAAAAAAAA=="}'])
def test_a_message_above_the_limit_is_too_large_by_its_bytes(body: bytes) -> None:
    with pytest.raises(HandshakeError) as caught:
        lines.parse(body, 8)
    assert (caught.value.status, caught.value.limit) == (413, "max_message_size")


@pytest.mark.parametrize("body", [b'"12345678"', '"ääää"'.encode(), b'{"binary":"AAAAAAAAAAA="}'])
def test_a_message_of_just_that_many_bytes_is_not(body: bytes) -> None:
    assert len(lines.parse(body, 8)) == 1


def test_one_post_has_so_many_lines_and_no_more() -> None:
    assert len(lines.parse(b'""\n' * lines.MAX_LINES, 8)) == lines.MAX_LINES
    with pytest.raises(HandshakeError) as caught:
        lines.parse(b'""\n' * (lines.MAX_LINES + 1), 8)
    assert caught.value.status == 413


@given(st.binary(max_size=60) | st.text().map(str.encode))
def test_whatever_comes_is_understood_or_refused(body: bytes) -> None:
    try:
        said = lines.parse(body, 1 << 20)
    except HandshakeError as error:
        assert error.status in (400, 413)
    else:
        assert all(isinstance(item, str | bytes | Ack | Ping | CloseWish) for item in said)
