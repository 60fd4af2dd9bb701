"""What a page sees of ``actorws.js``: messages, states, ends; and what it may not do."""

from __future__ import annotations

import threading

import pytest
from websockets.sync.server import ServerConnection, serve

from tests.browser.conftest import talker_command


@pytest.fixture
def conn(client, talker):
    """Connected without a proxy."""
    client.connect(talker.http(), "/talk")
    client.wait_open("websocket")
    return client


@pytest.fixture
def plain_server():
    """The address of an independent server that knows no subprotocols, and says back what it hears."""

    def talk(connection: ServerConnection) -> None:
        connection.send("hello")
        for message in connection:
            connection.send(message)

    with serve(talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def test_texts_and_bytes_arrive_as_they_were_sent(conn):
    texts = ["", "a", "\0", "\0\0b", '\0{"ack": 3}', "ä€😀\n\r\u2028", "x" * 100_000]
    conn.send(*texts)
    conn.run("conn.send(new Uint8Array([0, 1, 254, 255]).buffer)")
    conn.run("const a = new Uint16Array([1, 2, 3]); conn.send(a.subarray(1, 2)); a.fill(9)")
    conn.wait_for("seen.messages", ["hello", *texts, {"bytes": [0, 1, 254, 255]}, {"bytes": [2, 0]}])
    conn.wait_for("conn.buffered", 0)


def test_half_a_character_becomes_a_replacement_as_in_any_websocket(conn):
    conn.run(r"conn.send('a\ud83db')")
    conn.wait_for("seen.messages.at(-1)", "a\ufffdb")


def test_an_application_chooses_its_subprotocol_beside_sessions(client, talker):
    client.connect(talker.http(), "/talk", subprotocols=["other", "chat"])
    client.wait_open("websocket")
    assert client.run("return conn.subprotocol") == "chat"
    client.wait_for("seen.messages", ["hello chat"])


def test_what_is_sent_before_there_is_a_wire_waits(client, talker):
    client.driver.get(talker.http())
    script = """const done = arguments[0];
        import("/_actorws/actorws.js").then(({ connect }) => {
          const conn = window.conn = connect("talk");
          const seen = [];
          conn.onmessage = (data) => seen.push(data) === 3 && done([sent, seen]);
          const sent = [conn.send("a"), conn.send("b"), conn.state, conn.transport, conn.buffered];
        })"""
    sent, seen = client.driver.execute_async_script(script)
    assert sent == [True, True, "connecting", None, 2]
    assert seen == ["hello", "a", "b"]


@pytest.mark.parametrize("option, sent", [({"maxMessages": 2}, ["a", "b", "c"]), ({"maxBytes": 4}, ["ä", "ab", "c"])])
def test_what_waits_is_bounded_in_count_and_bytes(client, talker, option, sent):
    client.connect(talker.http(), "http://127.0.0.1:9/", **option)  # where nothing is
    assert client.run("return arguments[0].map((text) => conn.send(text))", sent) == [True, True, False]
    assert client.run("return conn.buffered") == 2


@pytest.mark.parametrize("code, reason", [(1000, ""), (4500, "bye"), (4999, "for good")])
def test_codes_that_end_a_session_are_obeyed(conn, code, reason):
    conn.send(f"!close {code} {reason}")
    conn.wait_for("conn.state", "closed")
    last = conn.seen("details")[-1]
    assert (last["code"], last["reason"], last["transport"]) == (code, reason, None)
    assert conn.run("return conn.send('too late')") is False
    assert conn.seen("states") == ["connecting", "open", "closed"]
    assert conn.seen("losses") == []


def test_after_an_actor_has_crashed_there_is_another_one(conn):
    conn.send("a", "!close 1011")  # the code of a crash
    conn.wait_for("seen.losses.length", 1)
    conn.wait_open("websocket")
    conn.send("b")
    conn.wait_for("seen.messages", ["hello", "a", "hello", "b"])
    assert conn.seen("states") == ["connecting", "open", "reconnecting", "open"]


def test_closing_ends_the_session_at_once_and_nothing_comes_after_it(conn):
    conn.run("conn.send('a'); conn.close(4000, 'enough'); conn.close()")
    assert conn.run("return [conn.state, conn.transport, conn.send('b')]") == ["closed", None, False]
    assert [(detail["code"], detail["reason"]) for detail in conn.seen("details")[2:]] == [(4000, "enough")]


BAD = [
    ("connect('ftp://x/')", "RangeError", "ftp:"),
    ("connect('http://[')", "TypeError", "URL"),
    ("connect('/', null)", "TypeError", "options must be an object"),
    ("connect('/', { tansports: [] })", "TypeError", "there is no option tansports"),
    ("connect('/', { transports: [] })", "RangeError", "at least one"),
    ("connect('/', { transports: ['carrier pigeon'] })", "RangeError", "carrier pigeon"),
    ("connect('/', { subprotocols: ['a', 'a'] })", "RangeError", "different"),
    ("connect('/', { subprotocols: 'a b' })", "RangeError", "tokens"),
    ("connect('/', { headers: { 'a b': 'c' } })", "TypeError", "eader"),
    ("connect('/', { firstProbe: '5' })", "TypeError", "firstProbe must be a number"),
    ("connect('/', { maxBytes: 0 })", "RangeError", "maxBytes must be more than 0"),
    ("conn.send(new Blob(['a']))", "TypeError", "not Blob"),
    ("conn.send({ a: 1 })", "TypeError", "not Object"),
    ("conn.send(null)", "TypeError", "not null"),
    ("conn.send()", "TypeError", "not undefined"),
    ("conn.close(1001)", "RangeError", "code must be 1000 or 3000 to 4999, not 1001"),
    ("conn.close(1000, 'ä'.repeat(62))", "RangeError", "123 bytes"),
]


def test_wrong_arguments_are_named(conn):
    script = """const [done, scripts] = [arguments[1], arguments[0]];
        import("/_actorws/actorws.js").then(({ connect }) => done(scripts.map((script) => {
          try { new Function("connect", "conn", script)(connect, window.conn); } catch (error) { return String(error); }
        })))"""
    errors = conn.driver.execute_async_script(script, [script for script, _, _ in BAD])
    for error, (script, kind, words) in zip(errors, BAD, strict=True):
        assert str(error).startswith(f"{kind}: ") and words in error, (script, error)
    assert conn.run("return conn.state") == "open"


def test_a_handler_that_throws_is_reported_and_changes_nothing(conn):
    conn.run("""window.reported = []; window.onerror = (message) => (reported.push(message), true);
        conn.onmessage = (data) => { seen.messages.push(data); throw new Error(`of ${data}`); }""")
    conn.send("a", "b")
    conn.wait_for("seen.messages", ["hello", "a", "b"])
    conn.wait_for("reported.length", 2)


def test_a_server_without_sessions_is_a_plain_websocket(client, talker, plain_server, open_proxy):
    proxy = open_proxy(plain_server)
    client.connect(talker.http(), f"ws://127.0.0.1:{proxy.port}/", firstRetry=50)
    client.wait_open("websocket")
    client.send("\0a")
    client.wait_for("seen.messages", ["hello", "\0a"])
    assert client.run("return conn.buffered") == 0
    proxy.tell("cut")
    client.wait_for("seen.messages", ["hello", "\0a", "hello"])
    assert client.seen("losses") == [{"reason": "plain", "unacknowledged": [], "state": "reconnecting"}]
    client.send("after")
    client.wait_for("seen.messages.at(-1)", "after")


def test_a_server_that_was_restarted_has_lost_the_session_and_it_goes_on(client, start_server, open_proxy):
    server = start_server(talker_command(0))
    proxy = open_proxy(server.address)
    client.connect(f"http://127.0.0.1:{proxy.port}/", "/talk", lastRetry=200)
    client.wait_open("websocket")
    client.send("a")
    client.wait_for("conn.buffered", 0)
    proxy.tell("hold", "up")
    client.send("in doubt")
    proxy.tell("cut")
    server.stop()
    client.wait_for("conn.state", "reconnecting")
    client.run("conn.onlost = (loss) => { seen.losses.push(loss); conn.send('first') }; conn.send('waiting')")
    proxy.tell("flow")
    start_server(talker_command(int(server.address.rpartition(":")[2])))
    client.wait_for("seen.messages", ["hello", "a", "hello", "first", "waiting"])
    (loss,) = client.seen("losses")
    assert loss["unacknowledged"] == ["in doubt"]
    assert loss["reason"] in ("unknown", "elsewhere")


def test_a_page_that_is_reloaded_ends_its_session(client, talker):
    """Else its actor would wait for half a minute for somebody who can't come."""
    client.connect(talker.http(), "/talk")
    client.wait_for("seen.messages", ["hello"])
    client.run("location.reload()")
    client.wait_for_json("/notes", {"notes": 0, "ended": 1})


def test_a_page_that_the_back_button_brings_back_goes_on(client, talker):
    client.connect(talker.http(), "/talk")
    client.wait_for("seen.messages", ["hello"])
    client.run("conn.send('a'); location.href = '/?elsewhere'")
    client.wait_for("location.search", "?elsewhere")
    client.driver.back()
    client.wait_for("location.search", "")
    client.send("b")
    client.wait_for("seen.messages", ["hello", "a", "b"])
    assert client.seen("states") == ["connecting", "open", "reconnecting", "open"]
    assert client.seen("losses") == []
