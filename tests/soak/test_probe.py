"""The probe measures echoes, and notices a server that doesn't answer."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from actorws import Websocket
from tests.soak.load import leaves
from tests.soak.probe import Probe, open_probe
from tests.soak.world import Fault
from tests.support.serving import Echo, serving
from tests.support.wire import SECONDS


class Silent(Websocket):
    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, []


async def test_each_echo_is_measured() -> None:
    async with serving(Echo) as server, open_probe(server.port) as probe:
        with trio.fail_after(SECONDS):
            while len(probe.milliseconds) < 3:
                await trio.testing.wait_all_tasks_blocked(0.01)
    assert all(0 < milliseconds < SECONDS * 1000 for milliseconds in probe.milliseconds)


async def test_a_server_that_does_not_answer_is_a_fault() -> None:
    with pytest.raises(BaseExceptionGroup) as raised:
        async with serving(Silent) as server, open_probe(server.port, too_long=0.2):
            with trio.fail_after(SECONDS):
                await trio.sleep_forever()
    assert [str(leaf) for leaf in leaves(raised.value)] == ["the probe had no echo within 0.2 s"]
    assert isinstance(next(leaves(raised.value)), Fault)


def test_percentiles_are_of_what_was_measured() -> None:
    probe = Probe(process=None, too_long=5)  # type: ignore[arg-type]
    assert probe.percentile(0.5) == 0
    probe.milliseconds = [3.0, 1.0, 2.0, 100.0]
    assert [probe.percentile(share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 3.0, 100.0, 100.0]
