"""Pages of other sites: a browser lets every page open WebSockets everywhere, so the server has to know its own."""

from __future__ import annotations

from tests.support.faults import Target
from tests.support.requests import let_in, lines, refused
from tests.support.wire import handshake

OWN = "localhost:8000"
#: Pages that are not of ``OWN``, however they look.
OTHERS = (
    "http://evil.example",
    "https://evil.example",
    "http://evil.example:8000",
    "http://localhost:8001",
    "http://localhost",
    "http://localhost:8000.evil.example",
    "http://localhost:8000@evil.example",
    "http://evil.example@localhost:8000",
    "http://evil.example/localhost:8000",
    "http://evil.example#localhost:8000",
    "http://evil.example, http://localhost:8000",
    "http://localhost:8000, http://evil.example",
    "http://localhost:8000/",
    "http:///localhost:8000",
    "//localhost:8000",
    "localhost:8000",
    "http://127.0.0.1:8000",
    "http://[::1]:8000",
    "file://",
    "null",
    "",
    "*",
)


async def test_without_a_policy_only_pages_of_the_own_host_are_let_in(shared_target: Target) -> None:
    """RFC 6455 section 10.2: the default is safe."""
    bad = {origin: (handshake(host=OWN, origin=origin), 403) for origin in OTHERS}
    bad["twice"] = (lines(b"origin: http://127.0.0.1", b"origin: http://127.0.0.1"), 403)
    good = {
        origin: handshake(host=OWN, origin=origin)
        for origin in (f"http://{OWN}", f"https://{OWN}", f"http://{OWN} ", None)
    }
    good["default port"] = handshake(host="a", origin="https://a:443")
    good["default port of the host"] = handshake(host="a:80", origin="http://a")
    good["in capitals"] = handshake(host="A.Example", origin="HTTP://a.eXAMPLE")
    good["an address"] = handshake(host="[::1]:80", origin="http://[::1]")
    async with shared_target.unharmed():
        await let_in(shared_target, {f"{name}": data for name, data in good.items()})
        await refused(shared_target, bad)


async def test_an_allow_list_lets_in_those_on_it_and_the_own_host(guarded: Target) -> None:
    allowed = ("https://page.example", "https://page.example:443", "https://PAGE.example", f"http://{OWN}", None)
    others = (
        *OTHERS,
        "http://page.example",
        "https://page.example:444",
        "https://page.example.evil.example",
        "https://evilpage.example",
        "https://sub.page.example",
        "https://page.example, https://page.example",
        "https://page.example https://page.example",
    )
    bad = {o: (handshake("/pages", host=OWN, origin=o), 403) for o in others}
    async with guarded.unharmed():
        await let_in(guarded, {f"{o}": handshake("/pages", host=OWN, origin=o) for o in allowed})
        await refused(guarded, bad)


async def test_the_off_switch_lets_every_page_in(guarded: Target) -> None:
    """But no two at once: no browser sends that."""
    bad = {"two": (handshake("/any-page", origin="http://a, http://b"), 403)}
    bad["twice"] = (lines(b"origin: http://a", b"origin: http://b", path="/any-page"), 403)
    good = {o: handshake("/any-page", host=OWN, origin=o) for o in OTHERS if "," not in o}
    async with guarded.unharmed():
        await let_in(guarded, good)
        await refused(guarded, bad)


async def test_a_page_that_calls_this_machine_by_its_own_name_is_turned_away(guarded: Target) -> None:
    """DNS rebinding: Host and Origin agree on a name that is not ours (option ``allowed_hosts``)."""
    good = {host: handshake("/named", host=host, origin=f"http://{host}") for host in (OWN, "chat.example")}
    others = ("evil.example", "evil.example:8000", "localhost.evil.example", "chat.example.", "127.0.0.1", "")
    bad = {host: (handshake("/named", host=host, origin=f"http://{host}"), 403) for host in others}
    bad["no browser"] = (handshake("/named", host="evil.example"), 403)
    async with guarded.unharmed():
        await let_in(guarded, good)
        await refused(guarded, bad)
