"""The opening handshake of RFC 6455, server side: a request's head in, a decision or the 101 response out.

Rule owned here: which requests may become a WebSocket, and what refuses the others (section 4.2.2). All functions
are pure. Must not know routes, behaviours or how a refusal is written.
"""

from __future__ import annotations

import hashlib
import re
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from actorws.exceptions import HandshakeError
from actorws.protocol.headers import header_lines, is_token

if TYPE_CHECKING:
    from actorws.config import Handshake
    from actorws.protocol.head import Head

__all__ = [
    "accept_key",
    "check",
    "choose_subprotocol",
    "host_allowed",
    "offered_subprotocols",
    "origin_allowed",
    "response",
]

#: RFC 6455 section 1.3.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: Base64 of 16 bytes. The four bits of the last digit that carry nothing may be anything (RFC 4648 section 3.5).
_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^\[\]:/?#@,\s]+)(?::([0-9]{1,5}))?")
_DEFAULT_PORT = {"http": "80", "https": "443"}
#: A 101 has no body, and what makes it a handshake is not for others to set.
_OURS = frozenset(
    {
        "connection",
        "content-length",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "transfer-encoding",
        "upgrade",
    }
)
_UPGRADE = (("Upgrade", "websocket"), ("Connection", "Upgrade"))


def check(head: Head) -> str:
    """The ``Sec-WebSocket-Key`` of a valid handshake.

    Raises ``HandshakeError``: 405 for another method than GET, 426 for a request that asks for no WebSocket or for
    another version than 13, 400 for HTTP/1.0 and for a key that is missing, repeated or malformed.
    """
    form = head.form
    if form is None or not form.is_handshake:
        _check_request(head)
        if form is not None:
            form.is_handshake = True
    key = head.get("sec-websocket-key") or ""
    if not _KEY.fullmatch(key):
        raise HandshakeError(400, "the request needs one Sec-WebSocket-Key: 16 bytes in base64")
    return key


def _check_request(head: Head) -> None:
    """As ``check``, all but the key."""
    if head.method != "GET":
        raise HandshakeError(405, "a WebSocket is opened with GET", [("Allow", "GET")])
    if not head.is_upgrade:
        raise HandshakeError(426, "this address speaks WebSocket: the request has to ask for an upgrade", _UPGRADE)
    if head.http_version != "1.1":
        raise HandshakeError(400, "a WebSocket needs HTTP/1.1")
    if head.get("host") is None:
        raise HandshakeError(400, "the request has no Host header")
    if head.get("sec-websocket-version") != "13":
        raise _version_error(head)


def _version_error(head: Head) -> HandshakeError:
    if head.count("sec-websocket-version") > 1:
        return HandshakeError(400, "the request has several Sec-WebSocket-Version headers")
    headers = (*_UPGRADE, ("Sec-WebSocket-Version", "13"))
    return HandshakeError(426, "the version of the WebSocket protocol that is served is 13", headers)


def accept_key(key: str) -> str:
    """The ``Sec-WebSocket-Accept`` that answers ``key`` (RFC 6455 section 4.2.2, item 5.4)."""
    digest = hashlib.sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()
    return b2a_base64(digest, newline=False).decode("ascii")


def host_allowed(head: Head, allowed: Sequence[str] | None) -> bool:
    """Whether the client calls this server by a name in ``allowed`` (``None``: any), whatever the port."""
    if allowed is None:
        return True
    host = re.sub(r":[0-9]*$", "", (head.get("host") or "").lower())
    return host in map(str.lower, allowed)


def origin_allowed(head: Head, allowed: Sequence[str] | None) -> bool:
    """Whether the page that sent the request may open a WebSocket here (RFC 6455 section 10.2).

    True without an Origin (no browser), for the request's own host and port, for an origin in ``allowed``, and
    for any with ``"*"``. The scheme of the own host is not compared: behind a proxy that ends TLS it isn't known.
    """
    origin = head.get("origin")
    if origin is None:
        return True
    if "," in origin:
        return False  # several headers, or a list: no browser sends it
    if not allowed:
        return _is_own_host(origin, head)
    return "*" in allowed or _is_own_host(origin, head) or _normal(origin) in map(_normal, allowed)


def _is_own_host(origin: str, head: Head) -> bool:
    match = _ORIGIN.fullmatch(origin.lower())
    if match is None:
        return False
    scheme, host, port = match.groups()
    default = _DEFAULT_PORT.get(scheme)
    own = (head.get("host") or "").lower().removesuffix(f":{default}")
    return own == (host if port is None or port == default else f"{host}:{port}")


def _normal(origin: str) -> str:
    origin = origin.lower().removesuffix("/")
    return origin.removesuffix(":" + _DEFAULT_PORT.get(origin.partition(":")[0], "-"))


def offered_subprotocols(head: Head) -> list[str]:
    """What the client speaks, in its order of preference. Raises ``HandshakeError`` 400 for what is no token."""
    value = head.get("sec-websocket-protocol")
    if value is None:
        return []
    # RFC 9110 section 5.6.1.2: empty elements of a list are skipped.
    offered = [item for item in (item.strip(" \t") for item in value.split(",")) if item]
    if not all(map(is_token, offered)):
        raise HandshakeError(400, "Sec-WebSocket-Protocol is not a list of tokens")
    return offered


def choose_subprotocol(offered: Sequence[str], config: Handshake, wanted: str | None = None) -> str | None:
    """The subprotocol to speak: ``wanted``, or the first of ``config.subprotocols`` that is offered, or none.

    Raises ``ValueError`` if ``wanted`` wasn't offered, ``HandshakeError`` 400 if one is required and none is common.
    """
    if wanted is not None:
        if wanted not in offered:
            raise ValueError(f"subprotocol {wanted!r} was not offered by the client, who offers {list(offered)!r}")
        return wanted
    for subprotocol in config.subprotocols:
        if subprotocol in offered:
            return subprotocol
    if config.subprotocol_required:
        raise HandshakeError(400, f"a subprotocol is required, one of: {', '.join(config.subprotocols)}")
    return None


def response(key: str, subprotocol: str | None, headers: Mapping[str, str], extensions: str | None = None) -> bytes:
    """The head of the 101 response. ``extensions``: those agreed to, as the header has them.

    Raises ``ValueError`` for a header that belongs to the handshake, or whose name or value can't be sent.
    """
    lines = header_lines(headers, _OURS) if headers else ""
    if subprotocol is not None:
        lines += header_lines({"Sec-WebSocket-Protocol": subprotocol})
    if extensions is not None:
        lines += header_lines({"Sec-WebSocket-Extensions": extensions})
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n{lines}\r\n"
    ).encode("latin-1")
