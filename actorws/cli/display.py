"""Display: how what is sent and received is shown at a terminal.

Rules owned here: a line begins with the time and with who says it, and what a server sent can look like neither: each
further line is indented, and what would act on the terminal is escaped. What is shown is bounded, whatever came. Must
not know colours, nor the terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import TypeAlias

from actorws.cli.display_escapes import parted
from actorws.cli.display_json import indented, why_no_json

__all__ = ["CAME", "SENT", "Display", "Line", "plain"]

#: Pairs of a kind, for which there is a colour, and a text.
Line: TypeAlias = list[tuple[str, str]]

CAME, SENT, ENDED = "←", "→", "■"
#: As wide as what a line begins with.
INDENT = " " * len("12:34:56.789 ← ")
#: Characters of a text, and bytes of a binary message, that are shown.
MAX_CHARACTERS, MAX_BYTES = 16 * 1024, 256
#: Characters of a text that is looked at for whether it is JSON: of one Python's parser takes 10 ms for each MiB.
MAX_JSON = 1024 * 1024
#: Bytes of a binary message in each line, and the most that go on the first.
WIDTH = 16


def plain(line: Line) -> str:
    """``line`` without colours."""
    return "".join(text for _, text in line)


class Display:
    """Lines for what happens, each with the time at which it is made."""

    def __init__(self, *, as_json: bool = False, now: Callable[[], datetime] = datetime.now) -> None:
        self._as_json = as_json
        self._now = now

    def received(self, message: str | bytes) -> Line:
        """A message of the server's."""
        if isinstance(message, bytes):
            return self._line(CAME, "binary", _binary(message))
        if self._as_json and len(message) <= MAX_JSON and why_no_json(message) is None:
            return self._line(CAME, "text", _cut(indented(message), len(message)))
        return self._line(CAME, "text", _text(message))

    def sent(self, message: str | bytes) -> Line:
        """A message of ours."""
        shown = _binary(message) if isinstance(message, bytes) else _text(message)
        return self._line(SENT, "sent", (("sent", text) for _, text in shown))

    def control(self, arrow: str, text: str) -> Line:
        """A ping or a pong."""
        return self._line(arrow, "control", [("control", text)])

    def ended(self, text: str, *, is_good: bool) -> Line:
        """The end of the connection."""
        kind = "end" if is_good else "error"
        return self._line(ENDED, kind, _as(kind, text))

    def note(self, text: str) -> Line:
        """What is said by nobody but us."""
        return [*_shown(_as("note", text))]

    def error(self, text: str) -> Line:
        """What was wrong with what was typed."""
        return [*_shown(_as("error", text))]

    def _line(self, arrow: str, kind: str, what: Iterable[tuple[str, str]]) -> Line:
        time = self._now().strftime("%H:%M:%S.%f")[:-3]
        return [("time", f"{time} "), (kind, f"{arrow} "), *_shown(what)]


def _as(kind: str, text: str) -> Line:
    return [(kind, text)]


def _shown(what: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Escaped, and indented behind each line break."""
    for kind, text in what:
        for number, part in enumerate(parted(text)):
            if part:
                yield "escape" if number % 2 else kind, part.replace("\n", "\n" + INDENT)


def _text(text: str) -> Line:
    return _cut([("text", text)], len(text))


def _cut(what: Iterable[tuple[str, str]], total: int) -> Line:
    """As much as is shown of something with ``total`` characters."""
    line: Line = []
    left = MAX_CHARACTERS
    for kind, text in what:
        line.append((kind, text[:left]))
        left -= len(text)
        if left < 0:
            return [*line, ("note", f" ... (cut: a text of {total:,} characters)")]
    return line


def _binary(data: bytes) -> Line:
    size = "1 byte" if len(data) == 1 else f"{len(data):,} bytes"
    if len(data) <= WIDTH:
        return [("binary", f"{size}{': ' if data else ''}{data.hex(' ')}")]
    rows = "".join(_row(data, at) for at in islice(range(0, len(data), WIDTH), MAX_BYTES // WIDTH))
    rest = "\n..." if len(data) > MAX_BYTES else ""
    return [("binary", f"{size}:{rows}{rest}")]


def _row(data: bytes, at: int) -> str:
    """As ``xxd`` and ``hexdump -C`` show it."""
    row = data[at : at + WIDTH]
    letters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
    return f"\n{at:04x}  {row.hex(' '):<{3 * WIDTH}} {letters}"
