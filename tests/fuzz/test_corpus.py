"""Every kept input through its target, mutations of them, and that each target's check can fail."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actorws.exceptions import HandshakeError
from actorws.protocol import chunked, codec, deflate, encoder, handshake, head, header_rules, http1, payload
from tests.fuzz.__main__ import NAMES
from tests.fuzz.corpus import CORPUS, kept
from tests.fuzz.inflating import ReferenceInflater
from tests.fuzz.reference import Failed
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS
from tests.fuzz.under_hypothesis import mutations

each_target = pytest.mark.parametrize("name", NAMES)


@cache
def inputs(name: str) -> list[bytes]:
    return [*seeds(name), *(path.read_bytes() for path in kept(name))]


def test_the_command_knows_every_target() -> None:
    assert tuple(TARGETS) == NAMES
    assert {path.name for path in CORPUS.iterdir()} == set(NAMES)


@each_target
def test_the_kept_inputs_are_small_and_named_by_what_is_in_them(name: str) -> None:
    files = kept(name)
    assert files and sum(path.stat().st_size for path in files) < 50_000
    assert all(path.name == hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest() for path in files)


@each_target
def test_every_kept_input_and_every_one_by_hand_is_taken(name: str) -> None:
    for data in inputs(name):
        try:
            TARGETS[name](data)
        except Exception as error:
            error.add_note(f"the input: {data!r}")
            raise


@each_target
@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_mutations_of_them_are_taken(name: str, data: st.DataObject) -> None:
    TARGETS[name](data.draw(mutations(inputs(name))))


# Each of these is a fault that somebody could make; the target has to see it, on what is kept.


def nothing(*_: Any, **__: Any) -> None:
    """A check that isn't made."""


def one_more(original: Any) -> Any:
    """A limit that is off by one."""
    return lambda self, length, *rest: original(self, length - 1, *rest)


def unmasked_from_the_start(original: Any) -> Any:
    """The key's rotation forgotten, for pieces."""
    return lambda key, offset: key


def in_two_calls(original: Any) -> Any:
    """The end of an unfinished frame lost now and then."""
    return lambda self, data: original(self, data[:-1] if len(data) % 7 == 5 else data)


def without_attention(original: Any) -> Any:
    """Control frames nobody is told of."""

    def control(self: Any, *rest: Any) -> None:
        original(self, *rest)
        self.attention = self._over

    return control


def with_long_form(original: Any) -> Any:
    """The length 126 in eight bytes."""
    long = bytes((127, 0, 0, 0, 0, 0, 0, 0, 126))
    return lambda opcode, length: original(opcode, length) if length != 126 else bytes((0x80 | opcode,)) + long


def always(value: Any) -> Callable[[Any], Any]:
    return lambda original: lambda *_, **__: value


def made(value: Any) -> Callable[[Any], Any]:
    return lambda original: value


def joined(original: Any) -> Any:
    """A body whose end is looked for in the next request."""
    return lambda self, body, rest: original(self, body, rest[1:])


def with_what_came(original: Any) -> Any:
    """A refusal that tells what it was about."""

    def check(head: Any) -> str:
        try:
            return str(original(head))
        except HandshakeError as error:
            raise HandshakeError(error.status, f"{error}: {head.raw!r}\n", error.headers) from None

    return check


FAULTS: list[tuple[str, Any, str, Callable[[Any], Any]]] = [
    ("decoder", codec, "check_first_bytes", always(None)),
    ("decoder", codec, "check_length", always(None)),
    ("decoder", header_rules, "is_sendable", always(True)),
    ("decoder", payload, "check_utf8", always(None)),
    ("decoder", codec, "FRAMES_PER_READ", made(10**9)),
    ("decoder", codec.Decoder, "_check_size", one_more),
    ("decoder", codec.Decoder, "_control", without_attention),
    ("frames", codec.Decoder, "_check_size", always(None)),
    ("frames", payload, "rotate", unmasked_from_the_start),
    ("frames", payload.Gather, "take", in_two_calls),
    ("frames", codec, "TAIL_SIZE", made(10**9)),
    ("encoder", encoder, "header", with_long_form),
    ("encoder", encoder, "apply_mask", always(b"")),
    ("deflate", deflate.Inflater, "_end", always(None)),
    ("deflate", deflate, "LAST_BLOCK", made(b"")),
    ("deflate", deflate, "RSV1", made(0)),
    ("head", http1.RequestReader, "_finish", joined),
    ("head", head, "_check_framing", always(None)),
    ("head", http1, "_LEADING_LINES", made(re.compile(rb"\s*"))),
    ("head", chunked, "_SIZE", made(re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15}).*"))),
    ("handshake", handshake, "_KEY", made(re.compile(".*"))),
    ("handshake", handshake, "origin_allowed", always(True)),
    ("handshake", handshake, "offered_subprotocols", always(["chat", "mqtt"])),
    ("handshake", handshake, "accept_key", always("dGhlIHNhbXBsZSBub25jZQ==")),
    ("handshake", handshake, "check", with_what_came),
]


@pytest.mark.parametrize(
    ("name", "owner", "attribute", "fault"), FAULTS, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_fault_is_found(name: str, owner: Any, attribute: str, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, attribute, fault(getattr(owner, attribute)))
    with pytest.raises(Exception):  # noqa: B017 - an oracle's disagreement or the package's own failure
        for data in inputs(name):
            TARGETS[name](data)


class TestReferenceInflater:
    @given(st.lists(st.binary(max_size=300), max_size=4), st.integers(0, 9), st.integers(0, 4), st.booleans())
    def test_reads_what_zlib_writes(self, blobs: list[bytes], level: int, strategy: int, takeover: bool) -> None:
        inflate, peer = ReferenceInflater(10_000, takeover), None
        for blob in blobs:
            if peer is None or not takeover:
                peer = zlib.compressobj(level, wbits=-12, strategy=strategy)
            data = peer.compress(blob * 3) + peer.flush(zlib.Z_SYNC_FLUSH)
            assert inflate(data[:-4], True) == blob * 3

    @pytest.mark.parametrize(
        "payload", [b"\xf2\x48\xcd", b"\xff", b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00\x01", b"\x01\x01"]
    )
    def test_refuses_what_is_not_whole(self, payload: bytes) -> None:
        with pytest.raises(Failed, match="1007"):
            ReferenceInflater(10_000, False)(payload, True)

    def test_refuses_what_is_too_much(self) -> None:
        with pytest.raises(Failed, match="1009"):
            ReferenceInflater(4, False)(b"\xf2\x48\xcd\xc9\xc9\x07\x00", True)
