from contextlib import asynccontextmanager

import pytest


@pytest.fixture
def server(serve_example):
    return serve_example("direct_message")


@pytest.fixture
def person(server, connect_client):
    """Connects under a name, and waits until it has the name: ``init`` runs after the handshake."""

    @asynccontextmanager
    async def connect(name):
        async with connect_client(server.ws(f"/{name}")) as client:
            assert await client.receive() == f"you are {name}"
            yield client

    return connect


async def test_a_message_reaches_the_one_who_has_the_name(person):
    async with person("ada") as ada, person("grace") as grace:
        await ada.send("grace: good morning")
        assert await grace.receive() == "ada: good morning"
        await grace.send("ada: and to you: a good day")
        assert await ada.receive() == "grace: and to you: a good day"


async def test_the_sender_is_told_when_nobody_has_the_name(person):
    async with person("ada") as ada:
        await ada.send("grace: are you there?")
        assert await ada.receive() == "nobody has the name grace"


async def test_what_names_nobody_is_answered_with_how_to_write(person):
    async with person("ada") as ada:
        for message in ("hello", ": hello"):
            await ada.send(message)
            assert await ada.receive() == "write NAME: TEXT"


async def test_a_name_that_is_taken_is_refused_until_it_is_free(person, server, connect_client):
    async with person("ada"), connect_client(server.ws("/ada")) as second:
        assert await second.wait_closed() == (4501, "somebody has that name")
    async with person("ada") as third:
        await third.send("ada: it is mine now")
        assert await third.receive() == "ada: it is mine now"


async def test_binary_is_refused(person):
    async with person("ada") as ada:
        await ada.send(b"grace: hello")
        assert await ada.wait_closed() == (1003, "text only")
