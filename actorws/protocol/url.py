"""URLs of WebSockets (RFC 6455 section 3): what one says, and whether it may be said so.

Rule owned here: where to connect to is decided in one place, and a URL that two readers could take for different
servers is none. What is shown of one holds no secret. Must not know how anything is connected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urljoin, urlsplit

from attrs import evolve, field, frozen

from actorws.exceptions import InvalidUrl

__all__ = ["NOT_IN_URLS", "Target", "parse_url"]

#: Also those by which browsers' ``new WebSocket()`` may be called, and what a server of ours says that it listens on.
_SECURE = {"ws": False, "http": False, "wss": True, "https": True}
_UNIX = ("ws+unix", "unix")
_DEFAULT_PORT = {False: 80, True: 443}
#: What no part of a URL may have (RFC 3986 appendix A), and what ``urlsplit`` would drop without a word.
NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: RFC 1035 section 2.3.4; longer ones the resolver and TLS would refuse, each in its own way.
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(\.{_LABEL})*\.?")
#: Other letters in IDNA 2003, by which Python goes, than in IDNA 2008 and browsers: another name (RFC 5894, 7.2).
_DEVIANT = re.compile("[\u00df\u03c2\u200c\u200d]")
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
    path: str = field(repr=lambda path: repr(path.partition("?")[0]))
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
            return f"ws+unix:{quote(self.unix, errors='surrogateescape')}:{path}"
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
        shown = repr(_without_secrets(location))
        bad = NOT_IN_URLS.search(location)
        if bad is not None:
            raise InvalidUrl(f"{bad[0]!r} can't stand in a URL: {shown}")
        try:
            base = f"{'https' if self.secure else 'http'}://{self.authority}{self.path}"
            joined = urljoin(base, location).partition("#")[0]
        except ValueError:
            raise InvalidUrl(f"{shown} is no URL") from None
        if self.unix is not None:
            if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|//", location):
                raise InvalidUrl(f"from a Unix socket there is no way to {shown}")
            return evolve(self, path=_target(urlsplit(joined)))
        target = parse_url(joined)
        if target.unix is not None:
            raise InvalidUrl(f"a Unix socket of this machine is not for others to name: {shown}")
        if target.credentials is None and target.origin == self.origin:
            target = evolve(target, credentials=self.credentials)
        return target


def parse_url(url: str) -> Target:
    """What ``url`` leads to: ``ws``, ``wss``, ``http``, ``https``, or ``ws+unix:/run/app.sock:/path``.

    Raises ``InvalidUrl``.
    """
    if not isinstance(url, str):
        raise InvalidUrl(f"url must be a str such as 'wss://example.org/chat', not {type(url).__name__}")
    bad = NOT_IN_URLS.search(url)
    if bad is not None:
        raise InvalidUrl(f"{bad[0]!r} can't stand in a URL: {_without_secrets(url)!r}")
    scheme = url.partition(":")[0].lower()
    if scheme in _UNIX:
        return _unix(url)
    if scheme not in _SECURE or not url[len(scheme) :].startswith("://"):
        raise InvalidUrl(
            f"a URL of a WebSocket begins with ws://, wss:// or ws+unix:/, not as {_without_secrets(url)!r}"
        )
    if "#" in url:
        raise InvalidUrl(f"a URL of a WebSocket has no fragment (RFC 6455 section 3): {_without_secrets(url)!r}")
    try:
        parts = urlsplit(url)
    except ValueError:  # whose text may have the credentials in it
        raise InvalidUrl(f"there is no host in {_without_secrets(url)!r}") from None
    secure = _SECURE[scheme]
    return Target(
        secure=secure,
        host=_host(parts, url),
        port=_port(parts, secure, url),
        path=_target(parts),
        credentials=_credentials(parts, url),
    )


def _unix(url: str) -> Target:
    """As Node's ``ws`` writes it: ``ws+unix:/run/app.sock:/chat?room=1``; with two slashes more as well."""
    rest = url.partition(":")[2]
    if rest.startswith("//"):
        rest = rest[2:]
    encoded, _, path = rest.partition(":")
    # More slashes at its begin mean the same, and would be taken for others when it is shown.
    socket = "/" + unquote(encoded, errors="surrogateescape").lstrip("/")
    if not encoded.startswith("/") or "?" in encoded or "#" in url or (path and not path.startswith("/")):
        raise InvalidUrl(f"expected ws+unix:/path/of/socket:/path, not {_without_secrets(url)!r}")
    if _CONTROL.search(socket):
        raise InvalidUrl(f"the path of a socket has no control characters: {_without_secrets(url)!r}")
    parts = SplitResult("http", "localhost", *(path or "/").partition("?")[::2], "")
    return Target(secure=False, host="localhost", port=80, path=_target(parts), unix=socket)


def _host(parts: SplitResult, url: str) -> str:
    host = parts.hostname or ""
    if _DEVIANT.search(host):
        raise InvalidUrl(f"this host can be read as two, so it has to be given as xn--...: {_without_secrets(url)!r}")
    try:
        if "[" in parts.netloc:
            # One with a zone ("%eth0") is no part of a URL.
            if "%" not in host and IPv6Address(host):
                return host
        elif _NAME.fullmatch(name := host.encode("idna").decode("ascii")):
            return name
    except ValueError:
        pass
    raise InvalidUrl(f"there is no host in {_without_secrets(url)!r}")


def _port(parts: SplitResult, secure: bool, url: str) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port is None:
        return _DEFAULT_PORT[secure]
    if not port:
        raise InvalidUrl(f"a port is a number from 1 to 65535: {_without_secrets(url)!r}")
    return port


def _target(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe=_SAFE)
    return f"{path}?{quote(parts.query, safe=_SAFE)}" if parts.query else path


def _credentials(parts: SplitResult, url: str) -> tuple[str, str] | None:
    if parts.username is None and parts.password is None:
        return None
    user = unquote(parts.username or "")
    if ":" in user:
        # The server would take what is behind it for the password (RFC 7617 section 2).
        raise InvalidUrl(f"a user's name has no colon: {_without_secrets(url)!r}")
    return user, unquote(parts.password or "")


def _without_secrets(url: str) -> str:
    """Of what may be a URL, no more than may be shown: up to the last ``@`` all of it could be a password."""
    before, at, behind = re.split("[?#]", url, maxsplit=1)[0].rpartition("@")
    scheme = re.match(r"([A-Za-z0-9+.-]*://)?", before)
    return f"{scheme[0]}***@{behind}"[:200] if at and scheme else behind[:200]
