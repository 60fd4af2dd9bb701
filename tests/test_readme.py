"""The README is true: its programs run and do what it says, its tables have the defaults, its commands exist."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import fields
from trio_websocket import open_websocket_url

from actorws import App, Backoff, Close, Ping, Remote, SendStatus, Websocket, serve, testing
from actorws.config import Config, ServerConfig

PROJECT = Path(__file__).resolve().parent.parent
README = (PROJECT / "README.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = "".join(re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
#: Options that are numbers and no seconds.
PLAIN = ("factor", "jitter")
TABLE_ROWS = re.findall(r"^\| `(\w+)` \| (.*?) \|", README, re.MULTILINE)


def program(mark: str) -> str:
    """The README's only program that has ``mark`` in it."""
    (found,) = (text for text in PROGRAMS if mark in text)
    return found


def run(mark: str) -> dict[str, Any]:
    """Run that program; its names."""
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(program(mark), f"README.md: {mark}", "exec"), names)
    return names


def test_each_program_is_run_by_a_test_below():
    tests = Path(__file__).read_text()
    marks = re.findall(r'(?:program|run)\("(.+?)"\)', tests)
    assert sorted(program(mark) for mark in marks) == sorted(PROGRAMS)


async def test_the_chat_runs_as_it_stands(tmp_path, start_server):
    """Only with a free port, and with a line that says which it is."""
    text = program("class Chat(Websocket)")
    announcing = (
        "run(app, port=0, on_event=lambda e: hasattr(e, 'address') and print('listening on', e.address, flush=True))"
    )
    assert "run(app, port=8000)" in text
    (tmp_path / "chat.py").write_text(text.replace("run(app, port=8000)", announcing))
    server = start_server([sys.executable, str(tmp_path / "chat.py")])
    async with open_websocket_url(server.ws("/chat")) as ada, open_websocket_url(server.ws("/chat")) as grace:
        for client in (ada, grace):
            assert await client.get_message() == "welcome"
        await ada.send_message("hello")
        for client in (ada, grace):
            assert await client.get_message() == "hello"


async def test_callbacks(autojump_clock, capsys):
    account = run("class Account(Websocket)")["Account"]
    async with testing.open_app(account, crashes="ignore") as server:
        with pytest.raises(testing.Refused, match="403"):
            await server.connect("/")
        ada = await server.connect("/?token=open%20sesame")
        await ada.send("30")
        await ada.send("20")
        assert [await ada.receive() for _ in range(3)] == ["hello ada", "70 left", "50 left"]
        await ada.send("bye")
        assert [await ada.receive() for _ in range(2)] == ["see you", Close(1000, "as you wished")]

        leaving = await server.connect("/?token=open%20sesame")
        await leaving.close(1001)
        crashing = await server.connect("/?token=open%20sesame")
        await crashing.send("a lot")
        assert (await crashing.wait_closed()).code == 1011
    assert capsys.readouterr().out == "ada closed the page\n"


async def test_sending_by_name(autojump_clock):
    app = App()
    app.websocket("/{name}", run("class Player(Websocket)")["Player"])
    async with testing.open_app(app) as server:
        ada, grace = await server.connect("/ada"), await server.connect("/grace")
        assert [await client.receive() for client in (ada, grace)] == ["you are ada", "you are grace"]
        await ada.send("grace good morning")
        assert await grace.receive() == "ada says good morning"
        await ada.send("edsger hello?")
        assert await ada.receive() == "nobody is called edsger"


async def test_groups(autojump_clock):
    app = run("class News(Websocket)")["app"]
    async with testing.open_app(app) as server:
        ada, somebody = await server.connect("/news?name=Ada"), await server.connect("/news")
        assert await ada.receive() == "reading: Ada"
        assert await somebody.receive() == "reading: Ada, somebody"
        answer = await server.request("POST", "/news", body=b"it works")
        assert answer.body == b'{"readers": 2}'
        assert await ada.receive() == await somebody.receive() == "it works"


async def test_timers(autojump_clock):
    quiz = run("timer.cancel()")["Quiz"]
    async with testing.open_app(quiz) as server:
        quick, slow = await server.connect("/"), await server.connect("/")
        await quick.send("42")
        assert [await quick.receive() for _ in range(3)] == ["6 times 7?", "right", Close()]
        assert [await slow.receive() for _ in range(3)] == ["6 times 7?", "time is up", Close(4000, "too slow")]


async def test_backpressure(autojump_clock):
    """However slowly the client reads, all pieces come, and they never pile up."""
    download = run("class Download(Websocket)")["Download"]
    async with testing.open_app(download) as server:
        client = await server.connect("/")
        client.pause_reading()
        await client.send("100")
        await trio.sleep(1)
        assert client.conn is not None
        assert 0 < client.conn.buffered < 10 * 16 * 1024
        client.resume_reading()
        assert [await client.receive() for _ in range(100)] == [bytes(16 * 1024)] * 100
        assert await client.close() == Remote(1000)
        assert client.unread == (Close(1000),), "and not one more"


def test_serving_within_a_trio_program(tmp_path):
    (tmp_path / "served.py").write_text(program("served.shut_down()"))
    done = subprocess.run([sys.executable, str(tmp_path / "served.py")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert re.fullmatch(r"listening on http://127\.0\.0\.1:\d+", first)
    assert second == "0 people are in the lobby"


def test_the_test_passes(tmp_path):
    (tmp_path / "test_quiz.py").write_text(program("async def test_a_right_answer"))
    (tmp_path / "pytest.ini").write_text("[pytest]\ntrio_mode = true\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "1 passed" in done.stdout, done.stdout


async def test_a_session_goes_on_over_another_wire_for_its_user_alone(autojump_clock):
    async with testing.open_app(run("class Notes(Websocket)")["app"]) as server:
        with pytest.raises(testing.Refused, match="401"):
            await server.connect("/notes")
        client = await server.connect("/notes?token=open%20sesame", subprotocols=["actorws.v1"])
        await client.send('\0{"new": true}')
        await client.send("milk")
        session = json.loads((await client.receive())[1:])["session"]
        assert [await client.receive() for _ in range(2)] == ["0 notes", "1 notes"]
        client.abort()
        client = await server.connect("/notes?token=open%20sesame", subprotocols=["actorws.v1"])
        await client.send("\0" + json.dumps({"resume": session, "received": 1}))
        await client.send("bread")
        assert json.loads((await client.receive())[1:])["resumed"]
        assert [await client.receive() for _ in range(2)] == ["1 notes", "2 notes"]


class Prices(Websocket):
    """A server to connect to."""

    def handle_client_message(self, state, conn, frame):
        conn.send_after(0.01, f"to {frame}: 17")
        return state, []

    def handle_server_message(self, state, conn, price):
        conn.send_after(0.01, price)
        return state, [price]


async def test_what_a_server_sends_goes_on_to_our_own_clients(nursery):
    upstream = await nursery.start(partial(serve, Prices, port=0))
    names: dict[str, Any] = {}
    exec(program("class Feed(Websocket)").replace("wss://feed.example.org", f"ws://127.0.0.1:{upstream.port}"), names)
    async with testing.open_app(names["app"]) as server:
        watcher = await server.connect("/prices")
        assert await watcher.receive() == 'to {"subscribe": "prices"}: 17'


class Greeter(Websocket):
    receive_control = True

    def handle_client_message(self, state, conn, frame):
        if isinstance(frame, Ping):
            return state, ["bye", Close()]
        return state, [f"{conn.headers['authorization']}: {frame}"]


async def test_a_script_has_a_connection_in_its_hands(nursery):
    server = await nursery.start(partial(serve, Greeter, port=0))
    text = program("async with connect(url, headers")
    done = await run_script(text.replace("8000", str(server.port)))
    assert re.fullmatch(r"round trip: 0\.\d+ s\nBearer 17: hello\nbye\n", done)
    server.shut_down()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        done = await run_script(text.replace("8000", str(port)))
    assert done == f"can't connect to ws://127.0.0.1:{port}/chat: nobody listens there (connection refused)\n"


async def run_script(text: str) -> str:
    """What it prints."""
    with trio.fail_after(60):
        done = await trio.run_process([sys.executable, "-W", "error", "-c", text], capture_stdout=True)
    return done.stdout.decode()


async def test_metrics_are_served_beside_the_log(autojump_clock, caplog):
    names = run("from actorws.observability.metrics import Metrics")
    async with testing.open_app(names["app"], on_event=[names["log_events"](), names["metrics"]]) as server:
        assert (await server.request("GET", "/nowhere")).status == 404
        answer = await server.request("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert b'actorws_handshakes_refused_total{status="404"} 1.0' in answer.body
    assert b'actorws_limit_reached_total{limit="max_message_size"} 0.0' in answer.body


def default_in_words(value: object) -> str:
    """How the tables spell a default."""
    match value:
        case None | ():
            return "none"
        case (str(), *_):
            return ", ".join(f"`{word}`" for word in value)
        case bool():
            return "on" if value else "off"
        case float():
            return f"{value:g} s"
        case int() if value % 2**20 == 0 and value:
            return f"{value // 2**20} MiB"
        case int() if value % 2**10 == 0 and value >= 2**14:
            return f"{value // 2**10} KiB"
        case str():
            return f"`{value}`"
    return str(value)


def test_the_tables_have_every_option_with_its_default():
    config = Config()
    groups = [getattr(config, group.name) for group in fields(Config)] + [ServerConfig(), Backoff()]
    options = {
        option.name: default_in_words(getattr(group, option.name)).removesuffix(" s" if option.name in PLAIN else "")
        for group in groups
        for option in fields(type(group))
    }
    assert {
        name: default for name, default in TABLE_ROWS if name not in {"SendStatus", *SendStatus.__members__}
    } == options


def test_every_option_of_the_commands_exists():
    helped = subprocess.run([sys.executable, "-m", "actorws", "serve", "--help"], capture_output=True, text=True).stdout
    makefile = (PROJECT / "Makefile").read_text()
    for flag in re.findall(r"(--[a-z-]+)", COMMANDS):
        assert flag in helped
    for target in re.findall(r"^make (\w+)", COMMANDS, re.MULTILINE):
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE)


def test_every_link_into_the_project_leads_somewhere():
    for target in re.findall(r"\]\((?!https?:|#)(.+?)\)", README):
        assert (PROJECT / target).exists()
