"""Promises of ``check_transport`` are broken by some transport each, which is told so in the promise's own words."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from actorws.testing import check_transport
from tests.support.transports import over_memory
from tests.support.wrong.transports import BROKEN, Wrong


@pytest.mark.parametrize(("promise", "kind"), [pytest.param(*case, id=case[1].__name__) for case in BROKEN])
async def test_who_breaks_a_promise_is_told_which(promise: str, kind: type[Wrong], autojump_clock: Any) -> None:
    with pytest.raises(AssertionError) as caught:
        await check_transport(partial(over_memory, kind))
    assert str(caught.value).startswith(promise)


async def test_who_breaks_none_is_told_nothing(autojump_clock: Any) -> None:
    await check_transport(partial(over_memory, Wrong))


async def test_what_a_transport_does_not_have_is_not_asked_for(autojump_clock: Any) -> None:
    wrong = dict(BROKEN)
    await check_transport(
        partial(over_memory, wrong["an empty text must arrive at the client as it was sent"]), empty=False
    )
    for promise in ("an actor's Close must reach the client as it is", "a crash must be told the client as Close 1011"):
        await check_transport(partial(over_memory, wrong[promise]), codes=False)
