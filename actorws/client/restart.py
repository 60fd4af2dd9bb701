"""Restart: whether an outbound connection that has ended, or can't be had, is to be had again.

Rule owned here: the three restart types of OTP, in one table for ends and one for failures. Must not know when.

=============  ==================================================================================================
``permanent``  always, until ``Connector.close`` or the runtime ends it
``transient``  unless its end was a normal one: our own Close, ``conn.abort()``, the peer's Close with 1000, with no
               code or with one that asks to stay away (4500-4999), or another actor that took the unique name
``temporary``  never
=============  ==================================================================================================
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from actorws.exceptions import ConnectError, Rejected
from actorws.frames import CloseCode
from actorws.reasons import Normal, Reason, Remote, Replaced, Shutdown, Stop

__all__ = ["Restart", "is_worth_another_try", "restarts_after"]

Restart: TypeAlias = Literal["permanent", "transient", "temporary"]

#: Answers by which a server that has let us in before says that it won't any more.
_GOODBYES = (401, 403, 410)
#: From here on a close code asks to stay away.
_STAY_AWAY = 4500


def restarts_after(reason: Reason, restart: Restart) -> bool:
    """Whether a connection that ended for ``reason`` is made again."""
    if isinstance(reason, Shutdown) or restart == "temporary":
        return False
    return restart == "permanent" or not _is_normal(reason)


def _is_normal(reason: Reason) -> bool:
    match reason:
        case Normal() | Stop() | Replaced():
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
