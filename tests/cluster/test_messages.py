"""Messages: what may be sent arrives as it was sent; everything else is told to its sender in a sentence."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any, NamedTuple

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.cluster.messages import Messages
from actorws.exceptions import MalformedMessage, MessageTooLarge, UnsendableMessage


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


@attrs.frozen
class Path:
    name: str
    points: list[Point] = attrs.field(factory=list)


class Move(msgspec.Struct):
    who: str
    to: Point
    how: Colour = Colour.RED


@dataclasses.dataclass
class Everything:
    pair: tuple[int, str]
    tags: set[str]
    by_number: dict[int, Point]
    colour: Colour
    id: uuid.UUID
    price: Decimal
    naive: dt.datetime
    took: dt.timedelta
    next: Path | None = None


messages = Messages([Point, Path, Move, Everything])

# Not those of real places: in the hour that there is twice, or never, no time equals any other.
offsets = st.integers(-1439, 1439).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
aware = st.datetimes(min_value=dt.datetime(2, 1, 1), max_value=dt.datetime(9998, 1, 1), timezones=offsets)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
)
keys = st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**63), 2**64 - 1) | st.binary()


def extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner)


sendable = st.recursive(scalars | aware, extend, max_leaves=20)


def types_in(value: Any) -> Any:
    """The same with a type in the place of each scalar."""
    if isinstance(value, dict):
        return [(type(key), types_in(item)) for key, item in value.items()]
    return type(value)(map(types_in, value)) if isinstance(value, list | tuple) else type(value)


@given(sendable)
def test_what_may_be_sent_arrives_as_it_was_sent(message):
    arrived = messages.decode(messages.encode(message))
    assert arrived == message
    assert types_in(arrived) == types_in(message)


@given(st.builds(Point, st.integers(-(2**63), 2**63), st.integers(0, 9)))
def test_a_registered_class_arrives_as_itself(point):
    for message in (point, Path("a", [point, point]), Move("me", point)):
        assert messages.decode(messages.encode(message)) == message


def test_fields_of_a_registered_class_may_be_of_more_types_than_messages():
    message = Everything(
        (1, "a"),
        {"b"},
        {7: Point(1, 2)},
        Colour.RED,
        uuid.UUID(int=5),
        Decimal("0.1"),
        dt.datetime(2020, 1, 2),
        dt.timedelta(seconds=1.5),
        Path("p", [Point(3)]),
    )
    assert messages.decode(messages.encode(message)) == message


def test_a_tuple_of_plain_values_is_not_copied_and_any_other_is():
    """Nobody can tell the difference."""
    plain, nested = ("joined", 7, b"x"), ("joined", [7])
    assert messages.copy(plain) is plain
    assert messages.copy(nested) == nested
    assert messages.copy(nested)[1] is not nested[1]


def test_an_aware_datetime_arrives_in_utc():
    message = dt.datetime(2020, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=5)))
    arrived = messages.decode(messages.encode(message))
    assert (arrived, arrived.tzinfo) == (message, dt.UTC)


@dataclasses.dataclass
class Unknown:
    pass


class Ints(list):
    pass


class Pair(NamedTuple):
    a: int
    b: int


Number = enum.IntEnum("Number", "ONE")


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (Pair(1, 2), "it is of no type that can be sent: "),
        ([{"a": ({1},)}], "it is of no type that can be sent: builtins.set"),
        ({(1, 2): 3}, "the keys of a dict must be str, int or bytes"),
        ({1, 2}, "it is of no type that can be sent: builtins.set"),
        (1j, "it is of no type that can be sent: builtins.complex"),
        (bytearray(b"x"), "it is of no type that can be sent: builtins.bytearray"),
        (dt.date(2020, 1, 1), "it is of no type that can be sent: datetime.date"),
        (Number.ONE, "it is of no type that can be sent"),
        (Ints(), "it is of no type that can be sent"),
        (msgspec.Raw(b"\xc0"), "it is of no type that can be sent: msgspec.Raw"),
        (msgspec.msgpack.Ext(1, b""), "it is of no type that can be sent"),
        (dt.datetime(2020, 1, 1), "a datetime needs a time zone: datetime.datetime(2020, 1, 1, 0, 0)"),
        ({True: 1}, "the keys of a dict must be str, int or bytes: {True: 1}"),
        ({None: 1}, "the keys of a dict must be str, int or bytes"),
        ({1.5: 1}, "the keys of a dict must be str, int or bytes"),
        (2**64, "ints"),
        (-(2**63) - 1, "ints"),
        ({2**64: 1}, "ints"),
        ("\ud800", "surrogates not allowed"),
        (dt.datetime.max.replace(tzinfo=dt.timezone(-dt.timedelta(hours=1))), "out of range"),
        (Unknown(), "its class must be registered (Websocket.messages or App.message): "),
        (Unknown, "it is of no type that can be sent: builtins.type"),
        ([Point(1)], "an instance of a registered class must be the message itself, or a field of one: "),
        ({"a": Point(1)}, "an instance of a registered class must be the message itself, or a field of one: "),
        (Path("a", [1j]), "complex"),  # type: ignore[list-item]
        (Path("\ud800"), "surrogates not allowed"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_can_not_be_sent_is_told_to_the_sender(message, why):
    with pytest.raises(UnsendableMessage) as caught:
        messages.encode(message)
    assert str(caught.value).startswith("the message can't be sent to other actors: ")
    assert why in str(caught.value)
    with pytest.raises(UnsendableMessage):
        messages.copy(message)


def test_what_contains_itself_or_is_too_deep_can_not_be_sent():
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for message in (endless, deep):
        with pytest.raises(UnsendableMessage, match="recursion"):
            messages.encode(message)


@pytest.mark.parametrize("size", [100, 101])
def test_the_size_is_of_the_bytes(size):
    small = Messages(max_size=100)
    text = "x" * (size - 2)  # and two bytes for type and length
    if size <= 100:
        assert small.decode(small.encode(text)) == text
    else:
        with pytest.raises(MessageTooLarge, match="the message has 101 bytes, of at most 100"):
            small.encode(text)


def test_a_mebibyte_is_the_limit_unless_another_is_set():
    assert len(messages.encode(bytes(1024 * 1024 - 5))) == 1024 * 1024
    with pytest.raises(MessageTooLarge):
        messages.encode(bytes(1024 * 1024 - 4))


@given(sendable)
def test_a_copy_is_what_would_arrive_and_shares_nothing_that_can_change(message):
    copy = messages.copy(message)
    assert copy == message
    assert copy is not message or not isinstance(message, list | dict)


@pytest.mark.parametrize("message", ["x" * 100, "\xe4" * 100, b"x" * 100, 2**63, 1.5])
def test_scalars_are_not_copied(message):
    assert messages.copy(message) is message


@pytest.mark.parametrize("message", ["x" * 96, "\xe4" * 48, b"x" * 96])
def test_a_copy_has_the_limit_of_the_original(message):
    small = Messages(max_size=len(messages.encode(message)) - 1)
    with pytest.raises(MessageTooLarge):
        small.copy(message)
    small.max_size += 1
    assert small.copy(message) == message


# Registering


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (int, "it must be a dataclass, an attrs class or a msgspec.Struct"),
        (Colour, "it must be a dataclass, an attrs class or a msgspec.Struct"),
        (Point(1), "messages are registered as a class, or as"),
        ("Point", "messages are registered as a class, or as"),
        (None, "messages are registered as a class, or as"),
        (list[int], "messages are registered as a class, or as"),
        ((Point, 5), "messages are registered as a class, or as"),
        ((Point, "a", "b"), "messages are registered as a class, or as"),
        (attrs.make_class("Private", {"_x": attrs.field(default=1)}), "its private field _x would be left out"),
        (dataclasses.make_dataclass("Lost", [("x", "Nowhere")]), "its fields can't be read from their annotations: "),
    ],
    ids=repr,
)
def test_what_can_not_be_registered_is_refused_at_once(item, why):
    with pytest.raises(TypeError, match=r"registered|can't be sent") as caught:
        Messages([item])
    assert why in str(caught.value)


def test_two_classes_of_one_name_need_tags():
    other = dataclasses.make_dataclass("Point", [("z", int)])
    with pytest.raises(ValueError, match="two classes have the tag 'Point'; register one of them as"):
        Messages([Point, other])
    both = Messages([Point, (other, "other")])
    assert both.decode(both.encode(Point(1))) == Point(1)
    assert both.decode(both.encode(other(2))) == other(2)


def test_the_same_class_may_be_registered_again():
    again = Messages([Point, Point, (Point, "Point")])
    assert again.decode(again.encode(Point(1))) == Point(1)


# What comes from others


def test_what_nobody_here_has_registered_can_not_be_read():
    with pytest.raises(MalformedMessage, match="no class is registered for the tag 'Point' on this node"):
        Messages().decode(messages.encode(Point(1)))


def test_fields_are_checked_when_they_arrive():
    wrong = Point("one")  # type: ignore[arg-type]
    with pytest.raises(MalformedMessage, match=r"Expected `int`, got `str` - at `\$.x`"):
        messages.decode(messages.encode(wrong))


def test_whatever_a_class_raises_for_what_came_is_malformed():
    @dataclasses.dataclass
    class Picky:
        x: int

        def __post_init__(self) -> None:
            if self.x > 1:
                raise AttributeError("too much")

    picky = Messages([Picky])
    value = Picky(1)
    value.x = 2
    with pytest.raises(MalformedMessage, match="too much"):
        picky.decode(picky.encode(value))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\xc0\xc0",
        b"\xa1\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x81\x80\x00",
        b"\xd4\x02\x00",
        b"\xd4\x01\x00",
        b"\xd7\xff" + b"\xff" * 8,
    ],
    ids=repr,
)
def test_bytes_that_are_no_message_are_malformed(data):
    with pytest.raises(MalformedMessage, match="a message from another node can't be read"):
        messages.decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_malformed(data):
    try:
        messages.decode(data)
    except MalformedMessage:
        pass


@given(st.sampled_from([Path("name", [Point(1), Point(2)]), {"a": [1, None, "x"]}, "text"]), st.data())
def test_a_message_with_one_byte_changed_is_a_message_or_malformed(message, data):
    encoded = bytearray(messages.encode(message))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        messages.decode(bytes(encoded))
    except MalformedMessage:
        pass
