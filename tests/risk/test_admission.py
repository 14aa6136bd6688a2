"""R08 and R17: a parent is admitted whole, or every reason why not is named. Corners of days and lists."""

from datetime import date, time, timedelta
from typing import Any

import msgspec
import pytest

from daemon.gate import parents
from daemon.gate.effects import Reply
from market import events as ev
from market.instruments import Instrument
from market.types import Side
from risk import admission, calendar, canary, overlay, scopes
from risk.calendar import OfTape, OfVenue, Phase, Rules
from risk.controls import trips
from risk.rates import Rates, Ring
from tests.daemon.gate_harness import ASK, BID, OPEN_NS, SECOND, SYN, World, limits, parent_order
from tests.risk.boundary_world import BUY, SELL, ask
from tests.risk.test_levels import own

DAY_NS = 24 * 3_600 * SECOND


def faults(w: World, ts_ns: int | None = None, begun: bool = False, **fields: Any) -> str:
    risk = w.core.state.risk
    live = [p.order for p in w.core.state.live_parents.values()]
    order = msgspec.structs.replace(parent_order(), **fields)
    return "; ".join(admission.faults(risk, order, w.ts if ts_ns is None else ts_ns, live, begun))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"parent_id": "a b"}, "R01 parent id"),
        ({"qty": 0}, "R01 quantity"),
        ({"qty": True}, "R01 quantity"),
        ({"qty": 2**31}, "R01 quantity"),
        ({"symbol": "NONE"}, "R02 symbol NONE"),
        ({"mic": "XNYS"}, "R02 venue"),
        ({"account": "OTHER"}, "R02 account"),
        ({"qty": 1_001}, "R02 quantity 1001 is no multiple"),
        ({"limit_price_e4": BID + 1}, "R02 limit price"),
        ({"limit_price_e4": -100}, "R02 limit price"),
        ({"max_participation_bp": 0}, "R01 participation"),
        ({"max_participation_bp": 10_001}, "R01 participation"),
        ({"urgency": 6}, "R01 urgency"),
        ({"start_ns": 0}, "R08 the window ends before"),
        ({"end_ns": OPEN_NS}, "R08 the window ends before"),
        ({"start_ns": OPEN_NS - 3_600 * SECOND}, "R08 the window is outside"),
        ({"start_ns": OPEN_NS - 60 * SECOND, "end_ns": OPEN_NS - 1}, "R08 the window ended"),
        ({"display": None, "min_qty": 5}, "R08 min_qty is not supported"),
        ({"declared_notional_micros": 1}, "R08 declared"),
        ({"qty": 600_000}, "R08 quantity 600000 is above"),
        ({"side": Side.SELL_SHORT}, "R17 side"),
    ],
)
def test_each_reason_is_named(fields: dict[str, Any], reason: str) -> None:
    fields.pop("display", None)
    w = World(limits(), instruments=(Instrument(symbol=SYN, adv=2_000_000, lot=10),))
    w.open()

    assert reason in faults(w, **fields)


def test_what_is_sound_has_no_fault() -> None:
    w = World(limits())
    w.open()
    assert faults(w, limit_price_e4=BID, max_participation_bp=10_000, urgency=5) == ""
    assert faults(w, ts_ns=0) == ""  # before market time is known nothing has ended
    assert faults(w, begun=True, start_ns=OPEN_NS - 3_600 * SECOND) == ""
    always = World(limits(), instruments=(Instrument(symbol=SYN, open=time(0), close=time(0), adv=10**7),))

    assert faults(always) == ""


def test_live_parents_of_the_other_side_and_of_other_symbols() -> None:
    w = World(limits(parents={"live_max": 2}), instruments=(Instrument(symbol=SYN), Instrument(symbol="ALT")))
    w.open()
    assert w.parent(qty=100)["ok"]
    assert "P1 is live on the other side" in faults(w, parent_id="P2", side=Side.SELL)
    assert "other side" not in faults(w, parent_id="P2", side=Side.SELL, symbol="ALT")


def test_without_a_volume_or_a_price_only_paper_admits() -> None:
    strict = limits(parents={"adv_unknown_ok": False, "price_unknown_ok": False})
    w = World(strict, instruments=(Instrument(symbol=SYN),))
    found = faults(w)
    assert "volume of SYN is not known" in found
    assert "no reference price of SYN" in found

    assert faults(World(limits(), instruments=(Instrument(symbol=SYN),))) == ""


def test_a_parent_too_dear_is_refused_at_its_limit_price() -> None:
    w = World(limits(parents={"notional_max_ccy": 200_019}))
    w.open()
    assert "worth 200,020" in faults(w, limit_price_e4=BID)
    assert "worth 220,000" in faults(w, limit_price_e4=1_100_000)


def answer(w: World, event: Any) -> dict[str, Any]:
    return next(e.body for e in w.step(event) if isinstance(e, Reply))


def test_a_parent_that_is_being_cancelled_is_not_amended() -> None:
    w = World(limits())
    w.open()
    assert w.parent()["ok"]
    w.working(100)
    w.step(ev.CancelParent(request_id=1, parent_id="P1"))

    assert answer(w, ev.AmendParent(request_id=2, parent_id="P1", qty=3_000))["faults"] == [
        "R08 the parent is being cancelled"
    ]
    other = World(limits())
    other.open()
    assert other.parent()["ok"]
    assert answer(other, ev.AmendParent(request_id=2, parent_id="P1"))["faults"] == ["R08 nothing to amend"]


def test_parents_of_one_journal_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parents, "PARENTS_MAX", 1)
    w = World(limits())
    w.open()
    assert w.parent()["ok"]

    assert "R08 1 parents at once" in w.parent(pid="P2")["faults"][0]
    assert w.parent()["faults"][1] == "R24 parent id P1 was used before"


# --- calendars --------------------------------------------------------------------------------


def rules(**more: Any) -> Rules:
    fields: dict[str, Any] = {
        "zone": "UTC",
        "first": date(2024, 1, 1),
        "last": date(2024, 12, 31),
        "regular": {date(2024, 1, 1): ((time(9), time(17)),), date(2024, 2, 1): ((time(10), time(17)),)},
        "closed": frozenset(),
        "special": {date(2024, 1, 6): ((time(9), time(12)),)},
    } | more
    return Rules(**fields)


def test_hours_of_a_day() -> None:
    table = rules(closed=frozenset({date(2024, 1, 2)}))
    days = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 6), date(2024, 1, 7), date(2024, 3, 1)]
    assert [table.hours(d) for d in days] == [
        (), ((time(9), time(17)),), ((time(9), time(12)),), (), ((time(10), time(17)),)
    ]  # fmt: skip
    assert table.hours(date(2025, 1, 1)) == ()


def test_a_venue_that_closes_for_good_names_no_next_session() -> None:
    closed = frozenset(date(2024, 1, 1) + timedelta(days=n) for n in range(60))
    found = OfVenue(rules(closed=closed, special={})).phase(OPEN_NS)

    assert (found.phase, found.open_ns, found.close_ns) == (Phase.CLOSED, 0, 0)


def test_a_tape_keeps_its_answer_while_it_holds() -> None:
    tape = OfTape(Instrument(symbol=SYN))
    first = tape.phase(OPEN_NS)

    assert tape.phase(OPEN_NS + 1) is first
    assert tape.phase(0).phase is Phase.UNKNOWN


def test_a_table_whose_hours_begin_too_late_is_refused(tmp_path: Any) -> None:
    for name, part in (("late", {date(2024, 2, 1): ((time(9), time(17)),)}), ("none", {})):
        table = calendar.Table(source="x", venues={}, calendars={"X": rules(regular=part)})
        path = tmp_path / name
        path.write_bytes(msgspec.json.encode(table))
        with pytest.raises(calendar.CalendarError, match="not a table"):
            calendar.load(path)


# --- corners of the overlay -------------------------------------------------------------------


def world(side: Side = BUY, law: Any = None, **more: Any) -> World:
    w = World(law or limits(), **more)
    w.open()
    assert w.parent(qty=100_000, side=side)["ok"]
    return w


def test_a_canary_that_moves_the_posture_or_breaks_a_control_has_not_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = world()
    stamp, controls = ev.Stamp(w.ts, w.now), overlay.AFTER_SCHEMA

    def broken(_: Any) -> None:
        raise LookupError("gone")

    monkeypatch.setattr(overlay, "AFTER_SCHEMA", (*controls, broken))
    assert "GR1" in canary.sing(w.core.state.risk, "R03", stamp)
    w = world()
    table = w.core.state.posture
    monkeypatch.setattr(overlay, "AFTER_SCHEMA", (*controls, lambda _: table.raise_("R30S", "moved", w.now)))

    assert "let pass" in canary.sing(w.core.state.risk, "R03", stamp)


def test_a_cheap_parent_and_one_too_young_are_not_judged() -> None:
    w = world(law=limits(slippage={"pause_bps": 1, "halt_bps": 10**9}))
    parent = w.ask_parent()
    assert trips.parent_cost(w.core.state.risk.limits, parent.order, parent.progress) == ""
    chain = w.working(100, ASK)
    w.fill(chain, 100, ASK)

    assert trips.parent_cost(w.core.state.risk.limits, parent.order, parent.progress) == ""


def test_abnormal_exits_of_long_ago_are_forgiven() -> None:
    w = world(law=limits(start={"exits_max": 2, "exits_window_ms": 10_000}))
    for epoch in (1_000, 1_020, 1_040):
        w.step(ev.GateStarted(**w.start_fields | {"epoch": epoch}))
    assert w.core.state.risk.memory.exits == [1_040]
    assert "R67L" not in w.core.state.posture.causes


def test_net_alone_and_gross_alone() -> None:
    for name in ("gross_max_ccy", "net_max_ccy"):
        w = world(law=limits(exposure={name: 100_020}))
        chain = w.working(1_000, BID)
        w.fill(chain, 1_000, BID)
        w.price(BID + 5_000, ASK + 5_000)
        w.wait(0.1)
        assert "R11" in w.core.state.posture.causes
        assert "R11" in ask(w, BUY, 10, BID + 5_000)
    flat = world(SELL, law=limits(exposure={"gross_max_ccy": 50_000}), positions=(("PAPER", SYN, 1_000),))

    assert "R11" not in ask(flat, SELL, 400, ASK)  # over its limit, and this makes it no larger


def test_value_alone_spends_the_day() -> None:
    w = world(law=limits(day={"notional_max_ccy": 10_000}))
    chain = w.working(90, BID)
    w.fill(chain, 90, BID)
    w.wait(0.1)
    assert "R19" not in w.core.state.posture.causes
    chain = w.working(9, BID)
    w.fill(chain, 9, BID + 20_000_000)
    w.wait(0.1)

    assert "R19" in w.core.state.posture.causes


def test_a_ring_of_the_future_is_of_another_boot() -> None:
    ring = Ring(SECOND)
    ring.add(10 * SECOND)
    assert ring.peek(5 * SECOND) == 0
    assert ring.count(5 * SECOND) == 0
    found = Rates(10 * SECOND)
    found.note_sent(SYN, 11 * SECOND)

    assert found.sent_of(found.sent_symbol[SYN], 9 * SECOND, 5) == 0
    assert found.sent_of(None, 12 * SECOND, 5) == 0


def test_scopes_are_found_once_and_no_more_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "CACHED_MAX", 0)
    w = world(law=own("symbol", order={"qty_max": 500}, exposure={"long_max": 600}))
    assert ask(w, BUY, 501) == ("R03",)
    assert ask(w, BUY, 500) == ()
    chain = next(iter(w.core.state.chains))
    w.fill(chain, 100, BID)
    mine = own("account", loss={"execution_max_ccy": 9}).model_dump_json()
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 2, "limits": mine}))
    other = own("account", "OTHER", loss={"execution_max_ccy": 9}).model_dump_json()
    w.step(ev.GateStarted(**w.start_fields | {"epoch": 3, "limits": other}))

    assert w.core.state.risk.scopes.own["A/OTHER"].ledger.books == {}
    assert w.core.state.digest()
