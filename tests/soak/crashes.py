"""Crashes on demand: in which ways a callback of the soaked server fails, each with a number that tells it from others.

Rule owned here: how a crash's number stands in the log, ``boom! 17``. Must not know who asks for crashes.
"""

from __future__ import annotations

__all__ = ["WAYS", "Boom", "crash", "mark"]

#: Ways to fail; ``return`` is to return what is no answer.
WAYS = ("error", "memory", "exit", "group", "deep", "return")


class Boom(Exception):
    """Raised because a client wanted it."""


def mark(number: int) -> str:
    """What the log says about a crash."""
    return f"boom! {number}"


def crash(way: str, number: int) -> str:
    """Fail; returns if that is the way."""
    match way:
        case "error":
            raise Boom(mark(number))
        case "memory":
            raise MemoryError(mark(number))
        case "exit":
            raise SystemExit(mark(number))
        case "group":
            raise ExceptionGroup("nursery", [Boom(mark(number))])
        case "deep":
            _too_deep(number)
    return mark(number)


def _too_deep(number: int) -> None:
    try:
        _too_deep(number)
    except RecursionError:
        raise RecursionError(mark(number)) from None
