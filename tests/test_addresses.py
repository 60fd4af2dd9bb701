"""Addresses: what was packed comes back as it was."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorws.addresses import pack, unpack

ports = st.integers(0, 65535)


@given(st.ip_addresses().map(str), ports)
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
