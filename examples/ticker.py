"""Ticker: a background task publishes a price to whoever watches it, and nothing while nobody does.

python -m actorws serve examples.ticker:app

Connect to ``/acme`` to watch ``acme``; send ``pause`` and ``resume``. Several clients share one group for each symbol.
"""

from __future__ import annotations

import random

import trio

from actorws import App, Conn, Runtime, Websocket
from actorws.frames import Frames

SYMBOLS = ("acme", "initech", "umbrella")
SECONDS = 0.5


class Ticker(Websocket):
    async def init(self, conn: Conn) -> tuple[str, Frames]:
        await conn.join(conn.path_params["symbol"])
        return conn.path_params["symbol"], f"watching {conn.path_params['symbol']}"

    async def handle_client_message(self, symbol: str, conn: Conn, frame: str | bytes) -> tuple[str, Frames]:
        match frame:
            case "pause":
                await conn.leave(symbol)
            case "resume":
                await conn.join(symbol)
            case _:
                return symbol, "send pause or resume"
        return symbol, f"{frame}d"

    async def handle_server_message(self, symbol: str, conn: Conn, price: float) -> tuple[str, Frames]:
        return symbol, f"{symbol} {price:.2f}"


async def market(runtime: Runtime) -> None:
    """Runs beside the server, from its start to its end."""
    prices = dict.fromkeys(SYMBOLS, 100.0)
    while True:
        await trio.sleep(SECONDS)
        for symbol in SYMBOLS:
            prices[symbol] *= random.uniform(0.99, 1.01)
            await runtime.group.publish(symbol, prices[symbol])


app = App()
app.websocket("/{symbol}", Ticker)
app.background(market)
