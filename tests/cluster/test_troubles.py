"""What goes wrong with an engine is told in sentences; what no retry can mend is told apart from what one may."""

from __future__ import annotations

import ssl

import pytest
import trio

from actorws.cluster.replies import Refused
from actorws.cluster.troubles import in_words, sole
from actorws.exceptions import ConfigError, EngineUnavailable


def broken(cause: Exception) -> trio.BrokenResourceError:
    error = trio.BrokenResourceError()
    error.__cause__ = cause
    return error


def insecure(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError("not as it should be")
    error.reason = reason  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (broken(OSError(104, "reset")), EngineUnavailable, "x broke the connection: [Errno 104] reset"),
        (trio.BrokenResourceError("gone"), EngineUnavailable, "x broke the connection: gone"),
        (broken(insecure(None)), EngineUnavailable, "x broke the connection: "),
        (broken(insecure("BAD_RECORD")), EngineUnavailable, "x broke the connection: "),
        (broken(insecure("WRONG_VERSION_NUMBER")), ConfigError, "x does not speak TLS"),
        (
            broken(insecure("TLSV13_ALERT_CERTIFICATE")),
            ConfigError,
            "x refuses our TLS, or wants a certificate",
        ),
        (OSError(113, "no route"), EngineUnavailable, "x can't be reached: [Errno 113] no route"),
        (trio.TooSlowError(), EngineUnavailable, "x did not answer in time"),
        (Refused("LOADING the data"), EngineUnavailable, "x refuses: LOADING the data"),
        (Refused("WRONGPASS no"), ConfigError, "x refuses the user or the password, or what the user may do: "),
        (ConfigError("as it is"), ConfigError, "as it is"),
        (EngineUnavailable("as it is"), EngineUnavailable, "as it is"),
    ],
)
def test_every_trouble_has_its_sentence(error: Exception, kind: type[Exception], said: str) -> None:
    told = in_words(error, "x")
    assert isinstance(told, kind)
    assert str(told).startswith(said)


def test_a_fault_of_ours_is_none_of_them() -> None:
    fault = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        in_words(fault, "x")
    group = BaseExceptionGroup("", [OSError(), BaseExceptionGroup("", [fault, ConfigError("password")])])
    found = sole(group)
    assert isinstance(found, BaseExceptionGroup)
    assert found.subgroup(ZeroDivisionError) is not None
    assert found.subgroup((OSError, ConfigError)) is None


def test_of_several_troubles_the_one_that_tells_most_is_told() -> None:
    password = ConfigError("password")
    assert (
        sole(BaseExceptionGroup("", [OSError(), BaseExceptionGroup("", [trio.TooSlowError(), password])])) is password
    )
