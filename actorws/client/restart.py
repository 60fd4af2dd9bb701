"""Restart: whether an outbound connection that has ended, or can't be had, is to be had again.

Rule owned here: the three restart types of OTP, in one table for ends and one for failures. Must not know when.

=============  ==================================================================================================
``permanent``  always, until ``Connector.close`` or the runtime ends it
``transient``  unless its end was a normal one: our own Close (answered or not), ``conn.abort()``, the peer's Close with
               1000, with no code or with one that asks to stay away (4500-4999), or another actor that took the
               unique name
``temporary``  never
=============  ==================================================================================================

=============  ================================================  =================================================
a try failed   before the first connection                       later
=============  ================================================  =================================================
``permanent``  unless the error is final: a mistake in what was  always: what is wrong now may be mended as the
               asked for would be the same again                 first time
``transient``  the same                                          unless the server says that it won't let us in any
                                                                 more: 401, 403, 410
``temporary``  never                                             there is no later
=============  ================================================  =================================================
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from actorws.exceptions import ConfigError, ConnectError, Rejected
from actorws.frames import CloseCode
from actorws.reasons import Normal, Reason, Remote, Replaced, Shutdown, Stop, Timeout

__all__ = ["Restart", "check_restart", "is_worth_another_try", "restarts_after"]

Restart: TypeAlias = Literal["permanent", "transient", "temporary"]

#: Answers by which a server that has let us in before says that it won't any more.
_GOODBYES = (401, 403, 410)
#: From here on a close code asks to stay away.
_STAY_AWAY = 4500


def check_restart(restart: object) -> None:
    """Raises ``ConfigError`` for what is none of the three."""
    if restart not in get_args(Restart):
        raise ConfigError(f"restart must be 'permanent', 'transient' or 'temporary', not {restart!r}")


def restarts_after(reason: Reason, restart: Restart) -> bool:
    """Whether a connection that ended for ``reason`` is made again."""
    if isinstance(reason, Shutdown) or restart == "temporary":
        return False
    return restart == "permanent" or not _is_normal(reason)


def _is_normal(reason: Reason) -> bool:
    match reason:
        case Normal() | Stop() | Replaced() | Timeout(waited_for="close"):
            return True
        case Remote(code=code):
            return code in (CloseCode.NORMAL, CloseCode.NO_STATUS) or code >= _STAY_AWAY
    return False


def is_worth_another_try(error: ConnectError, restart: Restart, *, was_connected: bool) -> bool:
    """Whether to try again after ``error``. What would be the same again is a mistake, if it is the first thing."""
    if restart == "temporary":
        return False
    if not was_connected:
        return not error.is_final
    return restart == "permanent" or not (isinstance(error, Rejected) and error.status in _GOODBYES)
