"""Addresses: what was packed comes back as it was."""

from __future__ import annotations

import socket
import sys
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.addresses import host_of, pack, unpack

ports = st.integers(0, 65535)


def as_the_system_writes_it(address: IPv4Address | IPv6Address) -> str:
    """Of some addresses Python's ``str`` is another (``::ffff:0:0``)."""
    return socket.inet_ntop(socket.AF_INET if address.version == 4 else socket.AF_INET6, address.packed)


@given(st.ip_addresses().map(as_the_system_writes_it), ports)
def test_an_ip_address_and_a_port_are_one_number(host: str, port: int) -> None:
    packed = pack((host, port))
    assert isinstance(packed, int) and sys.getsizeof(packed) <= 44
    assert unpack(packed) == (host, port)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "somewhere",
        ("example.org", 80),
        ("fe80::1%eth0", 80),
        ("2001:DB8::1", 80),
        ("0:0:0:0:0:0:0:1", 80),
        ("127.1", 80),
        ("127.0.0.1\0", 80),
        ("127.0.0.1", 65536),
        ("127.0.0.1", -1),
        ("127.0.0.1", None),
        ("127.0.0.1", True),
        ("::1", 80, 0, 0),
        (b"127.0.0.1", 80),
    ],
)
def test_anything_else_comes_back_as_it_is(address: Any) -> None:
    assert pack(address) is address
    assert unpack(pack(address)) is address


@given(st.tuples(st.text(), st.integers()) | st.text())
def test_whatever_goes_in_comes_out(address: Any) -> None:
    assert unpack(pack(address)) == address


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::7f00:1", "2001:DB8::1", "example.org"])
def test_a_host_is_the_same_on_every_port_and_no_other_is(host: str) -> None:
    assert host_of(pack((host, 1))) == host_of(pack((host, 65535)))
    others = {host_of(pack((other, 1))) for other in ("127.0.0.2", "::2", "0.0.0.1", "example.net", "")}
    assert host_of(pack((host, 1))) not in others


def test_what_is_no_address_is_its_own_host() -> None:
    assert host_of(pack("")) == ""
