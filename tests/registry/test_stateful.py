"""Names, groups and ends in any order do what plain dicts do, and a delivery reaches who is still there."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actorws.conn import Conn
from actorws.exceptions import ConnectionEnded, NameTaken
from actorws.registry.courier import Courier
from actorws.registry.group import Group
from actorws.registry.table import FRAME, MESSAGE, Members
from actorws.registry.unique import Unique

PLACES = st.integers(0, 4)
NAMES = st.sampled_from(["a", "b", "ç"])
EXCLUDES = st.none() | PLACES


class Actor:
    """What the registry sees of an actor."""

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.names: set[str] | None = None
        self.groups: set[str] | None = None
        self.has_ended = False
        runtime: Any = SimpleNamespace(id="here")
        self.conn = Conn(runtime, runtime, serial=serial, path_params={}, remote_address="")
        self.conn._actor = self  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self.serial}>"


class Post:
    """One entry of the run queue, with what the model knows about it."""

    def __init__(self, entry: tuple[int, tuple[Actor, ...], object, Members | None], group: str | None) -> None:
        self.kind, self.targets, self.payload, self.members = entry
        self.version = self.members.version if self.members is not None else 0
        self.group = group
        self.left: set[Actor] = set()

    def reached(self) -> list[Actor]:
        """As a run queue delivers: targets unchecked if nobody has left since, members only otherwise."""
        running = [actor for actor in self.targets if not actor.has_ended]
        if self.members is None:
            return running
        if self.members.version == self.version:
            return list(self.targets)  # unchecked: must not hold one that has ended
        return [actor for actor in running if actor in self.members.by_actor]


class RegistryAgainstDicts(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.posted: list[tuple[int, tuple[Actor, ...], object, Members | None]] = []
        outbox: Any = SimpleNamespace(post=lambda *entry: self.posted.append(entry))
        self.unique = Unique(Courier(outbox), self.on_takeover)
        self.group = Group(Courier(outbox))
        self.actors = [Actor(n) for n in range(5)]
        self.ended: list[Actor] = []
        self.serial = 5
        self.queue: deque[Post] = deque()
        # The model.
        self.owners: dict[str, Actor] = {}
        self.members: dict[str, dict[Actor, int]] = {}

    # Names

    @rule(name=NAMES, place=PLACES)
    def register(self, name: str, place: int) -> None:
        actor = self.actors[place]
        if self.owners.get(name, actor) is actor:
            self.unique.register_nowait(name, actor)
            self.owners[name] = actor
        else:
            with pytest.raises(NameTaken):
                self.unique.register_nowait(name, actor)

    @rule(name=NAMES, place=PLACES, at_once=st.booleans())
    def take_over(self, name: str, place: int, at_once: bool) -> None:
        winner = self.actors[place]
        self.ends_at_once = at_once
        loser = self.owners.get(name, winner)
        self.owners[name] = winner
        self.unique.register_nowait(name, winner, "takeover")
        assert loser.has_ended == (at_once and loser is not winner)

    def on_takeover(self, loser: Actor, name: str) -> None:
        """The loser is ended inside the call, or later (by the rule ``end``)."""
        assert name not in (loser.names or ())
        ref = self.unique.whereis_nowait(name)
        assert ref is not None
        assert ref.id == self.owners[name].conn.id
        if self.ends_at_once:
            self.end_actor(loser)

    @rule(name=NAMES, place=PLACES)
    def unregister(self, name: str, place: int) -> None:
        actor = self.actors[place]
        had_it = self.owners.get(name) is actor
        assert self.unique.unregister_nowait(name, actor) == had_it
        if had_it:
            del self.owners[name]

    # Groups

    @rule(group=NAMES, place=PLACES, meta=st.integers())
    def join(self, group: str, place: int, meta: int) -> None:
        self.group.join_nowait(group, self.actors[place], meta)
        self.members.setdefault(group, {})[self.actors[place]] = meta

    @rule(group=NAMES, place=PLACES)
    def leave(self, group: str, place: int) -> None:
        actor = self.actors[place]
        assert self.group.leave_nowait(group, actor) == self.model_leave(group, actor)

    def model_leave(self, group: str, actor: Actor) -> bool:
        members = self.members.get(group, {})
        if actor not in members:
            return False
        del members[actor]
        if not members:
            del self.members[group]
        for post in self.queue:
            if post.group == group:
                post.left.add(actor)
        return True

    # Ends

    @rule(place=PLACES)
    def end(self, place: int) -> None:
        self.end_actor(self.actors[place])

    def end_actor(self, actor: Actor) -> None:
        actor.has_ended = True
        self.unique.forget(actor)
        self.group.forget(actor)
        self.owners = {name: owner for name, owner in self.owners.items() if owner is not actor}
        for group in list(self.members):
            self.model_leave(group, actor)
        self.ended.append(actor)
        self.actors[self.actors.index(actor)] = Actor(self.serial)
        self.serial += 1

    @precondition(lambda self: self.ended)
    @rule(name=NAMES, data=st.data())
    def an_ended_actor_gets_nothing_any_more(self, name: str, data: st.DataObject) -> None:
        actor = data.draw(st.sampled_from(self.ended))
        with pytest.raises(ConnectionEnded):
            self.unique.register_nowait(name, actor, "takeover")
        with pytest.raises(ConnectionEnded):
            self.group.join_nowait(name, actor)
        assert not self.unique.unregister_nowait(name, actor)
        assert not self.group.leave_nowait(name, actor)

    # Messages

    @rule(name=NAMES, message=st.integers())
    def send_message(self, name: str, message: int) -> None:
        owner = self.owners.get(name)
        assert self.unique.send_message_nowait(name, message) == (owner is not None)
        self.expect_post(MESSAGE, [owner] if owner is not None else [], message, None)

    @rule(group=NAMES, message=st.integers(), exclude=EXCLUDES)
    def publish(self, group: str, message: int, exclude: int | None) -> None:
        excluded = None if exclude is None else self.actors[exclude]
        expected = [actor for actor in self.members.get(group, {}) if actor is not excluded]
        count = self.group.publish_nowait(group, message, excluded.conn if excluded is not None else None)
        assert count == len(expected)
        self.expect_post(MESSAGE, expected, message, group)

    @rule(group=NAMES, frame=st.text(max_size=3) | st.binary(max_size=3), exclude=EXCLUDES)
    def broadcast(self, group: str, frame: str | bytes, exclude: int | None) -> None:
        excluded = None if exclude is None else self.actors[exclude]
        expected = [actor for actor in self.members.get(group, {}) if actor is not excluded]
        count = self.group.broadcast_nowait(group, frame, excluded.conn if excluded is not None else None)
        assert count == len(expected)
        self.expect_post(FRAME, expected, frame, group)

    def expect_post(self, kind: int, targets: list[Actor], payload: object, group: str | None) -> None:
        if targets:
            post = Post(self.posted.pop(), group)
            assert (post.kind, list(post.targets), post.payload) == (kind, targets, payload)
            assert (post.members is None) == (group is None)
            self.queue.append(post)
        assert self.posted == []

    @precondition(lambda self: self.queue)
    @rule()
    def deliver(self) -> None:
        """Members at the publish without those who left since; who left and came back may be reached or not."""
        post = self.queue.popleft()
        reached = post.reached()
        assert reached == [actor for actor in post.targets if actor in reached]
        assert not any(actor.has_ended for actor in reached)
        if post.group is None:
            assert reached == [actor for actor in post.targets if not actor.has_ended]
            return
        stayed = {actor for actor in post.targets if actor not in post.left}
        returned = {actor for actor in post.left if actor in self.members.get(post.group, {})}
        assert stayed <= set(reached) <= stayed | returned

    # What is true at any time

    @invariant()
    def names_agree_in_both_directions(self) -> None:
        assert self.unique.count() == len(self.owners)
        for actor in (*self.actors, *self.ended):
            expected = {name for name, owner in self.owners.items() if owner is actor}
            assert actor.names == (expected or None)
            assert self.unique.names_of(actor) == expected
        for name, owner in self.owners.items():
            ref = self.unique.whereis_nowait(name)
            assert ref is not None
            assert ref.id == owner.conn.id

    @invariant()
    def groups_agree_in_both_directions(self) -> None:
        assert sorted(self.group.names()) == sorted(self.members)
        for actor in (*self.actors, *self.ended):
            expected = {group for group, members in self.members.items() if actor in members}
            assert actor.groups == (expected or None)
            assert self.group.groups_of(actor) == expected

    @invariant()
    def members_and_their_meta_agree(self) -> None:
        for group in ("a", "b", "ç"):
            expected = [(actor.conn.id, meta) for actor, meta in self.members.get(group, {}).items()]
            assert [(member.id, member.meta) for member in self.group.members_nowait(group)] == expected
            assert self.group.count_nowait(group) == len(expected)

    @invariant()
    def a_snapshot_is_what_the_group_is(self) -> None:
        for post in self.queue:
            if post.members is not None and post.members.snapshot is not None:
                assert post.members.snapshot == tuple(post.members.by_actor)


RegistryAgainstDicts.TestCase.settings = settings(stateful_step_count=40, deadline=None)
TestRegistryAgainstDicts = RegistryAgainstDicts.TestCase
