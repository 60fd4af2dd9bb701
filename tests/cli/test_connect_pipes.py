"""Pipes: bytes in, bytes out, and an exit status."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
import trustme
from trio.testing import MockClock

from actorws import connect, testing
from actorws.cli import connect_pipes
from actorws.cli.arguments import parse
from actorws.cli.connect_arguments import Asked
from actorws.cli.connect_pipes import _object_of
from tests.conftest import PROJECT, ServerProcess
from tests.support.puppet import ATTACK, Puppet

Piped = Callable[..., subprocess.CompletedProcess[bytes]]

CONNECT = [sys.executable, "-m", "actorws", "connect"]


def start(url: str, *words: str, **streams: int) -> subprocess.Popen[bytes]:
    """One that is still running when this returns."""
    given = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.Popen([*CONNECT, url, *words], cwd=PROJECT, **given)


# What is sent and what comes


def test_each_line_is_a_message_and_each_message_a_line(puppet: ServerProcess, piped: Piped) -> None:
    done = piped(puppet.ws(), "-n", "3", stdin="héllo\r\n\nno end".encode())
    assert (done.stdout, done.stderr, done.returncode) == ("héllo\n\nno end\n".encode(), b"", 0)


def test_without_a_number_it_ends_when_nothing_has_come_for_a_while(puppet: ServerProcess, piped: Piped) -> None:
    done = piped(puppet.ws(), stdin=b"hi\n")
    assert (done.stdout, done.stderr, done.returncode) == (b"hi\n", b"", 0)


async def test_it_goes_on_for_as_long_as_messages_come(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    asked = parse(["connect", "ws://puppet/"])
    assert isinstance(asked, Asked)

    typed = iter([b"later 0.9 a", b"later 1.8 b", b"later 2.9 c"])

    class Stdin:
        async def line(self) -> bytes | None:
            return next(typed, None)

    async def write(data: bytes) -> None:
        written.append(data)

    monkeypatch.setattr(connect_pipes, "Stdin", Stdin)
    monkeypatch.setattr(connect_pipes, "write", write)
    async with testing.open_app(Puppet) as server:

        async def open_stream(host: str, port: int) -> trio.abc.Stream:
            return server.open_stream()

        async with connect("ws://puppet/", open_stream=open_stream) as connection:
            await connect_pipes.Pipes(asked, is_terminal=False).carry(connection)
    assert written == [b"a\n", b"b\n"], "and c would have come 1.1 s later"


def test_how_long_it_waits_can_be_said(puppet: ServerProcess, piped: Piped) -> None:
    done = piped(puppet.ws(), "--wait", "60", "-n", "1", stdin=b"later 1.5 now\n")
    assert (done.stdout, done.returncode) == (b"now\n", 0)
    done = piped(puppet.ws(), "--wait", "0.1", stdin=b"later 30 now\n")
    assert (done.stdout, done.returncode) == (b"", 0)


def test_with_none_to_come_all_is_sent_and_nothing_is_waited_for(
    puppet: ServerProcess, piped: Piped, tmp_path: Path
) -> None:
    """Not even for a server that goes on talking."""
    stdin = b"chatter\n" + b"count 5\n" * 1000 + f"write {tmp_path}/last it came".encode()
    done = piped(puppet.ws(), "-n", "0", stdin=stdin)
    assert (done.stdout, done.stderr, done.returncode) == (b"", b"", 0)
    assert (tmp_path / "last").read_text() == "it came"


def test_what_comes_is_written_as_it_is(puppet: ServerProcess, piped: Piped) -> None:
    assert piped(puppet.ws(), "-n", "1", stdin=b"attack").stdout == ATTACK.encode() + b"\n"
    assert piped(puppet.ws(), "-n", "1", stdin=b"binary 00ff").stdout == b"\x00\xff\n"


def test_bytes_go_both_ways_without_anything_between(puppet: ServerProcess, piped: Piped) -> None:
    data = os.urandom(200_000)
    done = piped(puppet.ws(), "--binary", stdin=data)
    assert (done.stdout, done.returncode) == (data, 0)


def test_much_comes_whole_and_in_order(puppet: ServerProcess, piped: Piped) -> None:
    done = piped(puppet.ws(), "-n", "20000", stdin=b"count 20000")
    assert done.stdout.split() == [b"%d" % number for number in range(20000)]
    assert len(piped(puppet.ws(), "-n", "1", stdin=b"large 5000000").stdout) == 5_000_001


def test_lines_are_sent_while_stdin_is_open(puppet: ServerProcess) -> None:
    with start(puppet.ws()) as process:
        assert process.stdin is not None and process.stdout is not None
        for line in (b"one\n", b"two\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == line
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_json_is_an_object_for_each_frame_with_numbers_as_they_came(puppet: ServerProcess, piped: Piped) -> None:
    done = piped(puppet.ws(), "--json", "-n", "2", stdin=b'{"a": 1.10}\n\n"x"\n')
    first, second, close = done.stdout.decode().splitlines()
    assert '"type": "json", "data": {"a": 1.10}}' in first
    assert json.loads(second)["data"] == "x"
    assert json.loads(close) | {"time": 0} == {"time": 0, "type": "close", "code": 1000, "reason": ""}
    assert 0 < json.loads(first)["time"] <= json.loads(close)["time"]


@pytest.mark.parametrize(
    ("message", "kind", "data"),
    [
        (b"\x00\xff", "binary", "AP8="),
        (ATTACK, "text", ATTACK),
        ("{'a'}", "text", "{'a'}"),
        ("NaN", "text", "NaN"),
        ('[1,\n"\u2028"]', "json", [1, "\u2028"]),
        ("[" * 100_000, "text", "[" * 100_000),
    ],
)
def test_each_object_is_one_line_and_says_what_came(message: str | bytes, kind: str, data: object) -> None:
    [line] = _object_of(message).decode().split("\n")[:-1]
    assert json.loads(line) | {"time": 0} == {"time": 0, "type": kind, "data": data}


# How it ends


@pytest.mark.parametrize(
    ("told", "status", "line"),
    [
        ("close 1000 bye", 0, ""),
        ("close 1001", 0, ""),
        (
            "close 1011 kaputt\x1b[31m",
            1,
            "the server closed the connection with 1011 (internal error): kaputt\\x1b[31m",
        ),
        ("close 4321", 1, "the server closed the connection with 4321"),
        ("cut", 1, "the connection was lost: the server has gone without a Close"),
    ],
)
def test_how_the_server_ends_it_is_the_exit_status(
    puppet: ServerProcess, piped: Piped, told: str, status: int, line: str
) -> None:
    done = piped(puppet.ws("/?secret=1"), stdin=told.encode())
    assert (done.stdout, done.returncode) == (b"", status)
    assert done.stderr.decode() == (f"actorws: {puppet.ws()}: {line}\n" if line else "")


def test_messages_that_did_not_come_are_a_failure(puppet: ServerProcess, piped: Piped) -> None:
    done = piped(puppet.ws(), "-n", "3", stdin=b"count 2\nclose 1000 bye\n")
    assert (done.stdout, done.returncode) == (b"0\n1\n", 1)
    assert done.stderr.decode() == (
        f"actorws: {puppet.ws()}: the server closed the connection with 1000 (normal): bye (2 of 3 messages had come)\n"
    )


def test_a_refusal_is_one_line_and_status_1(puppet: ServerProcess, piped: Piped) -> None:
    done = piped(puppet.ws("/refused"))
    assert (done.stdout, done.returncode) == (b"", 1)
    [line] = done.stderr.decode().splitlines()
    assert line.startswith(f"actorws: can't connect to {puppet.ws('/refused')}: ") and "403" in line
    assert "\x1b" not in line


def test_nobody_at_the_address_is_one_line_and_status_1(piped: Piped) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        done = piped(f"127.0.0.1:{port}/chat")
    assert done.returncode == 1
    assert done.stderr.decode() == (
        f"actorws: can't connect to ws://127.0.0.1:{port}/chat: nobody listens there (connection refused)\n"
    )


def test_a_reader_that_has_had_enough_ends_it_quietly(puppet: ServerProcess) -> None:
    with start(puppet.ws(), "--wait", "inf") as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write(b"count 1\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        process.stdin.write(b"count 1\n")
        process.stdin.flush()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""


def test_a_full_disk_is_told(puppet: ServerProcess) -> None:
    with open("/dev/full", "wb") as full, start(puppet.ws(), "-n", "1", stdout=full.fileno()) as process:
        _, errors = process.communicate(b"hi\n", timeout=60)
    assert (errors, process.returncode) == (b"actorws: can't write to stdout: No space left on device\n", 1)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_was_closed_is_not_taken_for_another_one(puppet: ServerProcess, closed: str) -> None:
    """The next file that a process opens gets its number: a socket, say."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *CONNECT, puppet.ws(), "--wait", "0.2"],
        input=b"hi\n",
        capture_output=True,
        cwd=PROJECT,
        timeout=60,
    )
    echoed = b"hi\n" if closed == "2>&-" else b""
    assert (done.stdout, done.stderr, done.returncode) == (echoed, b"", 0)


def test_ctrl_c_is_the_status_of_an_interrupt(puppet: ServerProcess) -> None:
    with start(puppet.ws()) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write(b"hi\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"hi\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


@pytest.mark.parametrize(
    ("words", "stdin", "line"),
    [
        ([], b"chatter\n\xff\n", "line 2 of stdin is not UTF-8 (--binary sends it as it is)"),
        (["--json"], b"1\n[1,\n", "line 2 of stdin is no JSON, at character 4: expecting value"),
        (["--json"], b"NaN\n", "line 1 of stdin is no JSON, at character 1: NaN is no JSON"),
    ],
)
def test_a_line_that_cannot_be_sent_ends_it_with_its_number(
    puppet: ServerProcess, piped: Piped, words: list[str], stdin: bytes, line: str
) -> None:
    done = piped(puppet.ws(), *words, stdin=stdin)
    assert (done.stderr.decode(), done.returncode) == (f"actorws: {line}\n", 2)


# The handshake


def test_what_is_asked_for_is_in_the_handshake_and_told_on_stderr(puppet: ServerProcess, piped: Piped) -> None:
    words = ["-H", "X-One: a", "-H", "x-one:b", "--origin", puppet.http("").removesuffix("/"), "--subprotocol", "none"]
    done = piped(puppet.ws(), "-n", "1", *words, "--subprotocol", "chat", "--compress", "-v", stdin=b"header x-one")
    assert (done.stdout, done.returncode) == (b"a, b\n", 0)
    first, *headers = done.stderr.decode().splitlines()
    assert first == f"actorws: connected to {puppet.ws()} (101, subprotocol chat, compressed)"
    assert "actorws:   upgrade: websocket" in headers


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of an echo over TLS, and the file with those whom to trust."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca")
    ours = authority.issue_cert("localhost")
    ours.private_key_and_cert_chain_pem.write_to_path(folder / "cert")
    argv = [sys.executable, "-m", "actorws", "serve", "examples.echo:app", "--port", "0"]
    server = ServerProcess([*argv, "--tls-cert", f"{folder}/cert", "--tls-key", f"{folder}/cert"], folder / "log")
    yield f"wss://localhost:{server.address.rpartition(':')[2]}/", str(folder / "ca")
    server.stop()


def test_whom_to_trust_can_be_said(secure: tuple[str, str], piped: Piped) -> None:
    url, authority = secure
    assert piped(url, "-n", "1", "--ca", authority, stdin=b"hi").stdout == b"hi\n"
    assert piped(url.replace("localhost", "127.0.0.1"), "-n", "1", "--insecure", stdin=b"hi").stdout == b"hi\n"


@pytest.mark.parametrize(("host", "words"), [("localhost", []), ("127.0.0.1", ["--ca"])])
def test_who_is_not_to_be_trusted_is_refused(
    secure: tuple[str, str], piped: Piped, host: str, words: list[str]
) -> None:
    url, authority = secure
    done = piped(url.replace("localhost", host), *words, *([authority] if words else []), stdin=b"hi")
    assert (done.stdout, done.returncode) == (b"", 1)
    assert "certificate" in done.stderr.decode() and len(done.stderr.splitlines()) == 1


def test_a_certificate_of_ones_own_is_shown_to_who_asks_for_it(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # with 1.3 it would be shown after the handshake
    authority.cert_pem.write_to_path(tmp_path / "ca")
    authority.issue_cert("me").private_key_and_cert_chain_pem.write_to_path(tmp_path / "me")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"wss://localhost:{server.getsockname()[1]}/"
        server.settimeout(60)
        words = ["--ca", f"{tmp_path}/ca", "--cert", f"{tmp_path}/me", "--proxy", "none"]
        with start(url, *words) as process, context.wrap_socket(server.accept()[0], server_side=True) as client:
            shown = client.getpeercert()
            process.kill()
    assert shown is not None and "me" in str(shown["subjectAltName"])
