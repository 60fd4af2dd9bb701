"""HTTP uplink: a POST that brings messages of a client.

Rules owned here: its messages are taken all or none, and those that were taken before are skipped, so that it can be
sent again; while they come by a WebSocket, none are taken: both would be counted. Must not know how messages look.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import trio

from actorws.conn import ReadyState
from actorws.events import RateLimited, SessionLost
from actorws.exceptions import HandshakeError
from actorws.frames import Close, CloseCode
from actorws.protocol.head import Head
from actorws.reasons import Overflow, Remote
from actorws.server.session_request import SessionRequest
from actorws.sessions import control, lines
from actorws.sessions.meter import Meter
from actorws.sessions.outbox import Message
from actorws.sessions.session import Session
from actorws.sessions.store import Lost

__all__ = ["Uplink"]


class Uplink(SessionRequest):
    """One such POST."""

    __slots__ = ()

    def _transport_of(self, head: Head) -> str:
        return "post"

    def _serve(self) -> None:
        named = self._session_id
        assert named is not None, "without it, it is none"
        session = self._sessions.find(self._kind, named, self._accept.identity)
        if isinstance(session, Lost):
            self._runtime.emit(SessionLost(str(self._conn.remote_address), session.reason))
            self._gone(session.reason)
        elif session.ready_state is not ReadyState.OPEN:
            self._ended(session)
        else:
            self._take(session)

    def _ended(self, session: Session) -> None:
        """Its actor has ended; a GET fetches what is left of it, and its words, which stand here, too."""
        words = session.farewell
        close = {} if words is None else {"close": {"code": words.code, "reason": words.reason}}
        self._answer(410, {"lost": "ended", **close})

    def _take(self, session: Session) -> None:
        body = self._endpoint.body
        said = lines.parse(body, self._kind.config.limits.max_message_size)
        received = self._count("Actorws-Received")
        counts = [] if received is None else [received]
        counts += [item.received for item in said if isinstance(item, control.Ack)]
        if not all(map(session.heard_of, counts)):
            raise HandshakeError(400, "a count of received messages that can't be")
        messages = [item for item in said if isinstance(item, str | bytes)]
        if (new := self._new(session, messages)) is None:
            self._answer(409, {"received": session.received})
        elif not new or self._has_room(session, len(new), len(body)):
            session.posted(new)
            self._charge(session, len(new), len(body))
            self._confirm(session, said)

    def _new(self, session: Session, messages: list[Message]) -> list[Message] | None:
        """Those that the session hasn't got; ``None`` if it can't take any: some are missing, or others come."""
        if not messages:
            return []
        offset = self._count("Actorws-Offset")
        if offset is None:
            raise HandshakeError(400, "a POST with messages needs Actorws-Offset")
        if session.is_brought or offset > session.received:
            return None
        return messages[session.received - offset :]

    def _has_room(self, session: Session, count: int, size: int) -> bool:
        """Whether they can be taken; if not, says so."""
        if not session.takes_input:
            self._answer(503, {"received": session.received}, retry_after="1")
            return False
        rates = self._kind.rates
        if rates is None:
            return True
        if session.meter is None:
            session.meter = Meter(rates, trio.current_time())
        wait, limit = session.meter.take(0, 0, trio.current_time())
        if wait and rates.rate_policy == "throttle":
            self._runtime.emit(RateLimited(session.conn, rates.rate_policy, limit))
            self._answer(429, {"received": session.received}, retry_after=str(ceil(wait)))
            return False
        return True

    def _charge(self, session: Session, count: int, size: int) -> None:
        """Count what was taken; a client that is too fast is closed, where that is the policy."""
        rates = self._kind.rates
        if rates is None or session.meter is None or not count:
            return
        wait, limit = session.meter.take(count, size, trio.current_time())
        if wait and rates.rate_policy == "close" and session.ready_state is ReadyState.OPEN:
            self._runtime.emit(RateLimited(session.conn, rates.rate_policy, limit))
            session.actor.stop(Overflow("rate"), Close(CloseCode.POLICY_VIOLATION, f"too fast: {limit}"))

    def _confirm(self, session: Session, said: list[Message | control.Control]) -> None:
        """Do as the control messages say, and say how many messages have come."""
        answer: dict[str, Any] = {"received": session.received}
        for item in said:
            if isinstance(item, control.Ping):
                answer["pong"] = item.value
            elif isinstance(item, control.CloseWish):
                session.closed_by_client(Remote(item.code, item.reason))
        self._answer(200, answer)
