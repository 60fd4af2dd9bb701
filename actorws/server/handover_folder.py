"""Handover folder: where the workers of one host find each other.

Rules owned here: a folder that nobody else can look into, in which each worker listens on a Unix socket named after its
node; what is left of workers that were killed goes with the folder, or with the next one that is made. Must not know
what is said there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from actorws.cluster.private_folder import private_folder
from actorws.exceptions import ConfigError

__all__ = ["handover_folder", "socket_path"]

#: Of the names of the sockets. The number is that of the format (see ``handover_message``): workers of releases that
#: would misunderstand each other, side by side in a rolling restart, don't find each other.
SUFFIX = ".handover1"
#: Characters of a node's name, mostly (a longer one may find no room, and then that worker isn't found).
NAME = 16


@contextmanager
def handover_folder(warn: Callable[[str], None]) -> Iterator[Path | None]:
    """A new folder while the block lasts; ``None`` if there can't be one, and ``warn`` is told: nothing is handed over.

    Its path is short enough for the sockets of nodes with names of 16 characters.
    """
    folder = private_folder(f"{'n' * NAME}{SUFFIX}", f"*{SUFFIX}")
    try:
        path = folder.__enter__()
    except ConfigError as error:
        warn(f"no connection is handed from one worker to another: {error}")
        yield None
        return
    try:
        yield path
    finally:
        folder.__exit__(None, None, None)


def socket_path(folder: Path, node: str) -> Path:
    """Where the worker listens that is the node of this name (see ``sessions.ids.node_name``)."""
    return folder / f"{node}{SUFFIX}"
