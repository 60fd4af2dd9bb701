"""The clients that are fuzzed: each plays every case, one that goes wrong on the wire costs no other, nothing is left.

The fuzzing server is an app of ours that has three cases.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from actorws import App, Close, Reject, Rejected, Websocket
from tests.autobahn.fuzzed import CLIENTS, Client, main
from tests.support.serving import Echo, serving

CASES = ["1", "2", "3"]


class Suite(Websocket):
    """What the fuzzing server is asked for; each request is noted."""

    receive_control = True

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.offered: list[str] = []

    def init(self, conn: Any) -> Any:
        self.asked.append((conn.path, conn.query.get("agent")))
        return None, {"/getCaseCount": [str(len(CASES)), Close()], "/updateReports": [Close()]}[conn.path]

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        raise AssertionError("nothing is to be said")


class Case(Suite):
    """Sends a message, and notes what comes back."""

    def connect(self, conn: Any) -> None:
        self.offered.append(conn.headers["sec-websocket-extensions"])

    def init(self, conn: Any) -> Any:
        return None, ["hello"]

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        self.asked.append((conn.query["case"], conn.query["agent"], frame))
        return state, [Close()]


class Cutting(Case):
    """Cuts the first case, before its end."""

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        if conn.query["case"] == CASES[0]:
            conn.abort()
            return state, []
        return super().handle_client_message(state, conn, frame)


class Refusing(Case):
    def connect(self, conn: Any) -> Any:
        return Reject(403)


class Silent(Case):
    """Says nothing."""

    def init(self, conn: Any) -> Any:
        return None, []


@pytest.fixture
def suite() -> Suite:
    return Suite()


@pytest.fixture
async def serve(suite: Suite) -> AsyncIterator[Any]:
    """Serves the suite with such cases: its URL."""
    async with trio.open_nursery() as nursery:

        async def run(case: Case, *, task_status: Any) -> None:
            app = App()
            for path in ("/getCaseCount", "/updateReports"):
                app.websocket(path, suite)
            app.websocket("/runCase", case, compression=True)
            async with serving(app) as server:
                task_status.started(f"ws://127.0.0.1:{server.port}")
                await trio.sleep_forever()

        async def start(case: Case) -> Any:
            return await nursery.start(run, case)

        yield start
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_echoes_in_every_case_and_asks_for_reports_behind_them(serve, suite, name):
    case = Case()
    await CLIENTS[name].play_all(await serve(case), name)
    assert sorted(case.asked) == [(number, name, "hello") for number in CASES]
    assert suite.asked == [("/getCaseCount", None), ("/updateReports", name)]


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_case_whose_connection_is_cut_costs_no_other(serve, suite, name):
    case = Cutting()
    await CLIENTS[name].play_all(await serve(case), name)
    assert sorted(number for number, *_ in case.asked) == CASES[1:]
    assert suite.asked[-1] == ("/updateReports", name)


@pytest.mark.parametrize("name", CLIENTS)
async def test_only_the_clients_that_are_called_so_let_both_sides_take_over_what_came_before(serve, name):
    case = Case()
    await CLIENTS[name].play_all(await serve(case), name)
    (offered,) = set(case.offered)
    assert offered.startswith("permessage-deflate")
    assert ("no_context_takeover" not in offered) == name.endswith("-takeover")


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_case_that_is_refused_fails_the_run(serve, name):
    with pytest.raises(ExceptionGroup) as caught:
        await CLIENTS[name].play_all(await serve(Refusing()), name)
    assert caught.group_contains(Rejected)


async def test_a_case_that_leaves_an_actor_fails_the_run(serve, monkeypatch):
    async def play(runtime: Any, url: str, options: Any) -> None:
        await runtime.connect(url, Echo, restart="temporary", proxy=None, **options)

    monkeypatch.setattr("tests.autobahn.fuzzed.LEAVE_SECONDS", 0.1)
    with pytest.raises(ExceptionGroup) as caught:
        await Client(play).play_all(await serve(Silent()), "leaving")
    assert caught.group_contains(trio.TooSlowError)


def test_where_no_server_says_its_url_a_line_says_so(monkeypatch):
    monkeypatch.setattr("sys.argv", ["fuzzed", "script"])
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(SystemExit, match="the fuzzing server has not said where it is"):
        main()
