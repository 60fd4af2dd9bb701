"""Which wire a connection has: it falls back where a transport can't be had, comes back, and loses nothing by it."""

from __future__ import annotations

import pytest

#: So that nothing here waits for long; a transport that is there has its greeting in milliseconds.
QUICK = {"firstProbe": 300, "lastProbe": 600, "firstRetry": 100, "lastRetry": 500, "greetingTimeout": 2000}


@pytest.fixture
def connect(client, proxy):
    def connect(**options):
        client.connect(f"http://127.0.0.1:{proxy.port}/", "/talk", **{**QUICK, **options})
        return client

    return connect


def converse(conn, *texts):
    """Say them, and hear them behind everything that was said before."""
    before = conn.seen("messages")
    conn.send(*texts)
    conn.wait_for("seen.messages", [*before, *texts])


def kinds(conn):
    """The transports it has been open by, in order."""
    return [detail["transport"] for detail in conn.seen("details") if detail["state"] == "open"]


def test_without_websockets_a_stream_does_and_it_comes_back(connect, proxy):
    proxy.tell("block", "websocket")
    conn = connect()
    conn.wait_open("sse")
    conn.wait_for("seen.messages", ["hello"])
    converse(conn, "a", "two\nlines\r\nof\rit", "\0b", "", "ä€😀")
    conn.run("conn.send(new Uint8Array([0, 255, 13, 10]))")
    conn.wait_for("seen.messages.at(-1)", {"bytes": [0, 255, 13, 10]})
    proxy.tell("unblock", "websocket")
    conn.wait_open("websocket")
    converse(conn, "c")
    assert kinds(conn) == ["sse", "websocket"]
    assert (conn.seen("states"), conn.seen("losses")) == (["connecting", "open"], [])


def test_a_websocket_that_is_lost_and_blocked_is_resumed_by_a_stream_and_back(connect, proxy):
    conn = connect()
    conn.wait_open("websocket")
    converse(conn, "a")
    proxy.tell("block", "websocket")
    proxy.tell("cut")
    conn.send("b")
    conn.wait_open("sse")
    conn.wait_for("seen.messages", ["hello", "a", "b"])
    proxy.tell("unblock", "websocket")
    conn.wait_open("websocket")
    converse(conn, "c")
    assert kinds(conn) == ["websocket", "sse", "websocket"]
    assert conn.seen("losses") == []


def test_without_streams_polls_do_and_it_comes_back(connect, proxy):
    for what in ("websocket", "stream"):
        proxy.tell("block", what)
    conn = connect()
    conn.wait_open("poll")
    conn.wait_for("seen.messages", ["hello"])
    converse(conn, "a", "b", "ä€😀", "")
    conn.send("!count 250")  # more than one poll may bring
    conn.wait_for("seen.messages.slice(-250)", [str(number) for number in range(250)])
    conn.wait_for("conn.buffered", 0)
    for what in ("websocket", "stream"):
        proxy.tell("unblock", what)
    conn.wait_open("websocket")
    converse(conn, "c")
    assert kinds(conn) == ["poll", "websocket"]
    assert conn.seen("losses") == []


def test_a_stream_that_is_lost_and_buffered_is_resumed_by_polls(connect, proxy):
    proxy.tell("block", "websocket")
    conn = connect(transports=["sse", "poll"])
    conn.wait_open("sse")
    converse(conn, "a")
    proxy.tell("block", "stream")
    proxy.tell("cut")
    conn.send("b")
    conn.wait_open("poll")
    conn.wait_for("seen.messages", ["hello", "a", "b"])
    assert (kinds(conn), conn.seen("losses")) == (["sse", "poll"], [])


@pytest.mark.parametrize("transport", ["websocket", "sse", "poll"])
def test_over_each_transport_nothing_is_lost_or_doubled_by_cuts(connect, proxy, transport):
    conn = connect(transports=[transport])
    conn.wait_open(transport)
    sent = []
    for cut in range(5):
        texts = [f"{cut} {number}" for number in range(10)]
        sent += texts
        conn.send(*texts[:5])
        proxy.tell("hold_after", "down" if cut % 2 else "up", 5 * cut + 1)
        conn.send(*texts[5:])
        while proxy.tell("holds", "down" if cut % 2 else "up") != "True":
            pass
        proxy.tell("cut")
        proxy.tell("flow")
        conn.wait_for("seen.messages.length", 1 + len(sent))
    assert conn.seen("messages") == ["hello", *sent]
    conn.wait_for("conn.buffered", 0)
    assert conn.seen("losses") == []


def test_a_change_of_wires_under_traffic_loses_and_doubles_nothing(connect, proxy):
    proxy.tell("block", "websocket")
    conn = connect()
    conn.wait_open("sse")
    for direction in ("up", "down"):
        proxy.tell("delay", direction, 0.05)  # the old wire still brings what the new one will bring, too
    conn.send("!tick 300")
    conn.run("window.told = 0; window.talking = setInterval(() => conn.send(`a ${told++}`), 2)")
    for _ in range(3):
        proxy.tell("unblock", "websocket")
        conn.wait_for("conn.transport", "websocket")
        proxy.tell("block", "websocket")
        proxy.tell("cut")
        conn.wait_for("conn.transport", "sse")
    told = conn.run("clearInterval(talking); return told")
    conn.wait_for("seen.messages.length", 1 + 300 + told)
    messages = conn.seen("messages")[1:]
    for what, count in (("a", told), ("tick", 300)):
        assert [text for text in messages if text.startswith(what)] == [f"{what} {number}" for number in range(count)]
    assert conn.seen("losses") == []


@pytest.mark.parametrize("transport", ["websocket", "sse", "poll"])
def test_an_old_wire_that_ends_late_does_not_hurt_the_newer_one(connect, proxy, transport):
    """For the server it was still there: only its client had lost it."""
    conn = connect(transports=[transport])
    conn.wait_open(transport)
    conn.wait_for("seen.messages", ["hello"])
    converse(conn, "a")
    assert int(proxy.tell("desert")) > 0
    converse(conn, "b")
    details = len(conn.seen("details"))
    proxy.tell("land")
    converse(conn, "c", "d")
    assert conn.run("return conn.state") == "open"
    assert len(conn.seen("details")) == details, "nothing has changed"
    assert conn.seen("losses") == []


@pytest.mark.parametrize("transport", ["websocket", "sse", "poll"])
@pytest.mark.parametrize("code", [1000, 4500])
def test_an_end_is_an_end_over_each_transport(connect, transport, code):
    conn = connect(transports=[transport])
    conn.wait_open(transport)
    conn.send("a", f"!close {code} bye")
    conn.wait_for("conn.state", "closed")
    last = conn.seen("details")[-1]
    assert (last["code"], last["reason"]) == (code, "bye")
    assert conn.seen("messages") == ["hello", "a"]


@pytest.mark.parametrize("transport", ["websocket", "sse", "poll"])
def test_what_was_sent_before_a_close_arrives_and_the_actor_ends(connect, transport):
    conn = connect(transports=[transport])
    conn.wait_open(transport)
    conn.run("for (let n = 0; n < 100; n += 1) conn.send('!note'); conn.close()")
    conn.wait_for_json("/notes", {"notes": 100, "ended": 1})


@pytest.mark.parametrize("transport", ["websocket", "sse", "poll"])
def test_a_silent_wire_is_given_up(connect, proxy, transport):
    conn = connect(transports=[transport], silence=200, answerTimeout=200)
    conn.wait_open(transport)
    converse(conn, "a")
    if transport == "poll":  # its server may be silent for 25 s
        return
    proxy.tell("hold")
    conn.wait_for("conn.state", "reconnecting")
    proxy.tell("cut")
    proxy.tell("flow")
    conn.wait_for("conn.state", "open")
    assert conn.seen("losses") == []


def test_offline_is_told_and_online_brings_it_back_at_once(connect, proxy):
    conn = connect(transports=["sse", "poll"], firstRetry=60_000, lastRetry=60_000)
    conn.wait_open("sse")
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    conn.driver.execute_cdp_cmd("Network.enable", {})
    conn.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": True, **conditions})
    try:
        proxy.tell("cut")
        conn.wait_for("conn.state", "offline")
        conn.send("a")
        assert conn.run("return conn.buffered") == 1
    finally:
        conn.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, **conditions})
    conn.wait_for("seen.messages", ["hello", "a"])
    assert conn.seen("states")[-2:] == ["reconnecting", "open"]
    assert conn.seen("losses") == []
