"""Typed: what a line typed at the prompt asks for.

Rule owned here: what can't be meant is told before anything is sent, and what begins with a slash is never sent by
accident. Must not know how anything is done.
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from actorws.cli.display_json import why_no_json
from actorws.frames import Close

__all__ = ["COMMANDS", "Help", "PingAsked", "SendFile", "Typed", "TypedWrong", "understand"]

COMMANDS = {
    "/ping": "how long the way to the server and back takes",
    "/binary 0a ff": "send bytes, in hex",
    "/file PATH": "send a file: as text if it is UTF-8, else as binary",
    "/close 1000 bye": "close, with a code and a reason if you like",
    "/help": "this",
    "//text": "send /text",
    "Ctrl-R": "look for what was typed before (or up and down)",
    "Ctrl-D": "close; Ctrl-C, too, and again: at once",
}


class TypedWrong(ValueError):
    """What was typed can't be meant."""

    def __init__(self, why: str, position: int | None = None) -> None:
        super().__init__(why)
        self.position = position
        """Of the character at which it is wrong, if it is one."""


@frozen
class PingAsked:
    """Ping the server."""


@frozen
class Help:
    """Say what can be typed."""


@frozen
class SendFile:
    """Send a file's content."""

    path: str


#: A message to send, or what else is to be done.
Typed: TypeAlias = str | bytes | PingAsked | Close | Help | SendFile


def understand(line: str, *, as_json: bool = False, as_binary: bool = False) -> Typed | None:
    """What ``line`` asks for, if for anything. Raises ``TypedWrong``."""
    if not line.strip():
        return None
    if line.startswith("/") and not line.startswith("//"):
        return _command(line)
    text = line[1:] if line.startswith("/") else line
    if as_json:
        wrong = why_no_json(text)
        if wrong is not None:
            raise TypedWrong(f"not JSON: {wrong[0]}", wrong[1])
    return _encoded(text) if as_binary else text


def _command(line: str) -> Typed:
    word, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if word in ("/ping", "/help") and rest:
        raise TypedWrong(f"{word} has nothing behind it")
    match word:
        case "/ping":
            return PingAsked()
        case "/help":
            return Help()
        case "/binary":
            return _from_hex(rest)
        case "/file":
            if not rest:
                raise TypedWrong("/file expects the path of a file")
            return SendFile(rest)
        case "/close":
            return _close(rest)
    raise TypedWrong(f"there is no {word} (/help tells what there is; to send it: /{word})")


def _from_hex(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise TypedWrong("/binary expects bytes in hex, two digits each, such as 0a ff") from None


def _close(rest: str) -> Close:
    code, _, reason = rest.partition(" ")
    if code and not (code.isascii() and code.isdigit() and len(code) < 9):
        raise TypedWrong(f"/close expects a code, such as 1000, and then the reason, not {code!r}")
    try:
        return Close(int(code or 1000), reason.strip())
    except ValueError as error:
        raise TypedWrong(str(error)) from None


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TypedWrong("it can't be written in UTF-8", error.start) from None
