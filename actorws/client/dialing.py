"""Dialing: what is asked for when a server is to be reached, all of it checked before the first try.

Rule owned here: a ``Dialing`` that exists can be tried as often as need be. Must not know how.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import trio
from attrs import Attribute, field, frozen

from actorws.checks import number
from actorws.client.proxy import proxy_for
from actorws.client.tunnel import check_installed
from actorws.config import Compression
from actorws.exceptions import ConfigError
from actorws.protocol.opening_handshake import check_headers
from actorws.protocol.url import Target, parse_url

if TYPE_CHECKING:
    from actorws.actor.kind import Kind

__all__ = ["Dialing", "Headers", "OpenStream"]

#: As ``header_lines`` takes them: a value that is a sequence is one line each.
GivenHeaders: TypeAlias = Mapping[str, str | Sequence[str]]
#: Headers of the handshake, or what makes them for each try (with a token that may have expired by then, say).
Headers: TypeAlias = GivenHeaders | Callable[[], GivenHeaders | Awaitable[GivenHeaders]]
#: Opens the stream on which TLS and the handshake take place, given the URL's host and port.
OpenStream: TypeAlias = Callable[[str, int], Awaitable[trio.abc.Stream]]


def _tls(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if value is not None and not isinstance(value, ssl.SSLContext):
        raise ConfigError(f"tls must be an ssl.SSLContext or None, not {value!r}")
    if value is not None and value.protocol == ssl.PROTOCOL_TLS_SERVER:
        raise ConfigError("tls must be a context for clients, such as of ssl.create_default_context(), not for servers")


def _proxy(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"proxy must be a URL, 'environment' or None, not {type(value).__name__}")


def _open_stream(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if value is not None and not callable(value):
        raise ConfigError(f"open_stream must be an async function of a host and a port, or None, not {value!r}")


@frozen(kw_only=True)
class Dialing:
    """How a server is to be reached."""

    target: Target
    headers: Headers = field(factory=dict, repr=False)
    subprotocols: tuple[str, ...] = ()
    subprotocol_required: bool = False
    compression: Compression = field(factory=Compression)
    tls: ssl.SSLContext | None = field(default=None, validator=_tls)
    """``None``: the system's trust store."""
    proxy: str | None = field(default="environment", validator=_proxy, repr=False)
    """A URL, ``"environment"`` (``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY`` and the like) or ``None``."""
    connect_timeout: float = field(default=10.0, validator=number(0.001))
    """Seconds for the name, TCP and the proxy. (Those for a function's headers are as many.)"""
    handshake_timeout: float = field(default=10.0, validator=number(0.001))
    """Seconds for TLS and the answer to the handshake, behind that."""
    max_redirects: int = field(default=5, validator=number(0))
    open_stream: OpenStream | None = field(default=None, validator=_open_stream)
    """Instead of TCP and a proxy."""

    @staticmethod
    def to(url: str, **asked: Any) -> Dialing:
        """A dialing to ``url``. Raises ``InvalidUrl`` and ``ConfigError``."""
        dialing = Dialing(target=parse_url(url), **asked)
        headers = dialing.headers
        try:
            check_headers({} if callable(headers) else headers, dialing.subprotocols)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        dialing._check_proxy()
        return dialing

    @staticmethod
    def of(kind: Kind, url: str, headers: Headers | None, **asked: Any) -> Dialing:
        """A dialing to ``url`` with what is an option of the behaviour's. Raises as ``to``."""
        config = kind.config
        return Dialing.to(
            url,
            headers={} if headers is None else headers,
            subprotocols=config.handshake.subprotocols,
            subprotocol_required=config.handshake.subprotocol_required,
            compression=config.compression,
            **asked,
        )

    def _check_proxy(self) -> None:
        if self.open_stream is not None:
            if self.proxy not in (None, "environment"):
                raise ConfigError("proxy and open_stream exclude each other: open_stream opens what the proxy would")
            return
        proxy = proxy_for(self.target, self.proxy)
        if proxy is not None:
            check_installed(proxy, self.target, self.proxy)
