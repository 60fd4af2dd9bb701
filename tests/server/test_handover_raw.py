"""What one reader of requests has read, another one can begin with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.config import ServerConfig
from actorws.protocol.http1 import RequestReader

HEAD = b"POST /a?b=c HTTP/1.1\r\nHost: a\r\nX-Odd:   spaced \r\n"
CHUNKS = b"5;extension=1\r\nhello\r\n1\r\n,\r\n0a\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n"
BEHIND = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\nand more"

REQUESTS = {
    "nothing": HEAD + b"\r\n",
    "length": HEAD + b"Content-Length: 11\r\n\r\nhello world",
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "no chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


def outcome(*pieces: bytes) -> tuple[bytes, bytes, bool, bytes]:
    reader = RequestReader(ServerConfig())
    for piece in pieces:
        reader.receive(piece)
    assert reader.head is not None
    return reader.head.raw, reader.body, reader.complete, reader.rest


@pytest.mark.parametrize("kind", REQUESTS)
def test_another_reader_sees_the_same_request_wherever_it_takes_over(kind: str) -> None:
    whole = REQUESTS[kind] + BEHIND
    expected = outcome(whole)
    for cut in range(len(whole) + 1):
        first = RequestReader(ServerConfig())
        first.receive(whole[:cut])
        assert outcome(first.raw, whole[cut:]) == expected, cut


@given(st.sampled_from(sorted(REQUESTS)), st.data())
def test_so_does_one_after_several_that_have_read_in_pieces(kind: str, data: st.DataObject) -> None:
    whole = REQUESTS[kind] + BEHIND
    expected = outcome(whole)
    reader, at = RequestReader(ServerConfig()), 0
    while at < len(whole):
        size = data.draw(st.integers(1, len(whole) - at))
        reader.receive(whole[at : at + size])
        at += size
        if data.draw(st.booleans()):
            raw, reader = reader.raw, RequestReader(ServerConfig())
            reader.receive(raw)
    assert outcome(reader.raw) == expected


def test_the_next_request_of_a_connection_begins_with_itself() -> None:
    reader = RequestReader(ServerConfig())
    reader.receive(REQUESTS["chunks"] + BEHIND)
    reader.next()
    assert reader.raw == BEHIND
