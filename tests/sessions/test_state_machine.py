"""The session protocol under a client, a server and wires that are cut anywhere: a prefix at any time, all in the end.

Each rule does one thing to one wire, one client or one actor, in any order; wires deliver byte by byte. What the one
side's application has seen is a prefix of what the other's has sent, whatever happened; and when a last wire is good,
all of it, or the client has been told `lost`, rightly.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actorws import Close
from actorws.events import OutputFull
from actorws.reasons import Error, Expired, Overflow, Remote
from tests.support.session_client import Conversation, Message, SessionClient, control
from tests.support.session_world import Life, Link, World

MAX_MESSAGES, MAX_BYTES, LIMIT, WINDOW = 5, 120, 150, 30.0

MESSAGES = st.one_of(
    st.sampled_from(["", b"", "\0", "\0\0", "\0{}", '\0{"ack":1}', "plain", b"\0", "é"]),
    st.text(max_size=12),
    st.binary(max_size=12),
    st.sampled_from(["x" * 60, b"y" * 130, "z" * 200]),
)
MANY = st.lists(MESSAGES, min_size=1, max_size=4)
SOME_BYTES = st.integers(1, 40) | st.just(1 << 20) | st.just(1 << 20)
CODES = st.sampled_from([1000, 1001, 4001, 4500, 4999])
ROOM = st.sampled_from([0, 1, 30, 1 << 20, 1 << 30])


def size_of(messages: list[Message]) -> int:
    return sum(len(message.encode() if isinstance(message, str) else message) for message in messages)


class Sessions(RuleBasedStateMachine):
    """One client, which has one conversation after the other, and all the actors that come of it."""

    policy: Any = "drop_new"

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.world = World(
            self.patch,
            session_buffer_messages=MAX_MESSAGES,
            session_buffer_bytes=MAX_BYTES,
            backpressure_limit=LIMIT,
            high_water_mark=64,
            output_policy=self.policy,
        )
        self.client = SessionClient()
        self.link: Link | None = None
        #: Which actor a conversation is with, by what the server did with the wire.
        self.with_whom: dict[Conversation, Life] = {}
        #: Ended by the client, who then isn't owed anything.
        self.left: set[Conversation] = set()
        #: Whose client has closed a wire to come back: should the actor do so as well, it is taken for an answer.
        self.went: set[Conversation] = set()

    # Wires

    @rule(takes=ROOM)
    def begin(self, takes: int) -> None:
        """The client takes a new wire; of one that it had, the server doesn't know that it is dead."""
        self.client.lose()
        self.link = self.world.open(takes)
        self.link.put(self.client.begin())

    @rule(takes=ROOM)
    def begin_well(self, takes: int) -> None:
        """The same, and the greeting comes."""
        self.begin(takes)
        self.up_one(0, 1 << 20)
        self.down(1 << 20)

    @precondition(lambda self: self.world.links)
    @rule(number=st.integers(0, 3), size=SOME_BYTES)
    def up_one(self, number: int, size: int) -> None:
        """Bytes come to the server, perhaps over a wire that its client has left."""
        link = self.world.links[-1 - number % len(self.world.links)]
        self.world.up(link, size)
        self.learn(link)

    def learn(self, link: Link) -> None:
        if link is self.link and self.client.now.id is None:
            transport: Any = link.wire.receiver
            session = getattr(getattr(transport, "actor", None), "session", None)
            if session is not None:
                self.with_whom[self.client.now] = self.world.lives[session.conn.number]

    @precondition(lambda self: self.link is not None)
    @rule(size=SOME_BYTES)
    def down(self, size: int) -> None:
        """Bytes come to the client."""
        assert self.link is not None
        before = self.client.now
        self.world.down(self.link, self.client, size)
        now = self.client.now
        if now is not before and before.lost is not None:
            self.judge(before)
        if now.id is not None:
            self.with_whom[now] = self.world.lives[int(now.id.split(".")[1])]
        if self.link.over:
            self.link = None

    @precondition(lambda self: self.link is not None)
    @rule()
    def lose(self) -> None:
        """The client finds its wire dead; the server will, or never."""
        self.client.lose()
        self.link = None

    @precondition(lambda self: self.world.links)
    @rule(number=st.integers(0, 3), error=st.sampled_from([None, OSError("reset")]))
    def cut(self, number: int, error: OSError | None) -> None:
        """The server finds a wire dead, perhaps an old one."""
        link = self.world.links[-1 - number % len(self.world.links)]
        self.world.cut(link, error)
        if link is self.link:
            self.lose()

    @precondition(lambda self: self.world.links)
    @rule(number=st.integers(0, 3), takes=ROOM)
    def room(self, number: int, takes: int) -> None:
        """A kernel takes output, or none from now on."""
        self.world.room(self.world.links[-1 - number % len(self.world.links)], takes)

    @rule(seconds=st.sampled_from([0.3, 1.2, 4.0, 6.0, 12.0, 20.0, 40.0]))
    def sleep(self, seconds: float) -> None:
        self.world.sleep(seconds)

    # The client

    @rule(messages=MANY)
    def client_sends(self, messages: list[Message]) -> None:
        for message in messages:
            out = self.client.send(message)
            if self.link is not None:
                self.link.put(out)

    @precondition(lambda self: self.link is not None and self.client.greeted)
    @rule()
    def client_acknowledges(self) -> None:
        assert self.link is not None
        self.link.put(self.client.ack())

    @precondition(lambda self: self.link is not None and self.client.greeted)
    @rule()
    def client_asks(self) -> None:
        assert self.link is not None
        self.link.put([control(ping="there?")])

    @precondition(lambda self: self.link is not None)
    @rule(code=st.sampled_from([None, 1000, 1001, 4001, 4499, 4500, 4999]))
    def client_closes(self, code: int | None) -> None:
        """For good, or only this wire."""
        assert self.link is not None
        self.link.put_close(None if code is None else Close(code))
        if code is None or code == 1000 or code >= 4500:
            self.left.add(self.client.now)
            self.client.past.append(self.client.now)
            self.client.now = Conversation()
        else:
            self.went.add(self.client.now)
        self.lose()

    # The actors

    def living(self, number: int) -> Life | None:
        lives = [life for life in self.world.lives.values() if not life.terminated]
        return lives[-1 - number % len(lives)] if lives else None

    @rule(messages=MANY, how=st.sampled_from(["send", "return", "publish", "broadcast"]), number=st.integers(0, 1))
    def actor_sends(self, messages: list[Message], how: str, number: int) -> None:
        runtime, life = self.world.runtime, self.living(number)
        if how == "publish":
            runtime.group.publish_nowait("all", messages)
        elif how == "broadcast":
            for message in messages:
                runtime.group.broadcast_nowait("all", message)
        elif life is not None and how == "return":
            runtime.scheduler.post_message(life.conn._actor, messages)  # type: ignore[arg-type]
        elif life is not None:
            for message in messages:
                life.conn.send(message)
        self.world.settle()

    @rule(code=CODES, behind=st.lists(MESSAGES, max_size=2), number=st.integers(0, 1))
    def actor_closes(self, code: int, behind: list[Message], number: int) -> None:
        life = self.living(number)
        if life is not None:
            frames = [*behind, ("close", code)]
            self.world.runtime.scheduler.post_message(life.conn._actor, frames)  # type: ignore[arg-type]
            self.world.settle()

    @rule(number=st.integers(0, 1), by=st.sampled_from(["close", "stop", "abort"]))
    def actor_is_ended(self, number: int, by: str) -> None:
        life = self.living(number)
        if life is not None and by == "close":
            life.conn.close(4001, "from outside")
        elif life is not None and by == "abort":
            life.aborted = True
            life.conn.abort()
        elif life is not None:
            life.conn._actor.stop(Error(ValueError()), Close(1011))  # type: ignore[union-attr]
        self.world.settle()

    # What holds

    @invariant()
    def nobody_has_seen_what_was_not_sent(self) -> None:
        for conversation, life in self.with_whom.items():
            self.compare(conversation.seen, life.said)
            assert life.heard == conversation.sent[: len(life.heard)]
            assert conversation.acked <= len(life.heard)

    def compare(self, seen: list[Message], said: list[Message]) -> None:
        assert seen == said[: len(seen)]

    @invariant()
    def nothing_crashes_and_everyone_ends_once(self) -> None:
        self.world.check()

    @invariant()
    def buffers_are_bounded(self) -> None:
        for session in self.world.store._by_serial.values():
            outbox = session.outbox
            sent = outbox._sent or ()
            assert len(sent) <= MAX_MESSAGES
            assert outbox._sent_bytes == sum(size for _, size in sent) <= MAX_BYTES
            assert outbox.waiting_bytes <= LIMIT
            if not session.is_attached:
                assert outbox.waiting_bytes <= MAX_BYTES

    def judge(self, conversation: Conversation) -> None:
        """Whether it was right to say `lost`."""
        life = self.with_whom[conversation]
        unseen = life.said[len(conversation.seen) :]
        full = len(unseen) + 1 > MAX_MESSAGES or size_of(unseen) + max(map(len, life.refused), default=0) > MAX_BYTES
        match conversation.lost:
            case "expired":
                assert isinstance(life.reason, Expired), life.reason
            case "overflow":
                assert (full and life.reason == Overflow("session")) or life.reason is not None
                assert full
            case "unknown":
                told = conversation.told is not None and conversation.told.code == 1001
                assert not told or conversation.seen == life.said
                over = self.world.now - life.ended_at >= WINDOW
                gone = isinstance(life.reason, Remote) and conversation in self.left
                assert life.reason is not None
                crossed = conversation in self.went
                assert over or gone or full or told or life.aborted or crossed, life.reason
            case reason:
                raise AssertionError(reason)

    def teardown(self) -> None:
        try:
            if not self.world.events and not self.world.links:
                return
            self.go_on_to_the_end()
        finally:
            self.patch.undo()

    def go_on_to_the_end(self) -> None:
        """A last wire is good."""
        last = self.client.now
        for number in range(8):
            if self.link is None or not number:
                self.begin(1 << 30)
            self.up_one(0, 1 << 20)
            if self.link is not None:
                self.down(1 << 20)
            self.up_one(0, 1 << 20)  # such as the answer to a Close
            self.nobody_has_seen_what_was_not_sent()
        if last.lost is None and last in self.with_whom and last not in self.left and last.id is not None:
            life = self.with_whom[last]
            self.complete(last.seen, life.said)
            if not last.ended:
                assert not life.terminated
                assert life.heard == last.sent
                assert last.acked <= len(last.sent)
        self.world.runtime.supervisor.cut_all()
        self.world.sleep(100)
        self.world.check()
        assert len(self.world.store) == 0
        assert len(self.world.runtime.supervisor) == 0

    def complete(self, seen: list[Message], said: list[Message]) -> None:
        assert seen == said


class SessionsDroppingOld(Sessions):
    """What waits may be dropped for what is newer: there are holes, but nothing comes twice or out of order."""

    policy = "drop_old"

    def compare(self, seen: list[Message], said: list[Message]) -> None:
        rest = iter(said)
        assert all(message in rest for message in seen), (seen, said)

    def complete(self, seen: list[Message], said: list[Message]) -> None:
        self.compare(seen, said)
        drops = [event for event in self.world.events if isinstance(event, OutputFull)]
        assert drops or seen == said


class SessionsClosing(Sessions):
    policy = "close"


#: Deep rather than broad: what goes wrong takes several wires.
TRIES = settings(stateful_step_count=50, max_examples=2 * settings().max_examples)
TestSessions = Sessions.TestCase
TestSessionsDroppingOld = SessionsDroppingOld.TestCase
TestSessionsClosing = SessionsClosing.TestCase
TestSessions.settings = TestSessionsDroppingOld.settings = TestSessionsClosing.settings = TRIES
