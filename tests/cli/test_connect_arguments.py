"""What can be asked of ``actorws connect``, and what is said of what can't be meant."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from actorws.cli import main
from actorws.cli.arguments import parse
from actorws.cli.connect_arguments import Asked, url_of
from actorws.config import Config
from actorws.protocol.url import parse_url
from tests.conftest import PROJECT


def asked(*words: str) -> Asked:
    found = parse(["connect", *words])
    assert isinstance(found, Asked)
    return found


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ws://a/b", "ws://a/b"),
        ("WSS://a/b", "WSS://a/b"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("ws+unix:/run/a.sock:/b", "ws+unix:/run/a.sock:/b"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
        ("localhost:8000/chat", "ws://localhost:8000/chat"),
        ("example.org", "ws://example.org"),
        ("example.org:443/x?y=http://z", "wss://example.org:443/x?y=http://z"),
        ("user:word@example.org:443", "wss://user:word@example.org:443"),
        ("[::1]:8000", "ws://[::1]:8000"),
        (":8000/x", "ws://localhost:8000/x"),
        (":443", "wss://localhost:443"),
    ],
)
def test_what_people_leave_out_of_a_url_is_put_in(text: str, url: str) -> None:
    assert url_of(text) == url
    parse_url(url)


@pytest.mark.parametrize("text", ["", "/", "//a", "foo://a", "a b", "a:b", "a:99999", "ws:/a", "ws://a#b", "[::1"])
def test_what_is_no_url_is_told(fails: Callable[..., str], text: str) -> None:
    assert fails("connect", text)


def test_what_is_not_said_is_left_to_the_library() -> None:
    found = asked("a")
    assert (found.count, found.wait, found.as_json, found.as_binary, found.verbose) == (None, None, False, False, False)
    assert found.options["tls"] is None and "proxy" not in found.options and "idle_timeout" not in found.options


def test_headers_are_gathered_by_name() -> None:
    found = asked("a", "-H", "X: 1", "--header", "X:2:3", "--origin", "https://b", "-H", "Y:")
    assert found.options["headers"] == {"X": ["1", "2:3"], "Origin": ["https://b"], "Y": [""]}


@pytest.mark.parametrize(("word", "proxy"), [("none", None), ("http://p:1", "http://p:1")])
def test_a_proxy_is_one_or_none(word: str, proxy: str | None) -> None:
    assert asked("a", "--proxy", word).options["proxy"] == proxy


def test_the_server_is_pinged_when_it_was_silent_for_the_interval() -> None:
    options = asked("a", "--ping-interval", "10").options
    assert options["idle_timeout"] - options["ping_margin"] == 10
    Config().replace(idle_timeout=options["idle_timeout"], ping_margin=options["ping_margin"])
    assert asked("a", "--ping-interval", "0").options["send_pings"] is False


def test_colours_are_not_for_those_who_want_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert asked("a").color and not asked("a", "--no-color").color
    monkeypatch.setenv("NO_COLOR", "1")
    assert not asked("a").color


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["-n", "-1"], "argument -n: expected"),
        (["-n", "many"], "expected a number of messages, at least 0, not 'many'"),
        (["--wait", "soon"], "expected seconds, at least 0, or inf, not 'soon'"),
        (["--wait=-1"], "expected seconds, at least 0, or inf, not '-1'"),
        (["--connect-timeout", "0"], "expected 0.001 to 86400 seconds, not '0'"),
        (["--ping-interval", "nan"], "expected 0.01 to 86400 seconds, or 0, not 'nan'"),
        (["-H", "no colon"], "--header expects 'Name: value', not 'no colon'"),
        (["-H", ": x"], "--header expects 'Name: value', not ': x'"),
        (["-H", "Upgrade: x"], "the header 'Upgrade' is set by actorws and can't be given"),
        (["--subprotocol", "a b"], "the subprotocol 'a b' is not a token"),
        (["--json", "--binary"], "--json and --binary can't be had together"),
        (["--insecure", "--ca", "x"], "--ca and --insecure can't be had together"),
        (["--ca", "/nosuch"], "can't read --ca /nosuch: No such file or directory"),
        (["--key", "/nosuch"], "--key needs --cert beside it"),
        (["--cert", "/nosuch"], "can't read --cert /nosuch: No such file or directory"),
    ],
)
def test_what_cannot_be_meant_is_one_line(fails: Callable[..., str], words: list[str], line: str) -> None:
    assert line in fails("connect", "127.0.0.1:1", *words)


def test_certificates_that_are_none_are_named(fails: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a certificate")
    path = str(tmp_path / "text")
    assert fails("connect", "a", "--ca", path) == f"in --ca {path} there are no certificates in PEM"
    assert "are not a certificate in PEM and its private key" in fails("connect", "a", "--cert", path)


def test_a_certificate_may_have_its_key_in_the_same_file(tmp_path: Path) -> None:
    trustme.CA().issue_cert("me").private_key_and_cert_chain_pem.write_to_path(tmp_path / "me")
    assert isinstance(asked("a", "--cert", str(tmp_path / "me")).options["tls"], ssl.SSLContext)


@pytest.mark.parametrize("words", [["--help"], ["connect", "--help"]])
def test_the_help_fits_a_terminal_and_has_examples(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(words)
    shown = capsys.readouterr().out
    assert done.value.code == 0
    assert "| actorws connect :8000" in shown
    assert max(map(len, shown.splitlines())) <= 120


def test_the_readme_has_each_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["connect", "--help"])
    options = set(re.findall(r"(?<!\S)(--[a-z-]+)", capsys.readouterr().out.partition("URL is")[0]))
    section = (PROJECT / "README.md").read_text().partition("### From the terminal")[2].partition("\n#")[0]
    assert set(re.findall(r"(--[a-z][a-z-]*)", section)) == options - {"--help"}
