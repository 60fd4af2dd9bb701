"""A port with TLS: peers that stall, speak something else, or vanish, at every stage of two handshakes."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from tests.support.attacker import naming
from tests.support.faults import Target, secure
from tests.support.requests import only_response
from tests.support.wire import TEXT, Client, connect, frame, handshake

#: Seconds for TLS and the first head, together.
PATIENCE = 1.0
#: Seconds for which the server takes in what a client still sends that has been told to leave.
LINGER = 5.0
#: What a busy machine may add.
LATE = 3.0


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def serve_tls(
    authority: trustme.CA, tmp_path: Path, start_server: Callable[[Sequence[str]], Any]
) -> Callable[..., Target]:
    """Starts the torture app with TLS, and further arguments."""

    def start(*options: str) -> Target:
        issued = authority.issue_cert("127.0.0.1")
        cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(str(cert))
        issued.private_key_pem.write_to_path(str(key))
        command = [sys.executable, "-m", "actorws", "serve", "tests.servers.torture:app", "--port", "0"]
        trusted = ssl.create_default_context()
        authority.configure_trust(trusted)
        return Target(start_server([*command, f"--tls-cert={cert}", f"--tls-key={key}", *options]), tls=trusted)

    return start


def tls_of(target: Target) -> ssl.SSLContext:
    assert target.tls is not None
    return target.tls


def hello_to(target: Target) -> bytes:
    """The first bytes of a TLS client."""
    said = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        tls_of(target).wrap_bio(ssl.MemoryBIO(), said, server_hostname="127.0.0.1").do_handshake()
    return said.read()


async def test_what_is_no_tls_is_cut_off_at_once(serve_tls: Callable[..., Target]) -> None:
    """Long before the deadline; a plain request is told of it by a TLS alert at most, and never served."""
    target = serve_tls()
    others = {
        "plain HTTP": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "a plain handshake": handshake(),
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "zeros": bytes(1000),
        "every byte": bytes(range(256)),
        "a record that is too long": b"\x16\x03\x01\xff\xff" + bytes(1000),
        "a hello that is none": b"\x16\x03\x01\x00\x10" + bytes(16),
        "a hello, and plain HTTP": hello_to(target) + handshake(),
    }
    async with target.unharmed(log_lines=0), AsyncExitStack() as stack:
        clients = {}
        for name, data in others.items():
            clients[name] = await stack.enter_async_context(connect(target.port))
            await clients[name].send(data)
        await target.answers()
        for name, client in clients.items():
            with naming(name), trio.fail_after(LATE):
                assert b"HTTP" not in await client.rest()


async def test_who_stalls_is_cut_off_in_time(serve_tls: Callable[..., Target]) -> None:
    """20 of each: silent, in the middle of the hello, behind it, behind TLS, in the middle of the head."""
    target = serve_tls(f"--option=handshake_timeout={PATIENCE}")
    hello = hello_to(target)

    async def stall(data: bytes) -> None:
        began = trio.current_time()
        async with connect(target.port) as client:
            await client.send(data)
            assert b"HTTP" not in await client.rest()
            assert PATIENCE * 0.9 <= trio.current_time() - began <= PATIENCE + LATE

    async def stall_behind_tls(data: bytes) -> None:
        began = trio.current_time()
        async with secure(target.port, tls_of(target)) as client:
            await client.send(data)
            if data:
                assert (await only_response(client)).status == 408
            else:
                assert await client.rest() == b""
            assert PATIENCE * 0.9 <= trio.current_time() - began <= PATIENCE + LATE

    async with target.unharmed(), trio.open_nursery() as nursery:
        for _ in range(20):
            for data in (b"", hello[:1], hello[: len(hello) // 2], hello):
                nursery.start_soon(stall, data)
            for data in (b"", handshake()[:-1]):
                nursery.start_soon(stall_behind_tls, data)
        await trio.sleep(PATIENCE / 2)
        await target.answers()


async def test_tls_and_the_head_have_one_deadline(serve_tls: Callable[..., Target]) -> None:
    """Who takes most of it for TLS has only the rest of it for the head."""
    patience = 4.0
    target = serve_tls(f"--option=handshake_timeout={patience}")
    async with target.unharmed(), connect(target.port) as tcp:
        began = trio.current_time()
        await trio.sleep(patience - 1)
        stream = trio.SSLStream(tcp.stream, tls_of(target), server_hostname="127.0.0.1")
        await stream.do_handshake()
        client = Client(stream)
        await client.send(handshake()[:-1])
        assert (await only_response(client)).status == 408
        assert trio.current_time() - began < 2 * patience - 1.5, "1 s behind TLS, and not the whole time again"


async def test_who_is_refused_and_stays_is_cut_off(serve_tls: Callable[..., Target]) -> None:
    """20 that are answered and told that TLS is over, and don't care."""
    target = serve_tls()
    async with target.unharmed(), AsyncExitStack() as stack:
        before = target.descriptors()
        for _ in range(20):
            client = await stack.enter_async_context(secure(target.port, tls_of(target)))
            await client.send(handshake("/nowhere"))
            assert (await only_response(client)).status == 404
        await target.answers()
        await target.comes(lambda: target.descriptors() <= before, seconds=LINGER + LATE)
        await target.answers()


#: What a client has said on its TLS before it ends, and whether it has seen the 101.
STAGES = (
    (b"", False),
    (handshake()[:60], False),
    (handshake(), False),
    (handshake() + frame(TEXT, b"hello"), True),
    (handshake() + frame(TEXT, b"half of it")[:-5], True),
)


@pytest.mark.parametrize("how", ["reset", "FIN", "garbage"])
async def test_an_end_without_close_notify_is_an_end(serve_tls: Callable[..., Target], how: str) -> None:
    """20 at each stage: not a line is written, nothing is kept."""
    target = serve_tls()
    async with target.unharmed(log_lines=0):
        before = target.descriptors()
        async with AsyncExitStack() as stack:
            clients = []
            for said, sees_101 in STAGES * 20:
                client = await stack.enter_async_context(secure(target.port, tls_of(target)))
                clients.append(client)
                await client.send(said)
                if sees_101:
                    assert (await client.head()).status == 101
            await target.answers()
            for client in clients:
                await end(client, how)
            await target.answers()
            # Although the clients hold on to what they have.
            await target.comes(lambda: target.descriptors() <= before, seconds=LATE)


async def end(client: Client, how: str) -> None:
    assert isinstance(client.stream, trio.SSLStream)
    tcp = client.stream.transport_stream
    assert isinstance(tcp, trio.SocketStream)
    if how == "reset":
        Client(tcp).reset()
    elif how == "FIN":
        await tcp.send_eof()
    else:
        await tcp.send_all(b"garbage" * 10)
