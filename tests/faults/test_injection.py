"""Injection: what a client says and user code repeats stays where it was put."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.support.faults import Target
from tests.support.requests import let_in, refused
from tests.support.wire import handshake

#: What a header must not contain, wherever it is from: it would end there, and another begin.
INJECTIONS = (
    "a\r\nX-Owned: yes",
    "a\nX-Owned: yes",
    "a\rX-Owned: yes",
    "a\r\n\r\nHTTP/1.1 200 OK\r\nX-Owned: yes\r\n\r\n",
    "a\0b",
    "a\x0bb",
    "\u560d\u560aX-Owned: yes",
)


@pytest.mark.parametrize(
    "path", ["/telling?say=", "/naming?name=", "/telling-later/", "/refusing?say=", "/raising?say=", "/tell?say="]
)
async def test_nothing_can_be_injected_into_a_response(guarded: Target, path: str) -> None:
    """Not into the 101, not into a refusal, not into plain HTTP: user code that tries is answered with a 500."""
    cases = {repr(text): (handshake(path + quote(text)), 500) for text in INJECTIONS}
    async with guarded.unharmed(log_lines=2 * len(cases)):
        for response in (await refused(guarded, cases)).values():
            assert "x-owned" not in response.headers and response.body == b"internal server error\n"


async def test_what_is_harmless_is_repeated(guarded: Target) -> None:
    async with guarded.unharmed():
        cases = {text: handshake("/telling?say=" + quote(text)) for text in ("a", 'a: b; c="d"', "caf\xe9", "a\tb", "")}
        for text, response in (await let_in(guarded, cases)).items():
            assert response.headers["x-said"] == text
