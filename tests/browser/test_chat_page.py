"""The chat page in real browsers, served as ``make demo`` does it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def demo_command(port: int) -> list[str]:
    """What ``make demo`` runs once the environment is there (which is the one that runs this test)."""
    make = ["make", "--no-print-directory", "-n", "demo", f"PORT={port}", f"VENV={sys.prefix}"]
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    recipe = subprocess.run(make, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True).stdout
    command = recipe.splitlines()[-1]
    assert "-m actorws serve examples.chat:app" in command
    return ["sh", "-c", command]


@pytest.fixture
def server(start_server):
    return start_server(demo_command(0))


@pytest.fixture(autouse=True)
def console_stays_clean(pages):
    """No page has an error in its console, be it of a script, a missing file or blocked content."""
    for page in pages:
        page.driver.get("about:blank")
        page.errors()
    yield
    for page in pages:
        # That the server goes is one, for each way by which the page tries to reach it.
        errors = [error for error in page.errors() if "WebSocket" not in error and "/chat?" not in error]
        assert errors == []


def test_two_people_talk_and_see_each_other(server, pages):
    ada, grace = pages
    ada.join(server.http(), "Ada")
    assert ada.people() == ["Ada"]
    grace.join(server.http(), "Grace")
    for page, people in ((ada, ["Ada", "Grace"]), (grace, ["Grace", "Ada"])):
        page.wait_for(page.people, people)
        assert page.texts("#count") == ["2"]
    ada.wait_for(ada.notices, ["Grace came in"])

    ada.say("Hello, Grace!")
    grace.wait_for(grace.said, [("Ada", "Hello, Grace!")])
    grace.say("Good morning, Ada. 世界 🎈")
    everything = [("Ada", "Hello, Grace!"), ("Grace", "Good morning, Ada. 世界 🎈")]
    for page in pages:
        page.wait_for(page.said, everything)

    grace.find("#leave").click()
    ada.wait_for(ada.people, ["Ada"])
    assert ada.notices() == ["Grace came in", "Grace left"]
    assert grace.find("#join").is_displayed()


def test_closing_a_page_is_leaving(server, pages):
    ada, grace = pages
    ada.join(server.http(), "Ada")
    grace.join(server.http(), "Grace")
    ada.wait_for(ada.people, ["Ada", "Grace"])
    grace.driver.get("about:blank")
    ada.wait_for(ada.people, ["Ada"])
    ada.wait_for(ada.notices, ["Grace came in", "Grace left"])


def test_a_taken_name_is_refused_kindly_and_another_one_works(server, pages):
    ada, other = pages
    ada.join(server.http(), "Ada")
    other.driver.get(server.http())
    other.enter("ada")
    other.wait_for(lambda: other.texts("#refusal"), ["Somebody here has that name. Please pick another."])
    assert other.find("#name").get_attribute("aria-invalid") == "true"
    other.enter("Grace")
    other.wait_for(other.people, ["Grace", "Ada"])
    ada.wait_for(ada.notices, ["Grace came in"])


def test_what_people_write_is_text_and_never_markup(server, pages):
    ada, mallory = pages
    name, text = "<u>Mal</u>", "<img src=x onerror=\"document.title='owned'\"> &amp; <script>alert(1)</script>"
    ada.join(server.http(), "Ada")
    mallory.join(server.http(), name)
    mallory.say(text)
    ada.wait_for(ada.said, [(name, text)])
    assert ada.people() == ["Ada", name]
    assert ada.texts("#room u, #log img, #log script") == []
    assert ada.driver.title == "Lobby"


def test_an_empty_message_is_not_sent_and_lines_stay_lines(server, pages):
    ada, grace = pages
    ada.join(server.http(), "Ada")
    grace.join(server.http(), "Grace")
    assert not ada.find("#send").is_enabled()
    ada.say("   ")
    ada.find("#text").clear()
    ada.say("one\ntwo")
    grace.wait_for(grace.said, [("Ada", "one\ntwo")])


def test_pages_come_back_by_themselves_when_the_server_restarts(start_server, pages):
    ada, grace = pages
    server = start_server(demo_command(0))
    ada.join(server.http(), "Ada")
    grace.join(server.http(), "Grace")
    server.stop()
    ada.wait_for(lambda: ada.texts("#status"), ["Connection lost. Reconnecting…"])
    assert not ada.find("#send").is_enabled()

    start_server(demo_command(int(server.address.rpartition(":")[2])))
    for page, people in ((ada, ["Ada", "Grace"]), (grace, ["Grace", "Ada"])):
        page.wait_for(lambda page=page: page.texts("#status"), [f"You are {people[0]}"])
        page.wait_for(page.people, people)
    ada.say("We are back.")
    grace.wait_for(grace.said, [("Ada", "We are back.")])
