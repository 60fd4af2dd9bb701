"""permessage-deflate, client side: what is offered, and what may be made of it. The other end is websockets' server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.headers import build_extension, parse_extension

from actorws.config import Compression
from actorws.protocol.deflate import Inflater
from actorws.protocol.deflate_offer import agree, offer

OURS = Compression(compression=True)


def answer(offered: str | None, **asked: Any) -> tuple[str, PerMessageDeflate]:
    """What a server that wants ``asked`` says to an offer, and its own end."""
    assert offered is not None
    ((name, parameters),) = parse_extension(offered)
    factory = ServerPerMessageDeflateFactory(**asked)
    chosen, extension = factory.process_request_params(parameters, [])
    return build_extension([(name, chosen)]), extension


@pytest.mark.parametrize(
    ("options", "value"),
    [
        (Compression(), None),
        (
            OURS,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
        ),
        (
            Compression(compression=True, server_context_takeover=True, client_context_takeover=True),
            "permessage-deflate; client_max_window_bits",
        ),
        (
            Compression(
                compression=True,
                server_context_takeover=True,
                client_context_takeover=True,
                server_max_window_bits=10,
                client_max_window_bits=9,
            ),
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
        ),
    ],
)
def test_an_offer_says_what_the_options_say(options: Compression, value: str | None) -> None:
    assert offer(options) == value


def test_a_server_that_says_nothing_of_it_wants_none() -> None:
    assert agree(None, OURS) is None


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("", "its Sec-WebSocket-Extensions is not a list of extensions"),
        ("permessage-deflate; =", "its Sec-WebSocket-Extensions is not a list of extensions"),
        ("x-webkit-deflate-frame", "it uses extensions that were not offered: 'x-webkit-deflate-frame'"),
        (
            "permessage-deflate, permessage-deflate",
            "it uses extensions that were not offered: 'permessage-deflate, permessage-deflate'",
        ),
        ("permessage-deflate; server_no_context_takeover; a", "it agreed to a compression that was not offered: "),
        ("permessage-deflate; server_no_context_takeover=1", "it agreed to a compression that was not offered: "),
        (
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "it agreed to a compression that was not offered: ",
        ),
        ("permessage-deflate; server_max_window_bits=7", "it agreed to a compression that was not offered: "),
        ("permessage-deflate; client_max_window_bits", "it agreed to a compression that was not offered: "),
        ("permessage-deflate", "it agreed to a compression that was not offered: expected server_no_context_takeover"),
        (
            "permessage-deflate; server_no_context_takeover; client_max_window_bits=8",
            "it asks for a window of 8 bits (client_max_window_bits), which zlib can't compress with",
        ),
        (
            'permessage-deflate; client_max_window_bits="8"; server_no_context_takeover; client_no_context_takeover',
            "it asks for a window of 8 bits (client_max_window_bits), which zlib can't compress with",
        ),
    ],
)
def test_an_answer_that_was_not_offered_is_an_error_in_words(value: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        agree(value, OURS)
    assert str(refused.value).startswith(sentence)


def test_nothing_may_be_used_where_nothing_was_offered() -> None:
    with pytest.raises(ValueError, match=r"^it uses extensions that were not offered: 'permessage-deflate'$"):
        agree("permessage-deflate", Compression())


def test_a_window_may_be_smaller_than_offered_and_not_larger() -> None:
    narrow = Compression(compression=True, server_max_window_bits=10, client_max_window_bits=10)
    beginning = "permessage-deflate; server_no_context_takeover; "
    agreed = agree(beginning + "server_max_window_bits=8; client_max_window_bits=9", narrow)
    assert agreed is not None
    assert (agreed.extension.remote_max_window_bits, agreed.extension.local_max_window_bits) == (8, 9)
    for bits in ("server_max_window_bits=11", "server_max_window_bits=10; client_max_window_bits=11", ""):
        with pytest.raises(ValueError, match=r"^it agreed to a compression that was not offered: "):
            agree(beginning.rstrip("; ") + "; " * bool(bits) + bits, narrow)


@given(
    ours=st.fixed_dictionaries(
        {},
        optional={
            "server_context_takeover": st.booleans(),
            "client_context_takeover": st.booleans(),
            "server_max_window_bits": st.integers(9, 15),
            "client_max_window_bits": st.integers(9, 15),
        },
    ),
    theirs=st.fixed_dictionaries(
        {},
        optional={
            "server_no_context_takeover": st.booleans(),
            "client_no_context_takeover": st.booleans(),
            "server_max_window_bits": st.integers(9, 15),
            "client_max_window_bits": st.integers(9, 15),
        },
    ),
)
def test_what_both_have_settled_on_carries_messages_both_ways(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    options = Compression(compression=True, **ours)
    header, server = answer(offer(options), **theirs)
    agreed = agree(header, options)
    assert agreed is not None and agreed.header == header
    client = agreed.extension
    assert client.local_no_context_takeover >= server.remote_no_context_takeover
    assert client.remote_no_context_takeover == server.local_no_context_takeover
    assert client.local_max_window_bits <= server.remote_max_window_bits
    assert client.remote_max_window_bits == server.local_max_window_bits
    for sender, receiver in ((client, server), (server, client)):
        inflater = Inflater(receiver)
        for message in (b"actor " * 9000, b"actor " * 9000, b"x"):
            payload = bytes(sender.encode(Frame(Opcode.BINARY, message)).data)
            assert inflater.inflate(payload, first=True, last=True, room=99999, limit=99999) == message
