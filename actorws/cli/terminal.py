"""Terminal: a prompt at the bottom, and what comes above it. Owner of ``prompt_toolkit``.

Rules owned here: prompt_toolkit and its event loop have a thread of their own, and nothing of either is touched from
another; the terminal is as it was before when the block ends, whatever ends it. Must not know what is said.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

import trio
from prompt_toolkit import PromptSession
from prompt_toolkit.application import in_terminal
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style

from actorws.cli.connect_typed import TypedWrong
from actorws.cli.display import Line
from actorws.cli.display_escapes import visible
from actorws.cli.terminal_plain import Interrupted

__all__ = ["open_terminal"]

#: Lines that may wait to be shown.
MAX_WAITING = 200
#: Of the terminal's own sixteen, which its owner has chosen to be read.
STYLE = Style.from_dict(
    {
        "time": "ansibrightblack",
        "text": "",
        "binary": "ansicyan",
        "sent": "ansibrightblack",
        "control": "ansimagenta",
        "end": "ansigreen",
        "error": "ansired",
        "note": "ansibrightblack",
        "escape": "ansired",
        "key": "ansiblue",
        "string": "ansigreen",
        "number": "ansicyan",
        "word": "ansimagenta",
        "sign": "",
        "prompt": "bold",
    }
)


@asynccontextmanager
async def open_terminal(
    *, color: bool, history: Path | None, words: Iterable[str], check: Callable[[str], object]
) -> AsyncIterator[Terminal]:
    """The terminal, for as long as the block lasts.

    ``words`` are completed at the beginning of a line; ``check`` raises ``TypedWrong`` for a line that can't be meant,
    which is shown with the reason, and is there to be mended.
    """
    terminal = Terminal(color, history, words, check)
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(terminal.run)
            yield terminal
        finally:
            terminal.end()


class Terminal:
    """A screen with a prompt."""

    shows_typed: ClassVar[bool] = False

    def __init__(self, color: bool, history: Path | None, words: Iterable[str], check: Callable[[str], object]) -> None:
        self._color_depth = None if color else ColorDepth.DEPTH_1_BIT
        self._history = history
        self._completer = WordCompleter(list(words), sentence=True)
        self._check = check
        self._waiting: deque[Line] = deque()
        self._room = trio.Event()
        self._send_typed, self._typed = trio.open_memory_channel[tuple[str | Interrupted | None, Callable[[], None]]](1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._is_over = False

    # In trio's thread

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Have the terminal until ``end`` is called."""
        self._token = trio.lowlevel.current_trio_token()

        def begin() -> None:
            asyncio.run(self._have(lambda: self._token.run_sync_soon(task_status.started)))

        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(begin)

    async def show(self, *lines: Line) -> None:
        self._waiting.extend(lines)
        self._wake()
        while len(self._waiting) > MAX_WAITING and not self._is_over:
            self._room = trio.Event()
            self._wake()
            await self._room.wait()
        await trio.lowlevel.checkpoint()

    async def typed(self) -> str | None:
        line, taken = await self._typed.receive()
        self._soon(taken)
        if isinstance(line, Interrupted):
            raise line
        return line

    def end(self) -> None:
        """Give the terminal back, when all that waits has been shown."""
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        self._soon(self._woken.set)

    def _soon(self, call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the thread has failed, and tells why itself
            if self._loop is not None:
                self._loop.call_soon_threadsafe(call)

    def _seen(self) -> None:
        self._room.set()

    # In the thread of prompt_toolkit

    async def _have(self, started: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._session: PromptSession[str] = PromptSession(
            [("class:prompt", "> ")],
            history=self._open_history(),
            completer=self._completer,
            complete_while_typing=False,
            reserve_space_for_menu=4,
            style=STYLE,
            color_depth=self._color_depth,
            erase_when_done=True,
        )
        reading = asyncio.ensure_future(self._read())
        started()
        try:
            while not self._is_over:
                await self._woken.wait()
                self._woken.clear()
                async with in_terminal():
                    self._print()
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
        self._print()

    def _open_history(self) -> History:
        return InMemoryHistory() if self._history is None else _History(self._history)

    async def _read(self) -> None:
        line: str | Interrupted | None = ""
        while line is not None:
            try:
                line = await self._read_line()
            except KeyboardInterrupt:
                line = Interrupted()
            except EOFError:
                line = None
            taken = asyncio.Event()
            self._token.run_sync_soon(self._send_typed.send_nowait, (line, taken.set))
            await taken.wait()

    async def _read_line(self) -> str:
        """A line that can be meant."""
        line, position = "", None
        while True:
            line = await self._session.prompt_async(default=line, pre_run=partial(self._go_to, position))
            try:
                self._check(line)
            except TypedWrong as error:
                position = error.position
                self._waiting.append([("error", visible(f"{error}: not sent"))])
                self._woken.set()
            else:
                return line

    def _go_to(self, position: int | None) -> None:
        if position is not None:
            self._session.default_buffer.cursor_position = position

    def _print(self) -> None:
        fragments: list[tuple[str, str]] = []
        while self._waiting:
            fragments += [(f"class:{kind}", text) for kind, text in self._waiting.popleft()]
            fragments.append(("", "\n"))
        if fragments:
            output = self._session.output
            depth = self._color_depth or output.get_default_color_depth()
            print_formatted_text(output, FormattedText(fragments), STYLE, color_depth=depth)
        self._token.run_sync_soon(self._seen, idempotent=True)


class _History(FileHistory):
    """One that is not worth a complaint when it can't be written."""

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string)
