"""The load over all wires: what was sent has come, and a server that does something else is told in a line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from benchmarks.load import wire_load
from benchmarks.load.wire import ACKNOWLEDGE, Counter, WireFailed
from benchmarks.load.wire_load import WIRES, Crowd, WireLoad
from benchmarks.measuring import measure_load
from benchmarks.processes import Server

SERVE = [sys.executable, "-m", "actorws", "serve", "examples.bench:app", "--log-level", "error", "--port"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("ours", SERVE) as server:
        server.wait_listening()
        yield server


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("window", [1, 32])
def test_an_echo_over_any_wire_gives_back_what_was_sent(server: Server, wire: str, window: int) -> None:
    figures = measure_load(WireLoad(wire, "echo", 3, window, "/resumable"), server, 0.1)
    assert figures["messages"] >= 3 * window
    assert 0 < figures["p50_us"] <= figures["p99_us"] <= figures["max_us"]


@pytest.mark.parametrize("wire", WIRES)
def test_what_one_says_comes_to_all_over_any_wire(server: Server, wire: str) -> None:
    figures = measure_load(WireLoad(wire, "fan", 5, 40, "/topic"), server, 0.1)
    assert figures["messages"] >= 200
    assert figures["messages"] % 5 == 0


def test_sessions_come_back_after_their_wires_were_cut(server: Server) -> None:
    figures = measure_load(WireLoad("session", "resume", 70, path="/resumable"), server, 0.1)
    assert figures["messages"] >= 64
    assert figures["us"] > 0


@contextmanager
def crowd(server: Server, path: str, wire: str = "websocket") -> Iterator[Crowd]:
    """Two clients."""
    clients = [WIRES[wire](server.port, path) for _ in range(2)]
    for client in clients:
        client.open()
    with closing(Crowd(clients, 1)) as crowd:
        yield crowd


@pytest.mark.parametrize("wire", ["session", "sse", "stream"])
def test_who_only_listens_acknowledges_what_comes(server: Server, wire: str) -> None:
    with crowd(server, "/topic", wire) as two:
        while two.clients[1].received < 2 * ACKNOWLEDGE:
            two.fan(0.01)
        assert two.clients[1].acknowledged >= ACKNOWLEDGE


def test_messages_that_do_not_come_are_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_load, "PATIENCE", 0.1)
    # Where each gets its own.
    with crowd(server, "/") as two, pytest.raises(WireFailed, match=r"1 messages did not come in 0\.1 s"):
        two.fan(0.01)


def test_messages_that_nobody_sent_are_told(server: Server) -> None:
    # Where each gets everybody's.
    with crowd(server, "/topic") as two, pytest.raises(WireFailed, match="more messages"):
        two.echo(10.0)


def test_a_session_that_is_not_there_any_more_is_told(server: Server) -> None:
    done = run(server.port, "session", "resume", "1", "1", "/", "0.1")  # where none outlives its wire
    assert done.returncode == 1
    assert done.stderr.startswith("resume over session: the session was not resumed: {'session': ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("wire", WIRES)
def test_a_path_that_nobody_serves_is_one_line_and_status_1(server: Server, wire: str) -> None:
    done = run(server.port, wire, "echo", "1", "1", "/nowhere", "0.1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"echo over {wire}: the server answers 'HTTP/1.1 404 Not Found'")
    assert len(done.stderr.splitlines()) == 1


def test_a_port_where_nobody_listens_is_one_line_and_status_1() -> None:
    done = run(1, "sse", "echo", "1", "1", "/", "0.1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "echo over sse: [Errno 111] Connection refused\n"


def run(port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.load.wire_load", str(port), *arguments]
    return subprocess.run(command, input="\n", capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["8000", "telegraph", "echo", "1", "1", "/", "1"],
        ["8000", "sse", "sing", "1", "1", "/", "1"],
        ["8000", "sse", "echo", "0", "1", "/", "1"],
        ["8000", "sse", "echo", "1", "1", "/", "soon"],
    ],
)
def test_what_can_not_be_done_is_one_line_and_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert wire_load.main(argv) == 2
    expected = f"expected PORT WIRE MODE CONNECTIONS WINDOW PATH SECONDS, not {' '.join(argv)!r}"
    assert capsys.readouterr().err.startswith(expected)


def test_only_sessions_can_be_resumed(server: Server) -> None:
    with crowd(server, "/", "sse") as two, pytest.raises(WireFailed, match="choose the wire 'session'"):
        two.resume(0.1)


@pytest.mark.parametrize("size", range(1, 12))
def test_messages_are_counted_however_what_comes_is_cut(size: int) -> None:
    data, counter = b"..abc,ababcabcab..ab" + b"c", Counter(b"abc")
    assert sum(counter.feed(data[start : start + size]) for start in range(0, len(data), size)) == 4


def test_what_is_said_is_json_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    wire_load.say(opened=3)
    assert json.loads(capsys.readouterr().out) == {"opened": 3}
