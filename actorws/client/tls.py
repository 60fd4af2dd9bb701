"""TLS to a server, or to a proxy.

Rule owned here: whatever TLS says becomes one error, in a sentence. Must not know what is said over it.
"""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Protocol

import trio

from actorws.exceptions import ConnectError

__all__ = ["Failed", "failure_of", "secure"]

_UNTRUSTED = "its certificate is signed by nobody that is trusted here"
#: By OpenSSL's ``X509_V_ERR``.
_CERTIFICATE: dict[int, str] = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: _UNTRUSTED,
    19: _UNTRUSTED,
    20: _UNTRUSTED,
    21: _UNTRUSTED,
    62: "its certificate is for another name than {host}",
    64: "its certificate is not for the address {host}",
}
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL")


class Failed(Protocol):
    """Makes the error."""

    def __call__(self, why: str, *, is_final: bool) -> ConnectError: ...


async def secure(
    stream: trio.abc.Stream, context: ssl.SSLContext | None, host: str, failed: Failed
) -> trio.SSLStream[trio.abc.Stream]:
    """``stream`` with TLS, its handshake done. ``None``: by the system's trust store. Raises what ``failed`` makes.

    The deadline is the caller's, and so is ``stream``: whatever happens, it is to be closed by whoever opened it.
    """
    # A name's last dot is for resolvers; there is none in SNI (RFC 6066 section 3).
    name = host.removesuffix(".")
    # Strict on both sides of its end, too: a server is told (close_notify, RFC 8446 section 6.1) before TCP ends.
    secured = trio.SSLStream(stream, context or _trusting_the_system(), server_hostname=name)
    try:
        await secured.do_handshake()
    except trio.BrokenResourceError as error:
        raise failure_of(error, name, failed) or failed(
            "it ended the connection during the TLS handshake", is_final=False
        ) from error
    return secured


@lru_cache(maxsize=1)
def _trusting_the_system() -> ssl.SSLContext:
    # Made once: to load what a system trusts takes 20 ms.
    return ssl.create_default_context()


def failure_of(error: trio.BrokenResourceError, host: str, failed: Failed) -> ConnectError | None:
    """The error, if it was TLS that broke a stream."""
    match error.__cause__:
        case ssl.SSLCertVerificationError() as cause:
            words = _CERTIFICATE.get(cause.verify_code, f"its certificate is not trusted ({cause.verify_message})")
            return failed(words.format(host=host), is_final=True)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return None
        case ssl.SSLError(reason=str(reason)) if reason in _NO_TLS:
            return failed("it answers without TLS (wss:// and https:// are by TLS)", is_final=True)
        case ssl.SSLError(reason=str(reason)) if reason.endswith("CERTIFICATE_REQUIRED"):
            return failed("it asks for a certificate of ours (tls=)", is_final=True)
        case ssl.SSLError(reason=str(reason)):
            return failed(f"TLS failed ({reason.replace('_', ' ').lower()})", is_final=True)
    return None
