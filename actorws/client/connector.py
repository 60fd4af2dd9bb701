"""Connector: an outbound connection's supervisor: it has an actor behind a connection, again and again if need be.

Rules owned here: one connection at a time, a new one only when ``terminate`` of the last has returned; every wait
between two tries is the backoff's, or as long as the server asks for; nothing that goes wrong here ends anything else.
Must not know how a connection is opened, nor what its actor does.
"""

from __future__ import annotations

from random import random
from typing import TYPE_CHECKING

import trio

from actorws.backoff import Backoff, Waits
from actorws.client.attempt import Attempt
from actorws.client.dialing import Dialing
from actorws.client.restart import Restart, is_worth_another_try, restarts_after
from actorws.events import BackgroundCrashed, ConnectFailed, ConnectionLost
from actorws.exceptions import ConnectError
from actorws.frames import Close
from actorws.reasons import Reason, Shutdown

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.conn import Conn
    from actorws.runtime import Runtime

__all__ = ["Connector"]


class Connector:
    """Keeps an outbound connection. Made by ``Runtime.connect``."""

    def __init__(self, runtime: Runtime, kind: Kind, dialing: Dialing, backoff: Backoff, restart: Restart) -> None:
        self.url: str = dialing.target.shown
        """What it connects to, without credentials and query."""
        self.conn: Conn | None = None
        """The connection of now; ``None`` between two."""
        self.connections: int = 0
        """How many there have been."""
        self.reason: Reason | None = None
        """How the last one ended, if one has."""
        self.error: ConnectError | None = None
        """Why the last try failed, if none has succeeded since."""
        self._runtime = runtime
        self._dialing = dialing
        self._restart = restart
        self._waits = Waits(backoff)
        self._spread = backoff.initial
        self._attempt = Attempt(runtime, kind, dialing)
        self._scope = trio.CancelScope()
        self._closing: Close | None = None
        self._over = False
        self._news = trio.lowlevel.ParkingLot()

    # For users

    @property
    def is_over(self) -> bool:
        """Whether there is no connection, and none will come."""
        return self._over

    async def wait_connected(self) -> Conn:
        """Wait until there is a connection; its ``init`` has been called.

        Raises ``ConnectError`` if it was given up without one: the last try's. And ``trio.ClosedResourceError`` if it
        has ended otherwise.
        """
        await trio.lowlevel.checkpoint()
        while self.conn is None and not self._over:
            await self._news.park()
        if self.conn is not None:
            return self.conn
        if self.error is not None:
            raise self.error
        raise trio.ClosedResourceError(f"the connection to {self.url} has ended for good: {self.reason}")

    async def wait_ended(self) -> Reason:
        """Wait until there is no connection, and none will come; how the last one ended.

        Raises ``ConnectError`` if it was given up because there was none to be had: the last try's.
        """
        await trio.lowlevel.checkpoint()
        while not self._over:
            await self._news.park()
        if self.error is not None:
            raise self.error
        assert self.reason is not None
        return self.reason

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End it for good: Close is sent over the connection of now, if there is one, and none is made again.

        Returns at once: ``wait_ended`` waits for the end. Raises ``ValueError`` as ``Close`` does.
        """
        if self._closing is None:
            self._closing = Close(code, reason)
            if self.conn is not None:
                self.conn.close(code, reason)
            if not self._attempt.is_on_wire:
                self._scope.cancel()

    # The task

    async def wait_begun(self) -> None:
        """Wait until there has been a connection. Raises as ``wait_connected``."""
        while not self.connections and not self._over:
            await self._news.park()
        if not self.connections:
            await self.wait_connected()

    def cut(self) -> None:
        """Give it up at once, without a word."""
        self._scope.cancel()

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Connect, and look after it until it is over. Raises nothing but cancellation."""
        try:
            with self._scope:
                await self._look_after()
        except Exception as error:
            # A fault of ours must not cost more than this one.
            self._runtime.emit(BackgroundCrashed(f"connection to {self.url}", error))
        finally:
            self._over = True
            self.reason = self._attempt.give_up(self.reason or Shutdown())
            self.conn = None
            self._news.unpark_all()

    async def _look_after(self) -> None:
        while not self._is_ending:
            try:
                conn = await self._attempt.begin()
            except ConnectError as error:
                wait = self._failed(error)
            else:
                wait = await self._connected(conn)
            if wait is None:
                return
            await trio.sleep(wait)

    @property
    def _is_ending(self) -> bool:
        return self._closing is not None or self._runtime.supervisor.draining

    async def _connected(self, conn: Conn) -> float | None:
        """Look after one connection until its end. Seconds until the next, if there is to be one."""
        since = trio.current_time()
        self.conn, self.error = conn, None
        self.connections += 1
        self._news.unpark_all()
        self.reason = await self._attempt.wait_ended()
        if not self._attempt.is_alive:
            self.conn = None
        wait = self._waits.failed(trio.current_time() - since)
        goes_on = self._attempt.is_alive or restarts_after(self.reason, self._restart)
        retry_in = wait if goes_on and not self._is_given_up else None
        self._runtime.emit(ConnectionLost(conn, self.url, self.reason, retry_in))
        return retry_in

    def _failed(self, error: ConnectError) -> float | None:
        """A try failed. Seconds until the next, if there is to be one."""
        self.error = error
        wait = self._waits.failed()
        if error.retry_after is not None:
            # Not all who were told so in the same moment come back in the same moment.
            wait = max(wait, error.retry_after + self._spread * random())
        goes_on = is_worth_another_try(error, self._restart, was_connected=bool(self.connections))
        retry_in = wait if goes_on and not self._is_given_up else None
        self._runtime.emit(ConnectFailed(self.url, error, self._waits.failures, retry_in))
        return retry_in

    @property
    def _is_given_up(self) -> bool:
        return self._is_ending or self._waits.are_over
