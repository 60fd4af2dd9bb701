"""The C code beside the Python code that is its reference: the same for everything that anybody could send."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorws.protocol.codec import FRAMES_PER_READ, Decoder, DecoderRules, parse_in_python
from actorws.protocol.encoder import encode, mask
from tests.protocol.test_codec_oracle import blobs, conversations, long_texts, odd_frames, sent_by_wsproto
from tests.support.speedups import ENCODERS, coded_in, the_c_code

speedups = the_c_code()

KEY = b"\x37\xfa\x21\x3d"
HUGE = 2**62
each_encoder = pytest.mark.parametrize("encode_one", ENCODERS.values(), ids=ENCODERS)


def client_frames(*messages, key=KEY):
    return b"".join(mask(encode(message), key) for message in messages)


def parsed(parse, data, position=0, max_size=HUGE, budget=FRAMES_PER_READ, before=()):
    """What comes of a call: the position, and everything in ``received`` with its type."""
    received = list(before)
    return parse(data, position, max_size, received, budget), [(type(item), item) for item in received]


# Parsing


whole = st.lists(st.one_of(long_texts, blobs), max_size=8).map(lambda messages: client_frames(*messages))
damaged = st.builds(
    lambda wire, at, byte: wire[:at] + bytes((byte,)) + wire[at + 1 :], whole, st.integers(0, 400), st.integers(0, 255)
)
odd = st.lists(odd_frames(masked=True), max_size=6).map(b"".join)
wires = st.one_of(whole, damaged, odd, st.binary(max_size=300))


@given(
    wires, st.integers(0, 2000), st.sampled_from([-1, 0, 1, 20, 125, 126, HUGE]), st.integers(-2, 9), st.integers(0, 3)
)
@settings(max_examples=600)
def test_both_stop_at_the_same_byte_with_the_same_messages(wire, position, max_size, budget, before):
    arguments = wire, min(position, len(wire)), max_size, budget, [None] * before
    assert parsed(speedups.parse, *arguments) == parsed(parse_in_python, *arguments)
    arguments = wire, 0, max_size, budget, [None] * before
    assert parsed(speedups.parse, *arguments) == parsed(parse_in_python, *arguments)


@pytest.mark.parametrize("length", [*range(40), 125, 126, 127, 4096, 65534, 65535])
@pytest.mark.parametrize("letter", ["x", "\x7f", "\x80", "é", "€", "😀"])
def test_every_length_is_unmasked_to_its_last_byte(length, letter):
    """Eight bytes at a time, then four, then one by one; the letter that is more than ASCII may be the last."""
    text = "a" * (length - len(letter.encode())) + letter
    for message in (text, text.encode()):
        wire = client_frames(message)
        longest = len(text.encode()) <= 65535
        assert parsed(speedups.parse, wire) == (len(wire) * longest, [(type(message), message)] * longest)


@pytest.mark.parametrize("bad", [b"\x80", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff"])
@pytest.mark.parametrize("before", [0, 1, 7, 30])
def test_what_is_not_utf8_is_left_alone_without_an_error(bad, before):
    good = client_frames("fine")
    broken = mask(b"\x81" + bytes((before + len(bad),)) + b"x" * before + bad, KEY)
    for parse in (speedups.parse, parse_in_python):
        assert parsed(parse, good + broken + good) == (len(good), [(str, "fine")])
        assert parsed(parse, broken) == (0, [])


def test_a_frame_one_byte_short_is_left_alone():
    for message in (b"", b"x", b"x" * 125, b"x" * 126, "text" * 50):
        wire = client_frames(message)
        for size in range(len(wire)):
            assert parsed(speedups.parse, wire[:size]) == (0, [])


def test_a_length_of_eight_bytes_is_left_to_the_python_code():
    wire = client_frames(bytes(65536))
    for parse in (speedups.parse, parse_in_python):
        assert parsed(parse, wire) == (0, [])


def trace(language, wire, cuts, rules):
    """All that a driver can see of a decoder, and what it keeps, after each piece of what came."""
    decoder, seen = Decoder(rules), []
    bounds = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    with coded_in(language):
        for start, end in pairwise(bounds):
            turn = decoder.receive(wire[start:end])
            while True:
                state = decoder.attention, decoder.more, decoder.gathering, decoder._tail, decoder.unfinished
                error = decoder.error and (decoder.error.code, decoder.error.limit, str(decoder.error))
                seen.append(([(type(item), item) for item in turn], error, state))
                if not decoder.more:
                    break
                turn = decoder.receive(b"")
    return seen


talks = conversations.map(lambda it: sent_by_wsproto(it, KEY)[0])
many = st.integers(1, 3).map(lambda times: client_frames(b"x") * (times * FRAMES_PER_READ))


@given(
    st.one_of(
        wires, conversations.map(lambda it: sent_by_wsproto(it, KEY)[0]), many, st.tuples(many, wires).map(b"".join)
    ),
    st.lists(st.integers(0, 3000), max_size=6),
    st.sampled_from([1, 20, 126, HUGE]),
    st.booleans(),
)
@settings(max_examples=400)
def test_decoders_are_in_the_same_state_after_every_piece(wire, cuts, max_size, masked):
    rules = DecoderRules(max_message_size=max_size, max_fragments=3, masked=masked)
    assert trace("C", wire, cuts, rules) == trace("Python", wire, cuts, rules)


# Encoding


@each_encoder
@given(st.one_of(st.text(), st.binary(max_size=200), long_texts, blobs), st.integers(0, 300))
def test_the_only_frame_is_encoded_as_encode_does_it(encode_one, frame, limit):
    size = len(frame.encode() if isinstance(frame, str) else frame)
    for frames in ([frame], (frame,)):
        assert encode_one(frames, HUGE) == encode(frame)
        assert encode_one(frames, limit) == (encode(frame) if size < limit else None)


@each_encoder
@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536, 100_000])
@pytest.mark.parametrize("letter", ["x", "é", "€", b"x"])
def test_frames_of_every_length_are_encoded(encode_one, length, letter):
    assert encode_one([letter * length], HUGE) == encode(letter * length)


class Shout(str):
    __slots__ = ()


class Blob(bytes):
    __slots__ = ()


class Frames(list):
    __slots__ = ()


class Answer(tuple):
    __slots__ = ()


@each_encoder
@pytest.mark.parametrize(
    "frames",
    [
        *("x", b"x", None, [], (), ["x", "y"], [None], [bytearray(b"x")], [["x"]], ["\ud800"]),
        *([Shout("x")], [Blob(b"x")], Frames(["x"]), Answer(["x"])),
    ],
)
def test_anything_else_is_not_encoded_and_no_error(encode_one, frames):
    assert encode_one(frames, HUGE) is None


def test_a_text_that_is_sent_does_not_grow():
    """The str could keep its bytes, and so would the user's program."""
    text = "é" * 1000
    before = sys.getsizeof(text)
    assert speedups.encode_one([text], HUGE) is not None
    assert sys.getsizeof(text) == before


# Arguments


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (b"", 0, 1, []),
        (b"", 0, 1, [], 1, 1),
        (bytearray(b""), 0, 1, [], 1),
        ("", 0, 1, [], 1),
        (None, 0, 1, [], 1),
        (b"", None, 1, [], 1),
        (b"", 0, 1.5, [], 1),
        (b"", 0, 1, [], "1"),
        (b"", 0, 1, (), 1),
        (b"", 0, 1, None, 1),
    ],
)
def test_arguments_of_other_types_are_a_type_error(arguments):
    with pytest.raises(TypeError):
        speedups.parse(*arguments)


@pytest.mark.parametrize("arguments", [(), ([],), ([], None), ([b"x"], "1"), ([], 1, 1)])
def test_arguments_of_other_types_are_a_type_error_for_encode_one_too(arguments):
    with pytest.raises(TypeError):
        speedups.encode_one(*arguments)


@pytest.mark.parametrize("position", [-1, -(2**62), 9, 2**62])
def test_a_position_outside_of_the_data_is_a_value_error(position):
    with pytest.raises(ValueError, match="position must be from 0 to 8, not"):
        speedups.parse(b"\x82\x82abcdxx", position, 10, [], 10)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_a_number_that_is_no_size_is_an_overflow_error(number):
    wire = client_frames(b"x")
    for arguments in [(wire, number, 1, [], 1), (wire, 0, number, [], 1), (wire, 0, 1, [], number)]:
        with pytest.raises(OverflowError):
            speedups.parse(*arguments)
    with pytest.raises(OverflowError):
        speedups.encode_one([b"x"], number)


def test_the_largest_and_smallest_sizes_are_taken():
    wire = client_frames(b"x")
    assert parsed(speedups.parse, wire, max_size=sys.maxsize, budget=sys.maxsize) == (len(wire), [(bytes, b"x")])
    assert parsed(speedups.parse, wire, max_size=-sys.maxsize, budget=sys.maxsize) == (0, [])
    assert parsed(speedups.parse, wire, max_size=10, budget=-sys.maxsize - 1) == (0, [])


# Memory


def everything_once():
    texts, broken = client_frames("ascii", "é" * 100, "", b"", b"bytes" * 40), mask(b"\x81\x01\xff", KEY)
    received = [None]
    speedups.parse(texts + broken, 0, HUGE, received, 10)
    for frame in ("ascii", "é" * 100, b"bytes", "\ud800", None):
        speedups.encode_one([frame], HUGE)
        speedups.encode_one((frame,), 3)
    for wrong in ((None, 0, 1, [], 1), (texts, -1, 1, [], 1), (texts, 0, None, [], 1)):
        with pytest.raises((TypeError, ValueError)):
            speedups.parse(*wrong)


def test_nothing_is_kept_of_any_call():
    everything_once()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(2000):
            everything_once()
        gc.collect()
        # One object kept of each call would be 100 KB.
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()


def test_every_reference_is_given_back():
    data, size, message, limit = client_frames(b"xyz" * 50), 10**6, b"a message", 10**7
    objects = (data, size, message, limit)
    before = [sys.getrefcount(it) for it in objects]
    for _ in range(100):
        received = []
        speedups.parse(data, 0, size, received, 10)
        parse_in_python(data, 0, size, received, 10)
        counts = [sys.getrefcount(item) for item in received]
        assert counts[:1] == counts[1:], "what was parsed has a reference too many"
        speedups.encode_one([message], limit)
    assert [sys.getrefcount(it) for it in objects] == before
