"""Troubles: what can go wrong between a node and its engine, in sentences.

Rule owned here: what no retry can mend is a ``ConfigError``, everything else is ``EngineUnavailable``; a fault of ours
is neither, and is passed on as it is. Must not know when to try again.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import trio

from actorws.cluster.address import Address
from actorws.cluster.replies import NotRedis, Refused
from actorws.exceptions import ConfigError, EngineUnavailable

__all__ = ["in_words", "sole"]

#: Error replies that no retry can mend, by their first word, and what servers say of the same inside of a script.
FATAL = frozenset({"WRONGPASS", "NOAUTH", "NOPERM"})
FATAL_IN_SCRIPTS = ("acl failure in script", "the user executing the script can't")
#: What may go wrong with a link, in the order of how much it tells.
EXPECTED = (ConfigError, Refused, NotRedis, EngineUnavailable, trio.BrokenResourceError, OSError, trio.TooSlowError)


def sole(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Of all that went wrong in a nursery what tells most. Cancellation goes before it, and so does a fault of ours."""
    _, others = group.split(EXPECTED)
    if others is not None:
        return others
    return min(_leaves(group), key=lambda error: next(i for i, kind in enumerate(EXPECTED) if isinstance(error, kind)))


def in_words(error: BaseException, address: Address | str) -> ConfigError | EngineUnavailable:
    """What went wrong with ``address``, as it is told. Anything unexpected is raised."""
    match error:
        case ConfigError():
            return error
        case Refused():
            return _refused(error, address)
        case NotRedis():
            return ConfigError(f"{address} is no Redis or Valkey server, or wants TLS (rediss://): {error}")
        case EngineUnavailable() | trio.BrokenResourceError() if isinstance(error.__cause__, ssl.SSLError):
            return _insecure(error.__cause__, address)
        case EngineUnavailable():
            return error
        case trio.BrokenResourceError():
            return EngineUnavailable(f"{address} broke the connection: {error.__cause__ or error}")
        case OSError():
            return EngineUnavailable(f"{address} can't be reached: {_why(error)}")
        case trio.TooSlowError():
            hint = "; does it speak TLS?" if isinstance(address, Address) and address.tls else ""
            return EngineUnavailable(f"{address} did not answer in time{hint}")
    raise error


def _refused(error: Refused, address: Address | str) -> ConfigError | EngineUnavailable:
    said = error.reply.lower()
    if error.code in FATAL or any(what in said for what in FATAL_IN_SCRIPTS):
        return ConfigError(f"{address} refuses the user or the password, or what the user may do: {error.reply}")
    if "unknown command" in said or error.code == "NOPROTO":
        return ConfigError(f"{address} is too old, or lacks a command; Redis 6.2 or Valkey is needed: {error.reply}")
    return EngineUnavailable(f"{address} refuses: {error.reply}")


def _insecure(error: ssl.SSLError, address: Address | str) -> ConfigError | EngineUnavailable:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConfigError(f"the certificate of {address} is not trusted: {error.verify_message}")
    if error.reason == "WRONG_VERSION_NUMBER":
        return ConfigError(f"{address} does not speak TLS; without it the URL begins with redis://")
    if error.reason is not None and "ALERT" in error.reason:
        return ConfigError(
            f"{address} refuses our TLS, or wants a certificate (cert and key in the URL): {error.reason}"
        )
    return EngineUnavailable(f"{address} broke the connection: {error}")


def _why(error: OSError) -> str:
    """Where several addresses were tried, trio's own text says nothing about why."""
    cause = error.__cause__
    if isinstance(cause, BaseExceptionGroup):
        cause = next(_leaves(cause))
    return str(cause if isinstance(cause, OSError) else error)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
