"""Envelopes: read as they were packed, by this version and the next; anything else is malformed and nothing worse."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.cluster.engine import NodeInfo
from actorws.cluster.envelope import (
    Answer,
    Ask,
    Group,
    Joined,
    Left,
    Name,
    Place,
    Probe,
    Taken,
    beginning,
    pack,
    pack_info,
    unpack,
    unpack_info,
)
from actorws.exceptions import MalformedMessage, UnsendableMessage

text = st.text(st.characters(exclude_categories=["Cs"]))
number = st.integers(0, 2**63)
payload = st.binary(max_size=50)
bodies = st.one_of(
    st.lists(st.tuples(st.integers(0, 255), payload)).map(
        lambda pairs: Group(bytes(kind for kind, _ in pairs), [data for _, data in pairs])
    ),
    st.builds(Ask, number, payload),
    st.builds(Name, text, payload),
    st.builds(Place, number, payload),
    st.builds(Taken, text, number),
    st.builds(Answer, number, payload),
    st.just(Probe()),
    st.builds(Joined, payload),
    st.just(Left()),
)


@given(text, bodies)
def test_an_envelope_is_read_as_it_was_packed(source, body):
    assert unpack(pack(source, body)) == (source, body)


def test_the_numbers_of_the_kinds_never_change():
    """Nodes of two versions may be in one cluster."""
    kinds = [Group(b"", []), Ask(0, b""), Name("", b""), Place(0, b""), Taken("", 0), Answer(0, b""), Probe()]
    kinds += [Joined(b""), Left()]
    for number, body in enumerate(kinds):
        version, kind, source, _ = msgspec.msgpack.decode(pack("me", body))
        assert (version, kind, source) == (1, number, "me")


@given(text, bodies)
def test_fields_that_a_later_version_adds_at_the_end_are_skipped(source, body):
    version, kind, source, fields = msgspec.msgpack.decode(pack(source, body))
    later = msgspec.msgpack.encode([version, kind, source, [*fields, "new", {"a": 1}], "newer", None])
    assert unpack(later) == (source, body)


@pytest.mark.parametrize("kind", [9, 1000, -1])
def test_a_kind_that_a_later_version_adds_is_nobody_s(kind):
    assert unpack(msgspec.msgpack.encode([1, kind, "me", {"anything": 1}])) == ("me", None)


def test_a_later_version_of_all_is_malformed():
    with pytest.raises(MalformedMessage, match="an envelope of version 2, which this node doesn't know"):
        unpack(msgspec.msgpack.encode([2, 6, "me", []]))


@pytest.mark.parametrize(
    "fields",
    [
        [0, [b"\0\0", [b"one"]]],
        [0, [b"\0", ["text"]]],
        [0, ["\0", [b"x"]]],
        [0, []],
        [2, ["name"]],
        [2, [b"name", b"x"]],
        [2, ["name", "x"]],
        [3, ["1", b"x"]],
        [3, [1.5, b"x"]],
        [3, [True, b"x"]],
        [4, ["name", float("inf")]],
        [4, ["name"]],
        [5, [2**64 - 1]],
        [7, [1]],
        [7, {}],
        [2, None],
    ],
    ids=repr,
)
def test_fields_of_other_types_are_malformed(fields):
    kind, body = fields
    with pytest.raises(MalformedMessage):
        unpack(msgspec.msgpack.encode([1, kind, "me", body]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x90",
        b"\x93\x01\x02\xa2me",
        b"\x94\x01\x02\xa1\xff\x92\xa1n\xc4\x00",
        b"\x94\x01\x02\xa2me\x92\xa1\xff\xc4\x00",
        b"\x94\x01\x02\xa2me\xdd\xff\xff\xff\xff",
        b"\x94\x01\x02\xa2me" + b"\x91" * 100_000,
        b"\x94\x01\x09\xa2me\xd7\xff" + b"\xff" * 8,
        b"\x91" * 100_000,
        pack("me", Probe()) + b"\0",
        pack("me", Name("n", b"x"))[:-1],
    ],
    ids=lambda data: repr(data[:20]),
)
def test_bytes_that_are_no_envelope_are_malformed_or_nobody_s(data):
    try:
        assert unpack(data) == ("me", None)
    except MalformedMessage as error:
        assert str(error).startswith("no envelope: ")


@given(st.binary(max_size=100))
def test_any_bytes_are_an_envelope_or_malformed(data):
    for candidate in (data, b"\x94\x01" + data):
        try:
            unpack(candidate)
        except MalformedMessage:
            pass


@given(bodies, st.data())
def test_an_envelope_with_one_byte_changed_is_one_or_malformed(body, data):
    packed = bytearray(pack("me", body))
    packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        unpack(bytes(packed))
    except MalformedMessage:
        pass


@given(text, bodies, st.sampled_from([Group, Name, Left]))
def test_a_kind_of_envelope_from_one_node_can_be_told_by_its_beginning(source, body, kind):
    assert pack(source, body).startswith(beginning(source, kind)) == (type(body) is kind)
    assert not pack(source + "x", body).startswith(beginning(source, kind))


@given(text, text, st.dictionaries(text, st.integers(0, 9) | text))
def test_what_a_node_says_of_itself_is_read_as_it_was_packed(node, name, meta):
    info = NodeInfo(node, name, meta)
    assert unpack_info(pack_info(info)) == info


@given(st.binary(max_size=100))
def test_any_bytes_are_a_node_or_malformed(data):
    try:
        unpack_info(data)
    except MalformedMessage as error:
        assert str(error).startswith("no node: ")


@pytest.mark.parametrize("meta", [{"a": object()}, {"a": 2**64}, {"a": "\ud800"}])
def test_a_meta_that_can_not_be_sent_is_an_error(meta):
    with pytest.raises(UnsendableMessage, match="the node's meta can't be sent to others: "):
        pack_info(NodeInfo("id", "name", meta))
