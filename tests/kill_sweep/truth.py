"""What really happened, by the venue's raw FIX log alone: orders, fills, positions, limits.

It imports nothing of the house but the limits' values that the caller hands over as a `Law`.
"""

import calendar
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.independent.wire_checker import Law, WireChecker, e4, tags

SECOND_NS = 1_000_000_000
REFERENCE = "STEADYREF"


@dataclass
class Order:
    """A chain as the venue has told it."""

    side: str
    parent: str
    qty: int
    cum: int = 0
    live: bool = True
    acknowledged: bool = False


@dataclass
class Truth:
    """Read the log on, as far as it is written, with `read`."""

    path: Path
    law: Law
    start: dict[str, int]
    parents: dict[str, tuple[str, int]]
    orders: dict[str, Order] = field(default_factory=dict)  # by first ClOrdID
    fills: dict[str, tuple[str, int]] = field(default_factory=dict)  # ExecID: chain, quantity
    faults: list[str] = field(default_factory=list)
    mono_ns: int = 0  # of the last line

    def __post_init__(self) -> None:
        self.checker = WireChecker(self.law, self.start, self.parents)
        self._at = 0
        self._rest = b""
        self._chain_of: dict[str, str] = {}

    def read(self) -> int:
        """Take every line that was not taken yet; return how many."""
        if not self.path.exists():
            return 0
        with self.path.open("rb") as file:
            file.seek(self._at)
            raw = self._rest + file.read()
            self._at = file.tell()
        *lines, self._rest = raw.split(b"\n")
        for line in lines:
            stamp, direction, message = line.decode("latin-1").split(" ", 2)
            self.mono_ns = wall_ns(stamp)
            self._take(direction, message)
        return len(lines)

    @property
    def breaches(self) -> list[str]:
        """Everything that should never have been on the wire."""
        return [*self.faults, *self.checker.breaches]

    def position(self, symbol: str) -> int:
        """Shares held by what was executed."""
        return self.checker.position(symbol)

    @property
    def live(self) -> dict[str, int]:
        """Leaves of every order that the venue has acknowledged and not ended."""
        return {name: o.qty - o.cum for name, o in self.orders.items() if o.live and o.acknowledged}

    def filled(self, parent: str) -> int:
        """Shares of a parent."""
        return sum(qty for chain, qty in self.fills.values() if self.orders[chain].parent == parent)

    def _take(self, direction: str, raw: str) -> None:
        m = tags(raw)
        kind = m["35"]
        if REFERENCE in (m["49"], m["56"]):
            if direction == "OUT" and kind == "W":
                self._price(raw, m["55"])
            elif direction == "OUT":
                self.checker.alive(self.mono_ns)
        elif direction == "IN":
            self._asked(kind, m, raw)
        elif kind in "89" and m.get("43") != "Y" and m.get("11") in self._chain_of:  # once, and of an order
            self.checker.from_venue(raw)
            if kind == "8":
                self._told(m)

    def _price(self, raw: str, symbol: str) -> None:
        sides: dict[str, list[int]] = {"0": [], "1": [], "2": [], "5": []}
        entry = ""
        for part in raw.split("\x01"):
            tag, _, value = part.partition("=")
            if tag == "269":
                entry = value
            elif tag == "270" and entry in sides:
                sides[entry].append(e4(value))
        bid, ask = max(sides["0"], default=0), min(sides["1"], default=0)
        self.checker.price(self.mono_ns, symbol, bid, ask, max(sides["2"], default=0))

    def _asked(self, kind: str, m: dict[str, str], raw: str) -> None:
        if kind in "DGF" and m.get("43") == "Y":
            self.faults.append(f"{kind} {m['11']}: sent a second time (PossDup)")
        if kind == "D":
            if m["11"] in self._chain_of:
                self.faults.append(f"D {m['11']}: ClOrdID used before")
            self._chain_of[m["11"]] = m["11"]
            self.orders[m["11"]] = Order(m["54"], m.get("526", ""), int(m["38"]))
        elif kind in "GF":
            chain = self._chain_of.get(m["41"])
            if chain is None:
                return  # of an order that never arrived: the venue refuses it, and so does the law
            self._chain_of[m["11"]] = chain
        if kind in "DGFq":
            self.checker.to_venue(self.mono_ns, self.mono_ns, raw)

    def _told(self, m: dict[str, str]) -> None:
        chain = self._chain_of[m["11"]]
        order = self.orders[chain]
        order.acknowledged = True
        if m["150"] == "F":
            order.cum += int(m["32"])
            self.fills[m["17"]] = (chain, int(m["32"]))
        if m["150"] == "5":
            order.qty = int(m["38"]) if "38" in m else order.cum + int(m["151"])
        if m["150"] != "I":
            order.live = m["39"] not in "2348C"


def wall_ns(stamp: str) -> int:
    """Return a log's time in nanoseconds; only differences are used."""
    whole, _, part = stamp.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * SECOND_NS + int(part) * 1_000
