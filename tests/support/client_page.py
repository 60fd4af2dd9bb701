"""A page in a real browser with one connection of ``actorws.js``, and what has come of it."""

from __future__ import annotations

from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait

__all__ = ["ClientPage"]

#: Far more than anything here takes.
SECONDS = 30
CONNECT = """
const done = arguments[arguments.length - 1];
const [url, options] = arguments;
const plain = (data) => (typeof data === "string" ? data : { bytes: [...new Uint8Array(data)] });
import("/_actorws/actorws.js").then(({ connect }) => {
  const conn = connect(url, options);
  const seen = { messages: [], states: [], details: [], losses: [] };
  Object.assign(window, { conn, seen });
  conn.onmessage = (data) => seen.messages.push(plain(data));
  conn.onstate = (state, detail) => {
    if (seen.states.at(-1) !== state) seen.states.push(state);
    seen.details.push({ state, ...detail });
  };
  conn.onlost = ({ reason, unacknowledged }) =>
    seen.losses.push({ reason, unacknowledged: unacknowledged.map(plain), state: conn.state });
  done(null);
}, (error) => done(String(error)));
"""


class ClientPage:
    """``window.conn`` is the connection, ``window.seen`` what its handlers were called with."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def connect(self, page: str, url: str, **options: Any) -> None:
        """Go to ``page`` and connect from there to ``url``."""
        self.driver.get(page)
        error = self.driver.execute_async_script(CONNECT, url, options)
        assert error is None, error

    def run(self, script: str, *arguments: Any) -> Any:
        """What the script ``return``s."""
        return self.driver.execute_script(script, *arguments)

    def wait_for(self, expression: str, expected: object) -> None:
        """Until ``expression`` equals ``expected`` in the page; a failure shows what it was instead."""
        seen: list[object] = []

        def holds(_: Chrome) -> bool:
            seen[:] = [self.run(f"return {expression}")]
            return seen[0] == expected

        try:
            WebDriverWait(self.driver, SECONDS, poll_frequency=0.02).until(holds)
        except Exception:
            assert seen == [expected], self.run("return window.seen && window.seen.details.slice(-10)")
            raise

    def wait_for_json(self, path: str, expected: object) -> None:
        """Until the server answers with it."""
        self.run(
            "window.answer = null; window.asking = setInterval(() => "
            "fetch(arguments[0]).then((answer) => answer.json()).then((json) => (window.answer = json)), 20)",
            path,
        )
        self.wait_for("window.answer", expected)
        self.run("clearInterval(window.asking)")

    def wait_open(self, transport: str) -> None:
        """Until there is a wire of this kind."""
        self.wait_for("[conn.state, conn.transport]", ["open", transport])

    def send(self, *messages: str) -> None:
        assert self.run("return arguments[0].map((message) => conn.send(message))", messages) == [True] * len(messages)

    def seen(self, what: str) -> Any:
        """``messages``, ``states`` (without repetitions), ``details`` or ``losses``."""
        return self.run(f"return seen.{what}")

    def close(self) -> None:
        self.run("window.conn?.close()")
        self.driver.get("about:blank")
