"""Opening: every way in which a server may answer a handshake, or not, and the sentence that says so."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio
import trustme

from actorws.client.dialing import Dialing
from actorws.client.opening import Opened, open_websocket
from actorws.config import Compression
from actorws.exceptions import ConnectError, ConnectTimeout, NotWebsocket, Rejected, Unreachable
from actorws.testing.memory import memory_streams
from tests.support.raw_servers import (
    Handler,
    accepting,
    answer_to,
    asked_by,
    ending,
    raw_server,
    resetting,
    saying,
    silent,
)
from tests.support.serving import descriptors
from tests.support.wire import SECONDS, Client

FINE_BUT = "HTTP/1.1 {} Because\r\nContent-Length: 5\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nsorry"


@asynccontextmanager
async def opened(url: str, **asked: Any) -> AsyncIterator[Opened]:
    """A connection, for as long as the block lasts."""
    connection = await open_websocket(Dialing.to(url, **asked))
    try:
        yield connection
    finally:
        await trio.aclose_forcefully(connection.tcp)


async def failure(url: str, **asked: Any) -> ConnectError:
    """How it fails, with nothing left open."""
    before = descriptors()
    with pytest.raises(ConnectError) as failed:
        await open_websocket(Dialing.to(url, **asked))
    with trio.fail_after(SECONDS):
        while descriptors() - before:  # the server's ends, until it hears of it
            await trio.sleep(0.001)
    return failed.value


async def failure_with(handle: Handler, **asked: Any) -> ConnectError:
    """How it fails with a server that does this."""
    async with raw_server(handle) as server:
        with pytest.raises(ConnectError) as failed:
            await open_websocket(Dialing.to(server.url("/chat?token=secret"), **asked))
        prefix = f"can't connect to {server.url('/chat')}: "
        assert str(failed.value) == prefix + failed.value.why
        assert "secret" not in repr(failed.value)
        return failed.value


# What is fine


async def test_frames_in_the_packet_of_the_answer_are_not_lost() -> None:
    async with raw_server(accepting(b"\x81\x02hi\x88\x00", x_served_by="raw")) as server, opened(server.url()) as there:
        assert there.rest == b"\x81\x02hi\x88\x00" and there.headers["x-served-by"] == "raw"
        assert (there.subprotocol, there.agreed, there.address) == (None, None, ("127.0.0.1", server.port))


async def test_an_answer_in_single_bytes_behind_interim_ones_is_one_answer() -> None:
    async def handle(client: Client) -> None:
        answer = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer_to(await asked_by(client))
        for position in range(len(answer)):
            await client.send(answer[position : position + 1])
        await client.rest()

    async with raw_server(handle) as server, opened(server.url()) as there:
        assert "link" not in there.headers and there.rest == b""


async def test_what_was_offered_may_be_chosen() -> None:
    chosen = accepting(
        sec_websocket_protocol="json",
        sec_websocket_extensions="permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    )
    asked = {"subprotocols": ("xml", "json"), "compression": Compression(compression=True)}
    async with raw_server(chosen) as server, opened(server.url(), **asked) as there:
        assert there.subprotocol == "json" and there.agreed is not None


# What is not: who answers is no WebSocket server


@pytest.mark.parametrize(
    ("handle", "sentence"),
    [
        (silent(b"SSH-2.0-OpenSSH_9.6\r\n"), "its answer is no HTTP: it begins with 'SSH-2.0-OpenSSH_9.6'"),
        (silent(b"220 mx ESMTP\r\n"), "its answer is no HTTP: it begins with '220 mx ESMTP'"),
        (silent(b"\x15\x03\x03\x00\x02\x02\x0a"), "it speaks TLS there (connect by wss://)"),
        (saying(b"HTTP/1.1 nonsense\r\n\r\n"), "the head of its answer is no HTTP/1.1: Invalid status code"),
        (saying(*[b"X: " + b"y" * 9997] * 9), "its answer is no HTTP: it begins with 'X: " + "y" * 37 + "'"),
        (
            saying(b"HTTP/1.1 101 Endless\r\n", *[b"X: " + b"y" * 9995 + b"\r\n"] * 9),
            "the head of its answer has more than 65536 bytes",
        ),
        (
            saying(FINE_BUT.format(200).encode()),
            "it answered 200, as to any request, instead of 101: there is no WebSocket",
        ),
        (accepting(sec_websocket_accept="x" * 28), "its Sec-WebSocket-Accept is not the one for our key"),
        (accepting(sec_websocket_accept=None), "its Sec-WebSocket-Accept is not the one for our key"),
        (accepting(upgrade="h2c"), "it switches to another protocol than WebSocket: 'h2c'"),
        (accepting(b"\x81\x02hi", upgrade=None), "its answer 101 has no Upgrade, which should be websocket"),
        (accepting(connection="x"), "its answer 101 has the Connection 'x', which should be Upgrade"),
        (accepting(sec_websocket_protocol="xml"), "it chose the subprotocol 'xml', which was not offered"),
        (accepting(sec_websocket_extensions="x-a"), "it uses extensions that were not offered: 'x-a'"),
        (
            accepting(
                sec_websocket_extensions="permessage-deflate; server_no_context_takeover; client_max_window_bits=8"
            ),
            "it asks for a window of 8 bits (client_max_window_bits), which zlib can't compress with",
        ),
    ],
)
async def test_who_is_no_websocket_server_is_found_out(handle: Handler, sentence: str) -> None:
    error = await failure_with(handle, subprotocols=("json",), compression=Compression(compression=True))
    assert (type(error), error.why, error.is_final) == (NotWebsocket, sentence, True)


async def test_a_subprotocol_may_be_required() -> None:
    error = await failure_with(accepting(), subprotocols=("xml", "json"), subprotocol_required=True)
    assert (type(error), error.why) == (NotWebsocket, "it speaks none of the subprotocols xml, json")


@pytest.mark.parametrize(
    ("handle", "sentence"),
    [
        (ending, "it ended the connection instead of answering the handshake"),
        (resetting, "it ended the connection instead of answering the handshake"),
        (saying(b"HTTP/1.1 101 Switch"), "it ended the connection in the middle of its answer to the handshake"),
        (saying(b"HTTP/1.1 100 Go on\r\n\r\n"), "it ended the connection in the middle of its answer to the handshake"),
    ],
)
async def test_who_hangs_up_may_answer_another_time(handle: Handler, sentence: str) -> None:
    error = await failure_with(handle)
    assert (type(error), error.why, error.is_final) == (Unreachable, sentence, False)


# Refusals


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(400, True), (401, True), (403, True), (404, True), (408, False), (429, False), (500, False)],
)
async def test_a_refusal_has_status_headers_and_body(status: int, is_final: bool) -> None:
    error = await failure_with(saying(FINE_BUT.format(status).encode()))
    assert isinstance(error, Rejected)
    assert (error.status, error.body, error.is_final) == (status, b"sorry", is_final)
    assert error.headers == {"content-length": "5", "content-type": "text/plain; charset=utf-8"}
    assert error.why == f"it answered {status} (sorry)"


@pytest.mark.parametrize(
    ("rest", "body"),
    [
        (b"Content-Length: 0\r\n\r\n", b""),
        (b"Content-Length: 9\r\n\r\nhalf", b"half"),
        (b"\r\nto the end", b"to the end"),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense", b"abc"),
        (b"\r\n" + b"x" * 99999, b"x" * 65536),
    ],
)
async def test_a_refusals_body_may_end_in_any_way(rest: bytes, body: bytes) -> None:
    error = await failure_with(saying(b"HTTP/1.1 503 Away\r\nRetry-After: 7\r\n" + rest))
    assert isinstance(error, Rejected) and (error.status, error.body) == (503, body)
    assert error.retry_after == 7.0 and error.why == "it answered 503"


async def test_a_refusal_whose_body_is_reset_is_a_refusal() -> None:
    async def handle(client: Client) -> None:
        await asked_by(client)
        await client.send(b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nhalf")
        await trio.testing.wait_all_tasks_blocked(0.05)
        client.reset()

    error = await failure_with(handle)
    assert isinstance(error, Rejected) and (error.status, error.body) == (403, b"half")


async def test_who_refuses_before_the_request_is_read_is_heard() -> None:
    async def handle(client: Client) -> None:
        await client.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    error = await failure_with(handle)
    assert isinstance(error, Rejected) and error.status == 503


async def test_nothing_of_a_refusals_text_can_steer_a_terminal() -> None:
    head = b"HTTP/1.1 403 No\r\nContent-Type: text/plain\r\n\r\n"
    error = await failure_with(saying(head + b"\x1b[2Jgo\r\n\r\naway\xff" + b"!" * 999))
    assert error.why == "it answered 403 (?[2Jgo away\ufffd" + "!" * 185 + ")"


# Deadlines, in virtual time


class Memory:
    """A server at the other end of a stream in memory."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self.client: trio.abc.Stream | None = None

    async def _serve(self, client: Client) -> None:
        with suppress(trio.BrokenResourceError):  # the client has gone
            await self._handle(client)

    async def failure(self, url: str = "ws://h/chat", **asked: Any) -> tuple[float, ConnectError]:
        """After how many seconds it fails, and how."""
        async with trio.open_nursery() as nursery:

            async def open_stream(host: str, port: int) -> trio.abc.Stream:
                self.client, server = memory_streams()
                nursery.start_soon(self._serve, Client(server))
                return self.client

            began = trio.current_time()
            with pytest.raises(ConnectError) as failed:
                await open_websocket(Dialing.to(url, open_stream=open_stream, **asked))
            nursery.cancel_scope.cancel()
        with pytest.raises(trio.ClosedResourceError):
            assert self.client is not None
            await self.client.send_all(b"x")
        return trio.current_time() - began, failed.value


async def trickling(client: Client) -> None:
    for byte in b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"y" * 9999:
        await client.send(bytes([byte]))
        await trio.sleep(1)


async def rambling(client: Client) -> None:
    await client.send(b"HTTP/1.1 403 No\r\n\r\n")
    while True:
        await client.send(b"bla ")
        await trio.sleep(1)


@pytest.mark.parametrize(
    "handle", [silent(), silent(b"HTTP/1.1 101 Sw"), silent(b"HTTP/1.1 100 Wait\r\n\r\n"), trickling]
)
async def test_a_handshake_has_its_time(handle: Handler, autojump_clock: Any) -> None:
    seconds, error = await Memory(handle).failure(handshake_timeout=7)
    assert isinstance(error, ConnectTimeout) and error.limit == "handshake_timeout"
    assert str(error) == "can't connect to ws://h/chat: it did not answer the handshake within 7 s (handshake_timeout)"
    assert seconds == pytest.approx(7) and not error.is_final


async def test_tls_has_its_time_and_the_handshake_what_is_left_of_it(autojump_clock: Any) -> None:
    seconds, error = await Memory(silent()).failure("wss://h/chat", handshake_timeout=7)
    assert (
        str(error)
        == "can't connect to wss://h/chat: it did not finish the TLS handshake within 7 s (handshake_timeout)"
    )
    assert seconds == pytest.approx(7)


async def test_an_endless_body_costs_time_and_not_the_status(autojump_clock: Any) -> None:
    seconds, error = await Memory(rambling).failure(handshake_timeout=7)
    assert isinstance(error, Rejected) and error.status == 403 and error.body.startswith(b"bla bla")
    assert seconds == pytest.approx(7)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_cancelled_it_leaves_nothing_open(scheme: str) -> None:
    async with raw_server(silent()) as server:
        before = descriptors()
        with trio.CancelScope() as scope, pytest.raises(trio.Cancelled):
            async with trio.open_nursery() as nursery:

                async def cancel() -> None:
                    while not server.connections:
                        await trio.sleep(0.001)
                    scope.cancel()

                nursery.start_soon(cancel)
                await open_websocket(Dialing.to(server.url(scheme=scheme)))
        # The server's own end, of which it is not told.
        assert len([entry for entry in descriptors() - before if "socket:" in entry]) == 1


# Headers


def noting(server_says: bytes) -> tuple[list[Any], Handler]:
    """What requests come, each answered with the same."""
    asked: list[Any] = []

    async def handle(client: Client) -> None:
        asked.append(await asked_by(client))
        await client.send(server_says)

    return asked, handle


async def test_headers_may_be_made_for_each_try() -> None:
    asked, handle = noting(b"HTTP/1.1 503 Away\r\n\r\n")
    count = iter("abc")

    def plain() -> dict[str, str]:
        return {"X-Token": next(count)}

    async def later() -> dict[str, str]:
        await trio.lowlevel.checkpoint()
        return plain()

    async with raw_server(handle) as server:
        for headers in (plain, later, later):
            await failure(server.url(), headers=headers)
    assert [one.headers["x-token"] for one in asked] == ["a", "b", "c"]


def raises() -> dict[str, str]:
    raise KeyError("no token today")


async def raises_later() -> dict[str, str]:
    raises()
    return {}


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        (raises, "the function for its headers failed: KeyError('no token today')"),
        (raises_later, "the function for its headers failed: KeyError('no token today')"),
        (
            lambda: None,
            "the function for its headers failed: ValueError('headers must be a mapping, or a function that",
        ),
        (lambda: {"Upgrade": "x"}, "the function for its headers failed: ValueError(\"the header 'Upgrade' is set by "),
        (lambda: {"Cookie": "s3cret\n"}, "the function for its headers failed: ValueError(\"the header 'Cookie' has a"),
    ],
)
async def test_headers_that_cant_be_made_are_a_connect_error(headers: Any, why: str) -> None:
    error = await failure("ws://127.0.0.1:1/", headers=headers)
    assert type(error) is ConnectError and error.why.startswith(why) and "s3cret" not in str(error)
    assert not error.is_final and isinstance(error.__cause__, Exception)


async def test_headers_have_their_time(autojump_clock: Any) -> None:
    async def never() -> dict[str, str]:
        await trio.sleep_forever()
        return {}

    error = await failure("ws://h/", headers=never, connect_timeout=3)
    assert isinstance(error, ConnectTimeout)
    assert error.why == "its headers function did not return within 3 s (connect_timeout)"


# Redirects


class Site:
    """A server whose paths say what it does: ``/to/ADDRESS`` redirects there, ``/in`` accepts."""

    def __init__(self, status: int = 302) -> None:
        self.status = status
        self.asked: list[Any] = []
        self.locations: dict[str, str] = {}

    async def handle(self, client: Client) -> None:
        asked = await asked_by(client)
        self.asked.append(asked)
        path = asked.line.split()[1]
        if path in self.locations:
            location = f"Location: {self.locations[path]}\r\n"
            await client.send(f"HTTP/1.1 {self.status} There\r\n{location}Content-Length: 0\r\n\r\n".encode("latin-1"))
        else:
            await client.send(answer_to(asked))
            await client.rest()

    @property
    def paths(self) -> list[str]:
        return [asked.line.split()[1] for asked in self.asked]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed_relative_and_absolute(status: int) -> None:
    site = Site(status)
    async with raw_server(site.handle) as server:
        site.locations = {"/a/b": "c?d=e", "/a/c?d=e": server.url("/caf\xc3\xa9", "http"), "/caf%C3%A9": "/in#top"}
        async with opened(server.url("/a/b")) as there:
            assert there.target.shown == server.url("/in")
    assert site.paths == ["/a/b", "/a/c?d=e", "/caf%C3%A9", "/in"]


async def test_a_redirect_may_lead_to_tls_and_never_from_it() -> None:
    plain, secured, authority = Site(), Site(), trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.configure_trust(ours)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    async with raw_server(plain.handle) as first, raw_server(secured.handle, theirs) as second:
        plain.locations = {"/": second.url("/in", "https")}
        secured.locations = {"/": first.url("/in")}
        async with opened(first.url(), tls=ours) as there:
            assert there.target.shown == second.url("/in", "wss")
        error = await failure(second.url(scheme="wss"), tls=ours)
        assert error.why == f"it redirected (302) from TLS to none, {first.url('/in')}, where we don't follow"
    assert isinstance(error, Rejected) and plain.paths == ["/"]


async def test_a_location_that_is_no_utf_8_is_latin_1() -> None:
    site = Site()
    async with raw_server(site.handle) as server:
        site.locations = {"/": "/caf\xe9"}
        async with opened(server.url()):
            pass
    assert site.paths == ["/", "/caf%C3%A9"]


async def test_the_next_connection_begins_at_the_beginning() -> None:
    site = Site()
    async with raw_server(site.handle) as server:
        site.locations = {"/": "/in"}
        dialing = Dialing.to(server.url())
        for _ in range(2):
            await trio.aclose_forcefully((await open_websocket(dialing)).tcp)
    assert site.paths == ["/", "/in", "/", "/in"]


@pytest.mark.parametrize("most", [0, 1, 5])
async def test_redirects_have_a_limit(most: int) -> None:
    site = Site(307)
    async with raw_server(site.handle) as server:
        site.locations = {"/": "/"}
        error = await failure(server.url(), max_redirects=most)
        why = f"it was redirected more than {most} times (max_redirects), last to {server.url()}"
    assert isinstance(error, Rejected) and (error.status, error.why, error.is_final) == (307, why, True)
    assert error.headers["location"] == "/" and len(site.asked) == most + 1


@pytest.mark.parametrize(
    ("status", "location", "why"),
    [
        (302, "", "it answered 302, a redirect, without a Location"),
        (
            302,
            "Location: ftp://h/\r\n",
            "it redirected (302) to where no WebSocket can be: "
            "a URL of a WebSocket begins with ws://, wss:// or ws+unix:/, not as 'ftp://h/'",
        ),
        (
            301,
            "Location: ws+unix:/run/docker.sock:/\r\n",
            "it redirected (301) to where no WebSocket can be: "
            "a Unix socket of this machine is not for others to name: 'ws+unix:/run/docker.sock:/'",
        ),
        (300, "Location: /in\r\n", "it answered 300"),
        (304, "", "it answered 304"),
    ],
)
async def test_a_redirect_to_nowhere_is_a_refusal(status: int, location: str, why: str) -> None:
    error = await failure_with(saying(f"HTTP/1.1 {status} There\r\n{location}\r\n".encode()))
    assert isinstance(error, Rejected) and (error.status, error.why, error.is_final) == (status, why, True)


async def test_secrets_are_for_one_origin_only() -> None:
    here, there = Site(), Site()
    headers = {"Authorization": "Bearer x", "cookie": "a=b", "Host": "virtual", "X-Kept": "yes"}
    async with raw_server(here.handle) as first, raw_server(there.handle) as second:
        here.locations = {"/": "/again", "/again": second.url("/")}
        there.locations = {"/": first.url("/in")}
        async with opened(first.url(), headers=headers) as connection:
            assert connection.target.shown == first.url("/in")
    assert here.paths == ["/", "/again", "/in"] and there.paths == ["/"]
    secret = {"authorization": "Bearer x", "cookie": "a=b", "host": "virtual"}
    for asked in here.asked[:2]:
        assert secret.items() <= asked.headers.items()
    for asked in (*there.asked, here.asked[2]):
        assert not secret.items() & asked.headers.items() and asked.headers["x-kept"] == "yes"
    assert there.asked[0].headers["host"] == f"127.0.0.1:{second.port}"


async def test_credentials_of_the_url_are_for_its_origin_only() -> None:
    here, there = Site(), Site()
    async with raw_server(here.handle) as first, raw_server(there.handle) as second:
        here.locations = {"/": "/again", "/again": second.url("/in")}
        async with opened(f"ws://user:pass@127.0.0.1:{first.port}/"):
            pass
    assert [asked.headers.get("authorization") for asked in here.asked] == ["Basic dXNlcjpwYXNz"] * 2
    assert "authorization" not in there.asked[0].headers
