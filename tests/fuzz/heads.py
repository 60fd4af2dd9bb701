"""Target ``head``: bytes cut anywhere into requests, against h11.

We may be stricter than h11, never laxer and never of another opinion. What we accept and it refuses, all on purpose:

- Empty lines before a request line are skipped (RFC 9112 section 2.2); h11 takes them for a request without a line,
  so it isn't shown them.
- White space before the ``;`` of a chunk's extension is allowed (section 7.1.1, BWS); h11 wants none, so what it says
  about such a line, and what is behind it, doesn't count.
- Trailers are dropped (section 7.1.2), Content-Length and Transfer-Encoding among them; h11 wants those to make sense.

Beside that, h11 puts the value of Transfer-Encoding in lower case, and leaves in a target its scheme and host, if any.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import h11
from attrs import frozen

from actorws.config import ServerConfig
from actorws.exceptions import HandshakeError
from actorws.protocol.chunked import ChunkedBody
from actorws.protocol.head import Head
from actorws.protocol.http1 import RequestReader
from tests.fuzz.steering import Steering

__all__ = ["check_requests", "head"]

_CONFIGS = (
    ServerConfig(max_head_size=256, max_body_size=32, max_headers=8),
    ServerConfig(),
    ServerConfig(max_head_size=1024, max_body_size=300, max_headers=3),
    ServerConfig(max_head_size=64, max_body_size=0, max_headers=1),
)
#: What h11 says behind a head that it took, about a size line with white space before the extension and about trailers.
_STRICTER = re.compile(
    r"illegal chunk header: bytearray\(b['\"][0-9A-Fa-f]+(?: |\\t)+;"
    r"|bad Content-Length|conflicting Content-Length|Only Transfer-Encoding|multiple Transfer-Encoding"
)
#: RFC 9112 section 3.2.2.
_ABSOLUTE = re.compile(r"https?://([^/]+)(/.*)", re.IGNORECASE)


@frozen
class _Seen:
    """A request that came out."""

    raw: bytes
    method: str
    target: str
    http_version: str
    headers: dict[str, str]
    body: bytes


@frozen
class _Outcome:
    """What came out of a connection's bytes."""

    seen: list[_Seen]
    #: Status and text of what refused the next request.
    refused: tuple[int, str] | None
    #: The head of an unfinished request, if it is there.
    unfinished: bytes | None
    #: What came behind the last request, where nothing more is read: an upgrade, or one that asks for the end.
    rest: bytes | None


def head(data: bytes) -> None:
    """Any bytes."""
    steering = Steering(data)
    check_requests(steering.rest, steering.choose(1, _CONFIGS), steering)


def check_requests(wire: bytes, config: ServerConfig, steering: Steering) -> None:
    """What is read of ``wire`` doesn't depend on how it is cut, and h11 reads the same."""
    whole = _read([wire] if wire else [], config)
    in_pieces = _read([piece for piece, _ in steering.pieces(wire)], config)
    assert in_pieces == whole, f"cut, it is {in_pieces}, not {whole}"
    _check_seen(wire, whole)
    if whole.unfinished is not None:
        _check_unfinished(wire, whole, config)
    if whole.refused is not None:
        status, text = whole.refused
        assert status in (400, 413, 414, 431, 505), f"refused with {status}"
        assert text.isascii() and text.isprintable(), f"what is told is not one plain line: {text!r}"


def _read(pieces: Iterable[bytes], config: ServerConfig) -> _Outcome:
    """Drive a reader as an endpoint does that answers each request at once."""
    reader = RequestReader(config)
    seen: list[_Seen] = []
    left = False
    try:
        for piece in pieces:
            assert piece  # a driver hands on the end of a stream in another way
            reader.receive(piece)
            _check_reader(reader, config)
            while reader.complete and not left:
                assert reader.head is not None
                seen.append(_look_at(reader.head, reader.body))
                left = reader.head.is_upgrade or not reader.head.keep_alive
                if not left:
                    reader.next()
                    _check_reader(reader, config)
    except HandshakeError as error:
        return _Outcome(seen, (error.status, str(error)), None, None)
    unfinished = reader.head.raw if reader.head is not None and not left else None
    return _Outcome(seen, None, unfinished, reader.rest if left else None)


def _check_reader(reader: RequestReader, config: ServerConfig) -> None:
    """What an endpoint relies on, and that memory has its bounds."""
    assert len(reader._buffer) < config.max_head_size, "an unfinished head too large"
    assert not reader.complete or reader.head is not None
    assert reader.started or reader.head is None
    assert reader.wants_continue in (True, False)
    if reader.head is not None:
        assert len(reader.head.raw) <= config.max_head_size, "a head too large"
    body = reader._body
    if isinstance(body, ChunkedBody):
        assert len(body._buffer) <= 1100, "an unfinished line too long"
        body = body.body
    assert len(body or b"") <= config.max_body_size >= len(reader.body), "a body too large"


def _look_at(head: Head, body: bytes) -> _Seen:
    """Everything that may be asked of a head; none of it raises, before or after it was packed."""
    before = (dict(head.headers), head.path, dict(head.query))
    head = head.packed().unpacked()
    assert (dict(head.headers), head.path, dict(head.query)) == before
    assert head.path.startswith("/")
    assert not head.is_upgrade or head.has_token("connection", "upgrade")
    assert all(head.count(name) >= 1 and head.get(name) == value for name, value in head.headers.items())
    return _Seen(head.raw, head.method, head.target, head.http_version, before[0], body)


def _check_seen(wire: bytes, outcome: _Outcome) -> None:
    """Request by request: h11 reads the same out of the same bytes, and finds the next at the same place."""
    left = wire
    for request in outcome.seen:
        left = _without_empty_lines(left)
        assert left.startswith(request.raw), "a request is not where it was found"
        events, error, rest = _by_h11(left)
        if _is_stricter(events, error):
            return
        assert error is None, f"h11 refuses it: {error}"
        _check_head(request, events)
        assert isinstance(events[-1], h11.EndOfMessage), f"by h11 it is unfinished: {events}"
        body = b"".join(bytes(event.data) for event in events if isinstance(event, h11.Data))
        assert body == request.body, f"by h11 the body is {body!r}, not {request.body!r}"
        left = rest
    if outcome.rest is not None:
        assert outcome.rest == left, f"{outcome.rest!r} is left, by h11 {left!r}"


def _check_unfinished(wire: bytes, outcome: _Outcome, config: ServerConfig) -> None:
    """A request whose head was accepted is unfinished for h11 too, or we refuse it in the end: h11 sees a fault before
    the end of its line, and takes a bare LF for such an end."""
    assert outcome.unfinished is not None
    events, error, _ = _by_h11(wire[wire.rindex(outcome.unfinished) :])
    if _is_stricter(events, error):
        return
    assert events, f"h11 refuses the head: {error}"
    if error is not None or isinstance(events[-1], h11.EndOfMessage):
        for end in (b"\r\n" * 4, b"\r\n0\r\n\r\n", b"x" * config.max_body_size):
            later = _read([wire + end], config)
            assert len(later.seen) == len(outcome.seen), f"by h11 it is over ({error}), we go on"


def _check_head(request: _Seen, events: list[h11.Event]) -> None:
    asked = events[0]
    assert isinstance(asked, h11.Request)
    headers: dict[str, str] = {}
    for name, value in asked.headers:
        key, text = name.decode("ascii"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    own = {name: value.lower() if name == "transfer-encoding" else value for name, value in request.headers.items()}
    ours = (request.method, request.target, request.http_version, own)
    absolute = _ABSOLUTE.fullmatch(asked.target.decode())
    assert absolute is None or absolute[1].lower() == headers["host"].lower(), "the target's host isn't the header's"
    target = asked.target.decode() if absolute is None else absolute[2]
    theirs = (asked.method.decode(), target, asked.http_version.decode(), headers)
    assert ours == theirs, f"by h11 it is {theirs}, not {ours}"


def _by_h11(data: bytes) -> tuple[list[h11.Event], h11.RemoteProtocolError | None, bytes]:
    """The first request in ``data``, what h11 finds wrong with it, and what is behind it."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    events: list[h11.Event] = []
    try:
        while not (events and isinstance(events[-1], h11.EndOfMessage)):
            event = connection.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return events, None, b""
            events.append(event)  # type: ignore[arg-type]
    except h11.RemoteProtocolError as error:
        return events, error, b""
    return events, None, connection.trailing_data[0]


def _is_stricter(events: list[h11.Event], error: h11.RemoteProtocolError | None) -> bool:
    return bool(events) and error is not None and _STRICTER.match(str(error)) is not None


def _without_empty_lines(data: bytes) -> bytes:
    while data.startswith(b"\r\n"):
        data = data[2:]
    return data
