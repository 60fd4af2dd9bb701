"""HTTP/1.1 responses: a server's bytes in, one response out.

Rules owned here: what is kept of a response is bounded; it is the same however its bytes are cut; what follows a 101 is
not HTTP and is left alone. Framing is judged by llhttp. Must not know what was asked for.
"""

from __future__ import annotations

import httptools

__all__ = ["MAX_BODY", "MAX_HEAD", "ResponseReader"]

#: Bytes of all that comes before the body.
MAX_HEAD = 64 * 1024
#: Bytes of a body that are kept; of a refusal nobody needs more.
MAX_BODY = 64 * 1024
#: How a TLS record begins: an alert, of any version (RFC 8446 section 5.1).
_ALERT = b"\x15\x03"
#: Bytes that are shown of what is no HTTP.
_SHOWN = 40


class ResponseReader:
    """Bytes of one connection in, the response to one request out; interim ones (100, 103) are skipped."""

    def __init__(self) -> None:
        self.status: int = 0
        """Such as 101; 0 until the head is there."""
        self.headers: dict[str, str] = {}
        """Names in lower case; several of one name are joined with ``", "``."""
        self.rest: bytes = b""
        """What came behind a 101."""
        self.complete: bool = False
        """Whether nothing more belongs to it."""
        self._parser = httptools.HttpResponseParser(self)
        self._fields: dict[str, list[str]] = {}
        self._body = bytearray()
        self._head_size = 0
        self._beginning = b""
        self._is_upgraded = False

    @property
    def has_begun(self) -> bool:
        """Whether anything has come."""
        return self._head_size > 0

    @property
    def body(self) -> bytes:
        """As far as it has come, and is kept."""
        return bytes(self._body)

    def receive(self, data: bytes) -> None:
        """Take what came. Raises ``ValueError``, in words, for what is no HTTP or too much of it."""
        if not self.status:
            head, data = data[: MAX_HEAD - self._head_size], data[MAX_HEAD - self._head_size :]
            self._head_size += len(head)
            self._beginning = (self._beginning + head[:_SHOWN])[:_SHOWN]
            self._feed(head)
            if not self.status and self._head_size == MAX_HEAD:
                raise ValueError(f"the head of its answer has more than {MAX_HEAD} bytes")
        if not self.complete:
            self._feed(data)
        elif self._is_upgraded:
            self.rest += data

    def ended(self) -> None:
        """The connection has ended, which may be the end of a body: so what has come of one is all."""
        self.complete = self.status > 0

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._is_upgraded = True
            self.rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            if not self.status:
                raise ValueError(self._no_http(error)) from None
            # What is wrong behind a head, such as the size of a chunk, takes nothing from what was said so far.
            self.complete = True

    def _no_http(self, error: Exception) -> str:
        if self._beginning.startswith(_ALERT):
            return "it speaks TLS there (connect by wss://)"
        if self._beginning.startswith(b"HTTP/"):
            return f"the head of its answer is no HTTP/1.1: {error.__context__ or error}"
        begins = self._beginning.split(b"\n")[0].decode("latin-1").strip()
        return f"its answer is no HTTP: it begins with {begins!r}"

    # From llhttp, which reads on behind the end, where it takes the rest of what it was given for another response

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:
            self._fields.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").strip(" \t"))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if not self.status and status < 100:
            raise ValueError(f"there is no status {status:03}")
        if status == 101 and self._parser.get_http_version() != "1.1":
            raise ValueError("101 has no meaning in another version (RFC 6455 section 4.2.2)")
        if not self.status and (status == 101 or status >= 200):
            self.status = status
            self.headers = {name: ", ".join(values) for name, values in self._fields.items()}
        self._fields = {}

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self._body += data[: MAX_BODY - len(self._body)]
            self.complete = len(self._body) == MAX_BODY

    def on_message_complete(self) -> None:
        self.complete = self.status > 0
