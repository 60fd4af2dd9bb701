"""Contenders: who is measured.

Rule owned here: the list, in the order in which it is shown, and what each of them needs. ``benchmarks.environment``
gets that; how each serves stands in its own file in ``benchmarks/servers``.
"""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.contender import OURS, Contender, Family

__all__ = ["CONTENDERS", "by_name"]


#: An app that is in the project, so this is run from its folder.
_OUR_SERVER = ("{ours}", "-m", "actorws", "serve", "examples.bench:app", "--log-level", "error", "--port")


def _python(name: str, server: str, *packages: str, family: Family = "python") -> Contender:
    return Contender(name, family, ("{python}", f"{{servers}}/{server}.py"), packages)


CONTENDERS: tuple[Contender, ...] = (
    Contender("limit (C)", "floor", ("{limit}",)),
    Contender(OURS, "python", _OUR_SERVER),
    _python("trio-websocket", "trio_websocket_server", "trio-websocket", "trio"),
    _python("websockets (trio)", "websockets_trio", "websockets", "trio"),
    _python("websockets", "websockets_asyncio", "websockets", "uvloop"),
    _python("starlette", "starlette_uvicorn", "starlette", "uvicorn", "websockets", "httptools", "uvloop"),
    _python("aiohttp", "aiohttp_uvloop", "aiohttp", "uvloop"),
    _python("picows", "picows_uvloop", "picows", "uvloop"),
    _python("socketify", "socketify_uws", "socketify", family="native"),
    Contender("ws", "native", ("{node}", "{servers}/ws_node.js"), npm=("ws", "bufferutil")),
    Contender("Bun", "native", ("{bun}", "{servers}/bun.js"), npm=("bun",)),
)


def by_name(names: Iterable[str]) -> list[Contender]:
    """Those of ``names``, in the order of ``CONTENDERS``. ``ValueError`` if there is none of a name."""
    asked = list(names)
    known = [contender.name for contender in CONTENDERS]
    for name in asked:
        if name not in known:
            raise ValueError(f"there is no contender {name!r}; there are {', '.join(known)}")
    return [contender for contender in CONTENDERS if contender.name in asked]
