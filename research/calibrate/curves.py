"""Curves and distributions of a stream: signature plot, sign autocorrelation, responses, shape of the day."""

import numpy as np

from research.calibrate import samples
from research.calibrate import scan as s
from research.calibrate.blocks import NS

SIGNATURE_S = (0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
ACF_LAGS = (1, 2, 3, 5, 8, 10, 15, 20, 30, 50, 80, 100)
RESPONSE_S = (0.0, 0.001, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
SHAPE_NS = 900 * NS  # a quarter of an hour
QUANTILES = 200  # of a distribution, each the middle of its part
OFI_NS = 10 * NS

Curve = tuple[list[float], list[float]]


def signature(scan: s.Scan, mids: samples.Mids) -> Curve:
    """Return the variance of returns per second (bps squared) over the lag (s)."""
    values = []
    for lag_s in SIGNATURE_S:
        returns = samples.returns_of(mids, scan.begin_ns, scan.end_ns, int(lag_s * NS))
        values.append(float(np.mean(returns * returns)) / lag_s if len(returns) else float("nan"))
    return list(SIGNATURE_S), values


def sign_acf(trades: samples.Trades) -> Curve:
    """Return the autocorrelation of aggressors' signs over the lag in orders."""
    lags = [lag for lag in ACF_LAGS if lag < len(trades.sign)]
    return [float(lag) for lag in lags], [
        float(np.mean(trades.sign[:-lag] * trades.sign[lag:])) for lag in lags
    ]


def response(scan: s.Scan, mids: samples.Mids, kind: str) -> Curve:
    """Return the mean signed move of the mid (bps) over time (s) after a market, limit or cancel event."""
    if kind == "market":
        trades = samples.trades_of(scan)
        ts_ns, sign, before = trades.ts_ns, trades.sign, trades.mid2
    else:
        rows = scan.rows
        if kind == "limit":
            chosen = (rows[:, s.CLASS] == s.LIMIT) & (rows[:, s.DISTANCE] <= 0)
        else:
            chosen = (rows[:, s.CLASS] == s.CANCEL) & (rows[:, s.DISTANCE] == 0)
        rows = rows[chosen & (rows[:, s.TS] > scan.begin_ns)]
        ts_ns, before = rows[:, s.TS], rows[:, s.MID2_BEFORE]
        sign = rows[:, s.SIDE] if kind == "limit" else -rows[:, s.SIDE]
    values = []
    for lag_s in RESPONSE_S:
        lag_ns = int(lag_s * NS)
        use = (before > 0) & (ts_ns + lag_ns < scan.end_ns)
        if not use.any() or not len(mids.ts_ns):
            values.append(float("nan"))
            continue
        moves = sign[use] * (mids.at(ts_ns[use] + lag_ns) / before[use] - 1.0) * 1e4
        values.append(float(np.mean(moves)))
    return list(RESPONSE_S), values


def shape_of_day(scan: s.Scan) -> Curve:
    """Return the rate of events by quarter of an hour over that of the whole; x = hours since the begin."""
    rows = scan.rows
    ts_ns = rows[(rows[:, s.CLASS] <= s.HIDDEN) & (rows[:, s.TS] > scan.begin_ns), s.TS]
    bins = int((scan.end_ns - scan.begin_ns) // SHAPE_NS)
    if bins < 2 or not len(ts_ns):
        return [0.0], [1.0]
    counts = np.bincount((ts_ns - scan.begin_ns) // SHAPE_NS, minlength=bins)[:bins]
    hours = (np.arange(bins) + 0.5) * (SHAPE_NS / NS / 3600.0)
    return hours.tolist(), (counts / counts.mean()).tolist()


def distributions(scan: s.Scan, tick_e4: int) -> dict[str, list[float]]:
    """Return quantiles of what LOB-Bench compares; sizes and times as logarithms."""
    rows = scan.rows
    limits = rows[(rows[:, s.CLASS] == s.LIMIT) & (rows[:, s.TS] > scan.begin_ns), s.SIZE]
    depth = {f"log_size_level_{k + 1}": np.log1p(samples.depth_of(scan, k)) for k in range(s.DEPTH)}
    touch = samples.depth_of(scan, 0)
    ofi = samples.order_flow_imbalance_of(scan, OFI_NS) / max(
        float(np.mean(touch)) if len(touch) else 1.0, 1.0
    )
    drawn = {
        "spread_ticks": samples.spreads_of(scan) / tick_e4,
        **depth,
        "gap_to_second_ticks": samples.gaps_of(scan, tick_e4),
        "imbalance": samples.imbalance_of(scan),
        "log_wait_s": np.log(np.maximum(samples.waits_of(scan), 1e-6)),
        "log_cancel_age_s": np.log(np.maximum(samples.ages_of(scan), 1e-6)),
        "ofi_10s": ofi,
        "log_limit_size": np.log1p(limits),
        "log_trade_size": np.log1p(samples.trades_of(scan).size),
    }
    at = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return {name: np.quantile(values, at).tolist() for name, values in drawn.items() if len(values) > 1}


def halves(scan: s.Scan, tick_e4: int) -> dict[str, float]:
    """Return how far the two halves of a stream are apart: what a simulation cannot be blamed for."""
    middle_ns = (scan.begin_ns + scan.end_ns) // 2
    first = scan.rows[:, s.TS] < middle_ns
    cut = len(scan.grid) // 2
    one = s.Scan(scan.rows[first], scan.grid[:cut], scan.grid_ns, scan.begin_ns, middle_ns)
    other = s.Scan(scan.rows[~first], scan.grid[cut:], scan.grid_ns, middle_ns, scan.end_ns)
    a, b = distributions(one, tick_e4), distributions(other, tick_e4)
    return {name: distance(a[name], b[name]) for name in a if name in b}


def distance(recorded: list[float], simulated: list[float]) -> float:
    """Return Wasserstein-1 between two quantile tables, in standard deviations of the recorded one."""
    a, b = np.array(recorded), np.array(simulated)
    spread = float(np.std(a))
    return float(np.mean(np.abs(a - b))) / spread if spread > 0 else float(np.mean(np.abs(a - b)))
