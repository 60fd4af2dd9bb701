"""The load that is a page in Chromium measures something and says what went wrong: no figure is judged."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest
from websockets.sync.server import ServerConnection, serve

from benchmarks.browser import __main__ as driver
from benchmarks.browser.desk import PageFailed, open_desk
from benchmarks.browser.load import Browser
from benchmarks.question import Case
from benchmarks.questions.browser import QUESTION

SECONDS = 120
BENCH = [sys.executable, "-m", "actorws", "serve", "examples.bench:app", "--port", "0", "--log-level", "error"]


@pytest.fixture
def drive():
    """Runs a load to its end against a port, with the line that it waits for; returns what came of it."""
    try:
        Browser().command(1, 1)
    except OSError as error:
        pytest.skip(str(error))

    def run(load: Browser, port: int) -> subprocess.CompletedProcess[str]:
        command = load.command(port, 0.2)
        return subprocess.run(command, input="\n", capture_output=True, text=True, timeout=SECONDS, check=False)

    return run


@contextmanager
def serving(talk: Callable[[ServerConnection], None]) -> Iterator[int]:
    """An independent server, in a thread; its port."""
    with serve(talk, "127.0.0.1", 0, compression=None) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


# What it measures


@pytest.mark.parametrize("case", QUESTION.cases, ids=lambda case: case.name)
def test_each_case_has_its_figures_with_our_server(case: Case, start_server, drive):
    server = start_server(BENCH)
    run = drive(case.by, int(server.address.rpartition(":")[2]))
    assert (run.returncode, run.stderr) == (0, "")
    opened, figures = map(json.loads, run.stdout.splitlines())
    assert opened["opened"] == case.by.members + 1
    assert opened["open_seconds"] > 0
    assert 0 < figures["p50_us"] <= figures["p90_us"] <= figures["p99_us"] <= figures["p999_us"] <= figures["max_us"]
    assert figures["seconds"] >= 0.2
    assert figures["cpu"] > 0
    assert QUESTION.figure in figures


def test_what_is_counted_is_what_came_and_nothing_is_sent_before_the_line():
    echoed, has_begun = [], Event()

    def talk(connection: ServerConnection) -> None:
        for message in connection:
            has_begun.set()
            echoed.append(message)
            connection.send(message)

    with serving(talk) as port, started(Browser(window=4, size=50), port) as process:
        assert json.loads(process.stdout.readline())["opened"] == 1
        assert not has_begun.wait(0.2)
        figures = json.loads(process.communicate("\n", timeout=SECONDS)[0])
    assert figures["messages"] == len(echoed) > 0
    assert {len(message) for message in echoed} == {50}


@contextmanager
def started(load: Browser, port: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(load.command(port, 0.2), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("load", [case.by for case in QUESTION.cases] + [Browser(1, 2, 3, "/four")])
def test_the_driver_understands_the_options_as_a_load_spells_them(load: Browser):
    task = driver._parse(load.command(80, 0.5)[3:])
    assert Browser(task.members, task.window, task.size, task.path) == load
    assert (task.port, task.seconds) == (80, 0.5)


# What goes wrong


def test_a_port_where_nobody_listens_is_one_line(drive):
    with serving(lambda connection: None) as port:
        pass  # nobody any more
    run = drive(Browser(), port)
    url = f"ws://127.0.0.1:{port}/"
    line = f"no WebSocket could be opened to {url}: is it the server that is to be measured?\n"
    assert (run.returncode, run.stdout, run.stderr) == (1, "", line)


def test_a_server_without_websockets_is_one_line(drive):
    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        run = drive(Browser(path="/there"), server.server_port)
        server.shutdown()
        thread.join()
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"no WebSocket could be opened to ws://127.0.0.1:{server.server_port}/there: ")


def echoes(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


def changes(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(f"{message}!")


def greets(connection: ServerConnection) -> None:
    for _ in connection:
        connection.send(b"welcome")


def closes(connection: ServerConnection) -> None:
    connection.recv()
    connection.close(1001)


@pytest.mark.parametrize(
    ("talk", "complaint"),
    [
        (changes, 'the message "000" came back as "000!"\n'),
        (closes, "the server has closed a connection, with code 1001\n"),
        (greets, 'the message "000" came back as bytes\n'),
    ],
    ids=["changes it", "closes", "sends bytes"],
)
def test_a_server_that_does_not_send_back_what_it_got_is_one_line(drive, talk, complaint):
    with serving(talk) as port:
        run = drive(Browser(size=3), port)
    assert (run.returncode, run.stderr) == (1, complaint)


def test_without_chromium_a_load_can_not_be_started(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match="there is no Chromium on the PATH; as root: apt-get install chromium"):
        Browser().command(80, 1)


def test_without_chromium_the_driver_says_that_it_is_left_out(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert driver.main(["80", "1"]) == 2
    line = "left out: there is no Chromium on the PATH; as root: apt-get install chromium\n"
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize("said", ["no display", "[1:2:FATAL:x.cc] no display\n[3:4:ERROR:y.cc] broken pipe"])
def test_a_chromium_that_ends_at_once_is_one_line_that_says_why(drive, monkeypatch, tmp_path, said):
    program = tmp_path / "chromium"
    program.write_text(f"#!/bin/sh\necho starting >&2\necho '{said}' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    run = drive(Browser(), 80)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == f"Chromium has ended: {said.splitlines()[0]}\n"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--members", "300", "80", "1"], "--members must be 0 to 200, not 300"),
        (["--window", "0", "80", "1"], "--window and --size must be at least 1"),
        (["80", "soon"], "argument seconds: invalid float value: 'soon'"),
    ],
)
def test_options_that_can_not_be_are_told_with_status_2(capsys, options, complaint):
    with pytest.raises(SystemExit, match="2"):
        driver.main(options)
    assert capsys.readouterr().err.endswith(f"error: {complaint}\n")


# What it leaves behind


@pytest.mark.parametrize(
    ("lines", "number", "statuses"),
    [(0, signal.SIGTERM, {143}), (0, signal.SIGINT, {130}), (1, signal.SIGTERM, {0, 143})],
    ids=["opened", "interrupted", "with its figures told"],
)
def test_when_it_is_told_to_end_no_process_and_no_file_is_left(monkeypatch, drive, lines, number, statuses):
    # In a folder of a short name: Chromium has a socket there, and names of sockets are at most 108 characters.
    with TemporaryDirectory() as folder, serving(echoes) as port:
        monkeypatch.setenv("TMPDIR", folder)
        with started(Browser(), port) as process:
            process.stdout.readline()
            assert processes_with(folder)
            for _ in range(lines):
                process.stdin.write("\n")
                process.stdin.flush()
                process.stdout.readline()
            while process.poll() is None:  # by somebody who is impatient
                process.send_signal(number)
            assert process.returncode in statuses
        assert processes_with(folder) == []
        assert list(Path(folder).iterdir()) == []


def processes_with(argument: str) -> list[str]:
    """The command lines of those in which it occurs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:
            pass  # it has ended
    return [command for command in found if argument in command]


# The desk


@pytest.mark.parametrize("url", ["http://127.0.0.1:81/page.html", "http://127.0.0.1:80/", "http://update.test/x"])
def test_the_desk_serves_nothing_but_the_page(url):
    with open_desk("127.0.0.1:80") as desk:
        opener = build_opener(ProxyHandler({"http": f"127.0.0.1:{desk.port}"}))
        with pytest.raises(HTTPError) as caught:
            opener.open(url, timeout=SECONDS)
        caught.value.close()
    assert caught.value.code == 404


def test_a_page_that_tells_nothing_is_waited_for_no_longer_than_was_said():
    with open_desk("127.0.0.1:80") as desk, pytest.raises(PageFailed, match=r"for 0\.01 s nothing was heard"):
        desk.wait("opened", 0.01)
