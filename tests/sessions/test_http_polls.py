"""Long polling: an actor behind a row of requests, each answered when there is something to say."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from actorws import App, Close, Websocket, events
from actorws.conn import SendStatus
from actorws.reasons import Expired, Remote
from actorws.testing import Answer, MemoryServer, open_app
from actorws.testing.http import read_answer, request_bytes
from tests.support.http_sessions import HttpClient, open_http
from tests.support.session_actors import Lasting, Talker, ended, tell


def values(answer: Answer) -> list[Any]:
    assert answer.status == 200, answer
    return [json.loads(line) for line in answer.body.split(b"\n")[:-1]]


class Poller:
    """Polls by hand, on one connection."""

    def __init__(self, server: MemoryServer) -> None:
        self.stream = server.open_stream()
        self.rest = b""
        self.session = ""

    async def ask(self, received: int | None = None, *, version: str = "1.1", **headers: str) -> None:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if received is not None:
            fields |= {"Actorws-Session": self.session, "Actorws-Received": str(received)}
        request = request_bytes("GET", "/?transport=poll", fields)
        await self.stream.send_all(request.replace(b"HTTP/1.1", f"HTTP/{version}".encode()))

    async def answer(self) -> Answer:
        answer, self.rest = await read_answer(self.stream)
        return answer

    async def begin(self) -> list[Any]:
        await self.ask()
        greeting, *messages = values(await self.answer())
        self.session = greeting["session"]
        return messages


async def test_messages_go_both_ways(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        client = await open_http(server, "poll")
        await client.send("a", b"\x00\xff", "")
        assert [await client.receive() for _ in range(4)] == ["welcome", "a", b"\x00\xff", ""]
        assert client.conn is not None and client.conn.transport == "poll"


async def test_the_poll_that_begins_a_session_is_answered_at_once_messages_or_not(autojump_clock: Any) -> None:
    class Silent(Websocket):
        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            return state, []

    async with open_app(Silent) as server:
        began = trio.current_time()
        assert await Poller(server).begin() == []
        assert trio.current_time() == began


async def test_a_poll_is_answered_when_there_is_something_to_say(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        poller = Poller(server)
        assert await poller.begin() == ["welcome"]
        await poller.ask(1)
        await trio.sleep(10)
        began = trio.current_time()
        await tell(server, ["one", "two"])
        greeting, *messages = values(await poller.answer())
        assert messages == ["one", "two"] and greeting["resumed"] is True
        assert trio.current_time() == began


async def test_a_poll_with_nothing_to_say_is_answered_after_25_seconds(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        poller = Poller(server)
        await poller.begin()
        began = trio.current_time()
        await poller.ask(1)
        assert len(values(await poller.answer())) == 1
        assert 25 <= trio.current_time() - began <= 26


async def test_what_was_said_between_polls_is_the_next_ones(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        poller = Poller(server)
        await poller.begin()
        await tell(server, "between")
        await trio.sleep(5)
        await poller.ask(1)
        assert values(await poller.answer())[1:] == ["between"]


async def test_what_a_client_did_not_get_comes_again(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        poller = Poller(server)
        await poller.begin()
        for received in (1, 1, 2):
            if received == 1:
                await tell(server, "again")
            await poller.ask(received)
            last = values(await poller.answer())[1:]
        assert last == ["again"], "the first was confirmed, the second wasn't"


async def test_an_answer_has_so_many_messages_and_the_rest_waits(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        poller = Poller(server)
        await poller.begin()
        await tell(server, [str(number) for number in range(250)])
        got: list[str] = []
        for count in (100, 100, 50):
            await poller.ask(1 + len(got))
            answer = values(await poller.answer())[1:]
            assert len(answer) == count
            got += answer
        assert got == [str(number) for number in range(250)]


async def test_an_answer_is_bounded_in_bytes_too(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        poller = Poller(server)
        await poller.begin()
        await tell(server, ["x" * 50_000] * 4)
        await poller.ask(1)
        assert len(values(await poller.answer())) == 1 + 2


async def test_between_two_polls_a_message_is_sent_up_to_the_high_water_mark_and_waits_above_it(
    autojump_clock: Any,
) -> None:
    said: list[Any] = []

    class Asking(Talker):
        options = {"high_water_mark": 9}

        def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
            said.append(conn.send(message))
            return state, []

        def handle_drain(self, state: Any, conn: Any) -> Any:
            said.append("drained")
            return state, []

    async with open_app(Asking) as server:
        poller = Poller(server)
        await poller.begin()
        await tell(server, "between")
        await tell(server, "too much")
        await trio.sleep(1)
        await poller.ask(1)
        assert values(await poller.answer())[1:] == ["between"]
        await poller.ask(2)
        assert values(await poller.answer())[1:] == ["too much"]
        assert said == [SendStatus.SENT, SendStatus.BACKPRESSURED, "drained"]
        await poller.ask(3)
        await trio.sleep(1)
        await tell(server, "parked")
        assert values(await poller.answer())[1:] == ["parked"]
        assert said[3:] == [SendStatus.SENT]


async def test_the_actor_closes_and_its_words_are_the_last_line(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        client = await open_http(server, "poll")
        await client.send("bye")
        assert [await client.receive() for _ in range(3)] == ["welcome", "last words", Close(4001, "bye")]


async def test_the_words_of_an_actor_that_ended_between_polls_can_be_fetched(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        poller = Poller(server)
        await poller.begin()
        await tell(server, 4001)
        await server.wait_event(events.ActorEnded)
        await poller.ask(1)
        assert values(await poller.answer())[1:] == [{"close": {"code": 4001, "reason": "bye"}}]


async def test_who_does_not_poll_again_is_gone(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        poller = Poller(server)
        await poller.begin()
        await poller.ask(1)
        await poller.answer()
        assert (await server.wait_event(events.ActorEnded)).reason == Expired("session_resume_timeout")
        await poller.stream.aclose()
        late = Poller(server)
        late.session = poller.session
        await late.ask(1)
        answer = await late.answer()
        assert (answer.status, json.loads(answer.body)) == (410, {"lost": "expired"})


async def test_a_client_that_goes_while_its_poll_is_parked_may_come_back(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        poller = Poller(server)
        await poller.begin()
        await poller.ask(1)
        await trio.sleep(1)
        await poller.stream.aclose()
        assert (await server.wait_event(events.SessionDetached)).reason == Remote(1006)
        await tell(server, "while away")
        again = Poller(server)
        again.session = poller.session
        await again.ask(1)
        assert values(await again.answer())[1:] == ["while away"]


async def test_a_second_poll_ends_the_first_with_an_empty_answer(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        first, second = Poller(server), Poller(server)
        await first.begin()
        second.session = first.session
        await first.ask(1)
        await trio.sleep(1)
        await second.ask(1)
        assert len(values(await first.answer())) == 1
        await tell(server, "for the newest")
        assert values(await second.answer())[1:] == ["for the newest"]


async def test_what_came_in_the_tick_of_a_newer_poll_is_the_newer_ones_alone(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        first, second = Poller(server), Poller(server)
        await first.begin()
        await first.ask(1)
        await trio.sleep(1)
        headers = {"Actorws-Session": first.session, "Actorws-Offset": "0", "Actorws-Received": "1"}
        post = request_bytes("POST", "/", headers, b'"echo"')
        await second.stream.send_all(post + request_bytes("GET", "/?transport=poll", headers))
        assert len(values(await first.answer())) == 1
        data = b""
        while b'"echo"' not in data:
            data += await second.stream.receive_some()


async def test_a_stream_takes_over_from_polls(autojump_clock: Any) -> None:
    async with open_app(Lasting) as server:
        polling = await open_http(server, "poll")
        assert await polling.receive() == "welcome"
        polling.pause_reading()
        await trio.sleep(1)
        streaming: HttpClient = await open_http(server, "sse", resume=polling)
        await tell(server, "now here")
        assert await streaming.receive() == "now here"


async def test_a_poll_says_how_much_has_come_until_its_answer(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        poller = Poller(server)
        await poller.begin()
        await poller.ask(1)
        await trio.sleep(1)
        headers = {"Actorws-Session": poller.session, "Actorws-Offset": "0"}
        assert (await server.request("POST", "/", headers=headers, body=b'"a"')).body == b'{"received":1}\n'
        assert values(await poller.answer())[0]["received"] == 1


# The connection


async def test_the_connection_is_kept_for_any_next_request(autojump_clock: Any) -> None:
    app = App()
    app.websocket("/", Talker)
    app.http("/hello", lambda request: "hello")
    async with open_app(app) as server:
        poller = Poller(server)
        await poller.begin()
        await poller.stream.send_all(request_bytes("GET", "/hello", {}))
        assert (await poller.answer()).body == b"hello"
        await poller.ask(1)
        await trio.sleep(20)
        await tell(server, "a")
        assert values(await poller.answer())[1:] == ["a"]
        began = trio.current_time()
        assert await poller.stream.receive_some() == b""
        assert 15 <= trio.current_time() - began <= 16, "keep_alive_timeout"


async def test_requests_behind_a_poll_are_answered_behind_it(autojump_clock: Any) -> None:
    app = App()
    app.websocket("/", Talker)
    app.http("/hello", lambda request: "hello")
    async with open_app(app) as server:
        poller = Poller(server)
        await poller.begin()
        headers = {"Actorws-Session": poller.session, "Actorws-Received": "1"}
        poll, hello = request_bytes("GET", "/?transport=poll", headers), request_bytes("GET", "/hello", {})
        await poller.stream.send_all(poll + hello[:10])
        await trio.sleep(1)
        await poller.stream.send_all(hello[10:] + hello)
        await trio.sleep(1)
        await tell(server, "first")
        data = b""
        while data.count(b"hello") < 2:
            data += await poller.stream.receive_some()
        assert data.index(b'"first"') < data.index(b"hello")


async def test_little_is_read_behind_a_poll(autojump_clock: Any) -> None:
    async with open_app(Talker, capacity=1000) as server:
        poller = Poller(server)
        await poller.begin()
        await poller.ask(1)
        with trio.move_on_after(10):
            await poller.stream.send_all(b"GET /?transport=poll HTTP/1.1\r\n" * 1000)
            raise AssertionError("all of it was read")
        assert ended(server) == []


async def test_garbage_behind_a_poll_is_refused_behind_it(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        poller = Poller(server)
        await poller.begin()
        await poller.ask(1)
        await poller.stream.send_all(b"garbage\r\n\r\n")
        await tell(server, "first")
        data = b"".join([bytes(piece) async for piece in poller.stream])
        assert data.index(b'"first"') < data.index(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("version", "headers", "connection"),
    [
        ("1.0", {}, "close"),
        ("1.0", {"Connection": "keep-alive"}, "keep-alive"),
        ("1.1", {"Connection": "close"}, "close"),
        ("1.1", {}, "keep-alive"),
    ],
)
async def test_the_client_says_whether_the_connection_goes_on(
    autojump_clock: Any, version: str, headers: dict[str, str], connection: str
) -> None:
    async with open_app(Talker) as server:
        poller = Poller(server)
        await poller.ask(version=version, **headers)
        answer = await poller.answer()
        assert answer.headers["connection"] == connection
        if connection == "close":
            assert await poller.stream.receive_some() == b""


async def test_a_shutdown_answers_parked_polls_at_once_with_its_words(autojump_clock: Any) -> None:
    async with open_app(Talker) as server, trio.open_nursery() as nursery:
        poller = Poller(server)
        await poller.begin()
        await poller.ask(1)
        await trio.sleep(1)
        began = trio.current_time()
        nursery.start_soon(server.shut_down)
        answer = await poller.answer()
        assert values(answer)[1:] == [{"close": {"code": 1001, "reason": ""}}]
        assert answer.headers["connection"] == "close"
        assert await poller.stream.receive_some() == b""
        assert trio.current_time() - began < 1
        await poller.stream.aclose()


async def test_polls_tell_nothing_of_coming_and_going(autojump_clock: Any) -> None:
    async with open_app(Talker) as server:
        client = await open_http(server, "poll")
        for _ in range(3):
            await client.send("a")
            await trio.sleep(30)
        kinds = {type(event) for event in server.events} - {events.KeepAliveTimedOut}
        assert kinds == {events.ActorStarted} and ended(server) == []
