"""A socket of the poller, one call of the kernel after the other: what is read, what waits, and how it ends."""

from __future__ import annotations

import errno
import socket
from types import SimpleNamespace

import pytest

from actorws import SendStatus
from actorws.config import Backpressure
from actorws.io import socket_input
from actorws.io.readiness import READ, WRITE
from actorws.io.socket_input import READ_SIZE, SMALL_READ
from actorws.io.socket_wire import LARGE, RESET, SocketWire, flush_all
from actorws.transports.wire import MAILBOX

BLOCKED, BROKEN = BlockingIOError(), ConnectionResetError(errno.ECONNRESET, "reset")


class FakeSocket:
    """Gives each read the next of ``comes`` and takes the next of ``takes`` bytes of each write, or raises it."""

    def __init__(self):
        self.comes, self.takes, self.asked = [], [], []
        self.sent = []
        self.did = []

    def fileno(self):
        return -1 if "close" in self.did else 7

    def recv(self, size, flags=0):
        self.asked.append(size)
        answer = self.comes.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def recv_into(self, room, size):
        data = self.recv(size)
        room[: len(data)] = data
        return len(data)

    def send(self, data):
        return self.sendmsg([data])

    def sendmsg(self, buffers):
        data = b"".join(buffers)
        takes = self.takes.pop(0) if self.takes else len(data)
        if isinstance(takes, Exception):
            raise takes
        self.sent.append(data[:takes])
        return len(data[:takes])

    def setsockopt(self, level, option, value):
        self.did.append((option, value))

    def shutdown(self, how):
        self.did.append(how)
        if self.takes:
            raise self.takes.pop()

    def close(self):
        self.did.append("close")


class FakePoller:
    tick_began = 0.0

    def __init__(self):
        self.interest = []
        self.again = []
        self.forgotten = []

    def set_events(self, fd, events):
        self.interest.append(events)

    def read_again(self, wire):
        self.again.append(wire)

    def forget(self, fd):
        self.forgotten.append(fd)


class Recorder:
    """A receiver that notes what it is told; ``more`` is what it says to what came."""

    def __init__(self):
        self.told = []
        self.gathering = self.more = False
        self.payload = bytearray(100)

    def receive(self, data):
        self.told.append(data)
        return self.more

    def room(self):
        return memoryview(self.payload)

    def filled(self, size):
        self.told.append(bytes(self.payload[:size]))
        return self.more

    def ended(self, error):
        self.told.append(("ended", error))

    def drained(self):
        self.told.append("drained")

    def passed_mark(self, buffered):
        pass

    def closed(self):
        self.told.append("closed")


@pytest.fixture
def receiver():
    return Recorder()


@pytest.fixture
def wire(receiver):
    scheduler = SimpleNamespace(dirty=[], ticking=True)
    runtime = SimpleNamespace(scheduler=scheduler, wire_opened=lambda: None, wire_closed=lambda: None)
    wire = SocketWire(FakeSocket(), runtime, Backpressure(), FakePoller())
    wire.receiver = receiver
    return wire


def ready(wire, *comes):
    """The poller says that there is something to read, once for each of ``comes``."""
    for answer in comes:
        wire.socket.comes.append(answer)
        wire.readable()


# Reading


def test_what_comes_is_handed_on_and_the_end_is_told_once(wire, receiver):
    ready(wire, b"one", b"two", b"")
    assert receiver.told == [b"one", b"two", ("ended", None)]
    assert wire._poller.interest == [0], "a level-triggered end would wake us for ever"


def test_readiness_without_anything_to_read_is_nothing(wire, receiver):
    """Spurious, as select(2) has it; in whatever state the wire is."""
    ready(wire, BLOCKED)
    receiver.gathering = True
    ready(wire, BLOCKED)
    wire.pause(MAILBOX)
    ready(wire, BLOCKED)
    wire.close()
    ready(wire, BLOCKED)
    assert receiver.told == []


@pytest.mark.parametrize("state", ["open", "gathering", "paused"])
def test_a_connection_that_broke_is_told_and_closed(wire, receiver, state):
    receiver.gathering = state == "gathering"
    if state == "paused":
        wire.pause(MAILBOX)
    ready(wire, BROKEN)
    (_, error), closed = receiver.told
    assert (error, closed) == (BROKEN, "closed")
    assert wire._poller.forgotten == [7]
    wire.readable()  # another event of the same tick
    assert len(receiver.told) == 2


def test_a_large_payload_is_read_where_it_belongs(wire, receiver):
    receiver.gathering = True
    ready(wire, b"part")
    receiver.more = True
    ready(wire, b"rest")
    assert receiver.told == [b"part", b"rest"]
    assert wire._poller.again == [wire]


def test_reads_are_small_until_one_is_full(wire, receiver):
    wire.expect_little()
    ready(wire, b"x", b"x" * SMALL_READ, b"x")
    assert wire.socket.asked == [SMALL_READ, SMALL_READ, READ_SIZE]


def test_a_small_read_that_begins_a_large_payload_is_followed_by_the_rest(wire, receiver):
    """And stays small: what is read before the payload's own place is known has to be copied."""
    wire.expect_little()
    receiver.payload = bytearray(READ_SIZE)

    def begin(data):
        receiver.told.append(data)
        receiver.gathering = len(data) == SMALL_READ
        return False

    receiver.receive = begin
    wire.socket.comes += [b"x" * SMALL_READ, b"rest"]
    wire.readable()
    assert receiver.told == [b"x" * SMALL_READ, b"rest"]
    receiver.gathering = False
    ready(wire, b"y")
    assert wire.socket.asked == [SMALL_READ, READ_SIZE, SMALL_READ]


@pytest.mark.parametrize("why", ["paused", "medium", "closed"])
def test_the_rest_of_a_payload_waits_where_it_is_not_to_be_read_now(wire, receiver, why):
    wire.expect_little()
    receiver.payload = bytearray(100 if why == "medium" else READ_SIZE)

    def begin(data):
        receiver.gathering = True
        if why == "paused":
            wire.pause(MAILBOX)
        elif why == "closed":
            wire.shut()
        return False

    receiver.receive = begin
    ready(wire, b"x" * SMALL_READ)
    assert wire.socket.asked == [SMALL_READ]


def test_the_end_in_the_middle_of_a_large_payload_is_the_end(wire, receiver):
    receiver.gathering = True
    ready(wire, b"part", b"")
    assert receiver.told == [b"part", ("ended", None)]


def test_frames_that_the_receiver_holds_back_come_before_anything_else_is_read(wire, receiver):
    receiver.more = True
    ready(wire, b"much")
    wire.readable()
    wire.read_again()
    assert (receiver.told, wire._poller.again) == ([b"much"], [wire])
    receiver.more = False
    wire.readable_again()
    ready(wire, b"next")
    assert receiver.told == [b"much", b"", b"next"]


def test_frames_held_back_wait_for_the_end_of_a_pause(wire, receiver):
    receiver.more = True
    ready(wire, b"much")
    wire.pause(MAILBOX)
    wire.readable_again()
    assert (receiver.told, wire._poller.again) == ([b"much"], [wire])
    wire.resume(MAILBOX)
    assert wire._poller.again == [wire, wire]
    wire.readable_again()
    assert receiver.told == [b"much", b""]


def test_frames_held_back_are_of_no_interest_when_we_take_leave(wire, receiver):
    receiver.more = True
    ready(wire, b"much")
    wire.close()
    wire.readable_again()
    assert receiver.told == [b"much"]


@pytest.mark.parametrize("has_broken", [True, False])
def test_input_of_a_peer_that_is_not_read_from_comes_before_a_break_or_later(wire, receiver, monkeypatch, has_broken):
    """The poller says so without being asked for a break, or because it was ready when the turn began."""
    monkeypatch.setattr(socket_input, "has_broken", lambda fd: has_broken)
    wire.pause(MAILBOX)
    ready(wire, b"what came before")
    if has_broken:
        (_, error), closed = receiver.told
        assert (type(error), closed) == (ConnectionResetError, "closed")
    else:
        assert receiver.told == []


def test_the_end_of_a_peer_that_is_not_read_from_is_told(wire, receiver):
    wire.pause(MAILBOX)
    ready(wire, b"")
    assert receiver.told == [("ended", None)]


# Writing


def test_what_the_kernel_does_not_take_waits_and_the_rest_behind_it(wire, receiver):
    wire.socket.takes = [2, BLOCKED]
    wire.cork(b"first")
    flush_all([wire])
    assert wire.offer((b"second",), None) == (SendStatus.BACKPRESSURED, "")
    wire.writable()
    assert (wire.buffered, wire._poller.interest) == (len("rstsecond"), [READ | WRITE])
    wire.writable()
    assert b"".join(wire.socket.sent) == b"firstsecond"
    assert (receiver.told, wire._poller.interest) == (["drained"], [READ | WRITE, READ])
    wire.writable()  # late news of the same tick
    assert receiver.told == ["drained"]


@pytest.mark.parametrize("size", [10, 2 * LARGE])
def test_a_kernel_that_takes_nothing_is_waited_for(wire, size):
    wire.socket.takes = [BLOCKED]
    wire.cork(bytes(size))
    flush_all([wire])
    assert wire.buffered == size
    wire.writable()
    assert b"".join(wire.socket.sent) == bytes(size)


def test_what_is_corked_while_output_waits_goes_behind_it(wire):
    wire.socket.takes = [1]
    wire.cork(b"first")
    wire.flush()
    wire.cork(b"second")
    wire.flush()
    wire.writable()
    assert b"".join(wire.socket.sent) == b"firstsecond"


def test_members_of_a_group_with_the_same_output_each_get_it(wire, receiver):
    other = SocketWire(FakeSocket(), wire.runtime, Backpressure(), FakePoller())
    for each in (wire, other):
        each.pending = [b"one", b"two"]
    flush_all([wire, other, wire])
    assert wire.socket.sent == other.socket.sent == [b"onetwo"]


def test_after_a_failed_write_nothing_more_is_written_and_the_read_tells(wire, receiver):
    wire.socket.takes = [BROKEN]
    wire.cork(b"lost")
    flush_all([wire])
    assert (wire.open, wire.buffered, receiver.told) == (False, 0, [])
    ready(wire, BROKEN)
    assert receiver.told == [("ended", BROKEN), "closed"]
    wire.flush()
    assert wire.socket.sent == []


# The end


def test_taking_leave_is_to_write_what_waits_then_fin_then_to_wait_for_theirs(wire, receiver):
    wire.cork(b"last words")
    wire.close()
    wire.close()
    assert wire.socket.did == []
    flush_all([wire])
    assert (wire.socket.sent, wire.socket.did) == ([b"last words"], [socket.SHUT_WR])
    ready(wire, b"still talking", b"and talking")
    assert receiver.told == []
    ready(wire, b"")
    assert (receiver.told, wire.socket.did) == (["closed"], [socket.SHUT_WR, "close"])


def test_taking_leave_waits_for_a_kernel_that_is_slow(wire):
    wire.socket.takes = [1]
    wire.cork(b"last words")
    wire.flush()
    wire.close()
    wire.writable()
    assert (b"".join(wire.socket.sent), wire.socket.did) == (b"last words", [socket.SHUT_WR])


def test_who_has_said_everything_already_is_closed_at_once(wire, receiver):
    ready(wire, b"")
    wire.close()
    assert (receiver.told, wire.socket.did) == ([("ended", None), "closed"], ["close"])


def test_a_connection_that_breaks_while_we_take_leave_is_closed_and_nothing_more(wire, receiver):
    wire.close()
    ready(wire, BROKEN)
    assert receiver.told == ["closed"]


def test_a_connection_that_has_broken_when_we_take_leave_is_closed(wire, receiver):
    wire.socket.takes = [BROKEN]
    wire.close()
    assert (receiver.told, wire.socket.did[-1]) == (["closed"], "close")


def test_leave_of_who_was_reset_is_taken_without_a_call_of_the_kernel_but_to_close(wire, receiver):
    """Not even to watch it otherwise: most that ends ends so, and the peer is not there to be told."""
    receiver.ended = lambda error: wire.close()
    ready(wire, BROKEN)
    assert (wire.socket.did, wire._poller.interest, receiver.told) == (["close"], [], ["closed"])


def test_leave_of_who_has_finished_is_taken_without_one_too(wire, receiver):
    receiver.ended = lambda error: wire.close()
    ready(wire, b"")
    assert (wire.socket.did, wire._poller.interest, receiver.told) == (["close"], [], ["closed"])


def test_an_abort_is_a_reset_and_happens_once(wire, receiver):
    wire.cork(b"never sent")
    wire.abort()
    wire.abort()
    wire.shut()
    wire.close()
    wire.fail()
    assert wire.socket.did == [(socket.SO_LINGER, RESET), "close"]
    assert (receiver.told, wire._poller.forgotten, wire.buffered) == (["closed"], [7], 0)


def test_a_wire_that_nobody_receives_from_can_be_closed(wire):
    """Its connection failed before there was a receiver."""
    wire.receiver = None
    wire.readable()
    wire.readable_again()
    wire.fail()
    assert wire.socket.did == ["close"]


def test_a_fault_of_ours_is_the_end_for_the_receiver(wire, receiver):
    wire.fail()
    (_, error), closed = receiver.told
    assert (type(error), closed) == (ConnectionAbortedError, "closed")
