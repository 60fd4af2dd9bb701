"""A server with a policy of every kind about who gets in: ``actorws serve tests.servers.guarded:app``.

The query tells what a behaviour is to say. ``/asked`` counts who has got through to it, ``/count`` says how many.
"""

from __future__ import annotations

import logging
from typing import Any

import trio

from actorws import Accept, App, HandshakeError, Reject, Response, Websocket

__all__ = ["app"]

#: By which this server is known, so that a page can't reach it by a name of its own (DNS rebinding).
HOSTS = ("localhost", "chat.example")


class Brief(logging.Formatter):
    """Without tracebacks: what is raised here is asked for by the tests, who look for those that aren't."""

    def formatException(self, ei: Any) -> str:
        return ""


class Echo(Websocket):
    """Says everything back."""

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [frame]


class Choosing(Echo):
    """Speaks the subprotocol that ``?speak=`` says."""

    def connect(self, conn: Any) -> Accept:
        return Accept(subprotocol=conn.query["speak"])


class Telling(Echo):
    """Repeats ``?say=`` in a header of the 101."""

    def connect(self, conn: Any) -> Accept:
        return Accept(headers={"X-Said": conn.query["say"]})


class Naming(Echo):
    """Uses ``?name=`` as the name of a header."""

    def connect(self, conn: Any) -> Accept:
        return Accept(headers={conn.query["name"]: "said"})


class TellingLater(Echo):
    """Repeats a part of the path in a header, when it has waited."""

    async def connect(self, conn: Any) -> Accept:
        await trio.lowlevel.checkpoint()
        return Accept(headers={"X-Said": conn.path_params["say"]})


class Refusing(Echo):
    """Turns everybody away, and repeats ``?say=``."""

    def connect(self, conn: Any) -> Reject:
        return Reject(403, "no", {"X-Said": conn.query.get("say", "")})


class Raising(Echo):
    """Refuses with an exception that has ``?say=`` in a header."""

    def connect(self, conn: Any) -> None:
        raise HandshakeError(401, "no", [("X-Said", conn.query["say"])])


class Waiting(Echo):
    """Thinks about it until the client has gone."""

    async def connect(self, conn: Any) -> None:
        await trio.sleep_forever()


class Slow(Echo):
    """Thinks about it for some turns."""

    async def connect(self, conn: Any) -> None:
        for _ in range(10):
            await trio.lowlevel.checkpoint()


asked = 0


def ask(request: Any) -> str:
    global asked
    asked += 1
    return "asked"


def count(request: Any) -> dict[str, int]:
    return {"asked": asked}


def tell(request: Any) -> Response:
    return Response("told", headers={"X-Said": request.query["say"]})


handler = logging.StreamHandler()
handler.setFormatter(Brief("%(levelname)s %(name)s: %(message)s"))
logging.basicConfig(handlers=[handler])

app = App()
app.websocket("/", Echo)
app.websocket("/pages", Echo, allowed_origins=("https://page.example",))
app.websocket("/any-page", Echo, allowed_origins=("*",))
app.websocket("/named", Echo, allowed_hosts=HOSTS)
app.websocket("/versions", Echo, subprotocols=("v2", "v1"))
app.websocket("/versions-only", Echo, subprotocols=("v2", "v1"), subprotocol_required=True)
app.websocket("/choosing", Choosing)
app.websocket("/telling", Telling)
app.websocket("/naming", Naming)
app.websocket("/telling-later/{say:path}", TellingLater)
app.websocket("/refusing", Refusing)
app.websocket("/raising", Raising)
app.websocket("/waiting", Waiting)
app.websocket("/slow", Slow)
app.websocket("/full", Echo, max_connections=0)
app.http("/asked", ask, methods=["GET", "POST"])
app.http("/count", count)
app.http("/tell", tell)
app.http("/body", lambda request: request.body, methods=["POST"])
