"""The auditor's second half: what may not be sent once something has happened, and what the market bears.

R07 (impact of what crosses), R15 (share of what is printed), and the trips R25 (fast fills), R26 (a storm of
rejects), R31 (a fall from the best of the day), R32 (a parent that costs too much). A trip counts from when
it was told to the gate, not from when it happened at the venue: `told` gets each message as it arrives.
Written against the control table alone, like tests.independent.wire_checker, which it extends.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

from tests.independent.wire_checker import BP, BUY, Chain, Money, Quote, WireChecker, e4, tags


@dataclass(frozen=True)
class Trips:
    """The limits in words of this module."""

    walk_bp: int = BP  # R07: average price of what crosses, against the mid
    depth_bp: int = 10**9  # R07: quantity that crosses, of what is displayed
    share_bp: int = BP  # R15
    share_window_ns: int = 1
    free_qty: int = 0
    fast_shares: int = 2**62  # R25
    fast_value_e4: int = 2**62
    fast_window_ns: int = 1
    rejects: int = 2**62  # R26
    rejects_window_ns: int = 1
    fall_micros: int = 2**62  # R31
    pause_bp: int = 2**62  # R32
    halt_bp: int = 2**62
    after_bp: int = 0
    fee_e4: int = 0


class TripChecker(WireChecker):
    """Says as well what a tripped control should have kept from leaving."""

    def __init__(self, law: Any, positions: dict[str, int], trips: Trips) -> None:
        super().__init__(law, positions)
        self.trips = trips
        self.tripped: dict[str, str] = {}  # control, or control and parent: why
        self._told: dict[str, Money] = {}
        self._seen: set[str] = set()
        self._fills: deque[tuple[int, int, int]] = deque()  # market time, shares, value
        self._mine: dict[str, deque[tuple[int, int]]] = {}  # R15: market time, shares
        self._prints: dict[str, list[tuple[int, int]]] = {}  # market time, shares of everybody
        self._volume: dict[str, int] = {}
        self._noes: deque[int] = deque()
        self._peak = 0
        self._arrival: dict[str, int] = {}  # by parent: twice the mid
        self._paid: dict[str, list[int]] = {}  # by parent: shares, value
        self.shown = 0

    # what the gate was told

    def volume(self, ts_ns: int, symbol: str, day: int) -> None:
        """The reference line said the day's volume."""
        before = self._volume.get(symbol)
        self._volume[symbol] = max(day, before or 0)
        if before is not None and day > before:
            self._prints.setdefault(symbol, []).append((ts_ns, day - before))

    def admitted(self, parent: str, symbol: str) -> None:
        """A parent was taken in: its cost is held against the middle of now."""
        quote = self._quotes.get(symbol, Quote())
        if quote.bid_e4 and quote.ask_e4:
            self._arrival[parent] = quote.mid2_e4

    def told(self, mono_ns: int, ts_ns: int, raw: str) -> None:
        """A message of the venue reached the gate."""
        m = tags(raw)
        name = self._chain_of.get(m.get("11", ""), "")
        if not name:
            return
        chain = self._chains[name]
        if m["35"] == "9" or m.get("150") == "8":
            self._no(mono_ns)
        elif m.get("150") == "F" and m["17"] not in self._seen:
            self._seen.add(m["17"])
            self._fill(ts_ns, chain, int(m["32"]), e4(m["31"]))
        if m["35"] == "8":
            self.look()

    def look(self) -> None:
        """The gate looked at what it has lost: at each report, and at each timer."""
        result = 0
        for symbol, money in self._told.items():
            quote = self._quotes.get(symbol, Quote())
            mark = quote.mark_bid_e4 if money.qty > 0 else quote.mark_ask_e4
            result += (money.qty * mark - money.cost_e4 - money.shares * self.trips.fee_e4) * 100
        self._peak = max(self._peak, result)
        if self._peak - result >= self.trips.fall_micros:
            self.tripped.setdefault("R31", f"{self._peak - result} below the best")

    def _no(self, mono_ns: int) -> None:
        self._noes.append(mono_ns)
        while mono_ns - self._noes[0] >= self.trips.rejects_window_ns:
            self._noes.popleft()
        if len(self._noes) >= self.trips.rejects:
            self.tripped.setdefault("R26", f"{len(self._noes)} rejects")

    def _fill(self, ts_ns: int, chain: Chain, qty: int, price_e4: int) -> None:
        law, sign = self.trips, 1 if chain.side == BUY else -1
        money = self._told.setdefault(chain.symbol, Money())
        money.qty += sign * qty
        money.cost_e4 += sign * qty * price_e4
        money.shares += qty
        self._mine.setdefault(chain.symbol, deque()).append((ts_ns, qty))
        self._fills.append((ts_ns, qty, qty * price_e4))
        while ts_ns - self._fills[0][0] >= law.fast_window_ns:
            self._fills.popleft()
        shares, value = (sum(fill[n] for fill in self._fills) for n in (1, 2))
        if shares >= law.fast_shares or value >= law.fast_value_e4:
            self.tripped.setdefault("R25", f"{shares} shares, {value} in the window")
        self._cost(chain, qty, price_e4)

    def _cost(self, chain: Chain, qty: int, price_e4: int) -> None:
        law, parent = self.trips, chain.parent
        paid = self._paid.setdefault(parent, [0, 0])
        paid[0] += qty
        paid[1] += qty * price_e4
        mid2, whole = self._arrival.get(parent, 0), self.parents.get(parent, ("", 0))[1]
        if not mid2 or paid[0] * BP < whole * law.after_bp:
            return
        at_arrival = paid[0] * mid2 * 50
        cost = (paid[1] * 100 - at_arrival) * (1 if chain.side == BUY else -1) + paid[0] * law.fee_e4 * 100
        for control, limit in (("pause", law.pause_bp), ("halt", law.halt_bp)):
            if cost > 0 and cost * BP >= limit * at_arrival:
                self.tripped.setdefault(f"R32 {parent}", f"{control}: costs {cost * BP // at_arrival} bp")

    # what left

    def to_venue(self, mono_ns: int, ts_ns: int, raw: str) -> None:
        """A message of the gate."""
        m = tags(raw)
        if m["35"] not in "DG":
            super().to_venue(mono_ns, ts_ns, raw)
            return
        old = self._chains[self._chain_of[m["41"]]] if m["35"] == "G" else None
        before = old.worst_qty if old else 0
        super().to_venue(mono_ns, ts_ns, raw)
        chain = self._chains[self._chain_of[m["11"]]]
        for control, why in self.tripped.items():
            if control in ("R26", "R31") or control == f"R32 {chain.parent}":
                self._breach(control, m, why, "nothing after it")
            elif control == "R25" and self._enlarges(chain):
                self._breach(control, m, why, "only what reduces")
        self._impact(m, chain)
        self._share(ts_ns, m, chain, before)

    def _enlarges(self, chain: Chain) -> bool:
        """Could everything of this side together enlarge or turn the position?"""
        held = self.position(chain.symbol)
        room = -held if chain.side == BUY else held
        return self._leaves(chain.symbol, chain.side) > max(0, room)

    def _impact(self, m: dict[str, str], chain: Chain) -> None:
        """R07: what crosses is paid at the touch as far as that goes, and at its limit beyond."""
        quote, law, price, qty = (
            self._quotes.get(chain.symbol, Quote()),
            self.trips,
            e4(m["44"]),
            int(m["38"]),
        )
        buy = chain.side == BUY
        touch = quote.ask_e4 if buy else quote.bid_e4
        if not touch or (price < touch if buy else price > touch):
            return
        if qty * BP > self.shown * law.depth_bp:
            self._breach("R07", m, qty, f"{law.depth_bp} bp of {self.shown}")
        taken = min(qty, self.shown)
        average = (taken * touch + (qty - taken) * price) // qty
        mid = quote.mid2_e4 // 2
        far = average * BP > mid * (BP + law.walk_bp) if buy else average * BP < mid * (BP - law.walk_bp)
        if far:
            self._breach("R07", m, average, f"{law.walk_bp} bp of {mid}")

    def _share(self, ts_ns: int, m: dict[str, str], chain: Chain, before: int) -> None:
        """R15: what we traded, what crosses and this stay a share of everything."""
        law, symbol = self.trips, chain.symbol
        added = chain.worst_qty - before
        if law.share_bp >= BP or added <= 0 or m["59"] in "27":
            return  # a cross is no part of the window's volume
        since = ts_ns - law.share_window_ns
        printed = sum(qty for at, qty in self._prints.get(symbol, ()) if at > since)
        own = sum(qty for at, qty in self._mine.get(symbol, ()) if at > since)
        quote = self._quotes.get(symbol, Quote())
        crossing = 0
        for other in self._live.values():
            same = other.symbol == symbol and (other.side == BUY) == (chain.side == BUY)
            meets = (
                max(other.prices()) >= quote.ask_e4
                if other.side == BUY
                else min(other.prices()) <= quote.bid_e4
            )
            if same and meets and other is not chain:
                crossing += other.worst_qty
        room = law.share_bp * max(0, printed - own) // (BP - law.share_bp) - own - crossing
        free = 0 if crossing else law.free_qty
        if added > max(room, free):
            self._breach("R15", m, added, f"room {room}, free {free}")
