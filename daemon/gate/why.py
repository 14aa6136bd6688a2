"""What keeps a parent, a symbol or the desk from trading: an ordered list, each with what would clear it.

    blockers(g, stamp, parent_id="", symbol="")      # pure: the state is as it was
    answer(g, stamp, parent_id, symbol)              # the same, as plain values for the control socket
    Since().observe(...)                             # over a replay: since when each holds

First what holds for everything (kill, halts, sessions, the day), then for the symbol, the trader, the parent,
and last what the limits leave: an ordinary order of one lot at the near touch is put through every control,
on a copy of all that they count. So a control that is added later is told of here without another line.
"""

from typing import Any, Final

import msgspec

from daemon.gate.ended_parents import look_up
from daemon.gate.state import GateState, Parent
from market.events import Stamp
from market.orders import NewOrder
from market.parents import ParentOrder, Progress
from market.types import ClOrdID, OrdType, ParentID, ParentStatus, Side, Symbol, TimeInForce
from risk.calendar import Phase
from risk.case import Decision
from risk.overlay import Context
from risk.posture import CAUSES, Life, Posture, cause_of, posture_in
from risk.verdict import Failure

PROBE: Final = "WHY"  # name of the order and the parent that are put through the controls
FAR_NS: Final = 2**61  # end of that parent
TRADER: Final = "TRADER"
PARENT: Final = "PARENT"
DESK: Final = "desk"
PEOPLE: Final = "two people rearm: `steadyhand rearm`"
# What would clear a control that refuses an order. Those of the posture table say so there.
CLEARS: Final[dict[str, str]] = {
    "R01": "market time begins: `steadyhand clock`, or the venue's start",
    "R02": "allowed.* of the limits file, by two people; or the instrument's tick and lot",
    "R03": "a smaller order; order.* of the limits file, by two people",
    "R04": "a smaller order; order.notional_max_ccy, by two people",
    "R05": "prices: a mid, and a last trade and close within the collar",
    "R06": "fit reference prices",
    "R07": "more displayed depth, or a smaller order",
    "R08": "the parent's limit price: `steadyhand amend --limit`, or the market",
    "R10": "fills or cancels on the same side; exposure.*, by two people",
    "R11": "a smaller book; exposure.gross_max_ccy and net_max_ccy, by two people",
    "R12": "open orders end; exposure.open_orders*, by two people",
    "R13": "cash, or exposure.capital_max_ccy by two people",
    "R14": "nothing: the parent's quantity is committed; `steadyhand amend --qty`",
    "R15": "others' volume within the window",
    "R16": "our own opposite order ends",
    "R17": "a locate, or shares that are long",
    "R18": "only orders that reduce the position pass until then",
    "R19": "the next start of day; day.*, by two people",
    "R20": "a second",
    "R21": "the next start of day; day.messages_max, by two people",
    "R22": "fills, or the next start of day",
    "R24": "another decision, or the end of the window",
    "R30": "a profit; loss.execution_max_ccy, by two people",
    "R40": "the session's hours, or the start of day: `steadyhand sod`",
    "R41": "the venue resumes, or the price is inside its bands",
    "R42": "a current restricted list without the symbol: `steadyhand sod`",
    "R50": "a fresh decision of a listed policy",
    "R61": "the EMS answers",
    "R65": "orders in flight are answered",
    "GR1": PEOPLE,
}


class Blocker(msgspec.Struct, frozen=True):
    """One thing that keeps something from trading."""

    control: str
    scope: str  # desk, S/GOOG, A/ACCT1, T/twap, P/P1
    text: str
    value: str = ""
    limit: str = ""
    since_mono_ns: int = 0  # machine time; 0 = not known
    since_ts_ns: int = 0  # market time, where that is what is known
    clears: str = ""
    reduces: bool = False  # orders that reduce the position still pass


def blockers(g: GateState, stamp: Stamp, parent_id: str = "", symbol: str = "") -> list[Blocker]:
    """Return everything that keeps a parent, a symbol, or with neither the desk from trading."""
    parent = look_up(g, ParentID(parent_id))
    if parent is not None:
        symbol = parent.order.symbol
    strategy = strategy_of(g, parent, symbol)
    found = of_posture(g, parent, symbol, strategy)
    found += of_sessions(g)
    if symbol:
        name = Symbol(symbol)
        found += of_day(g, stamp, name) + of_market(g, stamp, name) + of_trader(g, name)
    elif not g.traders:
        found += of_trader(g, Symbol(""))
    if parent is not None:
        found += of_parent(g, stamp, parent)
    if symbol and (parent is None or parent.live):
        known = {b.control for b in found}
        found += [b for b in of_limits(g, stamp, parent, Symbol(symbol), strategy) if b.control not in known]
    elif not symbol:
        known = {b.control for b in found}
        for name in sorted(g.instruments):
            found += [b for b in of_day(g, stamp, name) + of_market(g, stamp, name) if b.control not in known]
    return found


def strategy_of(g: GateState, parent: Parent | None, symbol: str) -> str:
    """Return the policy that works a parent or symbol, "" where nobody does."""
    epoch = g.trader_of(Symbol(symbol))
    if epoch is not None:
        return g.traders[epoch].hello.policy
    return parent.strategy if parent is not None else ""


def of_posture(g: GateState, parent: Parent | None, symbol: str, strategy: str) -> list[Blocker]:
    """Return the causes of the posture table that hold here, kills first."""
    posture, keys = g.posture, list(g.posture.causes)
    if symbol:
        order = parent.order if parent is not None else None
        account, name = (order.account, order.parent_id) if order is not None else (g.account, "")
        keys = posture.holding(account, strategy, name, symbol)
        if not strategy:  # nobody works it yet: whoever comes may be one that is stopped
            keys += [key for key in posture.causes if key.partition("@")[2].startswith("T/")]
    found = []
    for key in keys:
        cause, _, scope = key.partition("@")
        row, life = cause_of(key), posture.life(key)
        worst = posture_in(cause, life)
        if life in (Life.LATCHED, Life.ASKED):
            clears = PEOPLE
        elif life is Life.RETURNING:
            clears = "time, with gate and EMS agreed: it is over and returns through REDUCE_ONLY"
        else:
            clears = row.clears or "what caused it ends"
        found.append(
            Blocker(
                control=cause,
                scope=scope or DESK,
                text=posture.causes[key] or row.doc,
                value=worst.name,
                limit=Posture.ACTIVE.name,
                since_mono_ns=posture.since_ns[key],
                clears=clears,
                reduces=worst is Posture.REDUCE_ONLY,
            )
        )
    return sorted(found, key=lambda b: (-Posture[b.value], b.control))


def of_sessions(g: GateState) -> list[Blocker]:
    """Return what the lines say beside R60, which is a cause."""
    if g.session.up and not g.session.trading and "R60" not in g.posture.causes:
        names = " ".join(list(g.session.awaited)[:5])
        return [Blocker("R60", DESK, f"reconciling: {names}", clears="the EMS answers")]
    return []


def of_day(g: GateState, stamp: Stamp, symbol: Symbol) -> list[Blocker]:
    """Return what the calendar says of a symbol (R40)."""
    now = g.risk.phase(symbol, stamp.ts_ns)
    if now.phase is Phase.UNKNOWN:
        text = "market time is not known" if stamp.ts_ns <= 0 else "no calendar covers this instant"
        clears = (
            CLEARS["R01"] if stamp.ts_ns <= 0 else "deploy/setup/calendars.py, or the instrument's `calendar`"
        )
        return [Blocker("R40", f"S/{symbol}", text, clears=clears)]
    if now.open:
        return []
    opens = now.open_ns if stamp.ts_ns < now.open_ns else 0
    known = opens and symbol in g.instruments
    clears = f"the open, {g.instruments[symbol].clock(opens)[:5] if known else 'the next trading day'}"
    return [Blocker("R40", f"S/{symbol}", now.phase.value, since_ts_ns=now.from_ns, clears=clears)]


def of_market(g: GateState, stamp: Stamp, symbol: Symbol) -> list[Blocker]:
    """Return why the gate's own prices of a symbol are not fit (R06)."""
    picture = g.references.pictures.get(symbol)
    if picture is None:
        text = "no reference price since the gate began" if g.references.up else "no reference session"
        return [Blocker("R06", f"S/{symbol}", text, clears=CLEARS["R06"])]
    fault = g.references.fault(picture, stamp.mono_ns, g.risk.market_of(symbol))
    if not fault:
        return []
    since = picture.unfit_since_ns or (0 if g.references.up else g.references.alive_mono_ns)
    return [Blocker("R06", f"S/{symbol}", fault, since_mono_ns=since, clears=CLEARS["R06"])]


def of_trader(g: GateState, symbol: Symbol) -> list[Blocker]:
    """Return why nobody decides."""
    epoch = g.trader_of(symbol) if symbol else None
    scope = f"S/{symbol}" if symbol else DESK
    if epoch is None:
        others = ", ".join(sorted(s for t in g.traders.values() for s in t.hello.symbols))
        text = (
            f"no trader works {symbol}; one works {others}" if others and symbol else "no trader is connected"
        )
        since = g.absence.since_mono_ns.get(symbol, 0)
        return [Blocker(TRADER, scope, text, since_mono_ns=since, clears="start one: `steadyhand trader`")]
    trader = g.traders[epoch]
    if trader.fit:
        return []
    text = trader.text or "the trader has not said that it is fit"
    return [Blocker(TRADER, scope, text, clears="what its log names")]


def of_parent(g: GateState, stamp: Stamp, parent: Parent) -> list[Blocker]:
    """Return what keeps a parent itself."""
    order, progress = parent.order, parent.progress
    scope, status = f"P/{order.parent_id}", progress.status

    def say(text: str, clears: str, value: object = "", limit: object = "") -> Blocker:
        return Blocker(PARENT, scope, text, str(value), str(limit), clears=clears)

    if not parent.live:
        reason = f": {progress.remainder_reason}" if progress.remainder_reason else ""
        text = f"it has ended, {status.value}{reason}"
        return [say(text, "nothing; submit another", progress.cum_qty, progress.qty)]
    found = []
    if status is ParentStatus.PENDING:
        found.append(say("its window has not begun", "its start", stamp.ts_ns, order.start_ns))
    elif status is ParentStatus.PAUSED:
        found.append(say((parent.costly and "paused by R32") or "paused", "`steadyhand resume`"))
    elif status is ParentStatus.CANCELING:
        found.append(say(f"it is ending: {progress.remainder_reason}", "nothing", len(parent.chains), 0))
    if not parent.priced:
        found.append(say("no price was known at admission; judged at the first one", "a reference price"))
    committed = progress.cum_qty + g.ledger.committed.get(order.parent_id, 0)
    if committed >= progress.qty:
        found.append(
            say("all of it is filled or works", "fills; `steadyhand amend --qty`", committed, progress.qty)
        )
    return found + away(g, parent)


def away(g: GateState, parent: Parent) -> list[Blocker]:
    """Return that the market is beyond a parent's limit price."""
    order, picture = parent.order, g.references.pictures.get(parent.order.symbol)
    limit = order.limit_price_e4
    if limit is None or picture is None or picture.mid_micros is None:
        return []
    near = picture.bid_e4 if order.side is Side.BUY else picture.ask_e4
    if (near - limit) * order.side.sign <= 0:
        return []
    text = "the market is beyond its limit price: orders rest there"
    return [Blocker("R08", f"P/{order.parent_id}", text, str(near), str(limit), clears=CLEARS["R08"])]


# --- limits -------------------------------------------------------------------------------------


def of_limits(
    g: GateState, stamp: Stamp, parent: Parent | None, symbol: Symbol, strategy: str
) -> list[Blocker]:
    """Put an ordinary order through every control, on a copy, and return which say no."""
    if symbol not in g.instruments:
        return [Blocker("R02", f"S/{symbol}", "no configured instrument", clears=CLEARS["R02"])]
    risk = g.risk.twin(g.live_chains())
    scope = f"P/{parent.order.parent_id}" if parent is not None else f"S/{symbol}"
    sides = [parent.order.side] if parent is not None else [Side.BUY, Side.SELL]
    refused: list[list[Failure]] = []
    for side in sides:
        order, context = probe(g, stamp, parent, symbol, side, strategy)
        case = risk.case(order, context)
        risk.run(case)
        refused.append(case.failures)
    # Without a parent a symbol is kept from trading by what stops both sides.
    common = set.intersection(*({f.control for f in failures} for failures in refused))
    found: dict[str, Blocker] = {}
    for failure in refused[0]:
        if failure.control in common and failure.control not in CAUSES.keys() - CLEARS.keys():
            text, value = failure.text, (str(failure.value), str(failure.limit))
            clears = CLEARS.get(failure.control, "")
            found.setdefault(failure.control, Blocker(failure.control, scope, text, *value, clears=clears))
    return list(found.values())


def probe(
    g: GateState, stamp: Stamp, parent: Parent | None, symbol: Symbol, side: Side, strategy: str
) -> tuple[NewOrder, Context]:
    """Return an order of one lot at the near touch, not beyond the parent's limit, by a fresh decision."""
    instrument, picture = g.instruments[symbol], g.references.pictures.get(symbol)
    near = (picture.bid_e4 if side is Side.BUY else picture.ask_e4) if picture is not None else 0
    price = near or (picture.price_e4 if picture is not None else 0) or instrument.tick_e4(0)
    if parent is None:
        order = ParentOrder(
            parent_id=ParentID(PROBE),
            account=g.account,
            side=side,
            qty=2**31 - 1,
            symbol=symbol,
            mic=instrument.mic,
            start_ns=1,
            end_ns=FAR_NS,
        )
        progress = Progress(qty=order.qty, status=ParentStatus.WORKING)
    else:
        order, progress = parent.order, msgspec.structs.replace(parent.progress, status=ParentStatus.WORKING)
    limit = order.limit_price_e4
    if limit is not None and (price - limit) * side.sign > 0:
        price = limit
    epoch = g.trader_of(symbol)
    hello = g.traders[epoch].hello if epoch is not None else None
    artefact = hello.policy_sha256 if hello is not None else ""
    listed = g.risk.limits.allowed.policies
    policy = strategy or (listed[0] if listed else "")  # nobody decides: that is told elsewhere
    new = NewOrder(
        cl_ord_id=ClOrdID(PROBE),
        parent_id=order.parent_id,
        account=order.account,
        symbol=symbol,
        mic=order.mic,
        side=side,
        qty=instrument.lot,
        ord_type=OrdType.LIMIT,
        price_e4=price - price % instrument.tick_e4(price) or price,
        time_in_force=TimeInForce.DAY,
        locate_id=order.locate_id,
    )
    decision = Decision(max(1, stamp.mono_ns), policy, artefact, 1, 0)
    return new, Context(stamp, None, order, progress, decision, g.overdue.get(symbol, 0))


# --- telling ------------------------------------------------------------------------------------


def answer(g: GateState, stamp: Stamp, parent_id: str, symbol: str) -> dict[str, Any]:
    """Return the list as plain values, with what was asked for."""
    if parent_id and look_up(g, ParentID(parent_id)) is None:
        known = ", ".join(list(g.live_parents)[:5]) or "none is live"
        return {"ok": False, "error": f"no parent {parent_id[:40]}; live: {known}"}
    if symbol and symbol not in g.instruments:
        error = f"no instrument {symbol[:20]}; there is {', '.join(sorted(g.instruments))}"
        return {"ok": False, "error": error}
    found = blockers(g, stamp, parent_id, symbol)
    subject = f"parent {parent_id}" if parent_id else f"symbol {symbol}" if symbol else "the desk"
    return {
        "ok": True,
        "subject": subject,
        "ts_ns": stamp.ts_ns,
        "mono_ns": stamp.mono_ns,
        "speed": g.risk.rates.speed,
        "blockers": [msgspec.to_builtins(b) for b in found],
    }


class Since:
    """Over a replay: when each blocker was first seen without a break."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}

    def observe(self, found: list[Blocker], mono_ns: int) -> list[Blocker]:
        """Take one look; return the same list with what is known of when."""
        keys = {(b.control, b.scope) for b in found}
        # After a restart of the host its clock begins anew: what was seen under another is seen now.
        self._seen = {key: min(self._seen.get(key, mono_ns), mono_ns) for key in keys}
        return [
            b
            if 0 < b.since_mono_ns <= mono_ns or b.since_ts_ns
            else msgspec.structs.replace(b, since_mono_ns=self._seen[(b.control, b.scope)])
            for b in found
        ]
