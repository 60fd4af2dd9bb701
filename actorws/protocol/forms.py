"""Forms: the heads of handshakes, kept in few bytes while the connections are open.

Rule owned here: what most clients of a kind say alike (the same app or browser, with the same headers) is kept once,
and of each connection only its key (RFC 6455 section 4.1), as a number. What no other has said is kept as it came.
Must not know connections.

A head of 200 bytes takes 240 as it came, and 48 as a key.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

from actorws.protocol.head import Head, PackedHead

__all__ = ["Form", "Forms"]

#: Forms that are remembered, and bytes of one at most: a client with a cookie mostly has a form of its own.
MOST, LONGEST = 256, 1024
#: Stands in the place of the key. A head can't have it.
GAP = b"\0"


class Form(bytes):
    """A head without its key."""

    __slots__ = ()

    def unpacked(self, key: int | None) -> Head:
        """The head with ``key``."""
        assert key is not None
        return Head(self.replace(GAP, _written(key.to_bytes(16, "big")), 1))


class Forms:
    """Those seen lately."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[bytes, Form] = {}

    def pack(self, head: Head, key: str) -> tuple[Form | PackedHead, int | None]:
        """What to keep of a handshake: its form, which makes a head of the number beside it, or all of it.

        ``key`` is its key, as ``handshake.check`` returns it.
        """
        written = key.encode("ascii")
        form = head.raw.replace(written, GAP, 1)
        known = self._seen.get(form)
        if known is None:
            self._remember(form)
        elif _written(value := a2b_base64(written)) == written:
            return known, int.from_bytes(value, "big")
        # Else there are bits in its last digit that don't count (RFC 4648 section 3.5), and would not come back.
        return PackedHead(head.raw), None

    def _remember(self, form: bytes) -> None:
        if len(form) <= LONGEST:
            if len(self._seen) == MOST:
                self._seen.clear()
            self._seen[form] = Form(form)


def _written(value: bytes) -> bytes:
    return b2a_base64(value, newline=False)
