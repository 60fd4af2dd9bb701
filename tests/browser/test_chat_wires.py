"""The chat page keeps its conversation complete and in order, whatever happens to the wires."""

from __future__ import annotations

import random

import pytest

#: Says one message after another, as many as it is allowed.
TALK = """
const name = arguments[0];
window.told = window.allowed = 0;
window.talking = setInterval(() => {
  if (window.told === window.allowed) return;
  document.getElementById("text").value = `${name} ${window.told++}`;
  document.getElementById("say").requestSubmit();
}, 50);
"""
CUTS = 20
#: Messages of each page for one cut. Those of both pages stay below the 500 that a page keeps.
PER_CUT = 12
#: Fewer than they are in either direction.
BYTES = 150


@pytest.fixture
def chat(serve_example):
    return serve_example("chat")


def is_in(page, name):
    page.wait_for(lambda: page.texts("#status"), [f"You are {name}"])


def lose_wires(proxy, way, choose):
    """Do it at a random byte of what is on its way."""
    where = choose.choice(["up", "down"])
    if way == "delay and cut":
        proxy.tell("delay", where, choose.uniform(0, 0.2))
    proxy.tell("hold_after", where, choose.randint(1, BYTES))
    while proxy.tell("holds", where) != "True":
        pass
    assert int(proxy.tell({"half-close": "half_close", "desert": "desert"}.get(way, "cut"))) > 0
    proxy.tell("delay", where, 0)
    proxy.tell("flow")


def test_no_message_is_lost_or_doubled_over_twenty_cuts_under_traffic(chat, open_proxy, pages):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    ways = ["cut", "half-close", "delay and cut", "desert"] * (CUTS // 4)
    choose.shuffle(ways)
    proxy = open_proxy(chat.address)
    ada, grace = pages
    ada.join(f"http://127.0.0.1:{proxy.port}/", "Ada")
    grace.join(f"http://127.0.0.1:{proxy.port}/", "Grace")
    for page, name in ((ada, "Ada"), (grace, "Grace")):
        page.driver.execute_script(TALK, name)

    for way in ways:
        for page in pages:
            page.driver.execute_script(f"window.allowed += {PER_CUT}")
        lose_wires(proxy, way, choose)
        for page, name in ((ada, "Ada"), (grace, "Grace")):
            is_in(page, name)
        proxy.tell("land")  # what the server was left with ends late

    for page in pages:
        for name in ("Ada", "Grace"):
            everything = [f"{name} {number}" for number in range(CUTS * PER_CUT)]
            page.wait_for(lambda page=page, name=name: [text for who, text in page.said() if who == name], everything)
        assert page.texts(".waiting") == []
    assert (ada.notices(), grace.notices()) == (["Grace came in"], []), "nobody was away"
