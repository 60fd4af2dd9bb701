"""Limits: scenarios that reach one, served in memory, and what has to be told of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs
import trio

from actorws import App, Backoff, Websocket, testing
from actorws.config import Config, ServerConfig
from actorws.events import Event
from actorws.observability.limits import LIMITS, limit_of
from actorws.observability.metrics import Metrics
from actorws.testing.server import MemoryServer
from tests.support.serving import Echo

__all__ = ["OUTBOUND_OPTIONS", "ROUTE_OPTIONS", "SERVER_OPTIONS", "Hanging", "HangingAtTheEnd", "Scenarios", "Stage"]

ROUTE_OPTIONS = {
    option.name for group in attrs.fields(Config) for option in attrs.fields(type(getattr(Config(), group.name)))
}
SERVER_OPTIONS = {option.name for option in attrs.fields(ServerConfig)}
#: Of ``Runtime.connect``, beside those of a route.
OUTBOUND_OPTIONS = {"connect_timeout", "handshake_timeout", "max_redirects"} | {
    option.name for option in attrs.fields(Backoff)
}


class Stage:
    """Serves what a scenario wants, and takes down what was told."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self.metrics = Metrics()

    def __call__(self, target: App | type[Websocket], **options: Any) -> AbstractAsyncContextManager[MemoryServer]:
        """Serve an app, or a behaviour with options of its route. Crashes are expected."""
        server_options = {name: options.pop(name) for name in SERVER_OPTIONS & set(options)}
        app = target if isinstance(target, App) else App()
        if target is not app:
            app.websocket("/", target, **options)
        return testing.open_app(app, on_event=[self.told.append, self.metrics], crashes="ignore", **server_options)

    def counted(self, option: str) -> float | None:
        """The metric."""
        return self.metrics.registry.get_sample_value("actorws_limit_reached_total", {"limit": option})


Scenario = Callable[[Stage], Awaitable[None]]


class Scenarios(list[tuple[str, type[Event], Scenario]]):
    """Scenarios, each with the option whose limit it reaches and the kind of event that tells of it."""

    def reach(self, option: str, kind: type[Event]) -> Callable[[Scenario], Scenario]:
        """Marks a scenario at whose end the limit ``option`` has been reached, as an event of this kind tells."""

        def add(scenario: Scenario) -> Scenario:
            self.append((option, kind, scenario))
            return scenario

        return add

    @property
    def reached(self) -> set[tuple[str, type[Event]]]:
        """All pairs of option and event."""
        return {(option, kind) for option, kind, _ in self}

    @staticmethod
    async def play(option: str, kind: type[Event], scenario: Scenario) -> None:
        """Run a scenario: its limit, and no other one, must be told of and be counted."""
        stage = Stage()
        with trio.fail_after(1000):
            await scenario(stage)
        told = [event for event in stage.told if limit_of(event)]
        assert {(limit_of(event), type(event)) for event in told} == {(option, kind)}, told
        assert stage.counted(option) == len(told)
        assert sum(stage.counted(other) or 0 for other in LIMITS) == len(told)


class Hanging(Websocket):
    """Comes to no end."""

    async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        await trio.sleep_forever()


class HangingAtTheEnd(Echo):
    async def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        await trio.sleep_forever()
