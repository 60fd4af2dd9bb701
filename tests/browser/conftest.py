"""Real Chromium pages, driven through its own driver."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.client_page import ClientPage
from tests.support.proxy import ProxyProcess

#: Far more than anything here takes.
SECONDS = 30
FLAGS = [
    "--headless=new",
    "--no-sandbox",  # Chromium refuses to start as root with one.
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-proxy-server",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1100,760",
]


class ChatPage:
    """The chat page, as the person in front of it sees and uses it."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """What the elements show, all read in one step of the page."""
        script = "return [...document.querySelectorAll(arguments[0])].map((element) => element.innerText)"
        texts: list[str] = self.driver.execute_script(script, selector)
        return texts

    def wait_for(self, condition: Callable[[], object], expected: object) -> None:
        """Wait until ``condition()`` equals ``expected``; a failure shows what it was instead."""
        seen: list[object] = []

        def holds(_: Chrome) -> bool:
            seen[:] = [condition()]
            return seen[0] == expected

        try:
            WebDriverWait(self.driver, SECONDS, poll_frequency=0.05).until(holds)
        except Exception:
            assert seen == [expected]
            raise

    def join(self, url: str, name: str) -> None:
        self.driver.get(url)
        self.enter(name)
        self.wait_for(lambda: self.texts("#status"), [f"You are {name}"])

    def enter(self, name: str) -> None:
        """Fill in the form at the door."""
        self.find("#name").clear()
        self.find("#name").send_keys(name)
        self.find("#join button").click()

    def say(self, text: str) -> None:
        self.find("#text").click()
        # As an input method does it: the driver's own keys may lack what lies beyond Unicode's first plane.
        self.driver.execute_cdp_cmd("Input.insertText", {"text": text})
        self.find("#text").send_keys("\n")

    def people(self) -> list[str]:
        return self.texts("#people .who")

    def said(self) -> list[tuple[str, str]]:
        """Who said what."""
        script = """return [...document.querySelectorAll("#log .message")].map((line) =>
            [line.dataset.from, line.querySelector(".text").innerText])"""
        return [(name, text) for name, text in self.driver.execute_script(script)]

    def notices(self) -> list[str]:
        return self.texts("#log .notice")

    def errors(self) -> list[str]:
        """What the console has complained about since the last call: scripts, files not found, blocked content."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


def start_chromium(chromium: str, driver: str, profile: str) -> Chrome:
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Chrome(options=options, service=ChromeService(driver))


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ChatPage]]:
    """Two pages, each in a Chromium of its own."""
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("there is no Chromium with its driver here: apt-get install chromium chromium-driver")
    drivers: list[Chrome] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")  # Selenium talks to the driver over HTTP.
        try:
            for name in ("one", "other"):
                drivers.append(start_chromium(chromium, driver, str(tmp_path_factory.mktemp(name))))
            yield [ChatPage(driver) for driver in drivers]
        finally:
            for driver_ in drivers:
                driver_.quit()


@pytest.fixture
def open_proxy() -> Iterator[Callable[[str], ProxyProcess]]:
    """Starts a proxy in front of the server at an address, in a process of its own."""
    proxies: list[ProxyProcess] = []

    def start(address: str) -> ProxyProcess:
        host, _, port = address.rpartition(":")
        proxies.append(ProxyProcess((host, int(port))))
        return proxies[-1]

    yield start
    for proxy in proxies:
        proxy.stop()


@pytest.fixture
def talker(start_server):
    """Serves ``tests/support/talker.py``."""
    return start_server(talker_command(0))


def talker_command(port: int) -> list[str]:
    return [sys.executable, "-m", "actorws", "serve", "tests.support.talker:app", "--port", str(port)]


@pytest.fixture
def proxy(talker, open_proxy):
    """In front of the talker."""
    return open_proxy(talker.address)


@pytest.fixture
def client(pages: list[ChatPage]) -> Iterator[ClientPage]:
    """A page for one connection."""
    client = ClientPage(pages[0].driver)
    yield client
    client.close()
    pages[0].errors()  # of what was cut, which the tests of the chat page don't want to see
