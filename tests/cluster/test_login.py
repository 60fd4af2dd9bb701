"""Logging in: what the server refuses is told at once and in a sentence; once it has worked nothing is fatal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.nodes import refusal, running, until
from tests.support.redis import RedisServer

START = Callable[..., RedisServer]


async def test_a_password_is_needed_where_one_is_set(start: START, kind: str):
    server = start(kind, "--requirepass", "s3cret", login=("s3cret",))
    for url in (server.url, f"{server.url}?password=wr0ng", f"{server.url}?user=nobody&password=s3cret"):
        said = await refusal(url)
        assert said.startswith(f"{server.url} refuses the user or the password, or what the user may do: ")
        assert "wr0ng" not in said
        assert "s3cret" not in said
    async with running(f"{server.url}?password=s3cret") as (engine, _):
        assert await engine.send("x", b"") is False


async def test_a_password_where_none_is_needed_is_no_fault(server: RedisServer):
    async with running(f"{server.url}?password=anything") as (engine, _):
        assert await engine.send("x", b"") is False


#: What the engine asks of a user.
RIGHTS = (
    "resetchannels",
    "~aw:{actorws}:*",
    "&aw:{actorws}:*",
    "-@all",
    "+@connection",
    "+@pubsub",
    "+@scripting",
    "+@read",
    "+@write",
)
RIGHTS += ("+info", "+time")


async def test_a_user_with_the_rights_that_are_needed_is_enough(start: START, kind: str):
    server = start(kind)
    server.settle()
    server.call("ACL", "SETUSER", "me", "on", ">pw", *RIGHTS)
    url = f"{server.url}?user=me&password=pw"
    async with running(url) as (a, _), running(url) as (b, node):
        await b.join("g")
        assert await a.publish("g", "message", b"hello") == 1
        assert await b.register("x", 1)
        assert await a.send("x", b"hello")
        assert await a.register("x", 1, takeover=True)
        await node.seen("name_lost")


@pytest.mark.parametrize(
    "lacking",
    ["+@scripting", "+@pubsub", "+info", "+time", "~aw:{actorws}:*", "&aw:{actorws}:*", "+@write"],
)
async def test_a_user_without_the_rights_is_refused_at_the_first_connect(start: START, kind: str, lacking: str):
    server = start(kind, "--acl-pubsub-default", "resetchannels")
    server.call("ACL", "SETUSER", "me", "on", ">pw", *[right for right in RIGHTS if right != lacking])
    said = await refusal(f"{server.url}?user=me&password=pw")
    assert said.startswith(f"{server.url} refuses the user or the password, or what the user may do: ")


async def test_once_it_has_worked_nothing_is_fatal(start: START, kind: str):
    """An operator's slip must not end the nodes of a cluster."""
    server = start(kind)
    server.settle()
    server.call("ACL", "SETUSER", "me", "on", ">pw", *RIGHTS)
    async with running(f"{server.url}?user=me&password=pw") as (engine, node):
        server.call("ACL", "SETUSER", "me", "off")
        server.kill_clients()
        await until(lambda: "refuses the user or the password" in (engine.trouble or ""))
        server.call("ACL", "SETUSER", "me", "on")
        await node.seen("gap")
        assert await engine.send("x", b"") is False
