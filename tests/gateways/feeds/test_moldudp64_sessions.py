"""MoldUDP64 across a failover: another session comes in place of ours, and no datagram alone brings it in."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.feeds.moldudp64 import HEADER, Refusal
from gateways.feeds.moldudp64_lines import SILENCE_NS
from market.types import MS
from tests.gateways.feeds.test_moldudp64 import SESSION, WIRE_SESSION, datagram
from tests.gateways.feeds.test_moldudp64_lies import HEARTBEAT_NS, World

NEW = "20240102B"
WIRE_NEW = NEW.rjust(10).encode()
CHANGED = f"session {NEW} came in place of {SESSION}"
BOTH = (0, 1)


class Failover(World):
    """Two lines on which the publisher may speak under another session."""

    def other(
        self, seq: int = 1, *messages: bytes, lines: tuple[int, ...] = BOTH, name: bytes = WIRE_NEW
    ) -> None:
        for line in lines:
            self.a.receive(self.a.lines[line], datagram(seq, *messages, session=name), self.now)

    def wait(self, ns: int = HEARTBEAT_NS) -> bool:
        self.now += ns
        self.a.due(self.now)
        return self.a.succeed(self.now)

    def fail_over(self, seconds: int = 4) -> None:
        for _ in range(seconds):
            self.other()
            self.wait()


def test_a_session_that_every_line_goes_over_to_is_a_loss_that_its_snapshot_mends() -> None:
    w = Failover(8)
    w.fail_over()
    assert w.a.lost == CHANGED
    assert w.heard.log[-1] == f"down {CHANGED}"
    assert (w.a.session, w.a.next_seq, w.a.counters.sessions) == (WIRE_NEW, 1, 1)
    w.other(1, b"one", b"two", b"three")  # the new session's; the snapshot is of the first two
    w.heard.messages = [b"one", b"two"]
    assert w.a.resume(3, w.now, NEW)
    assert w.heard.messages == [b"one", b"two", b"three"]
    assert w.heard.log[-1] == f"up {NEW} 3"
    w.other(4)
    assert w.heard.log[-1] == "idle 4"
    w.say(1)
    assert w.a.counters.refused[Refusal.SESSION] > 0, "the old session is the foreign one now"
    assert w.heard.messages[-1] == b"three"


def test_it_takes_the_whole_bound_of_silence_and_not_a_nanosecond_less() -> None:
    w = Failover()
    w.other()
    assert not w.wait(SILENCE_NS - 1)
    w.other()
    assert not w.wait(0), "the other session has spoken for a nanosecond too little"
    w.other()
    assert not w.wait(1), "... and its last word was then"
    w.other()
    assert w.wait(0)


@pytest.mark.parametrize("seq", [1, 6, 2**62])
@pytest.mark.parametrize("quiet", [False, True])
def test_one_forged_datagram_does_nothing(seq: int, quiet: bool) -> None:
    """Neither while our session lives, nor while every line is silent."""
    w = Failover()
    w.other(seq, b"forged", lines=(0,))
    for _ in range(10):
        if not quiet:
            w.say()
        assert not w.wait()
    assert not w.a.lost
    assert w.a.session == WIRE_SESSION
    w.say(1)
    w.say()
    assert w.fit
    assert w.heard.messages == w.messages[:6]


def test_who_forges_for_hours_does_nothing_while_one_line_is_ours() -> None:
    w = Failover()
    for _ in range(100):
        w.other()
        w.say(lines=(1,))
        assert not w.wait()
    assert w.fit


def test_lines_that_name_two_sessions_bring_neither() -> None:
    w = Failover()
    for _ in range(20):
        w.other(lines=(0,))
        w.other(lines=(1,), name=b"  20240103")
        assert not w.wait()
    for _ in range(20):  # and two on one line
        w.other()
        w.other(name=b"  20240103")
        assert not w.wait()


def test_a_session_that_paused_counts_from_its_return() -> None:
    w = Failover()
    w.other()
    w.wait(SILENCE_NS)
    for _ in range(3):
        w.other()
        assert not w.wait()
    w.other()
    assert w.wait(0)


def test_a_dead_line_does_not_hold_the_failover_up() -> None:
    w = Failover()
    for _ in range(4):
        w.other(lines=(0,))
        w.wait()
    assert w.a.lost == CHANGED


def test_a_hole_of_the_old_session_does_not_hide_the_failover() -> None:
    """Its retransmissions have an end before the silence has: the loss becomes another one."""
    w = Failover()
    w.at += 3
    w.say()
    for _ in range(60):
        w.now += 50 * MS
        w.a.due(w.now)
    assert "did not come" in w.a.lost
    w.fail_over()
    assert w.a.lost == CHANGED


def test_an_ended_session_has_no_successor() -> None:
    w = Failover()
    w.a.receive(w.a.lines[0], HEADER.pack(WIRE_SESSION, 6, 0xFFFF), w.now)
    w.fail_over(10)
    assert w.a.ended
    assert w.heard.log[-1] == "ended"


@pytest.mark.parametrize("name", [b"\xff" * 10, b"  \n20240103", b" " * 10, b"\x00" * 10])
def test_a_name_that_no_login_can_carry_is_none(name: bytes) -> None:
    w = Failover()
    for _ in range(10):
        w.other(name=name)
        assert not w.wait()
    assert w.a.session == WIRE_SESSION


def test_a_session_that_a_stranger_named_first_is_left_for_the_true_one() -> None:
    """What came before any of ours named the session; until now only a new start helped."""
    w = Failover(0)
    w.a.session = b"   another"
    for _ in range(4):
        w.say()
        w.wait()
    assert w.a.lost == f"session {SESSION} came in place of another"


def test_the_way_back_is_the_same() -> None:
    w = Failover()
    w.fail_over()
    w.heard.messages = [b"one"]
    assert w.a.resume(2, w.now, NEW)
    w.other(2)
    for _ in range(4):
        w.say()
        w.wait()
    assert w.a.lost == f"session {SESSION} came in place of {NEW}"


def test_a_snapshot_of_another_session_than_the_lines_carry_is_not_gone_on_from() -> None:
    """A late start asks for any session's; while it comes, the lines name theirs."""
    w = Failover(0)
    w.a.session = b""
    w.a.begin_lost("begins with a snapshot")
    w.other(1, b"one", b"two")
    assert not w.a.resume(5_000, w.now, SESSION)
    assert w.a.lost
    w.heard.messages = [b"one"]
    assert w.a.resume(2, w.now, NEW)
    assert w.heard.messages == [b"one", b"two"]


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_session_is_left_only_where_it_was_silent_and_the_other_spoke_on(seed: int) -> None:
    """Whatever comes in whatever order: by a slow reading of all that was heard."""
    rng = random.Random(seed)
    w = Failover()
    heard: list[tuple[int, int, bytes]] = [(0, line, WIRE_SESSION) for line in BOTH]
    for _ in range(rng.randint(10, 60)):
        w.now += rng.choice((1, 400 * MS, HEARTBEAT_NS, HEARTBEAT_NS))
        for line in BOTH:
            if rng.random() < 0.8:
                name = rng.choice((WIRE_NEW,) * 12 + (b"  20240103", WIRE_SESSION))
                w.a.receive(w.a.lines[line], datagram(w.at, session=name), w.now)
                heard.append((w.now, line, name))
        expected = slow_successor(heard, w.now)
        assert w.a.succeed(w.now) == bool(expected)
        if expected:
            assert w.a.session == expected
            return


def slow_successor(heard: list[tuple[int, int, bytes]], now: int) -> bytes:
    """Return who has spoken for the whole bound on every line that speaks, where ours has not."""
    found = set()
    for line in BOTH:
        ours = [at for at, on, name in heard if on == line and name == WIRE_SESSION]
        if now - ours[-1] < SILENCE_NS:
            return b""
        others = [(at, name) for at, on, name in heard if on == line and name != WIRE_SESSION]
        if not others or now - others[-1][0] >= SILENCE_NS:
            continue
        begin = len(others) - 1
        for (at, name), (later, _) in reversed(list(pairwise(others))):
            if name != others[-1][1] or later - at >= SILENCE_NS:
                break
            begin -= 1
        if others[-1][0] - others[begin][0] < SILENCE_NS:
            return b""
        found.add(others[-1][1])
    return found.pop() if len(found) == 1 else b""
