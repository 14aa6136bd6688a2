"""The plain FIX session without a socket: its faults, its gaps, and whatever bytes a client may send."""

import random

import pytest

from gateways.venue.actions import RefuseLogon, ResetOnLogon
from gateways.venue.line import Marks
from gateways.venue.plain_frames import Framer, framed, tags_of, time_text
from gateways.venue.plain_session import PlainSession

NOW_NS = 1_704_207_600_000_000_000
BODY = "35=8\x0111=A\x0158=hello\x01"


class Host:
    """Keeps what the session says and does."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.closed = False
        self.up = self.down = 0
        self.apps: list[tuple[str, int]] = []
        self.answer: RefuseLogon | ResetOnLogon | None = None
        self.clock_s = 100.0
        self.session = PlainSession("V", "C", "FIX.4.4", self)

    def write(self, frame: bytes) -> None:
        self.frames.append(frame)

    def close(self) -> None:
        self.closed = True
        self.session.lost("closed")

    def logon(self) -> RefuseLogon | ResetOnLogon | None:
        return self.answer

    def logged_on(self, fields: dict[str, str]) -> None:
        self.up += 1

    def logged_out(self, reason: str) -> None:
        self.down += 1

    def took(self, raw: str, n: int) -> None:
        self.apps.append((tags_of(raw.encode("utf-8", "surrogateescape")).get("11", ""), n))

    def tapped(self, direction: str, frame: bytes) -> None:
        pass

    def now_ns(self) -> int:
        return NOW_NS

    def mono_s(self) -> float:
        return self.clock_s

    # --- the client -------------------------------------------------------------------------------

    def say(self, msg_type: str, seq: int, *fields: tuple[int, str]) -> None:
        self.session.received(client_frame(msg_type, seq, *fields))

    def on(self) -> "Host":
        """Log on with number 1."""
        self.session.connected()
        self.say("A", 1, (98, "0"), (108, "30"))
        self.frames.clear()
        return self

    def heard(self) -> list[dict[str, str]]:
        """Return what came since, as a receiver that checks frames reads it."""
        data, self.frames = b"".join(self.frames), []
        return [tags_of(frame) for frame in Framer().feed(data)]


def client_frame(msg_type: str, seq: int, *fields: tuple[int, str]) -> bytes:
    head = f"35={msg_type}\x0134={seq}\x0149=C\x0152={time_text(NOW_NS)}\x0156=V\x01"
    return framed("FIX.4.4", (head + "".join(f"{t}={v}\x01" for t, v in fields)).encode())


@pytest.mark.parametrize("garble", ["checksum", "length", "byte"])
def test_a_garbled_message_is_not_read_and_comes_whole_when_asked_for(garble: str) -> None:
    host = Host().on()
    assert host.session.send(BODY, Marks(garble=garble))
    host.session.send(BODY.replace("A", "B"))
    assert [m["11"] for m in host.heard()] == ["B"]
    host.say("2", 2, (7, "2"), (16, "0"))

    again = host.heard()
    assert [(m["34"], m["11"], m["43"]) for m in again] == [("2", "A", "Y"), ("3", "B", "Y")]
    assert all("122" in m for m in again)


def test_what_is_lost_or_numbered_too_high_is_a_gap_that_closes() -> None:
    host = Host().on()
    host.session.send(BODY, Marks(lose=True))
    host.session.send(BODY, Marks(renumber=3))
    assert [m["34"] for m in host.heard()] == ["6"]
    host.say("2", 2, (7, "2"), (16, "0"))

    assert [(m["35"], m["34"], m.get("36", "")) for m in host.heard()] == [
        ("8", "2", ""),
        ("4", "3", "6"),
        ("8", "6", ""),
    ]


def test_a_logon_that_resets_in_mid_session_begins_anew_on_both_sides() -> None:
    host = Host().on()
    host.session.send(BODY)
    host.say("0", 2)
    host.heard()
    host.say("A", 1, (98, "0"), (108, "30"), (141, "Y"))
    host.session.send(BODY)
    host.say("1", 2, (112, "T"))

    told = [(m["35"], m["34"], m.get("141", "")) for m in host.heard()]
    assert told == [("A", "1", "Y"), ("8", "2", ""), ("0", "3", "")]
    assert not host.closed
    host.say("2", 3, (7, "1"), (16, "0"))
    assert [(m["35"], m["34"]) for m in host.heard()] == [("4", "1"), ("8", "2"), ("4", "3")]


def test_a_number_too_low_is_on_the_wire_alone() -> None:
    host = Host().on()
    host.session.send(BODY, Marks(renumber=-1))
    host.session.send(BODY, Marks(poss_dup=True))
    host.session.send(BODY, Marks(poss_resend=True))
    got = host.heard()

    assert [m["34"] for m in got] == ["1", "3", "3", "4"]
    assert [(m.get("43"), m.get("97")) for m in got] == [(None, None), (None, None), ("Y", None), (None, "Y")]


def test_without_resends_everything_is_gap_filled() -> None:
    host = Host().on()
    host.session.no_resend = True
    host.session.send(BODY)
    host.heard()
    host.say("2", 2, (7, "1"), (16, "0"))

    assert [(m["35"], m["34"], m["36"], m["123"]) for m in host.heard()] == [("4", "1", "3", "Y")]


def test_a_dead_line_says_nothing_but_forgets_nothing() -> None:
    host = Host().on()
    host.session.frozen = True
    assert host.session.send(BODY)
    host.clock_s += 100
    host.session.tick()
    assert (host.frames, host.closed) == ([], False)
    host.session.frozen = False
    host.session.awake()
    host.session.tick()
    assert not host.closed
    host.say("2", 2, (7, "2"), (16, "2"))

    assert [m["11"] for m in host.heard()] == ["A"]


def test_a_silent_client_is_asked_and_then_let_go_unless_we_are_deaf() -> None:
    host = Host().on()
    host.session.deaf = True
    host.clock_s += 200
    host.session.tick()
    assert not host.closed
    host.session.deaf = False
    host.session.tick()

    assert host.closed
    assert host.down == 1


def test_what_came_ahead_of_a_gap_is_taken_once_in_order() -> None:
    host = Host().on()
    host.say("D", 4, (11, "third"))
    host.say("D", 3, (11, "second"))
    assert [(m["35"], m["7"], m["16"]) for m in host.heard()] == [("2", "2", "0")]
    host.say("D", 2, (11, "first"), (43, "Y"), (122, time_text(NOW_NS)))
    host.say("D", 3, (11, "second"), (43, "Y"), (122, time_text(NOW_NS)))

    assert host.apps == [("first", 1), ("second", 2), ("third", 3)]


def test_a_gap_fill_over_what_came_ahead_does_not_lose_it() -> None:
    host = Host().on()
    host.say("D", 4, (11, "late"))
    host.say("4", 2, (123, "Y"), (36, "5"), (43, "Y"))

    assert host.apps == [("late", 1)]
    assert host.session.theirs == 5


def test_a_refused_logon_says_why_or_nothing() -> None:
    for silent, said in ((False, ["5"]), (True, [])):
        host = Host()
        host.answer = RefuseLogon(action="refuse_logon", text="no", silent=silent)
        host.session.connected()
        host.say("A", 1, (98, "0"), (108, "30"))

        assert [m["35"] for m in host.heard()] == said
        assert (host.closed, host.up) == (True, 0)


def test_a_reset_that_the_client_agrees_to() -> None:
    host = Host().on()
    host.session.send(BODY)
    host.session.lost("gone")
    host.answer = ResetOnLogon(action="reset_on_logon")
    host.session.connected()
    host.heard()
    host.say("A", 2, (98, "0"), (108, "30"))
    (logon,) = host.heard()
    assert (logon["34"], logon["141"]) == ("1", "Y")
    host.say("A", 1, (98, "0"), (108, "30"), (141, "Y"))
    host.say("D", 2, (11, "X"))

    assert (host.apps, host.closed) == ([("X", 1)], False)


@pytest.mark.parametrize("seed", range(20))
def test_no_bytes_are_too_much(seed: int) -> None:
    r = random.Random(seed)
    host = Host()
    host.session.connected()
    good = [client_frame(t, r.randrange(1, 6), *fields(r)) for t in "A0124535DFGH" for _ in range(4)]
    for _ in range(300):
        data = bytearray(r.choice(good))
        for _ in range(r.choice((0, 0, 1, 3))):
            data[r.randrange(len(data))] = r.randrange(256)
        cut = r.randrange(len(data)) if r.random() < 0.1 else len(data)
        host.session.received(bytes(data[:cut]))
        if not host.session.logged_on and r.random() < 0.3:
            host.session.lost("again")
            host.session.connected()
        host.clock_s += r.random()
        host.session.tick()
        host.session.send(BODY, Marks(renumber=r.randrange(-2, 3), lose=r.random() < 0.2))


def fields(r: random.Random) -> list[tuple[int, str]]:
    tags = (7, 16, 36, 43, 97, 98, 108, 112, 122, 123, 141, 11)
    return [
        (tag, r.choice(("Y", "N", "0", "1", "5", "30", "-3", "x", "99999999", "9" * 5_000)))
        for tag in r.sample(tags, 6)
    ]
