"""Options: each default is documented, each bound is checked once, each mistake is named."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from math import inf, nan
from typing import Any

import attrs
import pytest

from actorws import config
from actorws.config import Backpressure, Coalesce, Config, ServerConfig
from actorws.exceptions import ConfigError
from actorws.sessions.policies import DefaultCleanupPolicy

#: Option: the smallest value, a value just below it.
ROUTE_NUMBERS: dict[str, tuple[float, float]] = {
    "max_message_size": (1, 0),
    "max_fragments": (1, 0),
    "max_connections": (0, -1),
    "max_connections_per_address": (0, -1),
    "max_frames_per_second": (0.001, 0.0),
    "max_bytes_per_second": (0.001, 0.0),
    "max_control_frames_per_second": (0.001, 0.0),
    "rate_burst": (0.05, 0.049),
    "idle_timeout": (0.001, 0.0),
    "close_timeout": (0.001, 0.0),
    "callback_timeout": (0.001, 0.0),
    "terminate_timeout": (0.001, 0.0),
    "ping_margin": (0.001, 0.0),
    "backpressure_limit": (1, 0),
    "high_water_mark": (0, -1),
    "mailbox_messages": (1, 0),
    "mailbox_bytes": (1, 0),
    "slow_callback": (0.0, -0.1),
    "compression_threshold": (0, -1),
    "compression_max_size": (1, 0),
    "session_open_timeout": (0.001, 0.0),
    "session_resume_timeout": (0.0, -0.1),
    "session_buffer_messages": (1, 0),
    "session_buffer_bytes": (1, 0),
    "poll_timeout": (0.001, 0.0),
    "poll_messages": (1, 0),
    "stream_heartbeat": (0.001, 0.0),
}
#: Option: the smallest value, the largest.
CHOICES: dict[str, tuple[int, int]] = {
    "compression_level": (1, 9),
    "compression_memory_level": (1, 9),
    "server_max_window_bits": (9, 15),
    "client_max_window_bits": (9, 15),
}
SERVER_NUMBERS: dict[str, tuple[float, float]] = {
    "max_accepts_per_second": (0.001, 0.0),
    "handshake_timeout": (0.001, 0.0),
    "max_head_size": (64, 63),
    "max_headers": (1, 0),
    "max_body_size": (0, -1),
    "keep_alive_timeout": (0.001, 0.0),
    "handler_timeout": (0.001, 0.0),
    "drain_timeout": (0.001, 0.0),
    "backlog": (1, 0),
}
NONE_ALLOWED = {
    "max_connections",
    "max_connections_per_address",
    "max_frames_per_second",
    "max_bytes_per_second",
    "max_control_frames_per_second",
    "max_accepts_per_second",
    "idle_timeout",
    "callback_timeout",
    "backlog",
}
BOOLEANS = {
    "send_pings",
    "close_on_backpressure_limit",
    "subprotocol_required",
    "compression",
    "server_context_takeover",
    "client_context_takeover",
    "resumable",
}
POLICIES = {"output_policy", "mailbox_policy"}
#: Those with a test of their own below.
OTHERS = {"overload_body", "rate_policy", "cleanup_policy", "transports"}
SEQUENCES = {"subprotocols", "allowed_origins", "allowed_hosts"}

NUMBERS: list[Any] = [(Config().replace, name, *bound) for name, bound in ROUTE_NUMBERS.items()]
NUMBERS += [(ServerConfig.of, name, *bound) for name, bound in SERVER_NUMBERS.items()]
numbers = pytest.mark.parametrize(("make", "name", "least", "below"), NUMBERS, ids=[row[1] for row in NUMBERS])


def groups() -> list[Any]:
    """The option groups of a default ``Config``."""
    return [getattr(Config(), group.name) for group in attrs.fields(Config)]


def value_of(made: Config | ServerConfig, name: str) -> Any:
    """The option ``name``, whichever group it is in."""
    holders = [made] if isinstance(made, ServerConfig) else [getattr(made, g.name) for g in attrs.fields(Config)]
    return next(getattr(holder, name) for holder in holders if hasattr(holder, name))


def test_these_tests_know_every_option() -> None:
    route = {option.name for group in groups() for option in attrs.fields(type(group))}
    assert route == {*ROUTE_NUMBERS, *CHOICES, *BOOLEANS, *POLICIES, *SEQUENCES, *OTHERS}
    assert {option.name for option in attrs.fields(ServerConfig)} == set(SERVER_NUMBERS)


def test_no_two_groups_share_an_option_so_that_options_can_be_given_flat() -> None:
    names = [option.name for group in groups() for option in attrs.fields(type(group))]
    assert len(names) == len(set(names))


def test_the_defaults_are_the_ones_promised() -> None:
    made = Config()
    assert (made.limits.max_message_size, made.limits.max_connections) == (1024 * 1024, None)
    assert (made.timeouts.idle_timeout, made.timeouts.close_timeout, made.timeouts.terminate_timeout) == (60, 5, 5)
    assert (made.keepalive.send_pings, made.keepalive.ping_margin) == (True, 20)
    assert (made.backpressure.backpressure_limit, made.backpressure.high_water_mark) == (16 * 1024**2, 64 * 1024)
    assert (made.mailbox.mailbox_messages, made.mailbox.mailbox_bytes) == (1000, 4 * 1024**2)
    assert (made.mailbox.mailbox_policy, made.mailbox.slow_callback) == ("close", 0.05)
    assert (made.handshake.subprotocols, made.handshake.allowed_origins) == ((), None)
    assert (made.limits.has_rates, made.limits.rate_burst, made.limits.rate_policy) == (False, 1, "throttle")
    assert made.compression.compression is False
    server = ServerConfig()
    assert (server.handshake_timeout, server.max_head_size, server.max_headers) == (10, 16 * 1024, 100)
    assert server.drain_timeout == 10


@numbers
def test_a_number_at_its_bound_is_taken(make: Any, name: str, least: float, below: float) -> None:
    assert value_of(make(**{name: least}), name) == least


@numbers
def test_a_number_below_its_bound_is_refused_by_name_and_value(
    make: Any, name: str, least: float, below: float
) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**{name: below})
    kind = "whole number" if type(least) is int else "number"
    assert str(caught.value).startswith(f"{name} must be a {kind} of at least {least:g}")
    assert str(caught.value).endswith(f"not {below!r}")


@numbers
@pytest.mark.parametrize("value", ["5", True, inf, nan, [1], 1j])
def test_what_is_no_finite_number_is_refused(make: Any, name: str, least: float, below: float, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be a (whole )?number"):
        make(**{name: value})


@numbers
def test_half_of_something_countable_is_refused(make: Any, name: str, least: float, below: float) -> None:
    if type(least) is int:
        with pytest.raises(ConfigError, match=f"{name} must be a whole number"):
            make(**{name: 1.5})
    else:
        assert value_of(make(**{name: 1.5}), name) == 1.5


@numbers
def test_none_is_taken_only_where_it_means_without_limit(make: Any, name: str, least: float, below: float) -> None:
    if name in NONE_ALLOWED:
        assert value_of(make(**{name: None}), name) is None
    else:
        with pytest.raises(ConfigError, match=f"{name} must be a (whole )?number of at least [0-9.]+, not None"):
            make(**{name: None})


@pytest.mark.parametrize("name", sorted(BOOLEANS))
def test_a_switch_is_true_or_false_and_nothing_that_looks_like_it(name: str) -> None:
    assert value_of(Config().replace(**{name: True}), name) is True
    for value in (1, 0, "yes", None):
        with pytest.raises(ConfigError, match=f"{name} must be True or False, not {value!r}"):
            Config().replace(**{name: value})


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_policy_is_one_of_three_words_or_coalesce(name: str) -> None:
    for policy in ("drop_new", "drop_old", "close", Coalesce(str)):
        assert value_of(Config().replace(**{name: policy}), name) == policy
    for value in ("drop", "", None, Coalesce, len):
        with pytest.raises(ConfigError, match=f"{name} must be 'drop_new', 'drop_old', 'close' or Coalesce"):
            Config().replace(**{name: value})


@pytest.mark.parametrize(("name", "least", "most"), [(name, *bounds) for name, bounds in CHOICES.items()])
def test_a_number_out_of_a_range_is_taken_within_it_and_refused_outside(name: str, least: int, most: int) -> None:
    for value in (least, most):
        assert value_of(Config().replace(**{name: value}), name) == value
    for bad in (least - 1, most + 1, float(least), True, None, str(least)):
        with pytest.raises(ConfigError, match=f"{name} must be a whole number from {least} to {most}, not {bad!r}"):
            Config().replace(**{name: bad})


@pytest.mark.parametrize("name", sorted(SEQUENCES))
def test_a_list_given_for_names_is_kept_as_a_tuple(name: str) -> None:
    assert value_of(Config().replace(**{name: ["a", "b"]}), name) == ("a", "b")


def test_an_unknown_option_is_named_and_all_options_are_listed() -> None:
    with pytest.raises(ConfigError) as caught:
        Config().replace(idle_timout=3)
    assert str(caught.value).startswith("there is no option 'idle_timout'; the options are allowed_hosts, ")
    for name in (*ROUTE_NUMBERS, *CHOICES, *BOOLEANS, *POLICIES, *SEQUENCES, *OTHERS):
        assert name in str(caught.value)


def test_an_unknown_server_option_is_named_and_all_server_options_are_listed() -> None:
    with pytest.raises(ConfigError) as caught:
        ServerConfig.of(port=3)
    assert str(caught.value).startswith("there is no server option 'port'; the options are backlog, drain_timeout, ")


def test_a_config_error_is_a_value_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="there is no option"):
        Config().replace(nonsense=1)


def test_replace_changes_only_what_it_is_given_and_never_the_original() -> None:
    before = Config()
    after = before.replace(idle_timeout=None, max_message_size=5).replace(close_timeout=1)
    assert after.timeouts == config.Timeouts(idle_timeout=None, close_timeout=1)
    assert after.limits == config.Limits(max_message_size=5)
    assert after.mailbox == before.mailbox
    assert before == Config()


def test_replace_without_options_is_an_equal_config() -> None:
    assert Config().replace() == Config()


def test_options_cannot_be_changed_once_they_were_checked() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Backpressure().backpressure_limit = -1  # type: ignore[misc]


@pytest.mark.parametrize("group", [*(type(g) for g in groups()), ServerConfig], ids=lambda group: group.__name__)
def test_each_option_has_a_line_that_says_what_it_means(group: type) -> None:
    """A string directly below each field, as attrs' fields have no docstring of their own."""
    body = ast.parse(inspect.getsource(group)).body[0].body  # type: ignore[attr-defined]
    for statement, following in pairwise(body):
        if isinstance(statement, ast.AnnAssign):
            documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            assert documented, ast.unparse(statement.target)


def test_what_is_done_about_a_rate_is_one_of_two_words() -> None:
    for policy in ("throttle", "close"):
        assert Config().replace(rate_policy=policy).limits.rate_policy == policy
    for value in ("drop_new", "", None, 1):
        with pytest.raises(ConfigError, match=f"rate_policy must be 'throttle' or 'close', not {value!r}"):
            Config().replace(rate_policy=value)


@pytest.mark.parametrize("name", ["max_frames_per_second", "max_bytes_per_second", "max_control_frames_per_second"])
def test_any_rate_makes_a_route_one_that_is_metered(name: str) -> None:
    assert Config().replace(**{name: 10}).limits.has_rates


def test_a_cleanup_policy_is_an_object_that_can_decide() -> None:
    policy = DefaultCleanupPolicy(resume_timeout=5)
    assert Config().sessions.cleanup_policy is None
    assert Config().replace(cleanup_policy=policy).sessions.cleanup_policy is policy
    for value in (DefaultCleanupPolicy, "default", 30, object()):
        with pytest.raises(ConfigError, match="cleanup_policy must be an object with begin and should_cleanup and"):
            Config().replace(cleanup_policy=value)


def test_the_transports_of_a_route_are_some_of_four() -> None:
    assert Config().sessions.transports == ("websocket", "sse", "stream", "poll")
    assert Config().replace(transports=["poll", "sse"]).sessions.transports == ("poll", "sse")
    for value in ((), ("websockets",), ("sse", "")):
        with pytest.raises(ConfigError, match="transports must be some of websocket, sse, stream, poll, not"):
            Config().replace(transports=value)
    with pytest.raises(ConfigError, match="expected several strings"):
        Config().replace(transports="sse")


def test_the_times_and_bounds_of_sessions_are_the_ones_promised() -> None:
    made = Config().sessions
    assert (made.resumable, made.session_open_timeout, made.session_resume_timeout) == (False, 30, 30)
    assert (made.session_buffer_messages, made.session_buffer_bytes) == (1000, 1024 * 1024)
    assert (made.poll_timeout, made.poll_messages, made.stream_heartbeat) == (25, 100, 15)


def test_the_words_for_those_above_the_cap_are_a_string() -> None:
    assert Config().replace(overload_body="come back later").limits.overload_body == "come back later"
    with pytest.raises(ConfigError, match="overload_body must be a str, not b'later'"):
        Config().replace(overload_body=b"later")


@pytest.mark.parametrize("name", ["subprotocols", "allowed_origins", "allowed_hosts"])
def test_one_string_is_not_taken_for_its_letters(name: str) -> None:
    with pytest.raises(ConfigError, match=r"expected several strings, such as \('chat',\), not 'chat'"):
        Config().replace(**{name: "chat"})
