"""Handover message: what one worker sends another with a connection, or in front of one that it relays.

Rules owned here: it arrives whole or not at all; a descriptor that came with a malformed one is closed. Must not know
whose connection it is.

Each message has a connection of its own to the sibling, on a Unix stream socket. That is as good as a datagram, for
neither connecting there nor sending so little waits, and better: for a worker that is busy the kernel lets ten
datagrams wait (net.unix.max_dgram_qlen), but a whole backlog of connections, 4096 mostly; it says whose they are; and
one can carry the bytes of a connection that can't be handed over. Sequenced packets macOS doesn't have.

==========================  ================================================================================
4 bytes                     the size of the header, most significant byte first
header                      JSON: ``remote``, the client's address; ``bytes``, how many follow if the client's
                            socket comes along (SCM_RIGHTS, with the first byte); without: what follows is what
                            the client says, and what is answered goes back
bytes                       what was read from the client already
==========================  ================================================================================
"""

from __future__ import annotations

import array
import json
import os
import socket as _socket
import struct
from pathlib import Path
from typing import Any

from attrs import frozen

__all__ = ["Inbox", "Message", "connect", "give", "is_ours", "opening"]

_SIZE = struct.Struct("!I")
MAX_HEADER = 1024
#: Bytes that may follow, and that are sent at once: a head and what came with it are 80 KiB at most by default.
MAX_BYTES = 1024 * 1024
#: Bytes that the kernel shall take at once, of which Linux gives some 200 KiB; macOS gives 8 if not asked.
SEND_BUFFER = 512 * 1024
#: Bytes of one read.
READ_SIZE = 256 * 1024
#: Descriptors that are taken from a message, to be closed if it isn't one.
MAX_DESCRIPTORS = 4
#: Descriptors that come don't go on to processes that are started (where the system can't say so: see ``_receive``).
CLOEXEC = getattr(_socket, "MSG_CMSG_CLOEXEC", 0)


@frozen
class Message:
    """What came."""

    remote: tuple[str, int] | str
    """The client's address, as it was when the connection was accepted."""
    data: bytes
    """What the client has said so far."""
    socket: _socket.SocketType | None
    """The client's; ``None``: it is relayed, by the connection on which this came."""


# Sending


def connect(path: Path) -> _socket.socket:
    """A connection to a sibling. Raises ``OSError``: there is none, or it is too busy."""
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        socket.setblocking(False)
        socket.connect(os.fspath(path))
    except BaseException:
        socket.close()
        raise
    return socket


def give(path: Path, client: _socket.SocketType, remote: tuple[str, int] | str, data: bytes) -> bool:
    """Give a client's socket to a sibling; whether it has it. ``False``: there is no room for so much at once.

    Raises ``OSError`` as ``connect``. The caller's own descriptor is still open then, and it is up to it to close it.
    """
    if len(data) > MAX_BYTES:
        return False
    message = _header({"remote": remote, "bytes": len(data)}) + data
    with connect(path) as socket:
        socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, SEND_BUFFER)
        descriptor = array.array("i", [client.fileno()])
        try:
            sent = socket.sendmsg([message], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor)])
        except BlockingIOError:
            sent = 0
    # Cut short, it is dropped there.
    return sent == len(message)


def opening(remote: tuple[str, int] | str) -> bytes:
    """What to say to a sibling in front of what a client says."""
    return _header({"remote": remote})


def _header(values: dict[str, Any]) -> bytes:
    header = json.dumps(values).encode()
    return _SIZE.pack(len(header)) + header


# Receiving


def is_ours(socket: _socket.SocketType) -> bool:
    """Whether the peer runs as the same user. (Where the system doesn't say it, the folder's mode does.)"""
    if not hasattr(_socket, "SO_PEERCRED"):  # pragma: no cover - macOS and the BSDs
        return True
    _, user, _ = struct.unpack("iII", socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12))
    return bool(user == os.geteuid())


class Inbox:
    """Reads one message from a connection."""

    def __init__(self, socket: _socket.SocketType) -> None:
        self._socket = socket
        self._buffer = b""
        self._descriptors: list[int] = []

    def read(self) -> Message | None:
        """Read what there is; ``None``: the message isn't whole yet.

        Raises ``ValueError`` if it will never be, ``OSError`` for what the system doesn't give.
        """
        while True:
            try:
                data = self._receive()
            except BlockingIOError:
                return None
            self._buffer += data
            message = self._message(has_ended=not data)
            if message is not None:
                return message

    def _receive(self) -> bytes:
        room = _socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize)
        data, ancillary, flags, _ = self._socket.recvmsg(READ_SIZE, room, CLOEXEC)
        for level, kind, content in ancillary:
            if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
                came = array.array("i")
                came.frombytes(content[: len(content) - len(content) % came.itemsize])
                self._descriptors += came
        if flags & _socket.MSG_CTRUNC:
            raise ValueError("there were too many descriptors, or no room for one")
        if not CLOEXEC:  # pragma: no cover - macOS and the BSDs
            for descriptor in self._descriptors:
                os.set_inheritable(descriptor, False)
        return data

    def _message(self, *, has_ended: bool) -> Message | None:
        """The message, if it is whole. Raises ``ValueError`` as ``read``."""
        buffer = self._buffer
        if len(buffer) >= _SIZE.size:
            [size] = _SIZE.unpack_from(buffer)
            if size > MAX_HEADER:
                raise ValueError(f"its header has {size} bytes")
            start = _SIZE.size + size
            if len(buffer) >= start:
                remote, follow = _parse(buffer[_SIZE.size : start])
                data = buffer[start:]
                if follow is None and not self._descriptors:
                    return Message(remote, data, None)
                if follow is None or len(self._descriptors) != 1 or len(data) > follow:
                    raise ValueError(f"it has {len(self._descriptors)} descriptors and {len(data)} bytes")
                if len(data) == follow:
                    return Message(remote, data, self._client())
        if has_ended:
            raise ValueError(f"it ended after {len(buffer)} bytes")
        return None

    def _client(self) -> _socket.socket:
        """What came along, as a socket: a connection, and no other kind."""
        try:
            socket = _socket.socket(fileno=self._descriptors[0])
        except OSError as error:
            raise ValueError(f"what came along is no socket: {error}") from None
        self._descriptors.clear()
        if socket.type != _socket.SOCK_STREAM:
            socket.close()
            raise ValueError(f"what came along is a socket of type {socket.type!r}")
        socket.setblocking(False)
        return socket

    def close(self) -> None:
        """Close the descriptors that came and didn't become part of a message."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()


def _parse(header: bytes) -> tuple[tuple[str, int] | str, int | None]:
    """The client's address, and how many bytes follow. Values that a later release adds are left out."""
    values = json.loads(header)
    if not isinstance(values, dict):
        raise ValueError("its header is no object")
    follow = values.get("bytes")
    if follow is not None and not (type(follow) is int and 0 <= follow <= MAX_BYTES):
        raise ValueError(f"{follow!r:.100} bytes follow")
    match values.get("remote"):
        case [str(host), int(port)]:
            return (host, port), follow
        case str(path):
            return path, follow
    raise ValueError("its client has no address")
