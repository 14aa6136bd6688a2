"""An OMS session's numbers: nothing lost, nothing twice, whatever the line and this process go through."""

from pathlib import Path

import pytest

from gateways.fix.oms_frames import BODY_BYTES_MAX, GARBLED_MAX, Frames, TooLong, frame, sealed
from gateways.fix.oms_session import PIECE_MAX, REQUESTS_MAX, OmsSession
from gateways.fix.oms_store import RECORD_BYTES, OmsStore
from gateways.fix.sessions import EngineError
from tests.gateways.fix.oms_line import NOON_NS, NS, OmsLine

ORDER = "35=D|11=A1"
REPORT = "35=8|17=X1|"


@pytest.fixture
def line(tmp_path: Path) -> OmsLine:
    return OmsLine(tmp_path)


def on(line: OmsLine, number: int = 1) -> None:
    refusal, said = line.logon(number)
    assert not refusal
    assert said[0]["35"] == "A"


def test_logon_request_answer_logout(line: OmsLine) -> None:
    on(line)
    line.answers = [REPORT]

    answer = line.says(ORDER, 2)
    assert [(m["35"], m["34"], m.get("17")) for m in answer] == [("8", "2", "X1")]
    assert line.says("35=1|112=ABC", 3)[0]["112"] == "ABC"
    assert line.says("35=5", 4)[0]["35"] == "5"

    assert line.closed
    assert line.came == [(True, False, ""), (False, False, "the OMS logged out")]
    assert line.store.next_in == 5


@pytest.mark.parametrize(
    ("more", "number", "text"),
    [
        ("141=Y", 1, ""),  # nothing was said yet: it changes nothing
        ("108=0", 1, "108 is not 1 to 60"),
        ("108=61", 1, "108 is not 1 to 60"),
        ("98=1", 1, "98 is not 0"),
        ("108=x", 1, "108 is not 1 to 60"),
    ],
)
def test_logon_is_refused_with_a_line(line: OmsLine, more: str, number: int, text: str) -> None:
    refusal, said = line.logon(number, more)

    assert refusal.startswith(text) == bool(text) or not text
    assert [m["35"] for m in said] == (["5"] if text else ["A"])
    assert line.session.up is not bool(text)


def test_without_the_password_nothing_is_said(tmp_path: Path) -> None:
    line = OmsLine(tmp_path, username="desk", password="word")

    for more in ("", "553=desk", "553=desk|554=wrong", "553=x|554=word"):
        assert line.logon(1, more) == ("username or password is wrong", [])
    assert line.store.next_out == 1, "a stranger moves no number"
    assert line.logon(1, "553=desk|554=word")[0] == ""


def test_a_second_logon_is_refused_and_the_first_line_goes_on(line: OmsLine) -> None:
    on(line)

    assert (
        line.session.logon(line, line.message("35=A|98=0|108=10", 2), line.now) == "it is logged on already"
    )
    assert line.session.up
    assert line.said() == []


def test_number_too_low_is_the_end_of_the_session(line: OmsLine) -> None:
    on(line)
    line.says("35=0", 2)

    said = line.says("35=0", 2)

    assert said[0]["58"] == "MsgSeqNum too low, expecting 3 but received 2"
    assert line.closed
    refusal, _ = line.logon(1)
    assert "too low, expecting 3" in refusal


def test_poss_dup_of_what_we_have_is_no_news(line: OmsLine) -> None:
    on(line)
    line.says(ORDER, 2)

    assert line.says(f"{ORDER}|43=Y|122=20240102-12:00:00", 2) == []
    assert len(line.taken) == 1
    assert line.store.next_in == 3


def test_a_gap_is_asked_for_once_and_filled(line: OmsLine) -> None:
    on(line)

    asked = line.says(ORDER, 4)
    assert [(m["35"], m["7"], m["16"]) for m in asked] == [("2", "2", "0")]
    assert line.says("35=0", 5) == []
    assert line.taken == []
    line.says("35=4|123=Y|36=4|43=Y|122=20240102-12:00:00", 2)
    line.says(f"{ORDER}|43=Y|122=20240102-12:00:00", 4)
    line.says("35=4|123=Y|36=6|43=Y|122=20240102-12:00:00", 5)

    assert len(line.taken) == 1
    assert line.store.next_in == 6
    assert line.says("35=0", 8)[0]["35"] == "2", "a new gap is asked for again"


def test_an_oms_that_does_not_resend_is_asked_again_and_let_go(line: OmsLine) -> None:
    on(line)
    line.says("35=0", 9)

    said = []
    for n in range(8):
        line.says("35=0", 10 + n)  # it lives, and does not resend
        said += line.waits(5)

    assert [m["35"] for m in said].count("2") == 2
    assert said[-1]["35"] == "5"
    assert line.closed


def test_what_came_while_the_oms_was_away_is_told_after_logon(line: OmsLine) -> None:
    on(line)
    line.session.lost("gone")
    line.report_up("35=8|17=X1|")
    line.report_up("35=8|17=X2|")

    _, said = line.logon(2)

    assert [(m["35"], m.get("17")) for m in said] == [("A", None), ("8", "X1"), ("8", "X2")]


def test_resend_gives_reports_their_numbers_again_and_fills_the_rest(line: OmsLine) -> None:
    on(line)  # 1 is our logon
    line.report_up("35=8|17=X1|")  # 2
    line.says("35=1|112=T", 2)  # 3
    line.waits(10)  # 4, a heartbeat
    line.report_up("35=8|17=X2|")  # 5
    line.said()

    said = line.says("35=2|7=1|16=0", 3)

    assert [(m["35"], m["34"], m.get("36") or m.get("17")) for m in said] == [
        ("4", "1", "2"),
        ("8", "2", "X1"),
        ("4", "3", "5"),
        ("8", "5", "X2"),
    ]
    assert all(m["43"] == "Y" and m["122"] for m in said)
    assert line.store.next_out == 6, "a resend takes no number"


def test_after_kill_9_the_same_numbers_and_nothing_left_out(line: OmsLine) -> None:
    on(line)
    line.report_up("35=8|17=X1|")
    line.session.lost("gone")
    line.said()
    line.restart()
    line.report_up("35=8|17=X2|")  # the journal has one more than ever left

    _, said = line.logon(2)
    again = line.says("35=2|7=2|16=0", 3)

    assert [(m["35"], m["34"], m.get("17")) for m in said] == [("A", "3", None), ("8", "4", "X2")]
    assert [(m["34"], m.get("17") or m["36"]) for m in again] == [("2", "X1"), ("3", "4"), ("4", "X2")]


def test_a_report_whose_record_was_written_keeps_its_number(line: OmsLine) -> None:
    """Killed between the record and the bytes: the OMS sees a gap and asks."""
    on(line)
    line.bodies.append("35=8\x0117=X1\x01")
    line.store.out(0)
    line.session.lost("killed")
    line.restart()

    _, said = line.logon(2)
    again = line.says("35=2|7=2|16=0", 3)

    assert [m["35"] for m in said] == ["A"]
    assert [(m["34"], m.get("17") or m["36"]) for m in again] == [("2", "X1"), ("3", "4")]


def test_a_reset_that_is_agreed_restates_and_one_that_is_not_is_refused(tmp_path: Path) -> None:
    line = OmsLine(tmp_path, reset_on_logon=True)
    on(line)
    line.report_up("35=8|17=X1|")
    line.session.lost("gone")
    line.said()

    refusal, said = line.logon(1, "141=Y")
    assert not refusal
    assert (said[0]["34"], said[0]["141"]) == ("1", "Y")
    assert line.came[-1] == (True, True, "")
    line.restart()
    assert line.store.places == 1, "what has left is not told twice"

    strict = OmsLine(tmp_path / "strict")
    on(strict)
    strict.session.lost("gone")
    assert "141=Y is not agreed" in strict.logon(1, "141=Y")[0]


def test_a_reset_that_a_death_cut_short_restates_at_the_next(tmp_path: Path) -> None:
    line = OmsLine(tmp_path, reset_on_logon=True)
    on(line)
    line.report_up("35=8|17=X1|")
    line.session.lost("gone")
    line.store.reset()  # and killed, before the Logon left

    line.restart()
    assert not line.logon(1, "141=Y")[0]
    assert line.came[-1] == (True, True, "")


def test_an_oms_that_was_refused_at_its_first_logon_may_begin_at_1(line: OmsLine) -> None:
    assert line.logon(1, "141=Y|98=1")[0].startswith("98 is not 0")

    refusal, said = line.logon(1, "141=Y")
    assert not refusal
    assert [(m["35"], m["34"]) for m in said] == [("A", "1")]


def test_reports_sent_again_after_the_clock_was_set_back_are_not_of_the_future(line: OmsLine) -> None:
    on(line)
    line.report_up(REPORT)
    line.said()

    line.now -= 60 * NS
    (again,) = line.says("35=2|7=2|16=2", 2)

    assert (again["17"], again["43"]) == ("X1", "Y")
    assert again["122"] <= again["52"]


def test_two_ranges_that_are_asked_for_at_once_both_come(line: OmsLine) -> None:
    on(line)
    many = 3 * PIECE_MAX
    for n in range(many):
        line.report_up(f"35=8|17=X{n}|")
    line.said()

    got = line.says(f"35=2|7=2|16={PIECE_MAX + 100}", 2) + line.says(f"35=2|7={PIECE_MAX + 101}|16=0", 3)
    while line.session.is_behind:
        line.session.tick(line.now)
        got += line.said()

    assert [m["17"] for m in got] == [f"X{n}" for n in range(many)]


def test_many_resend_requests_at_once_are_one_piece_until_the_next_look(line: OmsLine) -> None:
    on(line)
    many = PIECE_MAX // 2
    for n in range(many):
        line.report_up(f"35=8|17=X{n}|")
    line.said()

    got = [m for n in range(50) for m in line.says(f"35=2|7=2|16={many + 1}", 2 + n)]
    assert len(got) == PIECE_MAX
    while line.session.is_behind:
        got += line.waits(0.005)

    assert [m["17"] for m in got[-many:]] == [f"X{n}" for n in range(many)]
    assert len(got) <= 3 * PIECE_MAX


def test_a_dead_line_is_tested_and_given_up(line: OmsLine) -> None:
    on(line)

    said = line.waits(12)
    assert said[0]["35"] == "1"
    assert [m["35"] for m in line.waits(10)] == ["0"]
    line.waits(3)

    assert line.closed == "no heartbeat"
    assert not line.session.up


def test_sending_time_far_off_ends_the_session(line: OmsLine) -> None:
    on(line)

    said = line.says(ORDER, 2, sent_ns=NOON_NS - 200 * NS)

    assert [m["35"] for m in said] == ["3", "5"]
    assert line.taken == []


@pytest.mark.parametrize(
    ("text", "number", "kinds"),
    [
        ("35=D|11=A1|43=Y", 2, ["3"]),  # without 122
        ("35=4|123=Y|36=2", 2, ["3"]),
        ("35=4|36=1", 2, ["3"]),
        ("35=2|7=99|16=0", 2, ["3"]),
        ("35=D|11=A1|44=", 2, ["3"]),
        ("35=A|98=0|108=10", 2, ["5"]),
    ],
)
def test_session_rejects(line: OmsLine, text: str, number: int, kinds: list[str]) -> None:
    on(line)

    assert [m["35"] for m in line.says(text, number)] == kinds
    assert line.taken == []


def test_a_field_without_a_value_is_named(line: OmsLine) -> None:
    """849 without a value: a participation that got lost, or none?"""
    on(line)

    (answer,) = line.says("35=D|11=A1|849=|58=x", 2)

    assert [answer[tag] for tag in ("45", "371", "372", "373", "58")] == [
        "2",
        "849",
        "D",
        "4",
        "849 has no value",
    ]
    assert line.taken == []
    assert line.store.next_in == 3


def test_sequence_reset_moves_the_number_that_we_want(line: OmsLine) -> None:
    on(line)

    assert line.says("35=4|36=20", 9) == []
    assert line.store.next_in == 20


def test_more_requests_than_a_person_types_are_refused(line: OmsLine) -> None:
    on(line)

    said = [m for n in range(REQUESTS_MAX + 1) for m in line.says(f"35=D|11=A{n}", 2 + n)]

    assert len(line.taken) == REQUESTS_MAX
    assert [(m["35"], m["379"]) for m in said] == [("j", f"A{REQUESTS_MAX}")]


def test_after_a_power_cut_no_number_is_used_twice(line: OmsLine) -> None:
    on(line)
    line.report_up("35=8|17=X1|")
    line.session.lost("the power went")
    line.store.close()
    (line.folder / "OMS.sent").write_bytes(bytes(3 * RECORD_BYTES))  # blocks that never came to the disk
    line.store = OmsStore(line.folder, "OMS", "another boot")
    line.session = OmsSession(line.terms, line.store, line.desk, lambda: NOON_NS + line.now)
    line.said()

    _, said = line.logon(2)
    again = line.says("35=2|7=2|16=0", 3)

    assert [(m["34"], m.get("17")) for m in said] == [("10003", None), ("10004", "X1")]
    assert [(m["34"], m.get("36") or m["17"]) for m in again] == [("2", "10004"), ("10004", "X1")]
    assert OmsStore(line.folder, "OMS", "another boot").next_out == 10_005


def test_a_power_cut_that_took_more_of_the_journal_leaves_what_both_know(tmp_path: Path) -> None:
    store = OmsStore(tmp_path, "OMS", "one")
    for place in range(3):
        store.out(place)

    store = OmsStore(tmp_path, "OMS", "two")
    store.forget(1)

    assert store.cut
    again = OmsStore(tmp_path, "OMS", "two")
    assert (again.places, again.sent(1), again.sent(2)) == (1, store.sent(1), None)


# --- bytes and files ------------------------------------------------------------------------------


def test_frames_come_whole_however_they_are_cut() -> None:
    whole = frame("35=0\x0134=1\x01") + frame("35=1\x01112=x\x01")

    for size in (1, 2, 3, 7, 100):
        frames = Frames()
        found = [m for at in range(0, len(whole), size) for m in frames.feed(whole[at : at + size])]
        assert [m.split("\x01")[2] for m in found] == ["35=0", "35=1"]


@pytest.mark.parametrize(
    "bad", [b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01", b"8=FIX.4.4\x019=x\x0135=0\x01", b"junk"]
)
def test_garbled_bytes_are_dropped_and_the_next_message_is_found(bad: bytes) -> None:
    frames = Frames()

    assert [m.split("\x01")[2] for m in frames.feed(bad + frame("35=0\x01"))] == ["35=0"]


@pytest.mark.parametrize(
    "bad", [b"8=FIX", b"8=FIX.4.4\x019=8\x01", b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01"]
)
def test_a_flood_of_heads_is_cut_off(bad: bytes) -> None:
    """A megabyte of them held the gate's loop for seconds, sent by anybody."""
    frames = Frames()

    assert frames.feed(bad * GARBLED_MAX + frame("35=0\x01")) != []
    assert frames.feed(bad * GARBLED_MAX + frame("35=0\x01")) != []
    with pytest.raises(TooLong, match="garbled"):
        frames.feed(bad * 200_000)
    assert frames.garbled == 3 * GARBLED_MAX + 1


def test_a_message_without_end_is_cut_off() -> None:
    with pytest.raises(TooLong):
        Frames().feed(b"8=FIX.4.4\x019=%d\x01" % (BODY_BYTES_MAX + 1))


def test_store_cuts_a_torn_record_and_refuses_a_damaged_one(tmp_path: Path) -> None:
    store = OmsStore(tmp_path, "OMS")
    for place in range(3):
        store.out(place)
    path = tmp_path / "OMS.sent"
    whole = path.read_bytes()

    path.write_bytes(whole[:-5])
    assert OmsStore(tmp_path, "OMS").places == 2
    path.write_bytes(b"x" + whole[1:])
    with pytest.raises(EngineError, match="damaged"):
        OmsStore(tmp_path, "OMS")
    assert len(whole) == 3 * RECORD_BYTES


# --- what is long -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        (b"95=5|96=a|b|c|38=1|", b"95=5|96=a.b.c|38=1|"),
        (b"95=3|96=||||38=1|", b"95=3|96=...|38=1|"),
        (b"354=3|355=38=|38=1|", b"354=3|355=38=|38=1|"),
        (b"95=3|96=a|b|93=3|89=|x||38=1|", b"95=3|96=a.b|93=3|89=.x.|38=1|"),
        (b"95=4|96=a|b|c|38=1|", b"95=4|96=a|b|c|38=1|"),  # a length that is none
        (b"95=99999|96=a|38=1|", b"95=99999|96=a|38=1|"),
        (b"95=3|58=a|b|38=1|", b"95=3|58=a|b|38=1|"),  # no field of data
        (b"95=1|95=3|96=a|b|38=1|", b"95=1|95=3|96=a.b|38=1|"),
    ],
)
def test_data_may_hold_soh(fields: bytes, read: bytes) -> None:
    message = b"8=FIX.4.4|35=D|" + fields
    assert sealed(message.replace(b"|", b"\x01")) == (b"8=FIX.4.4|35=D|" + read).replace(b"|", b"\x01")


def test_a_request_with_soh_in_its_data_is_taken(line: OmsLine) -> None:
    on(line)
    head = line.message(f"{ORDER}|354=5|355=a", 2).removesuffix("\x0110=000\x01").partition("\x0135=")[2]
    (raw,) = Frames().feed(frame(f"35={head}\x01\x0134\x01"))
    line.session.receive(raw, line.now)
    assert len(line.taken) == 1
    assert "34=2" in line.taken[0]
    assert line.store.next_in == 3


def test_a_field_that_is_none_is_refused_and_the_session_lives(line: OmsLine) -> None:
    on(line)
    answer = line.says(f"{ORDER}|nothing", 2)
    assert [(m["35"], m["45"], m["373"]) for m in answer] == [("3", "2", "0")]
    assert (line.taken, line.store.next_in) == ([], 3)
    line.says(ORDER, 3)
    assert len(line.taken) == 1


def test_thousands_are_sent_again_in_pieces_and_what_is_new_comes_behind_them(line: OmsLine) -> None:
    on(line)
    many = 5 * PIECE_MAX
    for n in range(many):
        line.report_up(f"35=8|17=X{n}|")
    line.said()
    got = line.says("35=2|7=1|16=0", 2)
    assert len(got) == PIECE_MAX
    line.report_up("35=8|17=NEW|")
    got += line.says(ORDER, 3)
    assert len(line.taken) == 1, "requests are taken meanwhile"
    while line.session.is_behind:
        line.session.tick(line.now)
        piece = line.said()
        assert len(piece) <= PIECE_MAX
        got += piece
    again = [m for m in got if m["35"] == "8"]
    assert [m["17"] for m in again] == [f"X{n}" for n in range(many)] + ["NEW"]
    assert [m.get("43") for m in again] == ["Y"] * many + [None]


def test_a_range_that_ends_before_it_begins_is_refused(line: OmsLine) -> None:
    on(line)
    for n in range(5):
        line.report_up(f"35=8|17=X{n}|")
    line.said()
    assert [(m["35"], m["371"]) for m in line.says("35=2|7=4|16=2", 2)] == [("3", "7")]


def test_an_oms_that_does_not_read_is_not_sent_more(line: OmsLine) -> None:
    on(line)
    line.full = True
    for n in range(50):
        line.report_up(f"35=8|17=X{n}|")
    assert line.said() == []
    line.full = False
    assert [m["17"] for m in line.waits(0.2)] == [f"X{n}" for n in range(50)]


def test_what_was_being_sent_again_is_forgotten_with_the_line(line: OmsLine) -> None:
    on(line)
    for n in range(2 * PIECE_MAX):
        line.report_up(f"35=8|17=X{n}|")
    line.says("35=2|7=1|16=0", 2)
    assert line.session.is_behind
    line.session.lost("gone")
    line.said()
    assert not line.session.is_behind
    on(line, 3)
    assert not line.session.is_behind
