"""Forms: what heads have in common is kept once, and each comes back as it came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.protocol import forms as forms_module
from actorws.protocol.forms import LONGEST, Form, Forms
from actorws.protocol.handshake import check
from actorws.protocol.head import Head, PackedHead, parse_head
from tests.support.wire import handshake


def kept(forms: Forms, raw: bytes) -> tuple[Form | PackedHead, int | None]:
    head = parse_head(raw, 100)
    return forms.pack(head, check(head))


def unpacked(forms: Forms, raw: bytes) -> Head:
    packed, key = kept(forms, raw)
    return packed.unpacked(key)


@given(st.lists(st.tuples(st.sampled_from(["/", "/a", "/?b=1"]), st.binary(min_size=16, max_size=16)), max_size=6))
def test_a_head_comes_back_as_it_came(requests: list[tuple[str, bytes]]) -> None:
    forms = Forms()
    for path, key in requests:
        raw = handshake(path, sec_websocket_key=forms_module._written(key).decode())
        assert unpacked(forms, raw).raw == raw


def test_of_heads_that_differ_in_the_key_one_form_is_kept() -> None:
    forms = Forms()
    first, second, third = (kept(forms, handshake()) for _ in range(3))
    assert isinstance(first[0], PackedHead)
    assert second[0] is third[0] and isinstance(second[0], Form)
    assert second[1] != third[1]


def test_a_key_that_stands_elsewhere_too_comes_back_in_both_places() -> None:
    forms = Forms()
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    for _ in range(2):
        raw = handshake(f"/{key}", sec_websocket_key=key, origin=key)
        assert unpacked(forms, raw).raw == raw


def test_a_key_with_bits_that_dont_count_is_kept_as_it_came() -> None:
    """RFC 4648 section 3.5: the last digit is one of 16 that say the same."""
    forms = Forms()
    kept(forms, handshake())
    raw = handshake(sec_websocket_key="dGhlIHNhbXBsZSBub25jZR==")
    packed, key = kept(forms, raw)
    assert (type(packed), key, packed.unpacked(key).raw) == (PackedHead, None, raw)


def test_a_long_head_is_not_remembered() -> None:
    forms = Forms()
    for _ in range(2):
        packed, _ = kept(forms, handshake(cookie="a" * LONGEST))
        assert isinstance(packed, PackedHead)


def test_of_many_forms_the_latest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms_module, "MOST", 3)
    forms = Forms()
    for number in range(100):
        kept(forms, handshake(f"/{number}"))
        assert len(forms._seen) <= 3
    assert isinstance(kept(forms, handshake("/99"))[0], Form)
