"""Unique names: one owner each, found from anywhere, free before an end can be seen."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from actorws.exceptions import ConnectionEnded, NameTaken
from actorws.registry.courier import Courier
from actorws.registry.refs import ActorRef
from actorws.registry.table import MESSAGE, check_name
from actorws.registry.unique import Unique

BAD_NAMES = [
    ("", ValueError, "{kind} must be 1 to 255 bytes of UTF-8, not 0: ''"),
    ("x" * 256, ValueError, "{kind} must be 1 to 255 bytes of UTF-8, not 256: 'xxx"),
    ("é" * 128, ValueError, "{kind} must be 1 to 255 bytes of UTF-8, not 256: 'ééé"),
    ("a\ud800", ValueError, "{kind} must be valid Unicode, not 'a\\ud800'"),
    (b"bytes", TypeError, "{kind} must be a str, not b'bytes'"),
    (None, TypeError, "{kind} must be a str, not None"),
    ([], TypeError, "{kind} must be a str, not []"),
]


@pytest.fixture
def taken_over() -> list[tuple[Any, str]]:
    return []


@pytest.fixture
def unique(outbox: Any, taken_over: list[tuple[Any, str]]) -> Unique:
    return Unique(Courier(outbox), lambda actor, name: taken_over.append((actor, name)))


@pytest.fixture
def ann(new_actor: Any) -> Any:
    return new_actor()


@pytest.fixture
def bob(new_actor: Any) -> Any:
    return new_actor()


class TestNames:
    @pytest.mark.parametrize("name", ["a", " ", "x" * 255, "é" * 127, "💬", "a/b:c\n", type("Sub", (str,), {})("sub")])
    def test_any_text_of_1_to_255_bytes_is_a_name(self, name: str) -> None:
        assert check_name("name", name) is name

    @pytest.mark.parametrize(("name", "error", "message"), BAD_NAMES)
    def test_anything_else_is_refused_with_the_argument_and_the_value(
        self, name: Any, error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error) as caught:
            check_name("topic", name)
        assert str(caught.value).startswith(message.format(kind="topic"))

    @pytest.mark.parametrize("name", ["", None])
    @pytest.mark.parametrize("call", ["register", "unregister", "send_message", "whereis"])
    async def test_each_call_checks_its_name(self, unique: Unique, ann: Any, call: str, name: Any) -> None:
        arguments = () if call == "whereis" else (ann,)
        with pytest.raises((TypeError, ValueError), match=r"^name must be"):
            await getattr(unique, call)(name, *arguments)
        with pytest.raises((TypeError, ValueError), match=r"^name must be"):
            getattr(unique, f"{call}_nowait")(name, *arguments)


class TestRegister:
    def test_a_name_belongs_to_who_registered_it(self, unique: Unique, ann: Any) -> None:
        unique.register_nowait("ann", ann)
        unique.register_nowait("admin", ann)
        assert unique.names_of(ann) == {"ann", "admin"}
        assert unique.count() == 2

    def test_again_by_the_same_actor_is_nothing(self, unique: Unique, ann: Any, taken_over: Any) -> None:
        for on_conflict in ("reject", "takeover"):
            unique.register_nowait("ann", ann, on_conflict)
        assert (unique.count(), taken_over) == (1, [])

    def test_a_name_that_another_has_is_taken(self, unique: Unique, ann: Any, bob: Any) -> None:
        unique.register_nowait("x", ann)
        with pytest.raises(NameTaken) as caught:
            unique.register_nowait("x", bob)
        assert caught.value.name == "x"
        assert (unique.names_of(ann), unique.names_of(bob)) == ({"x"}, frozenset())

    def test_a_takeover_moves_the_name_and_reports_who_lost_it(
        self, unique: Unique, ann: Any, bob: Any, taken_over: Any
    ) -> None:
        unique.register_nowait("x", ann)
        unique.register_nowait("x", bob, "takeover")
        assert (unique.names_of(ann), unique.names_of(bob)) == (frozenset(), {"x"})
        assert taken_over == [(ann, "x")]

    def test_the_winner_has_the_name_when_the_loser_is_told(self, outbox: Any, ann: Any, bob: Any) -> None:
        def on_takeover(loser: Any, name: str) -> None:
            ref = unique.whereis_nowait(name)
            seen.append((loser.names, ref.id if ref else None))

        seen: list[Any] = []
        unique = Unique(Courier(outbox), on_takeover)
        unique.register_nowait("x", ann)
        unique.register_nowait("x", bob, "takeover")
        assert seen == [(None, bob.conn.id)]

    def test_a_takeover_of_a_free_name_is_a_register(self, unique: Unique, ann: Any, taken_over: Any) -> None:
        unique.register_nowait("x", ann, "takeover")
        assert (unique.names_of(ann), taken_over) == ({"x"}, [])

    @pytest.mark.parametrize("on_conflict", ["reject", "takeover"])
    @pytest.mark.parametrize("taken", [False, True])
    def test_an_actor_that_has_ended_can_have_no_name(
        self, unique: Unique, ann: Any, bob: Any, on_conflict: Any, taken: bool
    ) -> None:
        if taken:
            unique.register_nowait("x", bob)
        ann.has_ended, ann.conn = True, None  # an actor that is over has let go of its conn
        with pytest.raises(ConnectionEnded, match="has ended"):
            unique.register_nowait("x", ann, on_conflict)
        assert unique.count() == taken

    @pytest.mark.parametrize("on_conflict", ["replace", None, "", []])
    def test_another_conflict_rule_is_refused_even_without_a_conflict(
        self, unique: Unique, ann: Any, on_conflict: Any
    ) -> None:
        with pytest.raises(ValueError, match="on_conflict must be 'reject' or 'takeover', not "):
            unique.register_nowait("x", ann, on_conflict)
        assert unique.count() == 0


class TestUnregister:
    def test_a_name_given_back_is_free(self, unique: Unique, ann: Any, bob: Any) -> None:
        unique.register_nowait("x", ann)
        assert unique.unregister_nowait("x", ann)
        assert not unique.unregister_nowait("x", ann)
        unique.register_nowait("x", bob)

    def test_nobody_can_give_back_what_another_has(self, unique: Unique, ann: Any, bob: Any) -> None:
        unique.register_nowait("x", ann)
        assert not unique.unregister_nowait("x", bob)
        assert not unique.unregister_nowait("x", None)
        assert unique.names_of(ann) == {"x"}

    def test_an_actor_without_names_keeps_no_set(self, unique: Unique, ann: Any) -> None:
        unique.register_nowait("x", ann)
        unique.unregister_nowait("x", ann)
        assert ann.names is None
        assert unique.names_of(ann) == unique.names_of(None) == frozenset()

    def test_an_actor_that_is_forgotten_loses_all_its_names_and_only_its_own(
        self, unique: Unique, ann: Any, bob: Any
    ) -> None:
        for name, actor in (("a", ann), ("b", bob), ("c", ann)):
            unique.register_nowait(name, actor)
        unique.forget(ann)
        unique.forget(ann)
        assert (ann.names, bob.names, unique.count()) == (None, {"b"}, 1)


class TestSend:
    def test_a_message_is_posted_to_the_owner_and_not_delivered(self, unique: Unique, ann: Any, outbox: Any) -> None:
        unique.register_nowait("ann", ann)
        assert unique.send_message_nowait("ann", "hi")
        assert outbox.posts == [(MESSAGE, (ann,), "hi", None)]

    def test_false_when_nobody_has_the_name(self, unique: Unique, ann: Any, outbox: Any) -> None:
        assert not unique.send_message_nowait("ann", "hi")
        unique.register_nowait("ann", ann)
        unique.forget(ann)
        assert not unique.send_message_nowait("ann", "hi")
        assert outbox.posts == []

    def test_false_when_the_owner_has_ended(self, unique: Unique, ann: Any, outbox: Any) -> None:
        unique.register_nowait("ann", ann)
        ann.has_ended = True
        assert not unique.send_message_nowait("ann", "hi")
        assert outbox.posts == []

    def test_after_a_takeover_messages_go_to_the_winner(self, unique: Unique, ann: Any, bob: Any, outbox: Any) -> None:
        unique.register_nowait("x", ann)
        unique.register_nowait("x", bob, "takeover")
        unique.send_message_nowait("x", "hi")
        assert [post[1] for post in outbox.posts] == [(bob,)]


class TestActorRef:
    @pytest.fixture
    def ref(self, unique: Unique, ann: Any) -> ActorRef:
        unique.register_nowait("ann", ann)
        ref = unique.whereis_nowait("ann")
        assert ref is not None
        return ref

    def test_nobody_is_nowhere(self, unique: Unique) -> None:
        assert unique.whereis_nowait("ann") is None

    def test_reaches_its_actor_without_the_name(self, unique: Unique, ann: Any, ref: ActorRef, outbox: Any) -> None:
        unique.unregister_nowait("ann", ann)
        assert ref.send_nowait("hi")
        assert outbox.posts == [(MESSAGE, (ann,), "hi", None)]

    async def test_tells_when_the_actor_has_ended(self, ann: Any, ref: ActorRef, outbox: Any) -> None:
        ann.has_ended = True
        assert not ref.send_nowait("hi")
        assert not await ref.send("hi")
        assert outbox.posts == []

    def test_equals_every_reference_to_the_same_actor_and_no_other(
        self, unique: Unique, ann: Any, bob: Any, ref: ActorRef
    ) -> None:
        unique.register_nowait("also ann", ann)
        unique.register_nowait("bob", bob)
        assert len({ref, unique.whereis_nowait("also ann")}) == 1
        assert ref != unique.whereis_nowait("bob")

    def test_repr_names_the_connection_only(self, ref: ActorRef) -> None:
        assert repr(ref) == "ActorRef(id='here-1')"


CALLS: list[Any] = [
    lambda unique, actor: unique.register("new", actor),
    lambda unique, actor: unique.register("x", actor, "takeover"),
    lambda unique, actor: unique.unregister("ann", actor),
    lambda unique, actor: unique.send_message("ann", "hi"),
    lambda unique, actor: unique.whereis_nowait("ann").send("hi"),
    lambda unique, actor: unique.whereis("ann"),
]


class TestWaitingForms:
    @pytest.mark.parametrize("call", CALLS)
    async def test_each_is_a_checkpoint(self, unique: Unique, ann: Any, call: Any) -> None:
        unique.register_nowait("ann", ann)
        with trio.testing.assert_checkpoints():
            assert await call(unique, ann) is not False

    @pytest.mark.parametrize("call", CALLS)
    async def test_cancelled_on_entry_nothing_has_happened(
        self, unique: Unique, ann: Any, bob: Any, outbox: Any, taken_over: Any, call: Any
    ) -> None:
        unique.register_nowait("ann", ann)
        unique.register_nowait("x", bob)
        with trio.CancelScope() as scope:
            scope.cancel()
            await call(unique, ann)
        assert scope.cancelled_caught
        assert (ann.names, bob.names, outbox.posts, taken_over) == ({"ann"}, {"x"}, [], [])

    async def test_cancelled_once_it_has_acted_the_result_is_kept(self, outbox: Any, ann: Any, bob: Any) -> None:
        scope = trio.CancelScope()
        unique = Unique(Courier(outbox), lambda actor, name: scope.cancel())
        unique.register_nowait("x", ann)
        with scope:
            await unique.register("x", bob, "takeover")
        assert not scope.cancelled_caught
        assert unique.names_of(bob) == {"x"}

    async def test_the_effect_is_there_before_other_tasks_run(self, unique: Unique, ann: Any, outbox: Any) -> None:
        async def other() -> None:
            seen.append((unique.names_of(ann), len(outbox.posts)))

        seen: list[Any] = []
        unique.register_nowait("ann", ann)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            assert await unique.send_message("ann", "hi")
            await trio.testing.wait_all_tasks_blocked()
        assert seen == [({"ann"}, 1)]
