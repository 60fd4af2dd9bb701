"""Addresses: which are listened on, what is said of those that can't be had, and what is left of them."""

from __future__ import annotations

import errno
import os
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import trio

from actorws import events
from actorws.server.listener import open_tcp, open_unix
from actorws.server.serve import serve
from tests.support.serving import Echo, serving
from tests.support.wire import Client, open_client


async def raised_by_serve(**options: Any) -> OSError:
    with pytest.raises(OSError) as error:
        await serve(Echo, **options)
    return error.value


async def test_port_0_is_a_free_port_and_is_reported() -> None:
    async with serving(Echo, port=0) as server:
        assert server.port > 0
        assert server.served.addresses == (f"http://127.0.0.1:{server.port}",)
        assert [event.address for event in server.all(events.ListenerStarted)] == list(server.served.addresses)
        async with open_client(server.port) as client:
            await client.echo("hello")


async def test_ipv6_is_served_and_written_in_brackets() -> None:
    async with serving(Echo, host="::1") as server:
        assert server.served.addresses == (f"http://[::1]:{server.port}",)
        client = Client(await trio.open_tcp_stream("::1", server.port))
        await client.upgrade(host=f"[::1]:{server.port}")
        await client.echo("hello")
        (started,) = server.all(events.ActorStarted)
        assert started.conn.remote_address[0] == "::1"
        await client.close()


@pytest.mark.parametrize("host", ["localhost", None])
async def test_a_name_for_several_addresses_serves_each_at_one_port(host: str | None) -> None:
    async with serving(Echo, host=host) as server:
        ports = {address.rpartition(":")[2] for address in server.served.addresses}
        assert ports == {str(server.port)}
        async with open_client(server.port) as client:
            await client.echo("hello")


async def test_an_address_in_use_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = await raised_by_serve(port=port)
    assert error.errno == errno.EADDRINUSE
    assert f"127.0.0.1:{port}" in str(error)


@pytest.mark.parametrize(("host", "named"), [("203.0.113.7", "203.0.113.7:1"), ("2001:db8::7", "[2001:db8::7]:1")])
async def test_an_address_of_another_machine_is_an_error_that_names_it(host: str, named: str) -> None:
    assert named in str(await raised_by_serve(host=host, port=1))


async def test_a_host_that_is_not_known_is_an_error_that_names_it() -> None:
    assert "nowhere.invalid:1" in str(await raised_by_serve(host="nowhere.invalid", port=1))


def test_of_several_addresses_those_that_the_machine_has_not_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container without IPv6 has it, whose table of hosts has ::1 for localhost."""
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::7", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: found)
    (listening,) = open_tcp("localhost", 0, None)
    with listening:
        assert listening.getsockname()[0] == "127.0.0.1"
    found.pop()
    with pytest.raises(OSError, match="2001:db8::7"):
        open_tcp("localhost", 0, None)


# Unix sockets


def dead_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


async def test_a_unix_socket_is_served_beside_tcp_and_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    async with serving(Echo, unix=path) as server:
        assert server.served.addresses[1] == f"unix:{path}"
        client = Client(await trio.open_unix_socket(path))
        await client.upgrade()
        await client.echo("hello")
        assert server.all(events.ActorStarted)[0].conn.remote_address == ""
        await client.close()
    assert not path.exists()


async def test_a_unix_socket_alone_has_no_port(tmp_path: Path) -> None:
    async with serving(Echo, unix=str(tmp_path / "app.sock"), port=None) as server:
        assert server.served.port is None
        assert len(server.served.addresses) == 1


async def test_what_a_dead_server_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    dead_socket(path)
    async with serving(Echo, unix=path, port=None):
        client = Client(await trio.open_unix_socket(path))
        await client.upgrade()
        await client.echo("hello")
        await client.close()


async def test_a_live_server_keeps_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    async with serving(Echo, unix=path, port=None):
        error = await raised_by_serve(unix=path, port=None)
        assert (error.errno, str(path) in str(error)) == (errno.EADDRINUSE, True)
        client = Client(await trio.open_unix_socket(path))
        await client.upgrade()
        await client.echo("still here")
        await client.close()


def test_a_live_server_whose_backlog_is_full_keeps_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))
        with pytest.raises(OSError, match="in use"):
            open_unix(path, None)
        assert path.exists()


async def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious.txt"
    path.write_text("precious")
    assert str(path) in str(await raised_by_serve(unix=path, port=None))
    assert path.read_text() == "precious"


async def test_the_socket_of_a_successor_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    async with serving(Echo, unix=path, port=None):
        os.unlink(path)
        dead_socket(path)
    assert path.exists()


async def test_a_folder_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "app.sock"
    assert str(path) in str(await raised_by_serve(unix=path, port=None))


async def test_a_failed_start_leaves_no_socket_open(tmp_path: Path) -> None:
    """The TCP port is free again when the Unix socket can't be had."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    await raised_by_serve(port=port, unix=tmp_path / "nowhere" / "app.sock")
    async with serving(Echo, port=port):
        pass


async def test_a_restarted_server_gets_its_port_back_at_once() -> None:
    async with serving(Echo) as server, open_client(server.port) as client:
        port = server.port
        await client.echo("hello")
    async with serving(Echo, port=port):
        with pytest.raises(urllib.error.HTTPError, match="426") as error:
            await trio.to_thread.run_sync(urllib.request.urlopen, f"http://127.0.0.1:{port}/")
        error.value.close()
