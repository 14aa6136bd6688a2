"""MoldUDP64 on a network that lies: false numbers, copies that differ, answers to no question, false ends.

UDP proves no sender. What is false must leave the feed down until the truth has come, and no longer.
"""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateways.feeds import moldudp64 as mold
from gateways.feeds import moldudp64_copies as copies
from gateways.feeds.moldudp64 import END_OF_SESSION, HEADER, Arbiter, Refusal
from gateways.feeds.moldudp64_lines import WORD_NS
from gateways.feeds.moldudp64_server import MoldServer
from market.types import MS
from tests.gateways.feeds.listener import Listener
from tests.gateways.feeds.test_moldudp64 import SESSION, WIRE_SESSION, datagram, made, store_of

HEARTBEAT_NS = 1_000 * MS
HUGE = 2**62


class World:
    """An honest publisher's two lines, and who stands between."""

    def __init__(self, number: int = 5) -> None:
        self.heard = Listener()
        self.a = Arbiter(self.heard)
        self.messages = made(1_000)
        self.server = MoldServer(store_of(self.messages), SESSION, ())
        self.at = 1  # the publisher's next number
        self.unsaid: set[int] = set()  # numbers that no line brought
        self.now = 0
        self.say(number)

    def say(self, number: int = 0, lines: tuple[int, ...] = (0, 1)) -> None:
        """Publish so many messages, or a heartbeat."""
        sent = datagram(self.at, *self.messages[self.at - 1 : self.at - 1 + number])
        for line in lines:
            self.a.receive(self.a.lines[line], sent, self.now)
        self.unsaid |= set(() if lines else range(self.at, self.at + number))
        self.at += number
        self.server._next_seq = self.at

    def lie(self, sent: bytes, line: int = 0) -> None:
        self.a.receive(self.a.lines[line], sent, self.now)
        self.now += mold.ARBITRATION_NS
        self.a.due(self.now)

    def beat(self, seconds: int, lines: tuple[int, ...] = (0, 1), answered: bool = True) -> None:
        """Let heartbeats come, and requests be answered."""
        for _ in range(seconds):
            for _ in range(20):
                self.now += HEARTBEAT_NS // 20
                for request in self.a.due(self.now):
                    for answer in self.server.answer(request) if answered else []:
                        self.a.receive(self.a.answers, answer, self.now)
            self.say(lines=lines)

    @property
    def fit(self) -> bool:
        """Whether the listener was told last that it is up to date."""
        return self.heard.log[-1] == f"idle {self.at}"


@pytest.mark.parametrize("sent", [datagram(HUGE, b"x"), datagram(HUGE, count=0)])
@pytest.mark.parametrize("dead", [False, True])
def test_a_number_that_nobody_comes_back_to_is_forgotten(sent: bytes, dead: bool) -> None:
    w = World()
    lines = (1,) if dead else (0, 1)  # a lie on a line that says nothing else
    w.beat(5, lines)
    w.lie(sent)
    assert not w.fit
    w.beat(3, lines)
    assert w.fit
    assert not w.a.lost
    assert not w.a._held
    w.say(3)
    assert w.heard.messages == w.messages[:8]


def test_a_true_gap_stays_one_as_long_as_a_line_says_so() -> None:
    w = World()
    w.at += 3
    w.say()
    w.beat(1, answered=False)
    assert not w.fit
    w.beat(2, answered=False)
    assert w.a.lost == f"3 messages from 6 on did not come in {mold.TRIES_MAX} requests"


def test_two_copies_that_differ_are_a_loss_that_a_snapshot_mends() -> None:
    w = World()
    w.lie(datagram(6, b"false", b"false too", b"and this"))
    assert len(w.heard.messages) == 8, "nobody can know yet"
    w.say(1)
    assert w.a.lost == "message 6 came twice, and not the same"
    assert w.heard.log[-1] == f"down {w.a.lost}"
    w.say(1)
    w.heard.messages = w.messages[:7]  # the snapshot: older than what the liar had us take
    assert w.a.resume(8, w.now)
    w.beat(2)
    assert w.fit
    w.say(2)
    assert w.heard.messages == w.messages[:9]
    assert w.a.counters.contradictions == 1


def test_copies_that_wait_behind_a_hole_are_compared_too() -> None:
    w = World()
    w.lie(datagram(8, b"eight"), 0)
    w.lie(datagram(8, b"not eight"), 1)
    assert w.a.lost == "message 8 came twice, and not the same"
    w = World()
    w.lie(datagram(7, b"seven", b"eight"), 0)
    w.lie(datagram(8, b"not eight", b"nine"), 1)
    w.say(1)
    assert w.a.lost == "message 8 came twice, and not the same"
    assert not w.a._held


def test_an_answer_that_differs_from_what_a_line_brought_late_is_a_loss() -> None:
    w = World()
    w.say(1, lines=())
    w.say(1)
    w.now += mold.ARBITRATION_NS
    assert w.a.due(w.now)
    w.a.receive(w.a.answers, datagram(6, b"not six"), w.now)
    assert w.heard.messages[5] == b"not six"
    w.lie(datagram(6, w.messages[5]), 1)
    assert w.a.lost == "message 6 came twice, and not the same"


def test_the_same_messages_in_other_datagrams_are_the_same() -> None:
    w = World(10)
    for seq in range(1, 11):
        w.lie(datagram(seq, w.messages[seq - 1]), 1)
    w.lie(datagram(3, *w.messages[2:12]), 1)
    assert not w.a.lost
    assert w.heard.messages == w.messages[:12]


def test_what_is_kept_for_comparing_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "COPIES_BYTES_MAX", 1_000)
    w = World()
    for _ in range(300):
        w.say(3)
    assert w.a._copies._bytes <= 1_000
    assert w.a._copies._bytes == sum(map(len, w.a._copies._datagrams))
    w.lie(datagram(1, b"too late to tell"))
    assert not w.a.lost


@pytest.mark.parametrize(
    "answer",
    [
        datagram(8, b"beyond"),
        datagram(6, b"6", b"7", b"8 was not asked for"),
        datagram(HUGE, b"x"),
        datagram(HUGE, count=END_OF_SESSION),
    ],
)
def test_an_answer_to_another_question_is_none(answer: bytes) -> None:
    w = World()
    w.say(2, lines=())
    w.say(1)
    w.now += mold.ARBITRATION_NS
    assert w.a.due(w.now)
    w.a.receive(w.a.answers, answer, w.now)
    assert w.a.counters.refused == {Refusal.UNASKED: 1}
    w.beat(2)
    assert w.fit
    assert w.heard.messages == w.messages[:8]


def test_an_answer_that_nobody_asked_for_extends_nothing() -> None:
    w = World()
    w.a.receive(w.a.answers, datagram(6, b"false"), w.now)
    assert w.heard.messages == w.messages[:5]


@pytest.mark.parametrize("end", [6, 7, HUGE])
def test_an_end_that_the_lines_go_on_after_is_taken_back(end: int) -> None:
    w = World()
    w.beat(1)
    w.lie(datagram(end, count=END_OF_SESSION))
    assert not w.fit
    w.beat(4)
    assert w.fit
    w.say(3)
    assert w.heard.messages == w.messages[:8]
    assert not w.a.ended


def test_an_end_before_what_has_come_is_none() -> None:
    w = World()
    w.lie(datagram(5, count=END_OF_SESSION))
    assert not w.a.ended
    assert w.a.counters.refused == {Refusal.ENDED: 1}


def test_an_answer_that_differs_after_the_end_is_a_loss_and_no_end() -> None:
    """Who cannot say what came cannot say that it is over: a snapshot is taken, the lines are heard on."""
    w = World()
    w.lie(datagram(6, count=END_OF_SESSION))
    assert w.a.ended
    w.a.receive(w.a.answers, datagram(5, b"not five"), w.now)
    assert w.a.lost == "message 5 came twice, and not the same"
    assert not w.a.ended
    assert w.a.resume(6, w.now)


def test_a_true_end_is_told_once_however_often_it_is_said() -> None:
    w = World()
    for _ in range(5):
        w.lie(datagram(6, count=END_OF_SESSION))
        w.lie(datagram(6, count=0), 1)  # a heartbeat that was overtaken
        w.now += WORD_NS // 2
    assert w.a.ended
    assert w.heard.log.count("ended") == 1


def test_who_is_ahead_of_every_line_is_not_up_to_date() -> None:
    w = World()
    w.beat(1)
    w.lie(datagram(6, b"false"))
    w.beat(3)
    assert w.heard.log[-1] == "down every line is at 6, and we have messages up to 6"
    w.say(1)
    assert w.a.lost == "message 6 came twice, and not the same"


def test_a_snapshot_from_the_future_is_not_fit_before_the_lines_are_there() -> None:
    w = World()
    w.a.begin_lost("a test")
    w.heard.messages = w.messages[:9]
    assert w.a.resume(10, w.now)
    before = list(w.heard.log)
    w.say(2)
    w.beat(1)
    assert w.heard.log == before
    w.say(2)
    w.beat(1)
    assert w.fit
    w.say(3)
    assert w.heard.messages == w.messages[:12]


def test_another_session_on_the_lines_is_named() -> None:
    w = World()
    other = b"20240103".rjust(10)
    for _ in range(5):
        w.now += HEARTBEAT_NS
        w.lie(HEADER.pack(other, 1, 0))
        w.a.due(w.now)
    said = "every line is silent: they carry session 20240103 instead of 20240102"
    assert w.heard.log[-1] == f"down {said}"
    w.beat(1)
    assert w.fit


def test_the_session_of_a_snapshot_is_ours() -> None:
    a = Arbiter(Listener())
    a.begin_lost("late")
    assert a.resume(1, 0, SESSION)
    a.receive(a.lines[0], datagram(1, b"foreign", session=b"   another"), 0)
    assert a.session == WIRE_SESSION
    assert a.next_seq == 1


def lies(rng: random.Random, w: World) -> bytes:
    """Return something that the publisher never said."""
    near = max(1, w.at + rng.randint(-6, 6))
    seq = rng.choice((near, near, near, HUGE, w.at + 10_000, 2**64 - 1, 0))
    kind = rng.randrange(5)
    if kind == 0:
        return datagram(seq, count=0)
    if kind == 1:
        return datagram(seq, count=END_OF_SESSION)
    if kind == 2:
        return datagram(seq, *[b"lie"] * rng.randint(1, 4), session=b"   another")
    return datagram(seq, *[b"lie %d" % rng.randrange(9)] * rng.randint(1, 4))


@example(5091)  # a lie whose true copy comes after a false end
@example(65376)  # lies that had waited are taken, and found out behind where the lines are
@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whatever_was_false_the_truth_is_whole_in_the_end(seed: int) -> None:
    rng = random.Random(seed)
    w = World()
    for _ in range(rng.randint(1, 40)):
        step = rng.randrange(4)
        if step == 0:
            w.lie(lies(rng, w), rng.randrange(2))
        elif step == 1:
            w.a.receive(w.a.answers, lies(rng, w), w.now)
        elif step == 2:
            w.say(rng.randint(1, 5), lines=rng.choice(((0, 1), (0,), (1,), ())))
        else:
            w.now += rng.choice((1, 3 * MS, 60 * MS))
            w.say(lines=rng.choice(((0, 1), (0,), ())))
    for _ in range(12):
        w.beat(1)
        w.say(2)
        if w.a.lost:  # a snapshot, of what the publisher has said
            w.heard.messages = w.messages[: w.at - 1]
            assert w.a.resume(w.at, w.now)
    w.say()
    assert w.fit
    assert len(w.heard.messages) == w.at - 1
    false = {n for n, m in enumerate(w.heard.messages, 1) if m != w.messages[n - 1]}
    assert false <= w.unsaid, "a lie that no second copy followed"
