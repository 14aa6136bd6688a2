"""A desk that does everything twice: with the overlay, and with the model of it (tests.risk.model).

The overlay is the real one, with its ledger, posture and orders by the order table; nothing of the gate is
around it. Every verb acts on both and compares what each says: the verdict on an order, with value and limit
of each control that fails, and after each step the exposures of every scope.
"""

import random
from collections import Counter
from typing import Any, Final

from market.child_order import ChildOrder
from market.events import ExecutionReport, OrderCancelReject, ReferencePrice, SecurityStatus, Stamp
from market.instruments import Auction, Instrument
from market.orders import NewOrder, ReplaceOrder
from market.parents import ParentOrder, Progress
from market.types import CxlRejResponseTo, ExecType, OrdStatus, OrdType, ParentStatus, Side, TimeInForce
from risk import calendar
from risk.case import Decision
from risk.ledger import Ledger
from risk.limits import Limits
from risk.memory import Memory, Restricted
from risk.overlay import Context, RiskOverlay
from risk.posture import PostureTable
from risk.rates import Rates
from risk.reference import References
from risk.verdict import Refused
from tests.daemon.gate_harness import LIMITS, OPEN_NS
from tests.daemon.people import lift
from tests.risk.model import MS, SECOND, Ask, Fill, Model, Order, Sent, has_part

SYMBOLS: Final = ("AAA", "BBB")
ACCOUNTS: Final = ("ONE", "TWO")
STRATEGIES: Final = ("twap", "pov")
INSTRUMENTS: Final = {
    "AAA": Instrument(
        symbol="AAA", adv=40_000, daily_volatility_bps=150.0, lot=10, auctions=(Auction.CLOSE,)
    ),
    "BBB": Instrument(symbol="BBB", mic="XNYS"),
}
CALENDARS: Final = calendar.load()
OPENS_NS: Final = OPEN_NS - 1_800 * SECOND
CLOSES_NS: Final = OPENS_NS + 23_400 * SECOND
NARROW: Final = 0.15  # of the limits of a desk bind; where all do, nothing passes
TIGHTENED: Final = (
    *(("exposure", key) for key in ("long_max", "gross_max_ccy", "capital_max_ccy")),
    *(("day", key) for key in ("shares_max", "messages_max")),
    *(("loss", key) for key in ("execution_max_ccy", "drawdown_max_ccy")),
    *(
        ("order", "qty_max"),
        ("rates", "orders_per_second"),
        ("market", "collar_bp"),
        ("impact", "depth_max_bp"),
    ),
)
NAMED: Final = (
    "R02",
    "R05",
    "R06",
    "R08",
    "R16",
    "R40",
    "R41",
)  # their values are words, or of an inner look
SIDES: Final = {(True, False): Side.BUY, (False, False): Side.SELL, (False, True): Side.SELL_SHORT}


def law(rng: random.Random) -> Limits:
    """Limits that bind: of the firm, and tighter ones of an account, a strategy or a symbol."""
    never = 2**31 - 1
    tree = LIMITS.model_dump()

    def mostly(wide: int, *narrow: int) -> int:
        return rng.choice(narrow) if rng.random() < NARROW else wide

    changes: dict[str, dict[str, Any]] = {
        "allowed": {"accounts": ACCOUNTS, "symbols_max": mostly(2, 1), "venues_max": mostly(2, 1)},
        "order": {"qty_max": mostly(600, 300), "notional_max_ccy": mostly(60_000, 20_000)},
        "impact": {"walk_max_bp": mostly(200, 5), "depth_max_bp": mostly(10**6, 4_000),
                   "model_max_bp": mostly(10_000, 5)},
        "market": {"collar_bp": mostly(200, 30), "vwap_collar_bp": mostly(300, 20),
                   "vwap_window_ms": 2_000, "close_band_bp": mostly(2_000, 100),
                   "collar_breaches_to_halt": mostly(never, 3), "breach_window_ms": 3_000,
                   "locked_max_ms": 300, "age_max_ms": 500, "spread_max_bp": mostly(200, 40)},
        "exposure": {"long_max": mostly(2_000, 500), "short_max": mostly(2_000, 0, 500),
                     "gross_max_ccy": mostly(10**6, 90_000), "net_max_ccy": mostly(10**6, 70_000),
                     "open_orders_max": mostly(20, 5), "open_orders_symbol_max": mostly(12, 3),
                     "open_notional_max_ccy": mostly(10**6, 70_000),
                     "capital_max_ccy": mostly(10**6, 80_000)},
        "participation": {"share_max_bp": mostly(10_000, 1_000, 5_000), "window_ms": 640,
                          "free_qty": mostly(100, 0)},
        "shorts": {"permitted": rng.random() < 0.9, "mark_required": rng.random() < 0.3,
                   "locate_required": rng.random() < 0.3},
        "day": {"notional_max_ccy": mostly(10**7, 200_000), "shares_max": mostly(10**6, 1_500),
                "messages_max": mostly(10**6, 25)},
        "rates": {"orders_per_second": mostly(50, 5), "orders_per_second_symbol": mostly(50, 4),
                  "breaches_to_halt": mostly(never, 3), "breach_window_ms": 2_000,
                  "changes_per_second": mostly(50, 1, 4), "messages_per_fill": mostly(10**6, 2, 10),
                  "judged_after": mostly(20, 5), "duplicates": mostly(4, 2),
                  "duplicate_window_ms": 1_500},
        "fills": {"shares_max": mostly(10**6, 400), "notional_max_ccy": mostly(10**7, 60_000),
                  "window_ms": 1_000},
        "rejects": {"count_max": mostly(never, 4), "window_ms": 2_000,
                    "share_bp": mostly(10_000, 5_000), "share_of": mostly(900, 4)},
        "loss": {"execution_max_ccy": mostly(10**5, 200), "drawdown_max_ccy": mostly(10**5, 150),
                 "reduce_at_bp": 5_000, "fee_e4": mostly(10, 0)},
        "session": {"opening_ms": 1_000, "closing_ms": 1_000},
        "restricted": {"age_max_ms": 600_000},
        "policy": {"decision_age_max_ms": 200, "invalid_to_halt": mostly(never, 3),
                   "invalid_window_ms": 2_000},
        "sessions": {"in_flight_max": mostly(30, 3)},
    }  # fmt: skip
    for table, values in changes.items():
        tree[table].update(values)
    own = rng.choice((None, None, None, ("account", "ONE"), ("strategy", "twap"), ("symbol", "AAA")))
    if own is not None:
        mine = {
            "order": {"qty_max": 250},
            "exposure": {"long_max": 400, "gross_max_ccy": 60_000, "open_orders_max": 3},
            "day": {"shares_max": 900, "messages_max": 20},
            "rates": {"orders_per_second": 3},
            "loss": {"execution_max_ccy": 1_500},
        }  # fmt: skip
        tight = {t: {k: min(v, tree[t][k]) for k, v in values.items()} for t, values in mine.items()}
        tree["level"] = {own[0]: {own[1]: tight}}
    return Limits.model_validate(tree)


LETTERS: Final = {"account": "A", "strategy": "T", "symbol": "S"}


def laws(limits: Limits) -> dict[str, Any]:
    """The same as plain values by scope, each scope's own over the firm's."""
    firm = limits.model_dump()
    levels = firm.pop("level")
    found = {"F": firm}
    for level, names in levels.items():
        for name, tables in names.items():
            mine = {
                table: dict(values) if isinstance(values, dict) else values for table, values in firm.items()
            }
            for table, values in tables.items():
                mine[table].update({k: v for k, v in (values or {}).items() if v is not None})
            found[f"{LETTERS[level]}/{name}"] = mine
    return found


class Desk:
    """Both of them, and the orders between them."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.limits, self.mono, self.ts = law(rng), 10 * SECOND, OPEN_NS
        self.ledger, self.references, self.posture = Ledger(), References(), PostureTable()
        rates = Rates(self.mono)
        self.memory = Memory(rates, self.limits.fills.window_ms * MS)
        self.risk = RiskOverlay(
            self.limits, dict(INSTRUMENTS), "ONE", self.ledger, self.references, self.posture, rates,
            CALENDARS, self.memory,
        )  # fmt: skip
        self.memory.own = self.risk.scopes.own
        self.model = Model(laws(self.limits), INSTRUMENTS, self.mono)
        self.chains: list[ChildOrder] = []
        self.mirror: dict[str, Order] = {}
        self.strategies: dict[str, str] = {}
        self.count = self.executions = self.passed = 0
        self.failed: set[str] = set()
        self._begin(rng)

    def _begin(self, rng: random.Random) -> None:
        self.memory.day = self.model.day = rng.choice(("2024-01-02", "2024-01-02", ""))
        self.model.phase = (True, "2024-01-02", OPENS_NS, CLOSES_NS)
        self.references.up, self.references.alive_mono_ns = True, self.mono
        self.restrict(False)
        for account in ACCOUNTS:
            for symbol in SYMBOLS:
                qty = rng.choice((0, 300, 900, -200))
                if qty:
                    self.ledger.start_of_day(account, symbol, qty)
                    self.risk.scopes.start_of_day(account, symbol, qty)
                    self.model.sod.append((account, symbol, qty))
                for n, (buy, short) in enumerate(SIDES):
                    limit = rng.choice((None, None, None, 1_002_000 if buy else 998_000))
                    total = rng.choice((700, 5_000))
                    name = f"{account}-{symbol}-{n}"
                    usual = buy == (symbol == "AAA")  # else nearly everything would meet an order of our own
                    if usual or rng.random() < 0.2:
                        self.model.parents[name] = [account, buy, short, symbol, total, True, limit]
        for symbol in SYMBOLS:
            self.price(symbol, 1_000_000, 100, 400, 1_000_000, rng.choice((0, 1_000_000)), 0)
        for account in ACCOUNTS:
            key = f"{account} AAA"
            self.memory.locates[key] = self.model.locates[key] = 400

    @property
    def stamp(self) -> Stamp:
        return Stamp(self.ts, self.mono)

    # --- what the desk wants ------------------------------------------------------------------

    def submit(self, parent: str, strategy: str, qty: int, price: int, **lies: Any) -> None:
        """A new order."""
        account, buy, short, symbol, *_ = self.model.parents[parent]
        if lies.get("other_side"):
            buy, short = not buy, False
        self._ask(account, strategy, symbol, buy, short, parent, qty, price, None, lies)

    def replace(self, chain: ChildOrder, qty: int, price: int, **lies: Any) -> None:
        """New terms for an order that stands."""
        if chain.status not in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED) or qty <= chain.traded_qty:
            return
        o = self.mirror[chain.chain_id]
        self._ask(o.account, o.strategy, o.symbol, o.buy, o.short, o.parent, qty, price, chain, lies)

    def _ask(
        self, account: str, strategy: str, symbol: str, buy: bool, short: bool, parent: str, qty: int,
        price: int, chain: ChildOrder | None, lies: dict[str, Any],
    ) -> None:  # fmt: skip
        self.count += 1
        name = f"C{self.count}"
        cross = self.mirror[chain.chain_id].cross if chain else bool(lies.get("cross"))
        instrument = INSTRUMENTS[symbol]
        order = NewOrder(
            cl_ord_id=name, parent_id=parent, account=account, symbol=symbol, mic=instrument.mic,
            side=SIDES[(buy, short)], qty=qty, ord_type=OrdType.LIMIT, price_e4=price,
            time_in_force=TimeInForce.CLOSE if cross else TimeInForce.DAY,
        )  # fmt: skip
        old = self.mirror[chain.chain_id] if chain else None
        decided = self.mono - lies.get("late", 0)
        number, had, overdue = lies.get("number", self.count), lies.get("had", 0), lies.get("overdue", 0)
        decision = Decision(decided, strategy, "", number, had)
        context = Context(self.stamp, chain, *self._parent(parent), decision, overdue)
        asked: Any = order
        if chain is not None:
            asked = ReplaceOrder(cl_ord_id=name, orig_cl_ord_id=chain.cl_ord_id, order_id=None, terms=order)
        ask = Ask(
            account, strategy, symbol, buy, short, parent, qty, price, old, instrument.mic, decided, number,
            had, overdue, cross,
        )  # fmt: skip
        expected = self.model.judge(ask, self.ts, self.mono)
        verdict = self.risk.check(asked, context)
        said = (
            [(f.control, f.value, f.limit) for f in verdict.failures] if isinstance(verdict, Refused) else []
        )
        assert plain(said) == plain(expected), self.differ(said, expected)
        self.failed |= {control for control, _, _ in said}
        if said:
            self.model.refused({control for control, _, _ in said}, self.ts, self.mono)
        else:
            self._passed(order, chain, ask, name)
        self.compare()

    def _passed(self, order: NewOrder, chain: ChildOrder | None, ask: Ask, name: str) -> None:
        self.passed += 1
        if chain is None:
            chain = ChildOrder(
                chain_id=name, terms=order, cl_ord_id=name, order_qty=ask.qty, price_e4=ask.price,
                asked_mono_ns=self.mono,
            )  # fmt: skip
            self.chains.append(chain)
            self.strategies[name] = ask.strategy
            mine = Order(
                name,
                ask.account,
                ask.strategy,
                ask.symbol,
                ask.buy,
                ask.short,
                ask.parent,
                ask.qty,
                ask.price,
                cross=ask.cross,
            )
            self.mirror[name] = mine
            self.model.orders.append(mine)
            kind = "new"
        else:
            chain.request_replace(name, ask.qty, ask.price, self.mono)
            mine = self.mirror[chain.chain_id]
            mine.asked, mine.waiting, kind = (ask.qty, ask.price), True, "replace"
        self.model.sent.append(Sent(self.mono, self.ts, kind, mine, ask.qty, ask.price))
        self.risk.track(chain, ask.strategy)

    def _parent(self, name: str) -> tuple[ParentOrder, Progress]:
        account, buy, short, symbol, qty, working, limit = self.model.parents[name]
        order = ParentOrder(
            parent_id=name, account=account, side=SIDES[(buy, short)], qty=qty, symbol=symbol, mic="",
            start_ns=1, end_ns=2, limit_price_e4=limit, close_pct=50 if has_part(name) else None,
        )  # fmt: skip
        cum = sum(o.cum for o in self.model.orders if o.parent == name)
        status = ParentStatus.WORKING if working else ParentStatus.PAUSED
        return order, Progress(status=status, qty=qty, cum_qty=cum)

    def cancel(self, chain: ChildOrder) -> None:
        """Never judged, always counted."""
        self.count += 1
        strategy, mine = self.strategies[chain.chain_id], self.mirror[chain.chain_id]
        chain.request_cancel(f"C{self.count}", self.mono)
        self.risk.note_cancel(chain, strategy, self.mono)
        mine.waiting = True
        self.model.sent.append(Sent(self.mono, self.ts, "cancel", mine))
        self.track(chain)

    # --- what the EMS says --------------------------------------------------------------------

    def report(self, chain: ChildOrder, kind: ExecType, status: OrdStatus, **more: Any) -> None:
        """An execution report, booked as the gate books it."""
        self.executions += 1
        before, strategy = chain.status, self.strategies[chain.chain_id]
        fields = {
            "cl_ord_id": chain.cl_ord_id,
            "exec_id": f"E{self.executions}",
            "cum_qty": chain.traded_qty,
        } | more
        change = chain.observe(
            ExecutionReport(exec_type=kind, ord_status=status, side=chain.terms.side, **fields)
        )
        if change.qty or change.notional_e4:
            self.risk.execute(chain, strategy, change.qty, change.notional_e4, self.stamp)
        if before is OrdStatus.PENDING_NEW and chain.status is not before:
            self.risk.answered(chain.status is OrdStatus.REJECTED, self.mono)
            self.model.answered(chain.status is OrdStatus.REJECTED, self.mono)
        self.track(chain)

    def accept(self, chain: ChildOrder) -> None:
        self.report(chain, ExecType.NEW, OrdStatus.NEW)

    def reject(self, chain: ChildOrder) -> None:
        self.report(chain, ExecType.REJECTED, OrdStatus.REJECTED)

    def end(self, chain: ChildOrder) -> None:
        self.report(chain, ExecType.CANCELED, OrdStatus.CANCELED)

    def fill(self, chain: ChildOrder, qty: int, price: int) -> None:
        """A trade; of an order that has ended it comes late, and is booked all the same."""
        mine = self.mirror[chain.chain_id]
        mine.cum += qty
        mine.stated = max(mine.stated, mine.cum)
        self._fill(mine, qty, price)
        self.model_speed(mine)
        leaves = max(0, mine.qty - mine.cum)
        status = OrdStatus.PARTIALLY_FILLED if leaves else OrdStatus.FILLED
        more = {"last_qty": qty, "last_price_e4": price, "cum_qty": mine.cum, "leaves_qty": leaves}
        self.report(chain, ExecType.TRADE, status, **more)

    def _fill(self, mine: Order, qty: int, price: int) -> None:
        self.model.fills.append(
            Fill(self.ts, mine.account, mine.strategy, mine.symbol, mine.buy, mine.short, qty, price)
        )

    def model_speed(self, mine: Order) -> None:
        for scope in self.model.scopes(mine.account, mine.strategy, mine.symbol):
            self.model.speed(scope, self.ts)

    def state(self, chain: ChildOrder, cum: int) -> None:
        """The EMS says that more has traded than we booked: its reports are missing."""
        mine = self.mirror[chain.chain_id]
        mine.stated = max(mine.stated, cum)
        chain.stated_qty = max(chain.stated_qty, cum)
        self.track(chain)

    def confirm(self, chain: ChildOrder) -> None:
        """A replace goes through."""
        mine = self.mirror[chain.chain_id]
        assert mine.asked
        mine.qty, mine.price = mine.asked
        more = {"order_qty": mine.qty, "price_e4": mine.price, "leaves_qty": max(0, mine.qty - mine.cum)}
        more |= {"cl_ord_id": chain.replace_id, "orig_cl_ord_id": chain.cl_ord_id}
        self.report(chain, ExecType.REPLACED, OrdStatus.NEW, **more)

    def refuse(self, chain: ChildOrder) -> None:
        """A replace, else a cancel, is refused."""
        replace = chain.replace_id is not None
        reject = OrderCancelReject(
            cl_ord_id=chain.replace_id or chain.cancel_id,
            orig_cl_ord_id=chain.cl_ord_id,
            ord_status=OrdStatus.NEW,
            response_to=CxlRejResponseTo.REPLACE if replace else CxlRejResponseTo.CANCEL,
        )
        self.risk.refused_change(self.mono)
        self.model.answered(True, self.mono, order=False)
        chain.observe_reject(reject)
        self.track(chain)

    def bust(self, chain: ChildOrder, exec_id: str) -> None:
        """A trade is taken back."""
        qty, price = chain.trades[exec_id]
        mine = self.mirror[chain.chain_id]
        mine.cum -= qty
        mine.stated = mine.cum
        self._fill(mine, -qty, price)
        more = {"exec_ref_id": exec_id, "cum_qty": mine.cum, "leaves_qty": 1}
        self.report(chain, ExecType.TRADE_CANCEL, OrdStatus.PARTIALLY_FILLED, **more)

    def track(self, chain: ChildOrder) -> None:
        """The ledgers see the chain, and everything that moves by itself is judged.

        Whether an order lives and what it waits for is the order table's word (tests/market), in both.
        """
        mine = self.mirror[chain.chain_id]
        mine.live, mine.waiting = chain.live, bool(chain.asked_mono_ns)
        if chain.replace_id is None:
            mine.asked = None
        self.risk.track(chain, self.strategies[chain.chain_id])
        self.watch()

    # --- what the world does ------------------------------------------------------------------

    def watch(self) -> None:
        self.risk.watch(self.stamp)
        self.model.watch(self.ts, self.mono)
        self.compare()

    def wait(self, ms: int, alive: bool = True) -> None:
        self.mono += ms * MS
        self.ts += ms * MS
        if alive:
            self.references.alive_mono_ns = self.model.alive = self.mono
        self.watch()

    def price(self, symbol: str, mid: int, half: int, shown: int, last: int, close: int, volume: int) -> None:
        """A picture; the marks follow a jump only when it is told twice."""
        bid, ask, quote = mid - half, mid + half, self.model.quotes[symbol]
        event = ReferencePrice(
            symbol=symbol, bid_e4=bid, ask_e4=ask, bid_qty=shown, ask_qty=shown, last_e4=last, close_e4=close,
            volume=volume,
        )  # fmt: skip
        self.references.take(event, self.mono, self.limits.market)
        self.risk.priced(event, self.stamp)
        quote.bid, quote.ask, quote.shown = bid, ask, (shown, shown)
        quote.last, quote.close = last or quote.last, close or quote.close
        quote.volume.append((self.ts, volume))
        quote.current, self.model.alive = True, self.mono
        quote.locked_since = (quote.locked_since or self.mono) if bid and bid == ask else 0
        if 0 < bid <= ask:
            far = any(
                abs(new - old) * 10_000 > old * self.limits.market.collar_bp
                for new, old in zip((bid, ask), quote.mark, strict=True)
            )
            if far and quote.mark[0] and not quote.doubtful:
                quote.doubtful = True
            else:
                quote.mark, quote.doubtful = (bid, ask), False
        self.watch()

    def venue(self, symbol: str, halted: bool, band: tuple[int, int], limit_state: bool, ssr: bool) -> None:
        status = SecurityStatus(
            symbol=symbol, trading=not halted, band_low_e4=band[0], band_high_e4=band[1],
            limit_state=limit_state, short_restricted=ssr,
        )  # fmt: skip
        self.references.take_status(status, self.mono)
        quote = self.model.quotes[symbol]
        quote.halted, quote.limit_state, quote.ssr = halted, limit_state, ssr
        quote.band = (band[0] or quote.band[0], band[1] or quote.band[1])
        self.model.alive = self.mono
        self.watch()

    def unfit(self, symbol: str, since: bool) -> None:
        self.references.picture(symbol).unfit_since_ns = self.model.quotes[symbol].unfit_since = (
            self.mono if since else 0
        )
        self.watch()

    def restrict(self, listed: bool) -> None:
        symbols = ("BBB",) if listed else ()
        self.memory.restricted = Restricted(symbols, self.ts)
        self.model.restricted, self.model.listed_at = set(symbols), self.ts

    def power(self, micros: int | None) -> None:
        self.memory.buying_power_micros = self.model.power = micros

    def signal(self, scope: str, bp: int) -> None:
        """R75: tighter at once; what is asked back comes slowly, and not within this test's time."""
        self.memory.multipliers.signal(scope, "x", bp, self.limits.dynamic, self.mono)
        bp = max(self.limits.dynamic.multiplier_min_bp, bp)
        self.model.signals[scope] = min(self.model.signals.get(scope, 10_000), bp)

    def stop(self, cause: str, scope: str, holds: bool) -> None:
        """A person, or another part, says that something holds."""
        if holds:
            self.posture.raise_(cause, "x", self.mono, scope)
            self.model.raise_(cause, scope)
        elif cause == "R76":
            self.posture.clear(cause, self.mono, scope)
            self.model.drop(cause, scope)

    def rearm(self) -> None:
        """Two people lift every latch; what still holds is raised again at the next look."""
        lift(self.posture, self.mono)
        self.risk.rates.faults.clear()
        self.model.faults.clear()
        kept = {
            c for c in self.model.causes if c.partition("@")[0] in ("R11", "R19", "R21", "R22", "R30S", "R76")
        }
        self.model.causes = kept
        self.watch()

    def restart(self) -> None:
        """A new start of the gate: counts stay, a block of messages is used up, a second is full."""
        self.risk.rates.start_mono_ns = self.model.started = self.mono
        for scope in self.risk.scopes:
            used = len(self.model.messages(scope.name)) + self.model.wasted.get(scope.name, 0)
            self.model.wasted[scope.name] = self.model.wasted.get(scope.name, 0) + -used % 100
        self._adopt(self.limits, started=True)

    def tighten(self, rng: random.Random) -> None:
        """Other limits, none of them looser: what was counted stays."""
        tree = self.limits.model_dump()
        table, key = rng.choice(TIGHTENED)
        tree[table][key] = tree[table][key] * 3 // 4
        for names in tree["level"].values():
            for tables in names.values():
                if tables.get(table) and tables[table].get(key) is not None:
                    tables[table][key] = min(tables[table][key], tree[table][key])
        self._adopt(Limits.model_validate(tree), started=False)

    def _adopt(self, limits: Limits, started: bool) -> None:
        before, self.limits = self.risk, limits
        self.risk = RiskOverlay(
            limits, dict(INSTRUMENTS), "ONE", self.ledger, self.references, self.posture, before.rates,
            CALENDARS, self.memory,
        )  # fmt: skip
        chains = [(chain, self.strategies[chain.chain_id]) for chain in self.chains]
        self.risk.adopt(before, chains, started, ())
        self.model.laws = laws(limits)
        self.watch()

    def roll(self, rng: random.Random) -> bool:
        """A day begins: counts anew, latches as they are. Not while anything is open or owed."""
        if self.ledger.open_orders or any(o.worst for o in self.model.orders):
            return False
        self.wait(5_000)  # what is counted over windows goes on over a day's end, and these are shorter
        self.memory.new_day(self.memory.day)
        self.ledger.new_day()
        for scope in self.risk.scopes:
            if scope is not self.risk.firm:
                scope.ledger.new_day()
            scope.peak_micros = 0
        model = self.model
        held = {(a, s): model.held(a, s) for a in ACCOUNTS for s in SYMBOLS}
        model.sod, model.fills, model.orders = [], [], []
        model.sent, model.peaks, model.wasted, model.power = [], {}, {}, None
        for quote in model.quotes.values():
            quote.volume = []
        self.chains, self.mirror, model.locates = [], {}, {}
        for (account, symbol), qty in held.items():
            if qty and rng.random() < 0.9:
                self.ledger.start_of_day(account, symbol, qty)
                self.risk.scopes.start_of_day(account, symbol, qty)
                model.sod.append((account, symbol, qty))
        self.watch()
        return True

    # --- comparison ---------------------------------------------------------------------------

    def compare(self) -> None:
        """Exposures, counts and causes of both."""
        model = self.model
        for scope in self.risk.scopes:
            ledger, name = scope.ledger, scope.name
            for symbol in SYMBOLS:
                book = ledger.book(symbol)
                mine = (book.position, book.buy_leaves, book.sell_leaves, book.open_orders)
                theirs = (
                    model.position(name, symbol), model.leaves(name, symbol, True),
                    model.leaves(name, symbol, False), len(model.live(name, symbol)),
                )  # fmt: skip
                assert mine == theirs, (name, symbol, mine, theirs)
            assert ledger.open_e4 == model.open_value(name), name
            tally, fills = scope.tally, model.traded(name)
            mine = (tally.messages.used, tally.traded_qty, tally.fills)
            assert mine == (model.used(name), sum(f.qty for f in fills), len(fills)), name
        assert set(self.posture.causes) == model.causes, (sorted(self.posture.causes), sorted(model.causes))
        waiting = sum(o.live and o.waiting for o in model.orders)
        assert len(self.ledger.unanswered) == waiting

    def differ(self, said: list[Any], expected: list[Any]) -> str:
        """Say what one of them sees and the other does not."""
        a, b = Counter(plain(said)), Counter(plain(expected))
        return f"overlay alone {sorted(a - b)}, model alone {sorted(b - a)}"


def plain(found: list[Any]) -> list[str]:
    """What of a verdict is compared: of numbers all, of words the id."""
    names = [
        repr((c, v, limit)) if c not in NAMED and type(v) is int and type(limit) is int else c
        for c, v, limit in found
    ]
    return sorted(names)
