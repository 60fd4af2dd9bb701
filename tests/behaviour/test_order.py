"""What one sender sends to one receiver arrives in the order sent, however it is sent and whatever the others do."""

from __future__ import annotations

from collections import defaultdict

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actorws import Websocket, testing
from actorws.events import ActorStarted

ACTORS = 4
actors = st.integers(0, ACTORS - 1)
#: What one actor does in one callback: several steps, so that they fall into the same tick and into different ones.
steps = st.one_of(
    st.tuples(st.just("send"), actors),
    st.tuples(st.just("publish"), st.just(0)),
    st.tuples(st.just("broadcast"), st.just(0)),
    st.tuples(st.just("made"), st.just(0)),
    st.tuples(st.just("join"), st.just(0)),
    st.tuples(st.just("leave"), st.just(0)),
    st.tuples(st.just("wait"), st.just(0)),
    st.tuples(st.just("crash"), st.just(0)),
)
plays = st.lists(st.tuples(actors, st.lists(steps, min_size=1, max_size=6)), min_size=1, max_size=25)


class Play:
    """Actors that do as they are told, and the record of who should have got what."""

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async
        self.serial = 0
        #: By sender and receiver: numbers of what was sent, of what certainly has to arrive.
        self.sent: dict[tuple[int, int], list[int]] = defaultdict(list)
        self.members: dict[int, int] = {}
        self.joined = 0
        self.gone: set[int] = set()

    def behaviour(self):
        play = self

        class Actor(Websocket):
            def init(self, conn):
                conn.register_nowait(conn.path)
                return int(conn.path[1:]), []

            def handle_client_message(self, me, conn, script):
                for action, other in script_of(script):
                    play.do(me, conn, action, other)
                return me, []

            def handle_server_message(self, me, conn, message):
                return me, message

        class Waiting(Actor):
            async def handle_client_message(self, me, conn, script):
                for action, other in script_of(script):
                    if action == "wait":
                        await trio.lowlevel.checkpoint()
                    play.do(me, conn, action, other)
                return me, []

            async def handle_server_message(self, me, conn, message):
                await trio.lowlevel.checkpoint()
                return me, message

        return Waiting if self.is_async else Actor

    def do(self, me, conn, action, other):
        self.serial += 1
        text = f"{me} {self.serial}"
        if action == "crash":
            self.gone.add(me)
            raise RuntimeError("as told")
        if action == "join":
            conn.join_nowait("all", me)
        elif action == "leave":
            conn.leave_nowait("all")
        elif action == "send":
            if conn.send_message_nowait(f"/{other}", text):
                self.sent[me, other].append(self.serial)
        elif action in ("publish", "broadcast", "made"):
            members = [member.meta for member in conn.runtime.group.members_nowait("all")]
            if action == "publish":
                count = conn.publish_nowait("all", text)
            else:
                count = conn.broadcast_nowait("all", text if action == "broadcast" else lambda conn, meta: text)
            assert count == len(members)
            for member in members:
                self.sent[me, member].append(self.serial)


def script_of(script: str) -> list[tuple[str, int]]:
    return [(action, int(other)) for action, _, other in (step.partition(" ") for step in script.split(","))]


async def run(play: Play, script) -> None:
    left_all = {number for number, steps in script for action, _ in steps if action == "leave"}
    async with testing.open_app(play.behaviour(), crashes="ignore") as server:
        clients = [await server.connect(f"/{number}") for number in range(ACTORS)]
        await server.wait_event(ActorStarted, ACTORS)
        for number, steps in script:
            try:
                await clients[number].send(",".join(f"{action} {other}" for action, other in steps))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                assert number in play.gone
        await trio.testing.wait_all_tasks_blocked()
        for receiver, client in enumerate(clients):
            check(play, receiver, [frame for frame in client.unread if isinstance(frame, str)], left_all)


def check(play: Play, receiver: int, got: list[str], left_all: set[int]) -> None:
    by_sender: dict[int, list[int]] = defaultdict(list)
    for text in got:
        sender, serial = map(int, text.split())
        by_sender[sender].append(serial)
    for sender in range(ACTORS):
        numbers, sent = by_sender[sender], play.sent[sender, receiver]
        assert numbers == sorted(set(numbers)), "in the order sent, and once"
        assert set(numbers) <= set(sent), "nothing that wasn't sent to it"
        if receiver not in play.gone and receiver not in left_all:
            assert numbers == sent, "and for one that stays, everything"


@settings(max_examples=150)
@given(script=plays)
def test_the_order_of_each_pair_is_kept_by_inline_callbacks(script):
    trio.run(run, Play(is_async=False), script, clock=MockClock(autojump_threshold=0))


@settings(max_examples=150)
@given(script=plays)
def test_the_order_of_each_pair_is_kept_by_async_callbacks(script):
    trio.run(run, Play(is_async=True), script, clock=MockClock(autojump_threshold=0))
