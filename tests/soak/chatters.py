"""Chatters: good clients of the chat routes: in rooms, with names, with timers.

Rule owned here: before one of them leaves in good order it has had all that it was owed. Must not know how that is
accounted for.
"""

from __future__ import annotations

from random import Random

import trio

from actorws import CloseCode
from tests.soak.peer import Ended, Peer, open_peer
from tests.soak.world import Fault, World

__all__ = ["chatter", "claimant", "timekeeper", "usurper"]

PATHS = ("/chat", "/chat/async", "/chat/deflate")
ROOMS = ("lobby", "kitchen", "attic", "cellar")
#: Names that are fought for, and names that only one who finds them free gets.
CONTESTED, EXCLUSIVE = ("crown", "sceptre", "orb"), ("lock", "key", "latch")
#: Codes with which a client may end (RFC 6455 section 7.4).
CODES = (1000, 1000, 1001, 1005, 3000, 4321, 4999)
#: Seconds between two things that a client does, on average.
PAUSE = 0.1
#: Longest text of a message.
TEXT_SIZE = 2000


def text(random: Random) -> str:
    """Something to say: mostly short."""
    return "x" * int(TEXT_SIZE ** random.random())


async def _say_bye(peer: Peer, random: Random) -> None:
    code = random.choice(CODES)
    await peer.bye(code, "" if code == CloseCode.NO_STATUS else random.choice(("", "so long", "ö" * 50)))


# In rooms


async def chatter(world: World, random: Random) -> None:
    """Joins and leaves rooms, talks there, and sends to others by name, who send to it."""
    async with open_peer(world, random.choice(PATHS)) as peer:
        name = f"inbox-{peer.id}"
        await peer.ask(f"claim {name}")
        world.inboxes[name] = None
        await peer.join(random.choice(ROOMS))
        ends = world.lifetime(random)
        number = 0
        while trio.current_time() < ends:
            number = await _do_something(peer, random, number)
            await trio.sleep(random.expovariate(1 / PAUSE))
        for room in tuple(peer.memberships):
            await peer.get_all(room)
            await peer.leave(room)
        del world.inboxes[name]
        await peer.release(name)
        await _say_bye(peer, random)


async def _do_something(peer: Peer, random: Random, number: int) -> int:
    """One thing; returns the number of the next message."""
    action = random.random()
    away = [room for room in ROOMS if room not in peer.memberships]
    if away and (not peer.memberships or action < 0.05):
        await peer.join(random.choice(away))
        return number
    room = random.choice(list(peer.memberships))
    if action < 0.1:
        if random.random() < 0.5:
            await peer.get_all(room)
        await peer.leave(room)
    elif action < 0.6:
        count = random.choice((1, 1, 1, 2, 5, 20))
        texts = {number + step: text(random) for step in range(count)}
        await peer.say(room, texts, random.choice(("say", "shout")))
        number += count
    else:
        name = random.choice((*peer.world.inboxes, *CONTESTED, *EXCLUSIVE))
        await peer.send(name, number, text(random))
        number += 1
    return number


# With names


async def usurper(world: World, random: Random) -> None:
    """Takes a name from whoever has it, and has it until somebody else does that."""
    name = random.choice(CONTESTED)
    async with open_peer(world, random.choice(PATHS)) as peer:
        try:
            await peer.ask(f"usurp {name}")
            await _have(peer, name, random)
        except Ended:
            pass
        if peer.closed is None:
            await _say_bye(peer, random)
        elif not peer.was_replaced:
            raise Fault(f"{peer.id} was closed with {peer.closed}, not replaced")
        if peer.was_replaced:
            peer.inbox.was_cut = True
            world.figures["takeovers"] += 1
            world.noted += 1


async def claimant(world: World, random: Random) -> None:
    """Takes a name that nobody has."""
    name = random.choice(EXCLUSIVE)
    async with open_peer(world, random.choice(PATHS)) as peer:
        ends = world.lifetime(random)

        def answered(answer: str) -> None:
            if answer == "yes":
                world.ledger.claimed(name, peer.id)

        while await peer.ask(f"claim {name}", then=answered) == ["taken"] and trio.current_time() < ends:
            await trio.sleep(random.expovariate(1 / PAUSE))
            world.figures["names refused"] += 1
        if world.ledger.has_name(name, peer.id):
            await _have(peer, name, random)
        await _say_bye(peer, random)


async def _have(peer: Peer, name: str, random: Random) -> None:
    """Have a name for a while, and give it back or leave with it."""
    ends = peer.world.lifetime(random)
    await peer.until(lambda: peer.closed is not None or trio.current_time() > ends)
    peer.world.ledger.releases(name)
    if random.random() < 0.5:
        await peer.release(name)
    else:
        # What the actor hasn't handled when the Close comes is lost.
        peer.inbox.was_cut = True


# With timers


async def timekeeper(world: World, random: Random) -> None:
    """Sets timers, takes some of them back, and sees that the others fire once, and not before their time."""
    async with open_peer(world, random.choice(PATHS)) as peer:
        waiting: dict[int, float] = {}

        def fired(number: int) -> None:
            due = waiting.pop(number, None)
            if due is None:
                raise Fault(f"timer {number} of {peer.id} fired twice, or although it was taken back")
            if trio.current_time() < due:
                raise Fault(f"timer {number} of {peer.id} fired {due - trio.current_time():.6f} s early")
            world.figures["timers"] += 1

        peer.on_timer = fired
        ends = world.lifetime(random)
        while trio.current_time() < ends:
            number, seconds = world.serial(), random.choice((0.0, 0.001, 0.05, 0.3, 1.0))
            waiting[number] = trio.current_time() + seconds
            await peer.ask(f"remind {number} {seconds}")
            if random.random() < 0.3 and await peer.ask(f"forget {number}") == ["True"]:
                del waiting[number]
            await trio.sleep(random.expovariate(1 / PAUSE))
        if not await peer.until(lambda: not waiting):
            raise Fault(f"timers {list(waiting)} of {peer.id} never fired")
        # Some are still running when it goes.
        await peer.ask(*(f"remind {world.serial()} 30" for _ in range(random.randrange(5))))
        await _say_bye(peer, random)
