"""Requests as an attacker writes them, and what has to come of each: a refusal to the letter, or a WebSocket."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from tests.support.attacker import naming
from tests.support.faults import Target
from tests.support.wire import SECONDS, Client, Response, connect, handshake

__all__ = ["asked", "let_in", "lines", "only_response", "refused", "request", "sent"]

_STATUS_LINE = re.compile(r"HTTP/1\.1 ([2-5]\d\d) [ -~]*")
_FIELD = re.compile(r"([!#-'*+.^_`|~0-9A-Za-z-]+): ([^\r\n\0]*)")


def request(line: str, *headers: bytes, body: bytes = b"") -> bytes:
    """A request with a Host, as it is asked for."""
    return b"\r\n".join([line.encode("latin-1"), b"host: a", *headers, b"", body])


def lines(*headers: bytes, path: str = "/") -> bytes:
    """A good handshake with further lines."""
    return handshake(path).removesuffix(b"\r\n") + b"".join(header + b"\r\n" for header in headers) + b"\r\n"


async def only_response(client: Client) -> Response:
    """All that comes: one whole response, and then the end in good order. (A reset raises.)"""
    with trio.fail_after(SECONDS):
        raw = b"".join([bytes(data) async for data in client.stream])
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    status, fields = _STATUS_LINE.fullmatch(first), [_FIELD.fullmatch(line) for line in rest]
    assert status is not None and all(fields), raw
    headers = {field[1].lower(): field[2] for field in fields if field is not None}
    assert len(headers) == len(rest), "a header came twice"
    assert len(body) == int(headers["content-length"]), raw
    return Response(int(status[1]), headers, body)


@asynccontextmanager
async def sent(target: Target, requests: Mapping[str, bytes]) -> AsyncIterator[dict[str, Client]]:
    """Connections on which these were sent, all open at once while a good client is served."""
    async with AsyncExitStack() as stack:
        clients = {}
        for name, data in requests.items():
            clients[name] = await stack.enter_async_context(connect(target.port))
            await clients[name].send(data)
        await target.answers()
        yield clients
        await target.answers()


async def refused(target: Target, cases: Mapping[str, tuple[bytes, int]]) -> dict[str, Response]:
    """Each gets its status, in one response that is whole and says that it is the last, and then FIN."""
    responses = {}
    async with sent(target, {name: data for name, (data, _) in cases.items()}) as clients:
        for name, (_, status) in cases.items():
            with naming(name):
                response = responses[name] = await only_response(clients[name])
                assert response.status == status, response
                assert "close" in response.headers["connection"].split(", ")
                assert response.body.count(b"\n") <= 1, "the body is one line"
    return responses


async def let_in(target: Target, cases: Mapping[str, bytes]) -> dict[str, Response]:
    """Each opens a WebSocket that echoes."""
    responses = {}
    async with sent(target, cases) as clients:
        for name, client in clients.items():
            with naming(name):
                response = responses[name] = await client.head()
                assert response.status == 101, response
                await client.echo("hello")
                await client.close()
    return responses


async def asked(target: Target) -> int:
    """How many requests got through to ``/asked`` of the guarded server so far."""
    async with connect(target.port) as client:
        count: int = json.loads((await client.get("/count")).body)["asked"]
        return count
