"""Dial: a stream to a server: TCP, a Unix socket, a proxy, or what somebody else opens; and TLS over it.

Rule owned here: whatever goes wrong becomes one ``ConnectError``, in a sentence, within its deadline, and nothing stays
open. Must not know HTTP.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import trio

from actorws.client.dialing import Dialing
from actorws.client.proxy import Proxy, proxy_for
from actorws.client.tcp import why_not
from actorws.client.tls import failure_of, secure
from actorws.client.tunnel import check_installed, open_through
from actorws.exceptions import ConfigError, ConnectError, ConnectTimeout, ProxyFailed, TlsFailed, Unreachable
from actorws.io.stream import BelowTls
from actorws.protocol.url import Target

__all__ = ["broken", "open_secured", "open_stream", "within"]


@contextmanager
def within(target: Target, option: str, deadline: float, seconds: float, what: str) -> Iterator[None]:
    """Raises ``ConnectTimeout`` if the block has not ended at ``deadline``: ``what`` took longer than ``seconds``."""
    with trio.CancelScope(deadline=deadline) as scope:
        yield
    if scope.cancelled_caught:
        raise ConnectTimeout(target.shown, f"{what} within {seconds:g} s ({option})", option)


async def open_stream(dialing: Dialing, target: Target) -> trio.abc.Stream:
    """A stream to ``target``, without TLS. Raises ``Unreachable``, ``ProxyFailed`` or ``ConnectTimeout``."""
    proxy = _proxy(dialing, target)
    what = "nobody answered there" if proxy is None else f"the proxy {proxy.shown} made no connection"
    seconds = dialing.connect_timeout
    with within(target, "connect_timeout", trio.current_time() + seconds, seconds, what):
        if dialing.open_stream is not None:
            return await _open_theirs(dialing, target)
        if proxy is not None:
            return await open_through(proxy, target)
        try:
            if target.unix is not None:
                return await _open_unix(target.unix)
            return await _open_tcp(target)
        except OSError as error:
            raise Unreachable(target.shown, why_not(error, target.host)) from error


def _proxy(dialing: Dialing, target: Target) -> Proxy | None:
    """As of now: the environment may have changed since it was checked, and a redirect leads elsewhere."""
    if dialing.open_stream is not None:
        return None
    try:
        proxy = proxy_for(target, dialing.proxy)
        if proxy is not None:
            check_installed(proxy, target, dialing.proxy)
    except ConfigError as error:
        raise ProxyFailed(target.shown, str(error), is_final=True) from None
    return proxy


async def _open_theirs(dialing: Dialing, target: Target) -> trio.abc.Stream:
    assert dialing.open_stream is not None
    try:
        return await dialing.open_stream(target.host, target.port)
    except ConnectError:
        raise
    except OSError as error:
        raise Unreachable(target.shown, why_not(error, target.host)) from error
    except Exception as error:
        raise Unreachable(target.shown, f"open_stream failed: {error!r}") from error


async def _open_tcp(target: Target) -> trio.SocketStream:
    stream = await trio.open_tcp_stream(target.host, target.port)
    socket = stream.socket
    if socket.getsockname() == _peer_of(socket):
        # TCP's simultaneous open: who tries a port of this machine again and again, on which nobody listens, is given
        # that very port to come from some day, and finds himself. He would keep the server from listening there.
        socket.close()
        raise ConnectionRefusedError(errno.ECONNREFUSED, "there is nobody but us")
    return stream


def _peer_of(socket: trio.socket.SocketType) -> object:
    try:
        return socket.getpeername()
    except OSError:
        return None  # it has gone: the first read will tell


async def _open_unix(path: str) -> trio.SocketStream:
    stream = await trio.open_unix_socket(path)
    try:
        # Where the other end's queue is full, Linux says EAGAIN, which trio takes for a connection under way.
        stream.socket.getpeername()
    except OSError:
        stream.socket.close()
        raise
    return stream


async def open_secured(tcp: trio.abc.Stream, dialing: Dialing, target: Target) -> trio.abc.Stream:
    """``tcp`` with TLS, if the target asks for it, its handshake done. Raises ``TlsFailed``; the deadline is the
    caller's."""
    if not target.secure:
        return tcp
    # TCP itself is closed by whoever opened it, once the server had the time to take in our last frame.
    below = BelowTls(tcp) if isinstance(tcp, trio.SocketStream) else tcp
    return await secure(below, dialing.tls, target.host, partial(TlsFailed, target.shown))


def broken(error: trio.BrokenResourceError, target: Target, why: str) -> ConnectError:
    """What a stream that broke after all this means: TLS that was refused, or ``why``."""
    return failure_of(error, target.host, partial(TlsFailed, target.shown)) or Unreachable(target.shown, why)
