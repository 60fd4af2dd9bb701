"""Proxies: whether a server is reached through one, and through it. Owner of ``python_socks``.

Rule owned here: loopback and Unix sockets are never reached through a proxy that the environment names. Must not know
what goes through.
"""

from __future__ import annotations

import trio

from actorws.protocol.url import Target

__all__ = ["open_through", "proxy_for"]


def proxy_for(target: Target, proxy: str | None) -> str | None:
    """The URL of the proxy by which ``target`` is reached, if any."""
    if proxy != "environment" or target.unix is not None:
        return proxy
    return None


async def open_through(proxy: str, target: Target) -> trio.abc.Stream:
    """A stream to ``target`` through ``proxy``. Raises ``ProxyFailed``, ``ConfigError``."""
    raise NotImplementedError
