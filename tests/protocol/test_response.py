"""Responses: a server's bytes in, one response out."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.protocol.response import MAX_BODY, MAX_HEAD, ResponseReader

UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def read(*chunks: bytes, ended: bool = False) -> ResponseReader:
    reader = ResponseReader()
    for chunk in chunks:
        reader.receive(chunk)
    if ended:
        reader.ended()
    return reader


def all_of(reader: ResponseReader) -> tuple[Any, ...]:
    return reader.status, reader.headers, reader.body, reader.rest, reader.complete


def refusal(*chunks: bytes) -> str:
    with pytest.raises(ValueError) as refused:
        read(*chunks)
    return str(refused.value)


def test_what_comes_behind_a_101_is_left_alone() -> None:
    for frames in (b"", b"\x81\x02hi\x88\x00", b"HTTP/1.1 200 OK\r\n\r\n"):
        reader = read(UPGRADE + frames[:3], frames[3:])
        assert all_of(reader) == (101, {"upgrade": "websocket", "connection": "Upgrade"}, b"", frames, True)


@pytest.mark.parametrize("framing", [b"Content-Length: 3", b"Transfer-Encoding: chunked"])
def test_a_101_has_no_body_whatever_it_says(framing: bytes) -> None:
    assert read(UPGRADE[:-2] + framing + b"\r\n\r\n3\r\nabc").rest == b"3\r\nabc"


def test_a_101_without_an_upgrade_is_whole_all_the_same() -> None:
    assert all_of(read(b"HTTP/1.1 101 Fine\r\n\r\n", b"\x81\x02hi")) == (101, {}, b"", b"", True)
    assert all_of(read(b"HTTP/1.1 101 Fine\r\n\r\n\x81\x02hi")) == (101, {}, b"", b"", True)


def test_interim_answers_are_skipped_with_their_headers() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    reader = read(early)
    assert all_of(reader) == (0, {}, b"", b"", False) and reader.has_begun
    reader.receive(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nA: b\r\n\r\n")
    assert all_of(reader) == (403, {"content-length": "0", "a": "b"}, b"", b"", True)


def test_names_are_in_lower_case_and_values_of_one_name_joined() -> None:
    reader = read(b"HTTP/1.1 204 None\r\nVia:  a \r\nEmpty:\r\nvia: b\r\nVIA: \xe4\r\n\r\n")
    assert reader.headers == {"via": "a, b, \xe4", "empty": ""} and reader.complete


@pytest.mark.parametrize(
    ("body", "framing"),
    [
        (b"sorry", b"Content-Length: 5"),
        (b"3\r\nsor\r\n2;x=y\r\nry\r\n0\r\nTrailer: t\r\n\r\n", b"Transfer-Encoding: chunked"),
    ],
)
def test_a_body_ends_by_its_framing_and_nothing_behind_it_counts(body: bytes, framing: bytes) -> None:
    head = b"HTTP/1.1 503 Away\r\n" + framing + b"\r\n\r\n"
    for behind in (b"", b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 1\r\n\r\nx", b"\0\0"):
        reader = read(head + body + behind)
        assert (reader.status, reader.body, reader.complete, reader.rest) == (503, b"sorry", True, b"")
        assert "a" not in reader.headers


def test_a_body_without_framing_ends_with_the_connection() -> None:
    reader = read(b"HTTP/1.1 500 Oops\r\n\r\nwhat", b"ever")
    assert not reader.complete
    reader.ended()
    assert (reader.body, reader.complete) == (b"whatever", True)


def test_what_is_wrong_with_a_body_takes_nothing_from_the_status() -> None:
    reader = read(b"HTTP/1.1 503 Away\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzzz\r\n")
    assert (reader.status, reader.body, reader.complete) == (503, b"abc", True)


def test_of_a_body_so_much_is_kept_and_then_it_is_enough() -> None:
    head = b"HTTP/1.1 500 Oops\r\n\r\n"
    assert not read(head, b"x" * (MAX_BODY - 1)).complete
    reader = read(head, b"x" * (MAX_BODY + 1), b"more")
    assert reader.complete and reader.body == b"x" * MAX_BODY


def test_a_head_has_a_bound_with_what_comes_before_it() -> None:
    line, early = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 Early\r\nContent-Type: a\r\n\r\n"
    fits = line + b"A: " + b"x" * (MAX_HEAD - len(line) - 7) + b"\r\n\r\n"
    assert len(fits) == MAX_HEAD and read(fits).status == 200
    for endless in (fits[:-2] + b"B: c\r\n\r\n", early * 2000):
        assert refusal(endless) == refusal(*(endless[i : i + 999] for i in range(0, len(endless), 999)))
        assert refusal(endless) == "the head of its answer has more than 65536 bytes"


@pytest.mark.parametrize(
    ("came", "sentence"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\nrest", "its answer is no HTTP: it begins with 'SSH-2.0-OpenSSH_9.6'"),
        (b"220 mx.example.org ESMTP\r\n", "its answer is no HTTP: it begins with '220 mx.example.org ESMTP'"),
        (b"\0\x1b[31m" + b"x" * 99, "its answer is no HTTP: it begins with '\\x00\\x1b[31m" + "x" * 34 + "'"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "it speaks TLS there (connect by wss://)"),
        (b"HTTP/1.1 OK\r\n\r\n", "the head of its answer is no HTTP/1.1: Invalid status code"),
        (b"HTTP/1.1 099 Odd\r\n\r\n", "the head of its answer is no HTTP/1.1: there is no status 099"),
        (
            UPGRADE.replace(b"1.1", b"1.0"),
            "the head of its answer is no HTTP/1.1: 101 has no meaning in another version (RFC 6455 section 4.2.2)",
        ),
    ],
)
def test_what_is_no_http_is_an_error_in_words(came: bytes, sentence: str) -> None:
    assert refusal(came) == sentence


def test_an_end_before_a_whole_head_completes_nothing() -> None:
    for begun in (b"", b"HTTP/1.1 200 OK\r\nA: b"):
        reader = read(begun, ended=True)
        assert not reader.complete and reader.has_begun == bool(begun)


RESPONSES = [
    UPGRADE + b"\x81\x02hi" * 50,
    b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n" + UPGRADE + b"x",
    b"HTTP/1.1 503 Away\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\nbehind",
    b"HTTP/1.1 401 No\r\nContent-Length: 5\r\nWWW-Authenticate: Basic\r\n\r\nsorryHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 404 No\r\n\r\n" + b"x" * 70000,
    b"HTTP/1.1 404 No\r\nA: " + b"x" * 70000 + b"\r\n\r\n",
    b"SSH-2.0-x\r\n",
]


def outcome(chunks: list[bytes]) -> object:
    reader = ResponseReader()
    try:
        for chunk in chunks:
            reader.receive(chunk)
    except ValueError:
        return ValueError
    return all_of(reader)


@given(st.sampled_from(RESPONSES), st.integers(0, 2**32), st.sampled_from([1, 7, 300, 20000]))
def test_any_chunking_gives_the_same(whole: bytes, seed: int, largest: int) -> None:
    chance, chunks, at = random.Random(seed), [], 0
    largest = max(largest, len(whole) // 500)
    while at < len(whole):
        chunks.append(whole[at : at + chance.randint(0, largest)])
        at += len(chunks[-1])
    assert outcome(chunks) == outcome([whole])


@given(st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", UPGRADE[:-2], RESPONSES[2][:70]]), st.binary())
def test_no_bytes_raise_anything_but_value_error(beginning: bytes, rest: bytes) -> None:
    reader = ResponseReader()
    try:
        reader.receive(beginning)
        reader.receive(rest)
        reader.receive(rest)
    except ValueError:
        return
    reader.ended()
    assert reader.complete == (reader.status >= 101)
