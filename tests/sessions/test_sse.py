"""Server-sent events: a browser's parser, in whatever pieces they come to it, gets what was said."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.sessions import sse
from tests.support.event_source import EventSourceParser, ReceivedEvent

#: Texts as they hurt: line ends of all sorts, fields, comments, byte order marks.
awkward = st.sampled_from("\r\n \0:a\ufeffdé😀\u2028\x85")
texts = st.text(awkward | st.characters(exclude_categories=["Cs"]), max_size=20)
messages = st.lists(st.one_of(texts, st.binary(max_size=20)), max_size=8)


def message_of(event: ReceivedEvent) -> str | bytes:
    match event.type:
        case "message":
            return event.data
        case "json":
            text: str = json.loads(event.data)
            return text
        case "binary":
            return b64decode(event.data, validate=True)
    raise AssertionError(event)


@given(messages, st.data())
def test_a_browser_gets_the_messages_however_they_are_cut(said: list[str | bytes], data: st.DataObject) -> None:
    stream = b"".join(b"id: s.%d\n%b" % (n, sse.event(message)) for n, message in enumerate(said, 1))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parser, got = EventSourceParser(), []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += parser.feed(stream[begin:end])
    assert [message_of(event) for event in got] == said
    assert [event.last_event_id for event in got] == [f"s.{n}" for n in range(1, len(said) + 1)]


def test_a_text_is_sent_as_it_is_where_it_can_be() -> None:
    assert sse.event("one\n two\n") == b"data: one\ndata:  two\ndata: \n\n"
    assert sse.event("") == b"data: \n\n"
    assert sse.event("a\r\nb") == b'event: json\ndata: "a\\r\\nb"\n\n'
    assert sse.event(b"\0\1") == b"event: binary\ndata: AAE=\n\n"


def test_a_comment_says_nothing() -> None:
    parser = EventSourceParser()
    assert parser.feed(sse.COMMENT + sse.event("a") + sse.COMMENT) == [ReceivedEvent("message", "a", "")]
    assert parser.comments == 2


def test_control_messages_have_a_name() -> None:
    (event,) = EventSourceParser().feed(b"id: n.1.x.end\n" + sse.named_event("close", '{"close":{}}'))
    assert event == ReceivedEvent("close", '{"close":{}}', "n.1.x.end")


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("n.1.x.0", ("n.1.x", 0)),
        ("n.1.x.17", ("n.1.x", 17)),
        ("n.1.x.end", ("n.1.x", None)),
        ("", None),
        ("17", None),
        (".17", None),
        ("n.1.x.", None),
        ("n.1.x.-1", None),
        ("n.1.x.٣", None),
        ("n.1.x.11111111111111111", None),
    ],
)
def test_the_last_event_names_a_session_and_a_number(value: str, meaning: object) -> None:
    assert sse.last_event(value) == meaning
