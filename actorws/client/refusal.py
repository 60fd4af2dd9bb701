"""Refusal: a server's answer to a handshake that isn't 101, as the error that it is.

Rule owned here: of what a server says, only what can't do harm becomes part of a sentence, or time to wait. Must not
know how it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from actorws.exceptions import ConnectError, NotWebsocket, Rejected
from actorws.protocol.response import ResponseReader
from actorws.protocol.url import Target

__all__ = ["printable", "refusal", "retry_after"]

#: Seconds of ``Retry-After`` that are heeded: nobody may send a client to sleep for a year.
LONGEST_RETRY_AFTER = 3600.0
#: Bytes of a refusal's body that are part of the error's sentence.
QUOTED = 200


def refusal(target: Target, answer: ResponseReader) -> ConnectError:
    """The error for ``answer``, whose status is none of 101."""
    if answer.status < 300:
        return NotWebsocket(
            target.shown, f"it answered {answer.status}, as to any request, instead of 101: there is no WebSocket"
        )
    why, text = f"it answered {answer.status}", _quoted(answer)
    if text:
        why += f" ({text})"
    return Rejected(target.shown, answer.status, answer.headers, answer.body, why, retry_after(answer.headers))


def _quoted(answer: ResponseReader) -> str:
    """What a server's refusal says in plain text, in one line."""
    if not answer.headers.get("content-type", "").lower().startswith("text/plain"):
        return ""
    return printable(" ".join(answer.body[:QUOTED].decode(errors="replace").split()))


def printable(text: str) -> str:
    """``text`` with nothing in it that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a ``Retry-After`` (RFC 9110 section 10.2.3), at most an hour; ``None`` if there is none to heed."""
    value = headers.get("retry-after", "")
    try:
        if value.isascii() and value.isdigit():
            seconds = float(value)
        else:
            # By the server's own clock: ours may be another.
            seconds = (parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
