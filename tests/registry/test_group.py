"""Groups: who is a member, who is reached, and what a delivery needs to know of it."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from actorws.exceptions import ConnectionEnded
from actorws.frames import Close, Ping, Pong
from actorws.registry.census import Member
from actorws.registry.courier import Courier
from actorws.registry.group import Group
from actorws.registry.table import FRAME, MESSAGE, Members
from actorws.registry.unique import ActorRef


@pytest.fixture
def group(outbox: Any) -> Group:
    return Group(Courier(outbox))


@pytest.fixture
def trio_of(group: Group, new_actor: Any) -> list[Any]:
    """Three actors in the group "g"."""
    actors = [new_actor() for _ in range(3)]
    for actor in actors:
        group.join_nowait("g", actor)
    return actors


def members_of(group: Group, outbox: Any, name: str = "g") -> Members:
    """The group object that deliveries get."""
    group.publish_nowait(name, None)
    members = outbox.posts.pop()[3]
    assert isinstance(members, Members)
    return members


class TestMembership:
    def test_joins_are_seen_from_both_sides(self, group: Group, new_actor: Any) -> None:
        ann = new_actor()
        group.join_nowait("g", ann)
        group.join_nowait("h", ann)
        assert group.groups_of(ann) == {"g", "h"}
        assert (group.count_nowait("g"), group.is_member("g", ann), group.names()) == (1, True, ["g", "h"])

    def test_members_come_in_the_order_of_joining_with_their_meta(self, group: Group, new_actor: Any) -> None:
        ann, bob = new_actor(), new_actor()
        group.join_nowait("g", bob, {"name": "bob"})
        group.join_nowait("g", ann)
        members = group.members_nowait("g")
        assert [(member.id, member.meta) for member in members] == [("here-2", {"name": "bob"}), ("here-1", None)]

    def test_a_member_can_be_reached_alone(self, group: Group, new_actor: Any, outbox: Any) -> None:
        ann = new_actor()
        group.join_nowait("g", ann)
        [member] = group.members_nowait("g")
        assert member == Member(ActorRef(ann.conn.id, ann, outbox), None)
        assert member.ref.send_nowait("hi")
        assert outbox.posts == [(MESSAGE, (ann,), "hi", None)]

    def test_joining_again_replaces_meta_in_place(self, group: Group, trio_of: list[Any], outbox: Any) -> None:
        members = members_of(group, outbox)
        before = (members.version, members.snapshot)
        group.join_nowait("g", trio_of[0], "new")
        assert [member.meta for member in group.members_nowait("g")] == ["new", None, None]
        assert (members.version, members.snapshot) == before

    def test_leaving_twice_is_false(self, group: Group, trio_of: list[Any]) -> None:
        assert group.leave_nowait("g", trio_of[0])
        assert not group.leave_nowait("g", trio_of[0])
        assert (group.count_nowait("g"), trio_of[0].groups) == (2, None)

    def test_nobody_is_a_member_of_nothing(self, group: Group, new_actor: Any) -> None:
        ann = new_actor()
        assert not group.leave_nowait("g", ann)
        assert not group.leave_nowait("g", None)
        assert not group.is_member("g", ann)
        assert not group.is_member("g", None)
        assert group.groups_of(ann) == group.groups_of(None) == frozenset()
        assert (group.members_nowait("g"), group.count_nowait("g")) == ([], 0)

    def test_an_empty_group_vanishes(self, group: Group, trio_of: list[Any]) -> None:
        for actor in trio_of:
            assert group.names() == ["g"]
            group.leave_nowait("g", actor)
        assert group.names() == []

    def test_an_actor_that_has_ended_cannot_join(self, group: Group, new_actor: Any) -> None:
        ann = new_actor()
        ann.has_ended = True
        with pytest.raises(ConnectionEnded, match="has ended"):
            group.join_nowait("g", ann)
        assert (group.names(), ann.groups) == ([], None)

    def test_an_actor_that_is_forgotten_leaves_all_its_groups(self, group: Group, trio_of: list[Any]) -> None:
        ann, bob, _ = trio_of
        group.join_nowait("alone", ann)
        group.forget(ann)
        group.forget(ann)
        assert (ann.groups, group.names(), group.count_nowait("g")) == (None, ["g"], 2)
        assert group.is_member("g", bob)

    @pytest.mark.parametrize("name", ["", None, "x" * 256, "\udc00"])
    @pytest.mark.parametrize("call", ["join", "leave", "publish", "broadcast", "members", "count"])
    async def test_each_call_checks_its_group(self, group: Group, new_actor: Any, call: str, name: Any) -> None:
        arguments = {"join": (new_actor(),), "leave": (None,), "publish": ("m",), "broadcast": ("f",)}.get(call, ())
        with pytest.raises((TypeError, ValueError), match=r"^group must be"):
            await getattr(group, call)(name, *arguments)
        with pytest.raises((TypeError, ValueError), match=r"^group must be"):
            getattr(group, f"{call}_nowait")(name, *arguments)

    def test_is_member_checks_its_group_too(self, group: Group) -> None:
        with pytest.raises(ValueError, match=r"^group must be"):
            group.is_member("", None)


class TestPublish:
    def test_goes_to_every_member_in_one_entry(self, group: Group, trio_of: list[Any], outbox: Any) -> None:
        assert group.publish_nowait("g", "hi") == 3
        [(kind, targets, payload, members)] = outbox.posts
        assert (kind, targets, payload, members.name) == (MESSAGE, tuple(trio_of), "hi", "g")

    def test_without_members_nothing_is_posted(self, group: Group, new_actor: Any, outbox: Any) -> None:
        ann = new_actor()
        assert group.publish_nowait("g", "hi") == 0
        group.join_nowait("g", ann)
        assert group.publish_nowait("g", "hi", exclude=ann.conn) == 0
        assert outbox.posts == []

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_exclude_leaves_one_out(self, group: Group, trio_of: list[Any], outbox: Any, place: int) -> None:
        others = tuple(actor for actor in trio_of if actor is not trio_of[place])
        refs = [member.ref for member in group.members_nowait("g")]
        assert group.publish_nowait("g", "hi", trio_of[place].conn) == 2
        assert group.broadcast_nowait("g", "hi", exclude=refs[place]) == 2
        assert [post[1] for post in outbox.posts] == [others, others]

    def test_excluding_a_stranger_excludes_nobody(self, group: Group, trio_of: list[Any], new_actor: Any) -> None:
        stranger = new_actor()
        assert group.publish_nowait("g", "hi", stranger.conn) == 3
        stranger.conn._actor = None  # a connection before its actor
        assert group.publish_nowait("g", "hi", stranger.conn) == 3

    @pytest.mark.parametrize("exclude", ["here-1", 0, object])
    def test_exclude_takes_a_conn_or_a_reference(self, group: Group, exclude: Any) -> None:
        with pytest.raises(TypeError, match="exclude must be a Conn, an ActorRef or None, not "):
            group.publish_nowait("g", "hi", exclude)

    def test_an_unchanged_group_is_not_copied(self, group: Group, trio_of: list[Any], outbox: Any) -> None:
        group.publish_nowait("g", 1)
        group.broadcast_nowait("g", "2")
        group.join_nowait("g", trio_of[0], "other meta")
        group.publish_nowait("g", 3)
        assert len({id(post[1]) for post in outbox.posts}) == 1

    def test_later_members_are_not_in_earlier_posts(
        self, group: Group, trio_of: list[Any], outbox: Any, new_actor: Any
    ) -> None:
        group.publish_nowait("g", "before")
        version = outbox.posts[0][3].version
        late = new_actor()
        group.join_nowait("g", late)
        assert late not in outbox.posts[0][1]
        assert outbox.posts[0][3].version == version  # so the delivery need not look anybody up
        assert group.publish_nowait("g", "after") == 4

    @pytest.mark.parametrize("leave", [Group.leave_nowait, lambda group, _, actor: group.forget(actor)])
    def test_a_leave_is_seen_by_what_is_not_delivered_yet(
        self, group: Group, trio_of: list[Any], outbox: Any, leave: Any
    ) -> None:
        members = members_of(group, outbox)
        version = members.version
        leave(group, "g", trio_of[1])
        assert members.version > version
        assert list(members.by_actor) == [trio_of[0], trio_of[2]]
        assert members.snapshot is None

    def test_the_last_leave_is_seen_too_though_the_group_has_vanished(
        self, group: Group, new_actor: Any, outbox: Any
    ) -> None:
        ann = new_actor()
        group.join_nowait("g", ann)
        members = members_of(group, outbox)
        group.leave_nowait("g", ann)
        assert (members.version, members.by_actor) == (1, {})

    def test_members_say_which_group_they_are_of(self, group: Group, trio_of: list[Any], outbox: Any) -> None:
        assert repr(members_of(group, outbox)) == "<Members of 'g': 3>"


def by_meta(conn: Any, meta: Any) -> str:
    """A frame for each member."""
    return f"{conn.id} {meta}"


async def not_a_function(conn: Any, meta: Any) -> str:
    """A broadcast calls and does not await."""
    return ""


class TestBroadcast:
    @pytest.mark.parametrize(
        "frame", ["", "text", "tëxt", b"", b"\x00", Close(1001), Ping(b"1"), Pong(), by_meta, lambda conn, meta: None]
    )
    def test_posts_a_frame_as_it_is(self, group: Group, trio_of: list[Any], outbox: Any, frame: Any) -> None:
        assert group.broadcast_nowait("g", frame) == 3
        [(kind, targets, payload, members)] = outbox.posts
        assert (kind, targets) == (FRAME, tuple(trio_of))
        assert payload is frame
        assert list(members.by_actor) == trio_of

    @pytest.mark.parametrize("view", [lambda data: data, memoryview, lambda data: memoryview(data)[::2]])
    def test_copies_what_the_caller_can_change(self, group: Group, trio_of: list[Any], outbox: Any, view: Any) -> None:
        data = bytearray(b"abc")
        frame = view(data)
        expected = bytes(frame)
        group.broadcast_nowait("g", frame)
        data[0] = 0
        assert outbox.posts[0][2] == expected
        assert type(outbox.posts[0][2]) is bytes

    @pytest.mark.parametrize("frame", [None, 1, ["text"], ("a", "b"), {"a": 1}, Close, str, object(), not_a_function])
    def test_refuses_what_is_no_frame_even_without_members(self, group: Group, outbox: Any, frame: Any) -> None:
        with pytest.raises(TypeError) as caught:
            group.broadcast_nowait("g", frame)
        assert str(caught.value).startswith("frame must be a str, bytes-like, Close, Ping or Pong, or a function of")
        assert str(caught.value).endswith(f"not {frame!r}")

    def test_refuses_text_that_has_no_utf8(self, group: Group, trio_of: list[Any], outbox: Any) -> None:
        with pytest.raises(ValueError, match=r"frame must be valid Unicode: .*surrogates not allowed"):
            group.broadcast_nowait("g", "a\ud800")
        assert outbox.posts == []


CALLS: list[Any] = [
    lambda group, actor: group.join("new", actor),
    lambda group, actor: group.leave("g", actor),
    lambda group, actor: group.publish("g", "hi"),
    lambda group, actor: group.broadcast("g", "hi"),
    lambda group, actor: group.members("g"),
    lambda group, actor: group.count("g"),
]


class TestWaitingForms:
    @pytest.mark.parametrize("call", CALLS)
    async def test_each_is_a_checkpoint(self, group: Group, trio_of: list[Any], call: Any) -> None:
        with trio.testing.assert_checkpoints():
            await call(group, trio_of[0])

    @pytest.mark.parametrize("call", CALLS)
    async def test_cancelled_on_entry_nothing_has_happened(
        self, group: Group, trio_of: list[Any], outbox: Any, call: Any
    ) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await call(group, trio_of[0])
        assert scope.cancelled_caught
        assert (group.names(), group.count_nowait("g"), outbox.posts) == (["g"], 3, [])

    async def test_each_returns_what_its_nowait_form_returns(
        self, group: Group, trio_of: list[Any], outbox: Any
    ) -> None:
        ann = trio_of[0]
        assert await group.publish("g", 1, exclude=ann.conn) == 2
        assert await group.broadcast("g", "2", exclude=ann.conn) == 2
        assert await group.members("g") == group.members_nowait("g")
        assert await group.count("g") == 3
        assert await group.leave("g", ann)
        assert not await group.leave("g", ann)
        await group.join("g", ann, "again")
        assert group.members_nowait("g")[-1].meta == "again"

    async def test_cancelled_once_it_has_acted_the_result_is_kept(
        self, group: Group, trio_of: list[Any], outbox: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with trio.CancelScope() as scope:
            monkeypatch.setattr(outbox, "post", lambda *_: scope.cancel())
            count = await group.publish("g", "hi")
        assert not scope.cancelled_caught
        assert count == 3
