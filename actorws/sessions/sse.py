"""Server-sent events: messages and control messages as events (PROTOCOL.md, section 3; WHATWG HTML, section 9.2).

Rules owned here: a text comes out of a browser's parser as it went in: LF makes lines, and what has a CR, which would
make another, goes as JSON. Must not know who gets them, nor how they are framed.
"""

from __future__ import annotations

import json
import re
from binascii import b2a_base64

from actorws.sessions.outbox import Message

__all__ = ["COMMENT", "END", "event", "last_event", "named_event"]

#: Says nothing, to show that we are there.
COMMENT = b":\n\n"
#: Behind the id of a session: there is nothing more to come for.
END = "end"
_COUNT = re.compile(r"[0-9]{1,16}")


def event(message: Message) -> bytes:
    """A message as an event, but for its ``id``, which is another one for each client and stands before it."""
    if not isinstance(message, str):
        return b"event: binary\ndata: %b\n\n" % b2a_base64(message, newline=False)
    if "\r" in message:
        return b"event: json\ndata: %b\n\n" % json.dumps(message, ensure_ascii=False).encode()
    return b"data: %b\n\n" % message.encode().replace(b"\n", b"\ndata: ")


def named_event(name: str, said: str) -> bytes:
    """What ``control`` has made, as the event ``name``."""
    return f"event: {name}\ndata: {said}\n\n".encode()


def last_event(value: str) -> tuple[str, int | None] | None:
    """The session and the number of the last event that a ``Last-Event-ID`` names; ``None`` for one that is not ours.

    The number is ``None`` where the client has had the end of its session.
    """
    session, _, count = value.rpartition(".")
    if not session or (count != END and not _COUNT.fullmatch(count)):
        return None
    return session, None if count == END else int(count)
