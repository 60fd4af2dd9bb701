"""Desk: serves the page, and what the page tells comes in here.

Rule owned here: the page's origin is the server that is measured, though that one never hears of the page: Chromium is
told to take this as its proxy for plain HTTP, and none for WebSockets. So servers that let in only pages of their own
(RFC 6455 section 10.2), as ours does, need no other options than for any other load. What is asked for beyond the page
is not there: nothing of Chromium's own gets further. Must not know Chromium, nor what is measured.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Desk", "PageFailed", "open_desk"]

FOLDER = Path(__file__).parent
FILES = {"/page.html": "text/html; charset=utf-8", "/page.js": "text/javascript; charset=utf-8"}
#: What makes a page isolated, and its clock fine (HTML, section 7.1.3 and 7.1.4).
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


class PageFailed(Exception):
    """The page could not do it; in one line."""


class Desk:
    """What has been told, in order."""

    def __init__(self, host: str) -> None:
        self.host = host
        """The only one whose page this is, with its port."""
        self.go = Event()
        """Set: the page may begin to work."""
        self.port = 0
        """Where this listens on 127.0.0.1."""
        self._told: SimpleQueue[tuple[str, Any]] = SimpleQueue()

    def tell(self, what: str, data: Any) -> None:
        """From any thread. ``failed`` makes ``wait`` raise."""
        self._told.put((what, data))

    def wait(self, what: str, timeout: float) -> dict[str, Any]:
        """What the page tells next, which has to be ``what`` and within ``timeout`` seconds. Raises ``PageFailed``."""
        try:
            told, data = self._told.get(timeout=timeout)
        except Empty:
            raise PageFailed(f"for {timeout:g} s nothing was heard of the page in Chromium ({what})") from None
        if told != what or not isinstance(data, dict):
            raise PageFailed(str(data))
        return data


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """As it is, but that a browser goes away is no error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def open_desk(host: str) -> Iterator[Desk]:
    """Open while the block lasts; ``host`` is the server that is measured, with its port."""
    desk = Desk(host)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)  # all of it: this is what proxies are asked (RFC 9112 section 3.2.2)
            if url.netloc != desk.host or url.path not in FILES:
                return self.send_error(404)
            self._answer((FOLDER / url.path[1:]).read_bytes(), {"Content-Type": FILES[url.path], **ISOLATED})

        def do_POST(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if url.netloc != desk.host:
                return self.send_error(404)
            desk.tell(url.path[1:], json.loads(body))
            desk.go.wait()  # what the page tells first is answered when it may go on
            self._answer(b"", {})

        def _answer(self, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(200)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: stdout and stderr are for figures and for what went wrong."""

    with _Listener(("127.0.0.1", 0), Handler) as listener:
        desk.port = listener.server_port
        thread = Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        try:
            yield desk
        finally:
            desk.go.set()
            listener.shutdown()
            thread.join()
