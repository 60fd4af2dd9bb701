"""How what is sent and received is shown."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.cli.display import Display, plain
from actorws.cli.display_escapes import visible
from actorws.cli.display_json import indented, on_one_line, why_no_json

NOON = datetime(2026, 1, 2, 12, 0, 0, 7_900)
DISPLAY = Display(now=lambda: NOON)
AS_JSON = Display(as_json=True, now=lambda: NOON)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_a_line_begins_with_the_time_and_with_who_says_it() -> None:
    assert plain(DISPLAY.received("hi")) == "12:00:00.007 ← hi"
    assert plain(DISPLAY.sent("hi")) == "12:00:00.007 → hi"
    assert DISPLAY.received("hi") == [("time", "12:00:00.007 "), ("text", "← "), ("text", "hi")]
    assert {kind for kind, _ in DISPLAY.sent("hi")} == {"time", "sent"}


def test_further_lines_cannot_be_taken_for_others() -> None:
    assert plain(DISPLAY.received("a\n12:00:00.000 → b")) == "12:00:00.007 ← a\n               12:00:00.000 → b"


def test_escapes_can_be_told_from_text_that_looks_like_them() -> None:
    assert DISPLAY.received("\\x1b\x1b")[2:] == [("text", "\\x1b"), ("escape", "\\x1b")]


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", "0 bytes"),
        (b"\n", "1 byte: 0a"),
        (bytes(range(16)), "16 bytes: 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f"),
    ],
)
def test_few_bytes_are_on_the_line(data: bytes, shown: str) -> None:
    assert plain(DISPLAY.received(data)) == f"12:00:00.007 ← {shown}"


def test_more_bytes_are_dumped_and_many_are_cut() -> None:
    assert plain(DISPLAY.received(b"actorws\x1b" * 2 + b"!")).splitlines() == [
        "12:00:00.007 ← 17 bytes:",
        "               0000  61 63 74 6f 72 77 73 1b 61 63 74 6f 72 77 73 1b  actorws.actorws.",
        "               0010  21                                               !",
    ]
    lines = plain(DISPLAY.received(bytes(10_000))).splitlines()
    assert (len(lines), lines[0][-13:], lines[-1].strip()) == (18, "10,000 bytes:", "...")


@pytest.mark.parametrize("display", [DISPLAY, AS_JSON])
@pytest.mark.parametrize("text", ["x" * 1_000_000, json.dumps(list(range(150_000)))])
def test_a_long_text_is_cut(display: Display, text: str) -> None:
    shown = plain(display.received(text))
    assert shown.endswith(f" ... (cut: a text of {len(text):,} characters)")
    assert len(shown) < 20_000 * 10


def test_json_is_indented_where_it_is_and_wanted() -> None:
    text = '{"a":[1.10,{}],"b":null}'
    assert plain(DISPLAY.received(text)) == f"12:00:00.007 ← {text}"
    shown = " ".join(plain(AS_JSON.received(text)).split())
    assert shown == '12:00:00.007 ← { "a": [ 1.10, {} ], "b": null }'
    assert plain(AS_JSON.received("{a}")) == "12:00:00.007 ← {a}"


@given(anything, st.booleans())
def test_indented_json_is_the_same_and_looks_as_the_standard_library_writes_it(value: object, is_ascii: bool) -> None:
    """Of what has no escapes that only one of them writes."""
    compact = json.dumps(value, ensure_ascii=is_ascii)
    shown = "".join(text for _, text in indented(compact))
    assert shown == json.dumps(value, ensure_ascii=is_ascii, indent=2)


def test_the_kinds_of_json_are_told_apart() -> None:
    assert [kind for kind, _ in indented('{"a": ["b", -1e5, true, null]}')] == [
        *("sign", "key", "sign", "sign", "string", "sign", "number", "sign", "word", "sign", "word", "sign", "sign")
    ]


@pytest.mark.parametrize("text", ["", "nope", "NaN", "[1,]", "'a'", '"a\nb"', "[" * 100_000, "01"])
def test_what_is_no_json_has_a_reason(text: str) -> None:
    assert why_no_json(text) is not None


def test_numbers_are_not_made_to_be_judged() -> None:
    """Python refuses to make an ``int`` of so many digits."""
    assert why_no_json("1" * 10_000) is None


@given(anything)
def test_json_on_one_line_means_the_same(value: object) -> None:
    line = on_one_line(json.dumps(value, indent=1))
    assert "\n" not in line and json.loads(line) == value


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_visible_has_nothing_that_acts(text: str) -> None:
    kinds = [unicodedata.category(character) for character in visible(text) if character not in "\t\n"]
    assert not {"Cc", "Cs", "Zl", "Zp"} & set(kinds)


@pytest.mark.parametrize("character", ["\x00", "\x07", "\r", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\ud800"])
def test_a_character_that_acts_is_escaped(character: str) -> None:
    assert visible(f"a{character}b") == f"a{character.encode('unicode_escape').decode()}b"


def test_letters_of_all_languages_are_left_alone() -> None:
    text = "naïve 日本語 עברית हिन्दी 🦆\ttab\nline"
    assert visible(text) == text
