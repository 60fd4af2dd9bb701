"""Frames: a control frame that exists may be sent."""

from __future__ import annotations

import attrs
import pytest

from actorws.frames import Close, CloseCode, Ping, Pong, is_sendable

SENDABLE = [1000, 1001, 1002, 1003, 1007, 1008, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4500, 4999]
NOT_SENDABLE = [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2000, 2999, 5000, 65535, 65536]


@pytest.mark.parametrize("code", SENDABLE)
def test_codes_that_rfc_6455_lets_an_endpoint_send_are_allowed(code: int) -> None:
    assert is_sendable(code)
    assert Close(code).code == code


@pytest.mark.parametrize("code", NOT_SENDABLE)
def test_codes_that_are_reserved_or_out_of_range_are_refused_with_the_code_and_the_ranges(code: int) -> None:
    assert not is_sendable(code)
    with pytest.raises(ValueError, match=rf"code {code} may not be sent .*1000-1003, 1007-1014 or 3000-4999"):
        Close(code)


@pytest.mark.parametrize("code", ["1000", 1000.0, None, True, b"1000"])
def test_a_code_that_is_no_int_is_a_type_error_that_shows_it(code: object) -> None:
    with pytest.raises(TypeError, match="code must be an int, not ") as caught:
        Close(code)  # type: ignore[arg-type]
    assert repr(code) in str(caught.value)


def test_a_close_without_arguments_is_a_normal_one() -> None:
    assert Close() == Close(1000, "")
    assert Close(CloseCode.NORMAL) == Close(1000)


@pytest.mark.parametrize("reason", ["x" * 123, "é" * 61 + "x", "\N{GRINNING FACE}" * 30 + "abc"])
def test_a_reason_of_123_bytes_fits(reason: str) -> None:
    assert len(reason.encode()) == 123
    assert Close(1000, reason).reason == reason


@pytest.mark.parametrize("reason", ["x" * 124, "é" * 62, "\N{GRINNING FACE}" * 31])
def test_a_reason_of_124_bytes_is_refused_whatever_its_characters(reason: str) -> None:
    assert len(reason.encode()) == 124
    with pytest.raises(ValueError, match="reason is 124 bytes of UTF-8, at most 123 fit"):
        Close(1000, reason)


@pytest.mark.parametrize("reason", [b"bye", None, 1])
def test_a_reason_that_is_no_str_is_a_type_error(reason: object) -> None:
    with pytest.raises(TypeError, match="reason must be a str, not "):
        Close(1000, reason)  # type: ignore[arg-type]


def test_a_reason_that_utf_8_cannot_carry_is_refused() -> None:
    """A lone surrogate is a str that has no UTF-8."""
    with pytest.raises(ValueError, match="surrogates not allowed"):
        Close(1000, "\ud800")


@pytest.mark.parametrize("kind", [Ping, Pong])
class TestControlPayload:
    def test_is_empty_by_default(self, kind: type[Ping] | type[Pong]) -> None:
        assert kind().data == b""

    def test_may_have_125_bytes(self, kind: type[Ping] | type[Pong]) -> None:
        assert kind(b"x" * 125).data == b"x" * 125

    def test_may_not_have_126_bytes(self, kind: type[Ping] | type[Pong]) -> None:
        with pytest.raises(ValueError, match="data is 126 bytes, at most 125 fit a control frame"):
            kind(b"x" * 126)

    @pytest.mark.parametrize("data", ["text", None, 5, bytearray(b"x"), memoryview(b"x")])
    def test_must_be_bytes(self, kind: type[Ping] | type[Pong], data: object) -> None:
        with pytest.raises(TypeError, match="data must be bytes, not "):
            kind(data)  # type: ignore[arg-type]


@pytest.mark.parametrize("frame", [Close(4000, "x"), Ping(b"x"), Pong(b"x")])
def test_control_frames_are_values(frame: Close | Ping | Pong) -> None:
    """Equal by content, hashable, and not to be changed once they were checked."""
    assert frame == attrs.evolve(frame)
    assert hash(frame) == hash(attrs.evolve(frame))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        frame.data = b"y"  # type: ignore[misc,union-attr]


def test_a_ping_is_not_a_pong() -> None:
    assert Ping(b"x") != Pong(b"x")  # type: ignore[comparison-overlap]


def test_close_codes_that_never_travel_are_exactly_the_ones_that_cannot_be_sent() -> None:
    never = {CloseCode.NO_STATUS, CloseCode.ABNORMAL, CloseCode.TLS_HANDSHAKE}
    assert {code for code in CloseCode if not is_sendable(code)} == never
