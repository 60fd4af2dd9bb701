"""Sockets whose system calls fail as they are told to: what a kernel does when it has no memory, or loses a peer."""

from __future__ import annotations

import os
import socket as stdlib
from collections import defaultdict
from typing import Any

import pytest

from actorws.server import serve as serve_module

__all__ = ["Faults", "fault", "faulty_listener"]


def fault(number: int) -> OSError:
    """An error as the system raises it."""
    return OSError(number, os.strerror(number))


class Faults:
    """What is to fail: for each call by name, what it does the next times: an exception, or ``None`` for nothing."""

    def __init__(self) -> None:
        self._plans: defaultdict[str, list[BaseException | None]] = defaultdict(list)
        self.calls: defaultdict[str, int] = defaultdict(int)

    def plan(self, call: str, *errors: BaseException | None) -> None:
        self._plans[call] = list(errors)

    def left(self, call: str) -> int:
        """How many of them have not been met yet."""
        return len(self._plans[call])

    def meet(self, call: str) -> None:
        self.calls[call] += 1
        if self._plans[call]:
            error = self._plans[call].pop(0)
            if error is not None:
                raise error


class FaultySocket(stdlib.socket):
    """A real socket; those that it accepts are like it."""

    faults: Faults

    def accept(self) -> tuple[stdlib.socket, Any]:
        self.faults.meet("accept")
        connection, address = super().accept()
        return _faulty(connection, self.faults), address

    def recv(self, *arguments: Any) -> bytes:
        self.faults.meet("recv")
        return super().recv(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        self.faults.meet("recv_into")
        return super().recv_into(*arguments)

    def send(self, *arguments: Any) -> int:
        self.faults.meet("send")
        return super().send(*arguments)

    def sendmsg(self, *arguments: Any) -> int:
        self.faults.meet("sendmsg")
        return super().sendmsg(*arguments)


def _faulty(socket: stdlib.socket, faults: Faults) -> FaultySocket:
    made = FaultySocket(socket.family, socket.type, socket.proto, fileno=socket.detach())
    made.faults = faults
    return made


def faulty_listener(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """Have ``serve`` listen with such sockets from now on; what is to fail."""
    faults, open_tcp = Faults(), serve_module.open_tcp

    def open_faulty(*arguments: Any) -> list[stdlib.socket]:
        return [_faulty(socket, faults) for socket in open_tcp(*arguments)]

    monkeypatch.setattr(serve_module, "open_tcp", open_faulty)
    return faults
