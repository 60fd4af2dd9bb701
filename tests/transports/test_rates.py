"""Rates, without I/O: the token bucket, and the decoder that counts frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.protocol.codec import FRAMES_PER_READ, Decoder, DecoderRules
from actorws.transports.rates import LEAST, CountingDecoder, TokenBucket
from tests.support.wire import BINARY, CLOSE, PING, PONG, TEXT, frame

CONTINUATION = 0
RULES = DecoderRules(max_message_size=10**6, max_fragments=100)

rates = st.floats(0.001, 1e6)
bursts = st.floats(0.05, 100)
#: Pairs of the seconds that pass before, and of the tokens that are taken.
takes = st.lists(st.tuples(st.floats(0, 100), st.integers(1, 1000)), max_size=50)


# The bucket


@given(rate=rates, burst=bursts, takes=takes)
def test_who_waits_as_told_never_has_more_than_the_rate_and_what_was_saved_up(rate, burst, takes):
    """But for the last take, which may be larger than what there is."""
    now, taken = 1000.0, 0
    bucket = TokenBucket(rate, burst, now)
    for seconds, count in takes:
        now += seconds
        assert taken <= (rate * (now - 1000.0) + max(rate * burst, 1)) * (1 + 1e-9)
        taken += count
        now += bucket.take(count, now)


@given(rate=rates, burst=bursts, counts=st.lists(st.integers(1, 1000), min_size=1, max_size=50))
def test_who_always_has_something_to_send_gets_the_whole_rate(rate, burst, counts):
    """Waits are rounded up, but what comes meanwhile is saved up, so nothing is lost by it."""
    now = 0.0
    bucket = TokenBucket(rate, burst, now)
    for count in counts:
        now += bucket.take(count, now)
    assert sum(counts) >= rate * (now - LEAST) * (1 - 1e-9)


@given(rate=rates, burst=bursts, seconds=st.floats(0, 1e6))
def test_as_much_as_is_saved_up_may_be_taken_at_once(rate, burst, seconds):
    bucket = TokenBucket(rate, burst, 0.0)
    assert bucket.take(int(max(rate * burst, 1)), seconds) == 0.0


def test_a_debt_is_paid_at_the_rate():
    bucket = TokenBucket(10, 1, 0.0)
    assert bucket.take(10, 0.0) == 0.0
    assert bucket.take(5, 0.0) == 0.5
    assert bucket.take(0, 0.25) == 0.25
    assert bucket.take(0, 0.5) == 0.0
    assert bucket.take(1, 0.5) == 0.1


def test_no_wait_is_so_short_that_waking_up_is_dearer_than_a_token():
    bucket = TokenBucket(1e6, 1, 0.0)
    assert bucket.take(10**6 + 1, 0.0) == LEAST


def test_a_slow_rate_still_lets_one_pass():
    """Else a rate of one in ten seconds would let nobody in."""
    bucket = TokenBucket(0.1, 1, 0.0)
    assert bucket.take(1, 0.0) == 0.0
    assert bucket.take(1, 0.0) == 10.0


# The decoder


@pytest.mark.parametrize(
    ("data", "frames", "control_frames"),
    [
        (b"", 0, 0),
        (frame(TEXT, b"one"), 1, 0),
        (frame(TEXT, b"one") + frame(BINARY, b"two"), 2, 0),
        (frame(TEXT, b"half of one")[:-1], 0, 0),
        (frame(PING) + frame(PONG) + frame(TEXT), 3, 2),
        (frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) + frame(PING) + frame(CONTINUATION), 4, 1),
        (frame(BINARY, bytes(100_000)), 1, 0),
        (frame(BINARY, bytes(100_000), fin=False), 1, 0),
        (frame(TEXT) + frame(CLOSE), 2, 0),
        (frame(TEXT) + frame(CONTINUATION), 1, 0),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_every_frame_is_counted_once_however_it_comes(data, frames, control_frames, size):
    decoder, plain = CountingDecoder(RULES), Decoder(RULES)
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        assert decoder.receive(piece) == plain.receive(piece)
    assert (decoder.frames, decoder.control_frames) == (frames, control_frames)


def test_a_large_frame_that_is_read_into_its_place_is_counted_when_it_is_whole():
    data = frame(BINARY, bytes(100_000))
    decoder = CountingDecoder(RULES)
    decoder.receive(data[:1000])
    for end in (50_000, len(data)):
        assert decoder.frames == 0
        piece = data[end - 49_000 : end] if end == 50_000 else data[50_000:]
        while piece:
            with decoder.room() as room:
                count = min(len(room), len(piece))
                room[:count] = piece[:count]
            decoder.filled(count)
            piece = piece[count:]
    assert decoder.frames == 1


def test_frames_that_are_held_back_are_counted_when_they_are_handed_out():
    decoder = CountingDecoder(RULES)
    decoder.receive(frame(TEXT, b"x") * (FRAMES_PER_READ + 10))
    assert decoder.frames == FRAMES_PER_READ
    decoder.receive(b"")
    assert decoder.frames == FRAMES_PER_READ + 10
