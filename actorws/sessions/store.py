"""Store: all sessions of a process, found by their ids, and let go of in time.

Rules owned here: an id that is forged, expired, unknown or somebody else's gets the same answer, in the same time; the
reason of an end is told to who has the right id. A session whose actor has ended stays for as long as a lost wire may
be resumed, for its client to fetch what is left; of one that was let go of, only why is remembered. Must not know
wires.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import trio
from attrs import frozen

from actorws.actor.timers import Expirable
from actorws.events import BackgroundCrashed
from actorws.frames import Close, CloseCode
from actorws.sessions import ids
from actorws.sessions.ids import SessionId
from actorws.sessions.policies import CleanupPolicy, DefaultCleanupPolicy
from actorws.sessions.session import Session

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.conn import Conn
    from actorws.runtime import Runtime
    from actorws.sessions.websocket import WebsocketCarrier

__all__ = ["Lost", "Store"]

#: Seconds between two rounds of the janitor.
ROUND = 1.0
#: What is compared with where there is no such session, so that it takes as long.
_NOBODY = "x" * 22


@frozen
class Lost:
    """Why a session can't be gone on with."""

    reason: str
    """``unknown``, ``expired``, ``overflow`` or ``elsewhere`` (PROTOCOL.md, section 5)."""


class Store(Expirable):
    """One per runtime."""

    __slots__ = ("_by_serial", "_leaving", "_policies", "_runtime", "_without_wire", "expected", "node")

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        #: This process, as ids of its sessions name it.
        self.node = ids.node_name(runtime.id)
        self._by_serial: dict[int, Session] = {}
        #: Those whose actor lives and that have no wire, the longest without one first.
        self._without_wire: dict[Session, None] = {}
        #: Those whose actor has ended, and when they are forgotten, the earliest first.
        self._leaving: dict[Session, float] = {}
        #: WebSockets that have not said which session they want.
        self.expected: dict[WebsocketCarrier, None] = {}
        self._policies: dict[Kind, CleanupPolicy] = {}

    def __len__(self) -> int:
        """Sessions, of whatever state."""
        return len(self._by_serial)

    def current_time(self) -> float:
        """The runtime's time."""
        return trio.current_time()

    def policy_of(self, kind: Kind) -> CleanupPolicy:
        """What decides about sessions of ``kind``."""
        policy = self._policies.get(kind)
        if policy is None:
            options = kind.config.sessions
            default = DefaultCleanupPolicy(options.session_open_timeout, options.session_resume_timeout)
            policy = self._policies[kind] = options.cleanup_policy or default
        return policy

    # Finding

    def begin(self, kind: Kind, conn: Conn, identity: Hashable | None) -> Session:
        """A new session, to which ``conn`` belongs from now on."""
        session = Session(self, kind, conn, SessionId(self.node, conn.number, ids.new_secret()), identity)
        self._by_serial[conn.number] = session
        return session

    def find(self, kind: Kind, text: str, identity: Hashable | None) -> Session | Lost:
        """The session of the id ``text``, for a client of ``kind`` who is ``identity``."""
        given = ids.parse(text)
        if given is None:
            return Lost("unknown")
        session = self._by_serial.get(given.serial) if given.node == self.node else None
        is_it = given.opens(_NOBODY if session is None else session.id.secret)
        if given.node != self.node:
            return Lost("elsewhere")
        if session is None or not is_it or session.kind is not kind or session.identity != identity:
            return Lost("unknown")
        return Lost(session.epitaph) if session.epitaph else session

    def drain(self) -> None:
        """The server goes away: who has not said which session it wants has nothing to wait for."""
        for carrier in list(self.expected):
            carrier.leave(Close(CloseCode.GOING_AWAY))

    # What sessions tell

    def attached(self, session: Session) -> None:
        """It has a wire."""
        self._without_wire.pop(session, None)

    def detached(self, session: Session) -> None:
        """It has none, and lives."""
        self._without_wire[session] = None
        self._watch()

    def ended(self, session: Session) -> None:
        """Its actor has ended, or is about to."""
        self._without_wire.pop(session, None)
        if not session.farewell and not session.epitaph:
            self.forget(session)
        elif session.id.serial in self._by_serial:
            self._leaving.setdefault(session, self.current_time() + session.kind.config.sessions.session_resume_timeout)
            self._watch()

    def forget(self, session: Session) -> None:
        """Nothing is left to be fetched."""
        self._without_wire.pop(session, None)
        self._leaving.pop(session, None)
        if self._by_serial.pop(session.id.serial, None) is not None:
            session.forgotten()

    # The janitor

    def _watch(self) -> None:
        if not self.is_linked:
            self._runtime.wheel.schedule(self, ROUND)

    def expire(self, now: float) -> None:
        """A round."""
        for session, until in list(self._leaving.items()):
            if now >= until:
                self.forget(session)
        rounds: dict[CleanupPolicy, list[Session]] = {}
        for session in self._without_wire:
            rounds.setdefault(self.policy_of(session.kind), []).append(session)
        for policy, sessions in rounds.items():
            for session in self._chosen(policy, sessions):
                session.expire_now()
        if self._without_wire or self._leaving:
            self._watch()

    def _chosen(self, policy: CleanupPolicy, sessions: list[Session]) -> list[Session]:
        """Those to be let go of. What user code raises is told, and ends nothing."""
        chosen: list[Session] = []
        try:
            policy.begin(sessions)
            for session in sessions:
                if policy.should_cleanup(session):
                    chosen.append(session)
        except Exception as error:
            self._runtime.emit(BackgroundCrashed(f"{type(policy).__name__}.should_cleanup", error))
        return chosen
