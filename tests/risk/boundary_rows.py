"""Every numeric limit with a scenario whose value is known to the last unit.

A limit that has no row here fails a test: whoever adds a limit says how its boundary is reached.
"""

from collections.abc import Callable
from typing import Any, Final

from market import desk_events as desk
from market import events as ev
from market.instruments import Instrument
from market.types import ExecType, OrdStatus, Side, Symbol
from tests.daemon.gate_harness import INSTRUMENT, OPEN_NS, SECOND, SYN
from tests.risk.boundary_world import (
    ASK,
    BID,
    BUY,
    LEAVES,
    MS,
    PENDING_CANCEL,
    PENDING_NEW,
    PENDING_REPLACE,
    SELL,
    STATES,
    UNKNOWN,
    Probe,
    Row,
    World,
    ask,
    controls,
    cross_of,
    price_of,
)

HUGE: Final = 10**9
MID: Final = (BID + ASK) // 2
UP: Final = tuple(s for s in STATES if s != UNKNOWN)  # the session is up: orders can be sent
ALT: Final = Symbol("ALT")
VOLATILE: Final = Instrument(symbol=SYN, adv=2_000_000, daily_volatility_bps=200.0)
OPENS_NS: Final = OPEN_NS - 1_800 * SECOND
CLOSES_NS: Final = OPENS_NS + 23_400 * SECOND


def refused(control: str, qty: int = 400, price: Any = None, **more: Any) -> Probe:
    """Ask for one more order: is the control among those that refuse?"""

    def probe(w: World, side: Side) -> bool:
        return control in ask(w, side, qty, price(side) if callable(price) else price, **more)

    return probe


def after(scene: Callable[[World, Side], object], probe: Probe) -> Probe:
    """Let something happen, then ask."""

    def both(w: World, side: Side) -> bool:
        scene(w, side)
        return probe(w, side)

    return both


def holds(cause: str, scope: str = "") -> Probe:
    """Does a cause of the posture table hold, of that scope or of the one whose limit is tried?"""

    def probe(w: World, _: Side) -> bool:
        places = (scope or getattr(w, "place", ""), scope)
        return any((f"{cause}@{p}" if p else cause) in w.core.state.posture.causes for p in places)

    return probe


def caused(cause: str) -> Probe:
    """Let a timer fire: does the cause hold?"""
    return after(lambda w, _: w.wait(0.1), holds(cause))


def pass_ms(market_ms: int = 0, machine_ms: int = 0) -> Callable[[World, Side], None]:
    """Let time pass on either clock, the reference line alive; a timer fires."""

    def scene(w: World, _: Side) -> None:
        w.ts += market_ms * MS
        w.now += machine_ms * MS
        w.step(ev.ReferenceAlive())
        w.step(ev.Timer())

    return scene


def twice(fault: Callable[[World, Side], object], market_ms: int = 0, machine_ms: int = 0) -> Any:
    """A fault, and so much later another."""

    def scene(w: World, side: Side) -> None:
        fault(w, side)
        w.ts += market_ms * MS
        w.now += machine_ms * MS
        w.step(ev.ReferenceAlive())
        fault(w, side)

    return scene


def priced(bid: int, ask_e4: int, **more: Any) -> Callable[[World, Side], object]:
    """A picture."""
    return lambda w, _: w.price(bid, ask_e4, **more)


def worth(qty: int, price_e4: int) -> int:
    """Value in whole currency units."""
    assert qty * price_e4 % 10_000 == 0
    return qty * price_e4 // 10_000


def open_and_this(side: Side, _: str) -> int:
    """Value of the open order at its price, and of 400 more at the worse of price and reference."""
    return worth(LEAVES, price_of(side)) + worth(400, max(price_of(side), MID))


def open_and_touch(side: Side, _: str) -> int:
    """The same, this order at the ask."""
    return worth(LEAVES, price_of(side)) + worth(400, ASK)


def exposed(side: Side, _: str) -> int:
    """Worst case of one side, all of it at the worse of price and reference."""
    return worth(LEAVES + 400, max(MID, price_of(side)))


def sends(_: Side, state: str) -> int:
    """Messages of the second with this one: the order that is put, its replace."""
    return 3 if state == PENDING_REPLACE else 2


def messages(_: Side, state: str) -> int:
    """Messages of the day with this one; a cancel is one too."""
    return 3 if state in (PENDING_CANCEL, PENDING_REPLACE) else 2


def changed(_: Side, state: str) -> int:
    """Replaces and cancels with this one."""
    return 2 if state in (PENDING_CANCEL, PENDING_REPLACE) else 1


def waiting(more: int) -> Callable[[Side, str], int]:
    """Orders without an answer, and so many more."""
    return lambda _, state: more + (state in (PENDING_NEW, PENDING_CANCEL, PENDING_REPLACE))


def answers(_: Side, state: str) -> int:
    """Orders that were answered: three rejects, and the one that is put."""
    return 3 if state == PENDING_NEW else 4


# --- scenes -----------------------------------------------------------------------------------


def standing(qty: int = 1_000, cross: bool = False) -> Callable[[World, Side], None]:
    """An order that works, before the one that is put."""

    def scene(w: World, side: Side) -> None:
        away = -300 if side is BUY else 300
        w.working(qty, cross_of(side) if cross else price_of(side) + away, side=side)

    return scene


def pending(number: int) -> Callable[[World, Side], None]:
    """Orders that nobody has answered."""

    def scene(w: World, side: Side) -> None:
        for n in range(number):
            w.intent(10 + n, price_of(side), side)

    return scene


def canceled(number: int) -> Callable[[World, Side], None]:
    """Cancels of the first orders are on their way."""

    def scene(w: World, _: Side) -> None:
        for name in list(w.core.state.chains)[:number]:
            w.cancel(name)

    return scene


def filled(*qtys: int, price: Any = None, apart_ms: int = 0) -> Callable[[World, Side], None]:
    """The first order trades."""

    def scene(w: World, side: Side) -> None:
        chain = next(iter(w.core.state.chains.values()))
        for n, qty in enumerate(qtys):
            w.ts += apart_ms * MS if n else 0
            w.fill(chain.chain_id, qty, price(side) if callable(price) else price or chain.price_e4)

    return scene


def marked(*gains_e4: int) -> Callable[[World, Side], None]:
    """The price at which we would close moves so far from what was paid."""

    def scene(w: World, side: Side) -> None:
        for gain in gains_e4:
            at = cross_of(side) + (gain if side is BUY else -gain)
            w.price(*((at, at + 200) if side is BUY else (at - 200, at)))
            w.wait(0.1)

    return scene


def replace_first(control: str) -> Probe:
    """Ask for a replace of the first order."""

    def probe(w: World, side: Side) -> bool:
        chain = next(iter(w.core.state.chains))
        return control in controls(w.replace(chain, 1_001, price_of(side)))

    return probe


def far(w: World, side: Side) -> None:
    """A price outside of every collar."""
    w.intent(10, BID * 2 if side is BUY else BID // 2, side)


def undecided(w: World, side: Side) -> None:
    """An order that nobody decided."""
    w.intent(10, price_of(side), side, decided_mono_ns=0)


def too_many(w: World, side: Side) -> None:
    """Orders until one is too fast."""
    while "R20" not in ask(w, side, 10):
        pass


def repeat(number: int, scene: Callable[[World, Side], object]) -> Callable[[World, Side], None]:
    """So many times."""

    def scenes(w: World, side: Side) -> None:
        for _ in range(number):
            scene(w, side)

    return scenes


def own_average(w: World, side: Side) -> None:
    """Own orders of the last minute: 100 at the mid."""
    w.ts += 61 * SECOND
    w.price(999_900, 1_000_100, last_e4=1_000_000)
    w.core.state.risk.rates.own_prices(SYN, side, 60_000 * MS).add(w.ts, 100, 1_000_000)


def two_percent(side: Side) -> int:
    return 1_020_000 if side is BUY else 980_000


def one_percent(side: Side) -> int:
    return 1_010_000 if side is BUY else 990_000


def one_percent_of_arrival(side: Side) -> int:
    return MID // 100 * 101 if side is BUY else MID // 100 * 99


def unfit_for(ms: int) -> Callable[[World, Side], None]:
    """The book is empty for so long."""

    def scene(w: World, side: Side) -> None:
        w.price(0, 0)
        w.step(ev.Timer())
        pass_ms(machine_ms=ms)(w, side)

    return scene


def another_parent(**fields: Any) -> Probe:
    """Submit one more: is it refused by R08?"""

    def probe(w: World, side: Side) -> bool:
        reply = w.parent(pid="P2", side=side, **fields)
        return any(f.startswith("R08") for f in reply.get("faults", ()))

    return probe


def printed(w: World, _: Side) -> None:
    """Others trade 9,000 shares, told by the reference line."""
    w.price(volume=9_000)


def begun(number: int, apart_ms: int = 0) -> Callable[[World, Side], None]:
    """Parents of one kind begin."""

    def scene(w: World, side: Side) -> None:
        for n in range(number):
            w.ts += apart_ms * MS if n else 0
            reply = w.parent(pid=f"S{n}", side=side, qty=1_000, start_ns=OPEN_NS - 2 * SECOND)
            assert reply["ok"], reply

    return scene


def outcomes(taken: int, no: int, apart_ms: int = 0) -> Callable[[World, Side], None]:
    """The EMS answers the first orders: takes some, then refuses some."""

    def scene(w: World, _: Side) -> None:
        chains = list(w.core.state.chains)[: taken + no]
        for n, name in enumerate(chains):
            w.now += apart_ms * MS if n else 0
            yes = n < taken
            kind, status = (ExecType.NEW, OrdStatus.NEW) if yes else (ExecType.REJECTED, OrdStatus.REJECTED)
            w.report(name, kind, status, order_qty=w.core.state.chains[name].order_qty)

    return scene


def measured(**numbers: int) -> Callable[[World, Side], object]:
    return lambda w, _: w.step(desk.MachineMeasured(**numbers))


def restarted(times: int, apart_s: int = 1) -> Callable[[World, Side], None]:
    """The gate is killed and started again."""

    def scene(w: World, _: Side) -> None:
        for n in range(times):
            w.step(ev.GateStarted(**w.start_fields | {"epoch": 1_000 + n * apart_s}))

    return scene


def resumed(w: World, _: Side) -> None:
    """A halt, and its end."""
    w.step(ev.SecurityStatus(symbol=SYN, trading=False))
    w.step(ev.SecurityStatus(symbol=SYN, trading=True))


def signal(*multipliers: int | None) -> Callable[[World, Side], None]:
    def scene(w: World, _: Side) -> None:
        for bp in multipliers:
            w.step(desk.LimitSignal(scope="F", signal="volatility", multiplier_bp=bp))

    return scene


def renewed(w: World, _: Side) -> None:
    w.step(desk.LeaseRenewed(person="ann"))


def listed(w: World, _: Side) -> None:
    w.step(desk.RestrictedListed(symbols=(), issued_ns=w.ts))


def at_ns(ts_ns: int) -> Callable[[World, Side], None]:
    def scene(w: World, _: Side) -> None:
        w.ts = ts_ns

    return scene


def elsewhere(w: World, _: Side) -> None:
    """Something was traded in another symbol."""
    w.core.state.ledger.used[ALT] = None


def pulled(w: World, _: Side) -> bool:
    return bool(w.core.state.unwanted)


def paused(w: World, _: Side) -> bool:
    return w.ask_parent().costly == "pause"


def latched(key: str) -> Probe:
    return lambda w, _: key in w.core.state.posture.latched


def struck(w: World, _: Side) -> bool:
    """Has a strategy been stopped for repeating itself?"""
    return any(key.startswith("R23@T/") for key in w.core.state.posture.causes)


def canaries(w: World, side: Side) -> bool:
    """Is another canary sent 1,000 ms after one?"""
    pass_ms(machine_ms=86_400_000)(w, side)
    before = w.core.state.risk.memory.canary_at
    pass_ms(machine_ms=1_000)(w, side)
    return w.core.state.risk.memory.canary_at > before


def asked_less_than_four_times(w: World, side: Side) -> bool:
    chain = next(iter(w.core.state.chains.values()))
    repeat(6, pass_ms(machine_ms=1_000))(w, side)
    return chain.queries < 4


ROWS: Final = (
    Row("allowed.symbols_max", 2, after(elsewhere, refused("R02"))),
    Row(
        "allowed.venues_max", 2, after(elsewhere, refused("R02")),
        start={"instruments": (INSTRUMENT, Instrument(symbol=ALT, mic="XNYS"))},
    ),
    Row("order.qty_max", 400, refused("R03")),
    Row("order.adv_max_bp", 5, refused("R03", 1_000)),
    Row("order.notional_max_ccy", lambda side, _: worth(400, price_of(side)), refused("R04")),
    Row(
        "impact.walk_max_bp", 100,
        after(priced(990_000, 1_010_000, last_e4=1_000_000), refused("R07", 400, one_percent)),
        law={"market": {"vwap_collar_bp": 10_000}},
    ),
    Row("impact.depth_max_bp", 4_000, refused("R07", 400, cross_of)),
    Row("impact.model_max_bp", 2, refused("R07", 200, cross_of), start={"instruments": (VOLATILE,)}),
    Row(
        "impact.model_factor_bp", 10_000, refused("R07", 200, cross_of), at=True, under=True,
        start={"instruments": (VOLATILE,)}, law={"impact": {"model_max_bp": 1}},
    ),
    Row(
        "market.collar_bp", 100,
        after(priced(999_900, 1_000_100, last_e4=1_000_000), refused("R05", 400, one_percent)),
        law={"market": {"vwap_collar_bp": 10_000}},
    ),
    Row("market.close_band_bp", 2_500, after(priced(BID, ASK, close_e4=800_000), refused("R05", 10, BID))),
    Row("market.vwap_collar_bp", 100, after(own_average, refused("R05", 100, two_percent))),
    Row(
        "market.vwap_window_ms", 1_000,
        after(own_average, after(pass_ms(market_ms=1_000), refused("R05", 100, two_percent))),
        at=True, law={"market": {"vwap_collar_bp": 150}},
    ),
    Row(
        "market.age_max_ms", 1_000,
        after(lambda w, _: setattr(w, "now", w.now + 1_000 * MS), refused("R06")),
        before=lambda w, _: w.step(ev.ReferenceAlive()),
    ),
    Row(
        "market.locked_max_ms", 1_000,
        after(priced(BID, BID), after(pass_ms(machine_ms=1_000), refused("R06"))),
    ),
    Row("market.spread_max_bp", 100, after(priced(995_000, 1_005_000), refused("R06"))),
    Row("market.cancel_after_ms", 1_000, after(unfit_for(1_000), pulled), at=True),
    Row("market.collar_breaches_to_halt", 3, after(repeat(3, far), holds("R05")), at=True),
    Row(
        "market.breach_window_ms", 1_000, after(twice(far, market_ms=1_000), holds("R05")), under=True,
        law={"market": {"collar_breaches_to_halt": 2}},
    ),
    Row("exposure.long_max", LEAVES + 400, refused("R10"), sides=(BUY,)),
    Row("exposure.short_max", LEAVES + 400, refused("R10"), sides=(SELL,)),
    Row("exposure.gross_max_ccy", exposed, refused("R11")),
    Row("exposure.net_max_ccy", exposed, refused("R11")),
    Row(
        "exposure.stale_markup_bp", 100,
        after(filled(1_000), after(unfit_for(5_000), holds("R11"))), under=True,
        before=standing(), law={"exposure": {"gross_max_ccy": 131_300}},
    ),
    Row("exposure.open_orders_max", 2, refused("R12")),
    Row("exposure.open_orders_symbol_max", 2, refused("R12")),
    Row("exposure.open_notional_max_ccy", open_and_touch, refused("R12")),
    Row("exposure.capital_max_ccy", open_and_this, refused("R13")),
    Row("parents.adv_max_bp", 100, another_parent(qty=20_000), parent={"qty": 5_000}),
    Row("parents.notional_max_ccy", worth(1_000, MID), another_parent(qty=1_000), parent={"qty": 700}),
    Row(
        "parents.declared_tolerance_bp", 100,
        after(
            priced(1_009_900, 1_010_100),
            another_parent(qty=1_000, declared_notional_micros=100_000 * 10**6),
        ),
    ),
    Row("parents.live_max", 2, another_parent(qty=1_000)),
    Row(
        "participation.share_max_bp", 1_000, refused("R15", 1_000), before=printed,
        law={"participation": {"free_qty": 0}},
    ),
    Row(
        "participation.window_ms", 1_000, after(pass_ms(market_ms=1_000), refused("R15")), at=True,
        before=printed, law={"participation": {"share_max_bp": 1_000, "free_qty": 0}},
    ),
    Row("participation.free_qty", 400, refused("R15"), law={"participation": {"share_max_bp": 1_000}}),
    Row("day.notional_max_ccy", open_and_this, refused("R19")),
    Row("day.shares_max", LEAVES + 400, refused("R19")),
    Row("day.messages_max", messages, refused("R21")),
    Row("rates.orders_per_second", sends, refused("R20")),
    Row("rates.orders_per_second_symbol", sends, refused("R20")),
    Row(
        "rates.breaches_to_halt", 3, after(repeat(3, too_many), holds("R20")), at=True, states=UP,
        law={"rates": {"orders_per_second": 5}},
    ),
    Row(
        "rates.breach_window_ms", 1_000, after(twice(too_many, machine_ms=1_000), holds("R20")),
        under=True, states=UP, law={"rates": {"orders_per_second": 5, "breaches_to_halt": 2}},
    ),
    Row("rates.changes_per_second", changed, replace_first("R22"), before=standing()),
    Row(
        "rates.messages_per_fill", lambda side, state: 1 + messages(side, state), replace_first("R22"),
        before=standing(), law={"rates": {"judged_after": 0}},
    ),
    Row(
        "rates.judged_after", lambda side, state: 1 + messages(side, state), replace_first("R22"),
        before=standing(), law={"rates": {"messages_per_fill": 0}},
    ),
    Row(
        "rates.duplicates", 3, after(repeat(2, lambda w, side: ask(w, side, 10)), refused("R24", 10)),
        at=True, states=UP,
    ),
    Row(
        "rates.duplicate_window_ms", 1_000,
        after(lambda w, side: ask(w, side, 10), after(pass_ms(market_ms=1_000), refused("R24", 10))),
        under=True, states=UP, law={"rates": {"duplicates": 2}},
    ),
    Row("repeats.starts_max", 3, after(begun(3), struck), at=True),
    Row(
        "repeats.window_ms", 1_000, after(begun(2, 1_000), struck), under=True,
        law={"repeats": {"starts_max": 2}},
    ),
    Row("repeats.starts_long_max", 3, after(begun(3), struck), at=True),
    Row(
        "repeats.long_window_ms", 1_000, after(begun(2, 1_000), struck), under=True,
        law={"repeats": {"starts_long_max": 2}},
    ),
    Row("fills.shares_max", 1_000, after(filled(1_000), holds("R25")), at=True, before=standing()),
    Row(
        "fills.notional_max_ccy", lambda side, _: worth(1_000, cross_of(side)),
        after(filled(1_000), holds("R25")), at=True, before=standing(cross=True),
    ),
    Row(
        "fills.window_ms", 1_000, after(filled(500, 500, apart_ms=1_000), holds("R25")), under=True,
        before=standing(), law={"fills": {"shares_max": 1_000}},
    ),
    Row("rejects.count_max", 3, after(outcomes(0, 3), holds("R26")), at=True, before=pending(3)),
    Row(
        "rejects.window_ms", 1_000, after(outcomes(0, 2, 1_000), holds("R26")), under=True,
        before=pending(2), law={"rejects": {"count_max": 2}},
    ),
    Row(
        "rejects.share_bp", 5_000, after(outcomes(2, 2), holds("R26")), at=True, before=pending(4),
        law={"rejects": {"share_of": 4}},
    ),
    Row(
        "rejects.share_of", answers, after(outcomes(0, 3), holds("R26")), at=True, before=pending(3),
        law={"rejects": {"share_bp": 1}},
    ),
    Row(
        "loss.execution_max_ccy", 100, after(filled(1_000), after(marked(-1_000), holds("R30"))), at=True,
        before=standing(cross=True), law={"loss": {"reduce_at_bp": 10_000}},
    ),
    Row(
        "loss.reduce_at_bp", 5_000, after(filled(1_000), after(marked(-1_000), holds("R30S"))), at=True,
        before=standing(cross=True), law={"loss": {"execution_max_ccy": 200}},
    ),
    Row(
        "loss.inventory_max_ccy", 100, after(priced(BID - 1_000, ASK - 1_000), caused("R30I")), at=True,
        start={"positions": (("PAPER", SYN, 1_000),)},
    ),
    Row(
        "loss.drawdown_max_ccy", 500, after(filled(1_000), after(marked(10_000, 5_000), holds("R31"))),
        at=True, before=standing(cross=True),
    ),
    Row(
        "loss.fee_e4", 800, after(filled(1_000), holds("R30")), at=True, under=True,
        before=standing(cross=True), law={"loss": {"execution_max_ccy": 100, "reduce_at_bp": 10_000}},
    ),
    Row(
        "loss.stale_haircut_bp", 10, after(filled(1_000), after(unfit_for(5_000), holds("R30"))), at=True,
        under=True, before=standing(cross=True),
        law={"loss": {"execution_max_ccy": 120, "reduce_at_bp": 10_000}},
    ),
    Row(
        "slippage.pause_bps", 100, after(filled(1_000, price=one_percent_of_arrival), paused), at=True,
        before=standing(), parent={"qty": 10_000},
    ),
    Row(
        "slippage.halt_bps", 100, after(filled(1_000, price=one_percent_of_arrival), holds("R32", "P/P1")),
        at=True, before=standing(), parent={"qty": 10_000},
    ),
    Row(
        "slippage.after_bp", 1_000, after(filled(1_000, price=one_percent_of_arrival), paused), at=True,
        before=standing(), parent={"qty": 10_000}, law={"slippage": {"pause_bps": 1}},
    ),
    Row(
        "session.opening_ms", 1_000, after(at_ns(OPENS_NS + 1_000 * MS), refused("R40")), under=True,
    ),
    Row(
        "session.closing_ms", 1_000, after(at_ns(CLOSES_NS - 1_000 * MS), refused("R40")), at=True,
        under=True,
    ),
    Row(
        "restricted.age_max_ms", 1_000, after(listed, after(pass_ms(market_ms=1_000), refused("R42"))),
        before=listed,
    ),
    Row(
        "policy.decision_age_max_ms", 1_000,
        lambda w, side: "R50" in ask(w, side, decided_mono_ns=w.now - 1_000 * MS),
    ),
    Row("policy.invalid_to_halt", 3, after(repeat(3, undecided), holds("R50")), at=True),
    Row(
        "policy.invalid_window_ms", 1_000, after(twice(undecided, machine_ms=1_000), holds("R50")),
        under=True, law={"policy": {"invalid_to_halt": 2}},
    ),
    Row(
        "sessions.ack_age_max_ms", 1_000, after(pass_ms(machine_ms=1_000), refused("R61")), at=True,
        before=pending(1),
    ),
    Row(
        "sessions.unacked_max", waiting(2), after(pass_ms(machine_ms=1_000), holds("R61")), at=True,
        before=pending(2), law={"sessions": {"ack_age_max_ms": 1_000}},
    ),
    Row(
        "sessions.queries_max", 4, asked_less_than_four_times, before=pending(1), states=UP,
        law={"sessions": {"ack_age_max_ms": 1_000}},
    ),
    Row(
        "sessions.in_flight_max", waiting(3), after(canceled(2), refused("R65")), states=UP,
        before=repeat(2, standing(10)),
    ),
    Row(
        "machine.drop_copy_lag_max_ms", 1_000, after(measured(drop_copy_lag_ms=1_000), holds("R62L")),
        at=True,
    ),
    Row("machine.clock_reduce_us", 1_000, after(measured(clock_offset_us=-1_000), holds("R63S")), at=True),
    Row("machine.clock_halt_us", 1_000, after(measured(clock_offset_us=1_000), holds("R63")), at=True),
    Row("machine.loop_lag_max_ms", 1_000, after(measured(loop_lag_ms=1_000), holds("R64")), at=True),
    Row(
        "machine.disk_reduce_mb", 1_000, after(measured(disk_free_mb=1_000), holds("R66S")), at=True,
        under=True,
    ),
    Row(
        "machine.disk_halt_mb", 1_000, after(measured(disk_free_mb=1_000), holds("R66")), at=True, under=True
    ),
    Row(
        "start.reduce_only_ms", 1_000,
        after(restarted(1), after(pass_ms(machine_ms=1_000), holds("R67S"))), under=True,
    ),
    Row("start.exits_max", 3, after(restarted(3), holds("R67L")), at=True),
    Row(
        "start.exits_window_ms", 10_000, after(restarted(2, 10), holds("R67L")), under=True,
        law={"start": {"exits_max": 2}},
    ),
    Row("canary.every_ms", 1_000, canaries, at=True),
    Row(
        "resume.reduce_only_ms", 1_000,
        after(resumed, after(pass_ms(machine_ms=1_000), holds("R41", f"S/{SYN}"))), under=True, states=UP,
        before=pass_ms(machine_ms=2_000),
    ),
    Row("resume.relapses_max", 3, after(repeat(3, resumed), latched(f"R41@S/{SYN}"))),
    Row(
        "lease.reduce_after_ms", 2_000, after(renewed, after(pass_ms(machine_ms=2_000), holds("R71S"))),
        at=True, before=renewed,
    ),
    Row(
        "lease.kill_after_ms", 2_000, after(renewed, after(pass_ms(machine_ms=2_000), holds("R71"))),
        at=True, before=renewed,
    ),
    Row(
        "dynamic.multiplier_min_bp", 1_000, after(signal(0), refused("R03", 100)),
        law={"order": {"qty_max": 1_000}},
    ),
    Row(
        "dynamic.multiplier_stale_bp", 1_000, after(signal(None), refused("R03", 100)),
        law={"order": {"qty_max": 1_000}, "dynamic": {"multiplier_min_bp": 0}},
    ),
    Row(
        "dynamic.relax_bp", 1_000,
        after(signal(1_000, 10_000), after(pass_ms(machine_ms=1_000), refused("R03", 200))),
        law={"order": {"qty_max": 1_000}, "dynamic": {"relax_window_ms": 1_000}},
    ),
    Row(
        "dynamic.relax_window_ms", 1_000,
        after(signal(1_000, 10_000), after(pass_ms(machine_ms=1_000), refused("R03", 200))), under=True,
        law={"order": {"qty_max": 1_000}, "dynamic": {"relax_bp": 1_000}},
    ),
)  # fmt: skip
