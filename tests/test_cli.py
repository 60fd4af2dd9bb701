"""The command line: a mistake is one line and status 2, and nothing is served by halves."""

from __future__ import annotations

import errno
import itertools
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.sync.client import connect

from actorws import App, Websocket, cli
from actorws.cli import main
from actorws.config import ServerConfig
from actorws.events import ListenerStarted
from actorws.exceptions import ConfigError
from actorws.observability.logs import LogEvents

ROOT = Path(__file__).parent.parent
#: Long enough for an interpreter to start on a busy machine; a test that gets there has failed.
PATIENCE = 60

SITE = """
from actorws import App, Websocket

class Echo(Websocket):
    def handle_client_message(self, state, conn, frame):
        return state, [frame]

class Mute(Websocket):
    pass

app = App()
app.websocket("/", Echo)
instance = Echo()
number = 5

class Nested:
    app = app
"""

serial = itertools.count()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what is imported from it is forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != os.getcwd()])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def site(folder: Path) -> str:
    """The name of a module in the current folder that has things to serve."""
    name = f"site_{next(serial)}"
    (folder / f"{name}.py").write_text(SITE)
    return name


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """The calls of ``run`` that the command made; nothing is really served."""
    calls: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr(cli, "run", lambda target, **arguments: calls.append((target, arguments)))
    return calls


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command, which has to fail with status 2 and one line; returns the line."""

    def check(*arguments: str) -> str:
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        [line] = err.splitlines()
        assert line.startswith("actorws: ")
        return line.removeprefix("actorws: ")

    return check


# What is served


def test_an_app_is_served_on_this_machine_only_at_port_8000(site: str, served: list[Any]) -> None:
    assert main(["serve", f"{site}:app"]) == 0
    [(target, arguments)] = served
    on_event = arguments.pop("on_event")
    assert callable(on_event)
    assert isinstance(target, App)
    assert arguments == {"host": "127.0.0.1", "port": 8000, "unix": None, "tls": None}


def test_a_behaviour_is_served_as_it_is(site: str, served: list[Any]) -> None:
    assert main(["serve", f"{site}:Echo", "--host", "::1", "--port", "0"]) == 0
    [(target, arguments)] = served
    assert issubclass(target, Websocket)
    assert (arguments["host"], arguments["port"]) == ("::1", 0)


def test_an_instance_of_a_behaviour_is_served_as_it_is(site: str, served: list[Any]) -> None:
    assert main(["serve", f"{site}:instance"]) == 0
    assert isinstance(served[0][0], Websocket)


def test_an_attribute_may_be_inside_another(site: str, served: list[Any]) -> None:
    assert main(["serve", f"{site}:Nested.app"]) == 0
    assert isinstance(served[0][0], App)


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


def test_the_current_folder_is_looked_in_first(site: str, served: list[Any]) -> None:
    """As ``python -m`` does, so that the console script finds the project it is started in."""
    main(["serve", f"{site}:app"])
    assert sys.path[0] == os.getcwd()


# What is not: the target


@pytest.mark.parametrize("target", ["app", "", ":", ":app", "chat:", "a b:app", ".chat:app", "chat:app:x", "chat:1"])
def test_a_target_that_is_not_module_and_attribute_is_shown_with_an_example(
    folder: Path, fails: Callable[..., str], target: str
) -> None:
    assert fails("serve", target).startswith(f"expected module:attribute, such as examples.echo:app, not {target!r}")


@pytest.mark.parametrize("target", ["examples/echo.py:app", "./examples/echo.py:app", "examples/echo.py"])
def test_a_path_to_a_file_is_answered_with_its_module(folder: Path, fails: Callable[..., str], target: str) -> None:
    assert fails("serve", target).endswith("; did you mean examples.echo:app?")


def test_a_module_that_does_not_exist_is_named_with_the_folder_looked_in(
    folder: Path, fails: Callable[..., str]
) -> None:
    line = fails("serve", "nosuch.deep:app")
    assert line == f"there is no module 'nosuch' (looked in {folder} and on the Python path)"


def test_a_module_missing_from_a_package_is_named_in_full(folder: Path, fails: Callable[..., str]) -> None:
    (folder / "half").mkdir()
    assert fails("serve", "half.other:app").startswith("there is no module 'half.other' ")


def test_a_missing_attribute_is_answered_with_the_nearest_name_and_what_can_be_served(
    site: str, fails: Callable[..., str]
) -> None:
    assert fails("serve", f"{site}:ap") == (
        f"{site} has no 'ap'; did you mean 'app'?; in {site} there is Echo, Mute, app, instance"
    )


def test_a_missing_attribute_of_a_module_that_can_serve_nothing(folder: Path, fails: Callable[..., str]) -> None:
    (folder / "bare.py").write_text("from actorws import App, Websocket\n")
    assert fails("serve", "bare:main") == "bare has no 'main'; bare has neither an App nor a Websocket subclass"


@pytest.mark.parametrize(
    ("attribute", "what"),
    [
        ("number", "of type int"),
        ("Nested", "the class Nested"),
        ("App", "the class App"),
    ],
)
def test_an_attribute_of_another_kind_is_told_apart(
    site: str, fails: Callable[..., str], attribute: str, what: str
) -> None:
    assert fails("serve", f"{site}:{attribute}") == (
        f"{site}:{attribute} is {what}; expected an App or a Websocket subclass; "
        f"in {site} there is Echo, Mute, app, instance"
    )


@pytest.mark.parametrize("attribute", ["Mute", "Websocket"])
def test_a_behaviour_without_its_required_callback_is_one_line(
    site: str, fails: Callable[..., str], attribute: str
) -> None:
    line = fails("serve", f"{site}:{attribute}", "--port", "0")
    assert attribute in line and "handle_client_message" in line


# What is not: the user's own errors, which need their traceback


@pytest.mark.parametrize(
    ("source", "words", "line"),
    [
        ("import nosuch_library", "ModuleNotFoundError", "broken needs the module 'nosuch_library', which is not"),
        ("from actorws import nonsense", "ImportError", "importing broken failed with the ImportError above"),
        ("1 / 0", "ZeroDivisionError", "importing broken failed with the ZeroDivisionError above"),
        ("def f(:", "SyntaxError", "importing broken failed with the SyntaxError above"),
    ],
)
def test_a_module_that_fails_by_itself_shows_its_own_traceback_and_nothing_of_ours(
    folder: Path, capsys: pytest.CaptureFixture[str], source: str, words: str, line: str
) -> None:
    (folder / "broken.py").write_text(f"{source}\n")
    assert main(["serve", "broken:app"]) == 2
    out, err = capsys.readouterr()
    shown = err.splitlines()
    assert shown[-1].startswith(f"actorws: {line}")
    assert words in err and "broken.py" in err and source in err
    assert "cli.py" not in err and "importlib" not in err
    assert out == ""


def test_what_the_code_raises_while_it_serves_is_not_taken_for_a_mistake_at_the_terminal(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(target: Any, *, on_event: Any, **_: Any) -> None:
        on_event(ListenerStarted("http://127.0.0.1:1"))
        raise ConfigError("from the code being served")

    monkeypatch.setattr(cli, "run", run)
    with pytest.raises(ConfigError):
        main(["serve", f"{site}:app"])


def test_ctrl_c_before_there_is_a_server_is_the_status_of_an_interrupt_and_no_traceback(
    site: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the module is imported, and before `run` obeys signals."""

    def run(target: Any, **_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", run)
    (folder / "slow.py").write_text("raise KeyboardInterrupt\n")
    for target in ("slow:app", f"{site}:app"):
        assert main(["serve", target]) == 130
    assert capsys.readouterr() == ("", "")


# What is not: options


@pytest.mark.parametrize("port", ["-1", "65536", "http", "80.0", ""])
def test_a_port_out_of_range_is_shown(fails: Callable[..., str], port: str) -> None:
    assert f"a port is a number from 0 to 65535, not {port!r}" in fails("serve", "a:b", f"--port={port}")


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("drain_timeout", "--option expects NAME=VALUE, not 'drain_timeout'"),
        ("drain_timeout=soon", "drain_timeout must be a number, not 'soon'"),
        ("drain_timeout=0", "drain_timeout must be a number of at least 0.001, not 0.0"),
        ("drain_timeout=nan", "drain_timeout must be a number of at least 0.001, not nan"),
        ("max_headers=1.5", "max_headers must be a whole number, not '1.5'"),
        ("max_headers=none", "max_headers must be a whole number, not 'none'"),
        ("backlog=many", "backlog must be a whole number, not 'many'"),
    ],
)
def test_an_option_with_a_bad_value_is_named(fails: Callable[..., str], option: str, line: str) -> None:
    assert fails("serve", "a:b", "--option", option) == line


def test_an_unknown_option_of_the_server_is_named_and_all_are_listed(fails: Callable[..., str]) -> None:
    with pytest.raises(ConfigError) as known:
        ServerConfig.of(nonsense=1)
    assert fails("serve", "a:b", "--option", "nonsense=1") == str(known.value)


@pytest.mark.parametrize(
    "arguments", [[], ["serve"], ["sevre"], ["serve", "a:b", "--prot", "1"], ["serve", "a:b", "--log-level", "loud"]]
)
def test_a_wrong_command_is_one_line_that_points_to_the_help(fails: Callable[..., str], arguments: list[str]) -> None:
    assert re.search(r"\(see actorws( serve)? --help\)$", fails(*arguments))


# What is not: certificates


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files: a certificate and its key, the key of another certificate, and a text."""
    folder = tmp_path_factory.mktemp("pems")
    authority = trustme.CA()
    ours, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    for name, blobs in {
        "cert": ours.cert_chain_pems,
        "key": [ours.private_key_pem],
        "other": [other.private_key_pem],
    }.items():
        (folder / name).write_bytes(b"".join(blob.bytes() for blob in blobs))
    (folder / "text").write_text("not a certificate")
    return {name: str(folder / name) for name in ("cert", "key", "other", "text", "missing")}


def test_a_certificate_and_its_key_make_it_https(site: str, served: list[Any], pems: dict[str, str]) -> None:
    assert main(["serve", f"{site}:app", "--tls-cert", pems["cert"], "--tls-key", pems["key"]]) == 0
    assert isinstance(served[0][1]["tls"], ssl.SSLContext)


@pytest.mark.parametrize(
    ("cert", "key", "line"),
    [
        ("cert", None, "--tls-cert needs --tls-key beside it"),
        (None, "key", "--tls-key needs --tls-cert beside it"),
        ("missing", "key", "can't read --tls-cert {missing}: No such file or directory"),
        ("cert", "missing", "can't read --tls-key {missing}: No such file or directory"),
        ("text", "key", "{text} and {key} are not a certificate in PEM and its private key: "),
        ("cert", "text", "{cert} and {text} are not a certificate in PEM and its private key: "),
        ("cert", "other", "{cert} and {other} are not a certificate in PEM and its private key: KEY_VALUES_MISMATCH"),
    ],
)
def test_certificates_that_cannot_serve_are_named(
    fails: Callable[..., str], pems: dict[str, str], cert: str | None, key: str | None, line: str
) -> None:
    arguments = ["--tls-cert", pems[cert]] if cert else []
    arguments += ["--tls-key", pems[key]] if key else []
    assert fails("serve", "a:b", *arguments).startswith(line.format(**pems))


# What is not: the address


def test_an_address_in_use_is_one_line(site: str, fails: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert fails("serve", f"{site}:app", "--port", str(port)) == f"127.0.0.1:{port} is already in use"


def test_an_address_of_another_machine_is_one_line(site: str, fails: Callable[..., str]) -> None:
    line = fails("serve", f"{site}:app", "--host", "192.0.2.1", "--port", "0")
    assert line == "can't listen on 192.0.2.1:0: this machine doesn't have that address"


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_a_host_that_cannot_be_a_name_is_one_line(site: str, fails: Callable[..., str], host: str) -> None:
    assert f"host {host!r}" in fails("serve", f"{site}:app", "--host", host, "--port", "0")


def test_a_unix_socket_in_a_missing_folder_is_one_line(site: str, fails: Callable[..., str], folder: Path) -> None:
    line = fails("serve", f"{site}:app", "--unix", f"{folder}/run/a.sock")
    assert line == f"can't listen on unix:{folder}/run/a.sock: there is no folder {folder}/run"


def test_a_unix_socket_in_use_is_one_line(site: str, fails: Callable[..., str], folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind("a.sock")
        taken.listen()
        assert fails("serve", f"{site}:app", "--unix", "a.sock") == "unix:a.sock is already in use"
        assert (folder / "a.sock").exists(), "the one that has the address keeps it"


def test_a_path_too_long_for_a_unix_socket_is_one_line(site: str, fails: Callable[..., str]) -> None:
    path = "a" * 200
    assert fails("serve", f"{site}:app", "--unix", path) == f"can't listen on unix:{path}: AF_UNIX path too long"


def test_a_file_in_the_place_of_a_unix_socket_stays(site: str, fails: Callable[..., str], folder: Path) -> None:
    (folder / "notes.txt").write_text("precious")
    assert fails("serve", f"{site}:app", "--unix", "notes.txt") == "unix:notes.txt is already in use"
    assert (folder / "notes.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "no permission to listen on [::1]:80"),
        (OSError(errno.EADDRINUSE, "Address in use"), "[::1]:80 is already in use"),
        (socket.gaierror(socket.EAI_NONAME, "Name unknown"), "the host '::1' can't be resolved: Name unknown"),
        (OSError(errno.EMFILE, "Too many open files"), "can't listen on [::1]:80: Too many open files"),
        (OSError(errno.EINVAL, "Invalid argument: [::1]:80"), "can't listen on [::1]:80: Invalid argument"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: ExceptionGroup("a nursery's", [e])], ids=["bare", "group"])
def test_what_the_system_says_of_an_address_is_one_line(
    site: str, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch, error: OSError, line: str, wrap: Any
) -> None:
    def run(target: Any, **_: Any) -> None:
        raise wrap(error)

    monkeypatch.setattr(cli, "run", run)
    assert fails("serve", f"{site}:app", "--host", "::1", "--port", "80") == line


# Help


def test_the_version_is_the_one_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out.startswith("actorws ")


def test_the_help_shows_each_option_of_the_server_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["serve", "--help"])
    assert done.value.code == 0
    shown = capsys.readouterr().out
    assert "actorws serve chat:app --unix /run/chat.sock --option drain_timeout=30" in shown
    for name in ServerConfig.__annotations__:
        assert name in shown.replace("\n", " ")


def test_the_console_script_is_the_same_command() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"actorws": "actorws.cli:main"}


# Real processes


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
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
    announce = cli._Announce()
    assert isinstance(announce._log, LogEvents)
    announce(ListenerStarted("unix:/run/a.sock"))
    assert capsys.readouterr().out == "listening on unix:/run/a.sock\n"
