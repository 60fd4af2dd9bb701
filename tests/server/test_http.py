"""Plain HTTP: what handlers get and return, and how a response is framed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.exceptions import HandshakeError
from actorws.server import http
from actorws.server.http import LAST_CHUNK, Framing, Request, Response, as_response, chunk, framing, head_bytes, refusal


async def pieces() -> AsyncIterator[bytes]:
    yield b"piece"


class Stream:
    """A body of unknown length; a plain class, as an async generator that isn't exhausted warns."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return pieces()


def split(raw: bytes) -> tuple[str, dict[str, list[str]], bytes]:
    """Status line, headers and what is behind them."""
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *rest = head.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for name, _, value in (header.partition(": ") for header in rest):
        headers.setdefault(name, []).append(value)
    return line, headers, body


class TestRequest:
    def test_decodes_its_body(self) -> None:
        request = Request(method="POST", path="/", body='{"é": [1]}'.encode())
        assert request.text() == '{"é": [1]}'
        assert request.json() == {"é": [1]}

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": 1} x'])
    def test_a_body_that_is_no_json_is_400(self, body: bytes) -> None:
        with pytest.raises(HandshakeError) as caught:
            Request(method="POST", path="/", body=body).json()
        assert caught.value.status == 400

    def test_cant_be_changed(self) -> None:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            Request(method="GET", path="/").path = "/b"  # type: ignore[misc]


class TestAsResponse:
    @pytest.mark.parametrize(
        ("value", "body", "content_type"),
        [
            ("é", "é".encode(), "text/plain; charset=utf-8"),
            ("", b"", "text/plain; charset=utf-8"),
            (b"\x00", b"\x00", "application/octet-stream"),
            (bytearray(b"a"), b"a", "application/octet-stream"),
            (memoryview(b"a"), b"a", "application/octet-stream"),
            ({"a": [1, None]}, b'{"a": [1, null]}', "application/json"),
            ([], b"[]", "application/json"),
        ],
    )
    def test_takes_what_handlers_return(self, value: object, body: bytes, content_type: str) -> None:
        response = as_response(value)
        assert response.status == 200 and response.payload() == body
        assert split(head_bytes(response))[1]["Content-Type"] == [content_type]

    def test_none_is_204(self) -> None:
        assert as_response(None).status == 204

    def test_a_response_is_itself(self) -> None:
        response = Response("a", 201)
        assert as_response(response) is response

    @pytest.mark.parametrize("value", [1, 1.5, True, ("a", 200), object(), {"a"}])
    def test_anything_else_is_a_type_error_that_shows_it(self, value: object) -> None:
        with pytest.raises(TypeError) as caught:
            as_response(value)
        assert repr(value) in str(caught.value)

    @pytest.mark.parametrize("value", [{"a": object()}, {"a": float("nan")}])
    def test_what_json_has_no_words_for_is_refused(self, value: object) -> None:
        with pytest.raises((TypeError, ValueError)):
            as_response(value)


class TestResponse:
    @pytest.mark.parametrize("status", [0, 100, 101, 199, 600, "200", 200.0])
    def test_a_status_that_cant_be_sent_is_refused(self, status: Any) -> None:
        with pytest.raises(ValueError, match="status"):
            Response(status=status)

    @pytest.mark.parametrize("body", [1, None, ["a"], {"a": 1}])
    def test_a_body_that_cant_be_sent_is_refused(self, body: Any) -> None:
        with pytest.raises(TypeError, match="body"):
            Response(body)

    def test_a_negative_length_is_refused(self) -> None:
        with pytest.raises(ValueError, match="content_length"):
            Response(Stream(), content_length=-1)

    @pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "Upgrade"])
    def test_the_headers_that_frame_it_cant_be_given(self, name: str) -> None:
        with pytest.raises(ValueError, match=name):
            Response(headers={name: "1"})

    @pytest.mark.parametrize(
        "headers", [{"X": "a\r\nY: b"}, {"X\r\nY": "a"}, {"X": ["a", "b\nc"]}, {"X": "\x00"}, {"X:": "a"}, {"X": "€"}]
    )
    def test_headers_cant_be_injected(self, headers: Any) -> None:
        with pytest.raises(ValueError, match="header"):
            Response(headers=headers)

    def test_nor_by_the_content_type(self) -> None:
        with pytest.raises(ValueError, match="Content-Type"):
            Response("a", content_type="text/html\r\nX: y")

    def test_nor_after_it_was_made(self) -> None:
        headers = {"X": "a"}
        response = Response("a", headers=headers)
        headers["X"] = "a\r\nY: b"
        with pytest.raises(ValueError, match="header"):
            head_bytes(response)

    def test_a_content_type_given_twice_is_refused(self) -> None:
        with pytest.raises(ValueError, match="twice"):
            Response("a", headers={"content-type": "text/html"}, content_type="text/css")


class TestHeadBytes:
    def test_says_everything_about_the_response(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http.time, "time", lambda: 784111777.9)
        assert head_bytes(Response("é", 404, {"X-A": "b"})) == (
            b"HTTP/1.1 404 Not Found\r\nX-A: b\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: actorws\r\nContent-Length: 2\r\n"
            b"Connection: keep-alive\r\n\r\n"
        )

    def test_the_date_is_made_anew_each_second(self, monkeypatch: pytest.MonkeyPatch) -> None:
        dates = []
        for now in (1000.1, 1000.9, 1001.0):
            monkeypatch.setattr(http.time, "time", lambda now=now: now)
            dates.append(parsedate_to_datetime(split(head_bytes(Response()))[1]["Date"][0]).timestamp())
        assert dates == [1000, 1000, 1001]

    def test_a_list_of_values_is_several_lines(self) -> None:
        headers = split(head_bytes(Response(headers={"Set-Cookie": ["a=1", "b=2"]})))[1]
        assert headers["Set-Cookie"] == ["a=1", "b=2"]

    def test_own_headers_win_over_defaults(self) -> None:
        given_headers = {"date": "x", "SERVER": "y", "content-type": "text/html"}
        headers = split(head_bytes(Response("a", headers=given_headers)))[1]
        assert {name: headers[name] for name in given_headers} == {name: [v] for name, v in given_headers.items()}
        assert not {"Date", "Server", "Content-Type"} & set(headers)

    def test_an_empty_body_has_a_length_and_no_type(self) -> None:
        headers = split(head_bytes(Response()))[1]
        assert headers["Content-Length"] == ["0"] and "Content-Type" not in headers

    @pytest.mark.parametrize("status", [204, 304])
    @pytest.mark.parametrize("body", ["text", b"bytes", Stream()])
    def test_a_status_without_body_has_none(self, status: int, body: Any) -> None:
        response = Response(body, status)
        headers = split(head_bytes(response))[1]
        assert framing(response) is Framing.NONE and response.payload() == b""
        assert not {"Content-Length", "Transfer-Encoding", "Content-Type"} & set(headers)

    @pytest.mark.parametrize(
        ("response", "version", "expected", "header"),
        [
            (Response("abc"), "1.1", Framing.LENGTH, ("Content-Length", "3")),
            (Response("abc"), "1.0", Framing.LENGTH, ("Content-Length", "3")),
            (Response(Stream()), "1.1", Framing.CHUNKED, ("Transfer-Encoding", "chunked")),
            (Response(Stream()), "1.0", Framing.CLOSE, ("Connection", "close")),
            (Response(Stream(), content_length=5), "1.1", Framing.LENGTH, ("Content-Length", "5")),
            (Response(Stream(), content_length=0), "1.0", Framing.LENGTH, ("Content-Length", "0")),
        ],
    )
    def test_the_client_is_told_where_the_body_ends(
        self, response: Response, version: str, expected: Framing, header: tuple[str, str]
    ) -> None:
        headers = split(head_bytes(response, http_version=version))[1]
        assert framing(response, version) is expected
        assert headers[header[0]] == [header[1]]
        assert ("Content-Length" in headers) + ("Transfer-Encoding" in headers) + (expected is Framing.CLOSE) == 1

    def test_says_whether_the_connection_is_kept(self) -> None:
        assert split(head_bytes(Response(), keep_alive=False))[1]["Connection"] == ["close"]
        assert split(head_bytes(Response(), keep_alive=True, http_version="1.0"))[1]["Connection"] == ["keep-alive"]

    def test_a_status_without_a_name_has_none(self) -> None:
        assert head_bytes(Response(status=299)).startswith(b"HTTP/1.1 299 \r\n")

    @given(st.dictionaries(st.text(max_size=6), st.text(max_size=6) | st.lists(st.text(max_size=4)), max_size=3))
    def test_whatever_is_given_adds_its_own_lines_only(self, headers: dict[str, Any]) -> None:
        try:
            raw = head_bytes(Response(headers=headers))
        except ValueError:
            return
        given_lines = sum(1 if isinstance(value, str) else len(value) for value in headers.values())
        # Status line, Date, Server, Content-Length, Connection and the empty line, less what was given.
        own = 6 - len({"date", "server"} & {name.lower() for name in headers})
        assert raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r") == given_lines + own


class TestChunk:
    def test_pieces_are_framed_and_the_last_one_ends_them(self) -> None:
        assert chunk(b"x" * 26) + LAST_CHUNK == b"1a\r\n" + b"x" * 26 + b"\r\n0\r\n\r\n"

    def test_an_empty_piece_doesnt_end_the_body(self) -> None:
        assert chunk(b"") == b""


class TestRefusal:
    def test_is_one_line_and_closes(self) -> None:
        line, headers, body = split(refusal(HandshakeError(431, "too large")))
        assert line.startswith("HTTP/1.1 431 ") and body == b"too large\n"
        assert headers["Connection"] == ["close"] and headers["Content-Length"] == [str(len(body))]
        assert headers["Content-Type"] == ["text/plain; charset=utf-8"] and "Date" in headers

    def test_can_keep_the_connection(self) -> None:
        assert split(refusal(HandshakeError(404, "no"), keep_alive=True))[1]["Connection"] == ["keep-alive"]

    def test_has_no_body_behind_the_answer_to_head(self) -> None:
        """RFC 9110 section 9.3.2; the length is that of the body that GET would have."""
        whole = refusal(HandshakeError(405, "no"))
        assert refusal(HandshakeError(405, "no"), is_head=True) == whole.removesuffix(b"no\n")

    def test_has_the_errors_headers_and_one_connection_header(self) -> None:
        """RFC 9110 section 7.8: who sends Upgrade names it in Connection."""
        error = HandshakeError(426, "é", [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("A", "1"), ("A", "2")])
        _, headers, body = split(refusal(error))
        assert headers["Upgrade"] == ["websocket"] and headers["Connection"] == ["Upgrade, close"]
        assert headers["A"] == ["1", "2"] and body == "é\n".encode()

    def test_headers_cant_be_injected(self) -> None:
        with pytest.raises(ValueError, match="header"):
            refusal(HandshakeError(400, "a", [("X", "a\r\nY: b")]))

    def test_a_message_of_the_peers_words_stays_in_the_body(self) -> None:
        _, headers, body = split(refusal(HandshakeError(400, "a\r\n\r\nHTTP/1.1 200 OK \udcff")))
        assert headers["Content-Length"] == [str(len(body))]


def test_json_reads_what_as_response_wrote() -> None:
    value = {"é": ["\udcff", 1.5, None, True]}
    payload = as_response(value).payload()
    assert isinstance(payload, bytes) and json.loads(payload) == value
