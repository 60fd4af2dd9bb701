async def test_a_message_reaches_the_one_who_has_the_name(serve_example, connect_client):
    server = serve_example("direct_message")
    async with connect_client(server.ws("/ada")) as ada, connect_client(server.ws("/grace")) as grace:
        await ada.send("grace: good morning")
        assert await grace.receive() == "ada: good morning"
        await grace.send("ada: and to you: a good day")
        assert await ada.receive() == "grace: and to you: a good day"


async def test_the_sender_is_told_when_nobody_has_the_name(serve_example, connect_client):
    server = serve_example("direct_message")
    async with connect_client(server.ws("/ada")) as ada:
        await ada.send("grace: are you there?")
        assert await ada.receive() == "nobody has the name grace"


async def test_what_names_nobody_is_answered_with_how_to_write(serve_example, connect_client):
    server = serve_example("direct_message")
    async with connect_client(server.ws("/ada")) as ada:
        for message in ("hello", ": hello"):
            await ada.send(message)
            assert await ada.receive() == "write NAME: TEXT"


async def test_a_name_that_is_taken_is_refused_until_it_is_free(serve_example, connect_client):
    server = serve_example("direct_message")
    async with connect_client(server.ws("/ada")), connect_client(server.ws("/ada")) as second:
        assert await second.wait_closed() == (4501, "somebody has that name")
    async with connect_client(server.ws("/ada")) as third:
        await third.send("ada: it is mine now")
        assert await third.receive() == "ada: it is mine now"


async def test_binary_is_refused(serve_example, connect_client):
    server = serve_example("direct_message")
    async with connect_client(server.ws("/ada")) as ada:
        await ada.send(b"grace: hello")
        assert await ada.wait_closed() == (1003, "text only")
