"""permessage-deflate: what is agreed to, and what inflates to how much."""

from __future__ import annotations

import os
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.headers import parse_extension

from actorws.config import Compression
from actorws.exceptions import HandshakeError, ProtocolError
from actorws.protocol.codec import INFLATED_PER_READ, Decoder, DecoderRules
from actorws.protocol.deflate import Agreed, Deflater, Inflater, largest_deflated, negotiate
from actorws.protocol.encoder import header, mask
from actorws.protocol.head import parse_head
from actorws.protocol.opcodes import BINARY, CONTINUATION, FIN, PING, RSV1, TEXT
from tests.support.deflate import TAIL, Peer, deflated, inflated

pytestmark = pytest.mark.usefixtures("both_codes")

KiB, MiB = 1024, 1024 * 1024
KEY = b"\x37\xfa\x21\x3d"
NEITHER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def negotiated(offer: str | None, **options: object) -> Agreed | None:
    lines = "" if offer is None else f"Sec-WebSocket-Extensions: {offer}\r\n"
    head = parse_head(f"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode(), 100)
    return negotiate(head, Compression(**{"compression": True, **options}))  # type: ignore[arg-type]


def agreed(offer: str = "permessage-deflate; client_max_window_bits", **options: object) -> Agreed:
    found = negotiated(offer, **options)
    assert found is not None
    return found


class TestNegotiation:
    @pytest.mark.parametrize("offer", [None, "permessage-bzip2", "x-webkit-deflate-frame"])
    def test_who_does_not_offer_it_does_not_get_it(self, offer: str | None) -> None:
        assert negotiated(offer) is None

    def test_it_is_off_by_default(self) -> None:
        assert negotiated("permessage-deflate", compression=False) is None

    @pytest.mark.parametrize(
        ("offer", "options", "answer"),
        [
            ("permessage-deflate", {}, NEITHER),
            ("permessage-deflate; client_max_window_bits", {}, NEITHER),
            ("permessage-deflate; server_no_context_takeover", {"server_context_takeover": True}, NEITHER),
            (
                "permessage-deflate",
                {"server_context_takeover": True, "client_context_takeover": True},
                "permessage-deflate",
            ),
            (
                "permessage-deflate; server_max_window_bits=10",
                {"server_max_window_bits": 12},
                f"{NEITHER}; server_max_window_bits=10",
            ),
            (
                "permessage-deflate; server_max_window_bits=14",
                {"server_max_window_bits": 12},
                f"{NEITHER}; server_max_window_bits=12",
            ),
            (
                "permessage-deflate; client_max_window_bits",
                {"client_max_window_bits": 11},
                f"{NEITHER}; client_max_window_bits=11",
            ),
            # Only a client that says it can obey may be told (RFC 7692 section 7.1.2.2).
            ("permessage-deflate", {"client_max_window_bits": 11}, NEITHER),
        ],
    )
    def test_all_four_parameters(self, offer: str, options: dict[str, object], answer: str) -> None:
        assert agreed(offer, **options).header == answer

    @pytest.mark.parametrize(
        "bad",
        [
            "foo",
            "foo=1",
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=010",
            "client_max_window_bits=abc",
            "server_no_context_takeover=1",
            "server_no_context_takeover; server_no_context_takeover",
            "client_max_window_bits; client_max_window_bits=10",
            # zlib can't (https://github.com/madler/zlib/issues/171)
            "server_max_window_bits=8",
        ],
    )
    def test_an_offer_that_can_not_be_met_is_declined_and_the_next_one_is_looked_at(self, bad: str) -> None:
        assert negotiated(f"permessage-deflate; {bad}") is None
        assert agreed(f"permessage-deflate; {bad}, other, permessage-deflate").header == NEITHER

    @pytest.mark.parametrize("header", ["permessage-deflate;", "=", 'permessage-deflate; a="', "a b", ", ,"])
    def test_what_is_no_list_of_extensions_is_refused(self, header: str) -> None:
        with pytest.raises(HandshakeError) as caught:
            negotiated(header)
        assert caught.value.status == 400

    @given(
        offer=st.builds(
            ClientPerMessageDeflateFactory,
            st.booleans(),
            st.booleans(),
            st.none() | st.integers(9, 15),
            st.none() | st.just(True) | st.integers(9, 15),
        ),
        options=st.fixed_dictionaries(
            {
                "server_context_takeover": st.booleans(),
                "client_context_takeover": st.booleans(),
                "server_max_window_bits": st.integers(9, 15),
                "client_max_window_bits": st.integers(9, 15),
            }
        ),
    )
    def test_every_answer_is_one_that_its_client_accepts_and_both_mean_the_same(
        self, offer: ClientPerMessageDeflateFactory, options: dict[str, object]
    ) -> None:
        parameters = [name if value is None else f"{name}={value}" for name, value in offer.get_request_params()]
        found = agreed("; ".join(["permessage-deflate", *parameters]), **options)
        ((_, answer),) = parse_extension(found.header)
        theirs, ours = offer.process_response_params(answer, []), found.extension
        assert theirs.local_max_window_bits <= ours.remote_max_window_bits
        assert ours.local_max_window_bits <= theirs.remote_max_window_bits
        assert theirs.remote_no_context_takeover <= ours.local_no_context_takeover
        assert ours.remote_no_context_takeover <= theirs.local_no_context_takeover


def _masked(first: int, payload: bytes) -> bytes:
    whole = mask(header(first & ~FIN, len(payload)) + payload, KEY)
    return bytes((first,)) + whole[1:]


def a_decoder(limit: int = MiB, offer: str = "permessage-deflate", **options: object) -> Decoder:
    decoder = Decoder(DecoderRules(max_message_size=limit, max_fragments=100))
    decoder.inflater = Inflater(agreed(offer, **options).extension)
    return decoder


def everything(decoder: Decoder, data: bytes, size: int = 1 << 30) -> list[object]:
    received: list[object] = []
    for start in range(0, len(data), size):
        received += decoder.receive(data[start : start + size])
        while decoder.more:
            received += decoder.receive(b"")
    return received


def code_of(decoder: Decoder) -> int:
    assert decoder.error is not None
    return int(decoder.error.code)


COMPRESSED_TEXT, COMPRESSED_BINARY = FIN | RSV1 | TEXT, FIN | RSV1 | BINARY


class TestInflating:
    @pytest.mark.parametrize("size", [1, 7, 1 << 30])
    @pytest.mark.parametrize("takeover", [False, True])
    def test_messages_come_out_as_they_were(self, takeover: bool, size: int) -> None:
        messages = [b"", b"hello", b"hello hello hello", b"", os.urandom(9000), b"x" * 300_000, b"hello"]
        peer = Peer()
        pack = peer.deflate if takeover else deflated
        data = b"".join(_masked(COMPRESSED_BINARY, pack(message)) for message in messages)
        decoder = a_decoder(client_context_takeover=takeover)
        assert everything(decoder, data, size) == messages
        assert decoder.error is None

    def test_text_is_text_and_is_checked(self) -> None:
        decoder = a_decoder()
        assert everything(decoder, _masked(COMPRESSED_TEXT, deflated("grüße".encode() * 99))) == ["grüße" * 99]
        assert everything(decoder, _masked(COMPRESSED_TEXT, deflated(b"abc\xff"))) == []
        assert code_of(decoder) == 1007

    def test_compressed_and_other_messages_may_alternate(self) -> None:
        data = _masked(COMPRESSED_TEXT, deflated(b"one")) + _masked(FIN | TEXT, b"two")
        assert everything(a_decoder(), data * 2) == ["one", "two"] * 2

    @pytest.mark.parametrize("pieces", [2, 5, 40])
    def test_fragments_are_parts_of_one_stream_and_control_frames_may_come_between(self, pieces: int) -> None:
        message = bytes(range(256)) * 400
        packed = deflated(message)
        step = -(-len(packed) // pieces)
        parts = [packed[i : i + step] for i in range(0, len(packed), step)]
        data = _masked(RSV1 | BINARY, parts[0])
        for part in parts[1:]:
            data += _masked(FIN | PING, b"!") + _masked(CONTINUATION, part)
        data += _masked(FIN | CONTINUATION, b"")
        received = everything(a_decoder(), data)
        assert received[-1] == message and len(received) == len(parts)

    def test_wrong_text_is_told_at_its_fragment_not_at_the_end(self) -> None:
        decoder = a_decoder()
        packed = zlib.compressobj(wbits=-15)
        everything(decoder, _masked(RSV1 | TEXT, packed.compress(b"\xff\xff" * 9) + packed.flush(zlib.Z_SYNC_FLUSH)))
        assert code_of(decoder) == 1007

    @pytest.mark.parametrize("first", [FIN | RSV1 | PING, FIN | RSV1 | 0x8, FIN | 0x20 | TEXT, FIN | 0x70 | TEXT])
    def test_the_bit_belongs_to_data_alone_and_alone(self, first: int) -> None:
        decoder = a_decoder()
        everything(decoder, _masked(first, b""))
        assert code_of(decoder) == 1002

    def test_only_the_first_fragment_has_the_bit(self) -> None:
        decoder = a_decoder()
        packed = deflated(b"hello")
        everything(decoder, _masked(RSV1 | TEXT, packed[:2]) + _masked(FIN | RSV1 | CONTINUATION, packed[2:]))
        assert code_of(decoder) == 1002

    def test_without_an_agreement_it_is_an_error(self) -> None:
        decoder = Decoder(DecoderRules(max_message_size=MiB, max_fragments=100))
        everything(decoder, _masked(COMPRESSED_TEXT, deflated(b"hello")))
        assert code_of(decoder) == 1002


class TestUnsoundData:
    @pytest.mark.parametrize("takeover", [False, True])
    @pytest.mark.parametrize("size", [20, 5000])
    def test_what_is_not_deflated_is_1007(self, size: int, takeover: bool) -> None:
        decoder = a_decoder(client_context_takeover=takeover)
        everything(decoder, _masked(COMPRESSED_BINARY, b"\xff" * size))
        assert code_of(decoder) == 1007

    @pytest.mark.parametrize("takeover", [False, True])
    def test_a_message_that_is_cut_off_anywhere_is_1007(self, takeover: bool) -> None:
        packed = deflated(b"to be or not to be, that is the question" + os.urandom(40))
        for length in range(1, len(packed)):
            decoder = a_decoder(client_context_takeover=takeover)
            assert everything(decoder, _masked(COMPRESSED_BINARY, packed[:length])) == [], length
            assert code_of(decoder) == 1007

    @pytest.mark.parametrize("takeover", [False, True])
    @pytest.mark.parametrize("padding", [b"", b"\x00"])
    def test_a_client_may_end_its_stream_with_each_message(self, takeover: bool, padding: bytes) -> None:
        """RFC 7692 section 7.2.3.4: a block with BFINAL set."""
        messages = [b"hello", b"world" * 1000]
        data = b""
        for message in messages:
            packer = zlib.compressobj(wbits=-15)
            data += _masked(COMPRESSED_BINARY, packer.compress(message) + packer.flush() + padding)
        data += _masked(COMPRESSED_BINARY, deflated(b"and on"))
        assert everything(a_decoder(client_context_takeover=takeover), data) == [*messages, b"and on"]

    @pytest.mark.parametrize("takeover", [False, True])
    @pytest.mark.parametrize("payload", [b"\x01", b"\x03"])
    def test_a_message_whose_last_block_ends_in_the_tail_costs_nothing_but_itself(
        self, payload: bytes, takeover: bool
    ) -> None:
        data = _masked(COMPRESSED_BINARY, payload)
        received = everything(
            a_decoder(client_context_takeover=takeover), data + _masked(COMPRESSED_BINARY, b"\x03\x00")
        )
        assert received in ([], [b"", b""])

    def test_what_follows_the_end_in_other_fragments_is_refused_with_the_first_of_them(self) -> None:
        decoder = a_decoder()
        assert everything(decoder, _masked(RSV1 | BINARY, b"\x03\x00")) == []
        everything(decoder, _masked(CONTINUATION, b"\x00"))
        assert decoder.error is None
        everything(decoder, _masked(CONTINUATION, b"\x00"))
        assert code_of(decoder) == 1007

    def test_nothing_may_follow_the_end_of_the_stream(self) -> None:
        packer = zlib.compressobj(wbits=-15)
        decoder = a_decoder()
        everything(decoder, _masked(COMPRESSED_BINARY, packer.compress(b"hello") + packer.flush() + deflated(b"more")))
        assert code_of(decoder) == 1007

    def test_fragments_without_a_byte_are_an_empty_message_or_the_begin_of_one(self) -> None:
        empty = _masked(RSV1 | BINARY, b"") + _masked(CONTINUATION, b"")
        assert everything(a_decoder(), empty + _masked(FIN | CONTINUATION, b"")) == [b""]
        assert everything(a_decoder(), empty + _masked(FIN | CONTINUATION, deflated(b"hello"))) == [b"hello"]

    def test_not_a_byte_is_an_empty_message(self) -> None:
        data = _masked(COMPRESSED_BINARY, b"") + _masked(COMPRESSED_BINARY, deflated(b"hello"))
        assert everything(a_decoder(), data) == [b"", b"hello"]


class TestLimits:
    @pytest.mark.parametrize("takeover", [False, True])
    @pytest.mark.parametrize("make", [bytes, os.urandom], ids=["zeros", "random"])
    @pytest.mark.parametrize("limit", [1, 100, 5000, 70_000])
    def test_a_message_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(
        self, limit: int, make: object, takeover: bool
    ) -> None:
        assert callable(make)
        for size, taken in [(limit, True), (limit + 1, False), (limit + 2, False)]:
            decoder = a_decoder(limit, client_context_takeover=takeover)
            message = make(size)
            assert everything(decoder, _masked(COMPRESSED_BINARY, deflated(message))) == [message] * taken
            assert taken or code_of(decoder) == 1009

    def test_the_limit_is_that_of_all_fragments_together(self) -> None:
        packer = zlib.compressobj(wbits=-15)
        decoder = a_decoder(1000)
        first = packer.compress(bytes(900)) + packer.flush(zlib.Z_SYNC_FLUSH)
        everything(decoder, _masked(RSV1 | BINARY, first))
        assert decoder.error is None
        everything(decoder, _masked(CONTINUATION, packer.compress(bytes(101)) + packer.flush(zlib.Z_SYNC_FLUSH)))
        assert code_of(decoder) == 1009
        assert decoder.error is not None and decoder.error.limit == "max_message_size"

    def test_a_bomb_costs_the_limit_not_what_it_would_become(self) -> None:
        bomb = _masked(COMPRESSED_BINARY, deflated(bytes(64 * MiB)))
        decoder = a_decoder(256 * KiB)
        tracemalloc.start()
        try:
            everything(decoder, bomb, 64 * KiB)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert code_of(decoder) == 1009
        # For a moment zlib has it twice: in blocks, and joined.
        assert peak < 2 * 256 * KiB + 4 * len(bomb) + 64 * KiB

    def test_many_small_bombs_in_one_read_are_inflated_one_after_the_other(self) -> None:
        message = bytes(200 * KiB)
        decoder = a_decoder()
        data = _masked(COMPRESSED_BINARY, deflated(message)) * 20
        received = decoder.receive(data)
        assert len(received) * len(message) < INFLATED_PER_READ + 2 * len(message)
        assert decoder.more and decoder.attention
        count = len(received)
        while decoder.more:
            count += len(decoder.receive(b""))
        assert count == 20

    def test_fragments_that_inflate_to_much_let_others_have_their_turn(self) -> None:
        packer = zlib.compressobj(wbits=-15)
        parts = [packer.compress(bytes(100 * KiB)) + packer.flush(zlib.Z_SYNC_FLUSH) for _ in range(5)]
        data = _masked(RSV1 | BINARY, parts[0]) + b"".join(_masked(CONTINUATION, part) for part in parts[1:])
        decoder = a_decoder()
        assert decoder.receive(data + _masked(FIN | CONTINUATION, b"\x00")) == []
        assert decoder.more
        assert everything(decoder, b"") or [item for item in _rest(decoder)] == [bytes(500 * KiB)]

    def test_a_header_that_claims_more_than_any_message_could_need_is_refused_at_once(self) -> None:
        decoder = a_decoder(1000)
        decoder.receive(_masked(COMPRESSED_BINARY, bytes(largest_deflated(1000) + 1))[:8])
        assert code_of(decoder) == 1009

    @given(st.binary(max_size=5000), st.integers(1, 9), st.integers(1, 9), st.integers(9, 15))
    def test_no_message_is_larger_compressed_than_is_let_in(
        self, message: bytes, level: int, memory: int, bits: int
    ) -> None:
        packer = zlib.compressobj(level, zlib.DEFLATED, -bits, memory)
        assert len(packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH)) <= largest_deflated(len(message))


def _rest(decoder: Decoder) -> list[object]:
    received: list[object] = []
    while decoder.more:
        received += decoder.receive(b"")
    return received


class TestDeflating:
    def parse(self, chunk: bytes) -> tuple[int, bytes]:
        size, start = chunk[1], 2
        if size == 126:
            size, start = int.from_bytes(chunk[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(chunk[2:10], "big"), 10
        assert len(chunk) == start + size
        return chunk[0], chunk[start:]

    @pytest.mark.parametrize("size", [300, 5000, 100_000])
    def test_a_frame_is_compressed_and_says_so(self, size: int) -> None:
        deflater = Deflater(agreed().extension)
        first, payload = self.parse(deflater.encode(TEXT, b"ab" * size))
        assert first == FIN | RSV1 | TEXT
        assert len(payload) < size and inflated(payload) == b"ab" * size

    def test_what_would_only_grow_is_sent_as_it_is(self) -> None:
        message = os.urandom(2000)
        assert self.parse(Deflater(agreed().extension).encode(BINARY, message)) == (FIN | BINARY, message)

    def test_with_takeover_it_is_compressed_all_the_same_because_it_is_remembered(self) -> None:
        message, peer = os.urandom(2000), Peer()
        deflater = Deflater(agreed(server_context_takeover=True).extension)
        assert deflater.recipe is None
        first, second = (self.parse(deflater.encode(BINARY, message))[1] for _ in range(2))
        assert len(first) > 2000 > 100 > len(second)
        assert peer.inflate(first) == peer.inflate(second) == message

    def test_after_a_frame_that_was_not_sent_the_next_one_stands_alone(self) -> None:
        deflater = Deflater(agreed(server_context_takeover=True).extension)
        deflater.encode(TEXT, b"this was not sent")
        deflater.forget()
        assert inflated(self.parse(deflater.encode(TEXT, b"this was not sent"))[1]) == b"this was not sent"

    def test_where_nothing_is_remembered_there_is_nothing_to_forget(self) -> None:
        deflater = Deflater(agreed().extension)
        frame = deflater.encode(TEXT, b"again and again and again")
        deflater.forget()
        assert deflater.encode(TEXT, b"again and again and again") == frame

    def test_the_same_options_and_window_make_the_same_recipe(self) -> None:
        one, same = agreed(), agreed("permessage-deflate")
        smaller = agreed("permessage-deflate; server_max_window_bits=10")
        other = agreed(compression_level=1)
        recipes = [Deflater(found.extension).recipe for found in (one, same, smaller, other)]
        assert recipes[0] is recipes[1]
        assert len(set(recipes)) == 3

    def test_a_smaller_window_is_kept_to(self) -> None:
        deflater = Deflater(agreed("permessage-deflate; server_max_window_bits=9").extension)
        message = os.urandom(3000)
        _, payload = self.parse(deflater.encode(BINARY, message * 2 + bytes(3000)))
        assert zlib.decompressobj(wbits=-9).decompress(payload + TAIL) == message * 2 + bytes(3000)
        assert len(payload) > 6000, "a larger window would have found the second half in the first"


def test_the_error_is_told_with_its_limit() -> None:
    inflater = Inflater(agreed().extension)
    with pytest.raises(ProtocolError, match="more than 7 bytes") as caught:
        inflater.inflate(deflated(bytes(8)), first=True, last=True, room=7, limit=7)
    assert caught.value.limit == "max_message_size"
