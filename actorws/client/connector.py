"""Connector: an outbound connection's supervisor: it has an actor behind a connection, again and again if need be.

Rules owned here: one connection at a time, a new one only when ``terminate`` of the last has returned; every wait
between two tries is the backoff's, or as long as the server asks for; nothing that goes wrong here ends anything else.
Must not know how a connection is opened, nor what its actor does.
"""

from __future__ import annotations

from math import inf
from random import random
from typing import TYPE_CHECKING

import trio

from actorws.backoff import Backoff, Waits
from actorws.client.attempt import Attempt
from actorws.client.dialing import Dialing
from actorws.client.restart import Restart, check_restart, is_worth_another_try, restarts_after
from actorws.client.session_attempt import SessionAttempt
from actorws.events import BackgroundCrashed, Connected, ConnectFailed, ConnectionLost
from actorws.exceptions import ConfigError, ConnectError, UsageError
from actorws.frames import Close
from actorws.reasons import Error, Reason, Shutdown, Stop

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.conn import Conn
    from actorws.runtime import Runtime

__all__ = ["Connector"]


class Connector:
    """Keeps an outbound connection. Made by ``Runtime.connect``."""

    def __init__(self, runtime: Runtime, kind: Kind, dialing: Dialing, backoff: Backoff, restart: Restart) -> None:
        """Raises ``ConfigError``."""
        check_restart(restart)
        if not isinstance(backoff, Backoff):
            raise ConfigError(f"backoff must be a Backoff or None, not {backoff!r}")
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
        self._spread = min(backoff.initial, backoff.maximum)
        self._attempt = self._make_attempt(kind)
        self._scope = trio.CancelScope()
        self._closing: Close | None = None
        self._over = False
        #: Why it was given up, if it was.
        self._failure: ConnectError | None = None
        #: What should not have happened.
        self._fault: Exception | None = None
        self._news = trio.lowlevel.ParkingLot()

    def _make_attempt(self, kind: Kind) -> Attempt:
        if not kind.config.sessions.resumable:
            return Attempt(self._runtime, kind, self._dialing)
        return SessionAttempt(self._runtime, kind, self._dialing, lambda reason: restarts_after(reason, self._restart))

    # For users

    @property
    def is_over(self) -> bool:
        """Whether there is no connection, and none will come."""
        return self._over

    async def wait_connected(self) -> Conn:
        """Wait until there is a connection; a ``def init`` has returned, an ``async def`` one runs, or is about to.

        Raises ``ConnectError`` if it was given up without one: the last try's. And ``trio.ClosedResourceError`` if it
        has ended otherwise.
        """
        await trio.lowlevel.checkpoint()
        while self.conn is None and not self._over:
            await self._news.park()
        if self.conn is not None:
            return self.conn
        self._raise_failure()
        raise trio.ClosedResourceError(f"the connection to {self.url} has ended for good: {self.reason}")

    async def wait_ended(self) -> Reason:
        """Wait until there is no connection, and none will come; how the last one ended.

        If there was none before it was closed, that is ``Stop``. Raises ``ConnectError`` if it was given up because
        there was none to be had: the last try's.
        """
        await trio.lowlevel.checkpoint()
        while not self._over:
            await self._news.park()
        self._raise_failure()
        assert self.reason is not None
        return self.reason

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End it for good: Close is sent over the connection of now, if there is one, and none is made again.

        Returns at once: ``wait_ended`` waits for the end. Again: nothing. Raises ``ValueError`` as ``Close`` does.
        """
        frame = Close(code, reason)
        if self._closing is None:
            self._closing = frame
            if self.conn is not None:
                self.conn.close(code, reason)
            self.going_away()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            # Without where it was raised before: that would grow with each who waits.
            raise self._failure.with_traceback(None)

    # For the runtime

    async def wait_begun(self) -> None:
        """Wait until there has been a connection.

        Raises ``ConnectError`` if it was given up without one, ``UsageError`` if the runtime goes away.
        """
        while not self.connections and not self._over:
            await self._news.park()
        if not self.connections:
            self._raise_failure()
            if self._fault is not None:
                raise self._fault
            raise UsageError(f"can't connect to {self.url}: the runtime is going away")

    def going_away(self) -> None:
        """Try no more. A connection that is there is for others to end."""
        self._scope.cancel()

    def cut(self) -> None:
        """Give it up at once, without a word."""
        if self.conn is not None:
            self.conn.abort()
        self._scope.cancel()

    # The task

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Connect, and look after it until it is over. Raises nothing but cancellation."""
        try:
            with self._scope:
                await self._look_after()
            await self._attempt.finish(self._last_reason)
        except Exception as error:
            # A fault of ours must not cost more than this one.
            self._fault = error
            self._runtime.emit(BackgroundCrashed(f"connection to {self.url}", error))
        finally:
            self._over = True
            self._runtime.connectors.discard(self)
            self.reason = self._attempt.give_up(self._last_reason)
            self.conn = None
            self._news.unpark_all()

    async def _look_after(self) -> None:
        while not self._is_ending:
            try:
                conn = await self._attempt.begin()
            except ConnectError as error:
                wait = self._failed(error.with_traceback(None))
            else:
                if conn is not None:
                    self._connected(conn)
                wait = await self._wait_lost(conn)
            if wait is None:
                return
            await self._attempt.pause(wait)

    @property
    def _is_ending(self) -> bool:
        """Whether there will be no other try, whatever came of this one. For the task alone."""
        return (
            self._closing is not None
            or self._runtime.supervisor.draining
            or trio.current_effective_deadline() == -inf  # cancelled
        )

    @property
    def _last_reason(self) -> Reason:
        """How it ends, if it ends now."""
        if self.reason is not None and not self._attempt.is_alive:
            return self.reason
        if self._fault is not None:
            return Error(self._fault)
        return Stop() if self._closing is not None else self.reason or Shutdown()

    def _connected(self, conn: Conn) -> None:
        self.conn, self.error = conn, None
        self.connections += 1
        self._runtime.emit(Connected(conn, self.url, self._waits.failures))
        self._news.unpark_all()
        if self._is_ending:
            self._end(conn)

    async def _wait_lost(self, conn: Conn | None) -> float | None:
        """Look after one connection until its end. Seconds until the next, if there is to be one.

        ``None``: instead of having it, the actor that was to go on with it has ended.
        """
        since = trio.current_time()
        # Bounded: whoever cancels this has ended the connection, or ends it, as the runtime does with each.
        with trio.CancelScope(shield=True):
            reason = self.reason = await self._attempt.wait_ended()
        if not self._attempt.is_alive:
            self.conn = None
        wait = self._waits.failed(trio.current_time() - since)
        goes_on = self._attempt.is_alive or restarts_after(reason, self._restart)
        retry_in, limit = self._next(wait if goes_on else None)
        if conn is not None:
            self._runtime.emit(ConnectionLost(conn, self.url, reason, retry_in, limit))
        return retry_in

    def _end(self, conn: Conn) -> None:
        """End what came too late, and which those who end everything may not know of."""
        if self._closing is not None:
            conn.close(self._closing.code, self._closing.reason)
        elif self._runtime.supervisor.draining and conn._actor is not None:
            conn._actor.stop(Shutdown())
        else:
            conn.abort()

    def _failed(self, error: ConnectError) -> float | None:
        """A try failed. Seconds until the next, if there is to be one."""
        self.error = error
        wait = self._waits.failed()
        if error.retry_after is not None:
            # Not all who were told so in the same moment come back in the same moment.
            wait = max(wait, error.retry_after + self._spread * random())
        goes_on = is_worth_another_try(error, self._restart, was_connected=bool(self.connections))
        retry_in, limit = self._next(wait if goes_on else None)
        if retry_in is None and not self._is_ending:
            self._failure = error
        self._runtime.emit(ConnectFailed(self.url, error, self._waits.failures, retry_in, limit or error.limit))
        return retry_in

    def _next(self, wait: float | None) -> tuple[float | None, str]:
        """Seconds until the next try, if there is to be one; and the limit that stands against it."""
        if wait is None or self._is_ending:
            return None, ""
        return (None, "max_attempts") if self._waits.are_over else (wait, "")
