"""A calibration from a recording: what can be counted is counted, the rest is taken from literature.

Every parameter's origin stands in `provenance`: measured, matched (by simulated moments, see refine) or
literature. What is only matched or literature begins here at a plausible value.
"""

from typing import NamedTuple

import numpy as np

from market.book_events import Flag, Kind
from market.flow.calibration import BEHIND, Calibration, Hawkes, Latent, Metaorders, Value, problems
from research.calibrate import exposures, hawkes, lifetimes, rates, regimes, samples, sizes
from research.calibrate import scan as s
from research.calibrate.blocks import NS
from research.calibrate.facts import EVENTS_LEAST, FactsError, check, grid_ns_of
from research.calibrate.streams import Stream

SESSION_S = 23_400.0
DAY_S = 86_400.0
TRADES_LEAST = 100
MEASURED = "measured"


class Fit(NamedTuple):
    """A first calibration and what it was counted from."""

    calibration: Calibration
    cuts: rates.Cuts
    counts: exposures.Counts


def partial_share(stream: Stream) -> float:
    """Return the share of cancels, of orders whose birth was seen, that take a part only."""
    events = stream.events
    flow = events["flags"] & (Flag.REVEAL | Flag.CONCEAL) == 0
    born = np.unique(events["order_id"][flow & (events["kind"] == Kind.ADD)])
    known = np.isin(events["order_id"], born) & flow
    parts = int((known & (events["kind"] == Kind.CANCEL)).sum())
    whole = int((known & (events["kind"] == Kind.DELETE)).sum())
    return parts / max(parts + whole, 1)


def first(stream: Stream, name: str, *, session: bool) -> Fit:
    """Return the calibration that counting gives.

    Raises:
        FactsError: too little to count, one line.
    """
    scan = s.scan(stream.events, stream.begin_ns, stream.end_ns, grid_ns_of(stream.begin_ns, stream.end_ns))
    check(scan, stream.source)
    trades = samples.trades_of(scan)
    if len(trades.ts_ns) < TRADES_LEAST:
        raise FactsError(
            f"{stream.source}: {len(trades.ts_ns)} aggressive orders, at least {TRADES_LEAST} are needed; "
            "a source that does not mark executions cannot be calibrated on"
        )
    cuts = rates.cuts(scan, stream.tick_e4)
    edges = cuts.edges(stream.tick_e4)
    counted = exposures.count(stream.events, edges, stream.begin_ns)
    if len(counted.lives) < EVENTS_LEAST:
        raise FactsError(f"{stream.source}: {len(counted.lives)} whole lives of orders, need {EVENTS_LEAST}")
    lives = lifetimes.fit(counted.lives)
    counted = exposures.count(stream.events, edges, stream.begin_ns, lifetimes.by_age(lives))
    excited = hawkes.fit(scan)
    calibration = assemble(stream, name, scan, cuts, counted, lives, excited, session)
    found = problems(calibration)
    if found:
        raise FactsError(f"{stream.source}: {'; '.join(found)}")
    return Fit(calibration, cuts, counted)


def assemble(
    stream: Stream, name: str, scan: s.Scan, cuts: rates.Cuts, counted: exposures.Counts,
    lives: lifetimes.Lifetimes, excited: hawkes.Found | None, session: bool,
) -> Calibration:  # fmt: skip
    """Put the pieces together."""
    spreads, queues, places = len(cuts.spreads), len(cuts.queues) + 1, BEHIND + len(cuts.behind) - 1
    trades = samples.trades_of(scan)
    hidden_count = len(samples.trades_of(scan, hidden=True).ts_ns) - len(trades.ts_ns)
    hidden = max(hidden_count, 0) / max(len(trades.ts_ns) + max(hidden_count, 0), 1)
    limits = rates.limits(counted, cuts.spreads, places)
    markets = np.array(rates.markets(counted, spreads, queues)) / (1.0 - hidden)
    by_distance, by_queue, at_best = rates.cancels(counted, len(cuts.behind), queues)
    wanted, clip = sizes.wanted(trades)
    seconds = float(counted.seconds.sum())  # of both sides
    spread = samples.spreads_of(scan)
    mids = samples.mids_of(scan)
    minute = samples.returns_of(mids, stream.begin_ns, stream.end_ns, 60 * NS)
    intraday, shape_line = regimes.shape(scan, session)
    branching = excited.branching if excited else Hawkes().branching
    states, stays, regime_line = regimes.regimes(scan, intraday, branching)
    span_s = (stream.end_ns - stream.begin_ns) / NS
    flow = (scan.rows[:, s.CLASS] == s.CANCEL) & (scan.rows[:, s.TS] > scan.begin_ns)
    return Calibration(
        name=name,
        price_e4=round(float(np.mean(mids.mid2)) / 2 / stream.tick_e4) * stream.tick_e4,
        tick_e4=stream.tick_e4,
        unit_e4=max(stream.tick_e4, round(float(np.mean(spread)))),
        mean_size=cuts.mean_size,
        spread_edges=cuts.spreads,
        behind_edges=cuts.behind,
        queue_edges=cuts.queues,
        limits=limits,
        limits_by_queue=rates.limits_by_queue(counted, limits, queues),
        inside_by_queue=rates.inside_by_queue(counted, limits, queues),
        markets=rates.as_rows(markets),
        class_hazards=tuple(float(f"{x:.5g}") for x in lives.hazards),
        class_shares=rates.class_shares(lives, places),
        cancels_by_distance=by_distance,
        cancels_by_queue=by_queue,
        cancels_at_best=at_best,
        limit_sizes=sizes.limit_law(scan, inside=False),
        inside_sizes=sizes.limit_law(scan, inside=True),
        market_sizes=wanted,
        clip=round(clip, 4),
        partial=round(partial_share(stream), 5),
        hidden=round(hidden, 4),
        limits_per_s=round(float(counted.limits.sum()) / seconds, 5),
        markets_per_s=round(float(counted.markets.sum()) / seconds / (1.0 - hidden), 5),
        cancels_per_s=round(float(flow.sum()) / span_s / 2.0, 5),
        hawkes=words(excited),
        metaorders=Metaorders(),
        value=Value(sigma_bps=round(float(np.sqrt(np.mean(minute**2) / 60.0)), 4)),
        latent=Latent(),
        intraday=intraday,
        session_s=SESSION_S if session else DAY_S,
        regimes=states,
        regime_stay_s=stays,
        provenance=provenance(stream, shape_line, regime_line, excited is not None, lives.orders),
    )


def words(excited: hawkes.Found | None) -> Hawkes:
    """Return the excitation in a calibration's words."""
    if excited is None:
        return Hawkes()
    return Hawkes(
        branching=round(excited.branching, 4),
        decays_per_s=excited.decays_per_s,
        weights=(round(excited.weights[0], 4), round(excited.weights[1], 4)),
        same=rates.as_rows(np.array(excited.same)),
        cross=rates.as_rows(np.array(excited.cross)),
    )


def provenance(
    stream: Stream, shape_line: str, regime_line: str, excited: bool, orders: int
) -> dict[str, str]:  # fmt: skip
    """Return where each parameter comes from."""
    counts = "measured: counts over time in state, leaning to the pooled rate by 5 events"
    return {
        "source": stream.source,
        "events_sha256": stream.sha256,
        "interval_utc_ns": f"{stream.begin_ns}..{stream.end_ns}",
        "tick_e4": f"{stream.tick_e4}; where coarser than the venue's, bids were rounded down and asks up",
        "limits": counts,
        "limits_by_queue, inside_by_queue": "measured: orders placed over those expected by cell",
        "markets": counts + ", as the product of both margins; scaled up by the hidden ones",
        "class_hazards, class_shares": f"measured: mixture of exponentials, {orders} lives, hazards capped",
        "cancels_by_distance, cancels_by_queue, cancels_at_best": "measured: cancels over those expected",
        "limit_sizes, inside_sizes": MEASURED,
        "market_sizes, clip": "measured: Kaplan-Meier, an order that took a queue whole may have wanted more",
        "partial, hidden": MEASURED,
        "hawkes": "measured: expectation-maximisation, decays of a short list" if excited else "literature",
        "intraday": shape_line,
        "regimes": regime_line,
        "metaorders": "literature: Pareto sizes with exponent 1.5, 1-5 % of volume each",
        "value": "matched: signature plot and response; jumps from literature",
        "latent": "matched: exponent and decay of impact toward literature's square root",
        "latency": "literature: lognormal within what brokers and co-located feeds quote",
    }
