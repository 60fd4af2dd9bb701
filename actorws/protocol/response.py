"""HTTP/1.1 responses: a server's bytes in, one response out.

Rules owned here: what is kept of a response is bounded; what follows a 101 is not HTTP and is left alone. Framing is
judged by llhttp. Must not know what was asked for.
"""

from __future__ import annotations

import httptools

__all__ = ["MAX_BODY", "ResponseReader"]

#: Bytes of all that comes before the body.
MAX_HEAD = 64 * 1024
#: Bytes of a body that are kept; of a refusal nobody needs more.
MAX_BODY = 64 * 1024


class ResponseReader:
    """Bytes of one connection in, the response to one request out; interim ones (100, 103) are skipped."""

    def __init__(self) -> None:
        self.status = 0
        """Such as 101; 0 until the head is there."""
        self.headers: dict[str, str] = {}
        """Names in lower case; several of one name are joined with ``", "``."""
        self.body: bytes = b""
        """As far as it has come, and is kept."""
        self.rest: bytes = b""
        """What came behind a 101."""
        self.complete: bool = False
        """Whether nothing more belongs to it."""
        self._parser = httptools.HttpResponseParser(self)
        self._head_size = 0
        self._has_head = False

    def receive(self, data: bytes) -> None:
        """Take what came. Raises ``ValueError``, in words, for what is no HTTP or too much of it."""
        if not self._has_head:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.rest = data[upgrade.args[0] :]
            self.complete = True
        except httptools.HttpParserCallbackError as error:
            raise ValueError("its headers can't be read") from error
        except httptools.HttpParserError:
            raise ValueError("what it says is no HTTP") from None
        if not self._has_head and self._head_size > MAX_HEAD:
            raise ValueError(f"the head of its answer has more than {MAX_HEAD} bytes")

    def ended(self) -> None:
        """The connection has ended, which may be the end of a body. Raises ``ValueError`` if it isn't."""
        if not self._has_head:
            raise ValueError("it ended the connection" + (" in the middle of its answer" if self._head_size else ""))
        self.complete = True

    # From llhttp

    def on_message_begin(self) -> None:
        self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._has_head = self.status == 101 or self.status >= 200

    def on_body(self, data: bytes) -> None:
        self.body += data[: MAX_BODY - len(self.body)]
        if len(self.body) == MAX_BODY:
            self.complete = True

    def on_message_complete(self) -> None:
        if self._has_head:
            self.complete = True
