"""Frames whose header breaks a rule: 1002 for that client, from the header alone, and nobody else notices."""

from __future__ import annotations

from itertools import product

from tests.support.attacker import FIN, attacker, head, naming, refuses, unmasked
from tests.support.faults import Target
from tests.support.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

PROTOCOL_ERROR = 1002
OPCODES = {"text": TEXT, "binary": BINARY, "Close": CLOSE, "Ping": PING, "Pong": PONG}


async def test_unmasked_frames_are_refused(shared_target: Target) -> None:
    """RFC 6455 section 5.1."""
    cases = {name: unmasked(opcode, b"\x03\xe8") for name, opcode in OPCODES.items()}
    async with shared_target.unharmed():
        await refuses(shared_target, PROTOCOL_ERROR, cases)


async def test_reserved_bits_are_refused(shared_target: Target) -> None:
    """No extension was agreed on, so each of the three bits is an error (section 5.2)."""
    bits = (0x40, 0x20, 0x10, 0x70)
    cases = {
        f"{name}, bits {bit:#x}": head(FIN | bit | opcode, 2) + b"\x03\xe8"
        for (name, opcode), bit in product(OPCODES.items(), bits)
    }
    cases["continuation"] = head(TEXT, 1) + b"a" + head(FIN | 0x40 | CONTINUATION, 1) + b"b"
    async with shared_target.unharmed():
        await refuses(shared_target, PROTOCOL_ERROR, cases)


async def test_reserved_opcodes_are_refused(shared_target: Target) -> None:
    reserved = [*range(0x3, 0x8), *range(0xB, 0x10)]
    cases = {
        f"opcode {opcode:#x}, {'last' if fin else 'not last'}": head(fin | opcode, 2) + b"hi"
        for opcode, fin in product(reserved, (FIN, 0))
    }
    async with shared_target.unharmed():
        await refuses(shared_target, PROTOCOL_ERROR, cases)


async def test_control_frames_are_whole_and_short(shared_target: Target) -> None:
    """Neither fragmented nor above 125 bytes (section 5.5)."""
    cases = {}
    for name, opcode in (("Close", CLOSE), ("Ping", PING), ("Pong", PONG)):
        cases[f"{name}, fragmented"] = head(opcode, 2) + b"\x03\xe8"
        for size in (126, 127, 65_536):
            cases[f"{name} of {size} bytes"] = head(FIN | opcode, size) + b"\x03\xe8" + bytes(size - 2)
    async with shared_target.unharmed():
        await refuses(shared_target, PROTOCOL_ERROR, cases)


async def test_lengths_are_in_their_shortest_form(shared_target: Target) -> None:
    """Section 5.2; a server that isn't strict can be told one length while something before it sees another."""
    cases = {
        f"{size} bytes, told in {bits} bits": head(FIN | opcode, size, bits=bits) + bytes(size)
        for opcode, (size, bits) in product((TEXT, BINARY, PING), ((0, 16), (125, 16), (0, 64), (125, 64)))
    }
    for size in (126, 65_535):
        cases[f"{size} bytes, told in 64 bits"] = head(FIN | BINARY, size, bits=64) + bytes(size)
    async with shared_target.unharmed():
        await refuses(shared_target, PROTOCOL_ERROR, cases)


async def test_a_length_with_its_top_bit_set_is_refused(shared_target: Target) -> None:
    cases = {f"{size:#x}": head(FIN | BINARY, size, bits=64) + b"some of it" for size in (1 << 63, (1 << 64) - 1)}
    async with shared_target.unharmed():
        await refuses(shared_target, PROTOCOL_ERROR, cases)


async def test_the_header_is_enough(shared_target: Target) -> None:
    """The client is told before it has sent any payload, or even the masking key."""
    cases = {
        "a reserved bit": bytes((FIN | 0x40 | TEXT, 0xFF)),
        "a reserved opcode": bytes((FIN | 0x3, 0x8A)),
        "no mask": bytes((FIN | TEXT, 126)),
        "a fragmented Ping": bytes((PING, 0x8A)),
        "a long Close": bytes((FIN | CLOSE, 0xFE)),
        "continues nothing": bytes((FIN | CONTINUATION, 0x8A)),
        "not the shortest form": bytes((FIN | BINARY, 0xFE, 0, 125)),
        "the top bit": bytes((FIN | BINARY, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0)),
    }
    async with shared_target.unharmed():
        for name, data in cases.items():
            with naming(name):
                async with attacker(shared_target.port) as client:
                    await client.send(data)
                    await client.told(PROTOCOL_ERROR)
                    await shared_target.answers()
