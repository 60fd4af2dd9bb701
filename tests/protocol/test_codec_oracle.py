"""The codec against two independent ones, ``wsproto`` and ``websockets``, and against itself under every chunking.

Known differences to ``wsproto``, which the oracle below makes up for, because ours are meant:

- Close code 1014 is in the IANA registry; wsproto 1.3 doesn't know it.
- We refuse a frame on its first two bytes, wsproto waits for the whole header (reserved bits, masking) or for the first
  byte of payload (continuation rules). Both refuse with the same code, so it is shown a few bytes more.
- wsproto has no limits; those are compared with ``websockets``, which in turn doesn't check UTF-8.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from wsproto import events as wsproto_events
from wsproto.connection import CLIENT, SERVER, Connection
from wsproto.frame_protocol import FrameProtocol, ParseFailed

from actorws.frames import Close, Ping, Pong, is_sendable
from actorws.protocol.codec import Decoder, DecoderRules
from actorws.protocol.encoder import encode, mask
from actorws.protocol.unmasked import UnmaskedDecoder
from actorws.reasons import Remote

pytestmark = pytest.mark.usefixtures("both_codes")

ENOUGH = 2**63


def examples(count):
    """Settings under which a busy machine makes no difference."""
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Oracle(FrameProtocol):
    """wsproto's frame protocol, taught close code 1014."""

    def _process_close(self, frame):
        if frame.payload[:2] != b"\x03\xf6":
            return super()._process_close(frame)
        close = super()._process_close(frame._replace(payload=b"\x03\xf5" + frame.payload[2:]))
        return close._replace(payload=(1014, close.payload[1]))


CONTROL = {Opcode.PING: Ping, Opcode.PONG: Pong}


def by_wsproto(wire, *, client=False):
    """What wsproto makes of the bytes: messages and control frames, and the code of the error if there is one."""
    protocol = Oracle(client=client, extensions=[])
    protocol.receive_bytes(wire)
    received, parts = [], []
    try:
        for frame in protocol.received_frames():
            if frame.opcode in CONTROL:
                received.append(CONTROL[frame.opcode](bytes(frame.payload)))
            elif frame.opcode == Opcode.CLOSE:
                received.append(Remote(int(frame.payload[0]), frame.payload[1]))
            else:
                parts.append(frame.payload)
                if frame.frame_finished and frame.message_finished:
                    received.append(parts[0][:0].join(parts))
                    parts.clear()
    except ParseFailed as error:
        return received, int(error.code)
    return received, None


def feed(decoder, pieces):
    """Everything that comes out of a decoder; pieces marked True are read into its room where there is one."""
    received = []
    for piece, into_room in pieces:
        while into_room and piece and decoder.gathering:
            with decoder.room() as room:
                size = min(len(room), len(piece))
                room[:size] = piece[:size]
            received += decoder.filled(size)
            piece = piece[size:]
        received += decoder.receive(piece)
        while decoder.more:
            received += decoder.receive(b"")
    return received


def by_ours(wire, cuts=(), *, masked=True, max_message_size=ENOUGH, max_fragments=ENOUGH):
    """What we make of the bytes cut at ``(position, into_room)``: as ``by_wsproto``, and the error's text."""
    rules = DecoderRules(max_message_size=max_message_size, max_fragments=max_fragments, masked=masked)
    decoder = (Decoder if masked else UnmaskedDecoder)(rules)
    cuts = sorted({0: False, **{position: room for position, room in cuts if position < len(wire)}}.items())
    ends = [position for position, _ in cuts[1:]] + [len(wire)]
    received = feed(decoder, [(wire[start:end], room) for (start, room), end in zip(cuts, ends, strict=True)])
    if decoder.error is None:
        return received, None, ""
    return received, int(decoder.error.code), str(decoder.error)


def every_byte(wire, *, into_room=False):
    return [(position, into_room) for position in range(len(wire))]


cuts = st.lists(st.tuples(st.integers(0, 600), st.booleans()), max_size=12)
keys = st.binary(min_size=4, max_size=4)


def check_chunkings(wire, cuts, **rules):
    """The result doesn't depend on how the bytes arrive. Return it."""
    whole = by_ours(wire, **rules)
    assert by_ours(wire, cuts, **rules) == whole
    assert by_ours(wire, every_byte(wire), **rules) == whole
    assert by_ours(wire, every_byte(wire, into_room=True), **rules) == whole
    return whole


def check_agreement(wire, cuts, *, masked=True):
    received, code, _ = check_chunkings(wire, cuts, masked=masked)
    expected, expected_code = by_wsproto(wire, client=not masked)
    if code is not None and expected_code is None:
        expected, expected_code = by_wsproto(wire + bytes(16), client=not masked)
    assert (received, code) == (expected, expected_code)
    event(f"error {code}" if code else "no error")
    return received, code


# Valid conversations


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
long_texts = st.builds(lambda text, times: text * times, texts, st.sampled_from([1, 1, 3, 200]))
blobs = st.builds(lambda blob, times: blob * times, st.binary(max_size=60), st.sampled_from([1, 1, 3, 200]))
pings = st.builds(Ping, st.binary(max_size=125))
pongs = st.builds(Pong, st.binary(max_size=125))
controls = st.one_of(pings, pongs)
codes = st.one_of(st.sampled_from([1000, 1001, 1014, 3000, 4999]), st.integers(1000, 4999).filter(is_sendable))
closes = st.builds(Close, codes, st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
#: A message as the parts it is sent in, with the control frames that follow each part.
messages = st.one_of(
    st.lists(st.tuples(long_texts, st.lists(controls, max_size=2)), min_size=1, max_size=4),
    st.lists(st.tuples(blobs, st.lists(controls, max_size=2)), min_size=1, max_size=4),
)
conversations = st.tuples(st.lists(messages, max_size=6), st.none() | closes)


def sent_by_wsproto(conversation, key=None):
    """The bytes of a client that speaks wsproto, and what should come out. A ``key`` makes the bytes reproducible."""
    client, wire, expected = Connection(CLIENT if key is None else SERVER), b"", []
    send = client.send if key is None else lambda event: mask(client.send(event), key)
    for parts in conversation[0]:
        for i, (part, between) in enumerate(parts):
            last = i == len(parts) - 1
            kind = wsproto_events.TextMessage if isinstance(part, str) else wsproto_events.BytesMessage
            wire += send(kind(data=part, message_finished=last))
            if last:
                expected.append(parts[0][0][:0].join(part for part, _ in parts))
            for control in between:
                kind = wsproto_events.Ping if isinstance(control, Ping) else wsproto_events.Pong
                wire += send(kind(payload=control.data))
                expected.append(control)
    if conversation[1] is not None:
        close = conversation[1]
        wire += send(wsproto_events.CloseConnection(code=close.code, reason=close.reason))
        expected.append(Remote(close.code, close.reason))
    return wire, expected


@given(conversations, cuts)
@examples(150)
def test_a_conversation_of_a_wsproto_client(conversation, cuts):
    wire, expected = sent_by_wsproto(conversation)
    assert check_agreement(wire, cuts) == (expected, None)


@given(
    st.binary(max_size=60) | texts.map(str.encode), st.lists(st.integers(0, 60), max_size=5), st.booleans(), keys, cuts
)
@examples(150)
def test_a_text_cut_anywhere_into_fragments(payload, ends, truncated, key, cuts):
    """Inside characters too, and whether or not it is UTF-8, and where the last fragment is missing."""
    bounds = [0, *sorted(min(end, len(payload)) for end in ends), len(payload)]
    parts = [payload[start:end] for start, end in pairwise(bounds)]
    wire = b""
    for i, part in enumerate(parts):
        fin = i == len(parts) - 1 and not truncated
        unmasked = Frame(Opcode.CONT if i else Opcode.TEXT, part, fin).serialize(mask=False)
        wire += mask(unmasked, key)
    check_agreement(wire, cuts)


@given(st.lists(st.one_of(long_texts, blobs, controls), max_size=8), st.none() | closes)
@examples(100)
def test_what_we_encode_is_what_wsproto_and_websockets_read_and_write(frames, close):
    sent = [*frames, close] if close is not None else frames
    expected = [*frames, Remote(close.code, close.reason)] if close is not None else frames
    wire = b"".join(map(encode, sent))
    assert by_wsproto(wire, client=True) == (expected, None)
    assert wire == b"".join(map(written_by_websockets, sent))


def written_by_websockets(frame):
    if isinstance(frame, str):
        return Frame(Opcode.TEXT, frame.encode()).serialize(mask=False)
    if isinstance(frame, bytes):
        return Frame(Opcode.BINARY, frame).serialize(mask=False)
    if isinstance(frame, Close):
        payload = frame.code.to_bytes(2, "big") + frame.reason.encode()
        return Frame(Opcode.CLOSE, payload).serialize(mask=False)
    return Frame(Opcode.PING if isinstance(frame, Ping) else Opcode.PONG, frame.data).serialize(mask=False)


@given(st.lists(st.one_of(long_texts, blobs, controls), max_size=8), cuts)
@examples(100)
def test_what_we_encode_is_what_we_read_as_a_client(frames, cuts):
    wire = b"".join(map(encode, frames))
    assert check_agreement(wire, cuts, masked=False) == (frames, None)


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536])
def test_lengths_at_the_edges_of_the_three_forms(length):
    payload = bytes(i & 0xFF for i in range(length))
    assert by_wsproto(encode(payload), client=True) == ([payload], None)
    assert by_ours(mask(encode(payload), b"\x01\x02\x03\x04"), [(7, False), (70, True), (600, True)])[0] == [payload]


# Broken conversations


def a_frame(fin, rsv, opcode, masked, payload, form, key):
    """A frame of which every field may be wrong; ``form`` is the bytes its length takes."""
    length = len(payload)
    if form == 1 and length < 126:
        size = bytes((length | masked,))
    elif form < 8:
        size = bytes((126 | masked,)) + length.to_bytes(2, "big")
    else:
        size = bytes((127 | masked,)) + length.to_bytes(8, "big")
    if not masked:
        return bytes((fin | rsv | opcode,)) + size + payload
    key_of = [byte ^ key[i % 4] for i, byte in enumerate(payload)]
    return bytes((fin | rsv | opcode,)) + size + key + bytes(key_of)


def mostly(value, others):
    return st.integers(0, 9).flatmap(lambda n: others if n == 9 else st.just(value))


close_payloads = st.builds(
    lambda code, reason: code.to_bytes(2, "big") + reason, st.integers(900, 5100), st.binary(max_size=4)
)
payloads = st.one_of(
    texts.map(str.encode), st.binary(max_size=20), st.binary(min_size=120, max_size=130), close_payloads
)


def odd_frames(masked):
    return st.builds(
        a_frame,
        fin=st.sampled_from([0x80, 0x80, 0x00]),
        rsv=mostly(0, st.sampled_from([0x10, 0x20, 0x40, 0x70])),
        opcode=mostly(0, st.integers(0, 15)) | st.sampled_from([0, 1, 2, 8, 9, 10]),
        masked=mostly(0x80 if masked else 0, st.sampled_from([0, 0x80])),
        payload=payloads,
        form=mostly(1, st.sampled_from([2, 8])),
        key=keys,
    )


@pytest.mark.parametrize("masked", [True, False])
@given(st.data(), cuts)
@examples(400)
def test_frames_with_any_fields_are_taken_or_refused_as_wsproto_does(masked, data, cuts):
    frames = data.draw(st.lists(odd_frames(masked), max_size=6))
    end = data.draw(st.none() | st.integers(0, 200))
    check_agreement(b"".join(frames)[:end], cuts, masked=masked)


@given(conversations, keys, st.data(), cuts)
@examples(400)
def test_a_conversation_with_damaged_bytes_is_taken_or_refused_as_wsproto_does(conversation, key, data, cuts):
    wire = bytearray(sent_by_wsproto(conversation, key)[0])
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, 300)) % (len(wire) + 1)
        match data.draw(st.sampled_from(["change", "insert", "remove", "cut"])):
            case "change" if position < len(wire):
                wire[position] = data.draw(st.integers(0, 255))
            case "insert":
                wire[position:position] = data.draw(st.binary(min_size=1, max_size=9))
            case "remove":
                del wire[position : position + data.draw(st.integers(1, 9))]
            case "cut":
                del wire[position:]
    check_agreement(bytes(wire), cuts)


@pytest.mark.parametrize("masked", [True, False])
@given(st.binary(max_size=300), cuts)
@examples(200)
def test_random_bytes_never_raise(masked, wire, cuts):
    check_agreement(wire, cuts, masked=masked)


@given(keys, st.binary(max_size=400), st.sampled_from([0x81, 0x82, 0x01, 0x02]), cuts)
@examples(200)
def test_random_bytes_behind_a_header_never_raise(key, rest, first, cuts):
    check_agreement(bytes((first, 0xFE, 0, 200)) + key + rest, cuts)


# Limits


def by_websockets(wire, limit):
    protocol = ServerProtocol(state=State.OPEN, max_size=limit)
    protocol.receive_data(wire)
    code = None if protocol.parser_exc is None else protocol.close_sent.code
    received, parts = [], []
    for frame in protocol.events_received():
        parts.append(bytes(frame.data))
        if frame.fin:
            received.append(b"".join(parts))
            parts.clear()
    return received, code


@given(st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=5), max_size=5), st.integers(125, 700), cuts, keys)
@examples(200)
def test_the_size_limit_refuses_what_websockets_refuses(lengths, limit, cuts, key):
    wire = b""
    for parts in lengths:
        for i, length in enumerate(parts):
            part = Frame(Opcode.CONT if i else Opcode.BINARY, bytes(length), i == len(parts) - 1)
            wire += mask(part.serialize(mask=False), key)
    received, code, _ = check_chunkings(wire, cuts, max_message_size=limit)
    assert (received, code) == by_websockets(wire, limit)
    event(f"error {code}")


@given(conversations, st.integers(1, 300), st.integers(1, 4), cuts)
@examples(200)
def test_with_limits_the_result_does_not_depend_on_the_chunking_either(conversation, max_size, max_fragments, cuts):
    wire, expected = sent_by_wsproto(conversation)
    received, code, _ = check_chunkings(wire, cuts, max_message_size=max_size, max_fragments=max_fragments)
    assert received == expected[: len(received)]
    assert code == (None if len(received) == len(expected) else 1009)
