"""The outbox against a plain list: numbered by counting, kept until it is acknowledged, within its bounds."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actorws.sessions.outbox import Outbox

MAX_MESSAGES, MAX_BYTES = 4, 30
SIZES = st.integers(0, 12) | st.just(40)
COUNTS = st.integers(0, 12)


class OutboxAgainstAList(RuleBasedStateMachine):
    """Messages are named `1`, `2`, ...; the size of each is told, as the session does."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(MAX_MESSAGES, MAX_BYTES)
        #: All that have a number, and what waits.
        self.numbered: list[tuple[str, int]] = []
        self.waiting: list[tuple[str, int]] = []
        self.handed = self.acknowledged = self.forgotten = self.names = 0

    def message(self, size: int) -> tuple[str, int]:
        self.names += 1
        return str(self.names), size

    def number(self, message: tuple[str, int]) -> None:
        self.numbered.append(message)
        self.handed += 1
        kept = self.numbered[self.forgotten :]
        while len(kept) > MAX_MESSAGES or sum(size for _, size in kept) > MAX_BYTES:
            kept.pop(0)
            self.forgotten += 1

    @rule(size=SIZES)
    def record(self, size: int) -> None:
        if self.outbox.is_level:
            message = self.message(size)
            self.outbox.record(message)
            self.number(message)

    @rule(size=SIZES, bounds=st.sampled_from([(3, 20), (100, 30), (1, 100)]))
    def wait(self, size: int, bounds: tuple[int, int]) -> None:
        message = self.message(size)
        fits = len(self.waiting) < bounds[0] and sum(size for _, size in self.waiting) + size <= bounds[1]
        assert bool(self.outbox.wait(message, None, bounds, "drop_new")) == fits
        if fits:
            self.waiting.append(message)

    @rule(bounds=st.sampled_from([(2, 20), (100, 10)]))
    def confine(self, bounds: tuple[int, int]) -> None:
        self.outbox.confine(bounds)
        while len(self.waiting) > bounds[0] or sum(size for _, size in self.waiting) > bounds[1]:
            self.waiting.pop(0)
        assert self.outbox.waits_within(bounds)

    @rule()
    def take(self) -> None:
        expected = None
        if self.handed < len(self.numbered):
            expected = self.numbered[self.handed][0]
            self.handed += 1
        elif self.waiting:
            message = self.waiting.pop(0)
            self.number(message)
            expected = message[0]
        assert self.outbox.take() == expected

    @rule(received=COUNTS)
    def acknowledge(self, received: int) -> None:
        can_be = self.acknowledged <= received <= self.handed
        assert self.outbox.acknowledge(received) == can_be
        if can_be:
            self.acknowledged = received
            self.forgotten = max(self.forgotten, received)

    @rule(received=COUNTS)
    def rewind(self, received: int) -> None:
        can_be = max(self.acknowledged, self.forgotten) <= received <= len(self.numbered)
        assert self.outbox.rewind(received) == can_be
        if can_be:
            self.acknowledged = self.handed = self.forgotten = received

    @invariant()
    def they_agree(self) -> None:
        outbox, kept = self.outbox, self.numbered[self.forgotten :]
        assert (outbox.count, outbox.handed) == (len(self.numbered), self.handed)
        assert (outbox.acknowledged, outbox.forgotten) == (self.acknowledged, self.forgotten)
        assert outbox.waiting_bytes == sum(size for _, size in self.waiting)
        assert outbox.bytes - outbox.waiting_bytes == sum(size for _, size in kept) <= MAX_BYTES
        assert len(kept) <= MAX_MESSAGES
        assert outbox.is_level == (self.handed == len(self.numbered) and not self.waiting)


TestOutboxAgainstAList = OutboxAgainstAList.TestCase


def test_a_message_that_is_larger_than_all_that_is_kept_is_sent_and_not_kept() -> None:
    outbox = Outbox(10, 100)
    outbox.record(("small", 5))
    outbox.record(("large", 101))
    assert (outbox.count, outbox.handed, outbox.forgotten, outbox.bytes) == (2, 2, 2, 0)
    assert not outbox.rewind(1)
    assert outbox.rewind(2)


def test_an_outbox_that_has_nothing_holds_nothing() -> None:
    """An idle session is cheap: what messages needed is gone with them."""
    outbox = Outbox(10, 100)
    outbox.wait(("a", 1), "a", (10, 100), "drop_new")
    assert outbox.take() == "a"
    assert outbox.acknowledge(1)
    assert (outbox._sent, outbox._waiting) == (None, None)
