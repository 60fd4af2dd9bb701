"""The wheel: never early, never later than the grain, nothing kept after a cancel."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from fractions import Fraction
from math import ceil, inf, nan, nextafter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actorws.actor.timers import Expirable, Timer, Wheel, cancel_timers, grain

ANY_WAIT = st.one_of(st.floats(0, 2), st.floats(0, 1e6), st.sampled_from([0.0, 1 / 1024, 1.0, 2.0, 60.0]))


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Item(Expirable):
    """Notes that it expired, and does what a test wants done then."""

    __slots__ = ("__weakref__", "fired", "name", "then")

    def __init__(self, fired: list[Any], name: Any, then: Callable[[], object] = lambda: None) -> None:
        self.fired = fired
        self.name = name
        self.then = then

    def expire(self, now: float) -> None:
        self.fired.append(self.name)
        self.then()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wheel(clock: Clock) -> Wheel:
    return Wheel(clock)


@pytest.fixture
def fired() -> list[Any]:
    return []


class TestLateness:
    @given(start=st.floats(0, 1e7), seconds=ANY_WAIT)
    def test_an_item_is_due_at_its_deadline_or_less_than_a_grain_after_it(self, start: float, seconds: float) -> None:
        wheel = Wheel(Clock(start))
        wheel.schedule(Item([], "a"), seconds)
        lateness = Fraction(wheel.next_deadline()) - Fraction(start + seconds)
        assert 0 <= lateness < grain(seconds)

    @given(start=st.floats(0, 1e7), seconds=ANY_WAIT)
    def test_it_fires_at_next_deadline_and_not_one_instant_before(self, start: float, seconds: float) -> None:
        wheel = Wheel(Clock(start))
        wheel.schedule(Item([], "a"), seconds)
        deadline = wheel.next_deadline()
        assert wheel.advance(nextafter(deadline, -inf)) == 0
        assert wheel.advance(deadline) == 1

    @given(st.floats(0, 1, exclude_max=True))
    def test_the_grain_is_at_most_a_millisecond_under_a_second(self, seconds: float) -> None:
        assert grain(seconds) == 1 / 1024

    @given(st.floats(1, 1e9))
    def test_the_grain_is_between_a_64th_and_a_32nd_of_longer_waits(self, seconds: float) -> None:
        assert seconds / 64 < grain(seconds) <= seconds / 32

    @pytest.mark.parametrize("start", [0.0, 100.0, 1e6])
    def test_whole_seconds_on_a_clock_of_whole_seconds_are_exact(self, start: float) -> None:
        wheel = Wheel(Clock(start))
        wheel.schedule(Item([], "a"), 5.0)
        assert wheel.next_deadline() == start + 5.0

    def test_a_wait_longer_than_any_program_runs_is_kept(self, wheel: Wheel) -> None:
        wheel.schedule(Item([], "a"), 1.7e308)
        assert wheel.advance(1e300) == 0
        assert len(wheel) == 1


class TestSchedule:
    def test_nothing_scheduled_is_no_deadline(self, wheel: Wheel) -> None:
        assert wheel.next_deadline() == inf
        assert wheel.advance(1e9) == 0
        assert len(wheel) == 0

    def test_an_empty_wheel_is_true_so_that_it_is_not_taken_for_none(self, wheel: Wheel) -> None:
        assert wheel
        assert len(wheel) == 0

    def test_items_fire_in_the_order_of_their_deadlines(self, wheel: Wheel, fired: list[Any]) -> None:
        for seconds in (0.3, 0.1, 7.0, 0.2):
            wheel.schedule(Item(fired, seconds), seconds)
        assert wheel.advance(200.0) == 4
        assert fired == [0.1, 0.2, 0.3, 7.0]

    def test_items_of_one_slot_fire_in_the_order_of_scheduling(self, wheel: Wheel, fired: list[Any]) -> None:
        for name in "cab":
            wheel.schedule(Item(fired, name), 60.0)
        assert wheel.statistics().slots == 1
        wheel.advance(160.0)
        assert fired == ["c", "a", "b"]

    def test_scheduling_again_moves_the_deadline_either_way(self, wheel: Wheel, clock: Clock, fired: list[Any]) -> None:
        later, sooner = Item(fired, "later"), Item(fired, "sooner")
        wheel.schedule(later, 1.0)
        wheel.schedule(sooner, 3.0)
        wheel.schedule(later, 3.0)
        wheel.schedule(sooner, 1.0)
        assert len(wheel) == 2
        wheel.advance(101.5)
        assert fired == ["sooner"]
        wheel.advance(104.0)
        assert fired == ["sooner", "later"]

    def test_scheduling_again_for_the_same_slot_goes_to_its_end(self, wheel: Wheel, fired: list[Any]) -> None:
        first, second = Item(fired, 1), Item(fired, 2)
        for item in (first, second, first):
            wheel.schedule(item, 5.0)
        wheel.advance(105.0)
        assert fired == [2, 1]

    @pytest.mark.parametrize("seconds", [0, 0.0, -1.0, -inf])
    def test_zero_or_less_is_due_at_once(self, wheel: Wheel, seconds: float, fired: list[Any]) -> None:
        wheel.schedule(Item(fired, "a"), seconds)
        assert wheel.advance(100.0) == 1

    def test_a_clock_at_zero_is_a_clock_like_any_other(self, fired: list[Any]) -> None:
        wheel = Wheel(Clock(0.0))
        item = Item(fired, "a")
        wheel.schedule(item, 0)
        assert wheel.cancel(item)
        wheel.schedule(item, 0)
        assert wheel.advance(0.0) == 1

    @pytest.mark.parametrize("seconds", [inf, nan])
    def test_no_finite_deadline_is_refused_and_the_former_one_stays(
        self, wheel: Wheel, seconds: float, fired: list[Any]
    ) -> None:
        item = Item(fired, "a")
        wheel.schedule(item, 1.0)
        with pytest.raises(ValueError, match=f"seconds must be finite, not {seconds}"):
            wheel.schedule(item, seconds)
        assert wheel.advance(101.0) == 1

    def test_an_item_that_fired_can_be_scheduled_again(self, wheel: Wheel, clock: Clock, fired: list[Any]) -> None:
        item = Item(fired, "a")
        for clock.now in (100.0, 200.0):
            wheel.schedule(item, 1.0)
            wheel.advance(clock.now + 1.0)
        assert fired == ["a", "a"]


class TestCancel:
    def test_a_cancelled_item_does_not_fire(self, wheel: Wheel, fired: list[Any]) -> None:
        item = Item(fired, "a")
        wheel.schedule(item, 1.0)
        assert wheel.cancel(item)
        assert len(wheel) == 0
        assert wheel.advance(200.0) == 0

    def test_only_a_scheduled_item_can_be_cancelled(self, wheel: Wheel, fired: list[Any]) -> None:
        item = Item(fired, "a")
        assert not wheel.cancel(item)
        wheel.schedule(item, 1.0)
        wheel.cancel(item)
        assert not wheel.cancel(item)
        wheel.schedule(item, 1.0)
        wheel.advance(101.0)
        assert not wheel.cancel(item)

    @pytest.mark.parametrize("over", [lambda wheel, item: wheel.cancel(item), lambda wheel, _: wheel.advance(200.0)])
    def test_an_item_that_is_over_is_referenced_by_nothing(
        self, wheel: Wheel, over: Callable[[Wheel, Item], object]
    ) -> None:
        item = Item([], "a")
        wheel.schedule(Item([], "another"), 60.0)
        wheel.schedule(item, 60.0)
        over(wheel, item)
        gone = weakref.ref(item)
        gc.disable()  # freed by its last reference, not by the collector
        try:
            del item
            assert gone() is None
        finally:
            gc.enable()

    def test_next_deadline_skips_what_was_cancelled(self, wheel: Wheel) -> None:
        early = Item([], "early")
        wheel.schedule(early, 1.0)
        wheel.schedule(Item([], "late"), 5.0)
        wheel.cancel(early)
        assert wheel.next_deadline() == 105.0

    def test_churn_leaves_no_more_slots_than_there_are_instants_ahead(self, wheel: Wheel, clock: Clock) -> None:
        idle = Item([], "idle")
        for n in range(20_000):
            clock.now += 0.001
            for item, seconds in ((idle, 60.0), (Item([], n), n % 1000 / 1000), (Item([], n), 10.0)):
                wheel.schedule(item, seconds)
                wheel.cancel(item)
            wheel.schedule(idle, 60.0)
            wheel.next_deadline()
            # An emptied slot is pruned when it comes to the front, and idle (slots of 1 s) is the front at the latest.
            assert wheel.statistics().slots <= 1024 + 2 * 64 + 64
        assert wheel.statistics().scheduled == 1


class TestAdvance:
    def test_an_item_may_schedule_itself_again(self, wheel: Wheel, clock: Clock, fired: list[Any]) -> None:
        item = Item(fired, "a", then=lambda: wheel.schedule(item, 1.0))
        wheel.schedule(item, 1.0)
        for clock.now in (101.0, 102.0, 103.0):
            assert wheel.advance(clock.now) == 1
        assert len(wheel) == 1

    @pytest.mark.parametrize("seconds", [0.0, -5.0])
    def test_what_is_due_when_scheduled_by_an_expiring_item_waits_for_the_next_advance(
        self, wheel: Wheel, fired: list[Any], seconds: float
    ) -> None:
        item = Item(fired, "a", then=lambda: wheel.schedule(item, seconds))
        wheel.schedule(item, 0.0)
        assert wheel.advance(300.0) == 1
        assert wheel.next_deadline() <= 300.0
        assert wheel.advance(300.0) == 1

    @pytest.mark.parametrize("seconds", [1.0, 2.0])
    def test_what_an_expiring_item_cancels_does_not_fire(self, wheel: Wheel, fired: list[Any], seconds: float) -> None:
        victim = Item(fired, "victim")
        cancelled: list[bool] = []
        wheel.schedule(Item(fired, "a", then=lambda: cancelled.append(wheel.cancel(victim))), 1.0)
        wheel.schedule(victim, seconds)
        assert wheel.advance(200.0) == 1
        assert (fired, cancelled, len(wheel)) == (["a"], [True], 0)

    def test_what_an_expiring_item_postpones_fires_at_its_new_deadline(
        self, wheel: Wheel, clock: Clock, fired: list[Any]
    ) -> None:
        victim = Item(fired, "victim")
        wheel.schedule(Item(fired, "a", then=lambda: wheel.schedule(victim, 60.0)), 1.0)
        wheel.schedule(victim, 1.0)
        clock.now = 101.0
        assert wheel.advance(101.0) == 1
        assert wheel.next_deadline() == 161.0

    def test_one_that_fails_does_not_stop_the_others(self, wheel: Wheel, fired: list[Any]) -> None:
        def fail() -> None:
            raise LookupError("gone")

        wheel.schedule(Item(fired, 1, then=fail), 1.0)
        wheel.schedule(Item(fired, 2), 1.0)
        wheel.schedule(Item(fired, 3, then=fail), 2.0)
        wheel.schedule(Item(fired, 4), 2.0)
        with pytest.raises(ExceptionGroup, match="2 of 4 expired items failed") as caught:
            wheel.advance(200.0)
        assert [type(error) for error in caught.value.exceptions] == [LookupError, LookupError]
        assert caught.value.exceptions[0].__notes__ == ["raised by the expire() of a Item"]
        assert (fired, len(wheel)) == ([1, 2, 3, 4], 0)

    def test_without_time_it_expires_a_few_and_the_rest_stays_due_in_order(
        self, wheel: Wheel, fired: list[Any]
    ) -> None:
        for n in range(100):
            wheel.schedule(Item(fired, n), 1.0 if n < 50 else 2.0)
        assert wheel.advance(200.0, 0.0) == 32
        assert (fired, len(wheel)) == (list(range(32)), 68)
        assert wheel.next_deadline() == 101.0
        assert wheel.advance(200.0, 0.0) == 32
        assert wheel.advance(200.0) == 36
        assert (fired, len(wheel), wheel.next_deadline()) == (list(range(100)), 0, inf)

    def test_what_stays_due_comes_before_what_was_scheduled_for_the_same_instant(
        self, wheel: Wheel, fired: list[Any]
    ) -> None:
        """Both slots have the instant 100.0, and 200.0 the one behind them."""
        late = Item(fired, "late")
        wheel.schedule(Item(fired, 0, then=lambda: wheel.schedule(late, 0.0)), 0.0)
        for n in range(1, 40):
            wheel.schedule(Item(fired, n), 0.0)
        wheel.schedule(Item(fired, "other slot"), 4.0)
        assert wheel.advance(200.0, 0.0) == 32
        assert wheel.advance(200.0) == 10
        assert fired == [*range(40), "late", "other slot"]

    def test_what_stays_due_can_be_cancelled_and_postponed(self, wheel: Wheel, fired: list[Any]) -> None:
        items = [Item(fired, n) for n in range(40)]
        for item in items:
            wheel.schedule(item, 1.0)
        wheel.advance(101.0, 0.0)
        assert wheel.cancel(items[33])
        wheel.schedule(items[34], 60.0)
        assert wheel.advance(101.0) == 6
        assert fired == [*range(33), *range(35, 40)]
        assert (len(wheel), wheel.next_deadline()) == (1, 160.0)

    def test_without_time_one_that_fails_does_not_lose_the_rest(self, wheel: Wheel, fired: list[Any]) -> None:
        def fail() -> None:
            raise LookupError("gone")

        for n in range(40):
            wheel.schedule(Item(fired, n, then=fail), 1.0)
        with pytest.raises(ExceptionGroup, match="32 of 32 expired items failed"):
            wheel.advance(200.0, 0.0)
        assert len(wheel) == 8

    def test_an_interrupt_passes_after_the_others_have_fired(self, wheel: Wheel, fired: list[Any]) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        wheel.schedule(Item(fired, 1, then=interrupt), 1.0)
        wheel.schedule(Item(fired, 2), 1.0)
        with pytest.raises(BaseExceptionGroup) as caught:
            wheel.advance(200.0)
        assert not isinstance(caught.value, ExceptionGroup)
        assert fired == [1, 2]

    def test_an_item_that_cannot_expire_says_so(self, wheel: Wheel) -> None:
        wheel.schedule(Expirable(), 0.0)
        with pytest.raises(ExceptionGroup) as caught:
            wheel.advance(200.0)
        assert str(caught.value.exceptions[0]) == "Expirable has no expire()"


class TestOnEarlier:
    @pytest.fixture
    def woken(self, wheel: Wheel) -> list[float]:
        woken: list[float] = []
        wheel.on_earlier = lambda: woken.append(wheel.next_deadline())
        return woken

    def test_called_for_the_first_deadline_and_each_earlier_one(self, wheel: Wheel, woken: list[float]) -> None:
        for seconds in (4.0, 8.0, 4.0, 2.0, 3.0):
            wheel.schedule(Item([], seconds), seconds)
        assert woken == [104.0, 102.0]

    def test_called_when_the_first_was_cancelled_and_its_slot_pruned(self, wheel: Wheel, woken: list[float]) -> None:
        item = Item([], "a")
        wheel.schedule(item, 2.0)
        wheel.cancel(item)
        assert wheel.next_deadline() == inf
        wheel.schedule(item, 2.0)
        assert woken == [102.0, 102.0]

    def test_not_called_while_the_sleeper_wakes_earlier_anyway(self, wheel: Wheel, woken: list[float]) -> None:
        item = Item([], "a")
        wheel.schedule(item, 2.0)
        wheel.cancel(item)
        wheel.schedule(item, 4.0)
        assert woken == [102.0]


class FakeActor:
    def __init__(self) -> None:
        self.timers: set[Timer] | None = None
        self.inbox: list[Any] = []

    def timer_fired(self, timer: Timer) -> None:
        self.inbox.append(timer.message)


class TestTimer:
    @pytest.fixture
    def actor(self) -> FakeActor:
        return FakeActor()

    def test_hands_its_message_over_once_and_is_over(self, wheel: Wheel, actor: FakeActor) -> None:
        timer = Timer(wheel, actor, 1.0, "tick")
        assert timer.active
        assert actor.timers == {timer}
        wheel.advance(101.0)
        wheel.advance(102.0)
        assert (actor.inbox, timer.active, actor.timers) == (["tick"], False, None)
        assert not timer.cancel()

    def test_a_cancel_takes_the_message_back_once(self, wheel: Wheel, actor: FakeActor) -> None:
        timer, other = Timer(wheel, actor, 1.0, "tick"), Timer(wheel, actor, 1.0, "tock")
        assert timer.cancel()
        assert not timer.cancel()
        assert not timer.active
        assert actor.timers == {other}
        wheel.advance(200.0)
        assert actor.inbox == ["tock"]

    def test_all_timers_of_an_actor_are_cancelled_at_its_end(self, wheel: Wheel, actor: FakeActor) -> None:
        for n in range(3):
            Timer(wheel, actor, n, n)
        cancel_timers(actor)
        cancel_timers(actor)
        assert (actor.timers, len(wheel)) == (None, 0)

    def test_has_left_the_actor_before_the_message_arrives(self, wheel: Wheel, actor: FakeActor) -> None:
        seen: list[object] = []
        actor.timer_fired = lambda timer: seen.append(actor.timers)  # type: ignore[method-assign]
        Timer(wheel, actor, 0, "tick")
        wheel.advance(200.0)
        assert seen == [None]

    def test_zero_seconds_is_due_at_the_next_advance_and_not_before(self, wheel: Wheel, actor: FakeActor) -> None:
        Timer(wheel, actor, 0, "tick")
        assert actor.inbox == []
        assert wheel.advance(100.0) == 1

    @pytest.mark.parametrize("seconds", [-1, -0.001, inf, -inf, nan, 10**400, "1", None, True, 1j])
    def test_seconds_must_be_a_finite_number_of_at_least_zero(
        self, wheel: Wheel, actor: FakeActor, seconds: Any
    ) -> None:
        with pytest.raises(ValueError) as caught:
            Timer(wheel, actor, seconds, "tick")
        assert str(caught.value) == f"seconds must be a finite number of at least 0, not {seconds!r}"
        assert (actor.timers, len(wheel)) == (None, 0)

    def test_repr_says_what_it_carries_and_whether_it_waits(self, wheel: Wheel, actor: FakeActor) -> None:
        timer = Timer(wheel, actor, 1.0, "tick")
        assert repr(timer) == "<Timer 'tick' active>"
        timer.cancel()
        assert repr(timer) == "<Timer 'tick' over>"


class WheelAgainstSortedList(RuleBasedStateMachine):
    """Any sequence of schedules, cancels and advances gives what sorting a list of rational numbers gives."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock(3.3)
        self.wheel = Wheel(self.clock)
        self.fired: list[int] = []
        self.items = [Item(self.fired, n) for n in range(6)]
        self.model: dict[int, tuple[Fraction, int]] = {}
        self.turn = 0

    def plan(self, n: int, seconds: float) -> None:
        self.turn += 1
        size = Fraction(grain(seconds))
        self.model[n] = (ceil(Fraction(self.clock.now + seconds) / size) * size, self.turn)

    @rule(n=st.integers(0, 5), seconds=ANY_WAIT)
    def schedule(self, n: int, seconds: float) -> None:
        self.wheel.schedule(self.items[n], seconds)
        self.plan(n, seconds)

    @rule(n=st.integers(0, 5))
    def cancel(self, n: int) -> None:
        assert self.wheel.cancel(self.items[n]) == (self.model.pop(n, None) is not None)

    @rule(n=st.integers(0, 5), other=st.integers(0, 5), seconds=ANY_WAIT)
    def let_one_schedule_another(self, n: int, other: int, seconds: float) -> None:
        def then() -> None:
            self.items[n].then = lambda: None
            self.wheel.schedule(self.items[other], seconds)
            self.plan(other, seconds)
            self.rescheduled.append(other)

        self.items[n].then = then

    @rule(step=st.floats(0, 100))
    def advance(self, step: float) -> None:
        self.clock.now += step
        now = self.clock.now
        due = sorted((plan, n) for n, plan in self.model.items() if plan[0] <= now)
        self.rescheduled: list[int] = []
        del self.fired[:]
        count = self.wheel.advance(now)
        assert count == len(self.fired)
        # One that another rescheduled in time has not fired; all others have, in order.
        moved = {n for n in self.rescheduled if n not in self.fired}
        assert self.fired == [n for _, n in due if n not in moved]
        for n in self.fired:
            if n not in self.rescheduled:
                del self.model[n]

    @invariant()
    def agree(self) -> None:
        assert len(self.wheel) == self.wheel.statistics().scheduled == len(self.model)
        assert self.wheel.next_deadline() == min((plan[0] for plan in self.model.values()), default=inf)


TestWheelAgainstSortedList = WheelAgainstSortedList.TestCase
