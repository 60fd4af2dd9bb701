"""Opening: what the first words of a wire lead to: an old session goes on, or a new one begins.

Rules owned here: a session that can't go on, because its client has missed more than is kept, ends at once; a new one
takes a slot, an old one has its slot. Must not know what kind of wire it is.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from actorws.events import SessionLost
from actorws.exceptions import ProtocolError
from actorws.frames import CloseCode
from actorws.sessions.session import Session
from actorws.sessions.store import Lost, Store

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.conn import Conn
    from actorws.sessions.carrier import Carrier

__all__ = ["begin", "resume"]


def resume(
    store: Store, kind: Kind, conn: Conn, identity: Hashable | None, carrier: Carrier, text: str, received: int
) -> Session | Lost:
    """Go on over ``carrier`` with the session of the id ``text``, whose client has got ``received`` messages.

    ``conn`` is of the new wire, and is told of in events only. Raises ``ProtocolError`` for a count that can't be: the
    session goes on as it did. (It may be what an old wire's client said, which comes late.)
    """
    found = store.find(kind, text, identity)
    if isinstance(found, Session):
        if not found.outbox.acknowledged <= received <= found.outbox.count:
            raise ProtocolError(CloseCode.PROTOCOL_ERROR, "a count of received messages that can't be")
        if found.attach(carrier, received):
            return found
        found.give_up()
        found = Lost("overflow")
    conn.runtime.emit(SessionLost(str(conn.remote_address), found.reason))
    return found


def begin(
    store: Store, kind: Kind, conn: Conn, identity: Hashable | None, carrier: Carrier, lost: Lost | None = None
) -> Session:
    """A new session over ``carrier``; the client is told that another one is ``lost``, if it is.

    Raises ``HandshakeError`` 503 if there is no room for one more; nothing has happened then.
    """
    conn.runtime.supervisor.admit(conn, kind.config.limits)
    session = store.begin(kind, conn, identity)
    session.attach(carrier, 0, resumed=False, lost=None if lost is None else lost.reason)
    session.start()
    return session
