"""Opening: from what was asked for to a connection on which WebSocket frames go.

Rules owned here: a redirect is followed so many times, never from TLS to none, and never with credentials to somebody
else; each step has its deadline; on every path but the good one the stream is closed. Must not know who wants it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

import trio
from attrs import frozen

from actorws.client.dial import open_stream, secure
from actorws.client.dialing import Dialing, GivenHeaders
from actorws.exceptions import ConnectError, ConnectTimeout, InvalidUrl, NotWebsocket, Rejected, Unreachable
from actorws.protocol import deflate_offer
from actorws.protocol.deflate import Agreed
from actorws.protocol.opening_handshake import check_headers, check_response, new_key, request
from actorws.protocol.response import ResponseReader
from actorws.protocol.url import Target

__all__ = ["Opened", "open_websocket"]

READ_SIZE = 64 * 1024
REDIRECTS = (301, 302, 303, 307, 308)
#: What is not for the eyes of another server.
SECRET = ("authorization", "cookie", "proxy-authorization")
#: Seconds of ``Retry-After`` that are heeded: nobody may send a client to sleep for a year.
LONGEST_RETRY_AFTER = 3600.0


@frozen(eq=False)
class Opened:
    """A connection on which WebSocket frames go."""

    stream: trio.abc.Stream
    tcp: trio.abc.Stream
    """What ``stream`` goes over: to be closed last."""
    target: Target
    """Where it leads to, behind all redirects."""
    address: tuple[str, int] | str
    """Of the other end of the socket; the empty string if it has none."""
    headers: Mapping[str, str]
    """Of the 101 response, names in lower case."""
    subprotocol: str | None
    agreed: Agreed | None
    rest: bytes
    """What came behind the response: the server's first frames."""


async def open_websocket(dialing: Dialing) -> Opened:
    """Open one connection. Raises ``ConnectError``; when cancelled, nothing is left open."""
    target = dialing.target
    headers = await _headers(dialing)
    for _ in range(dialing.max_redirects + 1):
        try:
            return await _open(dialing, target, headers)
        except Rejected as answer:
            if answer.status not in REDIRECTS:
                raise
            there = _redirected(target, answer)
            if there.origin != target.origin:
                headers = {name: value for name, value in headers.items() if name.lower() not in SECRET}
            target = there
    raise Rejected(
        dialing.target.shown, 302, {}, why=f"it was redirected more than {dialing.max_redirects} times (max_redirects)"
    )


async def _headers(dialing: Dialing) -> GivenHeaders:
    if not callable(dialing.headers):
        return dialing.headers
    try:
        made = dialing.headers()
        headers = await made if inspect.isawaitable(made) else made
        check_headers(headers, ())
    except Exception as error:
        raise ConnectError(dialing.target.shown, f"its headers can't be made: {error!r}") from error
    return headers


def _redirected(target: Target, answer: Rejected) -> Target:
    location = answer.headers.get("location")
    why = ""
    if location is None:
        why = f"the server answered {answer.status} without a Location"
    else:
        try:
            there = target.redirected(location)
        except InvalidUrl as error:
            why = f"the server redirected to what is no URL of a WebSocket: {error}"
        else:
            if not target.secure or there.secure:
                return there
            why = f"the server redirected from TLS to a connection without, {there.shown}: not followed"
    raise Rejected(target.shown, answer.status, answer.headers, answer.body, why)


async def _open(dialing: Dialing, target: Target, headers: GivenHeaders) -> Opened:
    with _deadline(target, "connect_timeout", dialing.connect_timeout, "there is no connection"):
        tcp = await open_stream(dialing, target)
    answer = ResponseReader()
    try:
        try:
            with _deadline(target, "handshake_timeout", dialing.handshake_timeout, "the handshake was not answered"):
                return await _shake_hands(dialing, target, headers, tcp, answer)
        except ConnectTimeout:
            if answer.status in (0, 101):
                raise
        raise _refusal(target, answer)  # whose body had no end
    except BaseException:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(tcp)
        raise


@contextmanager
def _deadline(target: Target, option: str, seconds: float, what: str) -> Iterator[None]:
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise ConnectTimeout(target.shown, f"{what} after {seconds:g} s ({option})", option)


async def _shake_hands(
    dialing: Dialing, target: Target, headers: GivenHeaders, tcp: trio.abc.Stream, answer: ResponseReader
) -> Opened:
    stream = await secure(tcp, dialing, target) if target.secure else tcp
    key = new_key()
    extensions = deflate_offer.offer(dialing.compression)
    try:
        await stream.send_all(request(target, key, headers, dialing.subprotocols, extensions))
        while not answer.complete:
            data = await stream.receive_some(READ_SIZE)
            if data:
                answer.receive(bytes(data))
            else:
                answer.ended()
        if answer.status != 101:
            raise _refusal(target, answer)
        subprotocol = check_response(answer.headers, key, dialing.subprotocols)
        if subprotocol is None and dialing.subprotocol_required:
            raise ValueError(f"it speaks none of the subprotocols {', '.join(dialing.subprotocols)}")
        agreed = deflate_offer.agree(answer.headers.get("sec-websocket-extensions"), dialing.compression)
    except trio.BrokenResourceError as error:
        raise Unreachable(target.shown, "it cut the connection instead of answering the handshake") from error
    except ValueError as error:
        raise NotWebsocket(target.shown, f"it is no WebSocket server: {error}") from error
    return Opened(stream, tcp, target, _address(tcp), answer.headers, subprotocol, agreed, answer.rest)


def _refusal(target: Target, answer: ResponseReader) -> ConnectError:
    text = " ".join(answer.body[:200].decode(errors="replace").split())
    if answer.status < 300:
        return NotWebsocket(target.shown, f"it is no WebSocket server: it answered {answer.status} as to any request")
    why = f"the server answered {answer.status}" + (f": {text}" if text and _is_text(answer) else "")
    return Rejected(target.shown, answer.status, answer.headers, answer.body, why, retry_after(answer.headers))


def _is_text(answer: ResponseReader) -> bool:
    return answer.headers.get("content-type", "text/plain").startswith("text/plain")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a ``Retry-After`` (RFC 9110 section 10.2.3), at most an hour; ``None`` if there is none to heed."""
    value = headers.get("retry-after", "")
    try:
        if value.isascii() and value.isdigit():
            seconds = float(value)
        else:
            # By the server's own clock: ours may be another.
            seconds = (parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _address(stream: trio.abc.Stream) -> tuple[str, int] | str:
    """Of the other end, if it has one."""
    if not isinstance(stream, trio.SocketStream):
        return ""
    try:
        address = stream.socket.getpeername()
    except OSError:
        return ""  # it has gone: the first read will tell
    return address[:2] if isinstance(address, tuple) else ""
