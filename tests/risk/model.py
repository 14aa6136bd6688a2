"""A slow, obvious overlay: RISK.md in lists and loops, for the real one to be compared with.

It keeps every order, fill and message that ever was, in lists, and adds them up anew for each question. Each
scope (the firm, an account, a strategy, a symbol) is a filter over those lists. Nothing of risk/ is used.
"""

from dataclasses import dataclass, field
from math import isqrt
from typing import Any

BP = 10_000
SECOND = 1_000_000_000
MS = 1_000_000
MICROS = 1_000_000
E4 = 10_000
ANY = 2**62
Law = dict[str, dict[str, Any]]
FAILS = list[tuple[str, Any, Any]]
CROSSED = {"AAA"}  # symbols whose closing auction is enabled


@dataclass
class Order:
    """One order through its life; `buy`: its side."""

    id: str
    account: str
    strategy: str
    symbol: str
    buy: bool
    short: bool
    parent: str
    qty: int
    price: int
    cum: int = 0  # booked
    stated: int = 0  # what the EMS says has traded
    live: bool = True
    waiting: bool = True  # the last request has no answer
    asked: tuple[int, int] | None = None  # a replace on its way
    cross: bool = False  # for the closing cross (TimeInForce 7): it trades with nobody now

    @property
    def worst(self) -> int:
        """Shares that may still be booked."""
        traded = max(self.cum, self.stated)
        if not self.live:
            return traded - self.cum
        return max(traded, self.qty, self.asked[0] if self.asked else 0) - self.cum

    @property
    def worst_price(self) -> int:
        if not self.asked:
            return self.price
        return max(self.price, self.asked[1]) if self.buy else min(self.price, self.asked[1])


@dataclass
class Fill:
    ts: int
    account: str
    strategy: str
    symbol: str
    buy: bool
    short: bool
    qty: int  # negative: taken back
    price: int


@dataclass
class Sent:
    mono: int
    ts: int
    kind: str  # new, replace, cancel
    order: Order
    qty: int = 0
    price: int = 0


@dataclass
class Quote:
    """What the gate was told of a symbol."""

    bid: int = 0
    ask: int = 0
    shown: tuple[int, int] = (0, 0)
    last: int = 0
    close: int = 0
    volume: list[tuple[int, int]] = field(default_factory=list)  # instant, the day's volume
    mark: tuple[int, int] = (0, 0)
    doubtful: bool = False
    halted: bool = False
    band: tuple[int, int] = (0, 0)
    limit_state: bool = False
    ssr: bool = False
    unfit_since: int = 0
    locked_since: int = 0
    current: bool = False

    @property
    def value(self) -> int:
        if self.bid and self.ask:
            return (self.bid + self.ask) // 2
        return self.last or self.bid or self.ask or self.close


@dataclass
class Ask:
    """An order that is to be judged."""

    account: str
    strategy: str
    symbol: str
    buy: bool
    short: bool
    parent: str
    qty: int
    price: int
    old: Order | None  # a replace's
    mic: str
    decided: int
    decision: int
    had: int  # orders of the decision before
    overdue: int
    cross: bool = False  # as in Order


def has_part(parent: str) -> bool:
    """Return whether a parent has a part in the close: every second one."""
    return parent[-1] in "02468"


class Model:
    """Everything that happened."""

    def __init__(self, laws: dict[str, Law], instruments: dict[str, Any], mono: int) -> None:
        self.laws, self.instruments, self.started = (
            laws,
            instruments,
            mono,
        )  # laws by scope: F, A/..., T/..., S/...
        self.orders: list[Order] = []
        self.fills: list[Fill] = []
        self.sent: list[Sent] = []  # of the day
        self.wasted: dict[str, int] = {}  # R21: messages that starts used up, by scope
        self.quotes: dict[str, Quote] = {s: Quote() for s in instruments}
        self.sod: list[tuple[str, str, int]] = []
        self.parents: dict[str, list[Any]] = {}  # account, buy, short, symbol, qty, working, limit
        self.locates: dict[str, int] = {}
        self.restricted: set[str] = set()
        self.listed_at = 0
        self.day = ""
        self.power: int | None = None
        self.faults: dict[str, list[int]] = {}
        self.rejects: list[int] = []
        self.outcomes: list[bool] = []
        self.causes: set[str] = set()
        self.peaks: dict[str, int] = {}
        self.up, self.alive = True, mono
        self.signals: dict[str, int] = {}  # R75: share that holds, by scope
        self.phase: tuple[bool, str, int, int] = (True, "", 0, 0)  # open, day, begin, end

    # --- scopes -------------------------------------------------------------------------------

    def scopes(self, account: str, strategy: str, symbol: str) -> list[str]:
        return [s for s in ("F", f"A/{account}", f"T/{strategy}", f"S/{symbol}") if s in self.laws]

    @staticmethod
    def of(scope: str, thing: Any) -> bool:
        name = scope[2:]
        return scope == "F" or name == {"A": thing.account, "T": thing.strategy, "S": thing.symbol}[scope[0]]

    def live(self, scope: str = "F", symbol: str = "") -> list[Order]:
        return [o for o in self.orders if o.live and self.of(scope, o) and o.symbol == (symbol or o.symbol)]

    def leaves(self, scope: str, symbol: str, buy: bool) -> int:
        found = (o for o in self.orders if self.of(scope, o) and (o.symbol, o.buy) == (symbol, buy))
        return sum(o.worst for o in found)

    def position(self, scope: str, symbol: str) -> int:
        kept = sum(q for a, s, q in self.sod if s == symbol and scope in ("F", f"A/{a}", f"S/{s}"))
        fills = (f for f in self.fills if self.of(scope, f) and f.symbol == symbol)
        return kept + sum(f.qty if f.buy else -f.qty for f in fills)

    def held(self, account: str, symbol: str) -> int:
        kept = sum(q for a, s, q in self.sod if (a, s) == (account, symbol))
        fills = (f for f in self.fills if (f.account, f.symbol) == (account, symbol))
        return kept + sum(f.qty if f.buy else -f.qty for f in fills)

    def traded(self, scope: str) -> list[Fill]:
        return [f for f in self.fills if self.of(scope, f) and f.qty > 0]

    def messages(self, scope: str) -> list[Sent]:
        return [s for s in self.sent if self.of(scope, s.order)]

    def used(self, scope: str) -> int:
        return len(self.messages(scope)) + self.wasted.get(scope, 0)

    def tightest(self, ask: Ask, table: str, key: str) -> Any:
        return min(self.laws[s][table][key] for s in self.scopes(ask.account, ask.strategy, ask.symbol))

    def lowered(self, ask: Ask, limit: int) -> int:
        """R75: what signals leave of a limit."""
        held = ("F", f"A/{ask.account}", f"T/{ask.strategy}", f"S/{ask.symbol}")
        share = min([self.signals[s] for s in held if s in self.signals], default=BP)
        return limit * share // BP

    def open_value(self, scope: str) -> int:
        return sum(o.worst * o.worst_price for o in self.orders if self.of(scope, o))

    # --- money --------------------------------------------------------------------------------

    def stale(self, symbol: str, mono: int) -> bool:
        since = self.quotes[symbol].unfit_since
        return bool(since) and mono - since >= self.laws["F"]["market"]["cancel_after_ms"] * MS

    def price(self, scope: str, symbol: str, mono: int) -> int:
        """R11: the worse of reference and own orders; a stale market is dearer."""
        quote = self.quotes[symbol]
        value = quote.value
        if self.stale(symbol, mono):
            markup = self.laws["F"]["exposure"]["stale_markup_bp"]
            value = (quote.last or value) * (BP + markup) // BP
        return max([value, *(o.worst_price for o in self.live(scope, symbol))])

    def exposure(
        self, scope: str, symbol: str, price: int, more: int = 0, buy: bool = True
    ) -> tuple[int, int]:
        """Worst-case long and short of a symbol, in money."""
        held = self.position(scope, symbol)
        long = held + self.leaves(scope, symbol, True) + (more if buy else 0)
        short = held - self.leaves(scope, symbol, False) - (0 if buy else more)
        return long * price, short * price

    def symbols(self, scope: str) -> list[str]:
        return [s for s in self.quotes if self.position(scope, s) or any(o.worst for o in self.orders
                if self.of(scope, o) and o.symbol == s)]  # fmt: skip

    def totals(self, scope: str, mono: int, ask: Ask | None = None, adds: int = 0) -> tuple[int, int, int]:
        """Gross, net and what shorts are worth, with the order that is asked for."""
        gross = longs = shorts = shorted = 0
        for symbol in {*self.symbols(scope), *([ask.symbol] if ask else [])}:
            if ask and symbol == ask.symbol:
                price = max(self.quotes[symbol].value, ask.price)
                long, short = self.exposure(scope, symbol, price, adds, ask.buy)
            else:
                long, short = self.exposure(scope, symbol, self.price(scope, symbol, mono))
            gross += max(abs(long), abs(short))
            longs, shorts = longs + long, shorts + short
            shorted += max(0, -short)
        return gross, max(abs(longs), abs(shorts)), shorted

    def profit(self, scope: str, mono: int) -> int:
        """R30: own fills, marked at the side that closes them, fees off."""
        total = 0
        for symbol, quote in self.quotes.items():
            fills = [f for f in self.fills if self.of(scope, f) and f.symbol == symbol]
            bid, ask = quote.mark
            if not fills or not bid:
                continue
            if self.stale(symbol, mono):
                cut = self.laws[scope]["loss"]["stale_haircut_bp"]
                bid, ask = -(-bid * (BP - cut) // BP), ask * (BP + cut) // BP
            qty = sum(f.qty if f.buy else -f.qty for f in fills)
            paid = sum((f.qty if f.buy else -f.qty) * f.price for f in fills)
            fees = sum(f.qty for f in fills) * self.laws["F"]["loss"]["fee_e4"]
            total += (qty * (bid if qty > 0 else ask) - paid - fees) * 100
        return total

    def locked(self, scope: str) -> int:
        """R30: loss that open orders would lock in."""
        total = 0
        for o in self.live(scope):
            bid, ask = self.quotes[o.symbol].mark
            gap = o.worst_price - bid if o.buy else ask - o.worst_price
            total += max(0, gap) * o.worst * 100
        return total

    # --- the controls -------------------------------------------------------------------------

    def judge(self, ask: Ask, ts: int, mono: int) -> FAILS:
        """Every control that fails: id, value, limit."""
        adds = ask.qty
        if ask.old:
            adds = max(0, max(ask.old.qty, ask.qty) - ask.old.cum - ask.old.worst)
        found = [*self._sanity(ask, mono), *self._market(ask, ts, mono, adds), *self._parent(ask, adds)]
        for scope in self.scopes(ask.account, ask.strategy, ask.symbol):
            found += self._exposure(scope, ask, mono, adds)
            found += self._counts(scope, ask, ts, mono, adds)
        return found + self._rates(ask, ts, mono) + self._posture(ask, adds)

    def _sanity(self, ask: Ask, mono: int) -> FAILS:
        law, quote, found = self.laws["F"], self.quotes[ask.symbol], []
        instrument = self.instruments[ask.symbol]
        used = {o.symbol for o in self.orders} | {f.symbol for f in self.fills} | {ask.symbol}
        venues = {self.instruments[s].mic for s in used}
        found += [("R02", ask.qty, instrument.lot)] if ask.qty % instrument.lot else []
        found += [("R02", ask.price, 100)] if ask.price % 100 else []
        found += over("R02", len(used), law["allowed"]["symbols_max"])
        found += over("R02", len(venues), law["allowed"]["venues_max"])
        cap = self.tightest(ask, "order", "qty_max")
        if instrument.adv:
            cap = min(cap, instrument.adv * self.tightest(ask, "order", "adv_max_bp") // BP)
        found += over("R03", ask.qty, self.lowered(ask, cap))
        own = quote.bid if ask.buy else quote.ask
        value = ask.qty * max(ask.price, own, quote.last) * 100
        found += over(
            "R04", value, self.lowered(ask, self.tightest(ask, "order", "notional_max_ccy") * MICROS)
        )
        age = mono - ask.decided
        old = age > law["policy"]["decision_age_max_ms"] * MS
        found += [("R50", age, law["policy"]["decision_age_max_ms"] * MS)] if old or age < 0 else []
        return found

    def _market(self, ask: Ask, ts: int, mono: int, adds: int) -> FAILS:
        law, quote, price = self.laws["F"], self.quotes[ask.symbol], ask.price
        market, found = law["market"], []
        mid = quote.value if quote.bid and quote.ask else 0
        if mid <= 0:
            found.append(("R05", price, 0))
        else:
            found += [("R05", price, ref) for ref in (mid, quote.last)
                      if ref and beyond(ask.buy, price, ref, market["collar_bp"])]  # fmt: skip
            far = abs(price - quote.close) * BP > quote.close * market["close_band_bp"]
            found += [("R05", price, quote.close)] if quote.close and far else []
            window = market["vwap_window_ms"] * MS
            own = [s for s in self.sent if s.kind != "cancel" and (s.order.symbol, s.order.buy, s.order.short)
                   == (ask.symbol, ask.buy, ask.short) and ts - s.ts < window]  # fmt: skip
            qty = sum(s.qty for s in own) + ask.qty
            average = (sum(s.qty * s.price for s in own) + ask.qty * price) // max(1, qty)
            if beyond(ask.buy, average, mid, market["vwap_collar_bp"]):
                found.append(("R05", average, mid))
        unfit = self.unfit(ask.symbol, mono)
        found += [("R06", "", "")] if unfit else []
        crosses = not ask.cross and (price >= quote.ask > 0 if ask.buy else price <= quote.bid)
        if crosses and quote.bid and quote.ask:
            found += self._impact(ask, quote, mid)
        found += self._share(ask, ts, adds, unfit)
        if quote.halted:
            found.append(("R41", "halted", "trading"))
        low, high = quote.band
        if low and high and not low <= price <= high:
            found.append(("R41", price, high if price > high else low))
        if quote.limit_state and crosses:
            found.append(("R41", price, quote.ask if ask.buy else quote.bid))
        found += self._session(ask, ts)
        age, cap = ts - self.listed_at, law["restricted"]["age_max_ms"] * MS
        found += [("R42", age, cap)] if not 0 <= age <= cap else []
        return found + ([("R42", ask.symbol, "")] if ask.symbol in self.restricted else [])

    def unfit(self, symbol: str, mono: int) -> bool:
        market, quote = self.laws["F"]["market"], self.quotes[symbol]
        locked = quote.locked_since and mono - quote.locked_since > market["locked_max_ms"] * MS
        wide = 2 * (quote.ask - quote.bid) * BP > market["spread_max_bp"] * (quote.ask + quote.bid)
        silent = mono - self.alive > market["age_max_ms"] * MS
        two = 0 < quote.bid <= quote.ask
        return not self.up or silent or not quote.current or quote.halted or not two or bool(locked) or wide

    def _impact(self, ask: Ask, quote: Quote, mid: int) -> FAILS:
        law, found = self.laws["F"]["impact"], []
        best, shown = (quote.ask, quote.shown[1]) if ask.buy else (quote.bid, quote.shown[0])
        taken = min(ask.qty, shown)
        average = (taken * best + (ask.qty - taken) * ask.price) // ask.qty
        found += [("R07", average, mid)] if beyond(ask.buy, average, mid, law["walk_max_bp"]) else []
        found += over("R07", ask.qty, shown * law["depth_max_bp"] // BP)
        instrument = self.instruments[ask.symbol]
        if instrument.adv and instrument.daily_volatility_bps:
            root = isqrt(ask.qty * 10**8 // instrument.adv)
            model = law["model_factor_bp"] * int(instrument.daily_volatility_bps) * root // BP // 10_000
            found += over("R07", model, law["model_max_bp"])
        return found

    def _share(self, ask: Ask, ts: int, adds: int, unfit: bool) -> FAILS:
        """R15: what we do stays a share of what everybody does."""
        law = self.laws["F"]["participation"]
        window, share, quote = law["window_ms"] * MS, law["share_max_bp"], self.quotes[ask.symbol]
        crossing = 0
        for o in self.live("F", ask.symbol):
            meets = o.worst_price >= quote.ask if ask.buy else o.worst_price <= quote.bid
            crossing += o.worst if o.buy == ask.buy and meets and not o.cross else 0
        if share >= BP:
            return [("R15", adds, 0)] if unfit and adds > 0 else []
        if ask.cross and not unfit:
            return []  # the cross is no part of the volume of the window
        prints = quote.volume
        printed = sum(max(0, now - max(v for _, v in prints[:n])) for n, (at, now) in enumerate(prints)
                      if n and ts - at < window)  # fmt: skip
        own = sum(f.qty for f in self.fills if f.symbol == ask.symbol and f.qty > 0 and ts - f.ts < window)
        room = share * max(0, printed - own) // (BP - share) - own - crossing
        free = law["free_qty"] if not crossing else 0
        if unfit:
            room = free = 0
        return [("R15", adds, room)] if adds > max(room, free) else []

    def _session(self, ask: Ask, ts: int) -> FAILS:
        law, (is_open, day, begin, end) = self.laws["F"]["session"], self.phase
        if not is_open:
            return [("R40", "", "")]
        found: FAILS = []
        found += [("R40", day, self.day)] if self.day and self.day != day else []
        early, late = (ts - begin) // MS, (end - ts) // MS
        found += [("R40", "", "")] if ask.cross and ask.symbol not in CROSSED else []
        found += [("R40", "", "")] if ask.cross and (end - ts) // MS <= 300_000 else []
        found += [("R40", early, law["opening_ms"])] if ts - begin < law["opening_ms"] * MS else []
        return found + ([("R40", late, law["closing_ms"])] if end - ts <= law["closing_ms"] * MS else [])

    def _parent(self, ask: Ask, adds: int) -> FAILS:
        account, buy, short, symbol, qty, working, limit = self.parents[ask.parent]
        found: FAILS = []
        found += [] if working else [("R08", "", "")]
        found += [("R08", "", "")] if ask.cross and not has_part(ask.parent) else []
        worse = limit and (ask.price > limit if ask.buy else ask.price < limit)
        found += [("R08", ask.price, limit)] if worse else []
        if (account, buy, short, symbol) != (ask.account, ask.buy, ask.short, ask.symbol):
            found.append(("R14", ask.symbol, symbol))
        mine = [o for o in self.orders if o.parent == ask.parent]
        found += over("R14", sum(o.cum + o.worst for o in mine) + adds, qty)
        others = [o for o in self.live("F", ask.symbol) if o.buy != ask.buy]
        meets = [o for o in others if (ask.price >= o.worst_price if ask.buy else o.worst_price >= ask.price)]
        return found + ([("R16", "", "")] if meets else []) + self._short(ask, adds)

    def _short(self, ask: Ask, adds: int) -> FAILS:
        """R17: a sale is of what is held, or marked and located."""
        law, key = self.laws["F"]["shorts"], f"{ask.account} {ask.symbol}"
        if ask.buy:
            return []
        if not ask.short:
            value, held = (
                self.leaves("F", ask.symbol, False) + adds,
                max(0, self.held(ask.account, ask.symbol)),
            )
            return over("R17", value, held) if law["mark_required"] else []
        found: FAILS = [] if law["permitted"] else [("R17", "SELL_SHORT", "shorts.permitted")]
        if law["locate_required"]:
            used = sum(
                f.qty for f in self.fills if f.short and f.qty > 0 and f"{f.account} {f.symbol}" == key
            )
            shorts = sum(o.worst for o in self.live("F", ask.symbol) if o.short)
            found += over("R17", used + shorts + adds, self.locates.get(key, 0))
        quote = self.quotes[ask.symbol]
        return found + ([("R17", ask.price, quote.bid)] if quote.ssr and ask.price <= quote.bid else [])

    def _exposure(self, scope: str, ask: Ask, mono: int, adds: int) -> FAILS:
        law, symbol = self.laws[scope]["exposure"], ask.symbol
        held, found = self.position(scope, symbol), []
        worst = self.leaves(scope, symbol, ask.buy) + adds + (held if ask.buy else -held)
        found += over("R10", worst, self.lowered(ask, law["long_max" if ask.buy else "short_max"]))
        gross, net, shorted = self.totals(scope, mono, ask, adds)
        was = self.totals(scope, mono, ask, 0)
        for value, before, key in ((gross, was[0], "gross_max_ccy"), (net, was[1], "net_max_ccy")):
            cap = self.lowered(ask, law[key] * E4)
            found += [("R11", value // E4, cap // E4)] if value > cap and value > before else []
        for other in self.symbols(scope):
            if other != symbol and self.price(scope, other, mono) <= 0:
                found.append(("R11", other, ""))
                break
        more = 0 if ask.old else 1
        found += over("R12", len(self.live(scope)) + more, law["open_orders_max"])
        found += over("R12", len(self.live(scope, symbol)) + more, law["open_orders_symbol_max"])
        price = max(ask.price, self.quotes[symbol].ask, ask.old.price if ask.old else 0)
        value = self.with_this(scope, ask, adds, price) * 100
        found += over("R12", value, law["open_notional_max_ccy"] * MICROS)
        return found + self._capital(scope, ask, adds, shorted, was[2])

    def with_this(self, scope: str, ask: Ask, adds: int, price: int) -> int:
        """What is open, the order that is asked for in the place of its old one."""
        old = ask.old
        rest = self.open_value(scope) - (old.worst * old.worst_price if old else 0)
        return rest + ((old.worst if old else 0) + adds) * price

    def _capital(self, scope: str, ask: Ask, adds: int, shorted: int, before: int) -> FAILS:
        """R13: spent, promised to buys, and shorts at their price."""
        spent = sum((f.qty if f.buy else -f.qty) * f.price for f in self.fills if self.of(scope, f))
        price = max(ask.price, self.quotes[ask.symbol].value)
        promised = sum(o.worst * o.worst_price for o in self.orders if self.of(scope, o) and o.buy)
        before += max(0, spent) + promised
        old = ask.old
        after = max(0, spent) + promised + shorted
        if ask.buy:
            after += ((old.worst if old else 0) + adds) * price - (old.worst * old.worst_price if old else 0)
        cap = self.laws[scope]["exposure"]["capital_max_ccy"] * E4
        cap = cap if self.power is None else min(cap, self.power // 100)
        return [("R13", after // E4, cap // E4)] if after > cap and after > before else []

    def _counts(self, scope: str, ask: Ask, ts: int, mono: int, adds: int) -> FAILS:
        """R19 to R22, R30: what a scope counts."""
        law, fills, sent = self.laws[scope], self.traded(scope), self.messages(scope)
        price = max(ask.price, self.quotes[ask.symbol].value)
        value = sum(f.qty * f.price for f in fills) + self.with_this(scope, ask, adds, price)
        found = over(
            "R19", value // E4, law["day"]["notional_max_ccy"], value > law["day"]["notional_max_ccy"] * E4
        )
        shares = sum(f.qty for f in fills) + sum(o.worst for o in self.orders if self.of(scope, o)) + adds
        found += over("R19", shares, law["day"]["shares_max"])
        full = mono - self.started < SECOND
        recent = [s for s in sent if mono - s.mono < SECOND]
        cap = law["rates"]["orders_per_second"]
        found += over("R20", (cap if full else sum(s.kind != "cancel" for s in recent)) + 1, cap)
        if scope == "F":
            cap = law["rates"]["orders_per_second_symbol"]
            mine = sum(s.kind != "cancel" and s.order.symbol == ask.symbol for s in recent)
            found += over("R20", (cap if full else mine) + 1, cap)
        used = self.used(scope) + 1
        found += over("R21", used, law["day"]["messages_max"])
        if ask.old:
            found += over("R22", sum(s.kind != "new" for s in recent) + 1, law["rates"]["changes_per_second"])
            cap = law["rates"]["messages_per_fill"] * max(1, len(fills))
            found += over("R22", used, cap) if used > law["rates"]["judged_after"] else []
        bid, touch = self.quotes[ask.symbol].mark
        this = max(0, ask.price - bid if ask.buy else touch - ask.price) * ask.qty * 100
        loss, limit = (
            this + self.locked(scope) - self.profit(scope, mono),
            law["loss"]["execution_max_ccy"] * MICROS,
        )
        return found + ([("R30", loss, limit)] if loss >= limit else [])

    def _rates(self, ask: Ask, ts: int, mono: int) -> FAILS:
        law, found = self.laws["F"], []
        if not ask.old:
            found += [("R24", ask.decision, 1)] if ask.decision <= 0 else over("R24", ask.had + 1, 2)
            window = law["rates"]["duplicate_window_ms"] * MS
            key = (ask.symbol, ask.buy, ask.short, ask.qty, ask.price)
            new = [s for s in self.sent if s.kind == "new" and ts - s.ts < window]
            same = [s for s in new if (s.order.symbol, s.order.buy, s.order.short, s.qty, s.price) == key]
            limit = self.tightest(ask, "rates", "duplicates")
            found += [("R24", len(same) + 1, limit)] if len(same) + 1 >= limit else []
        found += [("R61", ask.overdue, 0)] if ask.overdue else []
        waiting = sum(o.live and o.waiting for o in self.orders)
        return found + over("R65", waiting + 1, law["sessions"]["in_flight_max"])

    # --- posture ------------------------------------------------------------------------------

    def _posture(self, ask: Ask, adds: int) -> FAILS:
        places = ("", f"A/{ask.account}", f"T/{ask.strategy}", f"P/{ask.parent}", f"S/{ask.symbol}")
        holding = sorted(c for c in self.causes if c.partition("@")[2] in places)
        stops = [c.partition("@")[0] for c in holding if c.partition("@")[0] in HALTS]
        if stops:
            return [(c, "", "") for c in stops]
        if not holding:
            return []
        own = (o for o in self.orders if o.live and o.account == ask.account)
        mine = sum(o.worst for o in own if (o.symbol, o.buy) == (ask.symbol, ask.buy))
        firm = self.position("F", ask.symbol), self.leaves("F", ask.symbol, ask.buy)
        for held, same in (firm, (self.held(ask.account, ask.symbol), mine)):
            room = -held if ask.buy else held
            if room <= 0 or adds + same > room:
                return [("R18", adds, held)]
        return []

    def raise_(self, cause: str, scope: str = "") -> None:
        self.causes.add(f"{cause}@{scope}" if scope not in ("", "F") else cause)

    def drop(self, cause: str, scope: str = "") -> None:
        self.causes.discard(f"{cause}@{scope}" if scope not in ("", "F") else cause)

    def refused(self, controls: set[str], ts: int, mono: int) -> None:
        """The same fault again and again stops trading."""
        law = self.laws["F"]
        for control, now, window, limit in (
            ("R05", ts, law["market"]["breach_window_ms"], law["market"]["collar_breaches_to_halt"]),
            ("R20", mono, law["rates"]["breach_window_ms"], law["rates"]["breaches_to_halt"]),
            ("R50", mono, law["policy"]["invalid_window_ms"], law["policy"]["invalid_to_halt"]),
        ):
            if control in controls:
                times = self.faults.setdefault(control, [])
                times.append(now)
                if sum(now - t < window * MS for t in times) >= limit:
                    self.raise_(control)

    def answered(self, no: bool, mono: int, order: bool = True) -> None:
        """R26: an answer of the EMS."""
        law = self.laws["F"]["rejects"]
        if order:
            self.outcomes.append(no)
        if no:
            last = self.outcomes[-law["share_of"] :]
            if order and len(last) == law["share_of"] and sum(last) * BP >= law["share_bp"] * len(last):
                self.raise_("R26")
            self.rejects.append(mono)
            if sum(mono - t < law["window_ms"] * MS for t in self.rejects) >= law["count_max"]:
                self.raise_("R26")

    def watch(self, ts: int, mono: int) -> None:
        """What moves by itself."""
        for scope, law in self.laws.items():
            lost, top = -self.profit(scope, mono), law["loss"]["execution_max_ccy"] * MICROS
            if lost > 0 and lost >= top:
                self.raise_("R30", scope)
            soft = lost > 0 and lost >= top * law["loss"]["reduce_at_bp"] // BP
            (self.raise_ if soft else self.drop)("R30S", scope)
            self.peaks[scope] = max(self.peaks.get(scope, 0), -lost)
            fallen = self.peaks[scope] + lost
            if fallen > 0 and fallen >= law["loss"]["drawdown_max_ccy"] * MICROS:
                self.raise_("R31", scope)
            gross, net, _ = self.totals(scope, mono)
            caps = law["exposure"]["gross_max_ccy"] * E4, law["exposure"]["net_max_ccy"] * E4
            (self.raise_ if gross > caps[0] or net > caps[1] else self.drop)("R11", scope)
            fills, used = self.traded(scope), self.used(scope)
            value, shares = sum(f.qty * f.price for f in fills), sum(f.qty for f in fills)
            spent = value >= law["day"]["notional_max_ccy"] * E4 or shares >= law["day"]["shares_max"]
            (self.raise_ if spent else self.drop)("R19", scope)
            (self.raise_ if used >= law["day"]["messages_max"] else self.drop)("R21", scope)
            many = used > law["rates"]["judged_after"] and used > law["rates"]["messages_per_fill"] * max(
                1, len(fills)
            )
            (self.raise_ if many else self.drop)("R22", scope)
            self.speed(scope, ts)

    def speed(self, scope: str, ts: int) -> None:
        """R25: what traded within the window."""
        law = self.laws[scope]["fills"]
        fast = [f for f in self.traded(scope) if ts - f.ts < law["window_ms"] * MS]
        value, shares = sum(f.qty * f.price for f in fast), sum(f.qty for f in fast)
        if fast and (shares >= law["shares_max"] or value >= law["notional_max_ccy"] * E4):
            self.raise_("R25", scope)


HALTS = {"R05", "R20", "R26", "R30", "R31", "R50", "R70", "R70H"}


def over(control: str, value: int, cap: int, is_over: bool | None = None) -> FAILS:
    """A cap: equal passes."""
    return [(control, value, cap)] if (value > cap if is_over is None else is_over) else []


def beyond(buy: bool, price: int, ref: int, bp: int) -> bool:
    """A collar: a buy above, a sell below."""
    return price * BP > ref * (BP + bp) if buy else price * BP < ref * (BP - bp)
