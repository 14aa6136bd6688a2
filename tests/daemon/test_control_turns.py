"""The gate's loop is shared out: who looks has a part of it, and nobody keeps others from their turn."""

import socket
from collections.abc import Callable, Generator
from typing import Any, cast

import msgspec
import pytest

from daemon.gate.archive import ArchiveError
from daemon.gate.control_server import LINES_A_TURN, LOOKS_SHARE, LOOKS_WAIT_S_MAX, Client, ControlServer
from market import events as ev
from risk.commands import Role

LOOK_S = 0.1  # that a look takes here
STATUS, PING, KILL = b'{"cmd": "status"}\n', b'{"cmd": "ping"}\n', b'{"cmd": "kill"}\n'


class Loop:
    """Time that the test makes, and what waits for it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, wait_s: float, act: Callable[[], None]) -> None:
        self.waiting.append((self.now + wait_s, act))

    def turn(self) -> float:
        """Go to what is due next; return how long that took."""
        (at_s, act), *self.waiting = sorted(self.waiting, key=lambda w: w[0])
        waited, self.now = at_s - self.now, at_s
        act()
        return waited


class Wire:
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.closing = self.paused = False
        self.socket, self.peer = socket.socketpair()

    def __del__(self) -> None:
        self.socket.close()
        self.peer.close()

    def get_extra_info(self, _: str) -> socket.socket:
        return self.socket

    def write(self, data: bytes) -> None:
        self.said.append(data)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Gate:
    """A server over such a loop; each status takes `look_s` of it."""

    def __init__(self, look_s: float = LOOK_S, pieces: int = 1) -> None:
        self.look_s, self.pieces = look_s, pieces
        self.loop, self.events, self.asked = Loop(), cast(list[ev.Event], []), cast(list[str], [])
        self.server = ControlServer(
            self.events.append, self.status, lambda _: "", lambda _: {"ok": True}, cast(Any, None)
        )
        self.server._loop = cast(Any, self.loop)

    def status(self, orders: str) -> Generator[None, None, dict[str, Any]]:
        self.asked.append(orders)
        self.loop.now += self.look_s
        for _ in range(self.pieces - 1 if orders == "all" else 0):
            yield
            self.loop.now += self.look_s
        return {"of": orders}

    def client(self, role: Role = Role.OPERATE) -> tuple[Client, Wire]:
        client, wire = Client(self.server), Wire()
        client._transport, client.role = cast(Any, wire), role
        return client, wire


def test_looks_have_their_share_of_the_loop_and_a_kill_does_not_wait_for_them() -> None:
    gate = Gate()
    viewer, wire = gate.client(Role.VIEW)

    viewer.data_received(STATUS * 3)
    assert (len(wire.said), wire.paused) == (1, True)
    operator, _ = gate.client()
    operator.data_received(KILL)
    assert gate.events == [ev.Kill(request_id=1, source="cli")]

    assert gate.loop.turn() == pytest.approx(LOOK_S * (LOOKS_SHARE - 1))
    assert gate.loop.turn() == pytest.approx(LOOK_S * (LOOKS_SHARE - 1))
    assert (len(wire.said), wire.paused, gate.loop.waiting) == (3, False, [])


def test_after_all_orders_of_a_day_nobody_waits_longer_than_a_second() -> None:
    gate = Gate(look_s=3.0)
    operator, wire = gate.client()

    operator.data_received(STATUS * 2)

    assert gate.loop.turn() == pytest.approx(LOOKS_WAIT_S_MAX)
    assert (len(wire.said), LOOKS_WAIT_S_MAX) == (2, 1.0)


def test_a_flood_of_requests_lets_others_have_their_turn() -> None:
    gate = Gate()
    client, wire = gate.client()

    client.data_received(PING * (2 * LINES_A_TURN + 1))
    said = [len(wire.said)]
    while gate.loop.waiting:
        assert gate.loop.turn() == 0
        said.append(len(wire.said))

    assert said == [LINES_A_TURN, 2 * LINES_A_TURN, 2 * LINES_A_TURN + 1]


def test_what_comes_while_some_wait_is_done_after_it() -> None:
    gate = Gate()
    client, wire = gate.client()

    client.data_received(STATUS * 2)
    client.data_received(PING)
    assert len(wire.said) == 1
    gate.loop.turn()
    assert [b"ok" in line for line in wire.said] == [True] * 3
    assert gate.loop.waiting == []


def test_what_somebody_asked_for_before_he_went_is_done_but_for_his_looks() -> None:
    gate = Gate()
    client, _ = gate.client()

    client.data_received(STATUS * 2 + KILL)
    client.connection_lost(None)
    gate.loop.turn()

    assert len(gate.asked) == 1
    assert gate.events == [ev.Kill(request_id=1, source="cli")]


def test_nothing_is_done_for_who_was_cut_off() -> None:
    gate = Gate()
    client, _ = gate.client()

    client.data_received(STATUS * 2 + KILL)
    client.close()
    gate.loop.turn()

    assert (len(gate.asked), gate.events) == (1, [])


@pytest.mark.parametrize(
    ("role", "asked", "told"),
    [
        (Role.VIEW, "all", "held"),
        (Role.OPERATE, "all", "all"),
        (Role.VIEW, "live", "live"),
        (Role.VIEW, "SH1-1", "SH1-1"),
    ],
)
def test_every_order_of_a_day_is_for_who_may_operate(role: Role, asked: str, told: str) -> None:
    gate = Gate()
    client, _ = gate.client(role)

    client.data_received(b'{"cmd": "status", "orders": "%s"}\n' % asked.encode())

    assert gate.asked == [told]


def test_all_orders_of_a_day_are_told_in_pieces_and_others_have_their_turns_between_them() -> None:
    gate = Gate(look_s=0.004, pieces=3)
    operator, wire = gate.client()
    another, theirs = gate.client()
    viewer, seen = gate.client(Role.VIEW)

    operator.data_received(STATUS + PING)
    another.data_received(STATUS)
    viewer.data_received(STATUS)
    another_kills, _ = gate.client()
    another_kills.data_received(KILL)
    assert (wire.said, gate.asked, len(gate.events)) == ([], ["all"], 1)
    while gate.loop.waiting:
        gate.loop.turn()

    assert [b'"of":"all"' in line for line in wire.said] == [True, False], (
        "a connection's answers keep its order"
    )
    assert [b'"of":"all"' in line for line in theirs.said] == [True]
    assert [b'"of":"held"' in line for line in seen.said] == [True]
    assert sorted(gate.asked) == ["all", "all", "held"]


def test_nobody_waits_for_a_status_whose_reader_is_gone() -> None:
    gate = Gate(pieces=100)
    operator, _ = gate.client()
    another, theirs = gate.client()

    operator.data_received(STATUS)
    another.data_received(STATUS)
    operator.connection_lost(None)
    while gate.loop.waiting:
        gate.loop.turn()

    assert len(theirs.said) == 1
    assert gate.asked == ["all", "all"], "the first one was given up"


def test_who_hangs_up_is_not_told_though_no_more_is_read_of_them() -> None:
    gate = Gate(pieces=100)
    clients = [gate.client() for _ in range(3)]
    for client, _ in clients:
        client.data_received(STATUS)
    gate.loop.turn()

    for _, wire in clients[:2]:
        wire.peer.close()
    while gate.loop.waiting:
        gate.loop.turn()

    assert [len(wire.said) for _, wire in clients] == [0, 0, 1]
    assert gate.asked == ["all", "all"], "the first was given up, the second not begun"
    assert not clients[0][1].paused, "so that the loop hears of it"


@pytest.mark.parametrize("error", [ArchiveError("ended.sqlite: malformed"), msgspec.DecodeError("malformed")])
@pytest.mark.parametrize("pieces", [1, 2])
def test_an_archive_that_cannot_be_read_is_told_to_who_looks_and_stops_nobody(
    error: Exception, pieces: int
) -> None:
    gate = Gate(pieces=pieces)
    whole = gate.status

    def damaged(orders: str) -> Generator[None, None, dict[str, Any]]:
        yield from whole(orders)
        raise error

    gate.server._status = damaged
    operator, wire = gate.client()
    another, theirs = gate.client()

    operator.data_received(STATUS)
    another.data_received(STATUS)
    while gate.loop.waiting:
        gate.loop.turn()

    for said in (*wire.said, *theirs.said):
        assert b'"ok":false' in said
        assert b"malformed" in said
    assert len(wire.said) == len(theirs.said) == 1
