"""Session attempt: an actor that goes on over one connection after the other, as long as its server keeps the session.

Rules owned here: the actor outlives a lost wire, and ends when the server says that the session is gone; only then does
a new one begin, over the same wire. A server that doesn't speak ``actorws.v1`` is served as by any ``Attempt``. Must
not know when to try again.

===================================================  =================================================================
what ends a wire                                     and then
===================================================  =================================================================
1001, 1012, no Close at all, silence, no greeting    the actor waits for the next wire, where the session goes on
in time
``lost`` in the next greeting, no ``actorws.v1``     the actor ends with ``Expired`` (``Overflow("session")`` for the
there                                                reason ``overflow``); a new one begins over that wire
any other Close of the server, a violation           the actor ends with ``Remote``, or ``Error``
===================================================  =================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from attrs import evolve

from actorws.client.attempt import Attempt, conn_of, receiver_of
from actorws.client.dialing import Dialing
from actorws.client.opening import Opened, open_websocket
from actorws.client.session import ClientSession
from actorws.client.session_carrier import ClientCarrier
from actorws.events import SessionLost
from actorws.exceptions import ConnectError, ConnectTimeout, NotWebsocket, Unreachable
from actorws.frames import Close, CloseCode
from actorws.reasons import Error, Expired, Overflow, Reason, Remote, Shutdown, Timeout
from actorws.sessions.control import SUBPROTOCOL, Greeting

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.conn import Conn
    from actorws.runtime import Runtime
    from actorws.transports.contract import Receiver
    from actorws.transports.wire import Wire

__all__ = ["SessionAttempt"]

#: The parameter of the query by which a server of several processes finds the one that has the session.
NODE = "actorws-node"
#: Codes instead of a greeting by which a server says nothing of the session.
_LATER = (CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART, CloseCode.TRY_AGAIN_LATER, CloseCode.ABNORMAL)


class SessionAttempt(Attempt):
    """A connection that goes on after the end of its wire."""

    def __init__(self, runtime: Runtime, kind: Kind, dialing: Dialing, restarts: Callable[[Reason], bool]) -> None:
        """``restarts``: whether there is to be a new actor when one has ended."""
        super().__init__(runtime, kind, dialing)
        self._restarts = restarts
        #: The session of the actor that has begun and not ended.
        self._session: ClientSession | None = None
        #: Whether that waits for a wire.
        self._is_between = False
        #: The try of now, for which there may be no reason any more.
        self._trying = trio.CancelScope()
        #: The end of the actor is decided; and ``terminate`` has returned.
        self._ending, self._over = trio.Event(), trio.Event()

    @property
    def is_alive(self) -> bool:  # type: ignore[override]
        """Whether the actor goes on with the next connection."""
        return self._session is not None and not self._session.is_over

    # What the session tells

    def detached(self, reason: Reason) -> None:
        """The wire is lost."""
        self._is_between = True
        self._reason = reason
        self._ended.set()

    def ending(self) -> None:
        """The actor wants no wire any more."""
        self._ending.set()
        if self._is_between:
            self._trying.cancel()

    def ended(self, reason: Reason) -> None:
        """The actor has ended."""
        self._session = None
        self._over.set()
        self._has_ended(reason)

    # What is asked

    async def begin(self) -> Conn | None:
        """As ``Attempt``'s. The same actor goes on if it can."""
        with trio.CancelScope() as self._trying:
            return None if self._is_between and not self.is_alive else await self._begin()
        return None

    async def wait_ended(self) -> Reason:
        """As ``Attempt``'s. While ``is_alive``, it is the wire that has ended."""
        await self._ended.wait()
        if self._session is not None and not self.is_alive:
            await self._over.wait()
        self._is_between = self.is_alive
        assert self._reason is not None
        return self._reason

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until the actor that waits has ended."""
        with trio.move_on_after(seconds):
            await (self._ending.wait() if self._is_between else trio.sleep_forever())

    def give_up(self, reason: Reason) -> Reason:
        """As ``Attempt``'s."""
        session = self._session
        if session is not None:
            is_shutdown = self._runtime.supervisor.draining or session.is_attached
            session.let_go(Shutdown() if is_shutdown else reason)
        return reason if self._reason is None else self._reason

    async def finish(self, reason: Reason) -> None:
        """As ``Attempt``'s."""
        self.give_up(reason)
        if self._session is not None:
            await self._over.wait()

    # A try

    async def _begin(self) -> Conn | None:
        opened = await open_websocket(self._asked())
        if opened.subprotocol != SUBPROTOCOL:
            return await self._begin_without(opened)
        carrier = await self._carried(opened)
        try:
            said = await carrier.wait_greeted()
            if not isinstance(said, Greeting):
                self._not_greeted(said)
                return None
            if said.resumed:
                return self._resumed(carrier, said)
            return await self._welcomed(carrier, said, opened)
        except BaseException:
            # What the server has begun, or gone on with, nobody will come back to.
            carrier.leave(Close())
            raise

    def _asked(self) -> Dialing:
        """How the server is to be reached this time."""
        dialing, session = self._dialing, self._session
        ours = (SUBPROTOCOL, *(name for name in dialing.subprotocols if name != SUBPROTOCOL))
        target = dialing.target if session is None else dialing.target.with_query(f"{NODE}={session.id.node}")
        return evolve(dialing, subprotocols=ours, target=target)

    async def _carried(self, opened: Opened) -> ClientCarrier:
        """The connection as a carrier that has said hello."""
        session, dialing = self._session, self._dialing
        conn = conn_of(opened, self._runtime, NODE) if session is None else session.conn
        carrier = ClientCarrier(self._kind, conn, session, dialing.subprotocols, dialing.handshake_timeout)

        def make(wire: Wire) -> Receiver:
            return receiver_of(opened, self._kind, wire, conn, carrier)

        await self._attach(opened, make, carrier.say_hello)
        return carrier

    def _resumed(self, carrier: ClientCarrier, said: Greeting) -> Conn | None:
        session = self._session
        assert session is not None
        carrier.resume()
        if not session.attach(carrier, said.received):
            # The server has missed more than is kept.
            self._tell_lost("overflow")
            session.let_go(Overflow("session"))
            carrier.leave(Close())
            return None
        self._is_on_its_way()
        carrier.release()
        return session.conn

    async def _welcomed(self, carrier: ClientCarrier, said: Greeting, opened: Opened) -> Conn | None:
        """It is a new session; if another was asked for, that is lost."""
        if said.subprotocol is None and self._dialing.subprotocol_required:
            wanted = ", ".join(self._dialing.subprotocols)
            raise NotWebsocket(self._dialing.target.shown, f"it speaks none of the subprotocols {wanted}")
        if self._session is None:
            conn = carrier.conn
        elif await self._lose(said.lost or "unknown"):
            conn = carrier.conn = conn_of(opened, self._runtime, NODE)
        else:
            carrier.leave(Close())
            return None
        conn.subprotocol = said.subprotocol
        session = self._session = ClientSession(self._kind, conn, said.session, self)
        self._ending, self._over = trio.Event(), trio.Event()
        self._is_on_its_way()
        carrier.resume()
        session.attach(carrier, 0, resumed=False)
        session.start()
        carrier.release()
        return conn

    def _is_on_its_way(self) -> None:
        """There is a wire from now on."""
        self._is_between = False
        self._ended, self._reason = trio.Event(), None

    async def _begin_without(self, opened: Opened) -> Conn | None:
        """A server without sessions: the connection ends with its wire."""
        if self._session is not None and not await self._cut_off(opened):
            return None
        self._is_between = False
        return await self._begin_over(opened)

    async def _cut_off(self, opened: Opened) -> bool:
        """The session was of a server that isn't there any more. Whether there is to be a new actor."""
        goes_on = False
        try:
            goes_on = await self._lose("elsewhere")
        finally:
            if not goes_on:
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(opened.tcp)
        return goes_on

    async def _lose(self, why: str) -> bool:
        """The session is gone: end its actor. Whether there is to be a new one."""
        session = self._session
        assert session is not None
        self._is_between = False  # what ends is not to end this try
        self._tell_lost(why)
        session.let_go(Overflow("session") if why == "overflow" else Expired())
        # Bounded, as every ``terminate`` is.
        await self._over.wait()
        assert self._reason is not None
        return self._restarts(self._reason)

    def _tell_lost(self, why: str) -> None:
        self._runtime.emit(SessionLost(self._dialing.target.shown, why))

    def _not_greeted(self, reason: Reason) -> None:
        """The wire has ended instead. Returns if that was the end of the session; raises what else it means."""
        url, session = self._dialing.target.shown, self._session
        if isinstance(reason, Timeout):
            limit = self._dialing.handshake_timeout
            raise ConnectTimeout(
                url, f"the session's greeting did not come after {limit:g} s (handshake_timeout)", "handshake_timeout"
            )
        if isinstance(reason, Remote) and reason.code in _LATER:
            raise Unreachable(url, f"it ended the connection before its greeting: {reason}")
        if session is not None:
            session.let_go(reason)
        elif isinstance(reason, Error):
            raise NotWebsocket(url, f"it doesn't keep to {SUBPROTOCOL}: {reason.exception}")
        else:
            error = ConnectError(url, f"it began no session: {reason}")
            error.is_final = True
            raise error
