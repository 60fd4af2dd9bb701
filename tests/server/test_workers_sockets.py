"""What several processes listen on."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from actorws.server import workers_sockets
from actorws.server.workers_sockets import listening


def test_each_worker_has_a_socket_of_its_own_on_the_same_free_port() -> None:
    with listening(3, "127.0.0.1", 0, None, None) as by_number:
        assert set(by_number) == {1, 2, 3}
        assert len({one.fileno() for [one] in by_number.values()}) == 3
        assert len({one.getsockname() for [one] in by_number.values()}) == 1
    assert all(one.fileno() == -1 for [one] in by_number.values())


def test_where_the_system_does_not_spread_connections_all_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_sockets, "IS_BALANCED", False)
    with listening(3, "127.0.0.1", 0, None, None) as by_number:
        assert len({one.fileno() for [one] in by_number.values()}) == 1


def test_all_share_a_unix_socket_which_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with listening(2, "127.0.0.1", 0, path, None) as by_number:
        (tcp, unix), (other_tcp, other_unix) = by_number.values()
        assert unix is other_unix and tcp is not other_tcp
        assert path.exists()
    assert not path.exists()


def test_nothing_is_left_open_when_one_address_is_not_to_be_had(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(OSError), listening(2, "127.0.0.1", port, tmp_path / "no" / "a.sock", None):
        pass
    with listening(2, "127.0.0.1", port, None, None):
        pass  # else: already in use
