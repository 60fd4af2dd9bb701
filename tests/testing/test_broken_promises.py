"""Each promise that ``check_engine`` looks at is broken by some engine, which is told so in the promise's own words."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import pytest

from actorws.testing import check_engine, engines, promises, recorder
from tests.support.hub import Hub, HubEngine, lose_link
from tests.support.wrong import groups, life, names, one_node
from tests.support.wrong.broken import BROKEN

assert all((groups, life, names, one_node)), "they fill BROKEN"


@pytest.mark.parametrize(("promise", "kind"), [pytest.param(*case, id=case[1].__name__) for case in BROKEN])
async def test_who_breaks_a_promise_is_told_which(promise: str, kind: type[HubEngine], autojump_clock: Any) -> None:
    hub = Hub()
    with pytest.raises(AssertionError) as caught:
        await check_engine(lambda: kind(hub), lose_link=lose_link)
    assert str(caught.value).startswith(promise)


def sentences(module: Any) -> set[str]:
    """What the asserts of a module say, and what its helpers are to say, as far as it doesn't depend on the case."""
    tree = ast.parse(inspect.getsource(module))
    said = [node.msg for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    said += [node.args[0] for node in ast.walk(tree) if isinstance(node, ast.Call) and names_a_promise(node.func)]
    return {sentence for message in said if (sentence := beginning(message))}


def names_a_promise(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("hears", "until", "refuses", "gets", "becomes_free")


def beginning(message: ast.expr | None) -> str:
    if isinstance(message, ast.JoinedStr):
        message = message.values[0]
    return str(message.value) if isinstance(message, ast.Constant) else ""


def test_each_promise_is_broken_by_somebody() -> None:
    """Else nobody would know whether it is looked at."""
    promised = sentences(promises) | sentences(recorder) | sentences(engines)
    assert len(promised) > 50
    unbroken = {sentence for sentence in promised if not any(sentence.startswith(broken) for broken, _ in BROKEN)}
    assert unbroken == set()
