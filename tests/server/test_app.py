"""An app is put together at import time: what can't be served is refused at the line that says it."""

from __future__ import annotations

from typing import Any

import pytest

from actorws import App, Websocket
from actorws.exceptions import UsageError
from tests.support.serving import Echo


@pytest.mark.parametrize("handler", ["hello", 3, {"a": 1}])
def test_a_handler_is_a_function(handler: Any) -> None:
    app = App()
    with pytest.raises(TypeError, match="handler must be a function of a request"):
        app.http("/", handler)
    with pytest.raises(TypeError, match="handler must be a function of a request"):
        app.http("/")(handler)
    app.http("/", lambda request: "the path is still free")


@pytest.mark.parametrize("function", ["hello", None, 3])
def test_a_background_is_a_function(function: Any) -> None:
    app = App()
    with pytest.raises(TypeError, match="function must be an async function of the runtime"):
        app.background(function)
    assert app.backgrounds == []


def test_decorators_leave_what_they_decorate_as_it_is() -> None:
    app = App()

    def page(request: Any) -> str:
        return "page"

    async def ticker(runtime: Any) -> None: ...

    assert app.http("/page")(page) is page
    assert app.http("/other", page) is page
    assert app.background(ticker) is ticker
    assert app.backgrounds == [ticker]


def test_an_app_is_itself_and_a_behaviour_is_served_at_every_path() -> None:
    app = App()
    assert App.of(app) is app
    for behaviour in (Echo, Echo()):
        match = App.of(behaviour).router.resolve("/any/path")
        assert match is not None and match.websocket is not None


@pytest.mark.parametrize("target", ["app", 3, None, Websocket])
def test_anything_else_can_not_be_served(target: Any) -> None:
    with pytest.raises(UsageError):
        App.of(target)
