import pytest


@pytest.mark.parametrize("message", ["hello", "grüße, 世界 🎈", "", b"\x00\xff", b"", "x" * 100_000, b"\x80" * 300_000])
async def test_text_comes_back_as_text_and_binary_as_binary(serve_example, connect_client, message):
    server = serve_example("echo")
    async with connect_client(server.ws()) as client:
        await client.send(message)
        assert await client.receive() == message


async def test_many_messages_come_back_in_order(serve_example, connect_client):
    server = serve_example("echo")
    messages = [f"message {number}" for number in range(100)]
    async with connect_client(server.ws()) as client:
        for message in messages:
            await client.send(message)
        assert [await client.receive() for _ in messages] == messages
