"""What a line typed at the prompt asks for."""

from __future__ import annotations

import pytest

from actorws.cli.connect_typed import COMMANDS, Help, PingAsked, SendFile, TypedWrong, understand
from actorws.frames import Close


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("hello", "hello"),
        (" spaces stay ", " spaces stay "),
        ("", None),
        ("  ", None),
        ("//text", "/text"),
        ("///text", "//text"),
        ("/ping", PingAsked()),
        ("/ping ", PingAsked()),
        ("/help", Help()),
        ("/binary", b""),
        ("/binary 0a FF", b"\x0a\xff"),
        ("/binary 0aff", b"\x0a\xff"),
        ("/file a b.txt", SendFile("a b.txt")),
        ("/close", Close(1000)),
        ("/close 4000", Close(4000)),
        ("/close 1001  good bye ", Close(1001, "good bye")),
    ],
)
def test_what_can_be_meant(line: str, meant: object) -> None:
    assert understand(line) == meant


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/", "there is no / "),
        ("/pong", "there is no /pong (/help tells what there is; to send it: //pong)"),
        ("/ping me", "/ping has nothing behind it"),
        ("/binary 0", "/binary expects bytes in hex"),
        ("/binary xy", "/binary expects bytes in hex"),
        ("/file", "/file expects the path of a file"),
        ("/close bye", "/close expects a code, such as 1000, and then the reason, not 'bye'"),
        ("/close 1005", "code 1005 may not be sent"),
        ("/close 1000 " + "x" * 124, "reason is 124 bytes"),
    ],
)
def test_what_cannot_be_meant_is_told(line: str, why: str) -> None:
    with pytest.raises(TypedWrong) as wrong:
        understand(line)
    assert why in str(wrong.value)


def test_json_is_judged_with_the_place_where_it_goes_wrong() -> None:
    assert understand('{"a": 1}', as_json=True) == '{"a": 1}'
    with pytest.raises(TypedWrong, match="not JSON: expecting value") as wrong:
        understand("[1, nope]", as_json=True)
    assert wrong.value.position == 4
    assert understand("/ping", as_json=True) == PingAsked()


def test_binary_is_what_utf_8_makes_of_it() -> None:
    assert understand("é", as_binary=True) == b"\xc3\xa9"
    with pytest.raises(TypedWrong, match="UTF-8"):
        understand("\udcff", as_binary=True)


def test_all_that_is_listed_can_be_meant() -> None:
    for line in COMMANDS:
        if line.startswith("/"):
            assert understand(line) is not None
