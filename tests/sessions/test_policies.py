"""Which sessions are let go of, and when, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

from actorws import Accept, App, Expired, Remote, Websocket, testing
from actorws.events import ActorEnded, BackgroundCrashed, SessionDetached
from actorws.sessions.policies import (
    CleanupPolicy,
    DefaultCleanupPolicy,
    MemoryCleanupPolicy,
    PerUserCleanupPolicy,
)
from actorws.sessions.session import Session, SessionState
from tests.support.sessions import SessionWire, open_wire, resumed, store_of


class Echo(Websocket):
    def connect(self, conn: Any) -> Any:
        return Accept(identity=conn.query.get("user"))

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [frame]


def app(**options: Any) -> App:
    app = App()
    app.websocket("/", Echo, resumable=True, **options)
    return app


def session_of(server: Any, wire: SessionWire) -> Session:
    assert wire.client.now.id is not None
    return store_of(server)._by_serial[int(wire.client.now.id.split(".")[1])]


def ends(server: Any) -> list[Any]:
    return [event.reason for event in server.events if isinstance(event, ActorEnded)]


async def seconds_until_end(server: Any) -> float:
    began = trio.current_time()
    await server.wait_event(ActorEnded, timeout=1000)
    return trio.current_time() - began


async def test_a_client_that_was_there_has_30_seconds_to_come_back(autojump_clock: Any) -> None:
    async with testing.open_app(app()) as server:
        wire = await open_wire(server)
        session = session_of(server, wire)
        assert session.state is SessionState.NEW
        await wire.send("a")
        assert await wire.receive() == "a"
        assert session.state is SessionState.OPEN
        wire.cut()
        await server.wait_event(SessionDetached)
        assert session.state is SessionState.SOFT_CLOSED
        assert 30 <= await seconds_until_end(server) <= 32
        assert ends(server) == [Expired("session_resume_timeout")]
        assert session.state is SessionState.CLOSED


async def test_a_client_that_cannot_know_its_session_has_30_seconds_to_show_that_it_does(autojump_clock: Any) -> None:
    async with testing.open_app(app()) as server:
        wire = await open_wire(server)
        session = session_of(server, wire)
        wire.cut()
        await server.wait_event(SessionDetached)
        assert session.state is SessionState.NEW
        assert 30 <= await seconds_until_end(server) <= 32
        assert ends(server) == [Expired("session_open_timeout")]


async def test_the_two_times_are_options(autojump_clock: Any) -> None:
    async with testing.open_app(app(session_open_timeout=5.0, session_resume_timeout=90.0)) as server:
        new, known = await open_wire(server), await open_wire(server)
        await known.send("a")
        assert await known.receive() == "a"
        new.cut()
        known.cut()
        assert 5 <= await seconds_until_end(server) <= 7
        await trio.sleep(80)
        assert len(ends(server)) == 1
        await trio.sleep(8)
        assert ends(server)[1:] == [Expired("session_resume_timeout")]


async def test_the_time_begins_anew_with_each_loss(autojump_clock: Any) -> None:
    async with testing.open_app(app()) as server:
        wire = await open_wire(server)
        for _ in range(5):
            wire.cut()
            await trio.sleep(25)
            wire = await resumed(server, wire)
            await trio.sleep(25)
        assert ends(server) == []
        assert wire.client.past == []


async def test_a_policy_that_allows_no_soft_close_ends_the_actor_with_its_wire(autojump_clock: Any) -> None:
    async with testing.open_app(app(session_resume_timeout=0.0)) as server:
        wire = await open_wire(server)
        wire.cut()
        await server.wait_event(ActorEnded, timeout=0.1)
        assert ends(server) == [Remote(1006)]
        wire = await resumed(server, wire)
        assert wire.client.past[0].lost == "unknown"


async def test_of_one_user_the_newest_sessions_stay(autojump_clock: Any) -> None:
    async with testing.open_app(app(cleanup_policy=PerUserCleanupPolicy(most=2))) as server:
        wires = []
        for user in ("ann", "ann", "bob", "ann"):
            wires.append(await open_wire(server, path=f"/?user={user}"))
        others = [await open_wire(server) for _ in range(4)]
        for wire in wires + others:
            wire.cut()
            await trio.sleep(0.01)
        await trio.sleep(3)
        assert len(ends(server)) == 1
        first = wires[0].client
        await open_wire(server, first, path="/?user=ann")
        assert first.past[0].lost == "expired"
        for wire in wires[1:]:
            await open_wire(server, wire.client, path=f"/?user={'bob' if wire is wires[2] else 'ann'}")
            assert wire.client.past == []


async def test_when_memory_is_short_the_longest_without_a_wire_go(autojump_clock: Any) -> None:
    async with testing.open_app(app(cleanup_policy=MemoryCleanupPolicy(most=2500))) as server:
        wires = [await open_wire(server) for _ in range(4)]
        for wire in wires:
            session_of(server, wire).conn.send("x" * 1000)
            assert await wire.receive() == "x" * 1000
            wire.cut()
            await trio.sleep(0.01)
        await trio.sleep(3)
        for wire, lost in zip(wires, ["expired", "expired", None, None], strict=True):
            await resumed(server, wire)
            assert (wire.client.past[0].lost if wire.client.past else None) == lost


class Custom(CleanupPolicy):
    """Lets go of what `decide` says."""

    def __init__(self, decide: Callable[[Session], bool]) -> None:
        self.decide = decide
        self.asked: list[tuple[SessionState, float, int, Any, str]] = []

    def should_cleanup(self, session: Session) -> bool:
        self.asked.append((session.state, session.seconds, session.kept_bytes, session.identity, session.conn.path))
        return self.decide(session)


async def test_a_policy_of_ones_own_sees_what_it_decides_about(autojump_clock: Any) -> None:
    policy = Custom(lambda session: session.seconds > 100)
    async with testing.open_app(app(cleanup_policy=policy)) as server:
        wire = await open_wire(server, path="/?user=ann")
        await trio.sleep(50)
        assert policy.asked == []
        wire.cut()
        await server.wait_event(SessionDetached)
        session_of(server, wire).conn.send("12345")
        assert 99 < await seconds_until_end(server) < 103
        states, seconds, kept, identities, paths = map(list, zip(*policy.asked, strict=True))
        assert set(states) == {SessionState.NEW}
        assert seconds == sorted(seconds)
        assert (set(kept), set(identities), set(paths)) == ({5}, {"ann"}, {"/"})


async def test_a_policy_that_raises_is_told_and_costs_nothing(autojump_clock: Any) -> None:
    def fail(session: Session) -> bool:
        raise ZeroDivisionError

    async with testing.open_app(app(cleanup_policy=Custom(fail)), crashes="ignore") as server:
        wire = await open_wire(server)
        wire.cut()
        crash = await server.wait_event(BackgroundCrashed, 3)
        assert isinstance(crash.exception, ZeroDivisionError)
        assert "Custom" in crash.name
        wire = await resumed(server, wire)
        assert wire.client.past == []


async def test_a_session_that_another_ones_end_has_ended_is_left_alone(autojump_clock: Any) -> None:
    """Both are to go in one round, and the first one's `terminate` ends the second."""
    conns: list[Any] = []

    class Pair(Echo):
        def init(self, conn: Any) -> Any:
            conns.append(conn)
            return None, None

        def terminate(self, state: Any, conn: Any, reason: Any) -> None:
            for other in conns:
                other.close(4001, "together")

    both = App()
    both.websocket("/", Pair, resumable=True)
    async with testing.open_app(both) as server:
        wires = [await open_wire(server) for _ in range(2)]
        for wire in wires:
            wire.cut()
            await trio.sleep(0.01)
        await trio.sleep(33)
        assert len(ends(server)) == 2
        last = await resumed(server, wires[1], greeted=False)
        assert (await last.end() or wire).code == 4001  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("policy", "allows"),
    [(DefaultCleanupPolicy(), True), (DefaultCleanupPolicy(resume_timeout=0), False), (PerUserCleanupPolicy(), True)],
)
def test_who_allows_a_soft_close(policy: CleanupPolicy, allows: bool) -> None:
    assert policy.allow_soft_close() is allows


def test_a_policy_without_a_decision_is_no_policy() -> None:
    with pytest.raises(NotImplementedError):
        CleanupPolicy().should_cleanup(None)  # type: ignore[arg-type]
