import re


async def receive_until(client, answer):
    """Prices may come before the answer to a message."""
    while (text := await client.receive()) != answer:
        assert re.fullmatch(r"acme \d+\.\d\d", text)


async def test_prices_come_by_themselves(serve_example, connect_client):
    server = serve_example("ticker")
    async with connect_client(server.ws("/initech")) as client:
        assert await client.receive() == "watching initech"
        for _ in range(2):
            assert re.fullmatch(r"initech \d+\.\d\d", await client.receive())


async def test_pausing_ends_the_prices_and_resuming_brings_them_back(serve_example, connect_client):
    server = serve_example("ticker")
    async with connect_client(server.ws("/acme")) as client, connect_client(server.ws("/acme")) as clock:
        assert await client.receive() == await clock.receive() == "watching acme"
        await client.send("pause")
        await receive_until(client, "paused")
        for _ in range(2):  # Another client's prices tell that time has passed.
            await clock.receive()
        await client.send("help")
        assert await client.receive() == "send pause or resume", "no price while paused"
        await client.send("resume")
        assert await client.receive() == "resumed"
        assert re.fullmatch(r"acme \d+\.\d\d", await client.receive())
