"""The closing handshake: codes that may not be sent, both sides at once, and peers that don't play along."""

from __future__ import annotations

from contextlib import suppress

import trio

from tests.servers.endings import CLOSE_TIMEOUT
from tests.support.attacker import FIN, attacker, head, naming, refuses
from tests.support.faults import MiB, Target
from tests.support.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

NORMAL = b"\x03\xe8"
VALID = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
INVALID = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 32_768, 65_535)
#: When a server has to do something whose ``CLOSE_TIMEOUT`` began in between: a little early, for timers go by ticks,
#: and late, on a busy machine.
SOON, LATE = CLOSE_TIMEOUT - 0.1, 10.0


async def test_a_code_that_may_not_be_sent_is_an_error_and_not_echoed(shared_target: Target) -> None:
    """RFC 6455 sections 7.4 and 5.5.1; ``refuses`` sees the code of each Close that comes."""
    cases = {f"{code}{reason!r}": frame(CLOSE, code.to_bytes(2) + reason) for code in INVALID for reason in (b"", b"x")}
    cases["half a code"] = frame(CLOSE, b"\x03")
    async with shared_target.unharmed():
        await refuses(shared_target, 1002, cases)


async def test_a_code_that_may_be_sent_is_echoed(shared_target: Target) -> None:
    """The code alone, without the reason; no code for none. Then the server ends TCP first (section 7.1.1)."""
    codes = [(code.to_bytes(2), reason) for code in VALID for reason in (b"", b"because", b"x" * 123)]
    async with shared_target.unharmed():
        for code, reason in [(b"", b""), *codes]:
            with naming((code, reason)):
                async with attacker(shared_target.port) as client:
                    await client.send(frame(CLOSE, code + reason))
                    assert await client.frame() == (CLOSE, code)
                    await client.finished()
        await shared_target.answers()


async def test_what_came_before_a_close_is_answered_and_what_came_behind_it_is_not(shared_target: Target) -> None:
    behind = {
        "a message": frame(TEXT, b"late"),
        "a ping": frame(PING, b"late"),
        "another Close": frame(CLOSE, b"\x03\xe9"),
        "what breaks a rule": head(0xFF, 5),
        "too much": head(FIN | BINARY, 1 << 62),
        "a megabyte": bytes(MiB),
    }
    before = frame(TEXT, b"message") + frame(PING, b"ping")
    async with shared_target.unharmed():
        for name, data in behind.items():
            for at_once in (True, False):
                with naming(f"{name}, {'at once' if at_once else 'later'}"):
                    async with attacker(shared_target.port) as client:
                        await client.send(before + frame(CLOSE, NORMAL) + (data if at_once else b""))
                        answers = {await client.frame(), await client.frame()}
                        assert answers == {(PONG, b"ping"), (TEXT, b"message")}
                        assert await client.frame() == (CLOSE, NORMAL)
                        if not at_once:
                            await client.send(data)
                        await client.finished()
                        await shared_target.answers()


async def test_a_close_inside_a_fragmented_message_is_answered(shared_target: Target) -> None:
    """The message is never finished, so nobody sees it (section 5.4: control frames may come between fragments)."""
    async with shared_target.unharmed(), attacker(shared_target.port) as client:
        await client.send(frame(TEXT, b"be", fin=False) + frame(CLOSE, NORMAL) + frame(CONTINUATION, b"gun"))
        assert await client.told(1000) == ""


async def test_our_own_close_with_everything_behind_it_already(impatient: Target) -> None:
    """The peer is told what we decided; what it has sent meanwhile is not answered, whatever it is."""
    behind = {
        "nothing": b"",
        "pings": frame(PING, b"ping") * 1000,
        "messages": frame(TEXT, b"message") * 1000,
        "a Close of its own": frame(CLOSE, NORMAL),
        "all of them": (frame(PING, b"ping") + frame(TEXT, b"message")) * 1000 + frame(CLOSE, NORMAL) * 2,
        "what breaks a rule": head(0xFF, 5),
        "what is not UTF-8": frame(TEXT, b"\xff"),
        "too much": head(FIN | BINARY, 1 << 62),
    }
    async with impatient.unharmed():
        for name, data in behind.items():
            with naming(name):
                async with attacker(impatient.port) as client:
                    await client.send(frame(TEXT, b"bye") + data + frame(CLOSE, b"\x0f\xa0"))
                    # A ping of the same read is answered before its messages are handled.
                    frames = [frame for frame in await client.frames() if frame != (PONG, b"ping")]
                    assert frames == [(TEXT, b"one more"), (CLOSE, b"\x0f\xa0as you wish")]
                    await impatient.answers()


async def test_a_close_that_is_never_answered_is_waited_for_and_then_cut(impatient: Target) -> None:
    """Whatever the client says instead: it gets nothing back but the reset."""
    instead = {"nothing": b"", "pings": frame(PING), "messages": frame(TEXT, b"hi"), "a frame": head(BINARY, 100_000)}

    async def ignore(name: str, data: bytes) -> None:
        with naming(name):
            async with attacker(impatient.port) as client:
                began = trio.current_time()
                await client.text("bye")
                assert await client.message() == "one more"
                assert await client.frame() == (CLOSE, b"\x0f\xa0as you wish")
                while trio.current_time() < began + CLOSE_TIMEOUT / 2:
                    await client.send(data)
                    await trio.sleep(0.01)
                await client.cut()
                assert SOON < trio.current_time() - began < LATE

    async with impatient.unharmed(), trio.open_nursery() as nursery:
        for name, data in instead.items():
            nursery.start_soon(ignore, name, data)
        await impatient.answers()


async def test_a_client_that_does_not_end_tcp_is_cut(impatient: Target) -> None:
    """After both Close frames; nothing is kept of what it still says, or answered."""

    async def stay(talks: bool) -> None:
        async with attacker(impatient.port) as client:
            await client.send(frame(CLOSE, NORMAL))
            assert await client.told(1000) == ""
            with suppress(trio.BrokenResourceError):
                while talks:
                    await client.send(frame(TEXT, b"message") * 100)
            gone.append(talks)
            await over.wait()

    async with impatient.unharmed():
        before, over, began = impatient.descriptors(), trio.Event(), trio.current_time()
        gone: list[bool] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stay, True)
            nursery.start_soon(stay, False)
            await impatient.answers()
            await impatient.comes(lambda: len(gone) == 2 and impatient.descriptors() == before)
            assert SOON < trio.current_time() - began < LATE
            over.set()


async def test_a_client_that_takes_nothing_is_cut_with_our_close_unsent(impatient: Target) -> None:
    """It has asked for more than it takes; our Close waits behind that, but not for ever."""
    async with impatient.unharmed():
        before = impatient.descriptors()
        async with attacker(impatient.port, receive_buffer=4096) as client:
            began = trio.current_time()
            await client.text("much")
            await impatient.answers()
            await impatient.comes(lambda: impatient.descriptors() == before)
            assert SOON < trio.current_time() - began < LATE
