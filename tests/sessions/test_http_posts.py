"""POSTs: what a client of an HTTP session says, each time all or nothing, and once whatever gets lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from actorws import Websocket, events
from actorws.reasons import Overflow, Remote
from actorws.testing import Answer, open_app
from tests.support.http_sessions import HttpClient, open_http
from tests.support.session_actors import Lasting, Talker, ended, tell


def received(answer: Answer) -> int:
    assert answer.status == 200, answer
    count: int = json.loads(answer.body)["received"]
    return count


async def heard(client: HttpClient, count: int) -> list[Any]:
    """What comes back, behind the welcome."""
    return [await client.receive() for _ in range(1 + count)][1:]


async def test_a_post_whose_answer_was_lost_is_sent_again_and_counts_once(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        client = await open_http(server)
        assert received(await client.post(b'"a"\n"b"', 0)) == 2
        assert received(await client.post(b'"a"\n"b"\n"c"', 0)) == 3
        assert received(await client.post(b'"b"', 1)) == 3
        assert await heard(client, 3) == ["a", "b", "c"]


async def test_a_hole_before_the_first_message_is_a_conflict_and_nothing_is_taken(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        client = await open_http(server)
        answer = await client.post(b'"c"', 2)
        assert (answer.status, answer.body) == (409, b'{"received":0}\n')
        assert received(await client.post()) == 0


async def test_a_bad_line_takes_nothing_of_its_post(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        client = await open_http(server)
        assert (await client.post(b'"a"\nnonsense', 0)).status == 400
        assert received(await client.post()) == 0
        assert ended(server) == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'"a"', {}, 400),
        (b'"a"', {"Actorws-Offset": "-1"}, 400),
        (b'"a"', {"Actorws-Offset": "x"}, 400),
        (b'"a"', {"Actorws-Offset": "99999999999999999"}, 400),
        (b"", {"Actorws-Received": "2"}, 400),
        (b"", {"Actorws-Received": "1.0"}, 400),
        (b'{"ack":2}', {}, 400),
        (b'"' + b"x" * 2000 + b'"', {"Actorws-Offset": "0"}, 413),
        (b'{"close":{"code":1006}}', {}, 400),
    ],
)
async def test_a_bad_post_is_refused(autojump_clock: Any, body: bytes, headers: dict[str, str], status: int) -> None:
    class Small(Talker):
        options = {"max_message_size": 1000}

    async with open_app(Small) as server:
        client = await open_http(server)
        assert (await client.post(body, **headers)).status == status
        assert received(await client.post()) == 0


async def test_an_acknowledgement_lets_go_of_what_was_kept(autojump_clock: Any) -> None:
    async with open_app(Lasting) as server:
        client = await open_http(server)
        await tell(server, ["a", "b"])
        assert await heard(client, 2) == ["a", "b"]
        assert received(await client.acknowledge()) == 0
        # Late ones, which say less, say nothing.
        assert received(await client.post(**{"Actorws-Received": "1"})) == 0
        assert received(await client.post(b'{"ack":2}')) == 0
        client.received = 1
        with pytest.raises(Exception, match="410"):
            await open_http(server, resume=client)
        client.received = 3
        again = await open_http(server, resume=client)
        assert again.unread == ()


async def test_a_request_that_is_late_takes_no_session_from_its_client(autojump_clock: Any) -> None:
    async with open_app(Lasting) as server:
        client = await open_http(server)
        await tell(server, "a")
        assert await heard(client, 1) == ["a"]
        await client.acknowledge()
        late = {"Actorws-Session": str(client.session), "Actorws-Received": "0"}
        answer = await server.request("GET", "/?transport=poll", headers=late)
        assert (answer.status, answer.body) == (410, b'{"lost":"overflow"}\n')
        await tell(server, "b")
        assert await client.receive() == "b"


async def test_a_ping_is_answered_with_the_post(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        client = await open_http(server)
        assert json.loads((await client.post(b'{"ping":"x"}')).body) == {"received": 0, "pong": "x"}


async def test_messages_before_a_close_are_handled_before_it(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        client = await open_http(server)
        assert received(await client.post(b'"a"\n{"close":{"code":1000,"reason":"done"}}', 0)) == 1
        await client.wait_closed()
        assert client.unread[-1] == "a"
        assert ended(server) == [Remote(1000, "done")]
        assert json.loads((await client.post(b'"b"', 1)).body) == {"lost": "unknown"}


async def test_a_post_to_an_actor_that_has_ended_is_gone_with_its_words(autojump_clock: Any) -> None:
    async with open_app(Lasting) as server:
        client = await open_http(server)
        await client.send("bye")
        answer = await client.post(b'"more"', 1)
        assert answer.status == 410
        assert json.loads(answer.body) == {"lost": "ended", "close": {"code": 4001, "reason": "bye"}}


async def test_a_full_mailbox_takes_nothing_until_it_has_room(autojump_clock: Any) -> None:
    class Slow(Websocket):
        options = {"mailbox_messages": 2}

        async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            await trio.sleep(10)
            return state, [frame]

    async with open_app(Slow) as server:
        client = await open_http(server)
        await client.send("a", "b", "c")
        answer = await client.post(b'"d"', 3)
        assert (answer.status, answer.headers["retry-after"], answer.body) == (503, "1", b'{"received":3}\n')
        assert received(await client.post(b'"c"', 2)) == 3, "it has that already"
        await client.send("d")
        assert trio.current_time() >= 9
        assert [await client.receive() for _ in range(4)] == ["a", "b", "c", "d"]


async def test_a_client_that_takes_nothing_is_not_listened_to(autojump_clock: Any) -> None:
    """Else it could ask for more than it takes."""

    class Echo(Websocket):
        options = {"high_water_mark": 1000}

        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            return state, [frame * 100_000]

    async with open_app(Echo) as server:
        client = await open_http(server)
        client.pause_reading()
        await client.send("a", "b")
        await trio.sleep(1)
        answer = await client.post(b'"c"', 2)
        assert (answer.status, answer.body) == (503, b'{"received":2}\n')
        client.resume_reading()
        assert [len(await client.receive()) for _ in range(2)] == [100_000] * 2
        await client.send("c")
        assert len(await client.receive()) == 100_000


async def test_a_client_that_is_too_fast_has_to_wait(autojump_clock: Any) -> None:
    class Limited(Talker):
        options = {"max_frames_per_second": 2.0}

    async with open_app(Limited) as server:
        client = await open_http(server)
        await client.send(*"abcdefgh")
        answer = await client.post(b'"i"', 8)
        assert (answer.status, answer.headers["retry-after"]) == (429, "3")
        await client.send("i")
        assert trio.current_time() >= 3
        assert await heard(client, 9) == [*"abcdefghi"]
        assert (await server.wait_event(events.RateLimited)).limit == "max_frames_per_second"


async def test_a_client_that_is_too_fast_is_closed_where_that_is_the_policy(autojump_clock: Any) -> None:
    class Strict(Talker):
        options = {"max_bytes_per_second": 100.0, "rate_policy": "close"}

    async with open_app(Strict) as server:
        client = await open_http(server)
        await client.send("x" * 200)
        assert await client.wait_closed() == Remote(1008, "too fast: max_bytes_per_second")
        assert ended(server) == [Overflow("rate")]


async def test_posts_count_for_nothing_while_messages_come_by_a_websocket(autojump_clock: Any) -> None:
    async with open_app(Lasting) as server:
        client = await open_http(server)
        assert await client.receive() == "welcome"
        socket = await server.connect(subprotocols=["actorws.v1"])
        await socket.send("\0" + json.dumps({"resume": client.session, "received": 1}))
        await socket.receive()
        await socket.send("by WebSocket")
        assert await socket.receive() == "by WebSocket"
        answer = await client.post(b'"late"', 0)
        assert (answer.status, answer.body) == (409, b'{"received":1}\n')
        assert received(await client.post()) == 1


async def test_a_body_comes_whole_or_in_chunks_and_may_be_asked_for(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        client = await open_http(server)
        stream = server.open_stream()
        head = f"POST / HTTP/1.1\r\nHost: a\r\nActorws-Session: {client.session}\r\nActorws-Offset: 0\r\n"
        await stream.send_all(f"{head}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n".encode())
        assert await stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        for piece in (b'1\r\n"\r\n', b'2\r\na"\r\n', b"0\r\n\r\n"):
            await stream.send_all(piece)
        assert b'{"received":1}' in await stream.receive_some()
        assert await heard(client, 1) == ["a"]


async def test_posts_are_pipelined_like_all_requests(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        client = await open_http(server)
        stream = server.open_stream()
        for number in range(5):
            head = f"POST / HTTP/1.1\r\nHost: a\r\nActorws-Session: {client.session}\r\nActorws-Offset: {number}\r\n"
            await stream.send_all(f'{head}Content-Length: 3\r\n\r\n"{number}"'.encode())
        assert await heard(client, 5) == [*"01234"]


async def test_connect_is_asked_for_each_and_may_wait(autojump_clock: Any) -> None:
    asked: list[str] = []

    class Asking(Talker):
        async def connect(self, conn: Any) -> None:
            await trio.sleep(1)
            asked.append(conn.headers.get("actorws-session", "new"))

    async with open_app(Asking) as server:
        client = await open_http(server)
        await client.send("a")
        await client.send("b")
        assert await heard(client, 2) == ["a", "b"]
        assert asked == ["new", client.session, client.session]
        assert trio.current_time() >= 3
