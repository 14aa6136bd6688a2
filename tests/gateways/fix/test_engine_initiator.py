"""The gate's role against a raw-byte acceptor: what is on the wire, and what never is."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.segments.reading import read
from tests.gateways.fix.engine_process import EngineProcess
from tests.gateways.fix.raw_peer import RawAcceptor, RawPeer

ORDER = (
    "35=D|11=SH-1-1|526=P1|1=PAPER|21=1|100=XNAS|55=SYN|54=1|60=20261121-11:26:00.000|"
    "38=100|40=2|44=101.25|59=0|"
)
CANCEL = "35=F|11=SH-1-2|41=SH-1-1|1=PAPER|55=SYN|54=1|60=20261121-11:26:00.000|38=100|"
REPORT = (
    (37, "O1"), (17, "E1"), (150, "0"), (39, "0"), (55, "SYN"), (54, "1"),
    (151, "100"), (14, "0"), (6, "0"), (11, "SH-1-1"),
)  # fmt: skip

Start = Callable[..., EngineProcess]


@pytest.fixture
def acceptor() -> Iterator[RawAcceptor]:
    raw = RawAcceptor()
    yield raw
    raw.close()


@pytest.fixture
def start(acceptor: RawAcceptor, tmp_path: Path) -> Iterator[Start]:
    running: list[EngineProcess] = []

    def go(append: str = "", **session: Any) -> EngineProcess:
        spec = {
            "name": "order",
            "sender_comp_id": "STEADYHAND",
            "target_comp_id": "VENUE",
            "port": acceptor.port,
            "logon_fields": [(7001, "Y")],
            **session,
        }
        engine = EngineProcess(
            role="initiator",
            sessions=[spec],
            state_dir=str(tmp_path / "state"),
            tap=str(tmp_path / "fix.log"),
            append=append,
        )
        running.append(engine)
        return engine

    yield go
    for engine in running:
        engine.close()


def log_on(start: Start, acceptor: RawAcceptor, **options: Any) -> tuple[EngineProcess, RawPeer]:
    engine = start(**options)
    peer, _ = acceptor.log_on()
    engine.next("kind", "LoggedOn")
    return engine, peer


def test_logon_asks_for_cancel_on_disconnect_and_never_for_a_reset(
    start: Start, acceptor: RawAcceptor
) -> None:
    start(heartbeat_s=7)

    peer, logon = acceptor.log_on()

    assert (logon.get(98), logon.get(108), logon.get(34)) == (b"0", b"7", b"1")
    assert logon.get(7001) == b"Y"
    assert logon.get(141) is None
    peer.close()


def test_new_order_on_the_wire_is_fix_44(start: Start, acceptor: RawAcceptor) -> None:
    engine, peer = log_on(start, acceptor)

    assert engine.send(ORDER)

    order = peer.expect("D")
    tags = [tag for tag, _ in order.pairs]
    assert len(tags) == len(set(tags)), "no tag comes twice"
    assert order.get(34) == b"2"
    assert re.fullmatch(rb"\d{8}-\d\d:\d\d:\d\d\.\d{3}", order.get(52))
    wanted = dict(f.split("=", 1) for f in ORDER.rstrip("|").split("|"))
    assert {int(t): order.get(int(t)).decode() for t in wanted} == {int(t): v for t, v in wanted.items()}


def test_no_order_waits_for_the_answer_to_the_one_before(start: Start, acceptor: RawAcceptor) -> None:
    """Nagle's algorithm against a counterparty that answers late: 45 ms between two orders of one write."""
    engine, _ = log_on(start, acceptor)

    assert engine.status()["at_once"] == [True]


def test_test_request_is_answered_with_its_id(start: Start, acceptor: RawAcceptor) -> None:
    _, peer = log_on(start, acceptor)

    peer.send("1", (112, "ARE-YOU-THERE"))

    assert peer.receive().get(112) == b"ARE-YOU-THERE"


@pytest.mark.slow
def test_heartbeats_come_by_themselves(start: Start, acceptor: RawAcceptor) -> None:
    _, peer = log_on(start, acceptor, heartbeat_s=1)

    assert peer.receive().get(35) == b"0"


@pytest.mark.slow
def test_send_while_offline_is_refused_and_uses_no_number(start: Start, acceptor: RawAcceptor) -> None:
    engine = start()
    assert not engine.send(ORDER)
    peer, logon = acceptor.log_on()
    engine.next("kind", "LoggedOn")
    assert logon.get(34) == b"1"
    assert engine.send(ORDER)
    assert peer.expect("D").get(34) == b"2"

    peer.close()
    engine.next("kind", "LoggedOut")
    assert not engine.send(ORDER)

    peer, logon = acceptor.log_on(seq=2)
    assert logon.get(34) == b"3"
    engine.next("kind", "LoggedOn")
    assert engine.numbers() == [4, 3]


def test_resend_request_gets_a_gap_fill_and_never_an_order(start: Start, acceptor: RawAcceptor) -> None:
    engine, peer = log_on(start, acceptor)
    assert engine.send(ORDER)
    assert engine.send(CANCEL)
    peer.expect("D")
    peer.expect("F")

    peer.send("2", (7, "1"), (16, "0"))

    fill = peer.expect("4")
    assert (fill.get(123), fill.get(36), fill.get(43)) == (b"Y", b"4", b"Y")
    peer.send("1", (112, "END"))
    assert peer.receive().get(112) == b"END", "nothing was sent again"


def test_sequence_too_low_ends_the_session_and_says_so(start: Start, acceptor: RawAcceptor) -> None:
    engine, peer = log_on(start, acceptor)

    peer.send("8", *REPORT, seq=1)

    assert b"too low" in peer.expect("5").get(58)
    assert "too low" in engine.next("kind", "LoggedOut")["reason"]


def test_garbled_message_is_dropped_and_the_next_one_counts(start: Start, acceptor: RawAcceptor) -> None:
    engine, peer = log_on(start, acceptor)
    good = peer.frame("8", *REPORT)

    peer.connection.sendall(good.replace(b"55=SYN", b"55=SYM") + good)

    received = engine.next("kind", "Received")
    assert "\x0155=SYN\x01" in received["raw"]
    assert received["n"] == 1


def test_logout_carries_its_reason(start: Start, acceptor: RawAcceptor) -> None:
    engine, peer = log_on(start, acceptor)

    peer.send("5", (58, "end of day"))

    peer.expect("5")
    assert engine.next("kind", "LoggedOut")["reason"]


def test_gap_is_asked_for_and_reports_come_in_order(start: Start, acceptor: RawAcceptor) -> None:
    engine, peer = log_on(start, acceptor)

    peer.seq = 4
    peer.send("8", *REPORT)
    request = peer.expect("2")
    peer.send("4", (43, "Y"), (123, "Y"), (36, "3"), seq=2)
    peer.send("8", *((t, "E0" if t == 17 else v) for t, v in REPORT), (43, "Y"), seq=3)
    peer.send("8", *REPORT, (43, "Y"), seq=4)

    assert (request.get(7), request.get(16)) == (b"2", b"0")
    assert "\x0136=3\x01" in engine.next("kind", "Received")["raw"]  # what will never come
    assert "\x0117=E0\x01" in engine.next("kind", "Received")["raw"]
    assert "\x0117=E1\x01" in engine.next("kind", "Received")["raw"]


@pytest.mark.parametrize(
    "extra",
    [
        [(5001, "custom")],
        [(58, "")],
        [(39, "Z")],
        [(1137, "9")],
        [(453, "1"), (448, "DESK"), (447, "D"), (452, "3")],
        [(382, "2"), (375, "A"), (375, "B")],
        [(453, "2"), (448, "A"), (452, "1"), (802, "1"), (523, "X"), (803, "4"), (448, "B"), (452, "3")],
        [(864, "2"), (865, "1"), (866, "20261121"), (865, "2"), (866, "20261122")],
        [(232, "2"), (233, "A"), (234, "1"), (233, "B"), (234, "2")],
        [(518, "2"), (519, "1"), (520, "0.5"), (521, "USD"), (519, "2"), (520, "1"), (521, "USD")],
        [(627, "2"), (628, "HUB1"), (628, "HUB2")],
        [(60, "20261121-11:26:00.123456")],
    ],
)
def test_report_with_surprises_is_delivered_not_rejected(
    start: Start, acceptor: RawAcceptor, extra: list[tuple[int, str]]
) -> None:
    engine, peer = log_on(start, acceptor)
    tags = {tag for tag, _ in extra}

    peer.send("8", *(f for f in REPORT if f[0] not in tags), *extra)

    assert engine.next("kind", "Received")["n"] == 1
    peer.send("1", (112, "END"))
    assert peer.receive().get(112) == b"END", "no Reject(3) left"


@pytest.mark.parametrize("how", ["raise", "exit"])
def test_bug_in_a_callback_halts_orders_but_not_the_session(
    start: Start, acceptor: RawAcceptor, how: str
) -> None:
    engine, peer = log_on(start, acceptor, append=how)

    peer.send("8", *REPORT)

    assert engine.next("kind", "Alarm")["fatal"]
    assert "\x0117=E1\x01" in engine.next("kind", "Received")["raw"], "its shares are ours all the same"
    peer.send("1", (112, "ALIVE"))
    assert peer.receive().get(112) == b"ALIVE"
    assert engine.status()["halted"]
    assert not engine.send(ORDER), "no new risk once we are wrong"
    assert engine.send(CANCEL), "what works must still come off"
    assert peer.expect("F").get(34) == b"3"


def test_report_is_logged_before_the_number_advances(
    start: Start, acceptor: RawAcceptor, tmp_path: Path
) -> None:
    engine, peer = log_on(start, acceptor, append="kill")
    peer.send("8", *REPORT)
    engine.process.wait(15)

    start(append="journal")
    peer, _ = acceptor.log_on(seq=3)

    request = peer.expect("2")
    assert request.get(7) == b"2", "the engine had not counted it yet and asks again"
    frames = [payload for _, payload in read(tmp_path / "state" / "inbound")]
    assert [b"\x0117=E1\x01" in f for f in frames] == [True]


def test_offsets_point_into_the_inbound_log(start: Start, acceptor: RawAcceptor, tmp_path: Path) -> None:
    engine, peer = log_on(start, acceptor, append="journal")

    peer.send("8", *REPORT)
    peer.send("8", *((t, "E2" if t == 17 else v) for t, v in REPORT))

    received = [engine.next("kind", "Received") for _ in range(2)]
    frames = list(read(tmp_path / "state" / "inbound"))
    assert [(r["offset"], r["raw"].encode()) for r in received] == frames


def test_session_reject_is_handed_over(start: Start, acceptor: RawAcceptor) -> None:
    engine, peer = log_on(start, acceptor)

    peer.send("3", (45, "2"), (372, "D"), (373, "5"), (58, "no"))

    received = engine.next("kind", "Received")
    assert "\x0135=3\x01" in received["raw"]
    assert (received["n"], received["offset"]) == (0, -1)


def test_tap_holds_every_message_before_validation(
    start: Start, acceptor: RawAcceptor, tmp_path: Path
) -> None:
    engine, peer = log_on(start, acceptor)
    good = peer.frame("8", *REPORT)
    peer.connection.sendall(good.replace(b"55=SYN", b"55=SYM") + good)
    engine.next("kind", "Received")
    assert engine.send(ORDER)
    peer.expect("D")

    lines = (tmp_path / "fix.log").read_bytes().splitlines()

    head = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (IN|OUT) (8=FIX\.4\.4\x01.*\x01)"
    matches = [re.fullmatch(head, line) for line in lines]
    assert all(matches)
    kinds = [(m[1], re.search(rb"\x0135=(\w+)", m[2])[1]) for m in matches]  # type: ignore[index]
    assert kinds == [(b"OUT", b"A"), (b"IN", b"A"), (b"IN", b"8"), (b"IN", b"8"), (b"OUT", b"D")]


def test_what_a_counterparty_did_not_read_for_a_while_reaches_it_whole_and_soon(
    start: Start, acceptor: RawAcceptor
) -> None:
    engine, peer = log_on(start, acceptor)
    many = 800  # 13 MB: more than the kernel takes at both ends, so that quickfix holds hundreds of them

    assert engine.send(f"{CANCEL}58={'x' * 16_000}|", times=many)

    assert [int(peer.expect("F").get(34)) for _ in range(many)] == list(range(2, many + 2))


def test_stop_logs_out_and_exits_cleanly(start: Start, acceptor: RawAcceptor) -> None:
    engine, peer = log_on(start, acceptor)

    engine.command(stop=1)
    peer.expect("5")
    peer.send("5")

    assert engine.next("stopped")["stopped"]
    assert engine.process.wait(15) == 0


@pytest.mark.slow
def test_dial_is_repeated_until_somebody_answers(start: Start, acceptor: RawAcceptor) -> None:
    engine = start()
    acceptor.accept().close()

    peer, logon = acceptor.log_on()

    assert engine.next("kind", "LoggedOn")
    assert logon.get(98) == b"0"
    peer.close()


def test_a_host_that_nobody_knows_is_named(start: Start) -> None:
    engine = start(host="venue.invalid")

    assert "FIX host 'venue.invalid'" in engine.next("error")["error"]


def test_message_type_that_the_engine_does_not_know_is_no_end(start: Start, acceptor: RawAcceptor) -> None:
    engine, peer = log_on(start, acceptor)

    peer.send("ZZ", (148, "of no version of FIX"))
    peer.send("8", *REPORT)

    answer = peer.receive()
    assert answer.get(35) in (b"3", b"j")
    assert answer.get(372) == b"ZZ"
    assert "\x0117=E1\x01" in engine.next("kind", "Received")["raw"]


def crash(engine: EngineProcess) -> None:
    engine.process.kill()
    engine.process.wait(15)


def test_numbers_outlive_kill_9(start: Start, acceptor: RawAcceptor) -> None:
    engine, peer = log_on(start, acceptor)
    assert engine.send(ORDER)
    peer.expect("D")
    peer.send("8", *REPORT)
    engine.next("kind", "Received")
    peer.send("1", (112, "X"))
    peer.expect("0")
    crash(engine)

    engine = start()
    peer, logon = acceptor.log_on(seq=4)

    engine.next("kind", "LoggedOn")
    assert logon.get(34) == b"4", "Logon, D, Heartbeat, and now"
    assert engine.numbers() == [5, 5]


def test_reports_missed_while_dead_are_asked_for_again_after_a_second_death(
    start: Start, acceptor: RawAcceptor
) -> None:
    engine, peer = log_on(start, acceptor)
    crash(engine)
    engine = start()
    peer, _ = acceptor.log_on(seq=7)  # 2 to 6 were sent to nobody
    assert peer.expect("2").get(7) == b"2"
    crash(engine)

    start()
    peer, _ = acceptor.log_on(seq=8)

    assert peer.expect("2").get(7) == b"2", "the Logon ahead of the gap was not counted"


@pytest.mark.slow
def test_a_hole_right_behind_one_that_was_filled_is_seen(start: Start, acceptor: RawAcceptor) -> None:
    """The engine believes that it has asked for it: the line is broken, and the next Logon asks."""
    _, peer = log_on(start, acceptor)
    peer.send("0", seq=4)
    assert peer.expect("2").get(7) == b"2"
    peer.send("4", (43, "Y"), (123, "Y"), (36, "5"), seq=2)
    peer.send("0", seq=6)
    assert peer.is_closed()

    peer, _ = acceptor.log_on(seq=7)

    assert peer.expect("2").get(7) == b"5"


@pytest.mark.parametrize("kind", ["5", "3"])
def test_what_a_logout_or_a_reject_ran_ahead_of_is_asked_for(
    start: Start, acceptor: RawAcceptor, kind: str
) -> None:
    """The engine counts both whatever their number is; the report at 2 would be lost for ever."""
    _, peer = log_on(start, acceptor)
    peer.send(kind, (45, "1"), (58, "not today"), seq=4)
    if kind == "5":
        peer.expect("5")
        peer.close()
        peer, _ = acceptor.log_on(seq=5)
    else:
        peer.send("0", seq=5)

    assert peer.expect("2").get(7) == b"2"


def test_a_logout_with_a_number_of_before_moves_none(start: Start, acceptor: RawAcceptor) -> None:
    engine, peer = log_on(start, acceptor)
    peer.send("0")
    peer.send("5", seq=1)
    peer.expect("5")
    peer.close()

    acceptor.log_on(seq=3)

    engine.next("kind", "LoggedOn")
    assert engine.numbers()[1] == 4


@pytest.mark.slow
def test_reset_by_the_broker_is_followed(start: Start, acceptor: RawAcceptor) -> None:
    engine, peer = log_on(start, acceptor)
    assert engine.send(ORDER)
    peer.expect("D")
    peer.close()
    engine.next("kind", "LoggedOut")
    peer = acceptor.accept()
    assert peer.expect("A").get(34) == b"3"
    peer.send("A", (98, "0"), (108, "10"), (141, "Y"))
    engine.next("kind", "LoggedOn")
    assert peer.expect("A").get(34) == b"1"
    numbers = engine.numbers()
    crash(engine)

    start()
    peer, logon = acceptor.log_on(seq=numbers[1])

    assert int(logon.get(34)) == numbers[0]


def test_damaged_numbers_refuse_the_start(start: Start, acceptor: RawAcceptor, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "order.numbers").write_bytes(b"\x01" * 20)

    assert "order.numbers: damaged" in start().next("error")["error"]
