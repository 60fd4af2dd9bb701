"""Connector: whatever a server and an actor do, in whatever order, the rules hold."""

from __future__ import annotations

from typing import Any, get_args

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actorws import Rejected, Shutdown, events
from actorws.client.restart import Restart, is_worth_another_try, restarts_after
from actorws.exceptions import ConnectError
from tests.support.outbound import STEADY, Quiet, World, open_world

CODES = st.sampled_from([1000, 1001, 1011, 1013, 4000, 4500])
STEPS = st.one_of(
    st.tuples(st.just("server"), st.sampled_from(["up", "down", "silent"])),
    st.tuples(st.just("refuse"), st.sampled_from([None, None, 401, 404, 503])),
    st.tuples(st.just("they close"), CODES),
    st.tuples(st.just("we close"), CODES),
    st.tuples(st.just("cut"), st.sampled_from(["by them", "by us"])),
    st.tuples(st.just("crash"), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.5, 3.0, 30.0])),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.5, 3.0, 30.0])),
    st.tuples(st.just("close for good"), CODES),
    st.tuples(st.just("drain"), st.none()),
)
WALKS = st.lists(STEPS, min_size=1, max_size=25)


class Slow(Quiet):
    async def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        await trio.sleep(0.25)
        super().terminate(state, conn, reason)


class History:
    """What was told, when, and whether everything was being ended by then."""

    def __init__(self) -> None:
        self.told: list[tuple[float, Any, bool]] = []
        self.is_ending = False

    def __call__(self, event: Any) -> None:
        if isinstance(event, events.Connected | events.ConnectionLost | events.ConnectFailed):
            self.told.append((trio.current_time(), event, self.is_ending))

    @property
    def reasons(self) -> list[Any]:
        return [event.reason for _, event, _ in self.told if isinstance(event, events.ConnectionLost)]

    def check(self, restart: Restart, tries: list[float]) -> None:
        """All is in order, and each try, and the last word, is as the rules say."""
        is_connected, goes_on, not_before, begun = False, True, 0.0, iter(tries)
        for at, event, is_ending in self.told:
            assert goes_on, "nothing comes after the last word"
            if isinstance(event, events.ConnectionLost):
                assert is_connected, "each is lost once"
                wants = restarts_after(event.reason, restart)
                is_connected = False
            else:
                assert not is_connected, "one at a time"
                assert next(begun) >= not_before - 1e-6, "no try is earlier than it was said to be"
                if isinstance(event, events.Connected):
                    is_connected = True
                    continue
                wants = is_worth_another_try(event.error, restart, was_connected=True)
            goes_on = event.retry_in is not None
            assert goes_on == (wants and not is_ending)
            if goes_on:
                assert 1 <= event.retry_in <= 8
                not_before = at + event.retry_in
        assert not is_connected


async def step(world: World, connector: Any, what: str, how: Any) -> None:
    match what:
        case "server":
            world.is_up = how
        case "refuse":
            world.refuse(how)
        case "they close":
            world.theirs.close(how)
        case "we close":
            world.ours.close(how)
        case "cut":
            (world.theirs if how == "by them" else world.ours).abort()
        case "crash":
            world.theirs.send("crash")
        case "wait":
            await trio.sleep(how)
        case "close for good":
            connector.close(how)
        case "drain":
            await world.runtime.supervisor.drain(5)


async def walk(steps: list[tuple[str, Any]], restart: Restart, behaviour: Quiet) -> None:
    async with open_world() as world:
        world.behaviour = behaviour
        history = world.tell = History()
        connector = await world.connect(restart=restart, backoff=STEADY, handshake_timeout=2)
        for what, how in [*steps, ("close for good", 1000)]:
            history.is_ending |= what in ("close for good", "drain")
            await step(world, connector, what, how)
            assert world.runtime.supervisor.statistics().outbound <= 1
            assert connector.conn is None or not connector.is_over
        await check_end(connector, world)
        history.check(restart, world.tries)
        assert len(behaviour.conns) == len(behaviour.reasons) == connector.connections
        assert history.reasons == behaviour.reasons
        await trio.sleep(5)
        for stream in world.streams:
            await trio.aclose_forcefully(stream)  # the other ends of those that were silent
        world.assert_nothing_is_left()


async def check_end(connector: Any, world: World) -> None:
    try:
        reason = await connector.wait_ended()
    except ConnectError as error:
        assert error is connector.error and isinstance(error, Rejected) and error.status == 401
    else:
        assert reason == connector.reason == world.behaviour.reasons[-1]
        assert not isinstance(reason, Shutdown) or world.runtime.supervisor.draining
    assert connector.is_over and connector.conn is None


@given(WALKS, st.sampled_from(get_args(Restart)), st.sampled_from([Quiet, Slow]))
def test_the_rules_hold_on_any_walk(steps, restart, behaviour):
    trio.run(walk, steps, restart, behaviour(), clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_walk_past_everything():
    steps = [
        *[("they close", 1001), ("wait", 3.0), ("crash", None), ("wait", 3.0), ("cut", "by us"), ("server", "down")],
        *[("wait", 30.0), ("refuse", 503), ("server", "up"), ("wait", 30.0), ("refuse", None), ("wait", 30.0)],
        *[
            ("they close", 1000),
            ("wait", 3.0),
            ("they close", 4500),
            ("server", "silent"),
            ("wait", 30.0),
            ("drain", None),
        ],
    ]
    for behaviour in (Quiet, Slow):
        trio.run(walk, steps, "permanent", behaviour(), clock=trio.testing.MockClock(autojump_threshold=0))
