"""A screen: what a conversation is shown on and typed at; and the plain one, which needs nothing but lines.

Rule owned here: what is shown waits until it is seen, so that a server can't pile it up. Must not know what is said.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from actorws.cli.connect_stdio import Stdin, write
from actorws.cli.display import Line, plain

__all__ = ["Interrupted", "PlainScreen", "Screen"]


class Interrupted(Exception):
    """Ctrl-C was typed."""


class Screen(Protocol):
    """What is shown to, and typed by, the person at a terminal."""

    shows_typed: ClassVar[bool]
    """Whether a line that was typed is left standing."""

    async def show(self, *lines: Line) -> None:
        """Show lines, above what is being typed. Waits while too many wait to be shown."""

    async def typed(self) -> str | None:
        """The next line that was typed; ``None`` when there are no more. Raises ``Interrupted``."""


class PlainScreen:
    """A terminal that nothing is known of: no colours, and what comes falls into what is being typed."""

    shows_typed: ClassVar[bool] = True

    def __init__(self) -> None:
        self._stdin = Stdin()

    async def show(self, *lines: Line) -> None:
        text = "".join(f"{plain(line)}\n" for line in lines)
        await write(text.encode(errors="backslashreplace"))

    async def typed(self) -> str | None:
        line = await self._stdin.line()
        return None if line is None else line.decode(errors="surrogateescape")
