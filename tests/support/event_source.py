"""Server-sent events as a browser reads them: the rules of WHATWG HTML, section 9.2.6, written down again."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from attrs import frozen

__all__ = ["EventSourceParser", "ReceivedEvent"]


@frozen
class ReceivedEvent:
    """What a page's listener gets."""

    type: str
    data: str
    last_event_id: str


class EventSourceParser:
    """Bytes in, in any pieces; events out."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self._began = self._after_cr = False
        self._data, self._type, self._id = "", "", ""
        self.last_event_id = ""
        self.comments = 0

    def feed(self, data: bytes) -> list[ReceivedEvent]:
        events = []
        for line in self._lines(self._decoder.decode(data)):
            if line == "":
                events += self._dispatch()
            elif line.startswith(":"):
                self.comments += 1
            else:
                name, _, value = line.partition(":")
                self._field(name, value[1:] if value.startswith(" ") else value)
        return events

    def _lines(self, text: str) -> Iterator[str]:
        for character in text:
            if not self._began:
                self._began = True
                if character == "\ufeff":
                    continue
            if character == "\n" and self._after_cr:
                self._after_cr = False
                continue
            self._after_cr = character == "\r"
            if character in "\r\n":
                line, self._line = self._line, ""
                yield line
            else:
                self._line += character

    def _field(self, name: str, value: str) -> None:
        if name == "event":
            self._type = value
        elif name == "data":
            self._data += value + "\n"
        elif name == "id" and "\0" not in value:
            self._id = value

    def _dispatch(self) -> list[ReceivedEvent]:
        self.last_event_id = self._id
        data, kind = self._data, self._type or "message"
        self._data = self._type = ""
        return [ReceivedEvent(kind, data.removesuffix("\n"), self.last_event_id)] if data else []
