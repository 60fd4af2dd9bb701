"""Proxies: which one is taken, and servers reached through real ones on this machine."""

from __future__ import annotations

import importlib.util
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from actorws.client.dialing import Dialing
from actorws.client.opening import open_websocket
from actorws.client.proxy import Proxy, parse_proxy, proxy_for
from actorws.exceptions import ConfigError, ConnectError, ConnectTimeout, NotWebsocket, ProxyFailed
from actorws.protocol.url import parse_url
from tests.support.forward_proxies import ForwardProxy, forward_proxy
from tests.support.raw_servers import Handler, NoNames, accepting, ending, raw_server, resetting, saying, silent
from tests.support.serving import Echo, descriptors, serving
from tests.support.wire import Client

#: What each scheme's proxy is asked for where the URL says ``example.org``, which nobody here can resolve.
ANYWHERE = [("http", ForwardProxy.http), ("socks5h", ForwardProxy.socks5), ("socks4a", ForwardProxy.socks4)]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine's environment says."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


async def failure(url: str, **asked: Any) -> ConnectError:
    before = descriptors()
    with pytest.raises(ConnectError) as failed:
        await open_websocket(Dialing.to(url, **asked))
    ours = descriptors() - before
    assert len([entry for entry in ours if "socket:" in entry]) <= 1, "no more than the end of the proxy in this test"
    return failed.value


# Which


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "credentials"),
    [
        ("http://proxy:3128", "http", "proxy", 3128, None),
        ("HTTP://Proxy/", "http", "proxy", 80, None),
        ("https://us%40er:p%3Ass@proxy", "https", "proxy", 443, ("us@er", "p:ss")),
        ("socks5://user:pass@[::1]:9", "socks5", "::1", 9, ("user", "pass")),
        ("socks5h://10.0.0.1", "socks5h", "10.0.0.1", 1080, None),
        ("socks4://user@h", "socks4", "h", 1080, ("user", "")),
        ("socks4a://h", "socks4a", "h", 1080, None),
    ],
)
def test_a_url_names_a_proxy(url: str, scheme: str, host: str, port: int, credentials: tuple[str, str] | None) -> None:
    proxy = parse_proxy(url, "proxy")
    assert proxy == Proxy(scheme, host, port, credentials)
    assert parse_proxy(proxy.shown, "proxy") == Proxy(scheme, host, port)
    assert "pass" not in proxy.shown + repr(proxy) and "p:ss" not in repr(proxy)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "must be http://[user:password@]host:port, or https, socks4, socks4a, socks5 or socks5h"),
        ("proxy:3128", "must be http://[user:password@]host:port, or "),
        ("ftp://u:s3cret@proxy", "must be http://[user:password@]host:port, or "),
        ("http://u:s3cret@/", "must be http://[user:password@]host:port, or "),
        ("http://u:s3cret@h:s3cret", "must be http://[user:password@]host:port, or "),
        ("http://u:s3cret@[", "must be http://[user:password@]host:port, or "),
        ("http://h\r\nX:1", "must be http://[user:password@]host:port, or "),
        ("http://h/path", "must be http://[user:password@]host:port, or "),
        ("http://a%3Ab:s3cret@h", "has a user or a password that http can't carry"),
        ("http://:s3cret@h", "has a user or a password that http can't carry"),
        ("http://u:s3cret%E2%82%AC@h", "has a user or a password that http can't carry"),
        ("socks5://u@h", "has a user or a password that socks5 can't carry"),
        ("socks5h://u:s3cret%C3%A4@h", "has a user or a password that socks5h can't carry"),
        ("socks5://u:" + "s3cret" * 50 + "@h", "has a user or a password that socks5 can't carry"),
        ("socks4://u%00v:@h", "has a user or a password that socks4 can't carry"),
    ],
)
def test_what_is_no_proxy_is_an_error_without_its_password(url: str, why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Dialing.to("ws://example.org", proxy=url)
    assert str(refused.value).startswith(f"proxy {why}")
    assert "s3cret" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "wss://example.org", None),
        ({"https_proxy": "http://a:1"}, "wss://example.org", "http://a:1"),
        ({"HTTPS_PROXY": "http://a:1"}, "wss://example.org", "http://a:1"),
        ({"https_proxy": "a:1"}, "wss://example.org", "http://a:1"),
        ({"https_proxy": "u:p@a:1"}, "wss://example.org", "http://a:1"),
        ({"https_proxy": ""}, "wss://example.org", None),
        ({"https_proxy": "http://a:1"}, "ws://example.org", None),
        ({"http_proxy": "http://a:1"}, "ws://example.org", "http://a:1"),
        ({"http_proxy": "http://a:1"}, "wss://example.org", None),
        ({"wss_proxy": "http://a:1", "https_proxy": "http://b:1"}, "wss://example.org", "http://a:1"),
        ({"all_proxy": "socks5://a:1"}, "ws://example.org", "socks5://a:1"),
        ({"all_proxy": "socks5://a:1", "https_proxy": "http://b:1"}, "wss://example.org", "http://b:1"),
        ({"all_proxy": "socks://a:1"}, "wss://example.org", "socks5h://a:1"),
        ({"socks_proxy": "http://a:1"}, "wss://example.org", "socks5h://a:1"),
        ({"https_proxy": "http://a:1", "no_proxy": "example.org"}, "wss://www.example.org", None),
        ({"https_proxy": "http://a:1", "no_proxy": "example.org:444"}, "wss://example.org", "http://a:1"),
        ({"https_proxy": "http://a:1", "no_proxy": "example.org:444"}, "wss://example.org:444", None),
        ({"https_proxy": "http://a:1", "no_proxy": "2001:db8::1"}, "wss://[2001:db8::1]/", None),
        ({"https_proxy": "http://a:1", "no_proxy": "*"}, "wss://example.org", None),
        ({"http_proxy": "http://a:1"}, "ws://localhost.example/", "http://a:1"),
        ({"http_proxy": "http://a:1"}, "ws://128.0.0.1/", "http://a:1"),
        *(
            ({"http_proxy": "http://a:1", "all_proxy": "http://a:1"}, f"ws://{host}/", None)
            for host in ("localhost", "LocalHost.:1", "x.localhost", "127.0.0.1", "127.1", "127.9.9.9", "[::1]")
        ),
        ({"http_proxy": "http://a:1"}, "ws://[::ffff:127.0.0.1]/", None),
        ({"all_proxy": "http://a:1"}, "ws+unix:/run/a.sock", None),
    ],
)
def test_the_environment_names_proxies(
    environment: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = proxy_for(parse_url(url), "environment")
    assert (found and found.shown) == proxy
    assert proxy_for(parse_url(url), None) is None


def test_an_explicit_proxy_is_for_everything_but_unix_sockets() -> None:
    assert proxy_for(parse_url("ws://localhost"), "http://a:1") == Proxy("http", "a", 1)
    assert proxy_for(parse_url("ws+unix:/run/a.sock"), "http://a:1") is None


def test_a_bad_proxy_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "gopher://u:s3cret@a")
    with pytest.raises(
        ConfigError, match=r"^HTTPS_PROXY of the environment must be http://\[user:password@\]host:port, or"
    ):
        Dialing.to("wss://example.org")


async def test_the_environment_may_have_become_bad_since(monkeypatch: pytest.MonkeyPatch) -> None:
    dialing = Dialing.to("wss://example.org")
    monkeypatch.setenv("https_proxy", "gopher://u:s3cret@a")
    with pytest.raises(
        ProxyFailed, match=r"^can't connect to wss://example.org/: HTTPS_PROXY of the environment"
    ) as failed:
        await open_websocket(dialing)
    assert failed.value.is_final and "s3cret" not in str(failed.value)


@pytest.fixture
def without_python_socks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    real = importlib.util.find_spec
    monkeypatch.setattr("actorws.client.tunnel.find_spec", lambda name: None if name == "python_socks" else real(name))
    yield


@pytest.mark.usefixtures("without_python_socks")
def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as refused:
        Dialing.to("ws://example.org", proxy="http://u:s3cret@a:1")
    assert str(refused.value) == "proxy needs python-socks: pip install 'actorws[proxy]'"
    monkeypatch.setenv("https_proxy", "http://u:s3cret@a:1")
    with pytest.raises(ConfigError) as refused:
        Dialing.to("wss://example.org/?b")
    assert str(refused.value) == (
        "the environment names a proxy for wss://example.org/, http://a:1, and that needs python-socks: "
        "pip install 'actorws[proxy]'; to go without one: proxy=None, or the host in NO_PROXY"
    )
    Dialing.to("ws://example.org")
    Dialing.to("wss://localhost")
    Dialing.to("wss://example.org", proxy=None)


def test_a_dialing_shows_no_secret() -> None:
    dialing = Dialing.to("ws://u:s3cret@h/?s3cret", proxy="http://u:s3cret@a:1", headers={"Cookie": "s3cret"})
    assert "s3cret" not in repr(dialing)


# Through it


@pytest.mark.parametrize(("scheme", "protocol"), ANYWHERE)
async def test_a_websocket_goes_through_a_proxy(scheme: str, protocol: Any) -> None:
    async with serving(Echo) as server, forward_proxy(protocol, server.port) as proxy:
        opened = await open_websocket(Dialing.to("ws://example.org:81/", proxy=proxy.url(scheme)))
        client = Client(opened.stream)
        await client.echo("hi")
        assert opened.address == ("127.0.0.1", proxy.port) and opened.target.shown == "ws://example.org:81/"
        await opened.tcp.aclose()
    assert [asked.removeprefix("@") for asked in proxy.asked] == ["example.org:81"]


@pytest.mark.parametrize(("scheme", "protocol"), [("socks5", ForwardProxy.socks5), ("socks4", ForwardProxy.socks4)])
async def test_with_socks5_and_socks4_names_are_resolved_here(scheme: str, protocol: Any) -> None:
    async with raw_server(accepting()) as server, forward_proxy(protocol, server.port) as proxy:
        opened = await open_websocket(Dialing.to("ws://localhost:81/", proxy=proxy.url(scheme)))
        await trio.aclose_forcefully(opened.tcp)
        assert [asked.removeprefix("@") for asked in proxy.asked] == ["127.0.0.1:81"]
        trio.socket.set_custom_hostname_resolver(NoNames())
        error = await failure("ws://nowhere.invalid/", proxy=proxy.url(scheme))
    assert isinstance(error, ProxyFailed)
    assert error.why.startswith(
        f"the proxy {proxy.url(scheme)} was not asked: the name nowhere.invalid can't be resolved ("
    )


@pytest.mark.parametrize(("scheme", "protocol"), ANYWHERE[:2])
async def test_an_address_of_ipv6_is_asked_for_as_one(scheme: str, protocol: Any) -> None:
    async with raw_server(accepting()) as server, forward_proxy(protocol, server.port) as proxy:
        opened = await open_websocket(Dialing.to("ws://[2001:db8::1]:81/", proxy=proxy.url(scheme)))
        await trio.aclose_forcefully(opened.tcp)
    assert proxy.asked == ["[2001:db8::1]:81" if scheme == "http" else "2001:db8::1:81"]


@pytest.mark.parametrize(("scheme", "protocol"), ANYWHERE)
async def test_tls_goes_through_a_proxy_to_the_server(scheme: str, protocol: Any) -> None:
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.configure_trust(ours)
    authority.issue_cert("example.org").configure_cert(theirs)
    async with raw_server(accepting(b"\x81\x02hi"), theirs) as server, forward_proxy(protocol, server.port) as proxy:
        opened = await open_websocket(Dialing.to("wss://example.org/", proxy=proxy.url(scheme), tls=ours))
        assert await Client(opened.stream).message() == "hi" if not opened.rest else opened.rest == b"\x81\x02hi"
        await trio.aclose_forcefully(opened.tcp)


async def test_what_comes_behind_the_proxys_answer_is_the_servers() -> None:
    async with raw_server(saying(b"HTTP/1.1 200 Fine\r\n\r\nSSH-2.0-x\r\n")) as server:
        error = await failure("ws://example.org/", proxy=server.url("", "http"))
    assert (type(error), error.why) == (NotWebsocket, "its answer is no HTTP: it begins with 'SSH-2.0-x'")


async def test_a_proxy_may_itself_be_reached_by_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with serving(Echo) as server, forward_proxy(ForwardProxy.http, server.port, tls=context) as proxy:
        url = proxy.url("https")
        error = await failure("ws://example.org/", proxy=url)
        assert isinstance(error, ProxyFailed) and error.is_final
        assert error.why == (
            f"the proxy {url} can't be spoken to: its certificate is signed by nobody that is trusted here"
        )
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        monkeypatch.setattr("actorws.client.tls._trusting_the_system", ssl.create_default_context)
        opened = await open_websocket(Dialing.to("ws://example.org/", proxy=url))
        await Client(opened.stream).echo("hi")
        await opened.tcp.aclose()


@pytest.mark.parametrize(("scheme", "protocol"), ANYWHERE[:2])
async def test_credentials_are_said_to_the_proxy(scheme: str, protocol: Any) -> None:
    async with (
        raw_server(accepting()) as server,
        forward_proxy(protocol, server.port, credentials=("us@er", "p:ss")) as proxy,
    ):
        opened = await open_websocket(Dialing.to("ws://example.org/", proxy=proxy.url(scheme, "us%40er:p%3Ass@")))
        await trio.aclose_forcefully(opened.tcp)


async def test_socks4_has_a_user_and_no_password() -> None:
    async with raw_server(accepting()) as server, forward_proxy(ForwardProxy.socks4, server.port) as proxy:
        opened = await open_websocket(Dialing.to("ws://example.org/", proxy=proxy.url("socks4a", "user@")))
        await trio.aclose_forcefully(opened.tcp)
    assert proxy.asked == ["user@example.org:80"]


async def test_the_environments_proxy_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(accepting()) as server, forward_proxy(ForwardProxy.http, server.port) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url("http"))
        opened = await open_websocket(Dialing.to("ws://example.org/"))
        await trio.aclose_forcefully(opened.tcp)
    assert proxy.asked == ["example.org:80"]


# Not through it


@pytest.mark.parametrize(
    ("scheme", "protocol", "credentials", "why"),
    [
        ("http", ForwardProxy.http, "", "asks for credentials (407)"),
        ("http", ForwardProxy.http, "u:s3cret@", "doesn't take these credentials (407)"),
        (
            "socks5h",
            ForwardProxy.socks5,
            "",
            "refused to connect us: No acceptable authentication methods were offered",
        ),
        (
            "socks5h",
            ForwardProxy.socks5,
            "u:s3cret@",
            "refused to connect us: Username and password authentication failure",
        ),
    ],
)
async def test_wrong_credentials_are_the_callers(scheme: str, protocol: Any, credentials: str, why: str) -> None:
    async with forward_proxy(protocol, 1, credentials=("user", "pass")) as proxy:
        error = await failure("ws://example.org/chat?x", proxy=proxy.url(scheme, credentials))
    assert isinstance(error, ProxyFailed) and error.is_final
    assert str(error) == f"can't connect to ws://example.org/chat: the proxy {proxy.url(scheme)} {why}"


@pytest.mark.parametrize(
    ("scheme", "protocol", "code", "why", "is_final"),
    [
        ("http", ForwardProxy.http, 403, "403 Because", True),
        ("http", ForwardProxy.http, 503, "503 Because", False),
        ("http", ForwardProxy.http, 429, "429 Because", False),
        ("socks5h", ForwardProxy.socks5, 2, "Connection not allowed by ruleset", True),
        ("socks5h", ForwardProxy.socks5, 4, "Host unreachable", False),
        ("socks5h", ForwardProxy.socks5, 5, "Connection refused by destination host", False),
        ("socks4a", ForwardProxy.socks4, 0x5B, "Request rejected or failed", False),
    ],
)
async def test_a_proxy_may_refuse(scheme: str, protocol: Any, code: int, why: str, is_final: bool) -> None:
    async with forward_proxy(protocol, 1) as proxy:
        proxy.refuses = code
        error = await failure("ws://example.org/", proxy=proxy.url(scheme))
    assert isinstance(error, ProxyFailed) and error.is_final == is_final
    assert error.why == f"the proxy {proxy.url(scheme)} refused to connect us: {why}"


async def hanging_up(client: Client) -> None:
    await client.read(1)


SENSELESS = "answers as no proxy of its kind does"


@pytest.mark.parametrize(
    ("scheme", "handle", "why", "is_final"),
    [
        ("http", silent(b"SSH-2.0-x\r\n"), SENSELESS, True),
        ("http", saying(b"HTTP/1.1 200 OK\r\n", *[b"X: " + b"y" * 9995 + b"\r\n"] * 9), SENSELESS, True),
        ("http", saying(b"HTTP/1.1 fine OK\r\n\r\n"), "refused to connect us: Invalid status code: fine", True),
        ("http", saying(b"HTTP/1.1 403 \x1b[2J\xff\r\n\r\n"), "refused to connect us: 403 ?[2J?", True),
        (
            "socks5h",
            silent(b"HTTP/1.1 400 Bad\r\n\r\n"),
            "refused to connect us: Unexpected SOCKS version number: 72",
            True,
        ),
        ("socks4a", silent(b"SSH-2.0-x\r\n"), "refused to connect us: Unexpected reply version: 0X53", True),
        ("socks5h", silent(b"\x05\x00", b"\x05\x00\x00\x03\x02\xff\xff\x00\x00"), SENSELESS, True),
        ("http", ending, "ended the connection instead of answering", False),
        ("http", resetting, "cut the connection instead of answering", False),
        ("socks5h", hanging_up, "ended the connection instead of answering", False),
    ],
)
async def test_who_is_no_proxy_is_found_out(scheme: str, handle: Handler, why: str, is_final: bool) -> None:
    async with raw_server(handle) as server:
        error = await failure("ws://example.org/", proxy=server.url("", scheme))
        assert isinstance(error, ProxyFailed) and error.is_final == is_final
        if handle is hanging_up:
            why = why if "ended" in error.why else why.replace("ended", "cut")
        assert error.why == f"the proxy {server.url('', scheme)} {why}"


async def test_a_proxy_that_is_not_there_is_named() -> None:
    error = await failure("ws://example.org/", proxy="socks5h://user:s3cret@127.0.0.1:1")
    assert str(error) == (
        "can't connect to ws://example.org/: the proxy socks5h://127.0.0.1:1 can't be reached: "
        "nobody listens there (connection refused)"
    )
    assert isinstance(error, ProxyFailed) and not error.is_final and "s3cret" not in repr(error)
    trio.socket.set_custom_hostname_resolver(NoNames())
    error = await failure("ws://example.org/", proxy="http://nowhere.invalid")
    assert error.why.startswith(
        "the proxy http://nowhere.invalid:80 can't be reached: the name nowhere.invalid can't be"
    )


@pytest.mark.parametrize("scheme", ["http", "https", "socks5h", "socks4a"])
async def test_a_proxy_has_its_time(scheme: str) -> None:
    async with raw_server(silent()) as server:
        error = await failure("wss://example.org/", proxy=server.url("", scheme), connect_timeout=0.3)
        why = f"the proxy {server.url('', scheme)} made no connection within 0.3 s (connect_timeout)"
    assert isinstance(error, ConnectTimeout) and (error.why, error.limit) == (why, "connect_timeout")
