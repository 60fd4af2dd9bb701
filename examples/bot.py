"""Bot: a member of the chat who is no person. It stays there over every restart of the server, and answers.

python -m actorws serve examples.chat:app
python -m examples.bot ws://127.0.0.1:8000/chat            # and maybe a name; Ctrl-C: it leaves

Say ``bot: help`` in the chat. The class is a behaviour like those that are served, only that its client is a server. A
connection that is lost is made anew, and the actor with it: it begins with ``init``, and is told again who is there.
"""

from __future__ import annotations

import json
import logging
import random
import re
import sys
from urllib.parse import urlencode

import trio

from actorws import ActorwsError, Conn, Reason, Websocket, open_runtime
from actorws.frames import Frames

DICE = re.compile(r"roll ([1-9]\d?)d([1-9]\d{0,3})")
HELP = "I know: help, roll 2d6, who"


class Bot(Websocket):
    """The state is everybody who is there. ``resumable``, so that a wire lost in between is none of their business."""

    resumable = True

    def init(self, conn: Conn) -> tuple[set[str], Frames]:
        return set(), []

    def handle_client_message(self, people: set[str], conn: Conn, frame: str) -> tuple[set[str], Frames]:
        me = conn.query["name"]
        match json.loads(frame):
            case {"type": "welcome", "people": present}:
                return set(present), f"Hello! {HELP} (say {me}: help)"
            case {"type": "came", "name": name}:
                return people | {name}, []
            case {"type": "left", "name": name}:
                return people - {name}, []
            case {"type": "said", "name": name, "text": text} if name != me:
                addressed, colon, question = text.partition(":")
                if colon and addressed.strip().casefold() == me.casefold():
                    # It begins with no name and a colon: two bots must not talk to each other for ever.
                    return people, f"{name}, {answer(' '.join(question.casefold().split()), people)}"
        return people, []


def answer(question: str, people: set[str]) -> str:
    if dice := DICE.fullmatch(question):
        rolled = [random.randint(1, int(dice[2])) for _ in range(int(dice[1]))]
        return f"{sum(rolled)} ({' + '.join(map(str, rolled))})"
    return f"here are {', '.join(sorted(people, key=str.casefold))}" if question == "who" else HELP


async def stay(url: str, name: str) -> Reason:
    """Be in the chat until it is over for good; how it ended. Cancelled, or interrupted, leave it."""
    async with open_runtime() as runtime:
        connector = await runtime.connect(f"{url}?{urlencode({'name': name})}", Bot)
        try:
            return await connector.wait_ended()
        finally:
            connector.close()  # and not just gone, for those who are there
            with trio.CancelScope(shield=True):
                await connector.wait_ended()


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    url, name = sys.argv[1] if sys.argv[1:] else "ws://127.0.0.1:8000/chat", " ".join(sys.argv[2:]) or "bot"
    try:
        sys.exit(f"it is over: {trio.run(stay, url, name)}")
    except* KeyboardInterrupt:
        pass
    except* ActorwsError as errors:
        sys.exit(str(errors.exceptions[0]))
