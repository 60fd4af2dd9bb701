"""Servers of sessions, to be run by ``actorws serve tests.support.session_programs:NAME``: seen from outside only."""

from __future__ import annotations

import time
from typing import Any

from actorws import App, Websocket
from tests.support.programs import usage

__all__ = ["waiting"]


class Waiting(Websocket):
    """Says nothing until something is published to all."""

    def init(self, conn: Any) -> Any:
        conn.join_nowait("all")
        return None, []

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [frame]

    def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        return state, [message]


def usage_with_time(request: Any) -> dict[str, int]:
    """What the process uses, and the microseconds that it has been running on a processor."""
    return {**usage(request), "cpu": time.process_time_ns() // 1000}


def publish(request: Any) -> str:
    return str(request.runtime.group.publish_nowait("all", request.body.decode()))


waiting = App()
waiting.websocket("/", Waiting, idle_timeout=None, close_timeout=2, poll_timeout=300, stream_heartbeat=300)
waiting.http("/usage", usage_with_time)
waiting.http("/publish", publish, methods=["POST"])
