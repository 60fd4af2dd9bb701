"""Reasons: why an actor ended.

Rule owned here: the union is closed, and one table says what each reason means for the wire,
the log and a later resume. Knows nothing of how an actor is ended.

=========== =============================================== ==================== ===========
reason      the wire at the time of ``terminate``           close code sent      log level
=========== =============================================== ==================== ===========
Normal      open, being closed                              1000                 debug
Stop        Close sent and answered, or cut by ``abort``    the one we chose     debug
Timeout     open (idle) or dead (keepalive, close)          1001                 info
Remote      Close answered, or TCP gone (code 1006)         the peer's, echoed   debug
Error       open, being closed                              1011, 1002, 1007 ... error
Shutdown    open, being closed                              1001                 debug
Replaced    open, being closed                              4500                 info
Expired     gone long ago                                   none                 info
Overflow    open, being closed                              1013, 1008 for rate  warning
LeaseLost   open, being closed                              1012                 warning
=========== =============================================== ==================== ===========
"""

from __future__ import annotations

import logging
from typing import Literal, TypeAlias

from attrs import field, frozen

from actorws.frames import CloseCode

__all__ = [
    "Error",
    "Expired",
    "LeaseLost",
    "Normal",
    "Overflow",
    "Reason",
    "Remote",
    "Replaced",
    "Shutdown",
    "Stop",
    "Timeout",
]


@frozen
class Normal:
    """The actor's work was over: its supervisor ended it, nothing was wrong."""


@frozen
class Stop:
    """The actor's own side ended it: a ``Close`` frame, ``conn.close()`` or ``conn.abort()``."""


@frozen
class Timeout:
    """The peer was silent for too long."""

    waited_for: Literal["idle", "ping", "close"] = "idle"
    """``idle``: any inbound byte; ``ping``: a sign of life after a ping; ``close``: the answer to our Close."""


@frozen
class Remote:
    """The peer ended it."""

    code: int
    """The peer's close code; 1005 if its Close had none, 1006 if TCP ended without a Close."""
    reason: str = ""
    """The peer's words."""


@frozen
class Error:
    """A callback failed, or the peer broke the protocol."""

    exception: BaseException = field(eq=False)
    """What was raised; a ``ProtocolError`` where it is the peer's fault."""


@frozen
class Shutdown:
    """The server is going away."""


@frozen
class Replaced:
    """Another actor took over this one's unique name."""

    name: str = ""
    """The name that was taken over."""


@frozen
class Expired:
    """A session without a wire was let go of: its client did not come back in time.

    Or, of an outbound connection: its server doesn't have the session any more.
    """

    limit: Literal["session_open_timeout", "session_resume_timeout"] = "session_resume_timeout"
    """Which time: that of a client that never showed that it knows its session, or of one that did."""


@frozen
class Overflow:
    """A bound was reached whose policy is to close."""

    bound: Literal["mailbox", "output", "rate", "session"] = "mailbox"
    """Which one; ``rate``: what the client may send in a second; ``session``: what is kept for one that is away."""


@frozen
class LeaseLost:
    """This node could not renew its lease at the cluster's engine: the actor's unique names may be others' by now."""

    name: str = ""
    """One of its names."""


Reason: TypeAlias = Normal | Stop | Timeout | Remote | Error | Shutdown | Replaced | Expired | Overflow | LeaseLost


@frozen
class ReasonRules:
    """What one reason means to the rest of the runtime."""

    close_code: int
    """Sent to the peer when the actor ends for this reason and the wire is still open."""
    log_level: int
    """Of the line that says the connection ended."""
    resumable: bool = False
    """Whether a session may outlive a wire that ended for this reason."""

    @property
    def is_detail(self) -> bool:
        """Whether such an end is of interest only to who looks for a fault."""
        return self.log_level <= logging.DEBUG


RULES: dict[type, ReasonRules] = {
    Normal: ReasonRules(CloseCode.NORMAL, logging.DEBUG),
    Stop: ReasonRules(CloseCode.NORMAL, logging.DEBUG),
    Timeout: ReasonRules(CloseCode.GOING_AWAY, logging.INFO, resumable=True),
    Remote: ReasonRules(CloseCode.NORMAL, logging.DEBUG, resumable=True),
    Error: ReasonRules(CloseCode.INTERNAL_ERROR, logging.ERROR),
    Shutdown: ReasonRules(CloseCode.GOING_AWAY, logging.DEBUG, resumable=True),
    Replaced: ReasonRules(CloseCode.REPLACED, logging.INFO),
    Expired: ReasonRules(CloseCode.GOING_AWAY, logging.INFO),
    Overflow: ReasonRules(CloseCode.TRY_AGAIN_LATER, logging.WARNING),
    LeaseLost: ReasonRules(CloseCode.SERVICE_RESTART, logging.WARNING),
}
