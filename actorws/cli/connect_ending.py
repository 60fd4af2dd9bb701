"""Ending: how a connection ended, in a sentence, and whether that was well.

Rule owned here: 1000, 1001 and no code are ends in good order, and so is our own Close, whatever becomes of it; all
else is a failure. Must not know who is told.
"""

from __future__ import annotations

from actorws.frames import CloseCode
from actorws.reasons import Error, Overflow, Reason, Remote, Stop, Timeout

__all__ = ["close_of", "in_words", "is_good"]

_GOOD = (CloseCode.NORMAL, CloseCode.GOING_AWAY, CloseCode.NO_STATUS)


def is_good(reason: Reason | None) -> bool:
    """Whether it ended well."""
    match reason:
        case Remote(code=code):
            return code in _GOOD
        case Stop() | Timeout(waited_for="close"):
            return True
    return False


def in_words(reason: Reason | None) -> str:
    """How it ended."""
    match reason:
        case Stop():
            return "closed"
        case Remote(code=CloseCode.ABNORMAL):
            return "the connection was lost: the server has gone without a Close"
        case Remote(code=CloseCode.NO_STATUS):
            return "the server closed the connection, without a code"
        case Remote(code=code, reason=words):
            return f"the server closed the connection with {_named(code)}" + (f": {words}" if words else "")
        case Timeout(waited_for="close"):
            return "the server didn't answer our Close"
        case Timeout():
            return "the connection was lost: the server gave no sign of life"
        case Error(exception=error):
            return f"the server broke the protocol: {error}"
        case Overflow(bound=bound):
            return f"the connection was closed: its {bound} was full"
    return f"the connection ended ({type(reason).__name__})"


def close_of(reason: Reason | None) -> tuple[int, str]:
    """The code and the reason of the server's Close, or what stands for one."""
    match reason:
        case Remote(code=code, reason=words):
            return int(code), words
        case Stop():
            return int(CloseCode.NORMAL), ""
    return int(CloseCode.ABNORMAL), in_words(reason)


def _named(code: int) -> str:
    try:
        return f"{int(code)} ({CloseCode(code).name.lower().replace('_', ' ')})"
    except ValueError:
        return str(code)
