"""Command: ``actorws connect``, from the first look at the terminal to the exit status.

Rule owned here: where there is a person at both ends it is a conversation, else it is pipes; how it ended is the exit
status, and on one line why. Must not know what is said.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

from actorws.cli.complaints import FAILURE_STATUS, INTERRUPTED_STATUS, complain, tell
from actorws.cli.connect_arguments import Asked
from actorws.cli.connect_ending import in_words, is_good
from actorws.cli.connect_pipes import Pipes
from actorws.cli.connect_talk import Talk
from actorws.cli.connect_typed import COMMANDS, understand
from actorws.cli.display import Display
from actorws.cli.terminal_history import history_file
from actorws.cli.terminal_plain import PlainScreen, Screen
from actorws.connection.connect import connect as open_connection
from actorws.connection.connection import Connection
from actorws.exceptions import ConnectError, UsageError
from actorws.observability.logs import unwrap
from actorws.protocol.url import parse_url

__all__ = ["connect"]


def connect(asked: Asked) -> int:
    """Connect, and stay until it is over. Returns the exit status."""
    _have_standard_streams()
    is_talk = os.isatty(0) and os.isatty(1)
    try:
        return trio.run(_talk if is_talk else _pipe, asked)
    except (UsageError, ConnectError, OSError, KeyboardInterrupt, BaseExceptionGroup) as error:
        match unwrap(error):
            case KeyboardInterrupt():
                return INTERRUPTED_STATUS
            case BrokenPipeError():
                return 0  # whoever read has had enough
            case UsageError() as mistake:
                return complain(str(mistake))
            case ConnectError() as failure:
                return complain(str(failure), FAILURE_STATUS)
            case OSError() as failure:
                return complain(f"can't write to stdout: {failure.strerror or failure}", FAILURE_STATUS)
        raise


def _have_standard_streams() -> None:
    """Where one was closed, the next file that is opened would be taken for it: a socket for stdin, say."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one


# In pipes


async def _pipe(asked: Asked) -> int:
    async with open_connection(asked.url, **asked.options) as connection:
        if asked.verbose:
            for line in _greeting(asked, connection):
                tell(line)
        pipes = Pipes(asked, is_terminal=os.isatty(1))
        await pipes.carry(connection)
    if pipes.broken is not None:
        raise pipes.broken
    if pipes.mistake is not None:
        return complain(str(pipes.mistake))
    ended = in_words(connection.reason)
    if asked.count is not None and pipes.received >= asked.count:
        return 0
    if is_good(connection.reason) and not asked.count:
        if asked.verbose:
            tell(ended)
        return 0
    few = f" ({pipes.received} of {asked.count} messages had come)" if asked.count else ""
    return complain(f"{parse_url(asked.url).shown}: {ended}{few}", FAILURE_STATUS)


# At a terminal


async def _talk(asked: Asked) -> int:
    display = Display(as_json=asked.as_json)
    talk: Talk | None = None
    async with (
        open_connection(
            asked.url, **asked.options, on_control=lambda frame: talk.control_came(frame) if talk else None
        ) as connection,
        _screen(asked) as screen,
    ):
        talk = Talk(asked, screen, display)
        await screen.show(*(display.note(line) for line in _greeting(asked, connection)))
        await screen.show(display.note("type a message and Enter; /help tells what else, Ctrl-D closes"))
        await talk.hold(connection)
    if talk.is_cut:
        return INTERRUPTED_STATUS
    return 0 if is_good(connection.reason) else FAILURE_STATUS


@asynccontextmanager
async def _screen(asked: Asked) -> AsyncIterator[Screen]:
    """The best that there is."""
    try:
        from actorws.cli.terminal import open_terminal
    except ImportError:
        tell("without prompt_toolkit there are plain lines only: pip install 'actorws[cli]' brings a prompt")
        yield PlainScreen()
        return
    if os.environ.get("TERM", "dumb") == "dumb":
        yield PlainScreen()
        return
    check = partial(understand, as_json=asked.as_json, as_binary=asked.as_binary)
    words = [word.partition(" ")[0] for word in COMMANDS if word.startswith("/") and not word.startswith("//")]
    async with open_terminal(color=asked.color, history=history_file(os.environ), words=words, check=check) as terminal:
        yield terminal


def _greeting(asked: Asked, connection: Connection) -> list[str]:
    headers = connection.headers
    said = [f"subprotocol {connection.subprotocol}"] if connection.subprotocol is not None else []
    if "permessage-deflate" in headers.get("sec-websocket-extensions", ""):
        said.append("compressed")
    lines = [f"connected to {parse_url(asked.url).shown} (101{''.join(f', {what}' for what in said)})"]
    if asked.verbose:
        lines += [f"  {name}: {value}" for name, value in headers.items()]
    return lines
