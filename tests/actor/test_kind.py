"""What is decided once per class: is it complete, which callbacks are async, which options hold."""

from __future__ import annotations

import pytest

from actorws import BehaviourError, Coalesce, ConfigError, Websocket
from actorws.actor.kind import Kind


class Least(Websocket):
    def handle_client_message(self, state, conn, frame):
        return state, frame


def with_callback(name, callback):
    return type("Made", (Least,), {name: callback})


def test_the_least_behaviour_will_do():
    kind = Kind(Least)
    assert kind.name == "Least"
    assert not (kind.init_is_async or kind.client_is_async or kind.terminate_is_async or kind.wants_drain)


async def one(self, conn):
    return None, []


def test_async_callbacks_are_found():
    kind = Kind(with_callback("init", one))
    assert kind.init_is_async
    assert not kind.client_is_async


def test_an_instance_brings_its_arguments():
    class Greeting(Least):
        def __init__(self, text):
            self.text = text

    assert Kind(Greeting("hello")).behaviour.text == "hello"
    with pytest.raises(BehaviourError, match="Greeting can't be made without arguments"):
        Kind(Greeting)


@pytest.mark.parametrize("wrong", [object(), object, "Chat", None, Websocket, Websocket()])
def test_what_is_no_behaviour_is_told(wrong):
    with pytest.raises(BehaviourError):
        Kind(wrong)


def generator(self, state, conn, frame):
    yield state, frame


async def async_generator(self, state, conn, frame):
    yield state, frame


@pytest.mark.parametrize(
    "name, callback, words",
    [
        ("handle_client_message", lambda self, frame: None, "must take 3 arguments"),
        ("handle_drain", lambda self, state: None, "handle_drain(self, state, conn)"),
        ("terminate", "not a method", "must be a method"),
        ("handle_client_message", generator, "is a generator"),
        ("handle_client_message", async_generator, "is a generator"),
    ],
)
def test_a_callback_that_can_not_be_called_is_told_with_its_name(name, callback, words):
    with pytest.raises(BehaviourError) as caught:
        Kind(with_callback(name, callback))
    assert f"Made.{name}" in str(caught.value)
    assert words in str(caught.value)


def test_the_routes_options_win_over_those_of_the_class():
    class Optional(Least):
        options = {"idle_timeout": 5, "close_timeout": 6}

    timeouts = Kind(Optional, idle_timeout=7).config.timeouts
    assert (timeouts.idle_timeout, timeouts.close_timeout) == (7, 6)
    with pytest.raises(ConfigError, match="nonsense"):
        Kind(Optional, nonsense=1)


def test_setting_an_attribute_while_serving_is_an_error():
    behaviour = Least()
    Kind(behaviour)
    with pytest.raises(AttributeError, match="keep what belongs to a connection in the state"):
        behaviour.count = 1


@pytest.mark.parametrize("code", [1005, 999, 5000, "1000"])
def test_a_close_code_that_may_not_be_sent_is_told(code):
    with pytest.raises(BehaviourError, match="KeyError"):
        Kind(type("Made", (Least,), {"close_codes": {KeyError: code}}))


def test_what_is_to_happen_without_a_lease_must_be_known():
    with pytest.raises(BehaviourError, match=r"Made\.on_lease_lost must be 'end' or 'inform', not 'stay'"):
        Kind(type("Made", (Least,), {"on_lease_lost": "stay"}))


def test_the_nearest_base_class_says_the_close_code():
    kind = Kind(type("Made", (Least,), {"close_codes": {LookupError: 4001, Exception: 4002}}))
    assert [kind.close_code_for(error) for error in (KeyError(), ValueError(), SystemExit())] == [4001, 4002, 1011]


def test_resumable_is_said_by_the_class_the_options_win_and_a_mistake_is_told():
    class Lasting(Least):
        resumable = True

    class Mistaken(Least):
        resumable = "yes"

    assert Kind(Lasting).config.sessions.resumable
    assert not Kind(Lasting, resumable=False).config.sessions.resumable
    with pytest.raises(ConfigError, match="resumable must be True or False, not 'yes'"):
        Kind(Mistaken)


@pytest.mark.parametrize("policy", ["drop_old", Coalesce(len)])
def test_what_a_client_sends_must_not_refer_to_what_may_be_dropped(policy):
    options = {"client_context_takeover": True, "output_policy": policy}
    assert Kind(Least, **options)
    assert Kind(Least, is_client=True, client_context_takeover=True)
    with pytest.raises(ConfigError, match="client_context_takeover"):
        Kind(Least, is_client=True, **options)
