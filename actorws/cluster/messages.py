"""Messages: what actors send each other, to bytes and back (msgpack, by ``msgspec``).

Rules owned here: a message is of a closed set of types, so that it arrives as it was sent, and whatever isn't is told
to its sender; nothing that comes in is ever executed (no pickle). Must not know where the bytes go.

=============================================  ==========================================================
may be sent                                    arrives as
=============================================  ==========================================================
``None bool int float str bytes``              itself (``int`` of 64 bits: -2**63 to 2**64-1)
``list``, ``tuple``, ``dict`` of them          a new one (keys of a dict: ``str``, ``int``, ``bytes``)
aware ``datetime``                             the same instant, in UTC
a registered dataclass, attrs class or         an equal one; its fields may be of any type that msgspec
``msgspec.Struct``                             knows, as annotated, and are checked when it arrives
=============================================  ==========================================================

Subclasses, sets and the like are refused: they would arrive as something else. So are attrs classes with private
fields, of which ``msgspec`` would leave these out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime
from operator import is_not
from typing import Any, Final

import attrs
import msgspec
from msgspec.msgpack import Ext

from actorws.exceptions import MalformedMessage, MessageTooLarge, UnsendableMessage

__all__ = ["MAX_MESSAGE_SIZE", "SCALARS", "Messages"]

MAX_MESSAGE_SIZE: Final = 1024 * 1024
#: Types whose values can't change and are the same everywhere: within a process they need no encoding.
SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})
#: Those of them that can always be sent.
ALWAYS: Final = frozenset({type(None), bool, float})
MIN_INT, MAX_INT = -(2**63), 2**64 - 1
#: Bytes of type and length before the longest str or bytes.
HEAD = 5
KEYS: Final = frozenset({str, int, bytes})
#: msgpack's extension types: for registered classes (the tag and the fields), and for tuples (an array of the items).
REGISTERED: Final = 1
TUPLE: Final = 2


class Messages:
    """The codec of one runtime. ``types`` are the registered classes, each known by its name or ``(class, tag)``."""

    def __init__(self, types: Iterable[type | tuple[type, str]] = (), max_size: int = MAX_MESSAGE_SIZE) -> None:
        """Raises ``TypeError`` for what can't be registered, ``ValueError`` for a tag that another class has."""
        self.max_size = max_size
        self._tags: dict[type, str] = {}
        self._decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {}
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(ext_hook=self._decode_extension).decode
        self._decode_tuple = msgspec.msgpack.Decoder(tuple[Any, ...], ext_hook=self._decode_extension).decode
        self._decode_tagged = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw]).decode
        for item in types:
            match item:
                case (type() as cls, str(tag)) | (type(__name__=tag) as cls):
                    self._register(cls, tag)
                case _:
                    raise TypeError(f"messages are registered as a class, or as (class, tag), not as {item!r}")

    def _register(self, cls: type, tag: str) -> None:
        if not _is_record(cls):
            raise TypeError(f"{cls!r} can't be sent: it must be a dataclass, an attrs class or a msgspec.Struct")
        private = [field.name for field in attrs.fields(cls) if field.name.startswith("_")] if attrs.has(cls) else []
        if private:
            raise TypeError(f"{cls!r} can't be sent: its private field {private[0]} would be left out")
        if self._tags.get(cls) == tag:
            return
        if tag in self._decoders:
            raise ValueError(f"two classes have the tag {tag!r}; register one of them as (class, another tag)")
        decoder: msgspec.msgpack.Decoder[Any]
        try:
            decoder = msgspec.msgpack.Decoder(cls)
        except Exception as error:  # of many kinds: an annotation that can't be resolved, or means nothing to msgspec
            raise TypeError(
                f"{cls!r} can't be sent: its fields can't be read from their annotations: {error}"
            ) from None
        self._tags[cls] = tag
        self._decoders[tag] = decoder

    def encode(self, message: Any) -> bytes:
        """A message's bytes.

        Raises ``UnsendableMessage`` for what is of no type that can be sent, ``MessageTooLarge`` above ``max_size``.
        """
        try:
            tag = self._tags.get(type(message))
            if tag is None:
                data = self._encode(message if type(message) in SCALARS else self._written(message))
            else:
                fields = msgspec.Raw(self._encode(message))
                data = self._encode(Ext(REGISTERED, self._encode([tag, fields])))
        except (msgspec.MsgspecError, OverflowError, ValueError, RecursionError, TypeError) as error:
            raise UnsendableMessage(f"the message can't be sent to other actors: {error}") from None
        if len(data) > self.max_size:
            raise MessageTooLarge(f"the message has {len(data)} bytes, of at most {self.max_size}")
        return data

    def decode(self, data: bytes) -> Any:
        """The message. Raises ``MalformedMessage`` for what ``encode`` of this or another node has not made."""
        try:
            return self._decode(data)
        except Exception as error:  # anything: a registered class may have code of its own, and foreign values for it
            raise MalformedMessage(f"a message from another node can't be read: {error}") from None

    def _decode_extension(self, code: int, data: memoryview) -> Any:
        if code == TUPLE:
            return self._decode_tuple(data)
        if code != REGISTERED:
            raise ValueError(f"extension {code} is unknown")
        tag, fields = self._decode_tagged(data)
        decoder = self._decoders.get(tag)
        if decoder is None:
            raise ValueError(f"no class is registered for the tag {tag!r} on this node")
        return decoder.decode(fields)

    def copy(self, message: Any) -> Any:
        """The message as it would arrive at another node. Raises as ``encode``."""
        kind = type(message)
        if (kind is str and message.isascii()) or kind is bytes:
            if len(message) + HEAD <= self.max_size:
                return message
        elif (kind is int and MIN_INT <= message <= MAX_INT) or kind in ALWAYS:
            return message
        return self.arrived(message, self.encode(message))

    def arrived(self, message: Any, data: bytes) -> Any:
        """As ``copy``, of a message that was encoded as ``data``."""
        return message if _never_changes(message) else self.decode(data)

    def _written(self, value: Any) -> Any:
        """What msgpack gets: ``value``, each tuple an extension. Raises ``TypeError`` for what is refused."""
        kind = type(value)
        if kind in SCALARS:
            return value
        if kind is dict:
            if not KEYS.issuperset(map(type, value)):
                raise TypeError(f"the keys of a dict must be str, int or bytes: {value!r:.100}")
            values = list(value.values())
            written = self._written_items(values)
            return value if written is values else dict(zip(value, written, strict=True))
        if kind is list:
            return self._written_items(value)
        if kind is tuple:
            return Ext(TUPLE, self._encode(self._written_items(list(value))))
        if kind is not datetime:
            raise TypeError(self._why_not(value))
        if value.tzinfo is None:
            raise TypeError(f"a datetime needs a time zone: {value!r}")
        return value

    def _written_items(self, values: list[Any]) -> list[Any]:
        # One pass in C for what holds nothing but scalars, as most do.
        if SCALARS.issuperset(map(type, values)):
            return values
        written = [self._written(value) for value in values]
        return written if any(map(is_not, written, values)) else values

    def _why_not(self, value: Any) -> str:
        kind = type(value)
        what = f"{kind.__module__}.{kind.__qualname__}: {value!r:.100}"
        if kind in self._tags:
            return f"an instance of a registered class must be the message itself, or a field of one: {what}"
        if _is_record(kind):
            return f"its class must be registered (Websocket.messages or App.message): {what}"
        return f"it is of no type that can be sent: {what}"


def _never_changes(message: Any) -> bool:
    """Whether a message can be shared: nobody can tell it from a new one."""
    kind = type(message)
    return kind in SCALARS or (kind is tuple and SCALARS.issuperset(map(type, message)))


def _is_record(cls: type) -> bool:
    return dataclasses.is_dataclass(cls) or attrs.has(cls) or issubclass(cls, msgspec.Struct)
