"""Dial: a stream to a server: TCP, a Unix socket or a proxy, and TLS.

Rule owned here: whatever the system, a resolver, a proxy or TLS says becomes one ``ConnectError``, in a sentence, and
nothing stays open. Must not know HTTP.
"""

from __future__ import annotations

import errno
import socket as _socket
import ssl
from functools import lru_cache

import trio

from actorws.client.dialing import Dialing
from actorws.client.proxy import open_through, proxy_for
from actorws.exceptions import TlsFailed, Unreachable
from actorws.io.stream import BelowTls
from actorws.protocol.url import Target

__all__ = ["open_stream", "secure"]

_WORDS = {
    errno.ECONNREFUSED: "nobody listens there (connection refused)",
    errno.ETIMEDOUT: "nobody answers there",
    errno.EHOSTUNREACH: "the host can't be reached",
    errno.ENETUNREACH: "its network can't be reached",
    errno.EACCES: "this system doesn't allow it",
    errno.EPERM: "this system doesn't allow it",
    errno.ENOENT: "there is no such socket",
    errno.EMFILE: "too many open files (see ulimit -n)",
}


async def open_stream(dialing: Dialing, target: Target) -> trio.abc.Stream:
    """A stream to ``target``, without TLS. Raises ``Unreachable``, ``ProxyFailed``; the deadline is the caller's."""
    try:
        if dialing.open_stream is not None:
            return await dialing.open_stream(target.host, target.port)
        if target.unix is not None:
            return await trio.open_unix_socket(target.unix)
        proxy = proxy_for(target, dialing.proxy)
        if proxy is not None:
            return await open_through(proxy, target)
        return await trio.open_tcp_stream(target.host, target.port)
    except OSError as error:
        raise Unreachable(target.shown, _why(error, target)) from error


def _why(error: OSError, target: Target) -> str:
    if isinstance(error, _socket.gaierror):
        return f"the host {target.host} can't be resolved: {error.strerror}"
    cause: BaseException | None = error
    # trio gathers what each address of a host said.
    while cause is not None and not (isinstance(cause, OSError) and cause.errno):
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__
    if isinstance(cause, OSError) and cause.errno:
        return _WORDS.get(cause.errno) or cause.strerror or str(cause)
    return str(error)


async def secure(stream: trio.abc.Stream, dialing: Dialing, target: Target) -> trio.SSLStream[trio.abc.Stream]:
    """``stream`` with TLS, its handshake done. Raises ``TlsFailed``; the deadline is the caller's."""
    context = dialing.tls or _trusting_the_system()
    # TCP itself is closed by whoever opened it, once the server had the time to take in our last frame.
    below = BelowTls(stream) if isinstance(stream, trio.SocketStream) else stream
    secured: trio.SSLStream[trio.abc.Stream] = trio.SSLStream(
        below, context, server_hostname=target.host, https_compatible=True
    )
    try:
        await secured.do_handshake()
    except trio.BrokenResourceError as error:
        raise _tls_failed(error.__cause__, target) from error
    return secured


@lru_cache(maxsize=1)
def _trusting_the_system() -> ssl.SSLContext:
    # Made once: to load what a system trusts takes 20 ms.
    return ssl.create_default_context()


def _tls_failed(cause: BaseException | None, target: Target) -> TlsFailed:
    match cause:
        case ssl.SSLCertVerificationError():
            return TlsFailed(target.shown, f"its certificate is not trusted: {cause.verify_message}")
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "HTTP_REQUEST" | "RECORD_LAYER_FAILURE"):
            return TlsFailed(target.shown, "it speaks no TLS there (for a server without TLS: ws://)")
        case ssl.SSLError(reason=str(reason)):
            return TlsFailed(target.shown, f"TLS failed: {reason.replace('_', ' ').lower()}")
    return TlsFailed(target.shown, "it ended the connection during the TLS handshake", is_final=False)
