"""The chunked coding by itself: where a body ends, whatever pieces it comes in, and how large it may get."""

from __future__ import annotations

import pytest

from actorws.exceptions import HandshakeError
from actorws.protocol.chunked import ChunkedBody

BODY = b"3\r\nabc\r\n0A;name=value\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
REST = b"GET / HTTP/1.1\r\n"


def refused(data: bytes, limit: int = 100) -> int:
    with pytest.raises(HandshakeError) as error:
        ChunkedBody(limit).receive(data)
    return error.value.status


@pytest.mark.parametrize("first", range(1, len(BODY)))
def test_a_body_in_two_pieces_is_the_body(first: int) -> None:
    body = ChunkedBody(100)
    assert body.receive(BODY[:first]) is None
    assert body.receive(BODY[first:] + REST) == REST
    assert body.body == b"abc0123456789"


def test_a_body_may_come_byte_by_byte() -> None:
    body = ChunkedBody(100)
    *most, last = (body.receive(BODY[at : at + 1]) for at in range(len(BODY)))
    assert set(most) == {None}
    assert (last, body.body) == (b"", b"abc0123456789")


def test_a_body_of_no_chunks_is_empty() -> None:
    body = ChunkedBody(0)
    assert body.receive(b"0\r\n\r\n" + REST) == REST
    assert body.body == b""


def test_the_limit_itself_is_let_in_and_one_more_is_refused_at_its_size_line() -> None:
    assert ChunkedBody(13).receive(BODY) == b""
    assert refused(b"3\r\nabc\r\n0A\r\n", limit=12) == 413


def test_32_trailers_are_let_in_and_one_more_is_refused() -> None:
    assert ChunkedBody(0).receive(b"0\r\n" + b"X: y\r\n" * 32 + b"\r\n") == b""
    assert refused(b"0\r\n" + b"X: y\r\n" * 33 + b"\r\n") == 400


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    body = ChunkedBody(100)
    assert body.receive(b"3;" + b"x" * 1000) is None
    with pytest.raises(HandshakeError, match="longer than"):
        body.receive(b"x" * 100)
