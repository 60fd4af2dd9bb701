"""The browser client is served by every app, and is in the package."""

from __future__ import annotations

import re
import tomllib
from collections.abc import AsyncIterator
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path

import pytest

from actorws import App, Request, Response
from actorws.server.assets import ASSETS, FOLDER, PREFIX
from tests.support.serving import Echo

PROJECT = Path(__file__).resolve().parent.parent.parent


async def ask(target: App, name: str, method: str = "GET", **headers: str) -> Response:
    path = PREFIX + name
    match = target.router.resolve(path)
    assert match is not None
    response = await match.http[method](Request(method=method, path=path, headers=headers))
    assert isinstance(response, Response)
    return response


async def body_of(response: Response) -> bytes:
    assert isinstance(response.body, AsyncIterator)
    return b"".join([piece async for piece in response.body])


@pytest.mark.parametrize("name", sorted(ASSETS))
@pytest.mark.parametrize("target", [App(), App.of(Echo)], ids=["an app", "a behaviour at every path"])
async def test_each_file_is_served_whatever_else_is(target: App, name: str) -> None:
    response = await ask(target, name)
    assert response.status == 200
    assert response.content_type == ASSETS[name]
    assert await body_of(response) == (FOLDER / name).read_bytes()


async def test_a_page_that_has_a_file_is_not_sent_it_again() -> None:
    first = await ask(App(), "actorws.js")
    assert first.headers["Cache-Control"] == "no-cache"
    again = await ask(App(), "actorws.js", **{"if-none-match": str(first.headers["ETag"])})
    assert (again.status, again.payload(), again.content_type) == (304, b"", None)


async def test_its_head_is_that_of_the_file() -> None:
    response = await ask(App(), "actorws.js", "HEAD")
    assert (response.status, response.content_length) == (200, (FOLDER / "actorws.js").stat().st_size)


def test_an_app_may_not_put_something_else_there() -> None:
    with pytest.raises(ValueError, match="has a handler for GET already"):
        App().http("/_actorws/actorws.js", lambda request: "mine")


def test_what_is_served_is_what_lies_there_and_what_modules_import() -> None:
    assert set(ASSETS) == {path.name for path in FOLDER.iterdir()}
    imported = {name for path in FOLDER.glob("*.js") for name in re.findall(r'from "\./(.+?)"', path.read_text())}
    assert imported == {name for name in ASSETS if name.endswith(".js")} - {"actorws.js"}


def test_every_file_is_in_the_wheel() -> None:
    patterns = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["actorws"]
    for name in ASSETS:
        assert any(fnmatch(f"browser/{name}", pattern) for pattern in patterns), name
        assert files("actorws").joinpath("browser", name).is_file()
