"""Workers' sockets: what several processes listen on, opened by their parent.

Rules owned here: the parent keeps every listening socket for as long as it wants to be reached, so that a connection
which waits to be accepted outlives the worker it waits for; an address that somebody else listens on is refused, though
workers share theirs. Must not know processes.

On Linux each worker has a socket of its own on the address (SO_REUSEPORT), among which the kernel spreads connections
evenly; Unix sockets, and TCP elsewhere, can't do that: there all workers accept on one. Measured, 32 clients that
connect all the time while 4 workers are killed one after the other: with sockets of the workers' own 23-29 connections
were reset, with those of the parent none.
"""

from __future__ import annotations

import socket as _socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actorws.server.listener import identity, open_tcp, open_unix, remove_unix

__all__ = ["listening"]

#: Whether sockets that share an address share the connections.
IS_BALANCED = sys.platform == "linux"


@contextmanager
def listening(
    count: int, host: str | None, port: int | None, unix: str | Path | None, backlog: int | None
) -> Iterator[dict[int, list[_socket.socket]]]:
    """By number of the worker, from 1 on: the sockets to listen on; closed at the end, if not before.

    Raises ``OSError`` for an address that can't be had.
    """
    by_number: dict[int, list[_socket.socket]] = {number: [] for number in range(1, count + 1)}
    owned = None
    try:
        if port is not None:
            _add_tcp(by_number, host, port, backlog)
        if unix is not None:
            socket = open_unix(unix, backlog)
            owned = unix, identity(unix)
            for sockets in by_number.values():
                sockets.append(socket)
        yield by_number
    finally:
        if owned is not None:
            remove_unix(*owned)
        for sockets in by_number.values():
            for socket in sockets:
                socket.close()


def _add_tcp(by_number: dict[int, list[_socket.socket]], host: str | None, port: int, backlog: int | None) -> None:
    if not IS_BALANCED:
        shared = open_tcp(host, port, backlog)
        for sockets in by_number.values():
            sockets += shared
        return
    if port != 0:
        # Without sharing first: another server of this user's that shares its port would go unnoticed.
        for socket in open_tcp(host, port, backlog):
            socket.close()
    for sockets in by_number.values():
        sockets += open_tcp(host, port, backlog, reuse_port=True)
        port = sockets[0].getsockname()[1]
