"""What a head may cost: bytes, lines, memory and CPU, each bounded."""

from __future__ import annotations

from tests.support.attacker import naming
from tests.support.faults import MiB, Target
from tests.support.requests import let_in, lines, refused, sent
from tests.support.wire import connect, handshake

#: The defaults of the options.
MAX_HEAD, MAX_HEADERS = 16 * 1024, 100
#: Seconds of CPU for any one head.
CPU = 0.5


async def test_a_head_above_its_limits_is_431_or_414_and_costs_no_memory(target: Target) -> None:
    """RFC 6585 section 5, RFC 9112 section 3. The answer reaches a client that goes on sending."""
    own = handshake().count(b"\r\n") - 2
    largest = lines(b"x: " + b"x" * (MAX_HEAD - len(lines(b"x: "))))
    cases = {
        "a byte more": (largest.replace(b"x: ", b"x: x"), 431),
        "a header more": (lines(*[b"x: a"] * (MAX_HEADERS - own + 1)), 431),
        "100 of one name": (lines(*[b"cookie: a"] * 100), 431),
        "100 hosts": (lines(*[b"host: a"] * 100), 431),
        "10 000 headers": (lines(*[b"x-%d: a" % n for n in range(10_000)]), 431),
        "10 000 without an end": (handshake()[:-2] + b"x: a\r\n" * 10_000, 431),
        "a megabyte in a value": (lines(b"x: " + b"x" * MiB), 431),
        "a megabyte in a name": (lines(b"x" * MiB + b": x"), 431),
        "a megabyte of spaces": (lines(b"x:" + b" " * MiB), 431),
        "a megabyte without an end": (handshake()[:-2] + b"x" * MiB, 431),
        "a megabyte of path": (handshake("/" + "x" * MiB), 414),
        "a megabyte of query": (handshake("/?" + "x" * MiB), 414),
        "a megabyte of method": (b"G" * MiB, 414),
    }
    async with target.unharmed(growth=2 * MiB):
        with target.memory_bound(2 * MiB):
            await let_in(target, {"largest": largest, "most": lines(*[b"x: a"] * (MAX_HEADERS - own))})
            await refused(target, cases)


async def test_60_clients_that_hold_all_but_the_end_of_a_head_cost_60_heads(target: Target) -> None:
    heads = {f"{n}": lines(b"x: " + b"x" * (MAX_HEAD - 300))[:-1] for n in range(60)}
    async with target.unharmed():
        with target.memory_bound(2 * 60 * MAX_HEAD + 2 * MiB):
            async with sent(target, heads) as clients:
                for client in clients.values():
                    await client.send(b"\n")
                    assert (await client.head()).status == 101


#: What makes regular expressions and lists grow with the square of their length, or worse; and the status for it in
#: Sec-WebSocket-Extensions where compression is on, in Sec-WebSocket-Protocol, and in Host.
SHAPES = (
    ("," * 8000, 400, 101, 101),
    (" " * 8000, 400, 101, 101),
    ("\t," * 4000, 400, 101, 400),
    (";" * 8000, 400, 400, 101),
    ("a" + " " * 8000 + "b", 400, 400, 400),
    ("a," * 4000, 101, 101, 101),
    ("a;" * 4000, 400, 400, 101),
    ("a" * 8000 + "!", 101, 101, 101),
    ('a; b="' + "\\" * 8000, 400, 400, 400),
    ('a; b="' + '\\"' * 4000, 400, 400, 400),
    ('a; b="' + "x" * 8000, 400, 400, 400),
    ('"' * 8000, 400, 400, 400),
    ("a; b=" * 1600, 400, 400, 400),
    ("permessage-deflate" + "; client_max_window_bits" * 300, 101, 400, 400),
    ("permessage-deflate, " * 400, 101, 101, 400),
    ("permessage-deflate; " + "x" * 7000 + "=1", 101, 400, 400),
    ("permessage-deflate; server_max_window_bits=" + "1" * 8000, 101, 400, 400),
)


async def test_no_header_takes_long_to_read(shared_target: Target) -> None:
    """Such shapes have stopped other servers for minutes."""
    async with shared_target.unharmed():
        for shape, extensions, protocol, host in SHAPES:
            heads = {
                "extensions, compression off": (handshake("/", sec_websocket_extensions=shape), 101),
                "extensions": (handshake("/big", sec_websocket_extensions=shape), extensions),
                "protocol": (handshake(sec_websocket_protocol=shape), protocol),
                "host": (handshake(host=shape), host),
                "connection": (handshake(connection=shape), 426),
                "upgrade": (handshake(upgrade=shape), 426),
                "origin": (handshake(origin=shape), 403),
                "cookie": (handshake(cookie=shape), 101),
            }
            for name, (head, status) in heads.items():
                with naming((name, shape[:60])):
                    await read_quickly(shared_target, head, status)


async def test_no_path_takes_long_to_read(shared_target: Target) -> None:
    paths = {
        "/" * 12_000: 404,
        "/.." * 4000: 404,
        "/%2e" * 3000: 404,
        "/?" + "&" * 12_000: 101,
        "/?" + "a=b&" * 3000: 101,
        "/?" + "+" * 12_000: 101,
    }
    async with shared_target.unharmed():
        for path, status in paths.items():
            with naming(path[:20]):
                await read_quickly(shared_target, handshake(path), status)


async def read_quickly(target: Target, head: bytes, status: int) -> None:
    """The head gets its status for little CPU, and meanwhile others are served."""
    before = target.cpu()
    async with connect(target.port) as client:
        await client.send(head)
        assert (await client.head()).status == status
        assert target.cpu() - before < CPU
        await target.answers()
