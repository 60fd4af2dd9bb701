"""Text that is not UTF-8, in every shape: 1007, and as soon as it can be known (RFC 6455 section 8.1)."""

from __future__ import annotations

import pytest

from tests.support.attacker import FIN, attacker, head, naming, refuses
from tests.support.faults import MiB, Target
from tests.support.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

NOT_UTF8 = 1007
INVALID = {
    "a byte that never occurs": b"ok \xff",
    "a lone continuation byte": b"\x80",
    "an overlong slash": b"\xc0\xaf",
    "an overlong slash in three bytes": b"\xe0\x80\xaf",
    "an overlong NUL": b"\xc0\x80",
    "an overlong U+FFFF": b"\xf0\x8f\xbf\xbf",
    "half of a pair of surrogates": b"\xed\xa0\x80",
    "both halves": b"\xed\xa0\x80\xed\xb0\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "something else in a character": b"\xe2\x82x",
}
CUT = {"after one byte": b"\xe2", "after two": b"\xe2\x82", "after three": b"text \xf0\x9f\x98"}
VALID = {
    "the first and the last of each length": "\0\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff",
    "beside the surrogates": "\ud7ff\ue000",
    "noncharacters": "\ufffe\uffff\U0001fffe",
}


async def test_a_message_that_is_not_utf8_is_refused(shared_target: Target) -> None:
    async with shared_target.unharmed():
        await refuses(shared_target, NOT_UTF8, {name: frame(TEXT, text) for name, text in (INVALID | CUT).items()})


async def test_one_fragment_is_enough_to_know(shared_target: Target) -> None:
    """The message isn't finished; whatever came behind would not make it text."""
    cases = {name: frame(TEXT, text, fin=False) for name, text in INVALID.items()}
    for name, text in INVALID.items():
        cases[f"{name}, in two fragments"] = b"".join(
            (frame(TEXT, text[:1], fin=False), frame(CONTINUATION, text[1:], fin=False))
        )
    del cases["a lone continuation byte, in two fragments"]  # it is its first fragment alone
    async with shared_target.unharmed():
        await refuses(shared_target, NOT_UTF8, cases)


async def test_a_character_that_is_cut_at_the_end_of_a_message_is_refused(shared_target: Target) -> None:
    cases = {
        name: frame(TEXT, b"begin", fin=False) + frame(CONTINUATION, text, fin=False) + frame(CONTINUATION)
        for name, text in CUT.items()
    }
    async with shared_target.unharmed():
        await refuses(shared_target, NOT_UTF8, cases)


@pytest.mark.parametrize("size", [100, 5000, 1_000_000])
async def test_part_of_a_frame_is_enough_to_know(shared_target: Target, size: int) -> None:
    """Nothing of a frame comes any more but the bytes that are wrong."""
    async with shared_target.unharmed():
        for name, text in INVALID.items():
            for begin in (head(FIN | TEXT, size), frame(TEXT, b"\xe2\x82", fin=False) + head(FIN | CONTINUATION, size)):
                with naming(name):
                    async with attacker(shared_target.port) as client:
                        await client.send(begin + b"\xac"[: begin[0] ^ (FIN | TEXT)] + b"valid" + text)
                        await client.told(NOT_UTF8)
        await shared_target.answers()


async def test_the_reason_of_a_close_is_text_too(shared_target: Target) -> None:
    cases = {name: frame(CLOSE, b"\x03\xe8" + text) for name, text in (INVALID | CUT).items()}
    async with shared_target.unharmed():
        await refuses(shared_target, NOT_UTF8, cases)


async def test_text_is_valid_wherever_it_is_cut(shared_target: Target) -> None:
    """Inside of a character as well, and with pings between the pieces."""
    async with shared_target.unharmed(), attacker(shared_target.port) as client:
        for name, text in VALID.items():
            whole = text.encode()
            for cut in range(len(whole) + 1):
                with naming(f"{name}, cut at {cut}"):
                    await client.send(frame(TEXT, whole[:cut], fin=False) + frame(PING))
                    await client.send(frame(CONTINUATION, fin=False) + frame(CONTINUATION, whole[cut:]))
                    assert await client.frame() == (PONG, b"")
                    assert await client.frame() == (TEXT, whole)
        await shared_target.answers()
        await client.close()


async def test_what_is_no_text_may_be_anything(shared_target: Target) -> None:
    """Binary messages and pings come back as they are."""
    async with shared_target.unharmed(), attacker(shared_target.port) as client:
        for name, data in (INVALID | CUT).items():
            with naming(name):
                await client.send(frame(BINARY, data) + frame(PING, data))
                assert {await client.frame(), await client.frame()} == {(BINARY, data), (PONG, data)}
        await client.close()


async def test_what_was_refused_is_not_kept(target: Target) -> None:
    """A megabyte each, wrong at its very end."""
    async with target.unharmed():
        with target.memory_bound(8 * MiB):
            for _ in range(30):
                async with attacker(target.port) as client:
                    await client.send(head(FIN | TEXT, MiB) + bytes(MiB - 1) + b"\xff")
                    await client.told(NOT_UTF8)
            await target.answers()
