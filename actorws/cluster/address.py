"""Address: where the engine is, as one URL.

Rule owned here: a URL that can't be meant is refused in a sentence, before anything is tried; passwords are not shown.

===============================================================  ============================================
``redis://[user:password@]host[:6379][/database]``               one primary, over TCP
``rediss://...``                                                 the same with TLS
``unix:///run/valkey.sock[?database=0&password=...]``            one primary on this host
``redis+sentinel://[user:password@]host[:26379],.../service``    the primary that Sentinels know by a name
``rediss+sentinel://...``                                        the same with TLS
===============================================================  ============================================

Further, in the query: ``app`` (default ``actorws``): nodes with another one know nothing of each other on the same
server; ``ca`` (a file of certificates to trust, instead of the system's), ``cert`` and ``key`` (of this client);
``user`` and ``password``, where they are not before the host; ``sentinel_user`` and ``sentinel_password``. Reserved
characters are written as ``%`` and two digits.
"""

from __future__ import annotations

import os
import re
import ssl
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from attrs import field, frozen

from actorws.exceptions import ConfigError

__all__ = ["Address", "Login", "parse_address"]

SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
COMMON = frozenset({"app", "database", "user", "password"})
OF_TLS = frozenset({"ca", "cert", "key"})
OF_SENTINEL = frozenset({"sentinel_user", "sentinel_password"})
PORT, SENTINEL_PORT = 6379, 26379
APP = re.compile(r"[A-Za-z0-9_.-]{1,64}")
HOST = re.compile(
    r"(\[[0-9A-Fa-f:.]+\]|(?=[^:]{1,253}(?::|$))[\w-]{1,63}(?:\.[\w-]{1,63})*\.?)(?::([0-9]{1,5}))?", re.A
)
#: Bytes of a Unix socket's path: what fits into the kernel's ``sockaddr_un``.
MAX_PATH = 107


@frozen
class Login:
    """Who one is to the server."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)


@frozen
class Address:
    """A parsed URL."""

    hosts: tuple[tuple[str, int], ...] = ()
    """Of the primary, or of the Sentinels."""
    path: str | None = None
    """Of the Unix socket, if that is where it is."""
    service: str | None = None
    """The name by which Sentinels know the primary, if they are asked."""
    database: int = 0
    app: str = "actorws"
    login: Login = Login()
    sentinel_login: Login = Login()
    tls: ssl.SSLContext | None = field(default=None, eq=False, repr=False)

    def __str__(self) -> str:
        """As it is shown to people: without a password."""
        where = self.path or ",".join(f"[{h}]:{p}" if ":" in h else f"{h}:{p}" for h, p in self.hosts)
        scheme = "unix" if self.path else ("rediss" if self.tls else "redis") + ("+sentinel" if self.service else "")
        return f"{scheme}://{where}" + (f"/{self.service}" if self.service else "")


def parse_address(url: str) -> Address:
    """Raises ``ConfigError`` for a URL that isn't one of those above; the message has no password in it."""
    if not isinstance(url, str):
        raise ConfigError(f"the cluster's URL must be a str, not {type(url).__name__}")
    return _Parser(url).parse()


class _Parser:
    """One URL on its way to an address."""

    def __init__(self, url: str) -> None:
        self._url = url
        #: A password with a reserved character in it may end up in any part.
        self._is_secret = "@" in url or "password" in url

    def parse(self) -> Address:
        try:
            parts = urlsplit(self._url)
            pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError as error:
            raise self._refuse("can't be read", error) from None
        if parts.scheme not in SCHEMES:
            raise self._refuse(f"must begin with one of {', '.join(SCHEMES)}", parts.scheme)
        if parts.fragment:
            raise self._refuse("has no part after #, which in a password is written %23", parts.fragment)
        query = self._query(parts.scheme, pairs)
        user, password, hosts = self._authority(parts.netloc, query)
        common = {"app": self._app(query), "login": Login(user, password)}
        if parts.scheme == "unix":
            return Address(path=self._socket(parts), database=self._database("", query), **common)  # type: ignore[arg-type]
        is_sentinel = parts.scheme.endswith("+sentinel")
        path = unquote(parts.path.removeprefix("/"))
        if is_sentinel and not path:
            raise self._refuse("of Sentinels ends in the name of the service: redis+sentinel://host/service", "")
        return Address(
            hosts=self._hosts(hosts, is_sentinel),
            service=path if is_sentinel else None,
            database=self._database("" if is_sentinel else path, query),
            sentinel_login=Login(query.get("sentinel_user"), query.get("sentinel_password")),
            tls=_tls(query) if parts.scheme.startswith("rediss") else None,
            **common,  # type: ignore[arg-type]
        )

    def _refuse(self, what: str, value: object) -> ConfigError:
        shown = "" if self._is_secret or value in ("", None) else f" ({value!s:.100})"
        return ConfigError(f"the cluster's URL {what}{shown}")

    def _query(self, scheme: str, pairs: list[tuple[str, str]]) -> dict[str, str]:
        allowed = COMMON
        if scheme.startswith("rediss"):
            allowed |= OF_TLS
        if scheme.endswith("+sentinel"):
            allowed |= OF_SENTINEL
        query = dict(pairs)
        for name in query:
            if name not in allowed:
                raise self._refuse(f"may have the parameters {', '.join(sorted(allowed))} here, and no other", name)
        if len(query) < len(pairs):
            raise self._refuse("has a parameter twice", "")
        return query

    def _authority(self, netloc: str, query: dict[str, str]) -> tuple[str | None, str | None, str]:
        """User, password and hosts."""
        credentials, at, hosts = netloc.rpartition("@")
        if at and {"user", "password"} & set(query):
            raise self._refuse("has the user or the password twice", "")
        user, colon, password = credentials.partition(":")
        found = (
            (unquote(user), unquote(password) if colon else None) if at else (query.get("user"), query.get("password"))
        )
        if found[0] and found[1] is None:
            raise self._refuse("has a user without a password", found[0])
        return found[0] or None, found[1], hosts

    def _app(self, query: dict[str, str]) -> str:
        app = query.get("app", "actorws")
        if not APP.fullmatch(app):
            raise self._refuse("must have an app of 1 to 64 letters, digits, dots, hyphens or underscores", app)
        return app

    def _socket(self, parts: SplitResult) -> str:
        path = unquote(parts.path)
        if parts.netloc.rpartition("@")[2] or not path.startswith("/"):
            raise self._refuse("of a Unix socket has three slashes: unix:///path/to.sock", parts.netloc)
        if len(os.fsencode(path)) > MAX_PATH or "\0" in path:
            raise self._refuse(f"must have a path of at most {MAX_PATH} bytes to a Unix socket", path)
        return path

    def _hosts(self, text: str, is_sentinel: bool) -> tuple[tuple[str, int], ...]:
        hosts = tuple(self._host(host, SENTINEL_PORT if is_sentinel else PORT) for host in text.split(","))
        if len(hosts) > 1 and not is_sentinel:
            raise self._refuse("must name one host (several are for Sentinels: redis+sentinel://)", text)
        return hosts

    def _host(self, text: str, default: int) -> tuple[str, int]:
        match = HOST.fullmatch(text)
        port = int(match[2] or default) if match else 0
        if match is None or not 0 < port < 65536:
            raise self._refuse("must have a host, or host:port; reserved characters of a password escaped", text)
        return match[1].strip("[]"), port

    def _database(self, in_path: str, query: dict[str, str]) -> int:
        text = query.get("database", in_path)
        if in_path and "database" in query:
            raise self._refuse("has the database twice", "")
        if not re.fullmatch(r"[0-9]{0,4}", text, re.A):
            raise self._refuse("must have a number as database", text)
        return int(text or 0)


def _tls(query: dict[str, str]) -> ssl.SSLContext:
    if "key" in query and "cert" not in query:
        raise ConfigError("the cluster's URL has a key without a cert")
    try:
        context = ssl.create_default_context(cafile=query.get("ca"))
        if "cert" in query:
            context.load_cert_chain(query["cert"], query.get("key"), _no_password)
    except (OSError, ValueError) as error:  # of which ssl.SSLError is one
        raise ConfigError(f"the certificates of the cluster's URL can't be used: {error}") from None
    return context


def _no_password() -> str:
    """Else OpenSSL would ask for it at the terminal, and wait."""
    raise ConfigError("the key of the cluster's URL must not be encrypted")
