"""The desk: kills, halts and rearms, limits by two people, the day, and what other parts watch."""

from typing import Any

import msgspec

from daemon.gate.people import identity
from market import events as ev
from market.desk_events import (
    Condition,
    DayStarted,
    LeaseRenewed,
    LimitSignal,
    MachineMeasured,
    RestrictedListed,
)
from market.instruments import Instrument
from market.people_events import DayCompared, SignedCommand, StopScope
from market.types import ExecType, OrdStatus, ParentID, Side, Symbol
from risk import commands as co
from tests.daemon.gate_harness import ASK, BID, INSTRUMENT, LIMITS, OPEN_NS, SECOND, SYN, limits, parent_order
from tests.daemon.people import PEOPLE
from tests.daemon.stories.book import Story

Q = 100
DWELL = {"resume": {"reduce_only_ms": 500, "rearmed_ms": 2_000}}
ABC = Symbol("ABC")
NEXT_DAY = "2024-01-03"
MORNING_S = 82_800.0  # from the open of the window to 09:00 of the next day


class _Desk(Story):
    """A story with people in it; their nonces count up."""

    nonce = 0

    def sign(self, person: str, order: Any, **more: Any) -> dict[str, Any]:
        self.nonce += 1
        key, role = PEOPLE[person]
        text = co.write(identity(self.core.state), f"{self.nonce:032x}", self.now + 60 * SECOND, order)
        fields: dict[str, Any] = {
            "key": key,
            "person": person,
            "role": int(role),
            "text": text,
            "signature": "",
        } | more
        self.lines.append(f"{person} signs {type(order).__name__}")
        effects = self.step(SignedCommand(request_id=self.nonce, **fields))
        found: dict[str, Any] = next(e.body for e in effects if hasattr(e, "body"))
        return found


def _version(law: Any, **sections: dict[str, Any]) -> str:
    """Return limits as the next version, some values changed."""
    tree = law.model_dump()
    tree["version"] += 1
    for name, values in sections.items():
        tree[name].update(values)
    return str(type(law).model_validate(tree).model_dump_json())


def a_kill_and_its_rearm() -> Story:
    """two people with two keys, ten seconds apart, once nothing works; trading comes back slowly"""
    s = _Desk.begun(limits(**DWELL))
    chain = s.working(Q)
    s.sign("alice", co.RearmAsk(reason="nothing to lift"))
    s.step(ev.Rearm(request_id=90, reason="please", person="alice"))
    s.step(ev.Kill(request_id=91, source="cli", reason="odd fills"))
    s.sign("alice", co.RearmAsk(reason="looked into it"))
    s.intent(Q, BID)
    s.canceled(chain)
    asked = s.sign("alice", co.RearmAsk(reason="looked into it"))
    s.sign("bob", co.RearmConfirm(digest=asked["digest"]))
    s.at(11.0)
    s.sign("alice", co.RearmConfirm(digest=asked["digest"]))
    s.sign("olga", co.RearmConfirm(digest=asked["digest"]))
    s.sign("bob", co.RearmConfirm(digest="0" * 64))
    s.step(Condition(cause="R14", text="another"))
    s.sign("bob", co.RearmConfirm(digest=asked["digest"]))
    asked = s.sign("alice", co.RearmAsk(reason="looked into it again"))
    s.at(21.0)
    s.sign("bob", co.RearmConfirm(digest=asked["digest"]))
    s.sign("bob", co.RearmConfirm(digest=asked["digest"]))
    s.at(22.999)
    s.at(23.0)
    s.at(23.5)
    s.parent(pid="P2")
    s.intent(Q, BID, pid="P2")
    return s


def a_break_that_people_clear() -> Story:
    """only where the EMS and the books agree on shares again"""
    s = _Desk.begun()
    chain = s.working(Q)
    s.report(chain, ExecType.ORDER_STATUS, OrdStatus.PARTIALLY_FILLED, exec_id="0", cum_qty=30, order_qty=Q)
    s.sign("alice", co.RearmAsk(reason="looked into it"))
    s.report(
        chain,
        ExecType.TRADE,
        OrdStatus.PARTIALLY_FILLED,
        last_qty=30,
        last_price_e4=BID,
        cum_qty=30,
        leaves_qty=70,
    )
    asked = s.sign("alice", co.RearmAsk(reason="the fill came late"))
    s.at(11.0)
    s.sign("bob", co.RearmConfirm(digest=asked["digest"]))
    s.intent(Q, BID)
    return s


def scopes_are_stopped() -> Story:
    """a halt takes back nothing, a kill everything of its scope; the rest goes on"""
    two = (INSTRUMENT, Instrument(symbol=ABC, adv=2_000_000))
    s = _Desk(instruments=two)
    s.open(trader=None)
    s.step(ev.ReferencePrice(symbol=ABC, bid_e4=BID, ask_e4=ASK, bid_qty=500, ask_qty=500, last_e4=BID))
    s.hello(7, symbols=(SYN, ABC))
    s.parent()
    other_parent = msgspec.structs.replace(parent_order(pid="P2"), symbol=ABC)
    s.step(ev.SubmitParent(request_id=2, parent=other_parent))
    s.at(2.0)
    s.price()
    s.step(ev.ReferencePrice(symbol=ABC, bid_e4=BID, ask_e4=ASK, bid_qty=500, ask_qty=500, last_e4=BID))
    one, other = s.working(Q), s.working(Q, pid="P2")
    for n, stop in enumerate(
        (
            StopScope(source="cli", reason="odd", scope="S/SYN", halt=True),
            StopScope(source="cli", reason="odd", scope="P/P9"),
            StopScope(source="cli", scope="X/SYN"),
            StopScope(source="cli", scope="S/SYN"),
            StopScope(source="cli", reason="odd", scope="T/momentum", halt=True),
            StopScope(source="cli", reason="odd", scope="A/PAPER"),
            StopScope(source="cli", reason="all", halt=True),
        )
    ):
        s.step(type(stop)(request_id=n, source="cli", reason=stop.reason, scope=stop.scope, halt=stop.halt))
        if n == 3:
            s.intent(Q, BID)
            s.intent(Q, BID, pid="P2")
    s.canceled(one)
    s.canceled(other)
    s.sign("olga", co.KillOrder(scope="S/ABC", reason="odd"))
    s.sign("olga", co.HaltOrder(reason="odd"))
    return s


def limits_are_changed() -> Story:
    """tighter ones at once, looser ones by two people, the firm's ceiling by nobody"""
    s = _Desk.begun(limits(order={"qty_max": 200}))
    law = s.core.state.risk.limits
    s.sign("alice", co.LimitsApply(limits="{}", reason="a calm day"))
    s.sign("alice", co.LimitsApply(limits=law.model_dump_json(), reason="a calm day"))
    s.sign("alice", co.LimitsApply(limits=_version(law, order={"qty_max": 10**8}), reason="more, more"))
    s.sign("alice", co.LimitsApply(limits=_version(law, order={"qty_max": 100}), reason="a calm day"))
    s.intent(101, BID)
    law = s.core.state.risk.limits
    looser = _version(law, order={"qty_max": 150}, exposure={"long_max": 3_000})
    asked = s.sign("alice", co.LimitsApply(limits=looser, reason="larger orders"))
    s.at(11.0)
    s.sign("alice", co.LimitsConfirm(digest=asked["digest"]))
    s.sign("bob", co.LimitsConfirm(digest=asked["digest"]))
    s.sign("bob", co.LimitsConfirm(digest=asked["digest"]))
    law = s.core.state.risk.limits
    looser = _version(law, order={"qty_max": 160})
    asked = s.sign("alice", co.LimitsApply(limits=looser, reason="larger orders"))
    s.sign("bob", co.LimitsApply(limits=_version(law, order={"qty_max": 90}), reason="a calm day"))
    s.at(21.0)
    s.sign("bob", co.LimitsConfirm(digest=asked["digest"]))
    law = s.core.state.risk.limits
    s.sign(
        "alice",
        co.LimitsApply(limits=_version(law, order={"qty_max": 120}), reason="for tomorrow", next_day=True),
    )
    s.intent(91, BID)
    return s


def a_day_ends_and_the_next_begins() -> Story:
    """by people, with nothing open, the broker agreed, and the files of the new day"""
    law = limits(order={"qty_max": 200})
    s = _Desk.begun(law, positions=(("PAPER", SYN, 500),))

    def begin(person: str, day: str = NEXT_DAY, **more: Any) -> None:
        fields: dict[str, Any] = {
            "positions": (("PAPER", SYN, 540), ("PAPER", ABC, 7)),
            "closes_e4": ((SYN, BID + 5),),
            "locates": (("PAPER", SYN, 30),),
            "buying_power_micros": 10**12,
            "volumes": ((SYN, 1_000_000, 120.0),),
        }
        started = DayStarted(day=day, **(fields | more))
        listed = RestrictedListed(symbols=("XYZ",), issued_ns=s.ts, sha256="ab" * 32)
        s.sign(person, co.DayBegin(day=NEXT_DAY, manifest="0" * 64), day=started, listed=listed)

    def end(qty: int = 540, day: str = "2024-01-02", compare: bool = True) -> None:
        compared = DayCompared(
            day=day, positions=(("PAPER", "SYN", qty), ("PAPER", "OLD", 0), ("PAPER", "NEW", 3))
        )
        s.sign("alice", co.DayEnd(day=day, positions="x"), compared=compared if compare else None)

    chain = s.working(Q)
    s.fill(chain, 40, BID)
    begin("alice")
    end(day=NEXT_DAY, compare=False)
    s.step(ev.CancelParent(request_id=50, parent_id=ParentID("P1")))
    s.canceled(chain, cum_qty=40)
    end(539)
    nothing = DayCompared(day="2024-01-02", positions=())
    s.sign("alice", co.DayEnd(day="2024-01-02", positions="x"), compared=nothing)
    s.sign(
        "alice",
        co.LimitsApply(limits=_version(law, order={"qty_max": 300}), reason="for tomorrow", next_day=True),
    )
    s.sign(
        "alice",
        co.DayEnd(day="2024-01-02", positions="x"),
        compared=DayCompared(day="2024-01-02", positions=(("PAPER", "SYN", 540), ("PAPER", "OLD", 0))),
    )
    s.intent(Q, BID)
    s.go(MORNING_S)
    s.step(LeaseRenewed(person="alice"))
    s.price()
    s.at(MORNING_S)
    begin("alice", day="2024-01-04")
    begin("alice")
    begin("bob")
    s.go(MORNING_S + 3_600)
    s.price()
    s.at(MORNING_S + 3_601)
    s.parent(pid="P2", start_ns=s.ts, end_ns=s.ts + 60 * SECOND)
    s.intent(250, BID, pid="P2")
    s.intent(Q, BID, pid="P2", side=Side.SELL)
    return s


def what_other_parts_watch() -> Story:
    """disk, clock, loop, lists, signals, the lease: each reduces, halts or pulls as its limit says"""
    s = _Desk.begun(limits(**DWELL, lease={"reduce_after_ms": 3_000, "kill_after_ms": 6_000}))
    s.working(Q)
    s.step(Condition(cause="R99", text="nobody knows it"))
    s.step(Condition(cause="R30", text="found by itself"))
    s.step(MachineMeasured(disk_free_mb=101))
    s.step(MachineMeasured(disk_free_mb=100))
    s.step(MachineMeasured(clock_offset_us=9_999, loop_lag_ms=4_999))
    s.step(MachineMeasured(clock_offset_us=-10_000, disk_free_mb=101))
    s.step(MachineMeasured(clock_offset_us=0))
    s.at(1.6)
    s.step(LimitSignal(scope="F", signal="volatility", multiplier_bp=5_000))
    s.step(LimitSignal(scope="F", signal="volatility", multiplier_bp=10_000))
    s.step(LimitSignal(scope="S/SYN", signal="news", multiplier_bp=None))
    s.at(2.9)
    s.step(LeaseRenewed(person="olga", request_id=3))
    s.at(5.899)
    s.at(5.9)
    s.step(LeaseRenewed(person="olga"))
    s.at(6.0)
    s.step(RestrictedListed(symbols=("SYN",), issued_ns=s.ts, sha256="cd" * 32))
    s.intent(Q, BID)
    s.at(6.5)
    s.step(RestrictedListed(symbols=(), issued_ns=s.ts))
    s.at(6.8)
    s.step(Condition(cause="R52", scope="T/twap", text="drift"))
    s.step(Condition(cause="R52", scope="T/twap", holds=False))
    s.step(Condition(cause="R76H"))
    s.step(Condition(cause="R76H", holds=False))
    s.at(12.0)
    return s


def a_symbol_that_is_restricted() -> Story:
    """cannot be traded, and the trader hears so at once"""
    s = Story.begun()
    s.at(1.5)
    s.step(RestrictedListed(symbols=("SYN",), issued_ns=s.ts))
    s.price()
    s.at(2.0)
    s.step(RestrictedListed(symbols=("XYZ",), issued_ns=s.ts + 1))
    s.price()
    s.at(2.5)
    s.step(RestrictedListed(symbols=(), issued_ns=s.ts))
    s.price()
    s.at(3.0)
    return s


def reduce_only_pulls_what_opens() -> Story:
    """and leaves what closes; it is pulled once"""
    s = _Desk(limits(shorts={"permitted": True}), positions=(("PAPER", SYN, 150),))
    s.open()
    s.parent(side=Side.SELL)
    close = s.working(150, ASK, side=Side.SELL)
    s.step(MachineMeasured(disk_free_mb=100))
    s.step(MachineMeasured(disk_free_mb=99))
    s.intent(50, ASK, side=Side.SELL)
    s.step(MachineMeasured(disk_free_mb=500))
    s.working(1, ASK + 100, side=Side.SELL)
    s.fill(close, 50, ASK)
    s.step(MachineMeasured(disk_free_mb=100))
    return s


def reduce_only_pulls_every_buy_of_a_long() -> Story:
    """one share is enough"""
    s = _Desk.begun(positions=(("PAPER", SYN, 150),))
    s.working(1)
    s.step(MachineMeasured(disk_free_mb=100))
    return s


def at_the_close() -> Story:
    """nothing works any more"""
    s = _Desk(limits(session={"opening_ms": 1_000, "closing_ms": 2_000}))
    s.ts = OPEN_NS + 6 * 3_600 * SECOND - 60 * SECOND  # a minute before the close
    s.open()
    s.parent(start_ns=s.ts, end_ns=s.ts + 59 * SECOND)
    parent = s.ask_parent()  # whatever its window says
    parent.order = msgspec.structs.replace(parent.order, end_ns=s.ts + 3_600 * SECOND)
    s.working(Q)
    close = s.ts + 59 * SECOND
    for seconds in (-2.001, -2.0, -0.001, 0.0, 1.0, 600.0):
        s.now += close + round(seconds * SECOND) - s.ts
        s.ts = close + round(seconds * SECOND)
        s.step(ev.ReferenceAlive())
        s.step(ev.Timer())
    return s


def before_the_open() -> Story:
    """no order leaves until the session has begun for as long as the limits say"""
    s = _Desk(limits(session={"opening_ms": 1_000, "closing_ms": 2_000}))
    s.ts = OPEN_NS - 1_800 * SECOND - 5 * SECOND  # five seconds before the open
    s.open()
    s.parent(start_ns=OPEN_NS - 1_800 * SECOND, end_ns=OPEN_NS)
    begin = s.ts + 4 * SECOND
    for seconds in (-0.001, 0.0, 0.999, 1.0):
        s.now += begin + round(seconds * SECOND) - s.ts
        s.ts = begin + round(seconds * SECOND)
        s.step(ev.ReferenceAlive())
        s.price()
        s.step(ev.Timer())
        s.intent(Q, BID)
    return s


def the_canary() -> Story:
    """sings each minute, one control after the other"""
    s = _Desk.begun()
    for n in range(4):
        s.at(60.0 + 60 * n)
    s.lines.append(f"passed {sorted(s.core.state.risk.memory.canary_passed.items())}")
    return s


def an_exception_for_one_order() -> Story:
    """of a soft control, by two people, for one parent and a quantity"""
    s = _Desk.begun(limits(order={"adv_max_bp": 1, "qty_max": 500}))
    s.intent(400, BID)
    s.sign("alice", co.ExceptionAsk(parent_id="P1", control="R30", qty_max=400, reason="one block"))
    s.sign("alice", co.ExceptionAsk(parent_id="P9", control="R07", qty_max=400, reason="one block"))
    s.sign("alice", co.ExceptionAsk(parent_id="P1", control="R07", qty_max=0, reason="one block"))
    asked = s.sign("alice", co.ExceptionAsk(parent_id="P1", control="R07", qty_max=400, reason="one block"))
    s.at(11.0)
    s.price()
    s.sign("alice", co.ExceptionConfirm(digest=asked.get("digest", "0" * 64)))
    s.sign("bob", co.ExceptionConfirm(digest=asked.get("digest", "0" * 64)))
    s.sign("bob", co.ExceptionConfirm(digest=asked.get("digest", "0" * 64)))
    s.intent(401, BID)
    s.intent(400, BID)
    s.intent(400, BID)
    return s


def live_waits_for_people() -> Story:
    """a live gate has no day and no list of its own"""
    s = _Desk(LIMITS.model_copy(update={"mode": "live"}), mode="live")
    s.open()
    s.parent()
    s.intent(Q, BID)
    s.at(3)
    return s
