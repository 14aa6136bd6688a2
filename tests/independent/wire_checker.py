"""An auditor of the order wire: limits recomputed from messages alone, over all outcomes of open orders.

Written against the control table and the rules GR4 and GR5, not against the house's code, of which it imports
nothing. It reads what passed at the venue, in the venue's order, and the reference prices that the gate was
sent, and says which message should never have left. It is slow and obvious.

    checker = WireChecker(Law(qty_max=100, ...), positions={"SYN": 0}, parents={"P1": ("1", 1_000)})
    checker.price(mono_ns, "SYN", bid_e4, ask_e4, last_e4)
    checker.to_venue(mono_ns, ts_ns, raw)      # D G F q, as they left
    checker.from_venue(raw)                    # 8 9, as the venue said it
    checker.breaches                           # one line each: control, ClOrdID, value, limit

Prices are 1e-4 currency units, money is micros, times are nanoseconds.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

SOH = "\x01"
BUY = "1"
TERMINAL = frozenset("2348C")  # OrdStatus(39): filled, done, canceled, rejected, expired
SECOND_NS = 1_000_000_000
BP = 10_000


@dataclass(frozen=True)
class Law:
    """The limits in words of this module; a reader of limit files fills it."""

    qty_max: int
    notional_max: int
    collar_bp: int
    age_max_ns: int
    spread_max_bp: int
    long_max: int
    short_max: int
    open_orders_max: int
    open_orders_symbol_max: int
    open_notional_max: int
    per_second: int
    per_second_symbol: int
    duplicates: int
    duplicate_window_ns: int
    loss_max: int | None
    fee_e4: int
    order_types: frozenset[str]
    times_in_force: frozenset[str]
    account: str
    gross_max: int | None = None  # R11
    net_max: int | None = None
    traded_max: int | None = None  # R19
    messages_max: int | None = None  # R21
    changes_per_second: int | None = None  # R22
    shorts: bool = True  # R17: may the position go below zero


@dataclass
class Chain:
    """One order through its replaces."""

    symbol: str
    side: str
    parent: str
    qty: int
    price_e4: int
    cum: int = 0
    live: bool = True
    asked: dict[str, tuple[int, int]] = field(default_factory=dict)  # replaces without an answer

    @property
    def worst_qty(self) -> int:
        """What can still trade, whichever way every open request is answered."""
        if not self.live:
            return 0
        return max(self.qty, *(qty for qty, _ in self.asked.values()), 0) - self.cum

    def prices(self) -> list[int]:
        return [self.price_e4, *(price for _, price in self.asked.values())]


@dataclass
class Quote:
    """What the reference line last said of a symbol."""

    bid_e4: int = 0
    ask_e4: int = 0
    last_e4: int = 0
    close_e4: int = 0
    mark_bid_e4: int = 0
    mark_ask_e4: int = 0
    doubtful: bool = False  # a jump that one tick alone has said

    def take(self, bid_e4: int, ask_e4: int, last_e4: int, close_e4: int, jump_bp: int) -> None:
        self.bid_e4, self.ask_e4 = bid_e4, ask_e4
        self.last_e4 = last_e4 or self.last_e4
        self.close_e4 = close_e4 or self.close_e4
        if not 0 < bid_e4 <= ask_e4:
            return
        moved = [
            abs(new - old) * BP > old * jump_bp
            for new, old in ((bid_e4, self.mark_bid_e4), (ask_e4, self.mark_ask_e4))
        ]
        if self.mark_bid_e4 and any(moved) and not self.doubtful:
            self.doubtful = True
        else:
            self.mark_bid_e4, self.mark_ask_e4, self.doubtful = bid_e4, ask_e4, False

    @property
    def mid2_e4(self) -> int:
        """Twice the middle, so that it stays whole."""
        return self.bid_e4 + self.ask_e4


@dataclass
class Money:
    """What was bought and sold of a symbol."""

    qty: int = 0  # of fills, signed
    cost_e4: int = 0
    shares: int = 0
    value_e4: int = 0


def tags(raw: str) -> dict[str, str]:
    """Return a message by tag; the last of each counts."""
    return dict(part.split("=", 1) for part in raw.split(SOH) if part)


def e4(text: str) -> int:
    """Return a price in 1e-4, exactly."""
    scaled = Decimal(text) * 10_000
    assert scaled == int(scaled), f"price {text} is finer than 1e-4"
    return int(scaled)


class WireChecker:
    """Says what should never have left."""

    def __init__(
        self, law: Law, positions: dict[str, int], parents: dict[str, tuple[str, int]] | None = None
    ) -> None:
        self.law = law
        self.start = dict(positions)
        self.parents = {} if parents is None else parents  # side, quantity as last admitted
        self.breaches: list[str] = []
        self.messages = 0
        self.orders = 0
        self.killed = False
        self.silent_from_ns: int | None = None
        self._quotes: dict[str, Quote] = {}
        self._chains: dict[str, Chain] = {}  # by first ClOrdID
        self._live: dict[str, Chain] = {}
        self._chain_of: dict[str, str] = {}
        self._money: dict[str, Money] = {}
        self._filled: dict[str, int] = {}  # by parent
        self._sent: deque[tuple[int, str]] = deque()  # D and G of the last second
        self._changes: deque[int] = deque()  # G and F of the last second
        self._equal: dict[tuple[str, str, int, int], deque[int]] = {}
        self._executions: set[str] = set()

    # what the gate was told of the market

    def price(
        self, mono_ns: int, symbol: str, bid_e4: int, ask_e4: int, last_e4: int = 0, close_e4: int = 0
    ) -> None:
        """The reference line said a picture."""
        self.alive(mono_ns)
        quote = self._quotes.setdefault(symbol, Quote())
        quote.take(bid_e4, ask_e4, last_e4, close_e4, self.law.collar_bp)

    def alive(self, mono_ns: int) -> None:
        """The reference line was heard."""
        self.silent_from_ns = mono_ns

    # what passed at the venue

    def to_venue(self, mono_ns: int, ts_ns: int, raw: str) -> None:
        """A message of the gate."""
        m = tags(raw)
        kind = m["35"]
        if kind in "DGFq":
            self.messages += 1
        if kind == "F":
            self._change(mono_ns)
            self._name(m["11"], self._chain_of[m["41"]])
        elif kind == "D":
            self.orders += 1
            self._name(m["11"], m["11"])
            chain = Chain(m["55"], m["54"], m["526"], int(m["38"]), e4(m["44"]) if "44" in m else 0)
            self._chains[m["11"]] = self._live[m["11"]] = chain
            self._order(mono_ns, ts_ns, m, chain)
        elif kind == "G":
            self.orders += 1
            chain = self._chains[self._chain_of[m["41"]]]
            self._name(m["11"], self._chain_of[m["41"]])
            chain.asked[m["11"]] = (int(m["38"]), e4(m["44"]))
            self._change(mono_ns)
            limit = self.law.changes_per_second
            if limit is not None and len(self._changes) > limit:
                self._breach("R22", m, len(self._changes), limit)
            self._order(mono_ns, ts_ns, m, chain)

    def from_venue(self, raw: str) -> None:
        """A message of the venue, at the instant at which it became so there."""
        m = tags(raw)
        if m["35"] == "9":
            self._chains[self._chain_of[m["11"]]].asked.pop(m["11"], None)
            return
        if m["35"] != "8" or m["11"] not in self._chain_of or m["150"] == "I":
            return
        name = self._chain_of[m["11"]]
        chain = self._chains[name]
        if m["150"] == "F" and m["17"] not in self._executions:
            self._executions.add(m["17"])
            self._book(chain, int(m["32"]), e4(m["31"]))
        if m["150"] == "5":
            chain.qty, chain.price_e4 = chain.asked.pop(m["11"])
        if m["39"] in TERMINAL:
            chain.live = False
            chain.asked.clear()
            self._live.pop(name, None)

    def _book(self, chain: Chain, qty: int, price_e4: int) -> None:
        sign = 1 if chain.side == BUY else -1
        money = self._money.setdefault(chain.symbol, Money())
        money.qty += sign * qty
        money.cost_e4 += sign * qty * price_e4
        money.shares += qty
        money.value_e4 += qty * price_e4
        chain.cum += qty
        self._filled[chain.parent] = self._filled.get(chain.parent, 0) + qty

    def _name(self, cl_ord_id: str, chain: str) -> None:
        if cl_ord_id in self._chain_of:
            self.breaches.append(f"R24 {cl_ord_id}: ClOrdID used before")
        self._chain_of[cl_ord_id] = chain

    def _change(self, mono_ns: int) -> None:
        self._changes.append(mono_ns)
        while mono_ns - self._changes[0] >= SECOND_NS:
            self._changes.popleft()

    def _breach(self, control: str, m: dict[str, str], value: object, limit: object) -> None:
        self.breaches.append(f"{control} {m['35']} {m['11']}: {value} against {limit}")

    # the controls

    def _order(self, mono_ns: int, ts_ns: int, m: dict[str, str], chain: Chain) -> None:
        if self.killed:
            self._breach("R70", m, "an order", "after the kill")
        self._sanity(m, chain)
        self._market(mono_ns, m, chain)
        self._exposure(m, chain)
        self._totals(m)
        self._meets(m, chain)
        self._rates(mono_ns, ts_ns, m, chain)
        self._loss(m)

    def _sanity(self, m: dict[str, str], chain: Chain) -> None:
        law, qty = self.law, int(m["38"])
        price = e4(m["44"]) if "44" in m else 0
        quote = self._quotes.get(chain.symbol, Quote())
        if m["40"] not in law.order_types or m["59"] not in law.times_in_force or m["1"] != law.account:
            self._breach("R02", m, (m["40"], m["59"], m["1"]), "listed")
        if not 0 < qty <= law.qty_max:
            self._breach("R03", m, qty, law.qty_max)
        own = quote.bid_e4 if chain.side == BUY else quote.ask_e4
        value = qty * max(price, own, quote.last_e4) * 100
        if value > law.notional_max:
            self._breach("R04", m, value, law.notional_max)
        sides = self.parents.get(chain.parent, ("", 0))
        if sides[0] != chain.side:
            self._breach("R14", m, chain.side, f"{chain.parent} is {sides[0]}")

    def _market(self, mono_ns: int, m: dict[str, str], chain: Chain) -> None:
        law, quote = self.law, self._quotes.get(chain.symbol, Quote())
        if self.silent_from_ns is None or mono_ns - self.silent_from_ns > law.age_max_ns:
            self._breach("R06", m, self.silent_from_ns, law.age_max_ns)
        if not 0 < quote.bid_e4 <= quote.ask_e4:
            self._breach("R06", m, (quote.bid_e4, quote.ask_e4), "two sides, not crossed")
            return
        if (quote.ask_e4 - quote.bid_e4) * 2 * BP > quote.mid2_e4 * law.spread_max_bp:
            self._breach("R06", m, quote.ask_e4 - quote.bid_e4, f"{law.spread_max_bp} bp")
        price = e4(m.get("44", "0"))
        for twice in (quote.mid2_e4 // 2 * 2, 2 * quote.last_e4):
            if not twice:
                continue
            high, low = twice * (BP + law.collar_bp), twice * (BP - law.collar_bp)
            beyond = 2 * price * BP > high if chain.side == BUY else 2 * price * BP < low
            if beyond or not price:
                self._breach("R05", m, price, f"{law.collar_bp} bp of {twice / 2}")

    def _leaves(self, symbol: str, side: str) -> int:
        return sum(
            c.worst_qty for c in self._live.values() if (c.symbol, c.side == BUY) == (symbol, side == BUY)
        )

    def position(self, symbol: str) -> int:
        """Shares held: what was there at the start, and every execution."""
        return self.start.get(symbol, 0) + self._money.get(symbol, Money()).qty

    def _exposure(self, m: dict[str, str], chain: Chain) -> None:
        law, symbol, held = self.law, chain.symbol, self.position(chain.symbol)
        if chain.side == BUY:
            worst = held + self._leaves(symbol, BUY)
            if worst > law.long_max:
                self._breach("R10", m, worst, law.long_max)
        else:
            worst = held - self._leaves(symbol, chain.side)
            if worst < -law.short_max:
                self._breach("R10", m, worst, -law.short_max)
            if worst < 0 and not law.shorts:
                self._breach("R17", m, worst, 0)
        mine = [c for c in self._live.values() if c.symbol == symbol]
        if len(self._live) > law.open_orders_max or len(mine) > law.open_orders_symbol_max:
            limit = (law.open_orders_max, law.open_orders_symbol_max)
            self._breach("R12", m, (len(self._live), len(mine)), limit)
        parent = self.parents.get(chain.parent, ("", 0))[1]
        committed = sum(c.worst_qty for c in self._live.values() if c.parent == chain.parent)
        if committed + self._filled.get(chain.parent, 0) > parent:
            self._breach("R14", m, committed + self._filled.get(chain.parent, 0), parent)

    def _totals(self, m: dict[str, str]) -> None:
        """R12, R11, R19: money over all symbols, each order at its own worst price."""
        law = self.law
        open_value = sum(c.worst_qty * max(c.prices()) * 100 for c in self._live.values())
        if open_value > law.open_notional_max:
            self._breach("R12", m, open_value, law.open_notional_max)
        traded = sum(money.value_e4 for money in self._money.values()) * 100
        if law.traded_max is not None and traded + open_value > law.traded_max:
            self._breach("R19", m, traded + open_value, law.traded_max)
        if law.gross_max is None and law.net_max is None:
            return
        gross = longs = shorts = 0
        for symbol in {*self.start, *self._money, *(c.symbol for c in self._live.values())}:
            quote = self._quotes.get(symbol, Quote())
            price = (quote.mid2_e4 // 2 if quote.bid_e4 and quote.ask_e4 else 0) or quote.last_e4
            held = self.position(symbol)
            most, least = held + self._leaves(symbol, BUY), held - self._leaves(symbol, "2")
            gross += max(abs(most), abs(least)) * price * 100
            longs += most * price * 100
            shorts += least * price * 100
        if law.gross_max is not None and gross > law.gross_max:
            self._breach("R11", m, gross, law.gross_max)
        if law.net_max is not None and max(abs(longs), abs(shorts)) > law.net_max:
            self._breach("R11", m, max(abs(longs), abs(shorts)), law.net_max)

    def _meets(self, m: dict[str, str], chain: Chain) -> None:
        price = e4(m.get("44", "0"))
        for name, other in self._live.items():
            if other.symbol != chain.symbol or (other.side == BUY) == (chain.side == BUY):
                continue
            theirs = other.prices()
            met = price >= min(theirs) if chain.side == BUY else max(theirs) >= price
            if met or not price or not all(theirs):
                self._breach("R16", m, price, f"{name} at {theirs}")

    def _rates(self, mono_ns: int, ts_ns: int, m: dict[str, str], chain: Chain) -> None:
        law = self.law
        self._sent.append((mono_ns, chain.symbol))
        while mono_ns - self._sent[0][0] >= SECOND_NS:
            self._sent.popleft()
        mine = sum(symbol == chain.symbol for _, symbol in self._sent)
        if len(self._sent) > law.per_second or mine > law.per_second_symbol:
            self._breach("R20", m, (len(self._sent), mine), (law.per_second, law.per_second_symbol))
        if law.messages_max is not None and self.messages > law.messages_max:
            self._breach("R21", m, self.messages, law.messages_max)
        if m["35"] != "D":
            return
        key = (chain.symbol, chain.side, chain.qty, chain.price_e4)
        times = self._equal.setdefault(key, deque())
        times.append(ts_ns)
        while ts_ns - times[0] >= law.duplicate_window_ns:
            times.popleft()
        if len(times) >= law.duplicates:
            self._breach("R24", m, len(times), law.duplicates)

    def _loss(self, m: dict[str, str]) -> None:
        """R30: the day's loss on own fills, were every open order to trade at its limit now."""
        law, result = self.law, 0
        if law.loss_max is None:
            return
        for symbol in {*self._money, *(c.symbol for c in self._live.values())}:
            quote, money = self._quotes.get(symbol, Quote()), self._money.get(symbol, Money())
            mark = quote.mark_bid_e4 if money.qty > 0 else quote.mark_ask_e4
            result += (money.qty * mark - money.cost_e4 - money.shares * law.fee_e4) * 100
        for chain in self._live.values():
            quote = self._quotes.get(chain.symbol, Quote())
            if chain.side == BUY:
                gap = max(chain.prices()) - quote.mark_bid_e4
            else:
                gap = quote.mark_ask_e4 - min(chain.prices())
            result -= max(0, gap) * chain.worst_qty * 100
        if -result >= law.loss_max:
            self._breach("R30", m, -result, law.loss_max)
