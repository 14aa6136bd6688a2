"""The fourteen numbers that a stream of events gives, each with its interval over blocks of time.

Two more, the exponent and the decay of impact, need somebody who trades: `research.simcheck` measures
them in simulation, no recording at hand can give them.
"""

import math

import numpy as np

from research.calibrate import samples
from research.calibrate import scan as s
from research.calibrate.blocks import NS, Blocks, ratio

ACF_LAGS = (1, 2, 3, 5, 8)  # beyond, one session's autocorrelation is noise
RESPONSE_NS = 5 * NS
AGE_FLOOR_S = 1e-6  # clocks of the recordings tick in micro- to nanoseconds

NAMES = (
    "spread_ticks",
    "spread_cv",
    "touch_size",
    "depth5_size",
    "imbalance_sd",
    "events_per_s",
    "trades_per_s",
    "trade_size",
    "cancel_age_s",
    "volatility_60s_bps",
    "variance_ratio",
    "sign_acf_1",
    "sign_acf_slope",
    "response_5s_bps",
)


def gather(scan: s.Scan, blocks: Blocks) -> None:
    """Add what the numbers are made of to the blocks of a stream."""
    begin, end = scan.begin_ns, scan.end_ns
    grid_ts = begin + np.arange(len(scan.grid), dtype=np.int64) * scan.grid_ns
    bid, ask = scan.grid[:, 0, 0], scan.grid[:, 2, 0]
    whole = (bid > 0) & (ask > bid)
    spread = (ask - bid)[whole].astype(np.float64)
    blocks.add("spread", grid_ts[whole], spread)
    blocks.add("spread2", grid_ts[whole], spread * spread)
    bid_size, ask_size = scan.grid[whole, 1], scan.grid[whole, 3]
    blocks.add("touch", grid_ts[whole], (bid_size[:, 0] + ask_size[:, 0]) / 2)
    blocks.add("depth5", grid_ts[whole], (bid_size.sum(axis=1) + ask_size.sum(axis=1)) / 2)
    lean = (bid_size[:, 0] - ask_size[:, 0]) / np.maximum(bid_size[:, 0] + ask_size[:, 0], 1)
    blocks.add("lean2", grid_ts[whole], lean * lean)
    blocks.add("seconds", grid_ts, np.full(len(grid_ts), scan.grid_ns / NS))
    rows = scan.rows
    flow = (rows[:, s.CLASS] <= s.HIDDEN) & (rows[:, s.TS] > begin)
    blocks.add("events", rows[flow, s.TS])
    old = (rows[:, s.CLASS] == s.CANCEL) & (rows[:, s.AGE] >= 0)
    blocks.add("log_age", rows[old, s.TS], np.log(np.maximum(rows[old, s.AGE] / NS, AGE_FLOOR_S)))
    mids = samples.mids_of(scan)
    for name, lag_ns in (("r1", NS), ("r60", 60 * NS)):
        returns = samples.returns_of(mids, begin, end, lag_ns)
        start = max(begin, int(mids.ts_ns[0]) if len(mids.ts_ns) else begin)
        at = start + np.arange(len(returns), dtype=np.int64) * max(lag_ns // 4, 1)
        blocks.add(name, at, returns * returns)
    gather_trades(scan, blocks, mids)


def gather_trades(scan: s.Scan, blocks: Blocks, mids: samples.Mids) -> None:
    """Add sizes, signs and responses of aggressive orders."""
    trades = samples.trades_of(scan)
    blocks.add("trades", trades.ts_ns, trades.size)
    for lag in ACF_LAGS:
        product = trades.sign[:-lag] * trades.sign[lag:]
        blocks.add(f"acf{lag}", trades.ts_ns[: len(product)], product)
    whole = (trades.mid2 > 0) & (trades.ts_ns + RESPONSE_NS < scan.end_ns)
    ts_ns, before = trades.ts_ns[whole], trades.mid2[whole]
    later = mids.at(ts_ns + RESPONSE_NS) if len(mids.ts_ns) else before.astype(np.float64)
    blocks.add("response", ts_ns, trades.sign[whole] * (later / before - 1.0) * 1e4)


def numbers(tick_e4: int, sums: dict[str, float]) -> dict[str, float]:
    """Return the numbers that sums give, in the order of `NAMES`."""
    spread = ratio(sums, "spread")
    variance = ratio(sums, "spread2") - spread * spread
    seconds = sums["seconds"] or math.nan
    r1, r60 = ratio(sums, "r1"), ratio(sums, "r60")
    values = (
        spread / tick_e4,
        math.sqrt(max(variance, 0.0)) / spread if spread else math.nan,
        ratio(sums, "touch"),
        ratio(sums, "depth5"),
        math.sqrt(ratio(sums, "lean2")),
        sums["events"] / seconds,
        sums["trades.n"] / seconds,
        ratio(sums, "trades"),
        math.exp(ratio(sums, "log_age")),
        math.sqrt(r60),
        60.0 * r1 / r60 if r60 else math.nan,
        ratio(sums, "acf1"),
        slope([ratio(sums, f"acf{lag}") for lag in ACF_LAGS]),
        ratio(sums, "response"),
    )
    return dict(zip(NAMES, values, strict=True))


def slope(acf: list[float]) -> float:
    """Return the slope of log autocorrelation on log lag, what is not positive left out."""
    points = [
        (math.log(lag), math.log(value)) for lag, value in zip(ACF_LAGS, acf, strict=True) if value > 0.01
    ]
    if len(points) < 3:
        return math.nan
    x = sum(point[0] for point in points) / len(points)
    y = sum(point[1] for point in points) / len(points)
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
