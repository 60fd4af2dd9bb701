"""Standard streams: stdin in pieces or in lines, and stdout.

Rules owned here: a read or write that nobody answers holds up nothing but itself, and not the end of the process; a
line is bounded. Must not know what is in them.
"""

from __future__ import annotations

import errno
import os

import trio

from actorws.exceptions import ConfigError

__all__ = ["Stdin", "write"]

PIECE = 64 * 1024
#: Bytes of one line: more is no line, and would be kept in memory.
MAX_LINE = 64 * 1024 * 1024


class Stdin:
    """What comes from stdin, whatever that is."""

    def __init__(self, fd: int = 0) -> None:
        self._fd = fd
        self._rest = bytearray()
        self._searched = 0
        self._is_over = False

    async def piece(self) -> bytes | None:
        """Some bytes, as they come; ``None`` at the end. Raises ``ConfigError`` for what can't be read."""
        try:
            # In a thread: of files and some devices a system can't say when there is something to read.
            return await trio.to_thread.run_sync(os.read, self._fd, PIECE, abandon_on_cancel=True) or None
        except OSError as error:
            if error.errno in (errno.EBADF, errno.EIO):  # closed, or a terminal that has gone
                return None
            raise ConfigError(f"can't read stdin: {error.strerror}") from None

    async def line(self) -> bytes | None:
        """A line, without what ends it; ``None`` at the end. Raises ``ConfigError`` for one that is too long."""
        while not self._is_over:
            end = self._rest.find(b"\n", self._searched)
            if end >= 0:
                line = bytes(self._rest[:end])
                del self._rest[: end + 1]
                self._searched = 0
                return line.removesuffix(b"\r")
            self._searched = len(self._rest)
            if self._searched > MAX_LINE:
                raise ConfigError(f"a line of stdin has more than {MAX_LINE} bytes (--binary sends it in pieces)")
            piece = await self.piece()
            self._rest += piece or b""
            self._is_over = piece is None
        rest, self._rest = bytes(self._rest), bytearray()
        return rest or None


async def write(data: bytes, fd: int = 1) -> None:
    """Write all of it. Raises ``OSError``, such as ``BrokenPipeError``."""
    await trio.to_thread.run_sync(_write, fd, data, abandon_on_cancel=True)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
