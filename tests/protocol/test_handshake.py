"""The opening handshake: who may in, who may not and why, and the bytes of the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.config import Handshake
from actorws.exceptions import HandshakeError
from actorws.protocol import handshake
from actorws.protocol.head import Head, parse_head

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
VALID = {
    "Host": "example.org",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def request(line: str = "GET /chat HTTP/1.1", extra: str = "", **changes: str | None) -> Head:
    """A valid handshake with changed headers (``_`` for ``-``; ``None`` leaves one out) and ``extra`` lines."""
    headers = VALID | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
    return parse_head(f"{line}\r\n{''.join(lines)}{extra}\r\n".encode("latin-1"), 100)


def refused(head: Head) -> HandshakeError:
    with pytest.raises(HandshakeError) as caught:
        handshake.check(head)
    return caught.value


class TestCheck:
    def test_gives_the_key_of_a_valid_handshake(self) -> None:
        assert handshake.check(request()) == KEY

    def test_header_values_are_compared_without_case_and_in_lists(self) -> None:
        assert handshake.check(request(Upgrade="h2c, WebSocket", Connection="keep-alive, UPGRADE")) == KEY

    @pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "PUT"])
    def test_another_method_is_405(self, method: str) -> None:
        error = refused(request(f"{method} /chat HTTP/1.1"))
        assert error.status == 405 and ("Allow", "GET") in error.headers

    def test_http_1_0_is_400(self) -> None:
        assert refused(request("GET /chat HTTP/1.0")).status == 400

    @pytest.mark.parametrize("missing", ["Upgrade", "Connection"])
    def test_a_plain_get_is_426_and_told_what_to_upgrade_to(self, missing: str) -> None:
        error = refused(request(**{missing: None}))
        assert error.status == 426
        assert {("Upgrade", "websocket"), ("Connection", "Upgrade")} <= set(error.headers)

    @pytest.mark.parametrize("version", ["8", "12", "14", "013", "", "13, 8", None])
    def test_another_version_is_426_and_told_the_one_served(self, version: str | None) -> None:
        error = refused(request(Sec_WebSocket_Version=version))
        assert error.status == 426 and ("Sec-WebSocket-Version", "13") in error.headers

    @pytest.mark.parametrize("name", ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"])
    def test_a_header_given_twice_is_400(self, name: str) -> None:
        assert refused(request(extra=f"{name}\r\n")).status == 400

    @pytest.mark.parametrize(
        "key",
        [
            None,
            "",
            "x",
            KEY[:-1],
            KEY + "=",
            "AAAA" + KEY,
            KEY[:-4] + "====",
            KEY.replace("d", "_"),
            KEY.replace("d", " "),
            "é" + KEY[1:],
        ],
    )
    def test_a_key_that_is_not_16_bytes_of_base64_is_400(self, key: str | None) -> None:
        assert refused(request(Sec_WebSocket_Key=key)).status == 400

    @pytest.mark.parametrize("key", ["\u0661" + KEY[1:], KEY + "\n"])
    def test_a_key_is_ascii(self, key: str) -> None:
        """What the regular expression's classes and ``$`` might let pass."""
        assert handshake._KEY.fullmatch(key) is None

    def test_a_missing_host_is_400(self) -> None:
        head = request()
        head.headers.pop("host")  # type: ignore[attr-defined]  # a head without one isn't parsed in HTTP/1.1
        assert refused(head).status == 400


def test_the_accept_key_of_the_rfc() -> None:
    """RFC 6455 section 1.3."""
    assert handshake.accept_key(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class TestOrigin:
    @pytest.mark.parametrize(
        ("origin", "host"),
        [
            ("http://example.org", "example.org"),
            ("https://example.org", "example.org"),
            ("https://Example.ORG", "eXample.org"),
            ("http://example.org:80", "example.org"),
            ("http://example.org", "example.org:80"),
            ("https://example.org", "example.org:443"),
            ("https://example.org:443", "example.org"),
            ("http://127.0.0.1:8000", "127.0.0.1:8000"),
            ("http://[::1]:8000", "[::1]:8000"),
            ("http://[::1]", "[::1]:80"),
        ],
    )
    def test_a_page_of_the_own_host_is_let_in(self, origin: str, host: str) -> None:
        for allowed in (None, (), ("https://other.org",)):
            assert handshake.origin_allowed(request(Origin=origin, Host=host), allowed)

    @pytest.mark.parametrize(
        ("origin", "host"),
        [
            ("http://evil.org", "example.org"),
            ("http://example.org.evil.org", "example.org"),
            ("http://evil.org/example.org", "example.org"),
            ("http://evil.org#example.org", "example.org"),
            ("http://evil.org@example.org", "example.org"),
            ("http://example.org@evil.org", "example.org"),
            ("http://example.org:8001", "example.org:8000"),
            ("http://example.org:443", "example.org"),
            ("https://example.org", "example.org:80"),
            ("http://example.org", "example.org:8000"),
            ("http://example.org/", "example.org"),
            ("example.org", "example.org"),
            ("//example.org", "example.org"),
            ("http://", ""),
            ("", ""),
            ("null", "null"),
            ("null", "example.org"),
            ("http://example.org, http://example.org", "example.org"),
        ],
    )
    def test_any_other_page_is_not(self, origin: str, host: str) -> None:
        for allowed in (None, (), ("https://other.org",)):
            assert not handshake.origin_allowed(request(Origin=origin, Host=host), allowed)

    def test_a_client_that_is_no_browser_is_let_in(self) -> None:
        assert handshake.origin_allowed(request(), ("https://other.org",))

    @pytest.mark.parametrize(
        ("origin", "allowed", "expected"),
        [
            ("https://page.org", ("https://page.org",), True),
            ("https://PAGE.org", ("https://page.org:443/",), True),
            ("http://page.org", ("https://page.org",), False),
            ("https://page.org:444", ("https://page.org",), False),
            ("https://sub.page.org", ("https://page.org",), False),
            ("null", ("null",), True),
            ("null", ("*",), True),
            ("https://anything", ("*",), True),
            ("chrome-extension://abc", ("chrome-extension://abc",), True),
            ("https://page.org, https://page.org", ("*",), False),
        ],
    )
    def test_allowed_origins_are_compared_whole(self, origin: str, allowed: tuple[str, ...], expected: bool) -> None:
        assert handshake.origin_allowed(request(Origin=origin), allowed) is expected

    def test_two_origin_headers_are_refused(self) -> None:
        head = request(Origin="http://example.org", extra="Origin: http://example.org\r\n")
        assert not handshake.origin_allowed(head, ("*",))


class TestSubprotocols:
    def test_those_offered_keep_the_clients_order(self) -> None:
        head = request(Sec_WebSocket_Protocol="b, a,,\tc ", extra="Sec-WebSocket-Protocol: d\r\n")
        assert handshake.offered_subprotocols(head) == ["b", "a", "c", "d"]
        assert handshake.offered_subprotocols(request()) == []

    @pytest.mark.parametrize("value", ["a b", "a;b", "a, (b)", '"a"', "\xe9"])
    def test_what_is_no_token_is_400(self, value: str) -> None:
        with pytest.raises(HandshakeError) as caught:
            handshake.offered_subprotocols(request(Sec_WebSocket_Protocol=value))
        assert caught.value.status == 400

    def test_the_servers_order_decides(self) -> None:
        config = Handshake(subprotocols=("v2", "v1"))
        assert handshake.choose_subprotocol(["v1", "v2"], config) == "v2"
        assert handshake.choose_subprotocol(["v1"], config) == "v1"
        assert handshake.choose_subprotocol(["v0"], config) is None
        assert handshake.choose_subprotocol([], config) is None

    def test_none_in_common_is_400_where_one_is_required(self) -> None:
        config = Handshake(subprotocols=("v2", "v1"), subprotocol_required=True)
        assert handshake.choose_subprotocol(["v1"], config) == "v1"
        with pytest.raises(HandshakeError, match="v2, v1") as caught:
            handshake.choose_subprotocol([], config)
        assert caught.value.status == 400

    def test_what_connect_wants_has_to_be_offered(self) -> None:
        config = Handshake(subprotocols=("v2",), subprotocol_required=True)
        assert handshake.choose_subprotocol(["v1", "v2"], config, "v1") == "v1"
        with pytest.raises(ValueError, match=r"'v3'.*\['v1'\]"):
            handshake.choose_subprotocol(["v1"], config, "v3")


class TestResponse:
    def test_is_a_101_with_what_was_agreed_on(self) -> None:
        assert handshake.response(KEY, "v1", {"X-Node": "a", "Set-Cookie": "é=1"}) == (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-Node: a\r\nSet-Cookie: \xe9=1\r\n"
            b"Sec-WebSocket-Protocol: v1\r\n\r\n"
        )

    @pytest.mark.parametrize(
        "name",
        [
            "Upgrade",
            "CONNECTION",
            "sec-websocket-accept",
            "Sec-WebSocket-Protocol",
            "Content-Length",
            "Transfer-Encoding",
        ],
    )
    def test_the_handshakes_own_headers_cant_be_given(self, name: str) -> None:
        with pytest.raises(ValueError, match=name):
            handshake.response(KEY, None, {name: "x"})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("X", "a\r\nY: b"),
            ("X", "a\n"),
            ("X", "a\r"),
            ("X", "a\x00"),
            ("X", "\x7f"),
            ("X", "€"),
            ("X\r\nY", "a"),
            ("X:", "a"),
            ("X ", "a"),
            ("", "a"),
            ("é", "a"),
            ("X\n", "a"),
        ],
    )
    def test_headers_cant_be_injected(self, name: str, value: str) -> None:
        with pytest.raises(ValueError, match="header"):
            handshake.response(KEY, None, {name: value})

    def test_a_subprotocol_cant_inject_either(self) -> None:
        with pytest.raises(ValueError, match="Sec-WebSocket-Protocol"):
            handshake.response(KEY, "a\r\nX: b", {})

    @given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
    def test_whatever_is_given_adds_its_own_lines_only(self, headers: dict[str, str]) -> None:
        try:
            raw = handshake.response(KEY, None, headers)
        except ValueError:
            return
        lines = raw.decode("latin-1").split("\r\n")
        assert lines[4:] == [*(f"{name}: {value}" for name, value in headers.items()), "", ""]
        assert raw.count(b"\n") == raw.count(b"\r") == len(lines) - 1


class TestHost:
    @pytest.mark.parametrize("host", ["chat.example.org", "CHAT.example.org:8443", "[::1]:80"])
    def test_the_names_of_the_server_are_let_in_whatever_the_port(self, host: str) -> None:
        assert handshake.host_allowed(request(Host=host), ["Chat.example.org", "[::1]"])

    @pytest.mark.parametrize("host", ["evil.example", "chat.example.org.evil.example", "127.0.0.1", "", ":80"])
    def test_another_name_is_not(self, host: str) -> None:
        assert not handshake.host_allowed(request(Host=host), ["chat.example.org"])

    def test_without_names_all_are(self) -> None:
        assert handshake.host_allowed(request(Host="anything"), None)
