"""Forms: what the heads of many handshakes have in common, looked at once and kept once.

Clients of a kind say the same but for ``Sec-WebSocket-Key``, which is another each time. What is parsed and decided of
one such head holds for all of them: 9 us of a handshake become 1 us where crowds of clients come and go. And of each
connection that is open no more is kept than its key, as a number: 48 bytes instead of 240.

Rules owned here: two heads have the same form only if they are the same bytes but for one well-formed key; what is in
them is kept here as a copy. Heads with cookies or credentials, which are one client's alone, are not; the others are
bounded in number and size, as clients choose them. Must not know what is decided.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from typing import TYPE_CHECKING, Final

from actorws.protocol.head import Head, PackedHead, parse_head

if TYPE_CHECKING:
    from actorws.config import Handshake

__all__ = ["FORMS", "MAX_SIZE", "Form", "Forms"]

#: Forms that are known at a time, and bytes of a head that may have one: a MiB at worst, if all have 100 headers.
FORMS: Final = 64
MAX_SIZE: Final = 1024
#: The one header that is another in each handshake, 16 bytes in base64; as clients write it, and proxies.
_KEY_LINE = re.compile(rb"\r\n[Ss]ec-[Ww]eb[Ss]ocket-[Kk]ey: ([A-Za-z0-9+/]{22}==)\r\n")
_KEY: Final = "sec-websocket-key"
_KEY_SIZE: Final = 24
_PERSONAL = re.compile(rb"\r\n(?:cookie|authorization):", re.IGNORECASE)


class Form:
    """What heads have in common that differ in their keys only: GETs of HTTP/1.1 that ask for a WebSocket."""

    __slots__ = ("_around", "_headers", "_key_at", "allowed_by", "is_handshake", "path")

    def __init__(self, head: Head, around: tuple[bytes, bytes]) -> None:
        """``around``: what is before and behind the key of ``head``."""
        self._around = around
        # A copy: the original is for the behaviour of the client whose head it is.
        self._headers = dict(head.headers)
        self._key_at = len(around[0])
        self.path = head.path
        """As ``Head.path``."""
        self.is_handshake = False
        """Whether ``handshake.check`` has passed such a head."""
        self.allowed_by: Handshake | None = None
        """The options by which such a head's host and origin were allowed last."""

    def get(self, raw: bytes, name: str, default: str | None) -> str | None:
        """As ``Head.get``, of the head ``raw``."""
        if name == _KEY:
            return raw[self._key_at : self._key_at + _KEY_SIZE].decode("ascii")
        return self._headers.get(name, default)

    def unpacked(self, key: int | None) -> Head:
        """The head that has ``key``."""
        assert key is not None
        return Head(_written(key.to_bytes(16, "big")).join(self._around), self)


class Forms:
    """Those that a server knows. The oldest makes room for a new one."""

    __slots__ = ("_by_bytes", "_max_headers")

    def __init__(self, max_headers: int) -> None:
        """``max_headers`` is for ``parse_head``."""
        self._max_headers = max_headers
        #: By what is before and behind the key.
        self._by_bytes: dict[tuple[bytes, bytes], Form] = {}

    def __len__(self) -> int:
        return len(self._by_bytes)

    def read(self, raw: bytes) -> Head:
        """The head in ``raw``, as ``parse_head`` gives it, which is asked once for all heads of a form."""
        key = _KEY_LINE.search(raw)
        if key is None or len(raw) > MAX_SIZE:
            return parse_head(raw, self._max_headers)
        start, end = key.span(1)
        around = raw[:start], raw[end:]
        form = self._by_bytes.get(around)
        if form is not None:
            return Head(raw, form)
        head = parse_head(raw, self._max_headers)
        if _has_form(head):
            self._add(around, Form(head, around))
        return head

    def pack(self, head: Head, key: str) -> tuple[Form | PackedHead, int | None]:
        """What to keep of a handshake: its form, which makes a head of the number beside it, or all of it.

        ``key`` is its key, as ``handshake.check`` returns it.
        """
        if head.form is not None and _written(value := a2b_base64(key)) == key.encode("ascii"):
            return head.form, int.from_bytes(value, "big")
        # Else there are bits in its last digit that don't count (RFC 4648 section 3.5), and would not come back.
        return PackedHead(head.raw), None

    def _add(self, around: tuple[bytes, bytes], form: Form) -> None:
        if len(self._by_bytes) == FORMS:
            del self._by_bytes[next(iter(self._by_bytes))]
        self._by_bytes[around] = form


def _has_form(head: Head) -> bool:
    """Whether others may say the same, in a plain handshake: with no body, and one key."""
    if _PERSONAL.search(head.raw) or head.method != "GET" or head.http_version != "1.1" or head.body_length != 0:
        return False
    return head.is_upgrade and head.count(_KEY) == 1


def _written(value: bytes) -> bytes:
    return b2a_base64(value, newline=False)
