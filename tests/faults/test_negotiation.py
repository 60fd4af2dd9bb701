"""Extensions and subprotocols: nobody gets what they haven't offered, and bad offers are declined or refused."""

from __future__ import annotations

from tests.support.attacker import naming
from tests.support.faults import Target
from tests.support.requests import let_in, only_response, refused
from tests.support.wire import connect, handshake

#: Offers that can't be met.
DECLINED = (
    "permessage-deflate; client_max_window_bits=7",
    "permessage-deflate; client_max_window_bits=16",
    "permessage-deflate; client_max_window_bits=015",
    "permessage-deflate; client_max_window_bits=1e1",
    "permessage-deflate; server_max_window_bits",
    "permessage-deflate; server_max_window_bits=7",
    "permessage-deflate; server_max_window_bits=99999999999999999999",
    "permessage-deflate; server_no_context_takeover=1",
    "permessage-deflate; client_no_context_takeover=true",
    "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
    "permessage-deflate; x",
    "permessage-deflate; x=1",
    "x-webkit-deflate-frame",
    "permessage-bzip2; a=b, x-unknown",
    "deflate-frame, permessage-snappy",
)
#: What is no list of extensions (RFC 6455 section 9.1).
MALFORMED = (
    "",
    ";",
    "permessage-deflate;",
    "permessage-deflate; ;",
    "permessage-deflate; =1",
    "permessage-deflate; a=",
    'permessage-deflate; a="',
    'permessage-deflate; a="b c"',
    'permessage-deflate; a="1; permessage-deflate"',
    "permessage deflate",
    "(permessage-deflate)",
    "permessage-deflate/1",
)


async def test_an_extension_that_is_not_served_is_declined(shared_target: Target) -> None:
    """Where compression is off every offer is, well-formed or not; nothing of it is echoed."""
    offers = (*DECLINED, *MALFORMED, "permessage-deflate", "permessage-deflate; client_max_window_bits")
    cases = {offer: handshake(sec_websocket_extensions=offer) for offer in offers}
    async with shared_target.unharmed(log_lines=0):
        for response in (await let_in(shared_target, cases)).values():
            assert set(response.headers) == {"upgrade", "connection", "sec-websocket-accept"}


async def test_an_offer_that_can_not_be_met_is_declined(shared_target: Target) -> None:
    """RFC 7692 section 5.1: the connection goes on without. What can't be read is a 400."""
    async with shared_target.unharmed():
        cases = {offer: handshake("/big", sec_websocket_extensions=offer) for offer in DECLINED}
        for offer, response in (await let_in(shared_target, cases)).items():
            assert "sec-websocket-extensions" not in response.headers, offer
        await refused(shared_target, {o: (handshake("/big", sec_websocket_extensions=o), 400) for o in MALFORMED})


async def test_of_several_offers_the_first_that_can_be_met_is_agreed_to(shared_target: Target) -> None:
    """With its own parameters, and none of the others'."""
    offer = ", ".join((*DECLINED, "permessage-deflate; server_max_window_bits=10", "permessage-deflate"))
    async with shared_target.unharmed(log_lines=0):
        case = {"several": handshake("/big", sec_websocket_extensions=offer)}
        agreed = (await let_in(shared_target, case))["several"].headers["sec-websocket-extensions"]
    name, *parameters = agreed.split("; ")
    assert (name, set(parameters)) == (
        "permessage-deflate",
        {"server_max_window_bits=10", "server_no_context_takeover", "client_no_context_takeover"},
    )


async def test_a_subprotocol_is_one_that_was_offered_or_none(guarded: Target) -> None:
    """RFC 6455 section 4.2.2: the server's order decides; a client that isn't offered one would have to leave."""
    chosen = {
        "v1": "v1",
        "v1, v2": "v2",
        "v3,v2 ,v1": "v2",
        "v3": None,
        "V2": None,
        "v22": None,
        "v": None,
        "": None,
        None: None,
    }
    async with guarded.unharmed():
        for path in ("/versions", "/versions-only"):
            good, bad = {}, {}
            for offered, choice in chosen.items():
                data = handshake(path, sec_websocket_protocol=offered)
                if choice is None and path == "/versions-only":
                    bad[f"{offered}"] = (data, 400)
                else:
                    good[f"{offered}"] = data
            for offered, response in (await let_in(guarded, good)).items():
                assert response.headers.get("sec-websocket-protocol") == chosen.get(offered), offered
            await refused(guarded, bad)
        malformed = ("v1 v2", "v1;v2", "v1, (v2)", '"v1"', "v1/2", "v\x01")
        await refused(guarded, {p: (handshake("/versions", sec_websocket_protocol=p), 400) for p in malformed})


async def test_a_behaviour_can_not_choose_what_was_not_offered(guarded: Target) -> None:
    async with guarded.unharmed():
        for offered, speak, status in (("a, b", "b", 101), ("a, b", "c", 500), (None, "a", 500)):
            with naming((offered, speak)):
                async with connect(guarded.port) as client:
                    await client.send(handshake(f"/choosing?speak={speak}", sec_websocket_protocol=offered))
                    response = await (client.head() if status == 101 else only_response(client))
                    assert response.status == status
                    assert response.headers.get("sec-websocket-protocol") == ("b" if status == 101 else None)
                    await guarded.answers()
