"""World: what all clients of a soak share: the server's port, the ledger, the figures, and when it is over.

Rule owned here: every crash asked for has a number of its own, and it is known whether it must have happened. Must not
know any client.
"""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractAsyncContextManager
from random import Random

import trio

from tests.soak.ledger import Ledger
from tests.support.wire import Client, open_client

__all__ = ["PATIENCE", "Fault", "World"]

#: Seconds for the server to do what it has to: far more than it takes, also on a machine that is busy with others.
PATIENCE = 30


class Fault(Exception):
    """The server didn't do what it has to."""


class World:
    """One phase of a soak."""

    def __init__(self, port: int, longest_life: float) -> None:
        self.port = port
        self.ledger = Ledger()
        #: What happened how often, for the table at the end.
        self.figures: Counter[str] = Counter()
        #: Names that direct messages can be sent to, just now.
        self.inboxes: dict[str, None] = {}
        #: Crashes by number: whether it is certain that they happened.
        self.crashes: dict[int, bool] = {}
        #: Connections that the server ends with a line of its own in the log.
        self.noted = 0
        #: Clients that are there.
        self.present = 0
        self.ends = float("inf")
        self._longest_life = longest_life
        self._serial = 0

    def serial(self) -> int:
        """A number that nothing else has."""
        self._serial += 1
        return self._serial

    def lifetime(self, random: Random) -> float:
        """When a client that comes now leaves, by trio's clock."""
        now = trio.current_time()
        return max(now, min(self.ends, now + random.uniform(0.05, self._longest_life)))

    # Crashes

    def plan_crash(self) -> int:
        """The number of a crash that is asked for, and may happen from now on."""
        number = self.serial()
        self.crashes[number] = False
        return number

    def crashed(self, number: int) -> None:
        """The server has shown that it happened."""
        self.crashes[number] = True

    def client(self, path: str, receive_buffer: int | None = None) -> AbstractAsyncContextManager[Client]:
        """A WebSocket that is nothing but bytes."""
        return open_client(self.port, path, receive_buffer=receive_buffer)
