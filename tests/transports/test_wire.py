"""The output side that drivers share: what leaves at once, what waits, and what finds no room."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from actorws import Coalesce, SendStatus
from actorws.config import Backpressure
from actorws.transports.wire import CHUNK_COST, CORK, MAILBOX, OUTPUT, Wire


class FakeWire(Wire):
    """A kernel takes ``takes`` bytes, then nothing until told to."""

    def __init__(self, takes=1 << 30, **options):
        scheduler = SimpleNamespace(dirty=[], ticking=True)
        runtime = SimpleNamespace(scheduler=scheduler, wire_opened=lambda: None)
        super().__init__(runtime, Backpressure(**options), 0.0)
        self.drains = []
        self.marks = []
        self.receiver = SimpleNamespace(drained=lambda: self.drains.append(1), passed_mark=self.marks.append)
        self.taken = b""
        self.takes = takes
        self.updates = 0

    def flush(self):
        pending, self.pending, self.corked = self.pending or [], None, 0
        if self.queue is not None:
            self.put_all(pending)
            return
        data = b"".join(pending)
        self.taken += data[: self.takes]
        rest = data[self.takes :]
        self.takes -= len(data) - len(rest)
        if rest:
            self.block(memoryview(rest))

    def take_everything(self):
        self.taken += bytes(self.rest)
        while (batch := self.next_batch()) is not None:
            self.taken += bytes(batch)
        self.unblock()

    def update(self):
        self.updates += 1


def offer(wire, chunk):
    return wire.offer((chunk,), chunk)[0]


def test_output_of_a_tick_is_gathered():
    wire = FakeWire()
    assert [offer(wire, b"a"), offer(wire, b"b")] == [SendStatus.SENT, SendStatus.SENT]
    assert wire.runtime.scheduler.dirty == [wire]
    assert (wire.taken, wire.buffered) == (b"", 2)
    wire.flush()
    assert (wire.taken, wire.buffered) == (b"ab", 0)


def test_corking_saves_calls_and_not_memory():
    wire = FakeWire()
    wire.cork(b"x" * (CORK + 1))
    assert len(wire.taken) == CORK + 1


def test_what_the_kernel_does_not_take_waits_in_order():
    wire = FakeWire(takes=3)
    offer(wire, b"abcdef")
    wire.flush()
    assert offer(wire, b"ghi") is SendStatus.BACKPRESSURED
    wire.write(b"control")
    assert (wire.buffered, wire.open, wire.stressed) == (13, False, True)
    wire.take_everything()
    assert wire.taken == b"abcdefghicontrol"
    assert (wire.buffered, wire.drains) == (0, [1])


def test_the_limit_counts_everything_that_waits():
    wire = FakeWire(takes=0, backpressure_limit=10)
    offer(wire, b"x" * 6)
    wire.flush()
    assert offer(wire, b"y" * 5) is SendStatus.DROPPED
    assert offer(wire, b"z" * 4) is SendStatus.BACKPRESSURED
    assert wire.buffered == 10
    wire.take_everything()
    assert wire.taken == b"xxxxxxzzzz"


def test_tiny_frames_are_bounded_in_number_too():
    """Each costs forty times its size, if it has to wait."""
    wire = FakeWire(takes=0, backpressure_limit=CHUNK_COST * 2000)
    offer(wire, b"begun")
    wire.flush()
    statuses = [offer(wire, b"x") for _ in range(2001)]
    assert statuses == [SendStatus.BACKPRESSURED] * 2000 + [SendStatus.DROPPED]


@pytest.mark.parametrize(
    "policy, expected", [("drop_new", b"0a1"), ("drop_old", b"0b1"), (Coalesce(lambda chunk: chunk[1]), b"0b1")]
)
def test_each_policy(policy, expected):
    """The chunk that was begun is never touched: whole frames or a dead wire."""
    wire = FakeWire(takes=0, backpressure_limit=4, output_policy=policy)
    offer(wire, b"0")
    wire.flush()
    offer(wire, b"a1")
    offer(wire, b"b1")
    wire.take_everything()
    assert wire.taken == expected


def test_close_is_asked_for_by_either_option():
    for options in ({"output_policy": "close"}, {"close_on_backpressure_limit": True}):
        wire = FakeWire(takes=0, backpressure_limit=4, **options)
        assert wire.offer((b"12345",), None) == (SendStatus.DROPPED, "close")


def test_above_the_high_water_mark_the_peer_is_not_read():
    wire = FakeWire(takes=0, high_water_mark=5)
    offer(wire, b"12345")
    wire.flush()
    assert not wire.paused
    offer(wire, b"6")
    assert wire.paused == OUTPUT
    wire.take_everything()
    assert not wire.paused


def test_the_receiver_is_told_once_each_time_that_the_mark_is_passed():
    wire = FakeWire(takes=0, high_water_mark=5)
    for total in (12, 24):
        offer(wire, b"123456")
        wire.flush()
        offer(wire, b"123456")
        assert wire.buffered == 12
        wire.take_everything()
        assert len(wire.taken) == total
    assert wire.marks == [6, 6]


def test_a_mark_above_the_limit_does_not_lift_it():
    """Where output waits for a write in progress, what is below the mark is no backpressure: but it is bounded."""

    class Buffering(FakeWire):
        buffers_itself = True

    wire = Buffering(takes=0, backpressure_limit=10, high_water_mark=1000)
    offer(wire, b"x" * 6)
    wire.flush()
    assert offer(wire, b"y" * 4) is SendStatus.SENT
    assert offer(wire, b"z") is SendStatus.DROPPED


def test_what_must_not_be_lost_counts_for_the_mark_too():
    """Pongs, for a client that takes none of them."""
    wire = FakeWire(takes=0, high_water_mark=5)
    offer(wire, b"1")
    wire.flush()
    wire.write(b"2345")
    assert not wire.paused
    wire.write(b"6")
    assert wire.paused == OUTPUT
    wire.take_everything()
    assert (wire.taken, wire.paused) == (b"123456", 0)


def test_a_pause_ends_when_its_last_reason_does():
    wire = FakeWire()
    wire.pause(MAILBOX)
    wire.pause(OUTPUT)
    wire.resume(MAILBOX)
    assert wire.paused == OUTPUT
    wire.resume(OUTPUT)
    assert not wire.paused


def test_a_send_that_finds_the_kernel_full_in_the_same_call_owes_a_drain():
    """It is told BACKPRESSURED, so its sender waits for the drain."""
    wire = FakeWire(takes=CORK, high_water_mark=1 << 20)
    assert offer(wire, b"x" * (CORK + 1)) is SendStatus.BACKPRESSURED
    assert wire.stressed


def test_a_frame_that_could_never_fit_owes_no_drain():
    """Nothing waits, so there would be no relief to tell of."""
    wire = FakeWire(backpressure_limit=10)
    assert offer(wire, b"x" * 11) is SendStatus.DROPPED
    assert not wire.stressed


def test_what_an_actor_puts_into_its_outlet_keeps_its_place_when_the_wire_blocks():
    """The outlet is the list of this tick, and an actor holds it through a write in the middle of its turn."""
    wire = FakeWire(takes=10)
    wire.cork(b"first")
    outlet = wire.pending
    offer(wire, b"x" * (CORK + 1))
    assert not wire.open and wire.pending is outlet
    outlet.append(b"second")
    assert offer(wire, b"third") is SendStatus.BACKPRESSURED
    outlet.append(b"fourth")
    wire.write(b"fifth")
    wire.flush()
    wire.take_everything()
    assert wire.taken == b"first" + b"x" * (CORK + 1) + b"second" + b"third" + b"fourth" + b"fifth"


def test_after_a_write_in_the_middle_of_a_tick_corking_goes_on():
    wire = FakeWire()
    wire.cork(b"x" * (CORK + 1))
    wire.cork(b"y")
    assert (len(wire.taken), wire.buffered) == (CORK + 1, 1)
    wire.flush()
    assert wire.taken.endswith(b"xy")
