"""Proxies: which one a server is reached through, if any.

Rules owned here: loopback and Unix sockets are never reached through a proxy that the environment names; what is shown
of a proxy has no password in it. Must not know how anything gets through.
"""

from __future__ import annotations

import re
import socket as _socket
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from attrs import field, frozen

from actorws.exceptions import ConfigError
from actorws.protocol.url import NOT_IN_URLS, Target

__all__ = ["Proxy", "parse_proxy", "proxy_for"]

#: With the port where none is given. ``h`` and ``a``: names are resolved by the proxy, as by curl; else they are here.
_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}
_EXPECTED = "http://[user:password@]host:port, or https, socks4, socks4a, socks5 or socks5h"
#: Under what the environment names proxies (``HTTPS_PROXY``), the first that it has.
_NAMES = {False: ("ws", "http", "socks", "all"), True: ("wss", "https", "socks", "all")}


@frozen
class Proxy:
    """One that somebody asked for."""

    scheme: str
    host: str
    port: int
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    """User and password."""

    @property
    def shown(self) -> str:
        """For people and logs: without credentials."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def proxy_for(target: Target, asked: str | None) -> Proxy | None:
    """The proxy through which ``target`` is reached, if any. ``asked``: a URL, ``"environment"`` or ``None``.

    Raises ``ConfigError`` for a URL that is none of a proxy.
    """
    if asked is None or target.unix is not None:
        return None
    if asked != "environment":
        return parse_proxy(asked, "proxy")
    if _is_of_this_machine(target.host) or proxy_bypass(f"{target.host}:{target.port}"):
        return None
    known = getproxies()
    for name in _NAMES[target.secure]:
        if known.get(name):
            return parse_proxy(_with_scheme(known[name], name), f"{name.upper()}_PROXY of the environment")
    return None


def _is_of_this_machine(host: str) -> bool:
    if host.rstrip(".").lower().rpartition(".")[2] == "localhost":
        return True  # RFC 6761 section 6.3
    try:
        address = ip_address(host)
    except ValueError:
        pass
    else:
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback
    try:
        # Also "127.1" and the like, which resolvers take for addresses.
        return _socket.inet_aton(host)[0] == 127
    except OSError:
        return False


def _with_scheme(url: str, name: str) -> str:
    """As curl reads what has none; and ``socks`` is what macOS and desktops call it, as ``http://`` or ``socks://``."""
    scheme, rest = url.split("://", 1) if "://" in url else ("http", url)
    if scheme == "socks" or (scheme == "http" and name == "socks"):
        scheme = "socks5h"
    return f"{scheme}://{rest}"


def parse_proxy(url: str, what: str) -> Proxy:
    """The proxy that ``url`` names. In a ``ConfigError`` it is called ``what``, as it may have a password in it."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:  # whose text may have the credentials in it
        scheme, host, port = "", "", None
    if (
        scheme not in _PORTS
        or NOT_IN_URLS.search(url)
        or not re.fullmatch(r"[A-Za-z0-9._:-]+", host)
        or parts.path not in ("", "/")
    ):
        raise ConfigError(f"{what} must be {_EXPECTED}" + (f", not {scheme}://" if scheme and not host else ""))
    credentials = None
    if parts.username is not None:
        credentials = unquote(parts.username), unquote(parts.password or "")
        if not _can_be_said(scheme, *credentials):
            raise ConfigError(f"{what} has a user or a password that {scheme} can't carry")
    return Proxy(scheme, host, port or _PORTS[scheme], credentials)


def _can_be_said(scheme: str, user: str, password: str) -> bool:
    if scheme in ("http", "https"):
        # RFC 7617 section 2; python-socks writes latin-1.
        return bool(user) and ":" not in user and max(user + password) <= "\xff"
    if not (user + password).isascii():
        return False
    if scheme in ("socks4", "socks4a"):
        return bool(user) and "\0" not in user
    # RFC 1929 section 2.
    return 1 <= len(user) <= 255 and 1 <= len(password) <= 255
