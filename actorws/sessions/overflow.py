"""Overflow: what becomes of a message that a session can't hand to a carrier now.

Rules owned here: while the client is there, its output is bounded as on a plain wire (``backpressure_limit``, with the
route's policy); while it is away, by the session's own bounds. There, a policy that drops what is newest would lose it
unseen, so the session ends instead, and its client is told ``lost``; ``drop_old`` and ``Coalesce`` have been chosen by
somebody to whom the newest matters more than all. Must not know how messages are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorws.actor.bounded import Offered, done_for
from actorws.config import OverflowPolicy
from actorws.conn import SendStatus
from actorws.events import ActorCrashed, OutputFull
from actorws.frames import Close, CloseCode
from actorws.reasons import Error, Overflow
from actorws.transports.wire import CHUNK_COST, FEW_CHUNKS

if TYPE_CHECKING:
    from actorws.sessions.outbound import Outbound

__all__ = ["bounds_of", "confine", "crashed", "found_room"]


def bounds_of(session: Outbound) -> tuple[tuple[float, int], OverflowPolicy]:
    """How many messages and bytes may wait, and the policy."""
    config = session.kind.config
    if session.carrier is not None:
        limit = config.backpressure.backpressure_limit
        # What the carrier has been given and the client hasn't taken counts, too.
        bounds: tuple[float, int] = max(FEW_CHUNKS, limit // CHUNK_COST), max(0, limit - session.carrier.buffered)
    else:
        bounds = config.sessions.session_buffer_messages, config.sessions.session_buffer_bytes
    return bounds, _policy(session)


def _policy(session: Outbound) -> OverflowPolicy:
    options = session.kind.config.backpressure
    return "close" if options.close_on_backpressure_limit else options.output_policy


def found_room(session: Outbound, offered: Offered) -> SendStatus:
    """What became of a message that was offered; the session may have ended by that."""
    policy = _policy(session)
    done = done_for(offered, policy)
    if done and not session.is_attached:
        limit = "session_buffer_messages" if session.outbox.had_no_entry else "session_buffer_bytes"
        if _loses_nothing_unseen(policy):
            _end(session, limit)
            return SendStatus.CLOSED
        session.conn.runtime.emit(OutputFull(session.conn, done, session.buffered, limit))
    elif done:
        session.conn.runtime.emit(OutputFull(session.conn, done, session.buffered))
    if done == "close":
        session.actor.stop(Overflow("output"), Close(CloseCode.TRY_AGAIN_LATER, "output full"))
    return SendStatus.BACKPRESSURED if offered else SendStatus.DROPPED


def confine(session: Outbound) -> None:
    """The wire is lost: what waits for the client is held to the bounds of one that is away from now on."""
    (max_messages, max_bytes), policy = bounds_of(session)
    outbox = session.outbox
    if outbox.waits_within((max_messages, max_bytes)):
        return
    limit = "session_buffer_bytes" if outbox.waits_within((max_messages, outbox.bytes)) else "session_buffer_messages"
    if _loses_nothing_unseen(policy):
        _end(session, limit)
    else:
        outbox.confine((max_messages, max_bytes))
        session.conn.runtime.emit(OutputFull(session.conn, "drop_old", session.buffered, limit))


def _loses_nothing_unseen(policy: OverflowPolicy) -> bool:
    """Whether nobody has asked for the newest rather than all."""
    return policy in ("drop_new", "close")


def _end(session: Outbound, limit: str) -> None:
    session.conn.runtime.emit(OutputFull(session.conn, "close", session.kept_bytes, limit))
    session.epitaph = "overflow"
    session.actor.stop(Overflow("session"), Close(CloseCode.TRY_AGAIN_LATER, "session full"))


def crashed(session: Outbound, error: Exception) -> SendStatus:
    """The key function of a policy raised; who sends may be anyone, so the fault is told where it lies."""
    session.conn.runtime.emit(ActorCrashed(session.conn, "output_policy", error))
    session.actor.stop(Error(error), Close(CloseCode.INTERNAL_ERROR))
    return SendStatus.CLOSED
