"""What one worker sends another: whole or not at all, and no descriptor is ever left behind."""

from __future__ import annotations

import array
import errno
import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from actorws.server import handover_message
from actorws.server.handover_message import MAX_BYTES, Inbox, Message, connect, give, is_ours, opening
from tests.support.serving import descriptors

REMOTE = ("192.0.2.7", 4711)


class Sibling:
    """A listening socket at ``path``."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.path = path
        self._stack = stack
        self._socket = stack.enter_context(socket.socket(socket.AF_UNIX))
        self._socket.bind(str(path))
        self._socket.listen(1)

    def inbox(self) -> Inbox:
        """That of the next connection."""
        connection = self._stack.enter_context(self._socket.accept()[0])
        connection.setblocking(False)
        inbox = Inbox(connection)
        self._stack.callback(inbox.close)
        return inbox


@pytest.fixture
def sibling(tmp_path: Path) -> Iterator[Sibling]:
    """Nothing may be left open behind it."""
    before = descriptors()
    with ExitStack() as stack:
        yield Sibling(tmp_path / "node", stack)
    assert descriptors() == before


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client, and our end of its connection."""
    client, ours = socket.socketpair()
    with client, ours:
        yield client, ours


def read(sibling: Sibling) -> Message:
    message = sibling.inbox().read()
    assert message is not None
    return message


def test_a_socket_arrives_with_what_was_read_from_it_and_is_open_on_both_sides(
    sibling: Sibling, pair: tuple[socket.socket, socket.socket]
) -> None:
    client, ours = pair
    assert give(sibling.path, ours, REMOTE, b"GET / and so on")
    ours.close()
    message = read(sibling)
    assert (message.remote, message.data) == (REMOTE, b"GET / and so on")
    assert message.socket is not None
    with message.socket as socket:
        assert not socket.getblocking() and not os.get_inheritable(socket.fileno())
        client.sendall(b"hello")
        assert socket.recv(10) == b"hello"
        socket.sendall(b"goodbye")
        assert client.recv(10) == b"goodbye"


@pytest.mark.parametrize("remote", ["", ("::1", 1)])
def test_addresses_of_every_kind_are_told(
    sibling: Sibling, pair: tuple[socket.socket, socket.socket], remote: tuple[str, int] | str
) -> None:
    assert give(sibling.path, pair[1], remote, b"x")
    message = read(sibling)
    assert message.remote == remote
    assert message.socket is not None
    message.socket.close()


def test_as_much_as_a_server_reads_at_once_fits(sibling: Sibling, pair: tuple[socket.socket, socket.socket]) -> None:
    data = bytes(16 * 1024 + 64 * 1024)
    assert give(sibling.path, pair[1], REMOTE, data)
    message = read(sibling)
    assert message.data == data
    assert message.socket is not None
    message.socket.close()


def test_what_does_not_fit_is_not_taken_and_nothing_of_it_arrives(
    sibling: Sibling, pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not give(sibling.path, pair[1], REMOTE, bytes(MAX_BYTES + 1))
    monkeypatch.setattr(handover_message, "SEND_BUFFER", 4096)
    assert not give(sibling.path, pair[1], REMOTE, bytes(MAX_BYTES))
    with pytest.raises(ValueError, match="ended after"):
        sibling.inbox().read()


def test_a_relay_begins_with_the_address_and_goes_on_with_what_the_client_says(sibling: Sibling) -> None:
    with connect(sibling.path) as ours:
        ours.sendall(opening(REMOTE) + b"GET /")
        assert read(sibling) == Message(REMOTE, b"GET /", None)


def test_a_message_that_comes_byte_by_byte_is_read_when_it_is_whole(
    sibling: Sibling, pair: tuple[socket.socket, socket.socket]
) -> None:
    header = json.dumps({"remote": REMOTE, "bytes": 5}).encode()
    whole = struct.pack("!I", len(header)) + header + b"GET /"
    with connect(sibling.path) as ours:
        inbox = sibling.inbox()
        ours.sendmsg([whole[:1]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [pair[1].fileno()]))])
        for at in range(1, len(whole)):
            assert inbox.read() is None
            ours.sendall(whole[at : at + 1])
        message = inbox.read()
    assert message is not None and message.data == b"GET /"
    assert message.socket is not None
    message.socket.close()


def test_what_a_later_release_adds_to_the_header_is_left_out(sibling: Sibling) -> None:
    header = json.dumps({"remote": REMOTE, "colour": "red"}).encode()
    with connect(sibling.path) as ours:
        ours.sendall(struct.pack("!I", len(header)) + header)
        assert read(sibling) == Message(REMOTE, b"", None)


def headed(values: object, behind: bytes = b"") -> bytes:
    header = json.dumps(values).encode()
    return struct.pack("!I", len(header)) + header + behind


@pytest.mark.parametrize("count", [0, 1, 2, 9])
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\0",
        b"\xff\xff\xff\xffx",
        struct.pack("!I", 5) + b"oops!",
        struct.pack("!I", 2) + b"\xff\xff",
        headed([]),
        headed({}),
        headed({"remote": 7}),
        headed({"remote": ["a"]}),
        headed({"remote": "", "bytes": -1}),
        headed({"remote": "", "bytes": 1.0}),
        headed({"remote": "", "bytes": MAX_BYTES + 1}),
        headed({"remote": "", "bytes": 2}, b"x"),
        headed({"remote": "", "bytes": 2}, b"xyz"),
    ],
)
def test_a_malformed_message_is_an_error_whatever_comes_along(
    sibling: Sibling, pair: tuple[socket.socket, socket.socket], raw: bytes, count: int
) -> None:
    with connect(sibling.path) as ours:
        if count and raw:
            rights = array.array("i", [pair[1].fileno()] * count)
            ours.sendmsg([raw], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        else:
            ours.sendall(raw)
    with pytest.raises(ValueError, match=r"."):
        sibling.inbox().read()


@pytest.mark.parametrize("count", [0, 2, 3, 9])
def test_a_message_with_another_number_of_descriptors_than_one_is_an_error(
    sibling: Sibling, pair: tuple[socket.socket, socket.socket], count: int
) -> None:
    with connect(sibling.path) as ours:
        rights = array.array("i", [pair[1].fileno()] * count)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if count else []
        ours.sendmsg([headed({"remote": "", "bytes": 1}, b"x")], ancillary)
        with pytest.raises(ValueError, match="descriptors"):
            sibling.inbox().read()


def test_a_relay_that_brings_a_descriptor_is_an_error(
    sibling: Sibling, pair: tuple[socket.socket, socket.socket]
) -> None:
    with connect(sibling.path) as ours:
        rights = array.array("i", [pair[1].fileno()])
        ours.sendmsg([opening("")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        with pytest.raises(ValueError, match="1 descriptors"):
            sibling.inbox().read()


@pytest.mark.parametrize("kind", ["file", "datagrams"])
def test_what_is_no_connection_is_an_error(sibling: Sibling, tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        if kind == "file":
            descriptor = stack.enter_context((tmp_path / "file").open("w")).fileno()
        else:
            descriptor = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)).fileno()
        ours = stack.enter_context(connect(sibling.path))
        rights = array.array("i", [descriptor])
        ours.sendmsg([headed({"remote": "", "bytes": 1}, b"x")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        with pytest.raises(ValueError, match="what came along is"):
            sibling.inbox().read()


def test_who_is_not_there_or_has_died_or_is_too_busy_is_told_apart(
    tmp_path: Path, pair: tuple[socket.socket, socket.socket]
) -> None:
    with pytest.raises(FileNotFoundError):
        give(tmp_path / "nobody", pair[1], REMOTE, b"x")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    with pytest.raises(ConnectionRefusedError):
        give(tmp_path / "dead", pair[1], REMOTE, b"x")
    with ExitStack() as stack:
        busy = stack.enter_context(socket.socket(socket.AF_UNIX))
        busy.bind(str(tmp_path / "busy"))
        busy.listen(0)
        with pytest.raises(OSError, match=r".") as caught:
            for _ in range(3):
                stack.enter_context(connect(tmp_path / "busy"))
        assert caught.value.errno in (errno.EAGAIN, errno.ECONNREFUSED)


def test_whose_process_it_is_shows(pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_ours(pair[1])
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert not is_ours(pair[1])
