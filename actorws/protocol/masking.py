"""Masking of payloads (RFC 6455 section 5.3), by ``websockets``' C code with its pure Python fallback.

Rule owned here: the one import of that library's masking. Must not know what is masked.
"""

from __future__ import annotations

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - a platform without the compiled wheel
    from websockets.utils import apply_mask

__all__ = ["apply_mask", "rotate"]


def rotate(key: bytes, offset: int) -> bytes:
    """The key to use for a piece of a payload that begins ``offset`` bytes into it."""
    shift = offset & 3
    return key[shift:] + key[:shift]
