"""What a scanned stream holds, as plain arrays: mids, trades, spreads, queues, ages.

An aggressive order is a run of executions of one side at one instant; its sign is against the resting
side. Prices become basis points of the mid just before. Nothing here knows where the stream came from.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.calibrate import scan as s

Floats = NDArray[Any]
Ints = NDArray[np.int64]
NS = 1_000_000_000


class Mids(NamedTuple):
    """Twice the mid (1e-4) as a step function of time, instants without two sides left out."""

    ts_ns: Ints
    mid2: Ints

    def at(self, ts_ns: Ints) -> Floats:
        """Return twice the mid at instants, that of the first for what lies before it."""
        index = np.searchsorted(self.ts_ns, ts_ns, side="right") - 1
        return self.mid2[np.maximum(index, 0)].astype(np.float64)


class Trades(NamedTuple):
    """Aggressive orders: one row an instant and side."""

    ts_ns: Ints
    sign: Ints  # +1 the aggressor buys
    size: Ints
    mid2: Ints  # before; 0 where the book was not whole
    spread: Ints
    touch_size: Ints  # what stood at the touch that was hit
    paid: Floats  # mean price less mid, in bps, signed: the effective half-spread


def mids_of(scan: s.Scan) -> Mids:
    """Return the mid wherever it changes; within an instant the last one holds."""
    rows = scan.rows
    whole = (rows[:, s.BID] > 0) & (rows[:, s.ASK] > rows[:, s.BID])
    ts_ns, mid2 = rows[whole, s.TS], rows[whole, s.BID] + rows[whole, s.ASK]
    last = np.append(ts_ns[1:] != ts_ns[:-1], True) if len(ts_ns) else np.zeros(0, bool)
    ts_ns, mid2 = ts_ns[last], mid2[last]
    changes = np.append(True, mid2[1:] != mid2[:-1]) if len(ts_ns) else last
    return Mids(ts_ns[changes], mid2[changes])


def trades_of(scan: s.Scan, *, hidden: bool = False) -> Trades:
    """Return aggressive orders; hidden prints only where asked for: no feed tells their side."""
    rows = scan.rows
    wanted = rows[:, s.CLASS] == s.TRADE
    if hidden:
        wanted |= rows[:, s.CLASS] == s.HIDDEN
    rows = rows[wanted]
    if not len(rows):
        none = np.zeros(0, np.int64)
        return Trades(none, none, none, none, none, none, np.zeros(0))
    new = np.append(True, (rows[1:, s.TS] != rows[:-1, s.TS]) | (rows[1:, s.SIDE] != rows[:-1, s.SIDE]))
    first = np.flatnonzero(new)
    size = np.add.reduceat(rows[:, s.SIZE], first)
    money = np.add.reduceat((rows[:, s.PRICE] * rows[:, s.SIZE]).astype(np.float64), first)
    head = rows[first]
    mid = head[:, s.MID2_BEFORE] / 2.0
    sign = -head[:, s.SIDE]
    with np.errstate(divide="ignore", invalid="ignore"):
        paid = np.where(mid > 0, sign * (money / size - mid) / mid * 1e4, np.nan)
    return Trades(
        head[:, s.TS], sign, size, head[:, s.MID2_BEFORE], head[:, s.SPREAD], head[:, s.LEVEL_SIZE], paid
    )


def spreads_of(scan: s.Scan) -> Ints:
    """Return the spread (1e-4) on the grid, locked and one-sided instants left out."""
    bid, ask = scan.grid[:, 0, 0], scan.grid[:, 2, 0]
    return (ask - bid)[(bid > 0) & (ask > bid)]


def depth_of(scan: s.Scan, level: int) -> Ints:
    """Return the sizes of a level (0 = touch) on the grid, both sides."""
    sizes = np.concatenate([scan.grid[:, 1, level], scan.grid[:, 3, level]])
    return sizes[sizes > 0]


def gaps_of(scan: s.Scan, tick_e4: int) -> Floats:
    """Return the distances from the touch to the second level on the grid, in ticks."""
    bids, asks = scan.grid[:, 0], scan.grid[:, 2]
    ends = np.concatenate(
        [(bids[:, 0] - bids[:, 1])[bids[:, 1] > 0], (asks[:, 1] - asks[:, 0])[asks[:, 1] > 0]]
    )
    return ends / tick_e4


def imbalance_of(scan: s.Scan) -> Floats:
    """Return (bid size - ask size) / both at the touch on the grid."""
    bid, ask = scan.grid[:, 1, 0], scan.grid[:, 3, 0]
    both = (bid > 0) & (ask > 0)
    lean: Floats = (bid[both] - ask[both]) / (bid[both] + ask[both])
    return lean


def waits_of(scan: s.Scan) -> Floats:
    """Return the times between instants at which something of the flow happened, in seconds."""
    rows = scan.rows
    ts_ns = np.unique(rows[(rows[:, s.CLASS] != s.EDGE) & (rows[:, s.TS] > scan.begin_ns), s.TS])
    return np.diff(ts_ns) / NS


def ages_of(scan: s.Scan) -> Floats:
    """Return how long cancelled orders stood, in seconds; those of unknown birth left out."""
    rows = scan.rows
    gone = (rows[:, s.CLASS] == s.CANCEL) & (rows[:, s.AGE] >= 0)
    ages: Floats = rows[gone, s.AGE] / NS
    return ages


def returns_of(mids: Mids, begin_ns: int, end_ns: int, lag_ns: int) -> Floats:
    """Return mid returns over a lag in bps, one every quarter of the lag."""
    if not len(mids.ts_ns):
        return np.zeros(0)
    start = max(begin_ns, int(mids.ts_ns[0]))
    step = max(lag_ns // 4, 1)
    at = np.arange(start, end_ns - lag_ns, step, dtype=np.int64)
    now, then = mids.at(at), mids.at(at + lag_ns)
    return (then / now - 1.0) * 1e4


def order_flow_imbalance_of(scan: s.Scan, bin_ns: int) -> Floats:
    """Return Cont, Kukanov and Stoikov's imbalance of the touch's flow per bin, in shares."""
    rows = scan.rows
    rows = rows[(rows[:, s.BID] > 0) & (rows[:, s.ASK] > rows[:, s.BID]) & (rows[:, s.TS] > scan.begin_ns)]
    if len(rows) < 2:
        return np.zeros(0)
    bid, ask, bid_size, ask_size = (rows[:, c] for c in (s.BID, s.ASK, s.BID_SIZE, s.ASK_SIZE))
    e = np.where(bid[1:] >= bid[:-1], bid_size[1:], 0) - np.where(bid[1:] <= bid[:-1], bid_size[:-1], 0)
    e = e - np.where(ask[1:] <= ask[:-1], ask_size[1:], 0) + np.where(ask[1:] >= ask[:-1], ask_size[:-1], 0)
    bins = (rows[1:, s.TS] - scan.begin_ns) // bin_ns
    count = int((scan.end_ns - scan.begin_ns) // bin_ns)
    inside = bins < count
    return np.bincount(bins[inside], weights=e[inside].astype(np.float64), minlength=count)
