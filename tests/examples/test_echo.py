import pytest

MESSAGES = {
    "text": "hello",
    "unicode": "grüße, 世界 🎈",
    "no text": "",
    "binary": b"\x00\xff",
    "no bytes": b"",
    "long text": "x" * 100_000,
    "long binary": b"\x80" * 300_000,
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
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
