"""Addresses: where a client is, in as few bytes as it takes while nobody asks.

Rule owned here: what was packed is unpacked as it was. Must not know whose address it is, nor sockets.

A tuple of host and port takes 160 bytes; packed, 32 in IPv4 and 48 in IPv6.
"""

from __future__ import annotations

import socket
from typing import TypeAlias

__all__ = ["Address", "Packed", "host_of", "pack", "unpack"]

#: ``(host, port)``, or a string where there is neither.
Address: TypeAlias = tuple[str, int] | str
#: A number, or the address itself if it is none that can be written as one.
Packed: TypeAlias = int | Address

#: Bits of a port. Above them stands the address, and above that a 1 if it is one of IPv6.
PORT = 16
IPV6 = 1 << 128 + PORT


def pack(address: Address) -> Packed:
    """``address`` as a number, if it is an IP address (without a zone) and a port."""
    if type(address) is not tuple or len(address) != 2:
        return address
    host, port = address
    if type(host) is not str or type(port) is not int or not 0 <= port < 1 << PORT:
        return address
    is_ipv6 = ":" in host
    try:
        number = int.from_bytes(socket.inet_pton(socket.AF_INET6 if is_ipv6 else socket.AF_INET, host), "big")
    except (OSError, ValueError):
        return address
    packed = number << PORT | port | (IPV6 if is_ipv6 else 0)
    # IPv6 can be written in many ways, of which one comes back.
    return packed if not is_ipv6 or unpack(packed) == address else address


def unpack(packed: Packed) -> Address:
    """What was packed."""
    if type(packed) is not int:
        return packed  # type: ignore[return-value]
    host, port = packed >> PORT, packed & (1 << PORT) - 1
    if packed & IPV6:
        return socket.inet_ntop(socket.AF_INET6, (host & (1 << 128) - 1).to_bytes(16, "big")), port
    return socket.inet_ntop(socket.AF_INET, host.to_bytes(4, "big")), port


def host_of(packed: Packed) -> int | str:
    """What tells the host from others, without the port; not as it is written, which takes four times as long."""
    if type(packed) is int:
        return packed >> PORT
    return packed[0] if type(packed) is tuple else packed  # type: ignore[return-value]
