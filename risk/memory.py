"""What the overlay remembers over a restart: the day, counts, lists, used locates, multipliers, the lease.

All of it lives in the gate's state, which is its journal replayed: a restart, a new binary, a copied state
directory or a jump of the clock resets nothing. A start of day (never the clock alone) begins counts anew.
"""

from collections import deque
from typing import Final

import msgspec

from market.types import Symbol
from risk.lease import Lease
from risk.rates import Rates, Ring
from risk.scopes import Scope
from risk.tally import Tally
from risk.tightening import Multipliers
from risk.volumes import Volumes

REPEAT_KEYS_MAX: Final = 4_096  # kinds of parents remembered; a desk starts dozens of kinds
OUTCOMES_MAX: Final = 1_000  # last orders of which rejects are told as a share
EXITS_MAX: Final = 1_000  # abnormal exits remembered; the third within minutes already stops


class Restricted(msgspec.Struct, frozen=True):
    """R42: what may not be traded, and since when that is known."""

    symbols: tuple[str, ...]
    issued_ns: int  # market time
    sha256: str = ""


class Exempt(msgspec.Struct, frozen=True):
    """R73: two people let one order of a parent pass a soft control."""

    control: str
    qty_max: int
    first: str
    second: str


class Measured(msgspec.Struct):
    """What the shells measured last; None = never."""

    clock_offset_us: int | None = None
    loop_lag_ms: int | None = None
    disk_free_mb: int | None = None
    drop_copy_lag_ms: int | None = None


class Memory:
    """One for a gate's life and all its restarts."""

    def __init__(self, rates: Rates, velocity_ns: int) -> None:
        self.tally = Tally(velocity_ns, rates.sent)
        self.own: dict[str, Scope] = {}  # scopes of single accounts, strategies, symbols, sessions
        self.peak_micros = 0
        self.day = ""  # trading day, YYYY-MM-DD; "" = none has begun
        self.restricted: Restricted | None = None
        self.locates: dict[str, int] = {}  # "account symbol": shares that may be sold short today
        self.shorted: dict[str, int] = {}  # of them used
        self.buying_power_micros: int | None = None  # the broker's word: it can only lower R13
        self.volumes = Volumes()
        self.starts: dict[tuple[str, str, str, int], Ring] = {}  # R23: parents by kind
        self.rejects: Ring | None = None  # R26
        self.outcomes: deque[bool] = deque(maxlen=OUTCOMES_MAX)  # of the last orders: True = rejected
        self.multipliers = Multipliers()
        self.lease = Lease()
        self.measured = Measured()
        self.exits: list[int] = []  # seconds of the outside's clock: abnormal exits
        self.stopped = True  # the last stop was in order
        self.began_mono_ns = 0  # of this start
        self.reduce_until_ns = 0  # machine time: after an abnormal exit, or a rearm
        self.canary_next_ns = 0
        self.canary_at = 0
        self.canary_passed: dict[str, int] = {}
        self.orders = 0  # checks run, of real orders
        self.exempt: dict[str, Exempt] = {}  # R73: by parent, for one order; no restart and no day keeps one
        self.exempted = 0  # orders that passed by one

    def new_day(self, day: str) -> None:
        """Begin counts anew. What people must lift stays: latches and postures are not here."""
        self.day = day
        self.peak_micros = 0
        self.tally.new_day()
        for scope in self.own.values():
            scope.tally.new_day()
            scope.peak_micros = 0
        self.locates, self.shorted, self.exempt = {}, {}, {}
        self.buying_power_micros = None
        self.volumes = Volumes()

    def sold_short(self, account: str, symbol: Symbol, qty: int) -> None:
        """Shares of a locate were used; what was used is never given back within the day."""
        if qty > 0:
            key = f"{account} {symbol}"
            self.shorted[key] = self.shorted.get(key, 0) + qty

    def rejected(self, mono_ns: int, window_ns: int) -> int:
        """R26: note a no of the EMS; return how many lie within the window."""
        ring = self.rejects
        if ring is None:
            ring = self.rejects = Ring(window_ns)
        ring.window_ns = window_ns
        ring.count(mono_ns)
        ring.add(mono_ns)
        return ring.count(mono_ns)

    def started(self, kind: tuple[str, str, str, int], ts_ns: int, window_ns: int) -> Ring:
        """R23: note that a parent of a kind began; return when the others did."""
        ring = self.starts.get(kind)
        if ring is None:
            if len(self.starts) >= REPEAT_KEYS_MAX:
                self.starts = {k: r for k, r in self.starts.items() if r.count(ts_ns)}
            ring = self.starts[kind] = Ring(window_ns)
        ring.window_ns = window_ns
        ring.count(ts_ns)
        ring.add(ts_ns)
        return ring

    def state(self) -> list[object]:
        """Return everything, for the state hash."""
        return [
            self.tally.state(),
            [scope.state() for scope in self.own.values()],
            [self.peak_micros, self.day, self.buying_power_micros, self.restricted],
            [sorted(self.locates.items()), sorted(self.shorted.items())],
            self.volumes.state(),
            [(list(k), r.state()) for k, r in sorted(self.starts.items())],
            self.rejects.state() if self.rejects is not None else None,
            list(self.outcomes),
            self.multipliers.state(),
            self.lease,
            self.measured,
            [self.exits, self.stopped, self.began_mono_ns, self.reduce_until_ns],
            [self.canary_next_ns, self.canary_at, sorted(self.canary_passed.items()), self.orders],
            [sorted(self.exempt.items()), self.exempted],
        ]
