"""Pipes: lines of stdin become messages, and messages lines of stdout.

Rules owned here: stdout has what came and nothing else, all of it in order; a slow reader slows the server down, and
one that has gone ends it quietly. Must not know how a connection is opened.
"""

from __future__ import annotations

import json
import math
import time
from base64 import b64encode

import trio

from actorws.cli.connect_arguments import Asked
from actorws.cli.connect_ending import close_of
from actorws.cli.connect_stdio import Stdin, write
from actorws.cli.display_escapes import visible
from actorws.cli.display_json import on_one_line, why_no_json
from actorws.connection.connection import Connection
from actorws.exceptions import ConfigError, ConnectionClosed
from actorws.observability.logs import unwrap

__all__ = ["Pipes"]

#: Seconds without a message after which it is over, when stdin is.
WAIT = 1.0
#: Bytes that may wait to be written.
MAX_WAITING = 1024 * 1024


class Pipes:
    """One connection between stdin and stdout."""

    def __init__(self, asked: Asked, *, is_terminal: bool) -> None:
        """``is_terminal``: whether stdout is one, on which nothing may act that a server sends."""
        self._asked = asked
        self._is_terminal = is_terminal
        self._written = Written()
        self._listening = trio.CancelScope()
        self._patience = math.inf
        self.received = 0
        """Messages that have come."""
        self.mistake: ConfigError | None = None
        """What was wrong with stdin."""
        self.broken: OSError | None = None
        """Why stdout can't be written to any more."""

    async def carry(self, connection: Connection) -> None:
        """Until the connection has ended, or all has been had."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._written.run)
                async with trio.open_nursery() as sending:
                    sending.start_soon(self._send_all, connection)
                    await self._listen(connection)
                    sending.cancel_scope.cancel()
                await connection.close()
                if self._asked.as_json:
                    code, reason = close_of(connection.reason)
                    await self._written.add(_object("close", f'"code": {code}, "reason": {json.dumps(reason)}'))
                self._written.close()
        except* OSError as errors:
            # Nothing that the server should hear of: it is closed as if all had been had.
            broken = unwrap(errors)
            self.broken = broken if isinstance(broken, OSError) else OSError(str(broken))

    async def _listen(self, connection: Connection) -> None:
        is_muted = self._asked.count == 0
        while is_muted or self.received != self._asked.count:
            with trio.CancelScope(deadline=trio.current_time() + self._patience) as self._listening:
                message, is_open = await connection.receive_guarded()
            if self._listening.cancelled_caught or not is_open:
                return
            self.received += 1
            if not is_muted:
                await self._written.add(self._out(message))

    def _out(self, message: str | bytes) -> bytes:
        if self._asked.as_json:
            line = _object_of(message)
            return visible(line.decode()).encode() if self._is_terminal else line
        if self._is_terminal:
            return f"{visible(message) if isinstance(message, str) else message.hex(' ')}\n".encode()
        data = message.encode() if isinstance(message, str) else message
        return data if self._asked.as_binary else data + b"\n"

    # Stdin

    async def _send_all(self, connection: Connection) -> None:
        stdin = Stdin()
        number = 0
        try:
            while True:
                number += 1
                data = await (stdin.piece() if self._asked.as_binary else stdin.line())
                if data is None:
                    break
                if data or not self._asked.as_json:
                    await connection.send(data if self._asked.as_binary else self._text(data, number))
        except ConnectionClosed:
            return
        except ConfigError as error:
            self.mistake = error
        self._stdin_ended()

    def _text(self, line: bytes, number: int) -> str:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise ConfigError(f"line {number} of stdin is not UTF-8 (--binary sends it as it is)") from None
        wrong = why_no_json(text) if self._asked.as_json else None
        if wrong is not None:
            raise ConfigError(f"line {number} of stdin is no JSON, at character {wrong[1] + 1}: {wrong[0]}")
        return text

    def _stdin_ended(self) -> None:
        """Nothing more is sent: wait for what comes, but not for ever."""
        if self.mistake is not None or self._asked.count == 0:
            self._patience = 0.0
        elif self._asked.wait is not None:
            self._patience = self._asked.wait
        elif self._asked.count is None:
            self._patience = WAIT
        self._listening.deadline = trio.current_time() + self._patience


class Written:
    """What is on its way to stdout, written in as few pieces as it takes."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._is_over = False
        self._more = trio.Event()
        self._room = trio.Event()

    async def add(self, data: bytes) -> None:
        """Write it, some time; waits while much waits."""
        self._waiting += data
        self._more.set()
        while len(self._waiting) > MAX_WAITING:
            self._room = trio.Event()
            await self._room.wait()

    def close(self) -> None:
        """This was all."""
        self._is_over = True
        self._more.set()

    async def run(self) -> None:
        """Write what there is until it is closed. Raises ``OSError``."""
        while self._waiting or not self._is_over:
            await self._more.wait()
            self._more = trio.Event()
            if self._is_over:
                self._more.set()
            data, self._waiting = bytes(self._waiting), bytearray()
            self._room.set()
            if data:
                await write(data)


def _object_of(message: str | bytes) -> bytes:
    if isinstance(message, bytes):
        return _object("binary", f'"data": "{b64encode(message).decode()}"')
    if why_no_json(message) is None:
        # As it came, so that no number is rounded.
        return _object("json", f'"data": {on_one_line(message)}')
    return _object("text", f'"data": {json.dumps(message, ensure_ascii=False)}')


def _object(kind: str, rest: str) -> bytes:
    return f'{{"time": {time.time():.6f}, "type": "{kind}", {rest}}}\n'.encode(errors="backslashreplace")
