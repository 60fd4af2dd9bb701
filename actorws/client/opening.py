"""Opening: from what was asked for to a connection on which WebSocket frames go.

Rules owned here: a redirect is followed so many times, never from TLS to none, and never with credentials to somebody
else; each step has its deadline; on every path but the good one the stream is closed. Must not know who wants it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import suppress

import trio
from attrs import frozen

from actorws.client.dial import broken, open_secured, open_stream, within
from actorws.client.dialing import Dialing, GivenHeaders
from actorws.client.refusal import refusal
from actorws.exceptions import ConnectError, ConnectTimeout, InvalidUrl, NotWebsocket, Rejected, Unreachable
from actorws.protocol import deflate_offer
from actorws.protocol.deflate import Agreed
from actorws.protocol.opening_handshake import SECRET, check_headers, check_response, new_key, request
from actorws.protocol.response import ResponseReader
from actorws.protocol.url import Target

__all__ = ["Opened", "open_websocket"]

READ_SIZE = 64 * 1024
REDIRECTS = (301, 302, 303, 307, 308)
#: What was given for one server, and is not for another.
FOR_ONE = SECRET | {"host"}


@frozen(eq=False)
class Opened:
    """A connection on which WebSocket frames go."""

    stream: trio.abc.Stream
    tcp: trio.abc.Stream
    """What ``stream`` goes over: to be closed last."""
    target: Target
    """Where it leads to, behind all redirects."""
    address: tuple[str, int] | str
    """Of the other end of the socket, which may be a proxy's; the empty string if it has none."""
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
    redirects = 0
    while True:
        try:
            return await _open(dialing, target, headers)
        except Rejected as answer:
            if answer.status not in REDIRECTS:
                raise
            there = _redirected(target, answer)
            redirects += 1
            if redirects > dialing.max_redirects:
                why = (
                    f"it was redirected more than {dialing.max_redirects} times (max_redirects), last to {there.shown}"
                )
                too_many = Rejected(dialing.target.shown, answer.status, answer.headers, answer.body, why)
                too_many.limit = "max_redirects"
                raise too_many from None
        if there.origin != target.origin:
            headers = {name: value for name, value in headers.items() if name.lower() not in FOR_ONE}
        target = there


async def _headers(dialing: Dialing) -> GivenHeaders:
    if not callable(dialing.headers):
        return dialing.headers
    target, seconds = dialing.target, dialing.connect_timeout
    try:
        with within(
            target, "connect_timeout", trio.current_time() + seconds, seconds, "its headers function did not return"
        ):
            made = dialing.headers()
            headers = await made if inspect.isawaitable(made) else made
        check_headers(headers, ())
    except ConnectError:
        raise
    except Exception as error:
        raise ConnectError(target.shown, f"the function for its headers failed: {error!r}") from error
    return headers


def _redirected(target: Target, answer: Rejected) -> Target:
    """Where to, if anywhere that may be gone to. Raises ``Rejected``."""
    location = answer.headers.get("location")
    if location is None:
        why = f"it answered {answer.status}, a redirect, without a Location"
    else:
        try:
            there = target.redirected(_in_utf8(location))
        except InvalidUrl as error:
            why = f"it redirected ({answer.status}) to where no WebSocket can be: {error}"
        else:
            if there.secure or not target.secure:
                return there
            why = f"it redirected ({answer.status}) from TLS to none, {there.shown}, where we don't follow"
    raise Rejected(target.shown, answer.status, answer.headers, answer.body, why) from None


def _in_utf8(location: str) -> str:
    """What is not ASCII in a header is latin-1 by the book, and UTF-8 in practice."""
    try:
        return location.encode("latin-1").decode()
    except ValueError:
        return location


async def _open(dialing: Dialing, target: Target, headers: GivenHeaders) -> Opened:
    tcp = await open_stream(dialing, target)
    try:
        return await _shake_hands(dialing, target, headers, tcp)
    except BaseException:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(tcp)
        raise


async def _shake_hands(dialing: Dialing, target: Target, headers: GivenHeaders, tcp: trio.abc.Stream) -> Opened:
    seconds = dialing.handshake_timeout
    deadline = trio.current_time() + seconds
    with within(target, "handshake_timeout", deadline, seconds, "it did not finish the TLS handshake"):
        stream = await open_secured(tcp, dialing, target)
    key, answer = new_key(), ResponseReader()
    asked = request(target, key, headers, dialing.subprotocols, deflate_offer.offer(dialing.compression))
    try:
        with within(target, "handshake_timeout", deadline, seconds, "it did not answer the handshake"):
            await _exchange(stream, asked, answer)
    except ConnectTimeout:
        if not answer.status:
            raise  # else it is a refusal whose body has no end
    except trio.BrokenResourceError as error:
        if not answer.status:
            raise broken(error, target, _cut(answer)) from error
    except ValueError as error:
        raise NotWebsocket(target.shown, str(error)) from None
    if not answer.status:
        raise Unreachable(target.shown, _cut(answer))
    if answer.status != 101:
        raise refusal(target, answer)
    try:
        subprotocol = check_response(answer.headers, key, dialing.subprotocols)
        if subprotocol is None and dialing.subprotocol_required:
            raise ValueError(f"it speaks none of the subprotocols {', '.join(dialing.subprotocols)}")
        agreed = deflate_offer.agree(answer.headers.get("sec-websocket-extensions"), dialing.compression)
    except ValueError as error:
        raise NotWebsocket(target.shown, str(error)) from error
    return Opened(stream, tcp, target, _address(tcp), answer.headers, subprotocol, agreed, answer.rest)


async def _exchange(stream: trio.abc.Stream, asked: bytes, answer: ResponseReader) -> None:
    """Say it, and take in what is answered, until that is complete or nothing more comes.

    Both at once: who refuses without listening (by TLS, or as too busy) is heard, though what we say fails.
    """
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_ask, stream, asked)
        try:
            await _take_in(stream, answer)
        except Exception as error:
            # Raised below: out of a nursery it would come in a group.
            failure = error
        if answer.status != 101:
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _ask(stream: trio.abc.Stream, asked: bytes) -> None:
    with suppress(trio.BrokenResourceError):
        await stream.send_all(asked)


async def _take_in(stream: trio.abc.Stream, answer: ResponseReader) -> None:
    while not answer.complete:
        data = await stream.receive_some(READ_SIZE)
        if not data:
            answer.ended()
            return
        answer.receive(bytes(data))


def _cut(answer: ResponseReader) -> str:
    if answer.has_begun:
        return "it ended the connection in the middle of its answer to the handshake"
    return "it ended the connection instead of answering the handshake"


def _address(stream: trio.abc.Stream) -> tuple[str, int] | str:
    """Of the other end, if it has one."""
    if not isinstance(stream, trio.SocketStream):
        return ""
    try:
        address = stream.socket.getpeername()
    except OSError:
        return ""  # it has gone: the first read will tell
    return address[:2] if isinstance(address, tuple) else ""
