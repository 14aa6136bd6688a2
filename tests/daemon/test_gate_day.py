"""The start and end of a day: by a person with files, where a calendar agrees; never by time alone."""

from typing import Any

from daemon.gate.people import digest_of
from market import events as ev
from market.desk_events import DayStarted, RestrictedListed
from market.people_events import DayCompared
from market.types import ExecType, OrdStatus, Symbol
from risk import commands as co
from tests.daemon.gate_harness import BID, LIMITS, OPEN_NS, SECOND, World, limits
from tests.daemon.people import sign

NEXT_DAY = "2024-01-03"
MIDNIGHT_NS = 1_704_240_000_000_000_000


def world() -> World:
    w = World(positions=(("PAPER", "SYN", 100),))
    w.open()
    w.parent()
    return w


def to_next_morning(w: World) -> None:
    """09:00 in New York, the next day; both lines stay up."""
    seconds = (MIDNIGHT_NS + 14 * 3_600 * SECOND - w.ts) // SECOND
    w.wait(float(seconds))


def begin(w: World, day: str = NEXT_DAY, person: str = "alice", **fields: Any) -> dict[str, Any]:
    positions = fields.pop("positions", (("PAPER", Symbol("SYN"), 40),))
    started = DayStarted(day=day, positions=positions, closes_e4=((Symbol("SYN"), BID),), **fields)
    issued_ns = MIDNIGHT_NS if day == NEXT_DAY else OPEN_NS
    listed = RestrictedListed(symbols=(), issued_ns=issued_ns)
    return sign(w, person, co.DayBegin(day=day, manifest=digest_of(day)), day=started, listed=listed)


def end(w: World, qty: int = 100, day: str = "2024-01-02", **more: Any) -> dict[str, Any]:
    broker = DayCompared(day=day, positions=(("PAPER", "SYN", qty),))
    return sign(w, "alice", co.DayEnd(day=day, positions="x"), **({"compared": broker} | more))


def test_time_alone_begins_no_day() -> None:
    w = world()
    to_next_morning(w)

    assert w.core.state.risk.memory.day == "2024-01-02"
    assert w.core.state.ledger.positions == {"PAPER SYN": 100}


def test_a_day_begins_with_its_files_and_counts_begin_anew() -> None:
    w = world()
    chain = w.working(200)
    w.fill(chain, 200, BID)
    to_next_morning(w)

    answer = begin(w)

    memory = w.core.state.risk.memory
    assert answer["day"] == memory.day == NEXT_DAY
    assert w.core.state.ledger.positions == {"PAPER SYN": 40}
    assert memory.tally.traded_qty == 0
    assert w.core.state.references.picture(Symbol("SYN")).close_e4 == BID


def test_the_days_volume_is_what_limits_are_shares_of_after_a_restart_too() -> None:
    w = world()
    to_next_morning(w)

    assert begin(w, volumes=((Symbol("SYN"), 1_000, 90.0),))["ok"]
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2}))

    instrument = w.core.state.risk.instruments[Symbol("SYN")]
    assert (instrument.adv, instrument.daily_volatility_bps) == (1_000, 90.0)


def test_a_day_that_no_calendar_knows_does_not_begin() -> None:
    w = world()
    to_next_morning(w)

    assert "no calendar" in begin(w, "2024-01-04")["error"]
    assert "not after" in begin(w, "2024-01-02")["error"]


def test_a_day_does_not_begin_over_open_orders() -> None:
    w = world()
    w.working(200)
    to_next_morning(w)

    assert not begin(w)["ok"]


def test_a_day_needs_its_files_and_a_role() -> None:
    w = world()
    to_next_morning(w)

    assert "no prepared files" in sign(w, "alice", co.DayBegin(day=NEXT_DAY, manifest="m"))["error"]
    assert "role" in begin(w, person="olga")["error"]


def test_a_day_ends_where_nothing_is_open_and_the_broker_agrees() -> None:
    w = world()
    w.wait(700.0)  # the parent's window is over

    assert "the broker holds 99, we 100" in end(w, qty=99)["error"]
    assert "not compared" in end(w, compared=None)["error"]
    assert "not 2024-01-05" in end(w, day="2024-01-05")["error"]
    answer = end(w)

    assert answer["positions"] == {"PAPER SYN": 100}
    assert answer["state"]
    assert w.core.posture.name == "HALTED"
    to_next_morning(w)
    assert begin(w)["ok"]
    w.wait(0.1)
    assert "R40" not in w.core.state.posture.causes


def test_a_day_does_not_end_over_an_order_a_parent_or_a_break() -> None:
    w = world()
    chain = w.working(200)
    error = end(w)["error"]
    assert "1 orders are still open" in error
    assert "1 parents have not ended" in error
    w.fill(chain, 300, BID)
    w.report(chain, ExecType.CANCELED, OrdStatus.CANCELED)

    assert "breaks are not cleared up" in end(w)["error"]


def test_latches_and_limits_outlive_the_day() -> None:
    w = World(limits(order={"qty_max": 100}))
    w.open()
    sign(w, "olga", co.HaltOrder(reason="lunch"))
    to_next_morning(w)

    assert begin(w, positions=())["ok"]
    w.wait(0.1)
    assert "R70H" in w.core.state.posture.causes
    assert w.core.state.risk.limits.order.qty_max == 100
    assert LIMITS.order.qty_max > 100
    assert w.ts > OPEN_NS


def test_live_waits_for_its_start_of_day() -> None:
    law = limits(
        allowed={
            "symbols": ("SYN",),
            "accounts": ("PAPER",),
            "policies": ("twap",),
            "artefacts": ("a" * 64,),
        }
    ).model_copy(update={"mode": "live"})
    w = World(law, mode="live")
    w.open()
    w.parent()
    assert "R42" in w.intent(100, BID).controls
    assert w.core.state.risk.memory.day == ""

    assert begin(w, "2024-01-02", positions=())["error"] == "1 parents have not ended"
    w.wait(700.0)
    assert begin(w, "2024-01-02", positions=())["ok"]
    assert w.core.state.risk.memory.day == "2024-01-02"
