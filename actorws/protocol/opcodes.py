"""Opcodes: the numbers of RFC 6455 section 5.2, and the bits that share their bytes.

Rule owned here: none but the numbers themselves.
"""

from __future__ import annotations

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "FIN",
    "FIN_BINARY",
    "FIN_TEXT",
    "MASKED",
    "PING",
    "PONG",
    "RSV1",
    "TEXT",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN = 0x80
#: "This message is compressed" (RFC 7692 section 6), where that was agreed to.
RSV1 = 0x40
MASKED = 0x80
FIN_TEXT, FIN_BINARY = FIN | TEXT, FIN | BINARY
