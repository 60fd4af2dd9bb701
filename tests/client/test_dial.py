"""Dial: TCP, Unix sockets and TLS, and the sentence for each way in which they fail."""

from __future__ import annotations

import errno
import socket as stdlib
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from actorws.client.dial import open_secured, open_stream
from actorws.client.dialing import Dialing
from actorws.client.opening import open_websocket
from actorws.client.tcp import why_not
from actorws.exceptions import ConnectError, ConnectTimeout, NotWebsocket, Rejected, TlsFailed, Unreachable
from tests.support.raw_servers import Handler, NoNames, accepting, full_backlog, raw_server, saying, silent
from tests.support.serving import descriptors
from tests.support.wire import Client

REFUSED = OSError(errno.ECONNREFUSED, "x")
NO_IPV6 = OSError(errno.ENETUNREACH, "x")


async def failure(url: str, **asked: Any) -> ConnectError:
    """How it fails, with nothing left open."""
    before = descriptors()
    with pytest.raises(ConnectError) as failed:
        await open_websocket(Dialing.to(url, proxy=None, **asked))
    ours = [entry for entry in descriptors() - before if "socket:" in entry]
    assert len(ours) <= 1, "no more than the end of the server in this test"
    return failed.value


# TCP and Unix sockets


async def test_where_nobody_listens_is_unreachable() -> None:
    error = await failure("ws://127.0.0.1:1/chat?token=x")
    assert type(error) is Unreachable and isinstance(error.__cause__, OSError) and not error.is_final
    assert str(error) == "can't connect to ws://127.0.0.1:1/chat: nobody listens there (connection refused)"


async def test_who_finds_himself_behind_a_port_has_found_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def meet_oneself(host: str, port: int) -> trio.SocketStream:
        socket = stdlib.socket()
        socket.bind(("127.0.0.1", 0))
        socket.connect(socket.getsockname())
        socket.setblocking(False)
        return trio.SocketStream(trio.socket.from_stdlib_socket(socket))

    monkeypatch.setattr(trio, "open_tcp_stream", meet_oneself)
    error = await failure("ws://127.0.0.1:40000/")
    assert type(error) is Unreachable and "nobody listens there" in error.why


async def test_a_name_that_nobody_knows_is_unreachable() -> None:
    trio.socket.set_custom_hostname_resolver(NoNames())
    error = await failure("wss://nowhere.invalid/")
    assert type(error) is Unreachable and error.url == "wss://nowhere.invalid/"
    assert error.why == "the name nowhere.invalid can't be resolved (Name or service not known)"


def gathered(*causes: OSError) -> OSError:
    """As trio puts together what each address said."""
    error = OSError("all attempts to connect failed")
    error.__cause__ = causes[0] if len(causes) == 1 else ExceptionGroup("multiple", causes)
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (REFUSED, "nobody listens there (connection refused)"),
        (gathered(NO_IPV6), "there is no way to its network"),
        (gathered(NO_IPV6, REFUSED), "nobody listens there (connection refused)"),
        (gathered(REFUSED, NO_IPV6), "nobody listens there (connection refused)"),
        (OSError(errno.EMFILE, "x"), "too many open files (see ulimit -n)"),
        (OSError(errno.EXDEV, "Invalid cross-device link"), "Invalid cross-device link"),
        (OSError(errno.EXDEV, None), f"[Errno {errno.EXDEV}] None"),
        (OSError("AF_UNIX path too long"), "AF_UNIX path too long"),
    ],
)
def test_what_the_system_says_is_said_in_words(error: OSError, words: str) -> None:
    assert why_not(error, "h") == words


async def test_an_address_that_never_answers_has_its_time() -> None:
    async with full_backlog() as port:
        error = await failure(f"ws://127.0.0.1:{port}/", connect_timeout=0.3)
    assert isinstance(error, ConnectTimeout) and error.limit == "connect_timeout"
    assert error.why == "nobody answered there within 0.3 s (connect_timeout)" and not error.is_final


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing.sock", "there is no such socket"),
        ("plain", "nobody listens there (connection refused)"),
        ("x" * 200, "AF_UNIX path too long"),
    ],
)
async def test_a_unix_socket_may_not_be_there(path: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("no socket")
    error = await failure(f"ws+unix:{tmp_path}/{path}:/chat?x")
    assert type(error) is Unreachable and error.why == words
    assert error.url == f"ws+unix:{tmp_path}/{path}:/chat"


async def test_a_unix_socket_may_have_no_room(tmp_path: Path) -> None:
    path = str(tmp_path / "a.sock")
    with trio.socket.socket(trio.socket.AF_UNIX) as listener, trio.socket.socket(trio.socket.AF_UNIX) as first:
        await listener.bind(path)
        listener.listen(0)
        await first.connect(path)
        error = await failure(f"ws+unix:{path}", connect_timeout=0.3)
    assert (error.why, type(error)) == ("it doesn't keep up with those who connect to it", Unreachable)


async def test_a_unix_socket_carries_a_websocket(tmp_path: Path) -> None:
    path = str(tmp_path / "a b.sock")
    with trio.socket.socket(trio.socket.AF_UNIX) as listener:
        await listener.bind(path)
        listener.listen()
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                socket, _ = await listener.accept()
                async with trio.SocketStream(socket) as stream:
                    await accepting(b"\x81\x02hi")(Client(stream))

            nursery.start_soon(serve)
            # Whatever the environment or the caller says of proxies.
            opened = await open_websocket(Dialing.to(f"ws+unix:{path.replace(' ', '%20')}", proxy="http://127.0.0.1:1"))
            assert opened.rest == b"\x81\x02hi" and opened.address == ""
            await trio.aclose_forcefully(opened.tcp)


# A stream of somebody else's


class Custom(ConnectError):
    pass


@pytest.mark.parametrize(
    ("raised", "kind", "why"),
    [
        (REFUSED, Unreachable, "nobody listens there (connection refused)"),
        (trio.BrokenResourceError("gone"), Unreachable, "open_stream failed: BrokenResourceError('gone')"),
        (KeyError("x"), Unreachable, "open_stream failed: KeyError('x')"),
        (Custom("ws://h/", "as it is"), Custom, "as it is"),
    ],
)
async def test_what_open_stream_raises_is_a_connect_error(
    raised: Exception, kind: type[ConnectError], why: str
) -> None:
    async def fail(host: str, port: int) -> trio.abc.Stream:
        assert (host, port) == ("h", 80)
        raise raised

    error = await failure("ws://h/", open_stream=fail)
    assert (type(error), error.why) == (kind, why)


async def test_open_stream_has_its_time(autojump_clock: Any) -> None:
    async def wait(host: str, port: int) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    error = await failure("ws://h/", open_stream=wait, connect_timeout=7)
    assert isinstance(error, ConnectTimeout) and trio.current_time() == pytest.approx(7)


# TLS


class Tls:
    """An authority, and what it has signed."""

    def __init__(self) -> None:
        self.authority = trustme.CA()
        self.ours = ssl.create_default_context()
        self.authority.configure_trust(self.ours)

    def server(self, *names: str, **options: Any) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert(*names, **options).configure_cert(context)
        return context

    async def failure(self, names: tuple[str, ...], **options: Any) -> ConnectError:
        async with raw_server(accepting(), self.server(*names, **options)) as server:
            return await failure(server.url(scheme="wss"), tls=self.ours)


@pytest.fixture(scope="module")
def tls() -> Tls:
    return Tls()


PAST = datetime(2001, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("names", "options", "why"),
    [
        (("other.example",), {}, "its certificate is not for the address 127.0.0.1"),
        (("127.0.0.1",), {"not_before": PAST, "not_after": PAST.replace(year=2002)}, "its certificate has expired"),
        (
            ("127.0.0.1",),
            {"not_before": PAST.replace(year=2999), "not_after": PAST.replace(year=3000)},
            "its certificate is not valid yet",
        ),
    ],
)
async def test_a_certificate_that_is_not_the_servers_is_not_taken(
    tls: Tls, names: tuple[str, ...], options: dict[str, Any], why: str
) -> None:
    error = await tls.failure(names, **options)
    assert (type(error), error.why, error.is_final) == (TlsFailed, why, True)
    assert str(error).startswith("can't connect to wss://127.0.0.1:")


async def test_a_certificate_for_another_name_is_not_taken(tls: Tls) -> None:
    async with raw_server(accepting(), tls.server("other.example")) as server:
        error = await failure(f"wss://localhost:{server.port}", tls=tls.ours)
    assert (type(error), error.why) == (TlsFailed, "its certificate is for another name than localhost")


async def test_by_default_the_systems_authorities_are_trusted(
    tls: Tls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_server(accepting(), tls.server("127.0.0.1")) as server:
        error = await failure(server.url(scheme="wss"))
        assert (type(error), error.why) == (TlsFailed, "its certificate is signed by nobody that is trusted here")
        tls.authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        # As in a process that begins now: what the system trusts is loaded once.
        monkeypatch.setattr("actorws.client.tls._trusting_the_system", ssl.create_default_context)
        opened = await open_websocket(Dialing.to(server.url(scheme="wss")))
        await trio.aclose_forcefully(opened.tcp)


@pytest.mark.parametrize(
    ("host", "name"), [("127.0.0.1", None), ("localhost", "localhost"), ("LocalHost.", "localhost")]
)
async def test_the_server_is_told_its_name_and_no_address(tls: Tls, host: str, name: str | None) -> None:
    """SNI has neither addresses nor last dots (RFC 6066 section 3)."""
    context, told = tls.server("localhost", "127.0.0.1"), []
    context.sni_callback = lambda tls, name, context: told.append(name)
    async with raw_server(accepting(), context) as server:

        async def to_the_server(host: str, port: int) -> trio.abc.Stream:
            return await trio.open_tcp_stream("127.0.0.1", server.port)

        opened = await open_websocket(Dialing.to(f"wss://{host}", tls=tls.ours, open_stream=to_the_server))
        await trio.aclose_forcefully(opened.tcp)
    assert told == [name]


def refuse_by_tls(listener: stdlib.socket, context: ssl.SSLContext) -> None:
    """As servers do that aren't trio's: what is wrong is told before the connection ends."""
    socket, _ = listener.accept()
    with socket, suppress(ssl.SSLError):
        context.wrap_socket(socket, server_side=True).close()


async def test_a_client_may_have_a_certificate_too(tls: Tls) -> None:
    strict = tls.server("127.0.0.1")
    strict.verify_mode = ssl.CERT_REQUIRED
    tls.authority.configure_trust(strict)
    known = ssl.create_default_context()
    tls.authority.configure_trust(known)
    tls.authority.issue_cert("me.example").configure_cert(known)
    async with raw_server(accepting(), strict) as server:
        opened = await open_websocket(Dialing.to(server.url(scheme="wss"), tls=known))
        await trio.aclose_forcefully(opened.tcp)
    with stdlib.create_server(("127.0.0.1", 0)) as listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, refuse_by_tls, listener, strict)
            with pytest.raises(TlsFailed) as failed:
                await open_websocket(Dialing.to(f"wss://127.0.0.1:{listener.getsockname()[1]}", tls=tls.ours))
    assert (failed.value.why, failed.value.is_final) == ("it asks for a certificate of ours (tls=)", True)


async def test_a_refusal_that_ends_without_the_end_of_tls_is_a_refusal(tls: Tls) -> None:
    answer = saying(b"HTTP/1.1 403 No\r\n\r\nto the end")
    async with raw_server(answer, tls.server("127.0.0.1")) as server:
        error = await failure(server.url(scheme="wss"), tls=tls.ours)
    assert isinstance(error, Rejected) and (error.status, error.body) == (403, b"to the end")


async def reading(client: Client) -> None:
    await client.read(1)


async def resetting(client: Client) -> None:
    await client.read(1)
    client.reset()


@pytest.mark.parametrize(
    ("handle", "why", "is_final"),
    [
        (silent(b"HTTP/1.1 400 Bad\r\n\r\n"), "it answers without TLS (wss:// and https:// are by TLS)", True),
        (silent(b"SSH-2.0-x\r\n"), "it answers without TLS (wss:// and https:// are by TLS)", True),
        (silent(b"\x15\x03\x03\x00\x02\x02\x28"), "TLS failed (sslv3 alert handshake failure)", True),
        (reading, "it ended the connection during the TLS handshake", False),
        (resetting, "it ended the connection during the TLS handshake", False),
    ],
)
async def test_who_has_no_tls_is_found_out(handle: Handler, why: str, is_final: bool) -> None:
    async with raw_server(handle) as server:
        error = await failure(server.url(scheme="wss"))
    assert (type(error), error.why.replace("ssl/tls", "sslv3"), error.is_final) == (TlsFailed, why, is_final)


async def test_tls_has_its_time() -> None:
    async with raw_server(silent()) as server:
        error = await failure(server.url(scheme="wss"), handshake_timeout=0.3)
    assert isinstance(error, ConnectTimeout) and error.limit == "handshake_timeout"
    assert error.why == "it did not finish the TLS handshake within 0.3 s (handshake_timeout)"


async def test_who_wants_tls_and_gets_none_is_found_out(tls: Tls) -> None:
    async with raw_server(accepting(), tls.server("127.0.0.1")) as server:
        error = await failure(server.url(scheme="ws"))
    assert (type(error) in (Unreachable, NotWebsocket) and "ended the connection" in error.why) or "TLS" in error.why


async def test_tls_that_ends_is_followed_by_the_end_of_tcp(tls: Tls) -> None:
    """TCP is whose who opened it: closing TLS tells the server, which may finish what it says."""
    heard: list[bytes] = []

    async def handle(client: Client) -> None:
        heard.append(await client.rest())
        await client.send(b"bye")

    async with raw_server(handle, tls.server("127.0.0.1")) as server:
        dialing = Dialing.to(server.url(scheme="wss"), tls=tls.ours)
        tcp = await open_stream(dialing, dialing.target)
        secured = await open_secured(tcp, dialing, dialing.target)
        assert isinstance(secured, trio.SSLStream)
        await secured.send_all(b"hello")
        await secured.aclose()
        assert await tcp.receive_some(9), "the server's own last words"
        await tcp.aclose()
    assert heard == [b"hello"]
