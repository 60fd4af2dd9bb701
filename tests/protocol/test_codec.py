"""The codec's rules one by one: bytes in, messages and errors out; frames in, bytes out."""

from __future__ import annotations

import tracemalloc
from array import array

import pytest

from actorws.frames import Close, Ping, Pong
from actorws.protocol import payload
from actorws.protocol.codec import FRAMES_PER_READ, TAIL_SIZE, Decoder, DecoderRules
from actorws.protocol.encoder import encode, encode_close, header, mask
from actorws.protocol.payload import FIRST_ROOM, LEAST_ROOM
from actorws.protocol.unmasked import UnmaskedDecoder
from actorws.reasons import Remote

pytestmark = pytest.mark.usefixtures("both_codes")

KEY = b"\x37\xfa\x21\x3d"
NULL_KEY = bytes(4)
MiB = 1024 * 1024


def a_decoder(*, max_message_size=MiB, max_fragments=100, masked=True):
    rules = DecoderRules(max_message_size=max_message_size, max_fragments=max_fragments, masked=masked)
    return (Decoder if masked else UnmaskedDecoder)(rules)


def xor(payload, key):
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def head(first, length, *, masked=True):
    """A header with its length in the shortest form, up to the key."""
    bit = 0x80 if masked else 0
    if length < 126:
        return bytes((first, bit | length))
    if length < 65536:
        return bytes((first, bit | 126)) + length.to_bytes(2, "big")
    return bytes((first, bit | 127)) + length.to_bytes(8, "big")


def frame(first, payload=b"", key=KEY):
    """A frame from a client, with any first byte; from a server if the key is ``None``."""
    if key is None:
        return head(first, len(payload), masked=False) + payload
    return head(first, len(payload)) + key + (payload if key == NULL_KEY else xor(payload, key))


def drain(decoder, data):
    received = decoder.receive(data)
    while decoder.more:
        received += decoder.receive(b"")
    return received


def in_pieces(decoder, data, size):
    return [item for i in range(0, len(data), size) for item in drain(decoder, data[i : i + size])]


def put(decoder, data):
    """Read into the room for a payload, as a driver does with ``recv_into``; return the result and what was taken."""
    with decoder.room() as room:
        size = min(len(room), len(data))
        room[:size] = data[:size]
    return decoder.filled(size), size


def refused(decoder, code):
    return decoder.error is not None and decoder.error.code == code and decoder.attention


# Messages


@pytest.mark.parametrize("length", [0, 1, 5, 125, 126, 127, 4096, 4097, 65535, 65536, 200_000])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("size", [3, 1000, 10**6])
def test_a_binary_message_of_any_length_comes_out_whole(length, masked, size):
    payload = bytes(i * 7 & 0xFF for i in range(length))
    decoder = a_decoder(masked=masked)
    assert in_pieces(decoder, frame(0x82, payload, KEY if masked else None), size) == [payload]
    assert decoder.error is None
    assert not decoder.attention


@pytest.mark.parametrize("length", [0, 1, 63, 126, 2500, 33_000])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("size", [1, 1000, 10**6])
def test_a_text_message_comes_out_as_str(length, masked, size):
    text = "é€" * length
    decoder = a_decoder(masked=masked)
    assert in_pieces(decoder, frame(0x81, text.encode(), KEY if masked else None), size) == [text]


@pytest.mark.parametrize("key", [KEY, None])
def test_the_types_handed_out_are_exactly_str_and_bytes(key):
    frames = (0x82, b"x" * 9), (0x82, b"x" * 5000), (0x02, b"y" * 5000), (0x80, b"z" * 5000), (0x81, b"t" * 5000)
    wire = b"".join(frame(first, payload, key) for first, payload in frames)
    for size in (1, 700, 10**6):
        received = in_pieces(a_decoder(masked=key is not None), wire, size)
        assert [type(item) for item in received] == [bytes, bytes, bytes, str]


def test_all_frames_of_one_read_come_out_in_order():
    wire = frame(0x81, b"a") + frame(0x89, b"p") + frame(0x82, b"b") + frame(0x8A, b"q") + frame(0x88, b"\x03\xe8ok")
    decoder = a_decoder()
    assert decoder.receive(wire) == ["a", Ping(b"p"), b"b", Pong(b"q"), Remote(1000, "ok")]
    assert decoder.attention
    assert decoder.error is None


@pytest.mark.parametrize("wire", [b"\x81\x00\x82\x00", b"\x81\x00" * 3, b"\x89\x00\x81\x01a", b"\x82\x01a" * 2])
def test_short_frames_of_a_server_do_not_wait_for_more_bytes(wire):
    """Two unmasked frames can be shorter together than the shortest frame of a client."""
    assert a_decoder(masked=False).receive(wire) == in_pieces(a_decoder(masked=False), wire, 1)
    assert a_decoder(masked=False).receive(wire)[1:]


def test_fragments_make_one_message_around_control_frames():
    wire = frame(0x01, b"a\xc3") + frame(0x89, b"!") + frame(0x00) + frame(0x8A) + frame(0x80, b"\xa9b") + frame(0x82)
    for size in (1, 2, 5, 100):
        assert in_pieces(a_decoder(), wire, size) == [Ping(b"!"), Pong(), "aéb", b""]


def test_large_fragments_make_one_message():
    parts = [bytes((i,)) * 30_000 for i in range(3)]
    wire = frame(0x02, parts[0]) + frame(0x00, parts[1]) + frame(0x89) + frame(0x80, parts[2])
    for size in (7, 4096, 50_000, 10**6):
        assert in_pieces(a_decoder(), wire, size) == [Ping(), b"".join(parts)]


def test_control_frames_alone_get_attention_and_data_afterwards_none():
    decoder = a_decoder()
    decoder.receive(frame(0x89))
    assert decoder.attention
    decoder.receive(frame(0x81))
    assert not decoder.attention


# Rules of the header


BROKEN_HEADERS = {
    "rsv1": (frame(0xC1), "reserved bit"),
    "rsv2": (frame(0xA2), "reserved bit"),
    "rsv3 of a control frame": (frame(0x99), "reserved bit"),
    "rsv of a continuation": (frame(0x01) + frame(0xC0), "reserved bit"),
    **{f"opcode {opcode:#x}": (frame(0x80 | opcode), f"opcode {opcode:#x} is reserved") for opcode in (3, 4, 5, 6, 7)},
    **{f"opcode {opcode:#x}": (frame(0x80 | opcode), f"opcode {opcode:#x} is reserved") for opcode in range(11, 16)},
    "fragmented close": (frame(0x08), "fragmented"),
    "fragmented ping": (frame(0x09), "fragmented"),
    "fragmented pong": (frame(0x0A), "fragmented"),
    "long close": (frame(0x88, bytes(126)), "more than 125 bytes"),
    "long ping": (frame(0x89, bytes(126)), "more than 125 bytes"),
    "very long pong": (frame(0x8A, bytes(70_000), NULL_KEY), "more than 125 bytes"),
    "unmasked": (frame(0x81, b"hello!", None), "must be masked"),
    "unmasked, empty": (frame(0x82, b"", None), "must be masked"),
    "unmasked ping": (frame(0x89, b"", None), "must be masked"),
    "125 in two bytes": (b"\x82\xfe\x00\x7d" + KEY + bytes(125), "shortest form"),
    "0 in two bytes": (b"\x81\xfe\x00\x00" + KEY, "shortest form"),
    "65535 in eight bytes": (b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff" + KEY + bytes(65535), "shortest form"),
    "5 in eight bytes": (b"\x82\xff\x00\x00\x00\x00\x00\x00\x00\x05" + KEY + bytes(5), "shortest form"),
    "top bit of the length": (b"\x82\xff\x80" + bytes(7) + KEY, "top bit"),
    "all bits of the length": (b"\x82\xff" + b"\xff" * 8 + KEY, "top bit"),
    "continuation of nothing": (frame(0x80, b"x"), "continues nothing"),
    "continuation after a message": (frame(0x01, b"x") + frame(0x80, b"y") + frame(0x00, b"z"), "continues nothing"),
    "text in a fragmented message": (frame(0x01, b"x") + frame(0x81, b"y"), "inside a fragmented"),
    "binary in a fragmented message": (frame(0x02, b"x") + frame(0x02, b"y"), "inside a fragmented"),
}


@pytest.mark.parametrize("name", BROKEN_HEADERS)
@pytest.mark.parametrize("size", [1, 4, 10**6])
def test_a_header_that_breaks_a_rule_is_a_protocol_error(name, size):
    wire, message = BROKEN_HEADERS[name]
    decoder = a_decoder()
    in_pieces(decoder, frame(0x8A) + wire, size)
    assert refused(decoder, 1002)
    assert message in str(decoder.error)
    assert "RFC 6455 section 5" in str(decoder.error)
    assert len(encode_close(1002, str(decoder.error)[:123])) == 4 + len(str(decoder.error))  # fits, all of it ASCII


@pytest.mark.parametrize(
    "start",
    [
        b"\xc1\x80",
        b"\x83\x80",
        b"\x08\x80",
        b"\x89\xfe",
        b"\x81\x01",
        b"\x80\x80",
        b"\x81\xfe\x00\x7d",
        b"\x82\xff\x80" + bytes(7),
    ],
)
def test_an_error_does_not_wait_for_the_rest_of_the_frame(start):
    decoder = a_decoder()
    decoder.receive(start)
    assert refused(decoder, 1002)


@pytest.mark.parametrize("wire", [frame(0x81, b"hi"), frame(0x82), frame(0x89), frame(0x01, b"x" * 200)])
def test_a_masked_frame_of_a_server_is_refused(wire):
    decoder = a_decoder(masked=False)
    assert decoder.receive(wire) == []
    assert refused(decoder, 1002)
    assert "a server masked a frame" in str(decoder.error)


@pytest.mark.parametrize("length", [b"\x7e\x00\x05", b"\x7f" + bytes(7) + b"\x05"])
def test_a_length_of_a_server_that_is_not_in_its_shortest_form_is_refused(length):
    decoder = a_decoder(masked=False)
    assert decoder.receive(frame(0x82, b"before", None) + b"\x82" + length + b"hello") == [b"before"]
    assert refused(decoder, 1002)


# Limits


@pytest.mark.parametrize("limit", [1, 5, 125, 126, 1000, 65535, 65536, 70_000])
@pytest.mark.parametrize("first", [0x81, 0x82])
def test_a_message_of_exactly_the_limit_is_taken_and_one_byte_more_refused(limit, first):
    decoder = a_decoder(max_message_size=limit)
    (message,) = decoder.receive(frame(first, b"x" * limit, NULL_KEY))
    assert len(message) == limit
    assert decoder.receive(frame(first, b"x" * (limit + 1), NULL_KEY)) == []
    assert refused(decoder, 1009)
    assert f"more than {limit} bytes" in str(decoder.error)


@pytest.mark.parametrize("length", [11, 126, 65536, 2**63 - 1])
def test_a_message_over_the_limit_is_refused_on_its_header(length):
    decoder = a_decoder(max_message_size=10)
    decoder.receive(head(0x82, length))
    assert refused(decoder, 1009)


@pytest.mark.parametrize("size", [1, 10**6])
def test_the_limit_is_of_all_fragments_together(size):
    fits = frame(0x02, b"x" * 60) + frame(0x00) + frame(0x80, b"y" * 40)
    decoder = a_decoder(max_message_size=100)
    assert in_pieces(decoder, fits + fits, size) == [b"x" * 60 + b"y" * 40] * 2
    in_pieces(decoder, frame(0x02, b"x" * 60) + head(0x80, 41), size)
    assert refused(decoder, 1009)


def test_the_limit_counts_large_fragments_that_were_gathered():
    decoder = a_decoder(max_message_size=100_000)
    in_pieces(decoder, frame(0x02, b"x" * 60_000, NULL_KEY) + head(0x00, 40_001), 999)
    assert refused(decoder, 1009)


def test_control_frames_do_not_count_for_the_limit():
    decoder = a_decoder(max_message_size=1)
    wire = frame(0x01, b"x") + frame(0x89, bytes(125)) + frame(0x80) + frame(0x88, b"\x03\xe8bye")
    assert decoder.receive(wire) == [Ping(bytes(125)), "x", Remote(1000, "bye")]


@pytest.mark.parametrize("size", [1, 10**6])
def test_a_message_of_too_many_fragments_is_refused(size):
    three = frame(0x02, b"a") + frame(0x00, b"b") + frame(0x80, b"c")
    decoder = a_decoder(max_fragments=3)
    assert in_pieces(decoder, three * 2, size) == [b"abc", b"abc"]
    in_pieces(decoder, three[:-7] + frame(0x00) + head(0x00, 0), size)
    assert refused(decoder, 1009)
    assert "more than 3 fragments" in str(decoder.error)


# UTF-8 (section 8.1)


INVALID = {
    "lone continuation": b"\x80",
    "overlong 2": b"\xc0",
    "overlong 3": b"\xe0\x9f",
    "overlong 4": b"\xf0\x8f",
    # One byte later than could be known: the incremental decoder keeps a surrogate's first two bytes (bpo-24214).
    "surrogate": b"\xed\xa0\x80",
    "above U+10FFFF": b"\xf4\x90",
    "five bytes": b"\xf8",
    "cut by a letter": b"\xe2\x82a",
    "fe": b"\xfe",
}


@pytest.mark.parametrize("bad", INVALID.values(), ids=INVALID)
@pytest.mark.parametrize("before", [b"", "κόσμε".encode(), b"x" * 5000])
class TestInvalidText:
    def test_in_one_frame(self, bad, before):
        decoder = a_decoder()
        assert decoder.receive(frame(0x81, b"ok") + frame(0x81, before + bad + b" rest")) == ["ok"]
        assert refused(decoder, 1007)

    def test_in_an_unfinished_frame_it_is_told_at_once(self, bad, before):
        decoder = a_decoder()
        decoder.receive(head(0x81, 100_000) + KEY + xor(before + bad, KEY))
        assert refused(decoder, 1007)

    def test_byte_by_byte_it_is_told_at_its_last_byte(self, bad, before):
        decoder = a_decoder()
        wire = head(0x81, 100_000) + KEY + xor(before + bad, KEY)
        in_pieces(decoder, wire[:-1], 1)
        assert decoder.error is None
        decoder.receive(wire[-1:])
        assert refused(decoder, 1007)

    def test_across_fragments_it_is_told_before_the_message_ends(self, bad, before):
        decoder = a_decoder()
        decoder.receive(frame(0x01, before + bad[:1]) + frame(0x89) + frame(0x00, bad[1:]))
        assert refused(decoder, 1007)

    def test_in_an_unfinished_fragment(self, bad, before):
        decoder = a_decoder()
        in_pieces(decoder, frame(0x01, before) + head(0x80, 60_000) + KEY + xor(bad, KEY), 50)
        assert refused(decoder, 1007)

    def test_read_straight_into_the_room(self, bad, before):
        decoder = a_decoder()
        decoder.receive(head(0x81, 100_000) + NULL_KEY)
        put(decoder, before + bad)
        assert refused(decoder, 1007)
        assert not decoder.gathering


@pytest.mark.parametrize("cut", [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0"])
@pytest.mark.parametrize("size", [1, 10**6])
def test_a_text_that_ends_inside_a_character_is_refused(cut, size):
    for wire in (frame(0x81, b"a" + cut), frame(0x01, b"a") + frame(0x80, cut), frame(0x01, cut) + frame(0x80)):
        decoder = a_decoder()
        assert in_pieces(decoder, wire, size) == []
        assert refused(decoder, 1007)


@pytest.mark.parametrize("text", ["\x00", "\x7f\x80", "\u07ff\u0800", "\ud7ff\ue000", "\uffff\U00010000", "\U0010ffff"])
def test_the_edges_of_unicode_are_text(text):
    for size in (1, 2, 100):
        payload = text.encode()
        wire = frame(0x81, payload) + frame(0x01, payload[:-1]) + frame(0x80, payload[-1:])
        assert in_pieces(a_decoder(), wire, size) == [text, text]


def test_binary_messages_need_no_utf8():
    wire = frame(0x02, b"\xff\xc3") + frame(0x80, b"\xed\xa0" * 3000)
    for size in (1, 1000, 10**6):
        assert in_pieces(a_decoder(), wire, size) == [b"\xff\xc3" + b"\xed\xa0" * 3000]


# Close (sections 5.5.1 and 7.4)


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
def test_a_close_with_a_code_that_may_be_sent(code):
    decoder = a_decoder()
    payload = code.to_bytes(2, "big")
    assert decoder.receive(frame(0x88, payload + "schön".encode())) == [Remote(code, "schön")]
    assert a_decoder().receive(frame(0x88, payload)) == [Remote(code, "")]
    assert decoder.attention


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999, 5000, 65535])
def test_a_close_with_a_code_that_may_not_be_sent_is_a_protocol_error(code):
    decoder = a_decoder()
    assert decoder.receive(frame(0x88, code.to_bytes(2, "big") + b"why")) == []
    assert refused(decoder, 1002)
    assert str(code) in str(decoder.error)


def test_a_close_without_a_code_is_1005():
    assert a_decoder().receive(frame(0x88)) == [Remote(1005, "")]


def test_a_close_of_one_byte_is_a_protocol_error():
    decoder = a_decoder()
    decoder.receive(frame(0x88, b"\x03"))
    assert refused(decoder, 1002)
    assert "one byte of payload" in str(decoder.error)


@pytest.mark.parametrize("reason", [b"\xff", b"ok\xc3", b"\xed\xa0\x80"])
def test_a_close_reason_that_is_not_utf8_is_refused(reason):
    decoder = a_decoder()
    decoder.receive(frame(0x88, b"\x03\xe8" + reason))
    assert refused(decoder, 1007)


def test_a_close_may_come_inside_a_fragmented_message():
    assert a_decoder().receive(frame(0x01, b"never ") + frame(0x88)) == [Remote(1005)]


@pytest.mark.parametrize("size", [1, 10**6])
@pytest.mark.parametrize("after", [frame(0x81, b"late"), b"\xff" * 50, head(0x82, MiB) + KEY + bytes(5000)])
def test_what_follows_a_close_is_discarded(size, after):
    decoder = a_decoder()
    assert in_pieces(decoder, frame(0x88) + after, size) == [Remote(1005)]
    assert decoder.error is None
    assert not decoder.gathering


# After an error


@pytest.mark.parametrize("size", [1, 10, 10**6])
def test_messages_before_an_error_are_handed_out(size):
    decoder = a_decoder()
    wire = frame(0x81, b"a") + frame(0x89) + frame(0x82, b"b") + frame(0xF1) + frame(0x81, b"c")
    assert in_pieces(decoder, wire, size) == ["a", Ping(), b"b"]
    assert refused(decoder, 1002)


def test_after_an_error_nothing_more_is_taken():
    decoder = a_decoder()
    decoder.receive(frame(0x01, b"begun") + frame(0x83))
    error = decoder.error
    assert decoder.receive(frame(0x80, b"x") + frame(0x81, b"y") + frame(0xF1)) == []
    assert decoder.error is error
    assert not decoder.more
    assert not decoder.gathering


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("count", [1, 3])
def test_a_decoder_that_was_stopped_takes_nothing_more(masked, count):
    decoder = a_decoder(masked=masked)
    decoder.stop()
    for _ in range(2):
        assert decoder.receive(frame(0x82, b"late", KEY if masked else None) * count) == []
    assert not decoder.attention


def test_an_error_behind_the_fairness_bound_comes_after_the_messages():
    decoder = a_decoder()
    wire = frame(0x82, b"x") * FRAMES_PER_READ + frame(0x83)
    assert len(decoder.receive(wire)) == FRAMES_PER_READ
    assert decoder.error is None
    assert decoder.receive(b"") == []
    assert refused(decoder, 1002)
    assert not decoder.more


# Fairness


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("first", [0x82, 0x89])
def test_one_call_hands_out_a_bounded_number_of_frames(masked, first):
    decoder = a_decoder(masked=masked)
    wire = frame(first, b"", KEY if masked else None) * (2 * FRAMES_PER_READ + 1)
    calls = [len(decoder.receive(wire))]
    while decoder.more:
        assert decoder.attention
        calls.append(len(decoder.receive(b"")))
    assert calls == [FRAMES_PER_READ, FRAMES_PER_READ, 1]


def test_fragments_count_too_though_they_hand_out_nothing():
    decoder = a_decoder(max_fragments=10**6)
    received, calls = decoder.receive(frame(0x01) + frame(0x00) * (10 * FRAMES_PER_READ) + frame(0x80)), 1
    while decoder.more:
        assert received == []
        received, calls = decoder.receive(b""), calls + 1
    assert received == [""]
    assert calls == 11


def test_no_more_is_claimed_when_nothing_is_left():
    decoder = a_decoder()
    assert len(decoder.receive(frame(0x82) * FRAMES_PER_READ)) == FRAMES_PER_READ
    assert not decoder.more
    assert not decoder.attention


def test_bytes_that_come_while_frames_are_held_back_keep_their_order():
    decoder = a_decoder()
    numbers = [bytes((i & 0xFF, i >> 8)) for i in range(3 * FRAMES_PER_READ)]
    wire = b"".join(frame(0x82, number) for number in numbers)
    half = len(wire) // 2 + 3
    assert decoder.receive(wire[:half]) + drain(decoder, wire[half:]) == numbers


# Gathering


def test_a_driver_may_read_a_large_payload_into_the_room():
    payload = bytes(i * 5 & 0xFF for i in range(300_001))
    wire = frame(0x82, payload) + frame(0x81, b"next")
    decoder = a_decoder()
    assert decoder.receive(wire[:1000]) == []
    position, received = 1000, []
    while decoder.gathering:
        items, size = put(decoder, wire[position : position + 50_000])
        received += items
        position += size
    assert received == [payload]
    assert decoder.receive(wire[position:]) == ["next"]


def test_room_is_never_larger_than_what_is_missing():
    decoder = a_decoder()
    wire = frame(0x82, b"x" * 5000) + frame(0x89)
    decoder.receive(wire[:1000])
    with decoder.room() as room:
        assert len(room) == 5000 + 8 - 1000
    received, size = put(decoder, wire[1000:])
    assert received == [b"x" * 5000]
    assert not decoder.gathering
    assert decoder.receive(wire[1000 + size :]) == [Ping()]


def test_receive_and_room_may_be_mixed():
    parts = ["é" * 40_000, "ü" * 40_001]
    wire = frame(0x01, parts[0].encode()) + frame(0x89) + frame(0x80, parts[1].encode()) + frame(0x82, b"end")
    decoder, position, received, turn = a_decoder(), 0, [], 0
    while position < len(wire):
        turn += 1
        piece = wire[position : position + 777 * (turn % 13 + 1)]
        if decoder.gathering and turn % 3:
            items, size = put(decoder, piece)
        else:
            items, size = drain(decoder, piece), len(piece)
        received += items
        position += size
    assert received == [Ping(), "".join(parts), b"end"]


@pytest.mark.parametrize("first", [0x81, 0x82, 0x01])
def test_the_begin_of_gathering_gets_attention_once(first):
    """So that a driver needs to look for a room only then."""
    decoder = a_decoder()
    decoder.receive(head(first, 5000) + NULL_KEY)
    assert decoder.gathering
    assert decoder.attention
    decoder.receive(b"x" * 100)
    assert decoder.gathering
    assert not decoder.attention


def test_attention_is_of_the_last_call_with_the_room_too():
    decoder = a_decoder()
    decoder.receive(frame(0x89) + head(0x82, 5000) + NULL_KEY)
    assert decoder.attention
    assert put(decoder, bytes(5000)) == ([bytes(5000)], 5000)
    assert not decoder.attention


def test_small_binary_frames_are_not_gathered_and_larger_ones_are():
    small, large = a_decoder(), a_decoder()
    small.receive(frame(0x82, bytes(TAIL_SIZE))[:-1])
    large.receive(frame(0x82, bytes(TAIL_SIZE + 1))[:-1])
    assert (small.gathering, large.gathering) == (False, True)


# Memory and work


def peak_of(action):
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("first", [0x81, 0x82, 0x01])
def test_a_header_that_announces_a_huge_payload_costs_little_memory(first):
    decoder = a_decoder(max_message_size=2**40)
    assert peak_of(lambda: decoder.receive(head(first, 2**39) + KEY)) < FIRST_ROOM + LEAST_ROOM
    assert decoder.gathering


def test_the_room_of_a_large_payload_is_used_again_and_shows_nothing_of_it():
    rules = a_decoder().rules
    one, other = Decoder(rules), Decoder(rules)
    assert in_pieces(one, frame(0x82, b"1" * 500_000, NULL_KEY), 60_000) == [b"1" * 500_000]
    kept = rules.spare
    other.receive(head(0x82, 70_000) + NULL_KEY)
    with other.room() as room:
        assert len(room) == 70_000
    assert rules.spare is None, "one at a time"
    assert put(other, b"2" * 70_000) == ([b"2" * 70_000], 70_000)
    assert rules.spare is kept


def test_the_room_of_a_huge_payload_is_not_kept():
    decoder = a_decoder(max_message_size=2**22)
    assert in_pieces(decoder, frame(0x82, bytes(2**21)), 300_000) == [bytes(2**21)]
    assert decoder.rules.spare is None


def test_memory_stays_in_proportion_to_what_has_come():
    decoder = a_decoder(max_message_size=2**40)
    piece = bytes(64 * 1024)

    def send():
        decoder.receive(head(0x82, 2**39) + KEY)
        for _ in range(64):
            decoder.receive(piece)

    assert peak_of(send) < 8 * 64 * len(piece)


@pytest.mark.parametrize("last", [frame(0x83), frame(0x88)])
def test_after_an_error_or_a_close_no_payload_is_kept(last):
    decoder = a_decoder()
    fragment = frame(0x02, bytes(500_000), NULL_KEY)
    tracemalloc.start()
    try:
        decoder.receive(fragment)
        assert tracemalloc.get_traced_memory()[0] > 500_000
        decoder.receive(last)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()


def test_the_error_keeps_nothing_of_the_message():
    """Nor does the one behind it, which is hidden and would be kept (until the garbage collector runs)."""
    data = frame(0x81, bytes(1_000_000) + b"\xff")
    decoder = a_decoder()
    tracemalloc.start()
    try:
        decoder.receive(data)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
    assert decoder.error is not None and decoder.error.code == 1007


@pytest.mark.parametrize(("first", "passes"), [(0x82, 1), (0x81, 2)])
@pytest.mark.parametrize("size", [1, 100, 4096])
def test_a_payload_that_trickles_in_is_unmasked_once_and_checked_once(monkeypatch, first, passes, size):
    """So the work grows with the payload, not with its square."""
    unmasked, apply_mask = [], payload.apply_mask
    monkeypatch.setattr(payload, "apply_mask", lambda data, key: unmasked.append(len(data)) or apply_mask(data, key))
    length = 400_000
    assert len(in_pieces(a_decoder(), frame(first, bytes(length), NULL_KEY), size)) == 1
    assert sum(unmasked) == passes * length


@pytest.mark.parametrize("piece", [100, 64 * 1024 - 14, 10**6])
def test_the_room_for_a_payload_grows_seldom_and_is_never_tiny(monkeypatch, piece):
    """A read into the last ten bytes of a room costs a system call, as one of all others would."""
    grown, rooms, grow = [], [], payload.Gather._grow
    monkeypatch.setattr(payload.Gather, "_grow", lambda self: grown.append(1) or grow(self))
    left = 1_000_003
    decoder = a_decoder(max_message_size=left)
    decoder.receive(head(0x82, left) + NULL_KEY)
    while left:
        with decoder.room() as room:
            rooms.append((len(room), left))
            size = min(len(room), piece)
        left -= size
        received = decoder.filled(size)
    assert received == [bytes(1_000_003)]
    assert all(room >= min(LEAST_ROOM, left) for room, left in rooms)
    assert len(grown) == 3  # 64 KiB, four times that, the rest


def test_fragments_that_trickle_in_are_checked_once(monkeypatch):
    unmasked = []
    apply_mask = payload.apply_mask
    monkeypatch.setattr(payload, "apply_mask", lambda data, key: unmasked.append(len(data)) or apply_mask(data, key))
    wire = frame(0x01, b"x" * 9000) + frame(0x00, b"y" * 9000) + frame(0x80, b"z" * 9000)
    assert in_pieces(a_decoder(), wire, 10) == ["x" * 9000 + "y" * 9000 + "z" * 9000]
    assert sum(unmasked) == 2 * 27_000


# Encoding


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, b"\x82\x00"),
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65535, b"\x82\x7e\xff\xff"),
        (65536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_lengths_are_in_their_shortest_form(length, expected):
    assert encode(b"x" * length) == expected + b"x" * length
    assert encode("x" * length) == b"\x81" + expected[1:] + b"x" * length
    assert header(0x2, length) == expected


def test_the_length_of_a_text_is_that_of_its_bytes():
    assert encode("é" * 63) == b"\x81\x7e\x00\x7e" + "é".encode() * 63


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        (Ping(), b"\x89\x00"),
        (Ping(b"hi"), b"\x89\x02hi"),
        (Pong(bytes(125)), b"\x8a\x7d" + bytes(125)),
        (Close(), b"\x88\x02\x03\xe8"),
        (Close(4999, "schön"), b"\x88\x08\x13\x87sch\xc3\xb6n"),
        (Close(1001, "x" * 123), b"\x88\x7d\x03\xe9" + b"x" * 123),
    ],
)
def test_control_frames(control, expected):
    assert encode(control) == expected


class Shout(str):
    __slots__ = ()


class Blob(bytes):
    __slots__ = ()


class Goodbye(Close):
    pass


@pytest.mark.parametrize(
    ("value", "same_as"),
    [
        (Shout("hi"), "hi"),
        (Blob(b"hi"), b"hi"),
        (bytearray(b"hi"), b"hi"),
        (memoryview(b"hi"), b"hi"),
        (memoryview(bytearray(b"hello"))[1:3], b"el"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (memoryview(b"abc")[::-1], b"cba"),
        (memoryview(array("I", [1, 2])), array("I", [1, 2]).tobytes()),
        (memoryview(b"abcdef").cast("B", (2, 3)), b"abcdef"),
        (Goodbye(1001, "bye"), Close(1001, "bye")),
    ],
)
def test_subclasses_and_views_are_encoded_by_their_content(value, same_as):
    assert encode(value) == encode(same_as)


def test_a_buffer_that_changes_later_does_not_change_the_frame():
    buffer = bytearray(b"then")
    encoded = encode(buffer)
    buffer[:] = b"now!"
    assert encoded == encode(b"then")


@pytest.mark.parametrize("value", [None, 1, 1.5, ["a"], {"a": 1}, object(), Remote(1000), array("B", b"x"), Close])
def test_what_is_no_frame_is_a_type_error_that_names_it(value):
    with pytest.raises(TypeError) as caught:
        encode(value)
    assert type(value).__name__ in str(caught.value)
    assert repr(value)[:80] in str(caught.value)


def test_the_type_error_of_a_large_value_is_short():
    with pytest.raises(TypeError) as caught:
        encode(list(range(10_000)))
    assert len(str(caught.value)) < 200


def test_a_text_with_a_surrogate_is_a_value_error():
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        encode("a\ud800")
    assert issubclass(UnicodeEncodeError, ValueError)


def test_encode_close():
    assert encode_close(1005) == b"\x88\x00"
    assert encode_close(1005, "no room for it") == b"\x88\x00"
    assert encode_close(1000) == b"\x88\x02\x03\xe8"
    assert encode_close(1009, "too big") == b"\x88\x09\x03\xf1too big"


@pytest.mark.parametrize(("code", "reason"), [(1006, ""), (1004, ""), (999, ""), (5000, ""), (1000, "x" * 124)])
def test_encode_close_refuses_what_may_not_be_sent(code, reason):
    with pytest.raises(ValueError, match=r"code|reason"):
        encode_close(code, reason)


@pytest.mark.parametrize("payload", [b"", b"x" * 125, b"x" * 126, b"x" * 70_000])
@pytest.mark.parametrize("key", [KEY, NULL_KEY])
def test_masking_an_encoded_frame_makes_it_a_client_s(payload, key):
    assert mask(encode(payload), key) == frame(0x82, payload, key)
    assert mask(encode(payload.decode()), key) == frame(0x81, payload, key)


def test_masking_control_frames():
    assert mask(encode(Ping(b"hi")), KEY) == frame(0x89, b"hi")
    assert mask(encode_close(1005), KEY) == frame(0x88)
