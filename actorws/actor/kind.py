"""Kind: a behaviour made ready to serve one route.

Rule owned here: everything that can be decided once per class is decided here, before the first connection: which
callbacks are ``async def``, whether they are there and take the right arguments, which options hold. Must not know
any single connection.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from actorws.behaviour import Websocket
from actorws.config import Config
from actorws.exceptions import BehaviourError
from actorws.frames import CloseCode, is_sendable
from actorws.protocol.codec import DecoderRules
from actorws.protocol.shared import SharedDecoder

__all__ = ["Kind"]

#: Callbacks, and the number of arguments each is called with (``self`` not counted).
ARITY = {
    "connect": 1,
    "init": 1,
    "handle_client_message": 3,
    "handle_server_message": 3,
    "handle_drain": 2,
    "terminate": 3,
}


class Kind:
    """One behaviour with its options; shared by all connections of a route."""

    # Plain slots, no properties: the tick reads these for each message.
    __slots__ = (
        "behaviour",
        "callback_timeout",
        "client_is_async",
        "config",
        "connect",
        "connect_is_async",
        "decoder",
        "decoder_rules",
        "drain_is_async",
        "handle_client_message",
        "handle_drain",
        "handle_server_message",
        "init",
        "init_is_async",
        "is_async",
        "is_client",
        "name",
        "rates",
        "receive_control",
        "server_is_async",
        "slow",
        "terminate",
        "terminate_is_async",
        "wants_drain",
    )

    def __init__(
        self,
        behaviour: type[Websocket] | Websocket,
        config: Config | None = None,
        *,
        is_client: bool = False,
        **options: Any,
    ) -> None:
        """``is_client``: for connections that we open. Raises ``BehaviourError`` for a class that can't be served,
        ``ConfigError`` for bad options.
        """
        instance = _instance(behaviour)
        self.behaviour = instance
        self.name = type(instance).__name__
        _check_close_codes(instance)
        if instance.on_lease_lost not in ("end", "inform"):
            raise BehaviourError(f"{self.name}.on_lease_lost must be 'end' or 'inform', not {instance.on_lease_lost!r}")
        given = {} if instance.resumable is False else {"resumable": instance.resumable}
        self.config = (config or Config()).replace(**{**given, **instance.options, **options})
        limits = self.config.limits
        self.decoder_rules = DecoderRules(
            max_message_size=limits.max_message_size, max_fragments=limits.max_fragments, masked=not is_client
        )
        self.decoder = SharedDecoder(self.decoder_rules)
        #: Whether these connections are opened by us: then no limit on those that we accept is about them.
        self.is_client = is_client
        if is_client:
            self.config.check_takeover("client_context_takeover")
        #: The limits on what a client sends in a second, if there are any.
        self.rates = limits if limits.has_rates else None
        self.slow = self.config.mailbox.slow_callback
        self.callback_timeout = self.config.timeouts.callback_timeout
        self.receive_control = instance.receive_control
        self.connect, self.connect_is_async = _callback(instance, "connect")
        self.init, self.init_is_async = _callback(instance, "init")
        self.handle_client_message, self.client_is_async = _callback(instance, "handle_client_message")
        self.handle_server_message, self.server_is_async = _callback(instance, "handle_server_message")
        self.handle_drain, self.drain_is_async = _callback(instance, "handle_drain")
        self.terminate, self.terminate_is_async = _callback(instance, "terminate")
        #: The same by kind of item (``INIT``, ``CLIENT``, ``SERVER``, ``DRAIN``).
        self.is_async = (self.init_is_async, self.client_is_async, self.server_is_async, self.drain_is_async)
        self.wants_drain = type(instance).handle_drain is not Websocket.handle_drain
        object.__setattr__(instance, "_serving", True)

    def close_code_for(self, exception: BaseException) -> int:
        """The close code for an exception of a callback: the behaviour's for its type or nearest base, else 1011."""
        for base in type(exception).__mro__:
            if base in self.behaviour.close_codes:
                return self.behaviour.close_codes[base]
        return CloseCode.INTERNAL_ERROR


def _instance(behaviour: type[Websocket] | Websocket) -> Websocket:
    if isinstance(behaviour, type) and issubclass(behaviour, Websocket):
        try:
            instance = behaviour()
        except TypeError as error:
            raise BehaviourError(
                f"{behaviour.__name__} can't be made without arguments ({error}); give an instance instead of the class"
            ) from error
    elif isinstance(behaviour, Websocket):
        instance = behaviour
    else:
        raise BehaviourError(f"expected a subclass of Websocket or an instance of one, not {behaviour!r}")
    if type(instance).handle_client_message is Websocket.handle_client_message:
        raise BehaviourError(
            f"{type(instance).__name__} needs a handle_client_message(self, state, conn, frame) callback: "
            "it is called with each message of the client"
        )
    return instance


def _callback(instance: Websocket, name: str) -> tuple[Callable[..., Any], bool]:
    callback = getattr(instance, name)
    where = f"{type(instance).__name__}.{name}"
    if not callable(callback):
        raise BehaviourError(f"{where} must be a method, not {callback!r}")
    if inspect.isgeneratorfunction(callback) or inspect.isasyncgenfunction(callback):
        raise BehaviourError(f"{where} is a generator; a callback returns (state, frames) once, without yield")
    try:
        inspect.signature(callback).bind(*[None] * ARITY[name])
    except TypeError:
        expected = ", ".join(["self", *list(inspect.signature(getattr(Websocket, name)).parameters)[1:]])
        raise BehaviourError(
            f"{where}{inspect.signature(callback)} must take {ARITY[name]} arguments: {name}({expected})"
        ) from None
    return callback, inspect.iscoroutinefunction(callback)


def _check_close_codes(instance: Websocket) -> None:
    for exception, code in instance.close_codes.items():
        if not (isinstance(code, int) and is_sendable(code)):
            raise BehaviourError(
                f"{type(instance).__name__}.close_codes[{exception.__name__}] must be a close code that may be sent "
                f"(1000-1003, 1007-1014, 3000-4999), not {code!r}"
            )
