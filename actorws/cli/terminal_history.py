"""History: the file in which what was typed is kept, to be found again another day.

Rules owned here: it is for its owner's eyes alone, and does not grow without end; where there can't be one, there is
none, and nobody is bothered with that. Must not know what is in it but that entries begin with ``#``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

__all__ = ["history_file"]

#: Bytes above which the older entries go, and how many of them stay.
MAX_SIZE, KEPT_SIZE = 1024 * 1024, 512 * 1024


def history_file(environ: Mapping[str, str]) -> Path | None:
    """The file, which is there then, and fit to be written to; by the XDG base directory specification."""
    state = environ.get("XDG_STATE_HOME", "")
    try:
        # What is not absolute is to be ignored, says the specification.
        folder = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
        path = folder / "actorws" / "history"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _prepare(path)
    except (OSError, RuntimeError):  # no home, says pathlib with the latter
        return None
    return path


def _prepare(path: Path) -> None:
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600), "rb+") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return  # such as a link to /dev/null, by which people say that they want none
        if stat.S_IMODE(status.st_mode) & 0o077:
            os.fchmod(file.fileno(), 0o600)
        if status.st_size > MAX_SIZE:
            file.seek(-KEPT_SIZE, os.SEEK_END)
            newest = file.read()
            file.seek(0)
            file.write(newest[newest.find(b"\n#") + 1 :])
            file.truncate()
