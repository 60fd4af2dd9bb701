"""Talk: a conversation with a server, typed and seen at a terminal.

Rules owned here: it ends with the connection, whatever is being typed; leaving is done in order the first time it is
asked for, and at once the second time. Must not know how anything is typed or shown.
"""

from __future__ import annotations

import signal
from contextlib import suppress

import trio

from actorws.cli.connect_arguments import Asked
from actorws.cli.connect_ending import in_words, is_good
from actorws.cli.connect_typed import COMMANDS, Help, PingAsked, SendFile, Typed, TypedWrong, understand
from actorws.cli.display import CAME, SENT, Display
from actorws.cli.terminal_plain import Interrupted, Screen
from actorws.connection.connection import Connection
from actorws.exceptions import ConnectionClosed
from actorws.frames import Close, Ping, Pong

__all__ = ["Talk"]

#: Pings and pongs that may wait to be shown; of more, nobody wants to know.
MAX_CONTROLS = 100
#: Bytes of a file that is sent as one message.
MAX_FILE = 64 * 1024 * 1024


class Talk:
    """One conversation."""

    def __init__(self, asked: Asked, screen: Screen, display: Display) -> None:
        self._asked = asked
        self._screen = screen
        self._display = display
        self._is_leaving = False
        self._control, self._controls = trio.open_memory_channel[Ping | Pong](MAX_CONTROLS)
        self._sent = self._received = 0
        self.is_cut = False
        """Whether it was ended at once."""

    async def hold(self, connection: Connection) -> None:
        """Talk until the connection has ended."""
        self._connection = connection
        since = trio.current_time()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self._heed_signals)
            nursery.start_soon(self._obey)
            nursery.start_soon(self._show_controls)
            await self._listen()
            nursery.cancel_scope.cancel()
        reason = connection.reason
        lasted = trio.current_time() - since
        counts = f"({lasted:.1f} s; {self._sent} sent, {self._received} received)"
        line = self._display.ended(f"{in_words(reason)} {counts}", is_good=is_good(reason))
        await self._screen.show(line)

    def control_came(self, frame: Ping | Pong) -> None:
        """A ping or a pong has come."""
        if self._asked.verbose:
            with suppress(trio.WouldBlock):
                self._control.send_nowait(frame)

    async def _show_controls(self) -> None:
        async for frame in self._controls:
            data = f" {frame.data.hex(' ')}" if frame.data else ""
            await self._screen.show(self._display.control(CAME, f"{type(frame).__name__.lower()}{data}"))

    async def _listen(self) -> None:
        while self._received != self._asked.count:
            try:
                message = await self._connection.receive()
            except ConnectionClosed:
                return
            self._received += 1
            await self._screen.show(self._display.received(message))
        await self._connection.close()

    # What is typed

    async def _obey(self) -> None:
        while True:
            try:
                line = await self._screen.typed()
            except Interrupted:
                self._leave(Close())
                continue
            if line is None:
                self._leave(Close())
                return
            try:
                typed = understand(line, as_json=self._asked.as_json, as_binary=self._asked.as_binary)
                if typed is not None:
                    await self._do(typed)
            except TypedWrong as error:
                await self._screen.show(self._display.error(f"{error}: not sent"))

    async def _do(self, typed: Typed) -> None:
        match typed:
            case str() | bytes():
                await self._send(typed)
            case PingAsked():
                await self._screen.show(self._display.control(SENT, "ping"))
                self._nursery.start_soon(self._ping)
            case SendFile(path=path):
                await self._send_file(path)
            case Close():
                self._leave(typed)
            case Help():
                lines = [self._display.note(f"  {what:<16} {words}") for what, words in COMMANDS.items()]
                await self._screen.show(*lines)

    async def _send(self, message: str | bytes) -> None:
        try:
            await self._connection.send(message)
        except (ConnectionClosed, UnicodeEncodeError) as error:
            await self._screen.show(self._display.error(f"{error}: not sent"))
            return
        self._sent += 1
        if not self._screen.shows_typed:
            await self._screen.show(self._display.sent(message))

    async def _send_file(self, path: str) -> None:
        try:
            # In a thread that may be left behind: the path may be of what nobody writes to.
            data = await trio.to_thread.run_sync(_read, path, abandon_on_cancel=True)
        except OSError as error:
            raise TypedWrong(f"can't read {path}: {error.strerror or error}") from None
        if len(data) > MAX_FILE:
            raise TypedWrong(f"{path} has more than {MAX_FILE} bytes")
        try:
            await self._send(data if self._asked.as_binary else data.decode())
        except UnicodeDecodeError:
            await self._send(data)

    async def _ping(self) -> None:
        with suppress(ConnectionClosed):
            seconds = await self._connection.ping()
            await self._screen.show(self._display.control(CAME, f"pong after {seconds * 1000:.1f} ms"))

    # The end

    def _leave(self, close: Close) -> None:
        if self._is_leaving:
            self.is_cut = True
            self._connection.abort()
        else:
            self._is_leaving = True
            self._nursery.start_soon(self._connection.close, close.code, close.reason)

    async def _heed_signals(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Of a terminal without a prompt, Ctrl-C; and those that would leave a terminal as it is."""
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            task_status.started()
            async for _ in signals:
                self._leave(Close())


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(MAX_FILE + 1)
