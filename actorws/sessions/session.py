"""Session: an actor's transport whose wire may change.

Rules owned here: the newest carrier wins, and what an older one still brings or says counts for nothing (checked by
``is``, in one place for each call); a message is handed to a carrier once it has a number, and in order; a lost wire
detaches the session instead of ending its actor, where that is allowed. Must not know how a carrier works, nor how a
session is found again.

============  ==================================================  ===============================================
state         meaning                                             leaves it by
============  ==================================================  ===============================================
NEW           the client has not shown that it knows the id       its first words, the policy
OPEN          it has                                              the loss of the wire, the end of the actor
SOFT_CLOSED   the wire is lost, and the client may come back      a new carrier, the policy, the end of the actor
CLOSED        the actor has ended; what is left for the client    never: it is forgotten after a while
              can be fetched
============  ==================================================  ===============================================
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

from actorws.actor.actor import Actor
from actorws.conn import ReadyState
from actorws.events import ActorStarted, SessionDetached, SessionResumed
from actorws.frames import Close
from actorws.reasons import RULES, Expired, Overflow, Reason, Stop
from actorws.sessions import control
from actorws.sessions.ids import SessionId
from actorws.sessions.outbound import Outbound
from actorws.sessions.outbox import Outbox
from actorws.sessions.overflow import confine

if TYPE_CHECKING:
    from collections.abc import Hashable

    from actorws.actor.kind import Kind
    from actorws.conn import Conn
    from actorws.sessions.carrier import Carrier
    from actorws.sessions.policies import CleanupPolicy

__all__ = ["Keeper", "Session", "SessionState"]

OPEN, CLOSING, CLOSED = ReadyState.OPEN, ReadyState.CLOSING, ReadyState.CLOSED


class SessionState(Enum):
    """Where in its life a session is."""

    NEW = "new"
    OPEN = "open"
    SOFT_CLOSED = "soft closed"
    CLOSED = "closed"


class Keeper(Protocol):
    """What a session tells of itself, and asks what isn't its own to know: on a server the store of all of them."""

    def current_time(self) -> float: ...
    def policy_of(self, kind: Kind) -> CleanupPolicy: ...
    def attached(self, session: Session) -> None: ...
    def detached(self, session: Session) -> None: ...
    def ended(self, session: Session) -> None: ...
    def forget(self, session: Session) -> None: ...


class Session(Outbound):
    """One client's, over all its wires. Made by ``Store.begin``; its first carrier is attached before ``start``."""

    # One per connection: 5 000 of them that idle are meant to cost nothing else.
    __slots__ = (
        "_name",
        "_since",
        "_store",
        "farewell",
        "id",
        "identity",
    )

    def __init__(self, store: Keeper, kind: Kind, conn: Conn, session_id: SessionId, identity: Hashable | None) -> None:
        super().__init__()
        options = kind.config.sessions
        self._store = store
        self.kind = kind
        self.conn: Conn = conn
        """The actor's connection, as it was opened."""
        self.id = session_id
        self.identity: Hashable | None = identity
        """Who the client is, if ``connect`` said so."""
        self._name = ""
        self.ready_state = OPEN
        self.outbox = Outbox(options.session_buffer_messages, options.session_buffer_bytes)
        self.carrier = None
        #: With which words the actor has ended, for a client that wasn't there or may not have heard them.
        self.farewell: Close | None = None
        self._since = store.current_time()
        self.actor: Actor = self._make_actor()

    def _make_actor(self) -> Actor:
        return Actor(self.kind, self.conn, self)

    @property
    def name(self) -> str:  # type: ignore[override]
        """The kind of wire that the session has, or had last."""
        return self._name

    # For policies

    @property
    def state(self) -> SessionState:
        """Where in its life the session is."""
        if self.ready_state is CLOSED:
            return SessionState.CLOSED
        if self.carrier is None and self.known:
            return SessionState.SOFT_CLOSED
        return SessionState.OPEN if self.known else SessionState.NEW

    @property
    def seconds(self) -> float:
        """For how long it has had its wire, or none."""
        return self._store.current_time() - self._since

    # Wires come and go

    def start(self) -> None:
        """Begin: the first carrier is there."""
        self.conn.runtime.supervisor.add(self.actor, self.conn)
        self.conn.runtime.emit(ActorStarted(self.conn))
        self.actor.start()

    def attach(self, carrier: Carrier, received: int, *, resumed: bool = True, lost: str | None = None) -> bool:
        """Go on over ``carrier`` with a client that has got ``received`` messages.

        False: it can't, because they are not kept any more; nothing has changed then.
        """
        if not self.outbox.rewind(received):
            return False
        before, self.carrier = self.carrier, carrier
        carrier.bind(self)
        if before is not None:
            before.bind(None)
            before.supersede()
        self._name = carrier.name
        self.known = self.known or resumed
        self._since = self._store.current_time()
        self._store.attached(self)
        self._owed = self._owed_bytes = 0
        self._greet(carrier, resumed, lost)
        away, self._away = self._away, False
        if resumed and self.ready_state is OPEN and not (away and carrier.returns):
            self.conn.runtime.emit(SessionResumed(self.conn, carrier.name))
        if self._paused:
            carrier.pause()
        if self.ready_state is CLOSING:
            self._close_over(carrier)
        else:
            self._pump()
        return True

    def _greet(self, carrier: Carrier, resumed: bool, lost: str | None) -> None:
        subprotocol = None if resumed else self.conn.subprotocol
        carrier.greet(
            control.greeting(str(self.id), self.received, resumed=resumed, subprotocol=subprotocol, lost=lost)
        )

    def ready(self, carrier: Carrier) -> None:
        """``carrier`` takes messages again."""
        if carrier is self.carrier:
            self._pump()

    def _pump(self) -> None:
        """Hand to the carrier what it takes; then its words, if the actor has ended."""
        carrier, outbox = self.carrier, self.outbox
        assert carrier is not None
        while carrier.takes and (message := outbox.take()) is not None:
            carrier.carry(message)
        if self.ready_state is CLOSED and self.farewell is not None:
            self._carry_all(carrier)
            carrier.close(self.farewell)
        elif self._stressed and outbox.is_level:
            self._stressed = False
            self.actor.drained()

    def _carry_all(self, carrier: Carrier) -> None:
        """Hand it everything, whether it takes it or not: it ends."""
        while (message := self.outbox.take()) is not None:
            carrier.carry(message)

    def _part_with(self, carrier: Carrier) -> bool:
        """It is gone. Whether it was the newest: an older one's end is nothing to the session."""
        if carrier is not self.carrier:
            return False
        self.carrier = None
        carrier.bind(None)
        return True

    def lost(self, carrier: Carrier, reason: Reason) -> None:
        """``carrier`` has gone, for ``reason``."""
        if not self._part_with(carrier) or self.ready_state is CLOSED:
            return
        if self.ready_state is CLOSING:
            self._ended().close_finished(Stop())
        elif self._may_wait(carrier, reason):
            self._since = self._store.current_time()
            self._store.detached(self)
            self.conn.runtime.emit(SessionDetached(self.conn, reason))
            confine(self)
        else:
            self._ended().end(reason)

    def returned(self, carrier: Carrier) -> None:
        """``carrier`` has brought what there was, and its client comes back by itself."""
        if self._part_with(carrier) and self.ready_state is OPEN:
            self._away = True
            self._since = self._store.current_time()
            self._store.detached(self)

    def _may_wait(self, carrier: Carrier, reason: Reason) -> bool:
        """Whether the client may come back."""
        if carrier.returns:
            return True
        return (
            self.kind.config.sessions.resumable
            and RULES[type(reason)].resumable
            and self._store.policy_of(self.kind).allow_soft_close()
        )

    def left(self, carrier: Carrier, reason: Reason) -> None:
        """The client ended the session, or broke its rules, over ``carrier``, which sees to its own end."""
        if not self._part_with(carrier) or self.ready_state is CLOSED:
            return
        was, self.farewell = self.ready_state, None
        actor = self._ended()
        if was is CLOSING:
            actor.close_finished(Stop())
        else:
            actor.end(reason)

    def stopped(self, carrier: Carrier, reason: Reason, frame: Close) -> None:
        """What watches over ``carrier`` ends it: for a reason that a session survives, or not."""
        if carrier is not self.carrier:
            return
        if self.ready_state is CLOSED or self._may_wait(carrier, reason):
            self.lost(carrier, reason)
            carrier.leave(frame)
        else:
            self.actor.stop(reason, frame)

    def give_up(self) -> None:
        """The client has missed more than is kept."""
        if self.ready_state is CLOSED:
            self._store.forget(self)
        else:
            self.epitaph = "overflow"
            self.actor.stop(Overflow("session"))

    def expire_now(self) -> None:
        """The policy lets go of it, unless it has ended by itself in the meantime."""
        if self.ready_state is CLOSED:
            return
        self.epitaph = "expired"
        self.actor.stop(Expired("session_resume_timeout" if self.known else "session_open_timeout"))

    def close_finished(self, carrier: Carrier, reason: Reason) -> None:
        """The client has answered our Close over ``carrier`` (``Stop``), or was too late."""
        if not self._part_with(carrier):
            return
        actor = self._ended() if self.ready_state is CLOSING else None
        if type(reason) is Stop:
            self._store.forget(self)
        if actor is not None:
            actor.close_finished(reason)

    # Its end

    def closed_by_client(self, reason: Reason) -> None:
        """The client has ended the session."""
        carrier, self.carrier = self.carrier, None
        if carrier is not None:
            carrier.bind(None)
            carrier.supersede()
        if self.ready_state is OPEN:
            self._ended().end(reason)

    def close(self, frame: Close) -> None:
        self.ready_state = CLOSING
        self.farewell = frame
        self._close_over(self.carrier)

    def _close_over(self, carrier: Carrier | None) -> None:
        """Say our Close, if there is a wire; then wait for the answer, if there will be one."""
        assert self.farewell is not None
        if carrier is not None:
            self._carry_all(carrier)
            if carrier.close(self.farewell):
                return
        if not self._can_return:
            self.farewell = None
        self._ended().close_finished(Stop())

    def finish(self, frame: Close) -> None:
        if self.ready_state is CLOSED:
            return
        if self.ready_state is OPEN and not self.epitaph and self._can_return:
            self.farewell = frame
        carrier, self.carrier = self.carrier, None
        self._ended()
        if carrier is not None:
            carrier.bind(None)
            self._carry_all(carrier)
            carrier.leave(frame)

    def abort(self) -> None:
        carrier, self.carrier = self.carrier, None
        if self.ready_state is not CLOSED:
            self._ended()
        self._store.forget(self)
        if carrier is not None:
            carrier.bind(None)
            carrier.abort()

    @property
    def _can_return(self) -> bool:
        """Whether the client may fetch what is left when the actor has ended."""
        return self.kind.config.sessions.resumable or self.carrier is None or self.carrier.returns

    def _ended(self) -> Actor:
        """Nothing goes either way any more but what is left for the client. The actor, which is to be told."""
        actor = self.actor
        if self.epitaph:
            self.outbox = Outbox(0, 0)
        self.ready_state = CLOSED
        self._since = self._store.current_time()
        self.conn.runtime.wheel.cancel(self)
        self._store.ended(self)
        return actor

    def forgotten(self) -> None:
        """Nobody will find it any more. Cycles are cut, so that memory is back without the garbage collector."""
        carrier, self.carrier = self.carrier, None
        if carrier is not None:
            carrier.bind(None)
        self.actor = self.conn = None  # type: ignore[assignment]
