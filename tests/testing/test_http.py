"""Answers as a client reads them: to their end, and not a byte further."""

from __future__ import annotations

import pytest

from actorws.testing.http import read_answer, request_bytes
from actorws.testing.memory import memory_streams

FRAMES = b"\x81\x05hello"


def comes(nursery, data, pieces=1 << 20):
    """The client's end of a connection on which ``data`` comes in pieces, and then the end."""
    ours, theirs = memory_streams(pieces)

    async def send():
        await theirs.send_all(data)
        await theirs.send_eof()

    nursery.start_soon(send)
    return ours


HEAD = b"HTTP/1.1 200 OK\r\nX: a\r\nX: b\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "data, body, rest",
    [
        (HEAD + b"Content-Length: 3\r\n\r\nabc" + FRAMES, b"abc", FRAMES),
        (HEAD + b"Content-Length: 0\r\n\r\n" + FRAMES, b"", FRAMES),
        (CHUNKED + FRAMES, b"onetwo", FRAMES),
        (HEAD + b"\r\nup to the end", b"up to the end", b""),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + FRAMES, b"", FRAMES),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED, b"", CHUNKED),
        (b"HTTP/1.1 204 No Content\r\n\r\n" + FRAMES, b"", FRAMES),
    ],
)
@pytest.mark.parametrize("pieces", [1, 7, 1 << 20])
async def test_an_answer_ends_where_it_says(nursery, data, body, rest, pieces):
    answer, behind = await read_answer(comes(nursery, data, pieces))
    assert answer.body == body
    # In pieces, not more is read than the one in which the answer ends.
    assert behind == rest if pieces > len(data) else rest.startswith(behind) and len(behind) < pieces
    nursery.cancel_scope.cancel()


async def test_the_answer_to_head_has_the_headers_of_a_body_and_none(nursery):
    stream = comes(nursery, HEAD + b"Content-Length: 3\r\n\r\n" + FRAMES)
    answer, behind = await read_answer(stream, has_body=False)
    assert (answer.status, answer.body, behind) == (200, b"", FRAMES)
    assert (answer.headers["content-length"], answer.headers["x"]) == ("3", "a, b")


@pytest.mark.parametrize("cut", [5, len(HEAD), len(CHUNKED) - 20, len(CHUNKED) - 1])
async def test_an_answer_that_is_cut_short_is_an_error(nursery, cut):
    with pytest.raises(EOFError, match="before the answer did"):
        await read_answer(comes(nursery, CHUNKED[:cut]))


def test_a_request_says_what_is_missing_and_nothing_twice():
    assert request_bytes("GET", "/", {}) == b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
    request = request_bytes("POST", "/", {"HOST": "a"}, b"abc")
    assert request == b"POST / HTTP/1.1\r\nContent-Length: 3\r\nHOST: a\r\n\r\nabc"
    for length in ("Content-Length: 5", "Transfer-Encoding: chunked"):
        name, _, value = length.partition(": ")
        assert request_bytes("POST", "/", {name: value}, b"abc").count(b"Content-Length") == (name == "Content-Length")
