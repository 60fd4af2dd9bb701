"""``check_transport`` passes for every transport there is."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from actorws.testing import check_transport
from tests.support.transports import (
    serve_json_lines,
    serve_memory,
    serve_taken_over,
    serve_trio_websocket,
    serve_websocket_on_poller,
    serve_websocket_on_streams,
)


async def test_memory_is_a_transport(autojump_clock: Any) -> None:
    await check_transport(serve_memory)


async def test_the_built_in_websocket_is_one_on_streams(autojump_clock: Any) -> None:
    await check_transport(serve_websocket_on_streams)


async def test_the_built_in_websocket_is_one_on_the_poller() -> None:
    await check_transport(serve_websocket_on_poller)


@pytest.mark.parametrize("accepted", [True, False], ids=["a connection", "a request"])
async def test_trio_websocket_is_one(accepted: bool) -> None:
    await check_transport(partial(serve_trio_websocket, accepted=accepted))


async def test_the_example_is_one() -> None:
    await check_transport(serve_json_lines, binary=False)


@pytest.mark.parametrize("in_memory", [True, False], ids=["on streams", "on the poller"])
async def test_one_that_takes_over_a_request_is_one(in_memory: bool) -> None:
    await check_transport(partial(serve_taken_over, in_memory=in_memory), binary=False)
