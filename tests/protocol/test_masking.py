"""Masking: the library's implementations do what RFC 6455 section 5.3 says, on every kind of buffer."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.utils import apply_mask as pure_apply_mask

from actorws.protocol import codec, masking
from actorws.protocol.codec import Decoder, DecoderRules
from actorws.protocol.encoder import encode, mask
from actorws.protocol.masking import apply_mask, rotate

keys = st.binary(min_size=4, max_size=4)


def by_definition(data, key):
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(data))


@given(st.binary(max_size=300), keys)
@settings(deadline=None)
@pytest.mark.parametrize("implementation", [apply_mask, pure_apply_mask])
def test_each_byte_is_combined_with_the_byte_of_the_key_at_its_position(implementation, data, key):
    assert implementation(data, key) == by_definition(data, key)


@given(st.binary(max_size=300), keys)
@settings(deadline=None)
def test_the_kind_of_buffer_makes_no_difference(data, key):
    for buffer in (data, bytearray(data), memoryview(data), memoryview(b"x" + data)[1:]):
        assert apply_mask(buffer, key) == by_definition(data, key)
        assert type(apply_mask(buffer, key)) is bytes


@given(st.binary(max_size=100), keys, st.integers(0, 100))
@settings(deadline=None)
def test_a_rotated_key_unmasks_a_piece_from_the_middle(data, key, offset):
    piece = by_definition(data, key)[offset:]
    assert apply_mask(piece, rotate(key, offset)) == data[offset:]


@pytest.mark.parametrize("key", [b"", b"abc", b"abcde"])
def test_a_key_of_other_than_four_bytes_is_refused(key):
    with pytest.raises(ValueError, match="mask"):
        apply_mask(b"data", key)


@given(st.one_of(st.text(max_size=100), st.binary(max_size=200)), keys)
@settings(deadline=None)
@pytest.mark.parametrize("implementation", [apply_mask, pure_apply_mask])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_frame_masked_with_any_key_decodes(implementation, size, message, key):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "apply_mask", implementation)
        patch.setattr(codec, "parse", codec.parse_in_python)  # the C code has a masking of its own
        wire = mask(encode(message), key)
        decoder = Decoder(DecoderRules(max_message_size=1000, max_fragments=1))
        received = [item for i in range(0, len(wire), size) for item in decoder.receive(wire[i : i + size])]
    assert received == [message]


def test_without_the_compiled_module_the_pure_one_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    spec = importlib.util.spec_from_file_location("masking_without_speedups", masking.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.apply_mask is pure_apply_mask
