"""Link: the way to the primary, opened anew whenever it is lost.

Rules owned here: every step of connecting has a deadline; what no retry can mend is told before any session has begun,
everything else is tried again for ever, with backoff; one session is one connection for commands and one for what is
subscribed to, and is over when either is. Must not know what is said in a session.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import trio
from attrs import frozen

from actorws.backoff import NEARBY, Waits
from actorws.cluster.address import Address
from actorws.cluster.connect import connect, history, run_id, select, serves, uptime
from actorws.cluster.resp import Connection
from actorws.cluster.sentinel import Sentinels
from actorws.cluster.timings import Timings
from actorws.cluster.troubles import in_words, sole
from actorws.exceptions import ConfigError, EngineUnavailable

__all__ = ["Link", "OnPush", "Session"]

OnPush: TypeAlias = Callable[[list[Any]], None]


@frozen(eq=False)
class Session:
    """Two connections to one primary."""

    commands: Connection
    pushes: Connection
    """What is subscribed to comes here, to ``on_push``."""
    server: str
    """The primary's run id: another one means that it may have lost its memory."""
    history: str
    """Of its memory: another one means that there was another primary meanwhile."""
    uptime: str
    """Whole seconds that it has been up for; empty if it doesn't tell."""
    id: int
    """Of the connection for commands, at the server."""


class Link:
    """Holds a session for as long as it lasts, then the next one."""

    def __init__(
        self,
        address: Address,
        timings: Timings,
        name: str,
        on_push: OnPush,
        serve: Callable[[Session], Awaitable[None]],
    ) -> None:
        """``serve`` is run with each session and cancelled when it is lost; if it raises, that ends the session too.

        It calls ``begun`` when the session holds. ``name`` is what the server's operator sees.
        """
        self._address = address
        self._timings = timings
        self._serve = serve
        self._backoff = Waits(NEARBY)
        self._sentinels = Sentinels(address, name, timings.connect)
        self._connect = partial(connect, address=address, login=address.login, name=name, check=serves)
        self._on_push = on_push
        self._has_begun = False
        self._begun_at: float | None = None
        #: Why the last try failed, or the last session ended.
        self.trouble = "it has not been reached yet"
        #: Why the last session ended that had begun.
        self.lost = ""

    def begun(self) -> None:
        """The session holds."""
        self._begun_at = trio.current_time()
        self._has_begun = True

    async def run(self) -> None:
        """Never returns. Raises ``ConfigError`` for what no retry can mend, before any session has begun."""
        while True:
            error = await self._hold()
            if isinstance(error, ConfigError) and not self._has_begun:
                raise error
            self.trouble = str(error)
            held = 0.0
            if self._begun_at is not None:
                self.lost = self.trouble
                held = trio.current_time() - self._begun_at
            await trio.sleep(self._backoff.failed(held))

    async def _hold(self) -> ConfigError | EngineUnavailable:
        """Connect, and serve until the session is over; returns why."""
        self._begun_at = None
        try:
            host = await self._host()
            async with trio.open_nursery() as nursery:
                with trio.fail_after(self._timings.connect):
                    session = await self._open(nursery, host)
                await self._serve(session)
                await trio.lowlevel.checkpoint()  # It may have been told to stop.
                raise EngineUnavailable("the session has ended")
        except BaseExceptionGroup as group:
            return in_words(sole(group), self._address)
        except (ConfigError, EngineUnavailable) as error:
            return error

    async def _host(self) -> tuple[str, int] | None:
        if self._address.service is not None:
            return await self._sentinels.find_primary()
        return self._address.hosts[0] if self._address.hosts else None

    async def _open(self, nursery: trio.Nursery, host: tuple[str, int] | None) -> Session:
        patience = self._timings.request
        commands, number = await self._connect(nursery, host=host, patience=patience, on_push=lambda _: None)
        pushes, _ = await self._connect(nursery, host=host, patience=patience, on_push=self._on_push)
        await select(commands, self._address)
        server = await run_id(commands)
        if await run_id(pushes) != server:
            raise EngineUnavailable(f"two connections to {self._address} have led to two servers")
        return Session(commands, pushes, server, await history(commands), await uptime(commands), number)
