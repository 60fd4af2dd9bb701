"""A conversation at a terminal: a real one, and a real server."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ServerProcess
from tests.support.puppet import ATTACK
from tests.support.terminal import CTRL_C, CTRL_D, CTRL_R, UP, Terminal

Talking = Callable[..., Terminal]

TIME = r"\d\d:\d\d:\d\d\.\d\d\d"


# To type and to see


def test_what_is_typed_is_sent_and_what_comes_stands_above_the_prompt(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws())
    terminal.enter("hello")
    terminal.wait_for("← hello\n>")
    first, *_, sent, came, prompt = terminal.lines
    assert first == f"connected to {puppet.ws()} (101)"
    assert re.fullmatch(f"{TIME} → hello", sent) and re.fullmatch(f"{TIME} ← hello", came)
    assert prompt == ">" and "> hello" not in terminal.lines
    assert (terminal.style_of("→ hello").fg, terminal.style_of("← hello").fg) == ("brightblack", "default")


def test_a_half_typed_line_stays_while_something_comes(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws())
    terminal.enter("later 0.5 now")
    terminal.type("half")
    terminal.wait_for("← now", "> half")
    terminal.enter(" and half")
    terminal.wait_for("← half and half")


def test_bytes_are_shown_in_hex_with_how_many_there_are(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws())
    terminal.enter("/binary 00 ff 41")
    terminal.wait_for("→ 3 bytes: 00 ff 41", "← 3 bytes: 00 ff 41")
    assert terminal.style_of("← 3 bytes").fg == "cyan"


def test_a_ping_shows_how_long_it_took(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws())
    terminal.enter("/ping")
    text = terminal.wait_for("pong after")
    assert re.search(rf"{TIME} → ping\n{TIME} ← pong after \d+\.\d ms", text)


def test_pings_and_pongs_of_the_server_are_shown_where_that_is_asked_for(
    puppet: ServerProcess, talking: Talking
) -> None:
    terminal = talking(puppet.ws(), "-v")
    terminal.enter("ping")
    text = terminal.wait_for("← ping 68 65 72 65 3f", "← pong 74 68 65 72 65")
    assert "  upgrade: websocket" in text, "and headers"


def test_a_file_is_sent_as_what_it_is(puppet: ServerProcess, talking: Talking, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("héllo")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    terminal = talking(puppet.ws())
    terminal.enter(f"/file {tmp_path}/text")
    terminal.wait_for("← héllo")
    terminal.enter(f"/file {tmp_path}/bytes")
    terminal.wait_for("← 2 bytes: ff fe")
    terminal.enter(f"/file {tmp_path}/nosuch")
    terminal.wait_for(f"can't read {tmp_path}/nosuch: No such file or directory: not sent")


def test_what_begins_with_a_slash_is_sent_only_on_purpose(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws())
    terminal.enter("/nosuch")
    terminal.wait_for("there is no /nosuch", "> /nosuch")
    terminal.type("\x01/\r")  # Ctrl-A: to the beginning of the line, which is there to be mended
    terminal.wait_for("→ /nosuch", "← /nosuch")


def test_json_is_checked_before_it_is_sent_and_indented_when_it_comes(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws(), "--json")
    terminal.enter('{"a": nope}')
    terminal.wait_for("not JSON: expecting value: not sent", '> {"a": nope}')
    terminal.type("\x7f\r")  # the cursor is where it went wrong: behind the space, which is rubbed out
    terminal.wait_for('> {"a":nope}')
    terminal.enter("\x0b1.10}")  # Ctrl-K: away with the rest
    terminal.wait_for("← {", "}\n>")
    assert terminal.lines[-3:] == ['                 "a": 1.10', "               }", ">"]
    assert [terminal.style_of(text).fg for text in ('"a": 1', " 1.10")] == ["blue", "default"]


def test_help_lists_what_can_be_typed(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws())
    terminal.enter("/help")
    terminal.wait_for("/binary 0a ff", "/close 1000 bye", "//text")


def test_commands_are_completed(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws())
    terminal.type("/pi\t")
    terminal.wait_for("> /ping")


def test_what_was_typed_is_found_another_day_by_its_owner_alone(
    puppet: ServerProcess, talking: Talking, tmp_path: Path
) -> None:
    terminal = talking(puppet.ws())
    for line in ("first", "second"):
        terminal.enter(line)
        terminal.wait_for(f"← {line}")
    terminal.type(CTRL_D)
    assert terminal.wait_ended() == 0
    path = tmp_path / "state" / "actorws" / "history"
    assert path.stat().st_mode & 0o777 == 0o600
    terminal = talking(puppet.ws())
    terminal.type(UP)
    terminal.wait_for("> second")
    terminal.type(CTRL_R + "fir")
    terminal.wait_for("first")


@pytest.mark.parametrize(("words", "environment"), [(["--no-color"], {}), ([], {"NO_COLOR": "1"})])
def test_colours_can_be_had_without(
    puppet: ServerProcess, talking: Talking, words: list[str], environment: dict[str, str]
) -> None:
    terminal = talking(puppet.ws(), *words, **environment)
    terminal.enter("hello")
    terminal.wait_for("← hello")
    assert {terminal.style_of(text).fg for text in ("connected", "→ hello", "← hello")} == {"default"}


def test_nothing_that_a_server_sends_acts_on_the_terminal(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws())
    terminal.enter("attack")
    terminal.wait_for("café\n>")
    first, second = ATTACK.encode("unicode_escape").decode().replace("\\xe9", "é").split("\\n")
    assert terminal.lines[-3].endswith(f"← {first}")
    assert terminal.lines[-2] == f"               {second}", "and can't be taken for a line of ours"
    assert b"\x1b]0;" not in terminal.raw and b"\x07" not in terminal.raw and b"\xc2\x9b" not in terminal.raw


def test_a_flood_is_shown_to_its_end_and_the_prompt_still_works(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws())
    terminal.enter("count 3000")
    terminal.wait_for("← 2999")
    terminal.enter("still there")
    terminal.wait_for("← still there")


# The end


@pytest.mark.parametrize("key", [CTRL_D, CTRL_C, "/close\r", "/close 4000 bye\r"])
def test_it_is_closed_in_order(puppet: ServerProcess, talking: Talking, key: str) -> None:
    terminal = talking(puppet.ws())
    terminal.enter("hello")
    terminal.wait_for("← hello")
    terminal.type(key)
    assert terminal.wait_ended() == 0
    assert re.fullmatch(rf"{TIME} ■ closed \(\d+\.\d s; 1 sent, 1 received\)", terminal.lines[-1])


@pytest.mark.parametrize(("code", "words", "status"), [(1000, "normal", 0), (1011, "internal error", 1)])
def test_the_end_of_the_connection_ends_it_at_once_whatever_is_being_typed(
    puppet: ServerProcess, talking: Talking, code: int, words: str, status: int
) -> None:
    terminal = talking(puppet.ws())
    terminal.enter(f"later 0.5 close {code} why")
    terminal.type("half typ")
    assert terminal.wait_ended() == status
    assert f"■ the server closed the connection with {code} ({words}): why" in terminal.lines[-1]


def test_a_lost_connection_is_told_while_the_prompt_waits(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws())
    terminal.enter("cut")
    assert terminal.wait_ended() == 1
    assert "■ the connection was lost: the server has gone without a Close" in terminal.lines[-1]


def test_it_ends_after_so_many_messages(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws(), "-n", "2")
    terminal.enter("count 5")
    assert terminal.wait_ended() == 0
    assert "← 1\n" in terminal.text and "← 2" not in terminal.text


@pytest.fixture
def mute() -> socket.socket:
    """A server that accepts, and then says nothing more."""
    return socket.create_server(("127.0.0.1", 0))


def accept(server: socket.socket) -> socket.socket:
    """Let one client in."""
    server.settimeout(60)
    client, _ = server.accept()
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += client.recv(4096)
    found = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
    assert found is not None
    accepted = base64.b64encode(hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    client.sendall(b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n")
    return client


@pytest.mark.parametrize("first", [CTRL_C, CTRL_D, "/close\r"])
def test_a_second_ctrl_c_does_not_wait_for_the_server(mute: socket.socket, talking: Talking, first: str) -> None:
    """Whether the prompt is still there or not: without one it is a signal."""
    with mute:
        terminal = talking(f"127.0.0.1:{mute.getsockname()[1]}", wait_for="")
        with accept(mute) as client:
            terminal.wait_for("Ctrl-D closes")
            terminal.type(first)
            client.settimeout(60)
            assert client.recv(1)[0] == 0x88, "Close"
            terminal.type(CTRL_C)
            assert terminal.wait_ended() == 130
            assert "■ closed (" in terminal.lines[-1], "and not: it didn't answer"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(
    puppet: ServerProcess, talking: Talking, number: signal.Signals
) -> None:
    terminal = talking(puppet.ws())
    terminal.type("half")
    terminal.wait_for("> half")
    terminal.send_signal(number)
    assert terminal.wait_ended() == 0


def test_a_terminal_that_goes_ends_it(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws())
    terminal.type("half")
    terminal.wait_for("> half")
    terminal.hang_up()
    terminal.process.wait(timeout=60)


def test_ctrl_c_before_there_is_a_connection_is_the_status_of_an_interrupt(
    mute: socket.socket, talking: Talking
) -> None:
    with mute:
        terminal = talking(f"127.0.0.1:{mute.getsockname()[1]}", wait_for="")
        mute.settimeout(60)
        with mute.accept()[0]:
            terminal.type(CTRL_C)
            assert terminal.wait_ended() == 130
    assert terminal.lines in ([], ["^C"])


def test_a_refusal_is_one_line_without_what_would_act_on_the_terminal(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws("/refused"), wait_for="")
    assert terminal.wait_ended() == 1
    [line] = terminal.lines
    assert line.startswith(f"actorws: can't connect to {puppet.ws('/refused')}: ") and "403" in line
    assert b"\x1b" not in terminal.raw


# Without prompt_toolkit


@pytest.fixture
def without_prompt(tmp_path: Path) -> dict[str, str]:
    """An environment in which prompt_toolkit isn't installed."""
    (tmp_path / "hidden" / "prompt_toolkit").mkdir(parents=True)
    (tmp_path / "hidden" / "prompt_toolkit" / "__init__.py").write_text("raise ImportError('hidden')\n")
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path / "hidden"), os.environ.get("PYTHONPATH", "")])}


def test_without_prompt_toolkit_there_are_lines_and_a_hint(
    puppet: ServerProcess, talking: Talking, without_prompt: dict[str, str]
) -> None:
    terminal = talking(puppet.ws(), **without_prompt)
    assert "pip install 'actorws[cli]'" in terminal.lines[0]
    terminal.enter("hello")
    terminal.wait_for("← hello")
    terminal.enter("attack")
    terminal.wait_for("\\x1b]0;owned")
    terminal.enter("/nosuch")
    terminal.wait_for("there is no /nosuch")
    terminal.type(CTRL_D)
    assert terminal.wait_ended() == 0
    assert "■ closed" in terminal.lines[-1]


@pytest.mark.parametrize(("typed", "status"), [(CTRL_C, 0), ("close 1011\r", 1)])
def test_without_prompt_toolkit_it_ends_as_well(
    puppet: ServerProcess, talking: Talking, without_prompt: dict[str, str], typed: str, status: int
) -> None:
    terminal = talking(puppet.ws(), **without_prompt)
    terminal.type(typed)
    assert terminal.wait_ended() == status


def test_a_terminal_that_can_do_nothing_is_asked_for_nothing(puppet: ServerProcess, talking: Talking) -> None:
    terminal = talking(puppet.ws(), TERM="dumb")
    terminal.enter("hello")
    terminal.wait_for("← hello")
    assert b"\x1b" not in terminal.raw


# Only stdout is a terminal


@pytest.mark.parametrize(("told", "shown"), [("attack", "\\x1b]0;owned\\x07"), ("binary 00ff1b", "00 ff 1b")])
def test_nothing_acts_on_a_terminal_that_a_pipe_leads_to(puppet: ServerProcess, told: str, shown: str) -> None:
    command = [sys.executable, "-m", "actorws", "connect", puppet.ws(), "-n", "1"]
    with Terminal(["sh", "-c", f'echo {told} | "$@"', "sh", *command], {}) as terminal:
        assert terminal.wait_ended() == 0
        assert terminal.lines[0].startswith(shown)
        assert b"\x1b" not in terminal.raw
