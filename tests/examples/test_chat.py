import json
from urllib.request import ProxyHandler, build_opener

import pytest

browse = build_opener(ProxyHandler({})).open


async def receive(client):
    return json.loads(await client.receive())


@pytest.mark.parametrize("path, kind", [("/", "text/html"), ("/chat.css", "text/css"), ("/chat.js", "text/javascript")])
def test_the_page_comes_from_the_same_port(serve_example, path, kind):
    server = serve_example("chat")
    with browse(server.http(path), timeout=20) as response:
        assert response.status == 200
        assert response.headers.get_content_type() == kind
        assert len(response.read()) > 1000


async def test_people_see_who_is_there_and_what_is_said(serve_example, connect_client):
    server = serve_example("chat")
    async with connect_client(server.ws("/chat?name=grace")) as grace:
        assert await receive(grace) == {"type": "welcome", "name": "grace", "people": ["grace"]}
        async with connect_client(server.ws("/chat?name=Ada%20%20L.")) as ada:
            assert await receive(ada) == {"type": "welcome", "name": "Ada L.", "people": ["Ada L.", "grace"]}
            assert await receive(grace) == {"type": "came", "name": "Ada L."}
            await ada.send("  hello, <b>all</b>  ")
            said = {"type": "said", "name": "Ada L.", "text": "hello, <b>all</b>"}
            assert await receive(ada) == await receive(grace) == said
        assert await receive(grace) == {"type": "left", "name": "Ada L."}


async def test_a_name_is_taken_in_any_case_until_its_owner_leaves(serve_example, connect_client):
    server = serve_example("chat")
    async with connect_client(server.ws("/chat?name=Grace")) as grace:
        assert (await receive(grace))["type"] == "welcome"
        async with connect_client(server.ws("/chat?name=Ada")) as ada:
            assert (await receive(ada))["type"] == "welcome"
            assert await receive(grace) == {"type": "came", "name": "Ada"}
            async with connect_client(server.ws("/chat?name=ADA")) as second:
                code, reason = await second.wait_closed()
                assert code == 4502
                assert "pick another" in reason
        assert await receive(grace) == {"type": "left", "name": "Ada"}, "the one refused was never announced"
        async with connect_client(server.ws("/chat?name=ADA")) as third:
            assert (await receive(third))["people"] == ["ADA", "Grace"]


@pytest.mark.parametrize("query", ["", "?name=", "?name=%20%20", "?name=" + "x" * 25, "?name=a%00b"])
async def test_what_is_no_name_is_refused(serve_example, connect_client, query):
    server = serve_example("chat")
    async with connect_client(server.ws(f"/chat{query}")) as client:
        assert await client.wait_closed() == (4501, "A name has 1 to 24 printable characters.")


async def test_nothing_said_reaches_nobody_and_too_much_is_cut(serve_example, connect_client):
    server = serve_example("chat")
    async with connect_client(server.ws("/chat?name=Ada")) as ada:
        await receive(ada)
        for message in ("   \n ", "x" * 3000):
            await ada.send(message)
        assert (await receive(ada))["text"] == "x" * 2000


async def test_binary_is_refused(serve_example, connect_client):
    server = serve_example("chat")
    async with connect_client(server.ws("/chat?name=Ada")) as ada:
        await receive(ada)
        await ada.send(b"hello")
        assert await ada.wait_closed() == (1003, "text only")
