"""Browser: a load that is a page in a headless Chromium, with its sockets.

Rule owned here: what a page can be asked to do; the options are spelled as the driver's. Must not know how it is done.
"""

from __future__ import annotations

import sys

from attrs import fields, frozen

from benchmarks.browser.chromium import find_chromium

__all__ = ["Browser"]


@frozen
class Browser:
    """One socket of a page sends; how long that takes is measured by the page, until all have come that had to.

    It prints the figures ``p50_us``, ``p90_us``, ``p99_us``, ``p999_us`` and ``max_us``: microseconds per message that
    was sent, from ``send()`` to the last ``onmessage``. ``messages`` counts what came, at all sockets.
    """

    members: int = 0
    """Other sockets of the page that get what the first one sends, at most 200; 0: an echo. Chromium has no more than
    255 in all."""
    window: int = 1
    """Messages that are sent at once; the next ones leave when all of them have come."""
    size: int = 32
    """Characters of a message, all of them ASCII."""
    path: str = "/"

    def command(self, port: int, seconds: float) -> list[str]:
        """What starts the driver. Raises ``OSError`` where there is no Chromium."""
        find_chromium()
        options = [f"--{field.name}={getattr(self, field.name)}" for field in fields(type(self))]
        return [sys.executable, "-m", "benchmarks.browser", *options, str(port), str(seconds)]
