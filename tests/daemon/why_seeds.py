"""Worlds in which one thing keeps a parent, a symbol or the desk from trading, by what really causes it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from market import events as ev
from market.desk_events import Condition, MachineMeasured, RestrictedListed
from market.people_events import StopScope
from market.types import ExecType, OrdStatus, ParentID, Side, Symbol
from risk import commands as co
from risk.limits import Limits
from tests.daemon.gate_harness import ASK, BID, LIMITS, OPEN_NS, SECOND, SYN, World, limits
from tests.daemon.people import sign

DAY_NS = 86_400 * SECOND


class Seed(NamedTuple):
    """What is asked for, and the control that must be named."""

    seed: Callable[[], World]
    parent: str
    symbol: str
    control: str
    text: str = ""  # part of what is said


def fresh(law: Limits = LIMITS, parent: dict[str, Any] | None = None, **start: Any) -> World:
    """A desk that trades: nothing keeps it."""
    w = World(law, **start)
    w.open()
    w.step(ev.TraderStatus(epoch=7, fit=True))
    w.parent(**(parent or {}))
    return w


def after(*events: ev.Event, law: Limits = LIMITS, wait_s: float = 0.0) -> Callable[[], World]:
    """Return what makes a world in which this has happened."""

    def make() -> World:
        w = fresh(law)
        for event in events:
            w.step(event)
        if wait_s:
            w.wait(wait_s)
        return w

    return make


def under(parent: dict[str, Any] | None = None, **sections: dict[str, Any]) -> Callable[[], World]:
    """Return what makes a world under tighter limits, signed in when everything works."""

    def make() -> World:
        w = fresh(parent=parent)
        tree = LIMITS.model_dump()
        for name, values in sections.items():
            tree[name].update(values)
        law = Limits.model_validate(tree | {"version": LIMITS.version + 1})
        answer = sign(w, "alice", co.LimitsApply(limits=law.model_dump_json(), reason="a seeded limit"))
        assert answer.get("applied"), answer
        return w

    return make


def price(**fields: Any) -> ev.ReferencePrice:
    return ev.ReferencePrice(symbol=SYN, **({"bid_e4": BID, "ask_e4": ASK, "last_e4": BID} | fields))


def unstarted() -> World:
    return World()


def session_down() -> World:
    w = fresh()
    w.step(ev.SessionDown(session="order", reason="the line fell"))
    return w


def reconciling() -> World:
    w = fresh()
    w.working()
    w.step(ev.SessionDown(session="order"))
    w.step(ev.SessionUp(session="order"))
    return w


def silent() -> World:
    w = fresh()
    w.now += 3 * SECOND
    w.ts += 3 * SECOND
    w.step(ev.Timer())
    return w


def back() -> World:
    w = fresh()
    w.step(ev.SessionDown(session="reference"))
    w.step(ev.SessionUp(session="reference"))
    return w


def locked() -> World:
    w = fresh()
    w.step(price(ask_e4=BID))
    w.wait(2.0)
    return w


def stranger() -> World:
    w = fresh()
    chain = w.working()
    w.report(
        chain,
        ExecType.TRADE,
        OrdStatus.PARTIALLY_FILLED,
        cum_qty=40,
        last_qty=40,
        last_price_e4=BID,
        side=Side.SELL,
    )
    return w


def nobody() -> World:
    w = fresh()
    w.step(ev.TraderGone(epoch=7, reason="closed"))
    return w


def other_symbol() -> World:
    w = nobody()
    w.hello(8)
    w.core.state.traders[8].hello = type(w.core.state.traders[8].hello)(
        **{
            f: getattr(w.core.state.traders[8].hello, f)
            for f in w.core.state.traders[8].hello.__struct_fields__
        }
        | {"symbols": (Symbol("OTHER"),)}
    )
    return w


def pending() -> World:
    return fresh(parent={"start_ns": OPEN_NS + 60 * SECOND})


def of_parent(event: type[ev.Event]) -> Callable[[], World]:
    def make() -> World:
        w = fresh()
        w.working()
        w.step(event(request_id=1, parent_id=ParentID("P1")))
        return w

    return make


def ended() -> World:
    w = fresh()
    w.wait(700.0)
    return w


def committed() -> World:
    w = fresh(parent={"qty": 300})
    w.working(300)
    return w


def long() -> World:
    w = under(exposure={"long_max": 300})()
    w.working(300)
    return w


def busy() -> World:
    w = under(exposure={"open_orders_max": 1})()
    w.working()
    return w


def rated() -> World:
    w = under(rates={"orders_per_second": 1})()
    w.wait(1.1)
    w.working()
    return w


def spent() -> World:
    w = under(day={"notional_max_ccy": 10_001})()
    w.fill(w.working(100), 100, BID)
    w.wait(0.1)
    return w


def losing(**loss: int) -> Callable[[], World]:
    def make() -> World:
        w = fresh(
            limits(
                loss={"execution_max_ccy": 1_000, "drawdown_max_ccy": 1_000} | loss,
                market={"collar_bp": 2_000},
            )
        )
        w.fill(w.working(1_000, ASK), 1_000, ASK)
        w.price(ASK - 6_000, ASK - 5_800)
        w.wait(0.1)
        return w

    return make


def at(seconds: int) -> Callable[[], World]:
    def make() -> World:
        w = fresh(parent={"end_ns": OPEN_NS + 600 * SECOND})
        w.now += seconds * SECOND
        w.ts += seconds * SECOND
        w.step(ev.ReferenceAlive())
        w.step(price())
        return w

    return make


def unlisted() -> World:
    w = fresh()
    w.core.state.risk.memory.restricted = None
    return w


def late() -> World:
    w = fresh()
    w.intent(100, BID)
    w.wait(6.0)
    return w


def in_flight() -> World:
    w = under(sessions={"in_flight_max": 1})()
    w.intent(100, BID)
    return w


def timeless() -> World:
    w = World()
    w.open()
    w.ts = 0
    return w


def short() -> World:
    return fresh(limits(shorts={"mark_required": True}), parent={"side": Side.SELL})


def lastless() -> World:
    w = World(limits(market={"last_required": True}))
    w.open(price=False)
    w.step(price(last_e4=0))
    w.step(ev.TraderStatus(epoch=7, fit=True))
    w.parent()
    return w


def waited(make: Callable[[], World]) -> Callable[[], World]:
    def later() -> World:
        w = make()
        w.wait(0.1)
        return w

    return later


def fast() -> World:
    w = under(fills={"shares_max": 100})()
    w.fill(w.working(200), 200, BID)
    return w


def collars() -> World:
    w = fresh()
    for _ in range(LIMITS.market.collar_breaches_to_halt):
        w.intent(100, BID * 2)
    return w


def storm() -> World:
    w = under(rejects={"count_max": 2})()
    for n in range(2):
        order = w.intent(100 + n, BID)
        w.report(order.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED)
    return w


P, S = "P1", "SYN"
SEEDS: dict[str, Seed] = {
    "kill by a person": Seed(after(ev.Kill(source="cli", reason="drill")), P, "", "R70", "drill"),
    "kill by signal": Seed(after(ev.Kill(source="signal")), "", "", "R70", "signal"),
    "kill by file": Seed(after(ev.Kill(source="file", reason="KILL exists")), "", S, "R70", "file"),
    "kill found at start": Seed(lambda: fresh(killed="KILLED: guard"), "", "", "R70", "guard"),
    "kill of the symbol": Seed(after(StopScope(source="cli", scope="S/SYN")), "", S, "R70"),
    "kill of the account": Seed(after(StopScope(source="cli", scope="A/PAPER")), "", S, "R70"),
    "kill of the strategy": Seed(after(StopScope(source="cli", scope="T/twap")), P, "", "R70"),
    "kill of the parent": Seed(after(StopScope(source="cli", scope="P/P1")), P, "", "R70"),
    "halt": Seed(after(StopScope(source="cli", halt=True)), P, "", "R70H"),
    "halt of the symbol": Seed(after(StopScope(source="cli", halt=True, scope="S/SYN")), P, "", "R70H"),
    "fatal alarm": Seed(
        after(ev.EngineAlarm(text="a callback failed", fatal=True)), "", "", "R70", "callback"
    ),
    "never logged on": Seed(unstarted, "", "", "R60"),
    "not reconciled since start": Seed(unstarted, "", "", "R67"),
    "order session down": Seed(session_down, P, "", "R60", "the line fell"),
    "reconciling": Seed(reconciling, P, "", "R60", "reconciling"),
    "break": Seed(stranger, "", "", "R62", "SELL"),
    "unreadable message": Seed(after(ev.EngineAlarm(text="unreadable 8")), "", "", "R62", "unreadable"),
    "shutting down": Seed(after(ev.Shutdown()), P, "", "STOPPING"),
    "no reference session": Seed(
        after(ev.SessionDown(session="reference")), P, "", "R06", "no reference session"
    ),
    "reference line silent": Seed(silent, P, "", "R06", "silent"),
    "no price since the line came up": Seed(back, "", S, "R06", "since the line"),
    "one side empty": Seed(after(price(ask_e4=0)), "", S, "R06", "empty"),
    "crossed": Seed(after(price(bid_e4=ASK + 100)), "", S, "R06", "crossed"),
    "locked": Seed(locked, "", S, "R06", "locked"),
    "wide": Seed(after(price(ask_e4=BID * 2)), "", S, "R06", "spread"),
    "halted by the venue": Seed(
        after(ev.SecurityStatus(symbol=SYN, trading=False, text="LULD")), P, "", "R41", "LULD"
    ),
    "nobody decides": Seed(nobody, P, "", "TRADER", "no trader"),
    "nobody decides at all": Seed(nobody, "", "", "TRADER", "no trader"),
    "the trader works another symbol": Seed(other_symbol, P, "", "TRADER", "OTHER"),
    "the trader is not fit": Seed(
        after(ev.TraderStatus(epoch=7, fit=False, text="feed stale")), P, "", "TRADER", "feed"
    ),
    "its window has not begun": Seed(pending, P, "", "PARENT", "not begun"),
    "paused": Seed(of_parent(ev.PauseParent), P, "", "PARENT", "paused"),
    "being canceled": Seed(of_parent(ev.CancelParent), P, "", "PARENT", "ending"),
    "ended": Seed(ended, P, "", "PARENT", "ended"),
    "all of it works": Seed(committed, P, "", "PARENT", "filled or works"),
    "beyond its limit price": Seed(
        lambda: fresh(parent={"limit_price_e4": BID - 5_000}), P, "", "R08", "rest there"
    ),
    "symbol not listed": Seed(under(allowed={"symbols": ("ABC",)}), "", S, "R02"),
    "order size": Seed(under(order={"qty_max": 0}), P, "", "R03"),
    "order value": Seed(under(order={"notional_max_ccy": 0}), P, "", "R04"),
    "collar": Seed(after(price(last_e4=BID // 2)), P, "", "R05", "last trade"),
    "close band": Seed(after(price(close_e4=BID * 2)), P, "", "R05", "previous close"),
    "last trade not known": Seed(lastless, P, "", "R05", "last trade"),
    "prices beyond the collar again and again": Seed(collars, P, "", "R05", "refusals"),
    "position": Seed(long, P, "", "R10"),
    "gross notional": Seed(under(exposure={"gross_max_ccy": 0}), P, "", "R11"),
    "open orders": Seed(busy, P, "", "R12"),
    "capital": Seed(under(exposure={"capital_max_ccy": 0}), P, "", "R13"),
    "participation": Seed(under(participation={"share_max_bp": 0, "free_qty": 0}), P, "", "R15"),
    "short sale": Seed(short, P, "", "R17", "not marked"),
    "value of the day": Seed(spent, P, "", "R19"),
    "order rate": Seed(rated, P, "", "R20"),
    "messages of the day": Seed(under(day={"messages_max": 0}), P, "", "R21"),
    "fills too fast": Seed(fast, P, "", "R25"),
    "reject storm": Seed(storm, P, "", "R26"),
    "daily loss": Seed(losing(execution_max_ccy=100), "", "", "R30"),
    "a part of the daily loss": Seed(losing(reduce_at_bp=100), "", "", "R30S"),
    "drawdown": Seed(losing(drawdown_max_ccy=100), "", "", "R31"),
    "before the open": Seed(at(-3_600), "", S, "R40", "before the open"),
    "after the close": Seed(at(7 * 3_600), "", S, "R40", "after the close"),
    "no trading day": Seed(at(5 * 86_400), "", S, "R40"),
    "outside the calendar": Seed(at(86_400 * 365 * 6), "", S, "R40", "no calendar"),
    "market time not known": Seed(timeless, "", S, "R40", "not known"),
    "restricted": Seed(after(RestrictedListed(symbols=("SYN",), issued_ns=OPEN_NS)), P, "", "R42"),
    "no restricted list": Seed(unlisted, P, "", "R42"),
    "old restricted list": Seed(
        after(RestrictedListed(symbols=(), issued_ns=OPEN_NS - 2 * DAY_NS)), P, "", "R42"
    ),
    "policy not listed": Seed(under(allowed={"policies": ("vwap",)}), P, "", "R50"),
    "out of distribution": Seed(after(Condition(cause="R52", text="far away")), P, "", "R52", "far away"),
    "an order without an answer": Seed(late, P, "", "R61"),
    "in flight": Seed(in_flight, P, "", "R65"),
    "the clock is wrong": Seed(after(MachineMeasured(clock_offset_us=10**6)), "", "", "R63"),
    "the loop is late": Seed(after(MachineMeasured(loop_lag_ms=10**6)), "", "", "R64"),
    "the disk is full": Seed(after(MachineMeasured(disk_free_mb=0)), "", "", "R66"),
    "nobody watches": Seed(waited(under(lease={"reduce_after_ms": 0})), "", "", "R71S"),
    "nobody watches for too long": Seed(
        waited(under(lease={"reduce_after_ms": 0, "kill_after_ms": 0})), "", "", "R71"
    ),
    "anomaly": Seed(after(Condition(cause="R76", text="a gap")), P, "", "R76"),
    "anomaly of a symbol": Seed(after(Condition(cause="R76H", text="a crash", scope="S/SYN")), P, "", "R76H"),
}
