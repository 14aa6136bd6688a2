"""`tables`: a calibration made into one read-only array of cumulative and acceptance tables for the kernels.

Clocks strike at the largest rate that any state of the book asks for, and a strike is accepted with the
chance (rate now) / (that rate). So the tables hold acceptance chances; what a clock draws is exogenous.
"""

import math

import numpy as np
import numpy.typing as npt

from market.flow.calibration import (
    BEHIND,
    BEST,
    CELLS_MAX,
    CLASSES,
    QUEUES_MAX,
    REGIMES,
    Calibration,
    Regime,
    Row,
    cells,
    problems,
)
from market.flow.queue_reactive_layout import (
    CANCELS,
    GAPS,
    LIMITS,
    LOOKUP,
    MARKETS,
    MULTIPLE_MAX,
    N_BELIEF,
    N_BRANCHING,
    N_CANCELS_CUT,
    N_CELLS,
    N_CLIP,
    N_DECAYS,
    N_HAZARDS,
    N_INFORMED_CANCELS,
    N_INTRADAY_BINS,
    N_KICK,
    N_KICK_MOST,
    N_LEAVE_REGIME,
    N_MARKETS_RATE,
    N_META_ALPHA,
    N_META_HISTORY,
    N_PRICE,
    N_RATES,
    N_READING_FADE,
    N_READING_WEIGHT,
    N_SIGMA,
    NEAR_TICKS,
    QUEUE_STEP,
    QUEUE_STEPS,
    READINGS,
    SIZE_LOOKUP,
    T_CANCEL_DISTANCE,
    T_CANCEL_QUEUE,
    T_CELL,
    T_CELL_FROM,
    T_CELL_KIND,
    T_CELL_TICKS,
    T_CLASS,
    T_DISTANCE,
    T_EXCITE,
    T_GAP,
    T_INSIDE_SIZE,
    T_INTRADAY,
    T_LIMIT,
    T_LIMIT_MULTIPLE,
    T_LIMIT_QUEUE,
    T_LIMIT_SIZE,
    T_LIMIT_TOTAL,
    T_MARKET,
    T_MARKET_MULTIPLE,
    T_MARKET_SIZE,
    T_QUEUE,
    T_REGIMES,
    T_SPREAD,
    TABLE_WORDS,
)

Reals = npt.NDArray[np.float64]


def tables(calibration: Calibration) -> Reals:
    """Return what the kernels read.

    Raises:
        ValueError: the calibration holds what cannot be.
    """
    found = problems(calibration)
    if found:
        raise ValueError(f"calibration {calibration.name}: {'; '.join(found)}")
    t = np.zeros(TABLE_WORDS)
    c = calibration
    t[N_PRICE : N_PRICE + 3] = c.price_e4, c.tick_e4, c.unit_e4
    put_numbers(t, c)
    put_lookups(t, c)
    put_limits(t, c)
    put_markets(t, c)
    put_cancels(t, c)
    put_hawkes(t, c)
    quantiles = 1.0 - np.arange(GAPS + 1) / GAPS
    quantiles[GAPS] = 1.0  # never read: the tail is drawn again
    t[T_GAP : T_GAP + GAPS + 1] = -np.log(quantiles)
    t.flags.writeable = False
    return t


def put_numbers(t: Reals, c: Calibration) -> None:
    """Write what is one number each."""
    layers, value, latent = c.layers, c.value, c.latent
    on = 1.0 if layers.value else 0.0
    t[N_CELLS] = cells(c)
    t[N_CLIP - 1 : N_CLIP + 3] = 1 / c.mean_size, c.clip * 2**15, c.levels_most, c.partial * 2**16
    t[N_CLIP + 3] = c.hidden * 2**16 if layers.hidden else 0.0
    share, births = metaorders(c)
    m = c.metaorders
    t[N_META_ALPHA - 2 : N_META_ALPHA + 5] = (
        *(share, births, 1.0 / m.alpha, m.children_min, m.children_max),
        *(m.pov_min, m.pov_max),
    )
    t[N_META_HISTORY] = m.history_s
    t[N_META_ALPHA + 5 : N_META_ALPHA + 8] = c.limits_per_s, c.markets_per_s, c.cancels_per_s
    t[N_SIGMA : N_SIGMA + 3] = on * value.sigma_bps, on * value.jumps_per_s, value.jump_bps
    t[N_SIGMA + 3 : N_SIGMA + 6] = on * value.informed, on * value.informed_limits, value.curve
    t[N_INFORMED_CANCELS] = on * value.informed_cancels
    reading = c.reading
    t[N_KICK] = reading.kick_bps if layers.reading else 0.0
    t[N_KICK_MOST] = reading.sizes_most
    t[N_READING_FADE : N_READING_FADE + READINGS] = [1.0 / life_s for life_s in reading.lives_s]
    t[N_READING_WEIGHT : N_READING_WEIGHT + READINGS] = reading.weights
    t[N_BELIEF : N_BELIEF + 2] = on * value.belief, 1.0 / value.belief_life_s
    c_on = 1.0 if layers.latent else 0.0
    t[N_BELIEF + 2 : N_BELIEF + 5] = c_on * latent.limits, c_on * latent.cancels, latent.curve
    bins = c.intraday if layers.intraday else (1.0,)
    t[N_INTRADAY_BINS : N_INTRADAY_BINS + 2] = len(bins), c.session_s / len(bins)
    t[T_INTRADAY : T_INTRADAY + len(bins)] = bins
    for at in range(REGIMES):
        regime = c.regimes[at] if layers.intraday else Regime()
        t[N_LEAVE_REGIME + at] = 1.0 / c.regime_stay_s[at]
        t[T_REGIMES + 4 * at : T_REGIMES + 4 * at + 4] = (
            *(regime.limits, regime.markets, regime.cancels, regime.sigma),
        )


def metaorders(c: Calibration) -> tuple[float, float]:
    """Return the share of market orders that metaorders send, and how many of these begin a second."""
    m = c.metaorders
    share = m.share if c.layers.metaorders else 0.0
    tail = m.alpha - 1
    mean = (m.alpha * m.children_min - m.children_min**m.alpha * m.children_max**-tail) / tail
    births = share * 2 * c.markets_per_s / mean
    if births > 1:
        raise ValueError(f"calibration {c.name}: over one metaorder a second; raise children_min")
    return share, births


def put_lookups(t: Reals, c: Calibration) -> None:
    """Write which bucket a spread, a distance and a queue lie in."""
    ticks = np.arange(NEAR_TICKS + 1)
    t[T_SPREAD : T_SPREAD + len(ticks)] = np.searchsorted(c.spread_edges, np.maximum(ticks, 1), "right") - 1
    t[T_DISTANCE : T_DISTANCE + len(ticks)] = np.searchsorted(c.behind_edges, ticks, "right")
    queues = (np.arange(QUEUE_STEPS + 1) + 0.5) / QUEUE_STEP
    t[T_QUEUE : T_QUEUE + len(queues)] = np.searchsorted(c.queue_edges, queues, "right")
    t[T_LIMIT_SIZE : T_LIMIT_SIZE + SIZE_LOOKUP] = quantile_table(c.limit_sizes)
    t[T_MARKET_SIZE : T_MARKET_SIZE + SIZE_LOOKUP] = quantile_table(c.market_sizes)
    t[T_INSIDE_SIZE : T_INSIDE_SIZE + SIZE_LOOKUP] = quantile_table(c.inside_sizes or c.limit_sizes)
    for cell in range(cells(c)):
        shares = np.cumsum(c.class_shares[cell]) / sum(c.class_shares[cell])
        t[T_CLASS + CLASSES * cell : T_CLASS + CLASSES * cell + CLASSES] = np.round(shares * 2**16)
    for at, (first, last) in enumerate(zip(c.behind_edges, c.behind_edges[1:], strict=False)):
        t[T_CELL_FROM + BEHIND + at], t[T_CELL_TICKS + BEHIND + at] = first, last - first


def quantile_table(sizes: tuple[tuple[int, float], ...]) -> Reals:
    """Return SIZE_LOOKUP sizes, each as often as its weight says."""
    chances = np.cumsum([weight for _, weight in sizes])
    draws = (np.arange(SIZE_LOOKUP) + 0.5) / SIZE_LOOKUP * chances[-1]
    found: Reals = np.array([size for size, _ in sizes], float)[np.searchsorted(chances, draws, "right")]
    return found


def put_limits(t: Reals, c: Calibration) -> None:
    """Write where limit orders are drawn and with which chance they are accepted."""
    places = cells(c)
    rates = np.array(c.limits)
    ones = (1.0,) * (len(c.queue_edges) + 1)
    by_queue = np.array((*c.limits_by_queue, c.inside_by_queue or ones))
    by_queue = by_queue if c.layers.queue_reactive else np.ones_like(by_queue)
    most = np.maximum(by_queue.max(axis=1), 1e-9)
    kinds = np.array([3] * BEST + [0, 1] + [2] * (places - BEHIND - 1))
    scale = most[kinds]
    flat = by_queue.max(axis=1) == by_queue.min(axis=1)
    kinds = np.where(flat[kinds], -1, kinds)  # nothing to look at in the book
    t[N_RATES + LIMITS] = 2 * c.limits_per_s
    t[T_CELL_KIND : T_CELL_KIND + places] = kinds
    for bucket, row in enumerate(rates):
        need = row * scale
        counts = shares_of(need, LOOKUP)
        rate = float((need[counts > 0] * LOOKUP / counts[counts > 0]).max())
        at = T_CELL + bucket * LOOKUP
        t[at : at + LOOKUP] = np.repeat(np.arange(places), counts)
        at = T_LIMIT + bucket * CELLS_MAX
        accept = np.divide(need * LOOKUP, rate * counts, out=np.zeros(places), where=counts > 0)
        t[at : at + places] = accept
        t[T_LIMIT_TOTAL + bucket] = row.sum()
        t[T_LIMIT_MULTIPLE + bucket] = rate / c.limits_per_s
    for kind in range(4):
        at = T_LIMIT_QUEUE + kind * QUEUES_MAX
        t[at : at + by_queue.shape[1]] = by_queue[kind] / most[kind]


def shares_of(weights: Reals, places: int) -> npt.NDArray[np.int64]:
    """Return whole shares of `places`, near the weights, at least one for each weight over 0."""
    counts = np.where(weights > 0, np.maximum(np.floor(weights / weights.sum() * places), 1), 0).astype(
        np.int64
    )
    while counts.sum() != places:
        lack = weights / weights.sum() * places - counts
        step = 1 if counts.sum() < places else -1
        open_ = (weights > 0) if step > 0 else (counts > 1)
        counts[int(np.argmax(np.where(open_, step * lack, -np.inf)))] += step
    return counts


def put_markets(t: Reals, c: Calibration) -> None:
    """Write with which chance market orders are accepted."""
    rates = np.array(c.markets)
    if not c.layers.queue_reactive:
        rates = np.repeat(rates.mean(axis=1, keepdims=True), rates.shape[1], axis=1)
    share = metaorders(c)[0]
    t[N_RATES + MARKETS] = 2 * c.markets_per_s * (1 - share)
    t[N_MARKETS_RATE] = c.markets_per_s
    for bucket, row in enumerate(rates):
        at = T_MARKET + bucket * QUEUES_MAX
        t[T_MARKET_MULTIPLE + bucket] = row.max() / c.markets_per_s
        t[at : at + len(row)] = row / max(row.max(), 1e-9)


def put_cancels(t: Reals, c: Calibration) -> None:
    """Write how often a slot of each class is struck, and with which chance the cancel is accepted."""
    by_distance = np.array(c.cancels_by_distance)
    both = np.array((c.cancels_by_queue, c.cancels_at_best or c.cancels_by_queue))
    by_queue = both if c.layers.queue_reactive else np.ones_like(both)
    at_best, behind = by_distance[0] * by_queue[1].max(), by_distance[1:].max() * by_queue[0].max()
    top = max(at_best, behind, 1e-9)
    t[N_CANCELS_CUT] = MULTIPLE_MAX * by_distance.max() * by_queue.max() / top
    for at, hazard in enumerate(c.class_hazards):
        t[N_RATES + CANCELS + at] = hazard * top
        t[N_HAZARDS + at] = hazard
    t[T_CANCEL_DISTANCE : T_CANCEL_DISTANCE + len(by_distance)] = by_distance / top
    for at, row in enumerate(by_queue):
        first = T_CANCEL_QUEUE + at * QUEUES_MAX
        t[first : first + len(row)] = row


def put_hawkes(t: Reals, c: Calibration) -> None:
    """Write by how much each event excites each kind; all that excites one kind sums to n."""
    h = c.hawkes
    branching = h.branching if c.layers.hawkes else 0.0
    t[N_DECAYS : N_DECAYS + 2] = h.decays_per_s
    t[N_BRANCHING] = branching
    weights = np.array(h.weights) / sum(h.weights)
    for whom in range(6):
        rows: tuple[Row, Row] = h.same[whom // 2], h.cross[whom // 2]
        total = sum(rows[0]) + sum(rows[1])
        for cause in range(6):
            row = rows[0] if whom % 2 == cause % 2 else rows[1]
            for at in range(2):
                t[T_EXCITE + cause * 12 + at * 6 + whom] = (
                    branching * row[cause // 2] / total * weights[at] * h.decays_per_s[at]
                )


def stationary(distances: Row, hazards: Row) -> float:
    """Return the mean lifetime in seconds of an order whose class is drawn by `distances`."""
    return math.fsum(share / hazard for share, hazard in zip(distances, hazards, strict=True))
