"""The chunked coding of a request body: bytes in, the body and what is behind it out.

Rule owned here: RFC 9112 section 7.1 to the letter (CRLF only, hexadecimal digits only), because a peer that
reads a chunk's end elsewhere sees another request there. Own code and not llhttp's, because
httptools doesn't tell where a message ends and the next one begins. Must not know what the body is for.
"""

from __future__ import annotations

import re

from actorws.exceptions import HandshakeError

__all__ = ["ChunkedBody"]

#: Bytes of a size line with its extension, or of a trailer; llhttp has no such bound, Go's is 4096.
_MAX_LINE = 1024
_MAX_TRAILERS = 32
#: Extensions are skipped, as is allowed (section 7.1.1), but control bytes in them are not.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~\x80-\xff]*)?")
#: Trailers are dropped (section 7.1.2).
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")


class ChunkedBody:
    """Decodes one body of at most ``limit`` bytes."""

    __slots__ = ("_awaits_end", "_buffer", "_limit", "_missing", "_trailers", "body")

    def __init__(self, limit: int) -> None:
        self.body = bytearray()
        """What is decoded so far."""
        self._limit = limit
        self._buffer = b""  # an unfinished line
        self._missing = 0  # bytes to come of this chunk's data
        self._awaits_end = False  # the CRLF behind a chunk's data is next
        self._trailers: int | None = None  # lines since the last chunk

    def receive(self, data: bytes) -> bytes | None:
        """Take what came. Once the body is whole: the bytes behind it; before: ``None``.

        Raises ``HandshakeError``: 400 for what is no chunked coding, 413 as soon as a chunk is announced that
        goes over the limit.
        """
        data = self._buffer + data
        at = 0
        while True:
            if self._missing:
                payload = data[at : at + self._missing]
                self.body += payload
                self._missing -= len(payload)
                at += len(payload)
                if self._missing:
                    break
            end = data.find(b"\r\n", at, at + _MAX_LINE)
            if end < 0:
                if len(data) - at >= _MAX_LINE:
                    raise HandshakeError(400, f"a chunk's size line or trailer is longer than {_MAX_LINE} bytes")
                break
            line = data[at:end]
            at = end + 2
            if self._take(line):
                return data[at:]
        self._buffer = data[at:]
        return None

    @property
    def raw(self) -> bytes:
        """What has come of a body that isn't whole, coded anew: whoever decodes this can go on with what comes next."""
        size = b"%x\r\n" % (len(self.body) + self._missing)
        if self._missing or self._awaits_end:
            return size + self.body + self._buffer
        whole = size + self.body + b"\r\n" if self.body else b""
        return whole + (b"" if self._trailers is None else b"0\r\n") + self._buffer

    def _take(self, line: bytes) -> bool:
        """Take a line that is not data; whether it is the last."""
        if self._awaits_end:
            if line:
                raise HandshakeError(400, "a chunk is longer than its size line says")
            self._awaits_end = False
        elif self._trailers is None:
            self._take_size(line)
        elif not line:
            return True
        else:
            self._trailers += 1
            if self._trailers > _MAX_TRAILERS or not _TRAILER.fullmatch(line):
                raise HandshakeError(400, "the body's trailers are malformed or too many")
        return False

    def _take_size(self, line: bytes) -> None:
        match = _SIZE.fullmatch(line)
        if match is None:
            raise HandshakeError(400, "a chunk's size line is malformed")
        self._missing = int(match[1], 16)
        if self._missing == 0:
            self._trailers = 0
        elif len(self.body) + self._missing > self._limit:
            raise HandshakeError(413, f"the request body is larger than {self._limit} bytes", limit="max_body_size")
        else:
            self._awaits_end = True
