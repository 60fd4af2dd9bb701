"""Targets ``decoder`` and ``frames``: what the codec makes of a stream, however it is cut.

``decoder`` takes bytes as they are; ``frames`` takes descriptions of frames, which reach large and masked ones. The
oracles are the reference and, for what breaks no limit, wsproto.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from actorws.frames import Ping, Pong
from actorws.protocol.assembly import MAX_SPARE
from actorws.protocol.codec import FRAMES_PER_READ, INFLATED_PER_READ, TAIL_SIZE, Decoder, DecoderRules, Received
from actorws.protocol.payload import FIRST_ROOM, LEAST_ROOM
from actorws.protocol.unmasked import UnmaskedDecoder
from actorws.reasons import Remote
from tests.fuzz.reference import Read, Rules, read, write
from tests.fuzz.steering import Steering
from tests.protocol.test_codec_oracle import by_wsproto
from tests.support.speedups import PARSERS, coded_in

__all__ = ["check_stream", "decoder", "described", "frames", "make_decoder", "rules_of", "typed"]

SIZES = (1, 2, 125, 126, 300, 65535, 65536, 200_000, 2**62)
FRAGMENTS = (1, 2, 3, 10, 300, 2**30)
#: The longest header: two bytes, eight of length, four of key.
_HEADER = 14
_KEYS = (bytes(4), b"\x01\x02\x03\x04", b"\xff\x00\x80\x7f", b"\x37\xfa\x21\x3d")
_TIMES = (1, 1, 2, 17, 130, 300, 1000, 4000)
_ANNOUNCED = (0, 1, 125, 126, 127, 4096, 4097, 65535, 65536, 2**62, 2**62 + 1, 2**63 - 1, 2**63, 2**64 - 1)


def decoder(data: bytes) -> None:
    """Any bytes."""
    steering = Steering(data)
    _check(steering, steering.rest)


def frames(data: bytes) -> None:
    """Frames of which every field may be wrong."""
    steering = Steering(data)
    _check(steering, b"".join(described(steering.rest, masked=not steering.bit(0))))


def described(
    text: bytes, masked: bool, *, room: int = 400_000, content: Callable[[int, bytes], bytes] | None = None
) -> Iterator[bytes]:
    """Frames from their descriptions: the first byte, how the rest is written, the payload's size, the payload.

    At most about ``room`` bytes; ``content`` makes of the first byte and the payload what is sent in its place.
    """
    while len(text) >= 3 and room > 0:
        first, how, size = text[:3]
        payload, text = (text[3 : 3 + size] * _TIMES[how & 7])[:room], text[3 + size :]
        room -= len(payload) + _HEADER
        if content is not None:
            payload = content(first, payload)
        is_odd = how >> 3 & 7 == 7  # seldom, so that most frames of most streams are read
        key = _KEYS[how >> 6] if masked is not (is_odd and size % 4 == 1) else None
        length = _ANNOUNCED[size % len(_ANNOUNCED)] if is_odd and size % 4 == 2 else None
        yield write(first, payload, key, form=(0, 2, 8, 0)[size % 4] if is_odd else 0, length=length)


def _check(steering: Steering, wire: bytes) -> None:
    rules = rules_of(steering)
    expected = read(wire, rules)
    check_stream(steering, wire, lambda: make_decoder(rules), expected)
    if expected[1] != 1009 and len(wire) < 4096:
        _check_wsproto(wire, rules, expected)


def rules_of(steering: Steering) -> Rules:
    """What the steering bytes choose."""
    size = steering.choose(1, SIZES)
    return Rules(
        masked=not steering.bit(0),
        max_message_size=size,
        max_fragments=steering.choose(2, FRAGMENTS),
        max_deflated_size=size + size // 8 + 64,
    )


def make_decoder(rules: Rules) -> Decoder:
    return (Decoder if rules.masked else UnmaskedDecoder)(
        DecoderRules(max_message_size=rules.max_message_size, max_fragments=rules.max_fragments, masked=rules.masked)
    )


def check_stream(steering: Steering, wire: bytes, make: Callable[[], Decoder], expected: Read | None) -> None:
    """A decoder reads ``wire`` as it is ``expected``, if that is known, and the same whether it is whole or cut, and
    whether its inner loop is Python or C."""
    whole, error = drive(make(), [(wire, False)])
    if expected is not None:
        assert typed(whole) == typed(expected), f"{whole} is not {expected}"
    for language in PARSERS:
        with coded_in(language):
            for how, pieces in ("whole", [(wire, False)]), ("cut", steering.pieces(wire)):
                again, same_error = drive(make(), pieces)
                assert (typed(again), same_error) == (typed(whole), error), (
                    f"{how}, with the code in {language}, it is {again}: {same_error!r}"
                )


def _check_wsproto(wire: bytes, rules: Rules, expected: Read) -> None:
    other = by_wsproto(wire, client=not rules.masked)
    if expected[1] is not None and other[1] is None:
        # It judges a header when all of it is there, and a continuation at the first byte of its payload.
        other = by_wsproto(wire + bytes(16), client=not rules.masked)
    assert expected == other, f"by wsproto it is {other}"


def typed(outcome: Read) -> tuple[list[tuple[type, object]], int | None]:
    """With the types, because ``bytearray() == b""``."""
    return [(type(item), item) for item in outcome[0]], outcome[1]


def drive(decoder: Decoder, pieces: Iterable[tuple[bytes, bool]]) -> tuple[Read, str]:
    """Feed a decoder as the drivers do, and check after each call what they rely on; pieces with the flag
    are read into its room while it gathers. What comes out, and the text of the error."""
    received: list[Received] = []
    fed = 0
    for piece, into_room in pieces:
        fed += len(piece)
        while into_room and piece and decoder.gathering:
            with decoder.room() as room:
                assert len(room) > 0, "no room while gathering"
                size = min(len(room), len(piece))
                room[:size] = piece[:size]
            received += _checked(decoder, decoder.filled(size), fed)
            piece = piece[size:]
        if piece:
            received += _checked(decoder, decoder.receive(piece), fed)
        while decoder.more:
            received += _checked(decoder, decoder.receive(b""), fed)
    closes = [i for i, item in enumerate(received) if isinstance(item, Remote)]
    assert closes in ([], [len(received) - 1]), "something came out behind a Close"
    if decoder.error is not None or closes:
        _check_over(decoder)
    if decoder.error is None:
        return (received, None), ""
    assert not closes, "an error behind a Close"
    return (received, int(decoder.error.code)), str(decoder.error)


def _checked(decoder: Decoder, received: list[Received], fed: int) -> list[Received]:
    """What holds after every call."""
    assert len(received) <= FRAMES_PER_READ, f"{len(received)} items from one call"
    is_special = decoder.more or decoder.error is not None
    if is_special or any(isinstance(item, Ping | Pong | Remote) for item in received):
        assert decoder.attention, "something to see to, and nothing said so"
    rules, message, gather = decoder.rules, decoder._message, decoder._gather
    sizes = [
        len(item.encode() if isinstance(item, str) else item) for item in received if isinstance(item, str | bytes)
    ]
    assert max(sizes, default=0) <= rules.max_message_size, "a message too large came out"
    if decoder.inflater is not None:
        assert sum(sizes) <= 2 * fed + INFLATED_PER_READ + 2 * rules.max_message_size, "too much in one call"
    assert len(decoder._tail) <= (fed if decoder.more else TAIL_SIZE + _HEADER), "a tail too long"
    if message is not None:
        assert message.size == sum(map(len, message.parts)) <= rules.max_message_size, "a message too large"
        assert len(message.parts) <= rules.max_fragments, "too many fragments"
    if gather is not None:
        limit = rules.max_deflated_size if gather.deflated else rules.max_message_size
        assert gather.size < gather.length <= limit, "a payload too large"
        room = max(FIRST_ROOM, 4 * fed) + LEAST_ROOM
        assert len(gather.buffer) <= max(room, MAX_SPARE) and gather.size <= fed, "room out of proportion"
    return received


def _check_over(decoder: Decoder) -> None:
    """After an error or a Close nothing is taken or kept."""
    error = decoder.error
    for more in (b"\x82\x81\0\0\0\0x", b"\x82\x01x", b"\x88\x80\0\0\0\0", b""):
        assert decoder.receive(more) == [], "something came out after the end"
    assert decoder.error is error and not decoder.more and not decoder.gathering
    assert decoder._message is None and decoder._gather is None and not decoder._tail, "something kept after the end"
