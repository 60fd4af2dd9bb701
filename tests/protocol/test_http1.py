"""Requests: what is read, what is refused, and that neither depends on how the bytes arrive."""

from __future__ import annotations

import sys
from typing import Any

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actorws.config import ServerConfig
from actorws.exceptions import HandshakeError
from actorws.protocol.head import Head, parse_head
from actorws.protocol.http1 import RequestReader

UPGRADE = (
    b"GET /chat?room=1 HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED_HEAD = b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED = CHUNKED_HEAD + b"3;x=y\r\nabc\r\n0A\r\n\r\n\r\n0\r\n\r\n!\r\n0\r\nTrailer: x\r\n\r\n"
SMALL = ServerConfig(max_head_size=256, max_body_size=32, max_headers=8)


def parse(line: bytes = b"GET / HTTP/1.1", *headers: bytes, host: bytes | None = b"Host: a") -> Head:
    lines = [line, *([host] if host is not None else []), *headers]
    return parse_head(b"\r\n".join(lines) + b"\r\n\r\n", 100)


def status_of(call: Any, *args: Any) -> int | None:
    """The status that a call is refused with, ``None`` if it isn't."""
    try:
        call(*args)
    except HandshakeError as error:
        return error.status
    return None


def outcome(pieces: list[bytes], config: ServerConfig = SMALL) -> list[Any]:
    """Every request that comes out of ``pieces``, what refused the next one, and how far an unfinished one is."""
    reader = RequestReader(config)
    seen: list[Any] = []
    upgraded = False
    try:
        for piece in pieces:
            reader.receive(piece)
            while reader.complete and not upgraded:
                assert reader.head is not None
                seen.append((reader.head.raw, reader.body))
                upgraded = reader.head.is_upgrade
                if not upgraded:
                    reader.next()
    except HandshakeError as error:
        return [*seen, (error.status, str(error))]
    return [*seen, reader.rest if reader.complete else reader.started]


class TestHead:
    def test_reads_the_request_line(self) -> None:
        head = parse_head(UPGRADE, 100)
        assert (head.method, head.target, head.path, head.http_version) == ("GET", "/chat?room=1", "/chat", "1.1")

    def test_joins_headers_of_one_name_and_decodes_any_byte(self) -> None:
        head = parse(b"GET / HTTP/1.1", b"X-A: 1", b"x-a:\t2 \t", b"X-B: caf\xe9\x85", b"X-C:")
        assert dict(head.headers) == {"host": "a", "x-a": "1, 2", "x-b": "caf\xe9\x85", "x-c": ""}
        assert (head.count("x-a"), head.count("x-b"), head.count("x-d")) == (2, 1, 0)
        assert (head.get("x-a"), head.get("x-d"), head.get("x-d", "?")) == ("1, 2", None, "?")

    def test_decodes_path_and_query(self) -> None:
        head = parse(b"GET /caf%C3%A9/a+b?q=%20x+y&q=2&empty=&caf%C3%A9=1 HTTP/1.1")
        assert head.path == "/café/a+b"
        assert head.query == {"q": "2", "empty": "", "café": "1"}

    def test_parses_what_is_asked_for_once(self) -> None:
        head = parse_head(UPGRADE, 100)
        assert head.headers is head.headers
        assert head.query is head.query
        assert head.path is head.path

    def test_packed_it_is_its_bytes_and_unpacked_it_is_parsed_again(self) -> None:
        head = parse_head(UPGRADE, 100)
        packed = head.packed()
        assert packed == UPGRADE and sys.getsizeof(packed) <= sys.getsizeof(UPGRADE) + 16
        again = packed.unpacked()
        assert (again.headers, again.query, again.path) == (head.headers, head.query, head.path)
        assert again.headers is not head.headers

    @pytest.mark.parametrize(
        ("version", "connection", "expected"),
        [
            (b"1.1", b"", True),
            (b"1.1", b"foo, Close", False),
            (b"1.1", b"keep-alive, close", False),
            (b"1.0", b"", False),
            (b"1.0", b"Keep-Alive", True),
        ],
    )
    def test_keep_alive_follows_version_and_connection_header(
        self, version: bytes, connection: bytes, expected: bool
    ) -> None:
        assert parse(b"GET / HTTP/" + version, b"Connection: " + connection).keep_alive is expected

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ([b"Connection: Upgrade", b"Upgrade: WebSocket"], True),
            ([b"Connection: keep-alive", b"connection: UPGRADE", b"Upgrade: h2c, websocket"], True),
            ([b"Connection: Upgrade", b"Upgrade: h2c"], False),
            ([b"Upgrade: websocket"], False),
            ([b"Connection: upgraded", b"Upgrade: websocket"], False),
            ([], False),
        ],
    )
    def test_upgrade_needs_both_tokens(self, headers: list[bytes], expected: bool) -> None:
        assert parse(b"GET / HTTP/1.1", *headers).is_upgrade is expected

    def test_shows_the_request_in_its_repr(self) -> None:
        assert repr(parse_head(UPGRADE, 100)) == "<Head GET /chat?room=1>"


class TestRefusedHeads:
    @pytest.mark.parametrize(
        "headers",
        [
            [b"X: a", b" folded"],
            [b"X: a", b"\tfolded"],
            [b"X: a\nY: b"],
            [b"X: a\rY: b"],
            [b"X : a"],
            [b"X\t: a"],
            [b": a"],
            [b"no colon"],
            [b"X: a\x00b"],
            [b"X: a\x01"],
            [b"X: a\x7f"],
            [b"X\xe9: a"],
            [b"X(: a"],
        ],
    )
    def test_a_malformed_header_is_400(self, headers: list[bytes]) -> None:
        assert status_of(parse, b"GET / HTTP/1.1", *headers) == 400

    @pytest.mark.parametrize(
        "headers",
        [
            [b"Content-Length: 3", b"Content-Length: 3"],
            [b"Content-Length: 3", b"content-length: 4"],
            [b"Content-Length: 3, 3"],
            [b"Content-Length: +3"],
            [b"Content-Length: -3"],
            [b"Content-Length: 0x3"],
            [b"Content-Length: 3 3"],
            [b"Content-Length: 1_0"],
            [b"Content-Length: \xb2"],
            [b"Content-Length:"],
            [b"Content-Length: 99999999999999999999999"],
            [b"Content-Length: 9999999999999999999"],
            [b"Content-Length: 3", b"Transfer-Encoding: chunked"],
            [b"Transfer-Encoding: chunked", b"Content-Length: 3"],
            [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
            [b"Transfer-Encoding: identity"],
            [b"Transfer-Encoding: gzip, chunked"],
            [b"Transfer-Encoding: chunked, identity"],
            [b"Transfer-Encoding: xchunked"],
            [b"Transfer-Encoding: chunked;x"],
            [b"Transfer-Encoding:"],
            [b"Transfer-Encoding: \x0bchunked"],
            [b"Transfer-Encoding : chunked"],
        ],
    )
    def test_a_length_that_can_be_read_in_two_ways_is_400(self, headers: list[bytes]) -> None:
        assert status_of(parse, b"POST / HTTP/1.1", *headers) == 400

    @pytest.mark.parametrize(("target", "host"), [(b"http://A:80/b?c", b"a:80"), (b"HTTPS://a/b?c", b"a")])
    def test_an_absolute_target_is_its_path_if_its_host_is_the_one_in_the_header(
        self, target: bytes, host: bytes
    ) -> None:
        """RFC 9112 section 3.2.2."""
        head = parse_head(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host), 100)
        assert (head.path, head.target, head.query) == ("/b", "/b?c", {"c": ""})
        assert head.packed().unpacked().path == "/b"

    @pytest.mark.parametrize("target", [b"http://b/", b"http://a:80/", b"http://u@a/", b"http://a\xff/"])
    def test_an_absolute_target_with_another_host_is_400(self, target: bytes) -> None:
        assert status_of(parse_head, b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target, 100) == 400

    def test_chunked_in_http_1_0_is_400(self) -> None:
        assert status_of(parse, b"POST / HTTP/1.0", b"Transfer-Encoding: chunked") == 400

    @pytest.mark.parametrize(
        "target",
        [
            b"*",
            b"http://",
            b"http:///b",
            b"http://a",
            b"http://a?b",
            b"ftp://a/b",
            b"a:80",
            b"b",
            b"",
            b"/a#b",
            b"/a b",
            b"/a\tb",
            b"/\xc3\xa9",
            b"/\x7f",
            b"/%",
            b"/%4",
            b"/%zz",
            b"/%ff",
            b"/%C3%28",
            b"/%ED%A0%80",
        ],
    )
    def test_a_target_that_is_no_path_is_400(self, target: bytes) -> None:
        assert status_of(parse, b"GET " + target + b" HTTP/1.1") == 400

    @pytest.mark.parametrize(
        "line",
        [
            b"GET  / HTTP/1.1",
            b"GET / HTTP/1.1 ",
            b" GET / HTTP/1.1",
            b"get / HTTP/1.1",
            b"FOO / HTTP/1.1",
            b"GET /",
            b"",
            b"GET / http/1.1",
            b"GET / HTTP/11",
            b"GET / RTSP/1.0",
            b"G\xc9T / HTTP/1.1",
            b"GET\t/ HTTP/1.1",
        ],
    )
    def test_a_malformed_request_line_is_400(self, line: bytes) -> None:
        assert status_of(parse, line) == 400

    def test_connect_is_400(self) -> None:
        """With a path it is no method for a proxy either, and what follows it would be no request."""
        assert status_of(parse, b"CONNECT /a HTTP/1.1") == 400

    @pytest.mark.parametrize("version", [b"0.9", b"1.2", b"2.0", b"3.0"])
    def test_another_version_is_505(self, version: bytes) -> None:
        assert status_of(parse, b"GET / HTTP/" + version) == 505

    def test_the_preface_of_http_2_is_505(self) -> None:
        assert outcome([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])[0][0] == 505

    def test_http_1_1_needs_exactly_one_host(self) -> None:
        assert status_of(parse, b"GET / HTTP/1.1", b"Host: b") == 400
        assert status_of(lambda: parse(host=None)) == 400
        assert status_of(lambda: parse(b"GET / HTTP/1.0", host=None)) is None
        assert status_of(parse, b"GET / HTTP/1.0", b"host: b") == 400

    @pytest.mark.parametrize("host", [b"a.b:80", b"a_b", b"%41", b"127.0.0.1:", b"[::1]", b"[fe80::1%25eth0]:80", b""])
    def test_a_host_may_have_a_port(self, host: bytes) -> None:
        assert parse(b"GET / HTTP/1.1", host=b"Host: " + host).headers["host"] == host.decode()

    @pytest.mark.parametrize(
        "host",
        [b"a b", b"a/b", b"u@a", b"a:b", b"a:80:80", b"\xff", b"a\tb", b"http://a", b"[::1", b"[]", b"::1", b"a#"],
    )
    def test_a_host_that_is_none_is_400(self, host: bytes) -> None:
        """RFC 9112 section 3.2."""
        assert status_of(lambda: parse(b"GET / HTTP/1.1", host=b"Host: " + host)) == 400

    def test_one_header_too_many_is_431(self) -> None:
        raw = b"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n"
        assert status_of(parse_head, raw, 3) is None
        assert status_of(parse_head, raw, 2) == 431

    @pytest.mark.parametrize("raw", [UPGRADE[:-2], UPGRADE + b"x", UPGRADE + UPGRADE, UPGRADE[:-4], b""])
    def test_what_is_not_exactly_one_head_is_400(self, raw: bytes) -> None:
        assert status_of(parse_head, raw, 100) == 400

    @given(st.binary(max_size=80), st.integers(0, len(UPGRADE)), st.integers(0, 5))
    def test_no_damage_raises_anything_else(self, noise: bytes, at: int, cut: int) -> None:
        """Random bytes put into a valid head are parsed or refused."""
        raw = UPGRADE[:at] + noise + UPGRADE[at + cut :]
        try:
            head = parse_head(raw, 100)
        except HandshakeError:
            return
        assert head.path.startswith("/") and head.headers["host"] and head.query is not None
        assert head.keep_alive in (True, False) and head.is_upgrade in (True, False)


class TestRequestReader:
    def test_one_receive_gives_one_request(self) -> None:
        reader = RequestReader(ServerConfig())
        assert not reader.started and not reader.complete and reader.head is None
        reader.receive(UPGRADE)
        assert reader.head is not None and reader.head.raw is UPGRADE  # no copy
        assert (reader.started, reader.complete, reader.body, reader.rest) == (True, True, b"", b"")

    def test_bytes_behind_an_upgrade_are_kept(self) -> None:
        reader = RequestReader(ServerConfig())
        reader.receive(UPGRADE + b"\x81\x80")
        reader.receive(b"mask")
        assert reader.complete and reader.rest == b"\x81\x80mask"

    def test_reads_a_body_by_its_length(self) -> None:
        reader = RequestReader(ServerConfig())
        reader.receive(POST[:-2])
        assert reader.head is not None and not reader.complete and reader.body == b""
        reader.receive(b"lo" + b"GET")
        assert (reader.complete, reader.body, reader.rest) == (True, b"hello", b"GET")

    def test_reads_a_chunked_body_that_looks_like_its_own_end(self) -> None:
        reader = RequestReader(ServerConfig())
        reader.receive(CHUNKED + b"GET")
        assert (reader.complete, reader.body, reader.rest) == (True, b"abc\r\n\r\n0\r\n\r\n!"[:13], b"GET")

    def test_next_goes_on_with_a_pipelined_request(self) -> None:
        reader = RequestReader(ServerConfig())
        reader.receive(POST + UPGRADE + b"rest")
        reader.next()
        assert reader.complete and reader.body == b"" and reader.rest == b"rest"
        assert reader.head is not None and reader.head.path == "/chat"

    def test_next_waits_where_nothing_is_pipelined(self) -> None:
        reader = RequestReader(ServerConfig())
        reader.receive(POST)
        reader.next()
        assert not reader.started and not reader.complete and reader.head is None and reader.body == b""

    def test_empty_lines_before_a_request_are_no_request(self) -> None:
        """RFC 9112 section 2.2: some clients send a CRLF behind a body."""
        reader = RequestReader(ServerConfig())
        reader.receive(b"\r\n\r\n")
        assert not reader.started
        reader.receive(b"\r")
        assert not reader.started
        reader.receive(b"\n" + UPGRADE)
        assert reader.complete

    @pytest.mark.parametrize("first", [b"\x16\x03\x01", b"\n", b"\rG", b" ", b"get", b"\x00"])
    def test_what_is_no_http_is_refused_at_its_first_byte(self, first: bytes) -> None:
        """A TLS client at a plain port, say, doesn't have to wait for the timeout."""
        assert status_of(RequestReader(ServerConfig()).receive, first) == 400

    def test_an_unfinished_head_is_refused_when_it_is_too_large(self) -> None:
        reader = RequestReader(SMALL)
        start = b"GET / HTTP/1.1\r\nX: "
        reader.receive(start + b"a" * (SMALL.max_head_size - len(start) - 1))
        assert status_of(reader.receive, b"a") == 431

    def test_a_target_that_fills_the_head_is_414(self) -> None:
        """RFC 9112 section 3."""
        reader = RequestReader(SMALL)
        reader.receive(b"GET /" + b"a" * (SMALL.max_head_size - 6))
        assert status_of(reader.receive, b"a") == 414

    @pytest.mark.parametrize(
        ("start", "status"),
        [
            (b"GET /\r\n", 400),
            (b"GET /\n", 400),
            (b"GARBAGE\r\n", 400),
            (b"GET / HTTP/1.1\n", 400),
            (b"GET / HTTP/2.0\r\n", 505),
            (b"GET / HTTP/1.1\r\nHost: a\n", 400),
            (b"GET / HTTP/1.1\r\n\n", 400),
        ],
    )
    def test_an_unfinished_head_is_refused_at_its_first_wrong_line(self, start: bytes, status: int) -> None:
        """So nobody waits for the timeout to hear of it, and what a bare LF means is never asked."""
        assert outcome([start])[0][0] == status
        assert outcome([start[:-1]]) == [True]
        assert outcome([start[i : i + 1] for i in range(len(start))]) == outcome([start + b"X: y\r\n" * 99])

    def test_the_largest_head_is_read(self) -> None:
        raw = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
        whole = raw + b"x" * (SMALL.max_head_size - len(raw) - 4) + b"\r\n\r\n"
        assert outcome([whole]) == [(whole, b""), False]
        assert outcome([whole[:-4] + b"x\r\n\r\n"])[0][0] == 431

    def test_a_body_too_large_is_refused_before_it_is_read(self) -> None:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
        assert outcome([head % 33])[0][0] == 413
        assert outcome([head % 32, b"x" * 32])[0][1] == b"x" * 32
        assert outcome([CHUNKED_HEAD, b"10\r\n0123456789abcdef\r\n11\r\n"])[0][0] == 413
        assert outcome([CHUNKED_HEAD, b"fffffffffffffff\r\n"])[0][0] == 413

    @pytest.mark.parametrize("header", [b"Content-Length: 1", b"Transfer-Encoding: chunked"])
    def test_a_handshake_with_a_body_is_400(self, header: bytes) -> None:
        assert outcome([UPGRADE[:-2] + header + b"\r\n\r\n"])[0][0] == 400

    def test_a_handshake_with_an_empty_body_is_let_in(self) -> None:
        raw = UPGRADE[:-2] + b"Content-Length: 0\r\n\r\n"
        assert outcome([raw]) == [(raw, b""), b""]

    def test_says_when_the_client_waits_for_continue(self) -> None:
        reader = RequestReader(ServerConfig())
        assert not reader.wants_continue
        reader.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n")
        assert reader.wants_continue
        reader.receive(b"x")
        assert not reader.wants_continue

    def test_doesnt_say_so_to_http_1_0(self) -> None:
        reader = RequestReader(ServerConfig())
        reader.receive(b"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        assert not reader.wants_continue

    @pytest.mark.parametrize(
        "body",
        [
            b"3\nabc\r\n0\r\n\r\n",
            b"3 \r\nabc\r\n0\r\n\r\n",
            b"0x3\r\nabc\r\n0\r\n\r\n",
            b"+3\r\nabc\r\n0\r\n\r\n",
            b"\r\n0\r\n\r\n",
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"3\r\nabc\n0\r\n\r\n\r\n",
            b"3\r\nabc\r\n\r\n0\r\n\r\n",
            b"3;a\x00\r\nabc\r\n0\r\n\r\n",
            b"3;a\n\r\nabc\r\n0\r\n\r\n",
            b"0\r\nno trailer\r\n\r\n",
            b"0\r\nX : y\r\n\r\n",
            b"0\r\nX: a\nb\r\n\r\n",
            b"0\r\n" + b"X: y\r\n" * 33 + b"\r\n",
            b"1;" + b"x" * 1100,
            b"0000000000000000001\r\nx\r\n0\r\n\r\n",
        ],
    )
    def test_a_malformed_chunk_is_400(self, body: bytes) -> None:
        assert outcome([CHUNKED_HEAD + body])[0][0] == 400


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    places = sorted({place % (len(raw) + 1) for place in places})
    return [raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True)]


@given(
    st.lists(st.sampled_from([UPGRADE, POST, CHUNKED, b"\r\n", b"x", b"GET / HTTP/1.0\r\n\r\n", b"0\r\n"]), max_size=5),
    st.binary(max_size=3),
    st.integers(0, 500),
    st.lists(st.integers(0, 2000), max_size=8),
)
@example([POST, CHUNKED, UPGRADE], b"", 0, [])
def test_every_chunking_gives_the_same_requests(
    requests: list[bytes], noise: bytes, at: int, places: list[int]
) -> None:
    """Whole, cut anywhere and byte by byte, with or without damage: the same requests, refusals and rests."""
    raw = b"".join(requests)
    raw = raw[:at] + noise + raw[at:]
    whole = outcome([raw] if raw else [])
    assert outcome(cut(raw, places)) == whole
    assert outcome([raw[i : i + 1] for i in range(len(raw))]) == whole


@given(st.binary(max_size=400))
def test_random_bytes_are_read_or_refused(raw: bytes) -> None:
    """Nothing but ``HandshakeError`` comes out; ``outcome`` catches nothing else."""
    outcome([raw])
    outcome([CHUNKED_HEAD, raw])


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=20), st.sampled_from([b"", b";a", b' ;a="b"'])), max_size=6),
    st.sampled_from([b"", b"A: b\r\n"]),
)
def test_a_chunked_body_is_what_was_chunked(chunks: list[tuple[bytes, bytes]], trailer: bytes) -> None:
    coded = b"".join(b"%X%b\r\n%b\r\n" % (len(data), ext, data) for data, ext in chunks) + b"0\r\n" + trailer + b"\r\n"
    seen = outcome([CHUNKED_HEAD + coded + b"GET"], ServerConfig())
    assert seen == [(CHUNKED_HEAD, b"".join(data for data, _ in chunks)), True]


NAMES = st.from_regex(rb"[A-Za-z][A-Za-z0-9_-]{0,9}", fullmatch=True).map(lambda name: b"X-" + name)
VALUES = st.from_regex(rb"[!-~\x80-\xff]([ -~\t\x80-\xff]{0,9}[!-~\x80-\xff])?", fullmatch=True)


@given(st.lists(st.tuples(NAMES, st.sampled_from([b"", b" ", b"\t "]), VALUES), max_size=6))
def test_headers_are_read_as_llhttp_reads_them(headers: list[tuple[bytes, bytes, bytes]]) -> None:
    """The lazy reading of an accepted head agrees with the parser that accepted it."""
    seen: list[tuple[bytes, bytes]] = []

    class Collector:
        def on_header(self, name: bytes, value: bytes) -> None:
            seen.append((name, value))

    head = parse(b"GET / HTTP/1.1", *(name + b":" + space + value for name, space, value in headers))
    httptools.HttpRequestParser(Collector()).feed_data(head.raw)
    expected: dict[str, list[str]] = {}
    for name, value in seen:
        expected.setdefault(name.decode().lower(), []).append(value.decode("latin-1").strip(" \t"))
    assert head.headers == {name: ", ".join(values) for name, values in expected.items()}
