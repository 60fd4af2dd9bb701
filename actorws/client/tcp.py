"""TCP: a connection to a host, and what it means if there is none.

Rule owned here: what the system or a resolver says becomes a few words that somebody who has never read ``errno.h``
understands. Must not know whose connection it is.
"""

from __future__ import annotations

import errno
import socket as _socket

__all__ = ["why_not"]

_WORDS = {
    errno.EACCES: "this system doesn't allow it",
    errno.EADDRNOTAVAIL: "this system has no address or port left to connect from",
    errno.ECONNREFUSED: "nobody listens there (connection refused)",
    errno.ECONNRESET: "the connection was reset",
    errno.EHOSTUNREACH: "there is no way to its host",
    errno.EMFILE: "too many open files (see ulimit -n)",
    errno.ENETUNREACH: "there is no way to its network",
    errno.ENFILE: "this system has too many open files",
    errno.ENOENT: "there is no such socket",
    errno.ENOTCONN: "it doesn't keep up with those who connect to it",
    errno.ENOTSOCK: "that is no socket",
    errno.EPERM: "this system doesn't allow it",
    errno.ETIMEDOUT: "nobody answers there",
}
#: What one of a host's addresses may be where the others are of more interest: IPv6, on most machines.
_IDLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def why_not(error: OSError, host: str) -> str:
    """Why there is no connection to ``host``, or to a socket of this machine."""
    if isinstance(error, _socket.gaierror):
        return f"the name {host} can't be resolved ({error.strerror})"
    causes = sorted(_leaves(error), key=lambda cause: cause.errno in _IDLE)
    if not causes:
        return str(error)
    return _WORDS.get(causes[0].errno or 0) or causes[0].strerror or str(causes[0])


def _leaves(error: BaseException | None) -> list[OSError]:
    """What each of a host's addresses said, as trio gathers it."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in _leaves(one)]
    if isinstance(error, OSError) and error.errno:
        return [error]
    return [] if error is None else _leaves(error.__cause__)
