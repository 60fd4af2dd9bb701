import json
import random
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from urllib.parse import quote

import pytest
import trio
from trio_websocket import open_websocket_url

from actorws import App, open_runtime
from actorws.testing import open_app
from examples.bot import Bot, answer
from examples.chat import Chat
from tests.conftest import PROJECT
from tests.support.reconnects import fixed_port


@asynccontextmanager
async def chat_with(*bots):
    """Somebody in the chat who isn't a bot, its server, and the wires of those who are."""
    app = App()
    app.websocket("/chat", Chat)

    async with open_app(app) as server, open_runtime(()) as runtime:
        wires = []

        async def open_stream(host, port):
            await trio.lowlevel.checkpoint()
            wires.append(server.open_stream())
            return wires[-1]

        ada = await server.connect("/chat?name=Ada")
        await ada.receive()
        for bot in bots:
            await runtime.connect(f"ws://chat/chat?name={quote(bot)}", Bot, open_stream=open_stream)
            assert [await heard(ada) for _ in range(2)] == [(bot, "came"), (bot, f"Hello! {HELP} (say {bot}: help)")]
        yield ada, server, wires


HELP = "I know: help, roll 2d6, who"


async def heard(client):
    """Who did, or said, what."""
    event = json.loads(await client.receive())
    return event["name"], event.get("text", event["type"])


async def asked(client, question):
    """What is said next, after the question."""
    await client.send(question)
    await client.receive()
    return await heard(client)


async def test_it_greets_and_answers_whoever_addresses_it(autojump_clock):
    async with chat_with("bot") as (ada, _, _):
        assert await asked(ada, "bot: help") == ("bot", f"Ada, {HELP}")
        assert await asked(ada, "BOT :  Who ") == ("bot", "Ada, here are Ada, bot")
        assert await asked(ada, "bot: what is the time?") == ("bot", f"Ada, {HELP}")
        assert await asked(ada, "bot: roll 3d1") == ("bot", "Ada, 3 (1 + 1 + 1)")


async def test_it_knows_who_came_and_who_left(autojump_clock):
    async with chat_with("bot") as (ada, server, _):
        grace = await server.connect("/chat?name=Grace")
        assert await heard(ada) == ("Grace", "came")
        assert await asked(ada, "bot: who") == ("bot", "Ada, here are Ada, bot, Grace")
        await grace.close()
        assert await heard(ada) == ("Grace", "left")
        assert await asked(ada, "bot: who") == ("bot", "Ada, here are Ada, bot")


async def test_bots_talk_neither_to_themselves_nor_to_each_other(autojump_clock):
    async with chat_with("bot", "I know") as (ada, _, _):
        await ada.send("I know: help")
        assert [await heard(ada) for _ in range(2)] == [("Ada", "I know: help"), ("I know", f"Ada, {HELP}")]
        await trio.sleep(30)
        assert ada.unread == ()


async def test_nobody_notices_that_it_has_lost_its_wire(autojump_clock):
    async with chat_with("bot") as (ada, _, wires):
        await trio.aclose_forcefully(wires[0])
        assert await asked(ada, "bot: roll 1d1") == ("bot", "Ada, 1 (1)")


class Process:
    """``python -m examples.bot``, and what it says."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "examples.bot", *arguments]
        self.process = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True)

    def line(self):
        return self.process.stderr.readline()

    def end(self, how=None):
        """Its exit status, and what it says in the end."""
        if how is not None:
            self.process.send_signal(how)
        try:
            return self.process.wait(60), self.process.stderr.read()
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()


async def test_it_waits_for_the_server_and_leaves_in_good_order_on_ctrl_c(start_server):
    """As the docstring has it, in the other order."""
    port = fixed_port()
    bot = Process(f"ws://127.0.0.1:{port}/chat")
    try:
        line = await trio.to_thread.run_sync(bot.line)
        assert line.startswith(f"can't connect to ws://127.0.0.1:{port}/chat: nobody listens there")
        command = [sys.executable, "-m", "actorws", "serve", "examples.chat:app", "--port", str(port)]
        await trio.to_thread.run_sync(start_server, command)
        with trio.fail_after(60):
            async with open_websocket_url(f"ws://127.0.0.1:{port}/chat?name=Ada") as ada:
                seen = [json.loads(await ada.get_message())]
                while "bot" not in seen[0]["people"] and {"type": "came", "name": "bot"} not in seen:
                    seen.append(json.loads(await ada.get_message()))
                status, said = await trio.to_thread.run_sync(bot.end, signal.SIGINT)
                while seen[-1] != {"type": "left", "name": "bot"}:
                    seen.append(json.loads(await ada.get_message()))
    finally:
        bot.process.kill()
    assert (status, "Traceback" in said) == (0, False), said


def test_a_name_that_is_taken_ends_it_with_a_line_that_says_so(serve_example):
    server = serve_example("chat")
    first = Process(server.ws("/chat"), "Bot")
    try:
        assert "has connected" in first.line()
        status, said = Process(server.ws("/chat")).end()
        assert status == 1
        assert "4502" in said.splitlines()[-1]
    finally:
        assert first.end(signal.SIGINT)[0] == 0


def test_what_is_no_chat_ends_it_with_one_line(serve_example):
    server = serve_example("chat")
    status, said = Process(server.ws("/nowhere")).end()
    assert (status, said.count("\n") <= 2, "404" in said) == (1, True, True), said


@pytest.mark.parametrize("question", ["roll 0d6", "roll 100d6", "roll 2d0", "roll 2d12345", "roll -1d6", "roll", ""])
def test_dice_that_nobody_has_are_not_rolled(question):
    assert answer(question, set()) == HELP


def test_dice_are_rolled_by_chance():
    random.seed(6455)
    assert {answer("roll 1d2", set()) for _ in range(64)} == {"1 (1)", "2 (2)"}
