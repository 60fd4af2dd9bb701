"""The forms in which messages travel over HTTP, read and written by a real browser's engine."""

from __future__ import annotations

import base64
import json

import pytest

#: Events from a stream that comes in two pieces, cut at each of its bytes, and byte by byte.
EVENTS = """
const done = arguments[arguments.length - 1];
const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
import("/_actorws/coding.js").then(({ EventStream }) => {
  const read = (...pieces) => {
    const stream = new EventStream();
    return JSON.stringify(pieces.flatMap((piece) => [...stream.push(piece)]));
  };
  const seen = new Set([read(...Array.from(bytes, (byte) => Uint8Array.of(byte)))]);
  for (let at = 0; at <= bytes.length; at += 1) seen.add(read(bytes.slice(0, at), bytes.slice(at)));
  done([...seen].map(JSON.parse));
});
"""
CODED = """
const done = arguments[arguments.length - 1];
const [script, ...values] = arguments;
import("/_actorws/coding.js").then((coding) => done(new Function("coding", "values", script)(coding, values)));
"""


@pytest.fixture
def coding(client, talker):
    client.driver.get(talker.http())
    return client.driver


STREAMS = {
    "one of each": (
        ': hello\n\nevent: session\ndata: {}\nid: a.0\n\ndata: text\nid: a.1\n\nevent: json\ndata: "a\\rb"\n\n',
        [("session", "{}"), ("", "text"), ("json", '"a\\rb"')],
    ),
    "CR, LF and both": ("data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\r", [("", "a\nb\nc"), ("", "d")]),
    "characters of up to four bytes": ("\ufeffdata: ä€😀\n\ndata:😀\n\n", [("", "ä€😀"), ("", "😀")]),
    "nothing is a text, too": ("data\n\ndata:\n\ndata: \ndata:\n\n", [("", ""), ("", ""), ("", "\n")]),
    "one space belongs to the field": ("data:  a\ndata:b: c\n\n", [("", " a\nb: c")]),
    "without data there is no event": ("event: x\n\nid: 1\n\nfoo: bar\ndata: a\n\n", [("", "a")]),
    "what hasn't ended isn't there": ("data: a\n\ndata: b\n", [("", "a")]),
}


def test_an_event_stream_is_the_same_in_all_pieces(coding):
    for name, (text, events) in STREAMS.items():
        seen = coding.execute_async_script(EVENTS, base64.b64encode(text.encode()).decode())
        assert [[(event["type"], event["data"]) for event in events] for events in seen] == [events], name


def test_a_text_is_a_line_of_json(coding):
    script = "return [coding.lineOf(values[0]), [...coding.parseLines(values[1] + '\\n')]]"
    for text in ["", "plain", 'a "b"\n\r\\ \x00 \u2028', "ä€😀", "x" * 100_000]:
        line, parsed = coding.execute_async_script(CODED, script, text, json.dumps(text))
        assert json.loads(line) == text
        assert "\n" not in line
        assert parsed == [{"message": text}]


def test_bytes_are_base64(coding):
    script = """const sent = Uint8Array.from(atob(values[0]), (c) => c.charCodeAt(0)).buffer;
        const [{ message }] = coding.parseLines(JSON.stringify({ binary: values[0] }));
        const event = coding.parseEvent({ type: "binary", data: values[0] });
        return [coding.lineOf(sent), [...new Uint8Array(message)], event.message.byteLength]"""
    for size in (0, 1, 2, 3, 255, 8 * 1024, 8 * 1024 + 1, 100_000):
        data = bytes(number * 7 % 256 for number in range(size))
        coded = base64.b64encode(data).decode()
        line, message, length = coding.execute_async_script(CODED, script, coded)
        assert json.loads(line) == {"binary": coded}
        assert (bytes(message), length) == (data, size)
