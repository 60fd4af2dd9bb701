"""The command: a mistake is one line and status 2, and nothing is served by halves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from actorws import App, Websocket, runtime
from actorws.cli import command, main
from actorws.events import ListenerStarted
from actorws.exceptions import ConfigError
from actorws.observability.logs import LogEvents
from tests.conftest import PROJECT

#: Long enough for an interpreter to start on a busy machine; a test that gets there has failed.
PATIENCE = 60


# What is served


def test_an_app_is_served_on_this_machine_only_at_port_8000(site: str, served: list[Any]) -> None:
    assert main(["serve", f"{site}:app"]) == 0
    [(target, arguments)] = served
    on_event = arguments.pop("on_event")
    assert callable(on_event)
    assert isinstance(target, App)
    assert arguments == {"host": "127.0.0.1", "port": 8000, "unix": None, "tls": None, "cluster": None}


def test_a_behaviour_is_served_as_it_is(site: str, served: list[Any]) -> None:
    assert main(["serve", f"{site}:Echo", "--host", "::1", "--port", "0"]) == 0
    [(target, arguments)] = served
    assert issubclass(target, Websocket)
    assert (arguments["host"], arguments["port"]) == ("::1", 0)


def test_an_instance_of_a_behaviour_is_served_as_it_is(site: str, served: list[Any]) -> None:
    assert main(["serve", f"{site}:instance"]) == 0
    assert isinstance(served[0][0], Websocket)


def test_a_unix_socket_takes_the_place_of_the_port(site: str, served: list[Any]) -> None:
    assert main(["serve", f"{site}:app", "--unix", "/run/a.sock"]) == 0
    arguments = served[0][1]
    assert (arguments["unix"], arguments["port"]) == ("/run/a.sock", None)


def test_a_unix_socket_and_a_port_are_both_served_where_both_are_given(site: str, served: list[Any]) -> None:
    assert main(["serve", f"{site}:app", "--unix", "/run/a.sock", "--port", "81"]) == 0
    arguments = served[0][1]
    assert (arguments["unix"], arguments["host"], arguments["port"]) == ("/run/a.sock", "127.0.0.1", 81)


def test_options_of_the_server_are_given_by_name_and_have_their_own_types(site: str, served: list[Any]) -> None:
    given = ["drain_timeout=2.5", "handshake_timeout=3", "max_headers=50", "backlog=None", "max_accepts_per_second=9.5"]
    assert main(["serve", f"{site}:app", *(word for text in given for word in ("--option", text))]) == 0
    arguments = served[0][1]
    assert [arguments[text.partition("=")[0]] for text in given] == [2.5, 3.0, 50, None, 9.5]


@pytest.mark.parametrize(
    ("words", "cluster"), [([], None), (["--cluster", "none"], None), (["--cluster", "redis://a"], "redis://a")]
)
def test_one_worker_is_this_very_process(site: str, served: list[Any], words: list[str], cluster: str | None) -> None:
    assert main(["serve", f"{site}:app", "--workers", "1", *words]) == 0
    assert [arguments.get("cluster") for _, arguments in served] == [cluster]


# What goes wrong


def test_an_engine_that_is_not_reached_is_told_with_the_reason(
    site: str, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "START_PATIENCE", 1)
    assert fails("serve", f"{site}:app", "--port", "0", "--cluster", "unix:///nowhere/a.sock") == (
        "the cluster's engine was not reached within 1 s: "
        "unix:///nowhere/a.sock can't be reached: [Errno 2] No such file or directory"
    )


def test_what_the_code_raises_while_it_serves_is_not_taken_for_a_mistake_at_the_terminal(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(target: Any, *, on_event: Any, **_: Any) -> None:
        on_event(ListenerStarted("http://127.0.0.1:1"))
        raise ConfigError("from the code being served")

    monkeypatch.setattr(command, "run", run)
    with pytest.raises(ConfigError):
        main(["serve", f"{site}:app"])


def test_ctrl_c_before_there_is_a_server_is_the_status_of_an_interrupt_and_no_traceback(
    site: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the module is imported, and before `run` obeys signals."""

    def run(target: Any, **_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", run)
    (folder / "slow.py").write_text("raise KeyboardInterrupt\n")
    for target in ("slow:app", f"{site}:app"):
        assert main(["serve", target]) == 130
    assert capsys.readouterr() == ("", "")


# Real processes


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "error"}
    return subprocess.Popen(
        [sys.executable, "-m", "actorws", *arguments],
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_mistake_in_a_real_process_is_one_line_on_stderr_and_status_2(folder: Path) -> None:
    process = start("serve", "nosuch:app", cwd=folder)
    out, err = process.communicate(timeout=PATIENCE)
    assert (out, process.returncode) == ("", 2)
    assert err == f"actorws: there is no module 'nosuch' (looked in {folder} and on the Python path)\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_leaves_with_status_0(site: str, folder: Path, number: int) -> None:
    """One line per listener on stdout, and a client that is connected is told that the server goes."""
    with start("serve", f"{site}:app", "--port", "0", cwd=folder) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.fullmatch(r"listening on http://(127\.0\.0\.1:\d+)\n", line)
            assert found is not None, line
            with connect(f"ws://{found.group(1)}/", proxy=None) as client:
                client.send("hello")
                assert client.recv(timeout=PATIENCE) == "hello"
                process.send_signal(number)
                out, err = process.communicate(timeout=PATIENCE)
                assert client.protocol.close_code == 1001
        finally:
            process.kill()
    assert (out, process.returncode) == ("", 0)
    assert "Traceback" not in err and "shutting down" in err


def test_events_that_are_no_listeners_go_to_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    announce = command._Announce()
    assert isinstance(announce._log, LogEvents)
    announce(ListenerStarted("unix:/run/a.sock"))
    assert capsys.readouterr().out == "listening on unix:/run/a.sock\n"


def test_the_console_script_is_the_same_command() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"actorws": "actorws.cli:main"}
