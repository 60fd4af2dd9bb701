"""The targets by name: functions that take any bytes, and raise where the package disagrees with an oracle."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.decoding import decoder, frames
from tests.fuzz.deflating import deflate
from tests.fuzz.encoding import encoder
from tests.fuzz.handshakes import handshake
from tests.fuzz.heads import head

__all__ = ["TARGETS"]

TARGETS: dict[str, Callable[[bytes], None]] = {
    "decoder": decoder,
    "frames": frames,
    "encoder": encoder,
    "deflate": deflate,
    "head": head,
    "handshake": handshake,
}
