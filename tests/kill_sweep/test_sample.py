"""A small sample of the kill sweep, and proof that its checker sees what it is there to see."""

from pathlib import Path

import pytest

from daemon.strict_toml import load_model
from risk.limits import Limits
from tests.independent.test_hostile_policy import law_of
from tests.kill_sweep.sweep import LIVE_S, Sweep, every_boundary
from tests.kill_sweep.truth import Truth
from tests.kill_sweep.world import LIMITS

SEED = 11
KILLS = 3  # each of them twice: at an instant of chance, and at a boundary


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_beyond_a_limit_whatever_is_killed(tmp_path: Path) -> None:
    rows = Sweep(tmp_path / "sweep.jsonl", tmp_path, patience_s=LIVE_S).world(SEED, KILLS, venue=True)

    assert [row["problems"] for row in rows if row["problems"]] == []
    assert len(rows) == 2 * KILLS + 2
    assert "MsgSeqNum too low" in rows[-2]["halted"][0]  # a venue that forgot everything is no venue to trust
    assert rows[-1]["replayed"] > 50


def test_every_side_of_every_call_is_a_boundary() -> None:
    named = every_boundary()

    assert len(set(named)) == len(named) > 100
    assert ("gate", "os.fdatasync", "before") in named
    assert ("venue", "_Application.fromApp", "after") in named


def message(direction: str, *fields: str) -> str:
    sender, target = ("STEADYHAND", "VENUE") if direction == "IN" else ("VENUE", "STEADYHAND")
    head = [f"8=FIX.4.4\x01{fields[0]}", f"49={sender}", f"56={target}", *fields[1:]]
    return f"2026-11-21T10:00:00.000000Z {direction} " + "\x01".join(head) + "\x01\n"


ORDER = ("35=D", "11=A1", "55=SYN", "54=1", "38=10", "40=2", "44=100.00", "59=0", "1=PAPER", "526=P1")
FILL = ("35=8", "11=A1", "17=E1", "150=F", "39=2", "55=SYN", "54=1", "32=10", "31=100.00", "151=0", "14=10")


def truth(tmp_path: Path, *lines: str) -> Truth:
    path = tmp_path / "fix-venue.log"
    path.write_text("".join(lines))
    found = Truth(path, law_of(load_model(LIMITS, Limits)), {"SYN": 500}, {"P1": ("1", 100)})
    found.read()
    return found


def test_an_order_that_is_sent_twice_is_seen(tmp_path: Path) -> None:
    once = truth(tmp_path, message("IN", *ORDER))
    twice = truth(tmp_path, message("IN", *ORDER), message("IN", *ORDER))
    resent = truth(tmp_path, message("IN", *ORDER, "43=Y"))

    assert not any("used before" in fault for fault in once.breaches)
    assert any("A1: ClOrdID used before" in fault for fault in twice.breaches)
    assert any("sent a second time" in fault for fault in resent.breaches)


def test_fills_move_the_position_once(tmp_path: Path) -> None:
    seen = truth(tmp_path, message("IN", *ORDER), message("OUT", *FILL), message("OUT", *FILL, "43=Y"))

    assert seen.position("SYN") == 510
    assert seen.filled("P1") == 10
    assert seen.live == {}


def test_an_order_beyond_a_limit_is_seen(tmp_path: Path) -> None:
    large = tuple("38=200" if field == "38=10" else field for field in ORDER)

    assert any(fault.startswith("R14") for fault in truth(tmp_path, message("IN", *large)).breaches)
