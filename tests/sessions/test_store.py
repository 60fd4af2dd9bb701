"""Finding sessions: who hasn't the right id learns nothing, and nothing is left of what has ended."""

from __future__ import annotations

import gc
import hmac
from typing import Any

import pytest
import trio

from actorws import Accept, App, Close, Conn, Websocket, testing
from actorws.actor.actor import Actor
from actorws.events import SessionLost
from actorws.sessions import ids
from actorws.sessions.session import Session
from actorws.sessions.store import Lost
from actorws.sessions.websocket import WebsocketCarrier
from actorws.transports.websocket import WebsocketTransport
from tests.support.session_client import SessionClient, control
from tests.support.sessions import SessionWire, open_wire, resumed, store_of


class Echo(Websocket):
    resumable = True

    def connect(self, conn: Any) -> Any:
        return Accept(identity=conn.query.get("user"))

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [Close(4001, "bye") if frame == "bye" else frame]


def two_routes() -> App:
    app = App()
    app.websocket("/", Echo)
    app.websocket("/other", Echo)
    return app


async def greeting_for(server: Any, session: str, path: str = "/") -> Any:
    client = SessionClient()
    client.now.id, client.now.begun = session, True
    wire = await open_wire(server, client, path)
    wire.cut()
    return client.past[0].lost if client.past else "resumed"


async def test_the_answer_is_the_same_whatever_is_wrong_with_an_id(autojump_clock: Any) -> None:
    async with testing.open_app(two_routes()) as server:
        wire = await open_wire(server, path="/?user=ann")
        real = wire.client.now.id
        assert real is not None
        node, serial, secret = real.split(".")
        forged = f"{node}.{serial}.{'A' * len(secret)}"
        for session in (forged, f"{node}.{serial}.x", f"{node}.999.{secret}", "nonsense", "", "x" * 200):
            assert await greeting_for(server, session, "/?user=ann") == "unknown"
        assert await greeting_for(server, real, "/?user=bob") == "unknown"
        assert await greeting_for(server, real) == "unknown"
        assert await greeting_for(server, real, "/other?user=ann") == "unknown"
        assert await greeting_for(server, f"elsewhere.{serial}.{secret}", "/?user=ann") == "elsewhere"
        assert await greeting_for(server, real, "/?user=ann") == "resumed"
        lost = [event.reason for event in server.events if isinstance(event, SessionLost)]
        assert lost == ["unknown"] * 9 + ["elsewhere"]


@pytest.mark.parametrize("session", ["{node}.1.AAAA", "{node}.77.AAAA", "other.1.AAAA"])
async def test_secrets_are_compared_in_constant_time_also_where_there_is_no_such_session(
    monkeypatch: pytest.MonkeyPatch, session: str, autojump_clock: Any
) -> None:
    compared: list[tuple[str, str]] = []

    def compare(ours: str, theirs: str) -> bool:
        compared.append((ours, theirs))
        return hmac.compare_digest(ours, theirs)

    async with testing.open_app(Echo) as server:
        await open_wire(server)
        monkeypatch.setattr(ids, "compare_digest", compare)
        store = store_of(server)
        (kind,) = {found.kind for found in store._by_serial.values()}
        assert isinstance(store.find(kind, session.format(node=store.node), None), Lost)
        assert len(compared) == 1
        assert "AAAA" in compared[0]
        assert {len(secret) for secret in compared[0]} == {4, 22}


async def ended_by(server: Any, how: str, wire: SessionWire) -> None:
    if how == "expired":
        wire.cut()
        await trio.sleep(40)
    elif how == "overflow":
        wire.cut()
        await trio.sleep(1)
        for _ in range(1001):
            session_of(server).conn.send("more")


def session_of(server: Any) -> Session:
    (session,) = store_of(server)._by_serial.values()
    return session


@pytest.mark.parametrize("how", ["expired", "overflow"])
async def test_why_a_session_is_lost_is_told_to_who_has_the_right_id_only(how: str, autojump_clock: Any) -> None:
    async with testing.open_app(two_routes()) as server:
        wire = await open_wire(server, path="/?user=ann")
        real = wire.client.now.id or ""
        await ended_by(server, how, wire)
        node, serial, secret = real.split(".")
        assert await greeting_for(server, f"{node}.{serial}.{'A' * len(secret)}", "/?user=ann") == "unknown"
        assert await greeting_for(server, real, "/?user=bob") == "unknown"
        assert await greeting_for(server, real, "/other?user=ann") == "unknown"
        assert await greeting_for(server, real, "/?user=ann") == how
        await trio.sleep(40)
        assert await greeting_for(server, real, "/?user=ann") == "unknown"


async def end(server: Any, wire: SessionWire, how: str) -> None:
    if how == "bye":
        await wire.send("bye")
        await wire.end()
    elif how == "close":
        await wire.websocket.close()
    elif how == "violation":
        await wire.say(control(ack=7))
        await wire.end()
    elif how == "abort":
        session_of(server).conn.abort()
    elif how == "superseded":
        wire = await resumed(server, wire)
        wire.cut()
    else:
        wire.cut()


def kept() -> list[object]:
    """Of each of these is one for each session or wire."""
    kinds = (Session, Actor, WebsocketCarrier, WebsocketTransport, Conn)
    return [thing for thing in gc.get_objects() if type(thing) in kinds]


ENDS = ["bye", "close", "violation", "abort", "superseded", "expired"]


@pytest.mark.parametrize("how", ENDS)
async def test_nothing_is_left_of_a_session_that_has_ended(how: str, autojump_clock: Any) -> None:
    """Neither in a table nor, with the garbage collector off, in memory."""
    gc.collect()
    before = {id(thing) for thing in kept()}
    async with testing.open_app(Echo) as server:
        wire = await open_wire(server)
        await wire.send("a", "b")
        assert await wire.receive_many(2) == ["a", "b"]
        table = store_of(server)
        gc.collect()
        gc.disable()
        try:
            assert len({type(thing) for thing in kept() if id(thing) not in before}) == 5
            await end(server, wire, how)
            await trio.sleep(100)
            assert len(table) == 0
            assert (table._without_wire, table._leaving) == ({}, {})
            assert len(server.runtime.supervisor) == 0
            server.events.clear()
            wire.websocket.conn = None
            del wire
            await trio.sleep(1)
            assert [thing for thing in kept() if id(thing) not in before] == []
        finally:
            gc.enable()
