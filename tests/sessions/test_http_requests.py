"""Requests for sessions over HTTP: which are some, who may send them, and what is said to the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from actorws import Accept, App, Reject, events
from actorws.testing import Refused, open_app
from tests.support.http_sessions import KINDS, Wire, open_http
from tests.support.session_actors import Lasting, Talker, ended

each_kind = pytest.mark.parametrize("kind", KINDS)


# Whose ids


async def test_a_bad_id_gets_the_same_answer_whatever_is_wrong_with_it(autojump_clock: Any) -> None:
    class Other(Talker):
        def init(self, conn: Any) -> Any:
            return 0, []

    app = App()
    app.websocket("/", Lasting)
    app.websocket("/other", Other)
    async with open_app(app) as server:
        good = (await open_http(server)).session
        other = (await open_http(server, path="/other")).session
        assert good is not None and other is not None
        node, serial, _ = good.split(".")
        bad = ["", "x", "a.b.c", f"{node}.{serial}.{'A' * 22}", f"{node}.99.{'A' * 22}", other, good + "x", "é" * 200]
        answers = []
        for method in ("GET", "POST"):
            for session in bad:
                headers = {"Actorws-Session": session, "Actorws-Received": "0", "Actorws-Offset": "0"}
                answer = await server.request(method, "/?transport=poll", headers=headers, body=b'"a"')
                answers.append((answer.status, answer.body))
        assert set(answers) == {(410, b'{"lost":"unknown"}\n')}
        assert len([event for event in server.events if isinstance(event, events.SessionLost)]) == len(answers)


async def test_an_id_of_another_process_is_elsewhere(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        headers = {"Actorws-Session": f"elsewhere.1.{'A' * 22}", "Actorws-Received": "0"}
        answer = await server.request("GET", "/?transport=poll", headers=headers)
        assert (answer.status, answer.body) == (410, b'{"lost":"elsewhere"}\n')


@each_kind
async def test_the_id_of_a_session_opens_it_to_nobody_else(autojump_clock: Any, kind: Wire) -> None:
    class Private(Lasting):
        def connect(self, conn: Any) -> Any:
            user = conn.headers.get("x-user")
            return Accept(identity=user) if user else Reject(401)

    async with open_app(Private) as server:
        client = await open_http(server, kind, headers={"X-User": "ann"})
        await client.send("mine")
        for headers, status in (({"X-User": "bob"}, 410), ({}, 401)):
            session = {"Actorws-Session": str(client.session), "Actorws-Offset": "1", "Actorws-Received": "0"}
            answer = await server.request("POST", "/", headers={**session, **headers}, body=b'"not mine"')
            assert answer.status == status
            answer = await server.request("GET", f"/?transport={kind}", headers={**session, **headers})
            assert answer.status == status
        assert client.conn is not None


# What connect says


@each_kind
async def test_connect_turns_a_client_away_before_there_is_anything(autojump_clock: Any, kind: Wire) -> None:
    class Closed(Talker):
        def connect(self, conn: Any) -> Any:
            return Reject(401, "who are you?", {"WWW-Authenticate": "Basic"})

    async with open_app(Closed) as server:
        with pytest.raises(Refused, match="401: who are you") as caught:
            await open_http(server, kind)
        assert caught.value.headers["www-authenticate"] == "Basic"
        assert {type(event) for event in server.events} == {events.HandshakeRefused}


@each_kind
async def test_connect_adds_headers_and_chooses_the_subprotocol(autojump_clock: Any, kind: Wire) -> None:
    class Adding(Talker):
        async def connect(self, conn: Any) -> Any:
            await trio.sleep(1)
            return Accept("chat", {"Set-Cookie": "a=b", "Cache-Control": "public"})

    async with open_app(Adding) as server:
        client = await open_http(server, kind, headers={"Actorws-Subprotocols": "other, chat"})
        assert client.answer is not None
        assert client.answer.headers["set-cookie"] == "a=b"
        assert client.answer.headers["cache-control"] == "no-store, no-transform"
        assert client.greetings[0]["subprotocol"] == "chat"
        assert client.conn is not None and client.conn.subprotocol == "chat"


@pytest.mark.parametrize("returned", [Accept("not offered"), Accept(headers={"A": "b\r\nC: d"}), 42, ValueError("bug")])
async def test_what_is_wrong_with_connect_is_a_500(autojump_clock: Any, returned: Any) -> None:
    class Wrong(Talker):
        def connect(self, conn: Any) -> Any:
            if isinstance(returned, Exception):
                raise returned
            return returned

    async with open_app(Wrong, crashes="ignore") as server:
        assert (await server.request("GET", "/?transport=sse")).status == 500
        assert ended(server) == []


@each_kind
async def test_where_there_is_no_room_it_is_503_and_nothing_else_is_hurt(autojump_clock: Any, kind: Wire) -> None:
    class Few(Talker):
        options = {"max_connections": 1}

        def init(self, conn: Any) -> Any:
            return 0, []

    async with open_app(Few) as server:
        first = await open_http(server, kind)
        with pytest.raises(Refused) as caught:
            await open_http(server, kind)
        assert (caught.value.status, caught.value.headers["retry-after"]) == (503, "5")
        await first.send("still here")
        assert await first.receive() == "still here"


async def test_a_session_takes_one_place_however_often_it_is_resumed(autojump_clock: Any) -> None:
    class One(Lasting):
        options = {"max_connections": 1}

    async with open_app(One) as server:
        client = await open_http(server)
        for kind in KINDS:
            client = await open_http(server, kind, resume=client)
        assert len(server.runtime.supervisor) == 1


# What is one


async def test_what_a_route_does_not_allow_for_is_not_there(autojump_clock: Any) -> None:
    app = App()
    app.websocket("/sse", Talker, transports=["sse"])
    app.websocket("/ws", Talker, transports=["websocket"])
    async with open_app(app) as server:
        assert (await server.request("GET", "/sse?transport=poll")).status == 404
        assert (await server.request("GET", "/ws?transport=poll")).status == 426
        assert (await server.request("POST", "/ws", headers={"Actorws-Session": "a.1.b"})).status == 405
        with pytest.raises(Refused, match="404"):
            await server.connect("/sse")
        await (await server.connect("/ws")).close()
        await (await open_http(server, "sse", "/sse")).hang_up()


async def test_other_requests_on_the_path_go_where_they_went(autojump_clock: Any) -> None:
    app = App()
    app.websocket("/", Talker)
    app.http("/", lambda request: f"{request.method} {len(request.body)}", methods=["GET", "POST", "OPTIONS"])
    async with open_app(app) as server:
        assert (await server.request("GET", "/", headers={"Accept": "text/html, */*"})).body == b"GET 0"
        assert (await server.request("GET", "/?transport=pigeon")).body == b"GET 0"
        assert (await server.request("POST", "/", body=b"abc")).body == b"POST 3"
        assert (await server.request("OPTIONS", "/")).body == b"OPTIONS 0"
        assert (await server.request("HEAD", "/?transport=sse")).status == 200
        client = await open_http(server, "sse")
        assert await client.receive() == "welcome"


@pytest.mark.parametrize("accept", ["text/event-stream", "Text/Event-Stream;q=0.9, */*", "a/b,  text/event-stream"])
async def test_who_accepts_events_gets_events(autojump_clock: Any, accept: str) -> None:
    async with open_app(Talker) as server:
        stream = server.open_stream()
        await stream.send_all(f"GET / HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n".encode())
        assert b"event: session" in await stream.receive_some()


async def test_resuming_needs_to_say_what_has_come(autojump_clock: Any) -> None:
    async with open_app(Lasting) as server:
        client = await open_http(server)
        for more, status in (({}, 400), ({"Actorws-Received": "x"}, 400), ({"Actorws-Received": "2"}, 400)):
            headers = {"Actorws-Session": str(client.session), **more}
            assert (await server.request("GET", "/?transport=poll", headers=headers)).status == status
        assert client.conn is not None, "it is none the worse for it"


# Pages of other origins


def with_origins(*origins: str) -> type[Talker]:
    return type("Talker", (Talker,), {"options": {"allowed_origins": origins}})


async def test_a_page_of_a_named_origin_may_do_everything_with_cookies(autojump_clock: Any) -> None:
    page = {"Origin": "https://page.example"}
    async with open_app(with_origins("https://page.example")) as server:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "actorws-session,x-token"}
        answer = await server.request("OPTIONS", "/", headers={**page, **asked})
        assert answer.status == 204
        assert answer.headers["access-control-allow-headers"] == "actorws-session,x-token"
        assert answer.headers["access-control-allow-methods"] == "GET, POST"
        client = await open_http(server, "sse", headers=page)
        await client.send("a")
        lost = await server.request("POST", "/", headers={**page, "Actorws-Session": "x"})
        assert client.answer is not None
        for headers in (answer.headers, client.answer.headers, client.posts[0].headers, lost.headers):
            assert headers["access-control-allow-origin"] == "https://page.example"
            assert headers["access-control-allow-credentials"] == "true"
            assert headers["vary"] == "Origin"


async def test_where_every_page_may_it_may_without_cookies(autojump_clock: Any) -> None:
    async with open_app(with_origins("*")) as server:
        client = await open_http(server, "poll", headers={"Origin": "https://any.example"})
        assert client.answer is not None
        assert client.answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in client.answer.headers


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_a_page_of_another_origin_may_not(autojump_clock: Any, method: str) -> None:
    headers = {"Origin": "https://evil.example", "Actorws-Session": "x", "Access-Control-Request-Method": "GET"}
    async with open_app(with_origins("https://page.example")) as server:
        answer = await server.request(method, "/?transport=sse", headers=headers)
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers


async def test_a_page_sees_why_it_was_refused(autojump_clock: Any) -> None:
    class Closed(with_origins("https://page.example")):  # type: ignore[misc]
        async def connect(self, conn: Any) -> Any:
            return Reject(401) if conn.query.get("transport") == "sse" else None

    page = {"Origin": "https://page.example"}
    async with open_app(Closed) as server:
        rejected = await server.request("GET", "/?transport=sse", headers=page)
        wrong = await server.request("GET", "/?transport=poll", headers={**page, "Actorws-Session": "x"})
        assert (rejected.status, wrong.status) == (401, 400)
        for answer in (rejected, wrong):
            assert answer.headers["access-control-allow-origin"] == "https://page.example"


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
)
async def test_what_a_foreign_page_has_its_browser_ask_for_begins_nothing(
    site: str, status: int, autojump_clock: Any
) -> None:
    """As a picture, say: such a request names no Origin."""
    async with open_app(Talker) as server:
        answer = await server.request("GET", "/?transport=poll", headers={"Sec-Fetch-Site": site})
        assert answer.status == status
        assert len(server.runtime.supervisor) == (status == 200)


async def test_without_allowed_origins_nothing_is_said_of_them(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        client = await open_http(server, headers={"Origin": "http://test"})
        assert client.answer is not None
        assert not [name for name in client.answer.headers if name.startswith("access-control") or name == "vary"]
        preflight = {"Origin": "http://test", "Access-Control-Request-Method": "GET"}
        assert (await server.request("OPTIONS", "/", headers=preflight)).status == 405


async def test_a_server_that_is_not_called_so_says_nothing(autojump_clock: Any) -> None:
    class Named(Talker):
        options = {"allowed_hosts": ["test"]}

    async with open_app(Named) as server:
        answer = await server.request("GET", "/?transport=sse", headers={"Host": "rebound.example"})
        assert answer.status == 403
        assert json.dumps(answer.body.decode()).count("not called so") == 1
