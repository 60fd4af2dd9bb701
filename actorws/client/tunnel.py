"""Tunnel: a stream through a proxy. Owner of ``python_socks``, whose words to proxies are used over our own streams.

Rules owned here: not a byte of what comes through is taken for the proxy's; whatever a proxy says becomes one
``ProxyFailed``, in a sentence, and nothing stays open. Must not know which proxy to take.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from math import inf
from typing import Any, cast

import trio

from actorws.client.proxy import Proxy
from actorws.client.refusal import printable
from actorws.client.tcp import why_not
from actorws.client.tls import secure
from actorws.exceptions import ConfigError, ProxyFailed
from actorws.protocol.url import Target

__all__ = ["check_installed", "open_through"]

#: Bytes of a proxy's answer to CONNECT.
MAX_HEAD = 64 * 1024
END = b"\r\n\r\n"
#: Answers that may be others the next time: of HTTP, of SOCKS5 (all in RFC 1928 section 6 but that of the rules, and of
#: what the proxy can't do) and of SOCKS4.
_PASSING = {408, 429, 1, 3, 4, 5, 6, 0x5B}


def check_installed(proxy: Proxy, target: Target, asked: str | None) -> None:
    """Raises ``ConfigError`` if the library for it is not there."""
    if find_spec("python_socks") is not None:
        return
    if asked == "environment":
        raise ConfigError(
            f"the environment names a proxy for {target.shown}, {proxy.shown}, and that needs python-socks: "
            "pip install 'actorws[proxy]'; to go without one: proxy=None, or the host in NO_PROXY"
        )
    raise ConfigError("proxy needs python-socks: pip install 'actorws[proxy]'")


async def open_through(proxy: Proxy, target: Target) -> trio.abc.Stream:
    """A stream to ``target`` through ``proxy``. Raises ``ProxyFailed``; the deadline is the caller's."""
    from python_socks import ProxyError, ProxyType
    from python_socks.async_.trio.v2 import Proxy as Client

    def failed(why: str, *, is_final: bool = False) -> ProxyFailed:
        return ProxyFailed(target.shown, f"the proxy {proxy.shown} {why}", is_final=is_final)

    way = _Way(proxy, failed)
    kind = "HTTP" if proxy.scheme.startswith("http") else proxy.scheme[:6].upper()
    user, password = proxy.credentials or (None, None)
    # `forward` is a proxy before the proxy: what it connects to, the words are said to.
    client = Client(
        ProxyType[kind],
        proxy.host,
        proxy.port,
        user,
        password,
        rdns=proxy.scheme not in ("socks4", "socks5"),
        forward=cast(Any, way),
    )
    try:
        return cast(_Link, await client.connect(target.host, target.port, timeout=inf)).stream
    except ProxyError as error:
        raise failed(_refusal(proxy, error), is_final=_is_final(error.error_code)) from None
    except (_NotAProxy, ValueError):
        raise failed("answers as no proxy of its kind does", is_final=True) from None
    except _HungUp:
        raise failed("ended the connection instead of answering") from None
    except trio.BrokenResourceError as error:
        raise failed("cut the connection instead of answering") from error
    except OSError as error:
        raise failed(f"was not asked: {why_not(error, target.host)}") from error


def _is_final(code: int | None) -> bool:
    return code is None or not (code in _PASSING or code >= 500)


def _refusal(proxy: Proxy, error: Exception) -> str:
    code = getattr(error, "error_code", None)
    if code == 407:
        return "doesn't take these credentials (407)" if proxy.credentials else "asks for credentials (407)"
    return f"refused to connect us: {printable(str(error)[:100])}"


class _NotAProxy(Exception):
    """Nor anything like it."""


class _HungUp(Exception):
    """No more comes."""


class _Way:
    """How ``python_socks`` gets to the proxy."""

    def __init__(self, proxy: Proxy, failed: Callable[..., ProxyFailed]) -> None:
        self._proxy = proxy
        self._failed = failed

    async def connect(self, dest_host: str, dest_port: int, **_: Any) -> _Link:
        try:
            tcp = await trio.open_tcp_stream(dest_host, dest_port)
        except OSError as error:
            raise self._failed(f"can't be reached: {why_not(error, dest_host)}") from error
        if self._proxy.scheme != "https":
            return _Link(tcp)

        def failed(why: str, *, is_final: bool) -> ProxyFailed:
            return self._failed(f"can't be spoken to: {why}", is_final=is_final)

        try:
            return _Link(await secure(tcp, None, dest_host, failed))
        except BaseException:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(tcp)
            raise


class _Link:
    """What ``python_socks`` reads from and writes to."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream

    async def write(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read_exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += await self._receive(count - len(data))
        return data

    async def read(self, max_bytes: int = 0) -> bytes:
        """A whole answer to CONNECT, and nothing behind it."""
        head = b""
        while not head.endswith(END):
            # No more than the rest of what ends it, which is the least that is missing.
            begun = next(size for size in (3, 2, 1, 0) if head.endswith(END[:size]))
            head += await self._receive(len(END) - begun)
            if not head.startswith(b"HTTP/"[: len(head)]) or len(head) > MAX_HEAD:
                raise _NotAProxy
        return head

    async def _receive(self, count: int) -> bytes:
        data = await self.stream.receive_some(count)
        if not data:
            raise _HungUp
        return bytes(data)

    async def close(self) -> None:
        await trio.aclose_forcefully(self.stream)
