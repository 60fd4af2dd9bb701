"""Private folder: a place for the socket of a server of one's own.

Rules owned here: nobody else can look into it; it is locked for as long as it is in use, by a lock that ends with the
process whatever becomes of it, so that what was left behind can be told from what is in use; nothing is ever removed
but what was put there. Must not know the server.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from actorws.exceptions import ConfigError

__all__ = ["PREFIX", "private_folder"]

#: Of the names of folders.
PREFIX = ".actorws-"
#: Letters that mkdtemp adds.
RANDOM = 8
#: A folder that is taken away at once is made again, so often.
TRIES = 10
#: Bytes that the path of a Unix socket may have, the zero behind it included (sun_path; 104 on macOS and the BSDs).
MAX_PATH = 104


@contextmanager
def private_folder(socket: str, *others: str) -> Iterator[Path]:
    """A new folder in which there may be files of these names: they are removed with it at the end.

    ``others`` may be patterns, as of ``glob``.
    Those of processes that were killed before they could do so are removed first. Raises ``ConfigError`` if there is no
    place where the path of ``socket`` in it would be short enough for a Unix socket, or the place is no good.
    """
    names = (socket, *others)
    base = _base(socket)
    for folder in Path(base).glob(f"{PREFIX}*"):
        if (lock := _lock(folder)) is not None:
            _remove(folder, names)
            os.close(lock)
    folder, held = _new(base)
    try:
        yield folder
    finally:
        _remove(folder, names)
        os.close(held)


def _new(base: str) -> tuple[Path, int]:
    """A new folder, and a descriptor that holds its lock."""
    for _ in range(TRIES):
        try:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))  # of mode 0700
        except OSError as error:
            why = error.strerror
            continue
        lock = _lock(folder)
        # Between its making and its locking another one may have taken it for one that was left behind.
        if lock is not None and folder.exists():
            return folder, lock
        why = "it can't be locked"
        _remove(folder, ())
        if lock is not None:
            os.close(lock)
    raise ConfigError(f"no folder for private sockets in {base}: {why}; set XDG_RUNTIME_DIR to another place")


def _base(socket: str) -> str:
    """Where it is made: in the folder for things of this user's session, if there is one."""
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):
        path = f"{base}/{PREFIX}{'x' * RANDOM}/{socket}"
        if base and os.path.isdir(base) and os.access(base, os.W_OK | os.X_OK) and len(os.fsencode(path)) < MAX_PATH:
            return os.path.abspath(base)
    raise ConfigError("there is no folder for private sockets: set XDG_RUNTIME_DIR, to a short path")


def _lock(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock; ``None`` if another process has it, or it is no folder of ours.

    (Folders with such a lock are also left alone by systemd-tmpfiles, see tmpfiles.d(5), however old they get.)
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if status.st_uid == os.getuid() and stat.S_IMODE(status.st_mode) == 0o700:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _remove(folder: Path, names: tuple[str, ...]) -> None:
    """Remove what was put there, and the folder if that was all."""
    with suppress(OSError):
        for path in [path for name in names for path in folder.glob(name)]:
            with suppress(OSError):
                path.unlink()
        folder.rmdir()
