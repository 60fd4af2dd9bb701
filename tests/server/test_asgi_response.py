"""ASGI responses: an app's messages in, the bytes of an answer out."""

from __future__ import annotations

from typing import Any

import pytest

from actorws.server.asgi_response import AsgiResponse


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def answer(*messages: dict[str, Any], method: str = "GET", version: str = "1.1", keep_alive: bool = True) -> Any:
    """The head's lines and the bytes behind it."""
    response = AsgiResponse(is_head=method == "HEAD", http_version=version)
    data = b"".join(response.take(message, keep_alive=keep_alive) for message in messages)
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    return [line for line in lines if not line.startswith(("Date:", "Server:"))], rest


def test_the_head_waits_for_the_first_message_of_the_body() -> None:
    response = AsgiResponse(is_head=False, http_version="1.1")
    assert response.take(start()) == b""
    assert not response.begun
    assert response.take(body(b"a", more=True)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert response.begun and not response.complete


def test_a_body_that_comes_at_once_has_its_length_and_needs_no_chunks() -> None:
    assert answer(start(), body(b"hello")) == (
        ["HTTP/1.1 200 OK", "Content-Length: 5", "Connection: keep-alive"],
        b"hello",
    )


def test_a_body_in_pieces_of_unknown_length_is_chunked() -> None:
    lines, rest = answer(start(201), body(b"hello", more=True), body(b"", more=True), body(b"!"))
    assert lines == ["HTTP/1.1 201 Created", "Transfer-Encoding: chunked", "Connection: keep-alive"]
    assert rest == b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"


def test_to_http_1_0_a_body_of_unknown_length_ends_with_the_connection() -> None:
    lines, rest = answer(start(), body(b"a", more=True), body(b"b"), version="1.0")
    assert lines == ["HTTP/1.1 200 OK", "Connection: close"]
    assert rest == b"ab"


def test_a_content_length_is_kept_and_its_body_sent_as_it_is() -> None:
    lines, rest = answer(start(200, (b"content-length", b"3")), body(b"ab", more=True), body(b"c"))
    assert lines == ["HTTP/1.1 200 OK", "Content-Length: 3", "Connection: keep-alive"]
    assert rest == b"abc"


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([body(b"abcd")], "longer"),
        ([body(b"abc", more=True), body(b"d", more=True)], "longer"),
        ([body(b"ab")], "ended 1 bytes before"),
        ([body(b"ab", more=True), body()], "ended 1 bytes before"),
    ],
)
def test_a_body_of_another_length_than_announced_is_refused(messages: list[Any], words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        answer(start(200, (b"content-length", b"3")), *messages)


def test_a_refused_piece_leaves_the_response_as_it_was() -> None:
    response = AsgiResponse(is_head=False, http_version="1.1")
    response.take(start(200, (b"content-length", b"3")))
    with pytest.raises(RuntimeError):
        response.take(body(b"abcd"))
    assert response.take(body(b"abc")).endswith(b"\r\n\r\nabc")


def test_headers_keep_their_order_and_duplicates() -> None:
    cookies = [(b"set-cookie", b"a=1"), (b"x-b", b"\xe9"), (b"set-cookie", b"b=2")]
    assert answer(start(200, *cookies), body())[0][1:4] == ["set-cookie: a=1", "x-b: \xe9", "set-cookie: b=2"]


@pytest.mark.parametrize("name", [b"Connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"proxy-connection"])
def test_headers_of_a_hop_are_ours(name: bytes) -> None:
    lines, rest = answer(start(200, (name, b"chunked")), body(b"a"))
    assert lines == ["HTTP/1.1 200 OK", "Content-Length: 1", "Connection: keep-alive"]
    assert rest == b"a"


def test_an_app_may_end_the_connection() -> None:
    assert answer(start(200, (b"connection", b"x, Close")), body(b"a"))[0][-1] == "Connection: close"


def test_a_server_that_goes_away_ends_the_connection() -> None:
    assert answer(start(), body(b"a"), keep_alive=False)[0][-1] == "Connection: close"


def test_date_and_server_are_added_unless_the_app_has_its_own() -> None:
    response = AsgiResponse(is_head=False, http_version="1.1")
    response.take(start(200, (b"date", b"today"), (b"server", b"mine")))
    head = response.take(body())
    assert head.count(b"ate: ") == 1 and b"date: today\r\nserver: mine\r\n" in head


def test_to_head_the_answer_is_the_same_without_its_body() -> None:
    lines, rest = answer(start(200, (b"content-length", b"5")), body(b"hello"), method="HEAD")
    assert lines == ["HTTP/1.1 200 OK", "Content-Length: 5", "Connection: keep-alive"]
    assert rest == b""


def test_to_head_a_body_that_the_app_leaves_out_is_not_too_short() -> None:
    assert answer(start(200, (b"content-length", b"5")), body(), method="HEAD")[1] == b""


def test_to_head_nothing_is_said_of_a_length_that_nobody_knows() -> None:
    assert answer(start(), body(b"", more=True), body(), method="HEAD")[0] == [
        "HTTP/1.1 200 OK",
        "Connection: keep-alive",
    ]


def test_204_has_neither_body_nor_length() -> None:
    lines, rest = answer(start(204, (b"content-length", b"0")), body(b"ignored"))
    assert lines == ["HTTP/1.1 204 No Content", "Connection: keep-alive"]
    assert rest == b""


def test_304_may_say_the_length_of_what_it_stands_for_and_has_no_body() -> None:
    lines, rest = answer(start(304, (b"content-length", b"9")), body())
    assert lines == ["HTTP/1.1 304 Not Modified", "Content-Length: 9", "Connection: keep-alive"]
    assert rest == b""


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([body()], "http.response.start"),
        ([start(), start()], "http.response.body"),
        ([start(), body(), body()], "nothing more"),
        ([start(), body(), start()], "nothing more"),
        ([{"type": "http.response.trailers"}], "http.response.start"),
    ],
)
def test_a_message_out_of_order_raises_and_says_what_was_expected(messages: list[Any], expected: str) -> None:
    with pytest.raises(RuntimeError, match=expected):
        answer(*messages)


@pytest.mark.parametrize(
    "message",
    [
        start(101),
        start(600),
        {"type": "http.response.start", "status": "200"},
        start(200, (b"bad name", b"a")),
        start(200, (b"x", b"a\r\nb: c")),
        start(200, (b"content-length", b"five")),
        start(200, (b"content-length", b"-1")),
        start(200, (b"content-length", b"5"), (b"content-length", b"6")),
    ],
)
def test_a_head_that_cant_be_sent_raises(message: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        answer(message)


def test_a_body_that_is_no_bytes_raises() -> None:
    with pytest.raises(TypeError, match="'text'"):
        answer(start(), {"type": "http.response.body", "body": "text"})
