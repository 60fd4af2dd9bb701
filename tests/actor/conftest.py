"""A runtime, and the events that it has emitted."""

from __future__ import annotations

from tests.support.fake_wire import runtime, seen

__all__ = ["runtime", "seen"]
