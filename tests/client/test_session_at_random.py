"""Whatever wires break, and wherever: both sides get everything, in order, and once."""

from __future__ import annotations

from typing import Any

import trio
import trio.testing
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.outbound_sessions import Life, open_outbound

ROOM = {"session_buffer_messages": 100_000, "session_buffer_bytes": 1 << 26, "session_resume_timeout": 1e6}

messages = st.one_of(
    st.text(max_size=20),
    st.text(max_size=5).map("\0".__add__),
    st.binary(max_size=300),
    st.integers(1, 70_000).map("x".__mul__),
)
#: Who says it, what, how often (numbered), and how long it is quiet then.
steps = st.tuples(st.sampled_from(["ours", "theirs"]), messages, st.integers(1, 80), st.sampled_from([0, 0.2, 1.1, 3]))
#: Bytes up and down: of a handshake (about 200), of first words and greetings, or of messages.
places = st.one_of(st.integers(1, 700), st.integers(1, 200_000))


def numbered(message: str | bytes, number: int) -> str | bytes:
    return message + (str(number) if isinstance(message, str) else b"%d" % number)  # type: ignore[operator]


@given(
    st.lists(steps, max_size=12),
    st.lists(st.tuples(places, places), max_size=10),
    st.booleans(),
)
@example([("theirs", "x" * 16_000, 80, 0), ("ours", "x" * 20_000, 12, 1.1), ("ours", "a", 50, 0)], [(400, 600)], False)
def test_nothing_is_lost_and_nothing_comes_twice(
    plan: list[Any], cuts: list[tuple[int, int]], compression: bool
) -> None:
    async def main() -> None:
        options = {**ROOM, "compression": compression}
        async with open_outbound(**options) as world:
            world.cuts = list(cuts)
            await world.connect(**options)
            for side, message, count, quiet in plan:
                life: Life = getattr(world, side).now
                life.say(*(numbered(message, number) for number in range(count)))
                await trio.sleep(quiet)
            # Wires that are to be cut and have had nothing to say.
            world.cuts.clear()
            world.cut()
            world.ours.now.say("last")
            world.theirs.now.say("last")
            await world.until(lambda: world.ours.now.heard[-1:] == world.theirs.now.heard[-1:] == ["last"])
            world.assert_complete()
            await trio.sleep(1.5)
            for life in (world.ours.now, world.theirs.now):
                assert life.conn._actor.transport.outbox.bytes == 0, "all is acknowledged"  # type: ignore[union-attr]
            assert len(world.ours.lives) == 1

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
