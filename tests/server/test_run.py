"""``run``: what a signal does to a server that isn't there yet. (Those to one that is: ``test_shutdown``.)"""

from __future__ import annotations

import signal
from typing import Any

import pytest
import trio

from actorws import run
from tests.support.serving import Echo


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_anything_listens_ends_it_at_once(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    began = []

    async def serve(*args: Any, **options: Any) -> None:
        began.append(args)
        signal.raise_signal(number)
        await trio.sleep_forever()

    monkeypatch.setattr("actorws.server.run.serve", serve)
    run(Echo)
    assert began == [(Echo,)]


def test_what_can_not_be_served_is_raised_as_it_is() -> None:
    with pytest.raises(OSError, match=r"nowhere\.invalid"):
        run(Echo, host="nowhere.invalid", port=1)
