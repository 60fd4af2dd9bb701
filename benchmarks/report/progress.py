"""Progress: how far a run is, on the error output.

Rule owned here: a terminal has a bar with the time that is left; whatever else reads it has a line for each turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.turns import Watches

__all__ = ["watching"]

#: Often enough for the eye; each time takes a millisecond or two of a core that is measured.
A_SECOND = 2


@contextmanager
def watching(console: Console | None = None) -> Iterator[Watches]:
    """Shows what it is told, for as long as the block lasts."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, refresh_per_second=A_SECOND, transient=True) as progress:
        task = progress.add_task("starting", total=None)

        def watch(turn: str, case: str, done: int, total: int) -> None:
            progress.update(task, description=f"{turn}: {case}", completed=done, total=total)

        yield watch


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._turn = ""

    def __call__(self, turn: str, case: str, done: int, total: int) -> None:
        if turn != self._turn:
            self._turn = turn
            self._console.print(f"{turn} ({done} of {total} done)", markup=False, highlight=False, soft_wrap=True)
