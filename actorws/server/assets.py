"""Assets: the browser client, which every app serves to its pages.

Rule owned here: which files those are and where: ``/_actorws/actorws.js`` and what it imports, from the same server, so
that client and server speak the same protocol. Must not know what is in them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from actorws.server.http import Request, Response
from actorws.server.static import StaticFolder

if TYPE_CHECKING:
    from actorws.server.router import Router

__all__ = ["ASSETS", "FOLDER", "PREFIX", "serve_assets"]

#: Where they are served.
PREFIX = "/_actorws/"
#: Where they lie.
FOLDER = Path(__file__).parent.parent / "browser"
#: Their names and types.
ASSETS = {
    **dict.fromkeys(
        ["actorws.js", "coding.js", "http.js", "link.js", "options.js", "session.js", "timing.js", "websocket.js"],
        "text/javascript; charset=utf-8",
    ),
    "actorws.d.ts": "text/plain; charset=utf-8",  # nothing is registered for TypeScript
}


def serve_assets(router: Router[Any, Any]) -> None:
    """Add the routes. Literal ones: an app that serves every path has these all the same."""
    folder = StaticFolder(FOLDER)
    for name, content_type in ASSETS.items():
        router.http(PREFIX + name, _Asset(folder, name, content_type))


class _Asset:
    """One file: a handler of requests."""

    __slots__ = ("_content_type", "_folder", "_name")

    def __init__(self, folder: StaticFolder, name: str, content_type: str) -> None:
        self._folder = folder
        self._name = name
        self._content_type = content_type

    async def __call__(self, request: Request) -> Response:
        response = await self._folder(evolve(request, path_params={"path": self._name}))
        # Asked for again each time, and not sent again if it is the same: all modules are of one version.
        headers = {**response.headers, "Cache-Control": "no-cache"}
        content_type = response.content_type and self._content_type
        return evolve(response, headers=headers, content_type=content_type)
