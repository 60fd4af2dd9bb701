"""Complaints: what is said when the command can't be carried out.

Rule owned here: one line, whatever it quotes, that names the address or the argument and what was wrong with it, and
that does nothing to the terminal. Must not know what was tried.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from contextlib import suppress

from actorws.cli.display_escapes import visible

__all__ = ["FAILURE_STATUS", "INTERRUPTED_STATUS", "USAGE_STATUS", "complain", "tell", "why_not_listening"]

#: The exit status for what the person at the terminal can mend.
USAGE_STATUS = 2
#: For what nobody at the terminal has done wrong.
FAILURE_STATUS = 1
#: After Ctrl-C, as a shell reports it.
INTERRUPTED_STATUS = 128 + signal.SIGINT


def complain(message: str, status: int = USAGE_STATUS) -> int:
    """Say it; returns the exit status."""
    tell(" ".join(message.split()))
    return status


def tell(line: str) -> None:
    """Say it, to whoever still reads it."""
    with suppress(OSError):
        if sys.stderr is not None:  # what is closed is None, and with that, print would take stdout
            print("actorws:", visible(line), file=sys.stderr)


def why_not_listening(error: OSError | UnicodeError, port: int | None, host: str = "", unix: str | None = None) -> str:
    """One line about what the system said when it was asked for the address."""
    if isinstance(error, UnicodeError):
        return f"the host {host!r} is not a host name"
    if isinstance(error, socket.gaierror):
        return f"the host {host!r} can't be resolved: {error.strerror}"
    # Of several addresses the error names the one it is about.
    is_unix = unix is not None and (port is None or str(error).endswith(f": {unix}"))
    address = f"unix:{unix}" if is_unix else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    match error.errno:
        case errno.EADDRINUSE:
            return f"{address} is already in use"
        case errno.EADDRNOTAVAIL:
            return f"can't listen on {address}: this machine doesn't have that address"
        case errno.EACCES | errno.EPERM:
            return f"no permission to listen on {address}"
        case errno.ENOENT | errno.ENOTDIR if is_unix:
            return f"can't listen on {address}: there is no folder {os.path.dirname(unix or '')}"
        case errno.EMFILE:
            return f"can't listen on {address}: too many open files (see ulimit -n)"
    why = (error.strerror or str(error)).removesuffix(f": {unix if is_unix else address}")
    return f"can't listen on {address}: {why}"
