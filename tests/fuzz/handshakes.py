"""Target ``handshake``: a request's headers through all that the opening handshake reads, up to the response's bytes.

The oracles: ``websockets`` takes every request that we take, and with the same answer; ``urllib`` reads origins as we
do; h11 finds one response in what we write, with nothing in it that the client put there but what it offered.
Known differences, in which ``websockets`` is stricter: of Connection and Upgrade, only the element that is asked for
has to be there and to be a token (RFC 6455 section 4.2.1, "includes the token"), so it is shown that element alone; and
an empty Sec-WebSocket-Protocol is as good as none, so it isn't shown that.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import h11
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from actorws.config import Compression, Handshake
from actorws.exceptions import HandshakeError
from actorws.protocol import handshake as subject
from actorws.protocol.deflate import negotiate
from actorws.protocol.head import Head, parse_head
from actorws.server.http import refusal
from tests.fuzz.steering import Steering

__all__ = ["handshake"]

_ORIGINS = (None, ("https://example.org",), ("*",), ("http://example.com:8080/", "HTTPS://Example.org:443"))
_PROTOCOLS = (
    Handshake(),
    Handshake(subprotocols=("superchat", "chat")),
    Handshake(subprotocols=("soap",), subprotocol_required=True),
)
_WANTED = (None, None, "chat", "mqtt")
_OPTIONS = (
    Compression(),
    Compression(compression=True),
    Compression(compression=True, server_context_takeover=True, client_context_takeover=True),
    Compression(compression=True, server_max_window_bits=9, client_max_window_bits=10),
)
_PORTS = {"http": 80, "https": 443}
_PLAIN_ORIGIN = re.compile(r"https?://[a-z0-9]+(\.[a-z0-9]+)*(:[1-9][0-9]{0,3})?")
_PLAIN_HOST = re.compile(r"[a-z0-9]+(\.[a-z0-9]+)*(:[1-9][0-9]{0,3})?")
#: Control bytes are what target ``head`` is for; here they would only keep other mutations from being seen.
_PRINTABLE = (
    bytes(byte if byte > 31 or byte in b"\t\r\n" else byte + 32 for byte in range(127)) + b"~" + bytes(range(128, 256))
)
#: Names of the response's headers.
_NAMES = (b"upgrade", b"connection", b"sec-websocket-accept", b"sec-websocket-protocol", b"sec-websocket-extensions")


def handshake(data: bytes) -> None:
    """Header lines."""
    steering = Steering(data)
    lines = steering.rest.translate(_PRINTABLE).rstrip(b"\r\n")
    try:
        head = parse_head(b"GET / HTTP/1.1\r\n" + lines + b"\r\n\r\n", 100)
        key = subject.check(head)
        _check_origin(head, steering.choose(1, _ORIGINS))
        _check_response(head, key, steering)
    except HandshakeError as error:
        _check_refusal(error)


def _check_response(head: Head, key: str, steering: Steering) -> None:
    """As the endpoint goes on when ``connect`` has accepted."""
    config = steering.choose(2, _PROTOCOLS)
    wanted = _WANTED[steering.bit(0) + 2 * steering.bit(1)]
    offered = subject.offered_subprotocols(head)
    try:
        chosen = subject.choose_subprotocol(offered, config, wanted)
    except ValueError:
        assert wanted not in offered, "an offered subprotocol is refused"
        chosen = None
    agreed = negotiate(head, _OPTIONS[steering.bit(2) + 2 * steering.bit(3)])
    extensions = None if agreed is None else agreed.header
    written = _read_response(subject.response(key, chosen, {}, extensions))
    by_websockets = _ask_websockets(head, offered, chosen)
    expected = {b"upgrade": "websocket", b"connection": "Upgrade", b"sec-websocket-accept": by_websockets[0]}
    if chosen is not None:
        assert chosen in head.headers["sec-websocket-protocol"], "a subprotocol that wasn't offered"
        assert by_websockets[2] == chosen, f"websockets speaks {by_websockets[2]}, not {chosen}"
        expected[b"sec-websocket-protocol"] = chosen
    if extensions is not None:
        _check_extensions(head.headers["sec-websocket-extensions"], extensions)
        expected[b"sec-websocket-extensions"] = extensions
    assert written == expected, f"the response says {written}"


def _read_response(raw: bytes) -> dict[bytes, str]:
    client = h11.Connection(h11.CLIENT)
    client.send(
        h11.Request(
            method="GET", target="/", headers=[("Host", "a"), ("Connection", "Upgrade"), ("Upgrade", "websocket")]
        )
    )
    client.send(h11.EndOfMessage())
    client.receive_data(raw)
    response = client.next_event()
    assert isinstance(response, h11.InformationalResponse) and response.status_code == 101
    assert client.next_event() is h11.PAUSED and client.trailing_data[0] == b"", "something is behind the 101"
    assert raw.count(b"\n") == raw.count(b"\r\n") == len(list(response.headers)) + 2, "a line that is no header"
    assert all(name in _NAMES for name, _ in response.headers), "a header that is not ours"
    headers = {bytes(name): value.decode("ascii") for name, value in response.headers}
    assert len(headers) == len(list(response.headers)), "a header twice"
    return headers


def _ask_websockets(head: Head, offered: list[str], subprotocol: str | None) -> tuple[str, str | None, str | None]:
    headers = Headers()
    for name, value in head.headers.items():
        if offered or name != "sec-websocket-protocol":
            headers[name] = {"connection": "Upgrade", "upgrade": "websocket"}.get(name, value)
    server = ServerProtocol(subprotocols=[Subprotocol(subprotocol)] if subprotocol is not None else None)
    return server.process_request(Request("/", headers))


def _check_extensions(offers: str, answer: str) -> None:
    """RFC 7692 section 7.1: what the answer says is what one of the offers allows."""
    name, *rest = [item.strip() for item in answer.split(";")]
    assert name == "permessage-deflate"
    answered = dict(item.partition("=")[::2] for item in rest)
    assert len(answered) == len(rest), "a parameter twice"
    assert any(_meets(answered, _parameters(offer)) for offer in _split(offers, ",")), f"{answer} answers no offer"


def _meets(answered: dict[str, str], offered: dict[str, str] | None) -> bool:
    if offered is None:
        return False
    bits = {name: int(answered.get(name, 15)) for name in ("server_max_window_bits", "client_max_window_bits")}
    flags = ("server_no_context_takeover", "client_no_context_takeover")
    return (
        set(answered) <= {*bits, *flags}
        and all(answered.get(flag, "") == "" for flag in flags)
        and 8 <= bits["server_max_window_bits"] <= int(offered.get("server_max_window_bits", 15))
        and 8 <= bits["client_max_window_bits"] <= int(offered.get("client_max_window_bits") or 15)
        and ("server_no_context_takeover" not in offered or "server_no_context_takeover" in answered)
        # Only a client that said it can obey may be told (section 7.1.2.2).
        and ("client_max_window_bits" not in answered or "client_max_window_bits" in offered)
    )


def _parameters(offer: str) -> dict[str, str] | None:
    """The parameters of an offer of permessage-deflate, None for one that has to be declined (section 7)."""
    name, *rest = [item.strip(" \t") for item in _split(offer, ";")]
    found: dict[str, str] = {}
    for item in rest:
        key, equals, value = (part.strip(" \t") for part in item.partition("="))
        value = re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] == '"' else value
        good = re.fullmatch("[89]|1[0-5]", value) is not None
        if key in found or not (
            (key in ("server_no_context_takeover", "client_no_context_takeover") and not equals)
            or (key == "client_max_window_bits" and (good or not equals))
            or (key == "server_max_window_bits" and good)
        ):
            return None
        found[key] = value
    return found if name == "permessage-deflate" else None


def _split(text: str, separator: str) -> list[str]:
    """At every separator outside quotes."""
    return re.findall(rf'(?:"(?:\\.|[^"\\])*"|[^"{separator}])+', text)


def _check_origin(head: Head, allowed: tuple[str, ...] | None) -> None:
    """Who is let in is allowed to by ``urllib``'s reading too; and the other way round, where all is plain."""
    origin, host = head.get("origin"), head.headers["host"]
    is_allowed = subject.origin_allowed(head, allowed)
    may = origin is None or (allowed is not None and "*" in allowed and "," not in origin)
    if origin is not None and not may:
        asking = _reading(origin)
        own = _reading(f"{asking[0]}://{host}")
        may = asking == own or asking in map(_reading, allowed or ())
    assert may or not is_allowed, f"Origin {origin!r} is let in to {host!r}, {allowed}"
    if origin is None or (_PLAIN_ORIGIN.fullmatch(origin) and _PLAIN_HOST.fullmatch(host)):
        assert is_allowed or not may, f"Origin {origin!r} is kept out of {host!r}, {allowed}"


def _reading(origin: str) -> tuple[str, str | None, object]:
    try:
        parts = urlsplit(origin)
        return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return origin.partition(":")[0].lower(), origin.lower(), None


def _check_refusal(error: HandshakeError) -> None:
    """The response that tells of it is one response, with one line of ours in it."""
    raw = refusal(error)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(raw)
    response, body, end = client.next_event(), client.next_event(), client.next_event()
    assert isinstance(response, h11.Response) and response.status_code == error.status
    assert isinstance(body, h11.Data) and bytes(body.data) == f"{error}\n".encode() and str(error).isprintable()
    assert isinstance(end, h11.EndOfMessage) and client.trailing_data[0] == b"", "something is behind the refusal"
