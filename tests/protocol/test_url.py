"""URLs of WebSockets: where one leads to, and which are none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.exceptions import InvalidUrl
from actorws.protocol.opening_handshake import request
from actorws.protocol.url import Target, parse_url


@pytest.mark.parametrize(
    ("url", "secure", "host", "port", "path", "authority"),
    [
        ("ws://example.org", False, "example.org", 80, "/", "example.org"),
        ("wss://example.org", True, "example.org", 443, "/", "example.org"),
        ("WSS://Example.ORG:443/Chat", True, "example.org", 443, "/Chat", "example.org"),
        ("http://example.org:8080/a?b=c", False, "example.org", 8080, "/a?b=c", "example.org:8080"),
        ("https://example.org:80?b", True, "example.org", 80, "/?b", "example.org:80"),
        ("ws://127.0.0.1:9000//x", False, "127.0.0.1", 9000, "//x", "127.0.0.1:9000"),
        ("ws://[::1]:9000/x", False, "::1", 9000, "/x", "[::1]:9000"),
        ("wss://[2001:DB8::1]", True, "2001:db8::1", 443, "/", "[2001:db8::1]"),
        ("ws://bücher.example/ä?ö", False, "xn--bcher-kva.example", 80, "/%C3%A4?%C3%B6", "xn--bcher-kva.example"),
        ("ws://my_host.:1/a%20b%zz", False, "my_host.", 1, "/a%20b%zz", "my_host.:1"),
        ("ws://h:/?", False, "h", 80, "/", "h"),
    ],
)
def test_a_url_leads_to_one_place(url: str, secure: bool, host: str, port: int, path: str, authority: str) -> None:
    target = parse_url(url)
    assert (target.secure, target.host, target.port, target.path) == (secure, host, port, path)
    assert target.authority == authority and target.unix is None and target.credentials is None


@pytest.mark.parametrize(
    ("url", "socket", "path", "shown"),
    [
        ("ws+unix:/run/app.sock", "/run/app.sock", "/", "ws+unix:/run/app.sock:/"),
        ("ws+unix:/run/app.sock:/chat?a=b", "/run/app.sock", "/chat?a=b", "ws+unix:/run/app.sock:/chat"),
        ("unix:///run/app.sock:/", "/run/app.sock", "/", "ws+unix:/run/app.sock:/"),
        ("ws+unix:/a%3Ab%20c%3Fd%ff", "/a:b c?d\udcff", "/", "ws+unix:/a%3Ab%20c%3Fd%FF:/"),
    ],
)
def test_a_unix_socket_has_a_path_and_then_another(url: str, socket: str, path: str, shown: str) -> None:
    target = parse_url(url)
    assert (target.unix, target.path, target.shown, target.secure) == (socket, path, shown, False)
    assert target.authority == "localhost"
    assert parse_url(shown).unix == socket


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "a URL of a WebSocket begins with ws://, wss:// or ws+unix:/, not as ''"),
        ("example.org/chat", "a URL of a WebSocket begins with ws://, wss:// or ws+unix:/, not as 'example.org/chat'"),
        (
            "ftp://example.org",
            "a URL of a WebSocket begins with ws://, wss:// or ws+unix:/, not as 'ftp://example.org'",
        ),
        ("ws:/example.org", "a URL of a WebSocket begins with ws://, wss:// or ws+unix:/, not as 'ws:/example.org'"),
        ("ws://", "there is no host in 'ws://'"),
        ("ws://:80/", "there is no host in 'ws://:80/'"),
        ("ws://a..b/", "there is no host in 'ws://a..b/'"),
        ("ws://-a/", "there is no host in 'ws://-a/'"),
        ("ws://a%41/", "there is no host in 'ws://a%41/'"),
        ("ws://[::1/", "there is no host in 'ws://[::1/'"),
        ("ws://[:::::]/", "there is no host in 'ws://[:::::]/'"),
        ("ws://[v1.x]/", "there is no host in 'ws://[v1.x]/'"),
        ("ws://[example.org]/", "there is no host in 'ws://[example.org]/'"),
        ("ws://[fe80::1%25eth0]/", "there is no host in 'ws://[fe80::1%25eth0]/'"),
        ("ws://" + "a" * 64 + "/", "there is no host in 'ws://" + "a" * 64 + "/'"),
        ("ws://" + "ä" * 64 + "/", "there is no host in 'ws://" + "ä" * 64 + "/'"),
        (
            "ws://straße.example/",
            "this host can be read as two, so it has to be given as xn--...: 'ws://straße.example/'",
        ),
        ("ws://h:0/", "a port is a number from 1 to 65535: 'ws://h:0/'"),
        ("ws://h:65536/", "a port is a number from 1 to 65535: 'ws://h:65536/'"),
        ("ws://h:x/", "a port is a number from 1 to 65535: 'ws://h:x/'"),
        ("ws://h/#top", "a URL of a WebSocket has no fragment (RFC 6455 section 3): 'ws://h/'"),
        ("ws://h/a b", "' ' can't stand in a URL: 'ws://h/a b'"),
        ("ws://h/\r\nHost: x", "'\\r' can't stand in a URL: 'ws://h/\\r\\nHost: x'"),
        ("ws://h\\@evil/", "'\\\\' can't stand in a URL: 'ws://***@evil/'"),
        ("ws://h/\ud800", "'\\ud800' can't stand in a URL: 'ws://h/\\ud800'"),
        ("ws://a%3Ab:c@h/", "a user's name has no colon: 'ws://***@h/'"),
        ("ws+unix:run/app.sock", "expected ws+unix:/path/of/socket:/path, not 'ws+unix:run/app.sock'"),
        ("ws+unix:/run/app.sock:chat", "expected ws+unix:/path/of/socket:/path, not 'ws+unix:/run/app.sock:chat'"),
        ("ws+unix:/run/app.sock?a=b", "expected ws+unix:/path/of/socket:/path, not 'ws+unix:/run/app.sock'"),
        ("ws+unix:/run/app.sock:/#a", "expected ws+unix:/path/of/socket:/path, not 'ws+unix:/run/app.sock:/'"),
        ("ws+unix:/a%00b", "the path of a socket has no control characters: 'ws+unix:/a%00b'"),
    ],
)
def test_what_is_no_url_is_an_error_in_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(InvalidUrl) as refused:
        parse_url(url)
    assert str(refused.value) == sentence


def test_what_is_no_text_is_no_url() -> None:
    with pytest.raises(InvalidUrl, match=r"^url must be a str such as 'wss://example.org/chat', not bytes$"):
        parse_url(b"ws://u:secret@h/")  # type: ignore[arg-type]


def test_credentials_are_known_and_not_shown() -> None:
    target = parse_url("wss://us%65r:p%40ss%3A@h:1/a?token=secret")
    assert target.credentials == ("user", "p@ss:")
    assert target.shown == "wss://h:1/a"
    assert "secret" not in repr(target) and "p@ss" not in repr(target)
    assert parse_url("ws://user@h/").credentials == ("user", "")
    assert parse_url("ws://:pass@h/").credentials == ("", "pass")


@pytest.mark.parametrize(
    "url", ["ws://u:se/cret@h/", "ws://u:secret@h:x/", "ws:u:secret@h", "u:secret@h", "ws://u:secret@[/"]
)
def test_an_error_shows_no_password(url: str) -> None:
    with pytest.raises(InvalidUrl) as refused:
        parse_url(url)
    assert "cret" not in str(refused.value) and "***@" in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_the_query_is_read_and_added_to() -> None:
    target = parse_url("ws://h/a?x=1&x=2&y=%20")
    assert target.query == {"x": "2", "y": " "}
    assert target.with_query("s=1").path == "/a?x=1&x=2&y=%20&s=1"
    assert parse_url("ws://h/a").with_query("s=1").path == "/a?s=1"


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/there?a=b", "wss://h:1/there"),
        ("there", "wss://h:1/a/there"),
        ("?c", "wss://h:1/a/b"),
        ("//other/there", "wss://other/there"),
        ("https://other:2/there#top", "wss://other:2/there"),
        ("WS://other/", "ws://other/"),
    ],
)
def test_a_redirect_leads_from_here(location: str, shown: str) -> None:
    assert parse_url("wss://h:1/a/b").redirected(location).shown == shown


def test_credentials_stay_with_whom_they_are_for() -> None:
    here = parse_url("wss://user:pass@h/a")
    assert here.redirected("/b").credentials == ("user", "pass")
    assert here.redirected("https://H/b").credentials == ("user", "pass")
    assert here.redirected("https://other:word@h/b").credentials == ("other", "word")
    for other in ("https://h:444/", "http://h/", "//h.example/"):
        assert here.redirected(other).credentials is None


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("mailto:me@h", "a URL of a WebSocket begins with ws://, wss:// or ws+unix:/, not as '***@h'"),
        (
            "ws+unix:/run/docker.sock:/",
            "a Unix socket of this machine is not for others to name: 'ws+unix:/run/docker.sock:/'",
        ),
        ("//[bad", "'//[bad' is no URL"),
        ("/a b", "' ' can't stand in a URL: '/a b'"),
    ],
)
def test_a_redirect_may_lead_nowhere(location: str, sentence: str) -> None:
    with pytest.raises(InvalidUrl) as refused:
        parse_url("ws://h/").redirected(location)
    assert str(refused.value) == sentence


def test_a_redirect_stays_on_a_unix_socket() -> None:
    here = parse_url("ws+unix:/run/app.sock:/a/b?c")
    assert here.redirected("d?e#f").shown == "ws+unix:/run/app.sock:/a/d"
    for away in ("ws://h/", "//h/", "ws+unix:/other.sock:/"):
        with pytest.raises(InvalidUrl, match="from a Unix socket there is no way to"):
            here.redirected(away)


#: Any text at all, and such as comes close to a URL.
ANY = st.text(st.characters() | st.sampled_from("\ud800\r\n @:/?#[]%\\"))
WORDS = (
    "ws: wss: http: ws+unix: // / h user : pw @ [ ] ::1 ? # %0d%0a 80 99999 . - \u00df \u00e4 % \\ &a=b \u2100 \u3002"
)
PARTS = st.lists(st.sampled_from([*WORDS.split(), "\r\n", " ", "\t", "\ud800", "\x00"])).map("".join)
URLS = ANY | PARTS | ANY.map("ws://h/{}".format) | PARTS.map("ws://{}".format) | PARTS.map("ws+unix:/{}".format)


def parsed(url: str) -> Target | None:
    try:
        return parse_url(url)
    except InvalidUrl as error:
        assert "\n" not in str(error)
        return None


def assert_sound(target: Target) -> None:
    """Its request is one line and the headers that it ought to have, and what is shown of it can be printed."""
    head = request(target, "key", {}, (), None).decode("ascii").split("\r\n")
    assert re.fullmatch(r"GET /[^ \r\n]* HTTP/1\.1", head[0]), head
    assert re.fullmatch(r"Host: [^ /?#@\\]+", head[1]), head
    assert not any(re.search(r"[\r\n\x00]", line) for line in head)
    assert target.shown.isascii() and target.shown.isprintable() and "?" not in target.shown and "#" not in target.shown
    again = parse_url(target.shown)
    assert (again.host, again.port, again.secure, again.unix) == (target.host, target.port, target.secure, target.unix)
    assert again.credentials is None


@given(URLS)
def test_any_text_is_a_sound_target_or_an_invalid_url(url: str) -> None:
    target = parsed(url)
    if target is not None:
        assert_sound(target)


@given(st.sampled_from(["ws://h/a", "wss://u:p@h:1/", "ws+unix:/a.sock:/b"]), URLS | st.just("ws://h/").map(str))
def test_any_location_is_a_sound_target_or_an_invalid_url(url: str, location: str) -> None:
    try:
        there = parse_url(url).redirected(location)
    except InvalidUrl:
        return
    assert_sound(there)


@given(st.text("abcXYZ0189-._~!$&'()*+,;=%", min_size=1), st.text("abcXYZ0189-._~!$&'()*+,;=:%", min_size=1))
def test_no_credentials_and_no_query_are_ever_shown(user: str, password: str) -> None:
    secret = f"1{user}2:3{password}4"
    target = parsed(f"ws://{secret}@h/a?q5{password}6")
    if target is not None:
        assert target.shown == "ws://h/a"
        assert "1" + user not in repr(target) and "q5" not in repr(target)
