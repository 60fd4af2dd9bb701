import pytest


@pytest.mark.parametrize("path", ["/", "/async"])
@pytest.mark.parametrize("message", ["text", b"binary"])
async def test_echo_with_either_kind_of_callback(serve_example, connect_client, path, message):
    server = serve_example("bench")
    async with connect_client(server.ws(path)) as client:
        await client.send(message)
        assert await client.receive() == message


@pytest.mark.parametrize("path", ["/fan", "/topic"])
async def test_each_message_reaches_every_member_in_order(serve_example, connect_client, path):
    server = serve_example("bench")
    async with connect_client(server.ws(path)) as one, connect_client(server.ws(path)) as other:
        await one.send("first")
        await one.send(b"second")
        for client in (one, other):
            assert [await client.receive(), await client.receive()] == ["first", b"second"]


async def test_the_two_groups_are_apart(serve_example, connect_client):
    """Members of one get nothing of what is sent to the other."""
    server = serve_example("bench")
    async with connect_client(server.ws("/fan")) as fan, connect_client(server.ws("/topic")) as topic:
        await fan.send("published")
        assert await fan.receive() == "published"
        await topic.send("broadcast")
        assert await topic.receive() == "broadcast"
