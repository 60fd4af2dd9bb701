"""URLs of WebSockets (RFC 6455 section 3): what one says, and whether it may be said so.

Rule owned here: where to connect to is decided in one place, and a URL that two readers could take for different
servers is none. What is shown of one holds no secret. Must not know how anything is connected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urljoin, urlsplit

from attrs import evolve, field, frozen

from actorws.exceptions import InvalidUrl

__all__ = ["Target", "parse_url"]

#: Also those by which browsers' ``new WebSocket()`` may be called, and what a server of ours says that it listens on.
_SECURE = {"ws": False, "http": False, "wss": True, "https": True}
_UNIX = ("ws+unix", "unix")
_DEFAULT_PORT = {False: 80, True: 443}
#: What no part of a URL may have (RFC 3986 appendix A), and what ``urlsplit`` would drop without a word.
_BAD = re.compile(r"[\x00-\x20\x7f\\]")
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
#: What may stand in a path or a query as it is; the percent sign, because what is encoded already stays so.
_SAFE = "/%!$&'()*+,;=:@~-._?[]"


@frozen
class Target:
    """Where a WebSocket is to be connected to."""

    secure: bool
    """Whether by TLS."""
    host: str
    """A name in ASCII, or an address (of IPv6 without its brackets)."""
    port: int
    path: str
    """With the query, as it stands in the request line."""
    unix: str | None = None
    """The path of a Unix socket, instead of ``host`` and ``port``."""
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    """User and password, for ``Authorization``."""

    @property
    def authority(self) -> str:
        """The value of ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORT[self.secure] else f"{host}:{self.port}"

    @property
    def query(self) -> Mapping[str, str]:
        """The query's parameters, decoded; of one given several times, the last."""
        return dict(parse_qsl(self.path.partition("?")[2], keep_blank_values=True))

    @property
    def shown(self) -> str:
        """For people and logs: without credentials and query, which may be secret."""
        path = self.path.partition("?")[0]
        if self.unix is not None:
            return f"ws+unix:{self.unix}:{path}"
        return f"{'wss' if self.secure else 'ws'}://{self.authority}{path}"

    @property
    def origin(self) -> tuple[bool, str, int, str | None]:
        """Whom credentials may be sent to."""
        return self.secure, self.host.lower(), self.port, self.unix

    def with_query(self, text: str) -> Target:
        """The same with ``text``, such as ``a=1``, added to the query."""
        return evolve(self, path=f"{self.path}{'&' if '?' in self.path else '?'}{text}")

    def redirected(self, location: str) -> Target:
        """What ``location``, of a redirect from here, leads to. Raises ``InvalidUrl``."""
        if self.unix is not None:
            if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|//", location):
                raise InvalidUrl(f"a redirect away from a Unix socket, to {location!r:.200}")
            return evolve(self, path=_target(urlsplit(urljoin(f"http://localhost{self.path}", location))))
        base = f"{'https' if self.secure else 'http'}://{self.authority}{self.path}"
        target = parse_url(urljoin(base, location).partition("#")[0])
        if target.unix is not None:
            raise InvalidUrl(f"a redirect to a Unix socket of this machine, {location!r:.200}")
        if target.credentials is None and target.origin == self.origin:
            target = evolve(target, credentials=self.credentials)
        return target


def parse_url(url: str) -> Target:
    """What ``url`` leads to: ``ws``, ``wss``, ``http``, ``https``, or ``ws+unix:/run/app.sock:/path``.

    Raises ``InvalidUrl``.
    """
    if not isinstance(url, str):
        raise InvalidUrl(f"url must be a str such as 'wss://example.org/chat', not {url!r:.200}")
    bad = _BAD.search(url)
    if bad is not None:
        raise InvalidUrl(f"{bad[0]!r} can't stand in a URL: {_without_secrets(url)!r}")
    scheme = url.partition(":")[0].lower()
    if scheme in _UNIX:
        return _unix(url)
    if scheme not in _SECURE or not url[len(scheme) :].startswith("://"):
        raise InvalidUrl(
            f"a URL of a WebSocket begins with ws://, wss:// or ws+unix:/, not as {_without_secrets(url)!r}"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidUrl(f"{_without_secrets(url)!r} is no URL: {error}") from None
    if parts.fragment or "#" in url:
        raise InvalidUrl(f"a URL of a WebSocket has no fragment (RFC 6455 section 3): {_without_secrets(url)!r}")
    secure = _SECURE[scheme]
    return Target(
        secure=secure,
        host=_host(host, url),
        port=_port(port, secure, url),
        path=_target(parts),
        credentials=_credentials(parts),
    )


def _unix(url: str) -> Target:
    """As Node's ``ws`` writes it: ``ws+unix:/run/app.sock:/chat?room=1``; with two slashes more as well."""
    rest = url.partition(":")[2]
    if rest.startswith("//"):
        rest = rest[2:]
    socket, _, path = rest.partition(":")
    if not socket.startswith("/") or "#" in url or (path and not path.startswith("/")):
        raise InvalidUrl(f"expected ws+unix:/path/of/socket:/path, not {_without_secrets(url)!r}")
    parts = SplitResult("http", "localhost", *(path or "/").partition("?")[::2], "")
    return Target(secure=False, host="localhost", port=80, path=_target(parts), unix=unquote(socket))


def _host(host: str, url: str) -> str:
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            host = ""
    if not (_ADDRESS if ":" in host else _NAME).fullmatch(host):
        raise InvalidUrl(f"there is no host in {_without_secrets(url)!r}")
    return host


def _port(port: int | None, secure: bool, url: str) -> int:
    if port is None:
        return _DEFAULT_PORT[secure]
    if not port:
        raise InvalidUrl(f"a port is a number from 1 to 65535, not 0: {_without_secrets(url)!r}")
    return port


def _target(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe=_SAFE)
    return f"{path}?{quote(parts.query, safe=_SAFE)}" if parts.query else path


def _credentials(parts: SplitResult) -> tuple[str, str] | None:
    if parts.username is None and parts.password is None:
        return None
    return unquote(parts.username or ""), unquote(parts.password or "")


def _without_secrets(url: str) -> str:
    """Of what may be a URL, no more than may be shown."""
    return re.sub(r"//[^/?#@]*@", "//", url.partition("?")[0])[:200]
