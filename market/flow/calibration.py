"""Calibration: the numbers that make the queue-reactive flow into one market, with where they come from.

Rates are per second and per side. Quantities are in the instrument's own units, distances in ticks. Each
layer has a switch, so that what it contributes can be shown by leaving it out. A calibration is a JSON file
that a person can read and change; unknown keys are refused.
"""

import itertools
from pathlib import Path

import msgspec

from market.unreadable import UNREADABLE

# the kernels freeze these values
INSIDE = 4  # cells of a limit price inside the spread: its quarters
UNDERCUT = 4  # one tick better than the own best
BEST = 5  # joins the own best
BEHIND = 6  # cells from here on: behind the own best, by `behind_edges`
CELLS_MAX = 24  # places of a limit order: six near the touch, eighteen behind it
SPREADS_MAX = 8  # a table for each; a day of data fills no more
QUEUES_MAX = 8  # as above
CLASSES = 3  # lifetimes of limit orders: fleeting, short, long
REGIMES = 3
SIZES_MAX = 32  # an empirical law of sizes with its round lots
INTRADAY_MAX = 96  # quarters of an hour of a day that never closes
BRANCHING_MAX = 0.9  # above it a book of hours does not settle
FILE_BYTES_MAX = 1 << 20  # a calibration is some 10 kB
HISTORY_S_MAX = 604_800  # a week: metaorders are drawn over it before the flow begins
NAME_MAX = 64  # validation tunes rules under it, in a file of that name

Row = tuple[float, ...]


class Layers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which layers act."""

    queue_reactive: bool = True  # off: rates do not look at queue sizes
    hawkes: bool = True
    metaorders: bool = True
    value: bool = True  # off: F stands still and nobody trades toward it
    reading: bool = True  # off: nobody learns from trades
    latent: bool = True
    intraday: bool = True  # off: neither U-shape nor regimes
    hidden: bool = True


class Hawkes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How events excite events; rows are whom (L M C), columns by what (L M C)."""

    branching: float = 0.6
    decays_per_s: tuple[float, float] = (8.0, 0.25)
    weights: tuple[float, float] = (0.6, 0.4)  # of the two exponentials
    same: tuple[Row, ...] = ((4.0, 1.0, 1.0), (0.5, 6.0, 0.5), (1.0, 1.0, 4.0))
    cross: tuple[Row, ...] = ((1.0, 2.0, 0.5), (0.2, 0.8, 0.2), (0.5, 2.0, 1.0))


class Metaorders(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Large orders of others, sent in children."""

    share: float = 0.5  # of all market orders
    alpha: float = 1.5  # tail of the number of children
    children_min: float = 4.0
    children_max: float = 2000.0
    pov_min: float = 0.01
    pov_max: float = 0.05
    history_s: int = 7200  # how long they have been arriving when the flow begins


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The exogenous efficient price F, and what is done about its distance to mid."""

    sigma_bps: float = 0.6  # per square root of a second
    jumps_per_s: float = 0.001
    jump_bps: float = 3.0
    informed: float = 0.5  # relative change of market orders per unit of distance
    informed_limits: float = 0.2  # of limit orders
    informed_cancels: float = 0.0  # of cancels of what stands on the wrong side of value
    curve: float = 0.0  # 0: linear in the distance, 1: quadratic
    belief: float = 0.0  # the share of a lasting distance that is taken for value after all
    belief_life_s: float = 900.0


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What everybody makes of a market order, ours included: it shifts what is taken for value, and fades.

    It is linear in size up to `sizes_most`, so that nothing is gained by splitting or pumping; that impact
    grows like a root of size comes from its fading in several lives while an order is worked.
    """

    kick_bps: float = 0.0  # of a market order of the mean size
    sizes_most: float = 5.0  # mean sizes: more says no more
    lives_s: tuple[float, float, float] = (10.0, 100.0, 1000.0)
    weights: tuple[float, float, float] = (0.5, 0.3, 0.2)


class Latent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What steps in when mid has gone away from value."""

    limits: float = 0.5  # c: opposite-side arrival x (1 + c * distance)
    cancels: float = 0.25  # opposite-side cancels / (1 + this * distance)
    curve: float = 0.0  # 0: linear in the distance, 1: quadratic


class Regime(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One state of the market, as multiples of the ordinary."""

    limits: float = 1.0
    markets: float = 1.0
    cancels: float = 1.0
    sigma: float = 1.0


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was written down for latency; nothing reads it, so a calibration may not say otherwise.

    Latency is the agent's, not the market's: a scenario of the environment has its own. The field stays
    because a calibration's text is part of what every release was hashed over.
    """

    feed_us: float = 400.0  # median
    feed_sigma: float = 0.8
    feed_range_us: tuple[float, float] = (50.0, 5_000.0)
    order_us: float = 3_000.0
    order_sigma: float = 0.8
    order_range_us: tuple[float, float] = (500.0, 50_000.0)


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One market. Tables that lack a row or a cell are refused by `problems`."""

    name: str
    price_e4: int
    tick_e4: int
    unit_e4: int  # distances of mid to value are counted in it: the typical spread, say
    mean_size: int  # the average event size; queues are counted in it
    spread_edges: tuple[int, ...]  # ticks: bucket i holds [edge i, edge i+1)
    behind_edges: tuple[int, ...]  # ticks: cell BEHIND + i holds [edge i, edge i+1)
    queue_edges: Row  # bucket i holds queues below edge i mean sizes, the last bucket the rest
    limits: tuple[Row, ...]  # [spread bucket][cell]
    limits_by_queue: tuple[Row, ...]  # [at best, one level or cell behind, further][queue bucket]
    inside_by_queue: Row = ()  # factors of orders inside the spread by the own best queue; none = 1
    markets: tuple[Row, ...]  # [spread bucket][bucket of the queue that would be hit]
    class_hazards: Row  # cancels per order and second of each class, at factor 1
    class_shares: tuple[Row, ...]  # [cell][class]
    cancels_by_distance: Row  # factors: at best, then by behind_edges, the last one beyond them
    cancels_by_queue: Row  # factors by the bucket of the order's own queue
    cancels_at_best: Row = ()  # the same for orders at the best price; none = as all
    limit_sizes: tuple[tuple[int, float], ...]
    market_sizes: tuple[tuple[int, float], ...]
    inside_sizes: tuple[tuple[int, float], ...] = ()  # of limit orders inside the spread; none = as all
    clip: float = 0.8  # of market orders take at most the best queue
    levels_most: int = 5  # what the others may take
    partial: float = 0.05  # of cancels take half
    hidden: float = 0.0  # of market orders print inside the spread against hidden orders
    limits_per_s: float = 0.0  # measured means per side, for Hawkes and metaorders to be relative to
    markets_per_s: float = 0.0
    cancels_per_s: float = 0.0
    layers: Layers = Layers()
    hawkes: Hawkes = Hawkes()
    metaorders: Metaorders = Metaorders()
    value: Value = Value()
    reading: Reading = Reading()
    latent: Latent = Latent()
    intraday: Row = (1.0,)  # multiples of all rates over the session, in equal bins
    session_s: float = 23_400.0
    regimes: tuple[Regime, ...] = (Regime(), Regime(), Regime())
    regime_stay_s: Row = (900.0, 900.0, 900.0)  # mean stay; it leaves to each of the others alike
    latency: Latency = Latency()
    provenance: dict[str, str] = {}
    fit: dict[str, float] = {}


def load(path: Path) -> Calibration:
    """Return the calibration of a file.

    Raises:
        ValueError: it is missing, too large, not a calibration, or holds what cannot be.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    if len(text) > FILE_BYTES_MAX:
        raise ValueError(f"{path}: larger than {FILE_BYTES_MAX} bytes, not a calibration")
    try:
        calibration = msgspec.json.decode(text, type=Calibration)
    except UNREADABLE as error:
        raise ValueError(f"{path}: {error}") from error
    found = problems(calibration)
    if found:
        raise ValueError(f"{path}: {'; '.join(found)}")
    return calibration


def dump(calibration: Calibration) -> bytes:
    """Return the JSON text of a calibration."""
    return msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n"


def cells(calibration: Calibration) -> int:
    """Return how many cells a limit order may be placed in."""
    return BEHIND + len(calibration.behind_edges) - 1


def problems(c: Calibration) -> list[str]:
    """Return what is wrong with a calibration, one clear line each."""
    spreads, queues, places = len(c.spread_edges), len(c.queue_edges) + 1, cells(c)
    claims = [
        (named(c.name), f"name: 1 to {NAME_MAX} printable characters, no / and no . at its begin"),
        (0 < c.tick_e4 <= c.price_e4, "tick_e4 must lie in 1..price_e4"),
        (c.unit_e4 > 0 and c.mean_size > 0, "unit_e4 and mean_size must be positive"),
        (1 <= spreads <= SPREADS_MAX, f"spread_edges: 1 to {SPREADS_MAX}"),
        (c.spread_edges[:1] == (1,) and rising(c.spread_edges), "spread_edges must rise from 1"),
        (len(c.behind_edges) >= 2 and places <= CELLS_MAX, f"behind_edges: 2 to {CELLS_MAX - BEHIND + 1}"),
        (c.behind_edges[:1] == (1,) and rising(c.behind_edges), "behind_edges must rise from 1"),
        (queues <= QUEUES_MAX and rising(c.queue_edges), f"queue_edges: at most {QUEUES_MAX - 1}, rising"),
        (shaped(c.limits, spreads, places), f"limits must be {spreads} x {places}, >= 0"),
        (shaped(c.limits_by_queue, 3, queues), f"limits_by_queue must be 3 x {queues}, >= 0"),
        (
            not c.inside_by_queue or shaped((c.inside_by_queue,), 1, queues),
            f"inside_by_queue: {queues}, >= 0",
        ),
        (shaped(c.markets, spreads, queues), f"markets must be {spreads} x {queues}, >= 0"),
        (shaped((c.class_hazards,), 1, CLASSES), f"class_hazards: {CLASSES}, >= 0"),
        (shaped(c.class_shares, places, CLASSES), f"class_shares must be {places} x {CLASSES}, >= 0"),
        (all(sum(row) > 0 for row in c.class_shares), "class_shares: a row sums to 0"),
        (shaped((c.cancels_by_distance,), 1, places - BEST + 1), f"cancels_by_distance: {places - BEST + 1}"),
        (
            not c.cancels_at_best or shaped((c.cancels_at_best,), 1, queues),
            f"cancels_at_best: {queues}, >= 0",
        ),
        (shaped((c.cancels_by_queue,), 1, queues), f"cancels_by_queue: {queues}, >= 0"),
        (sized(c.limit_sizes), f"limit_sizes: 1 to {SIZES_MAX} pairs of size > 0 and weight >= 0"),
        (not c.inside_sizes or sized(c.inside_sizes), f"inside_sizes: at most {SIZES_MAX} pairs"),
        (sized(c.market_sizes), f"market_sizes: 1 to {SIZES_MAX} pairs of size > 0 and weight >= 0"),
        (all(0 <= x <= 1 for x in (c.clip, c.partial, c.hidden)), "clip, partial, hidden: within 0..1"),
        (c.levels_most >= 1, "levels_most must be at least 1"),
        (min(c.limits_per_s, c.markets_per_s, c.cancels_per_s) > 0, "the mean rates must be positive"),
        (1 <= len(c.intraday) <= INTRADAY_MAX and min(c.intraday) > 0, "intraday must be positive"),
        (len(c.regimes) == len(c.regime_stay_s) == REGIMES, f"regimes: {REGIMES}"),
        (min(c.regime_stay_s) >= 1 and c.session_s >= 1, "regime_stay_s and session_s: at least 1"),
        (c.latency == Latency(), "latency: nothing reads it; leave it away, a scenario has its own"),
        *layer_claims(c),
    ]
    return [text for true, text in claims if not true]


def layer_claims(c: Calibration) -> list[tuple[bool, str]]:
    """Return what must be true of the layers."""
    h, m = c.hawkes, c.metaorders
    return [
        (0 <= h.branching <= BRANCHING_MAX, f"hawkes.branching must lie in 0..{BRANCHING_MAX}"),
        (shaped(h.same, 3, 3) and shaped(h.cross, 3, 3), "hawkes.same and cross must be 3 x 3, >= 0"),
        (all(sum(s) + sum(x) > 0 for s, x in zip(h.same, h.cross, strict=False)), "hawkes: a row sums to 0"),
        (min(h.decays_per_s) > 0 and min(h.weights) >= 0 and sum(h.weights) > 0, "hawkes: decays, weights"),
        (0 <= m.share <= 0.95 and m.alpha > 1, "metaorders: share in 0..0.95, alpha over 1"),
        (1 <= m.children_min < m.children_max, "metaorders: children_min from 1, below children_max"),
        (0 < m.pov_min <= m.pov_max <= 1, "metaorders: 0 < pov_min <= pov_max <= 1"),
        (min(c.value.sigma_bps, c.value.jumps_per_s, c.value.jump_bps) >= 0, "value: sigma and jumps from 0"),
        (
            min(c.value.informed, c.value.informed_limits, c.value.informed_cancels) >= 0,
            "value: informed, informed_limits and informed_cancels from 0",
        ),
        (min(c.latent.limits, c.latent.cancels) >= 0, "latent: limits and cancels from 0"),
        (
            all(min(r.limits, r.markets, r.cancels, r.sigma) >= 0 for r in c.regimes),
            "regimes: multiples from 0",
        ),
        (0 <= c.metaorders.history_s <= HISTORY_S_MAX, f"metaorders: history_s in 0..{HISTORY_S_MAX}"),
        (0 <= c.value.belief < 1 and c.value.belief_life_s >= 1, "value: belief in [0, 1), life from 1"),
        (0 <= c.value.curve <= 1 and 0 <= c.latent.curve <= 1, "curve must lie in 0..1"),
        (c.reading.kick_bps >= 0 and min(c.reading.lives_s) > 0, "reading: kick from 0, lives over 0"),
        (min(c.reading.weights) >= 0 and c.reading.sizes_most > 0, "reading: weights from 0, sizes over 0"),
    ]


def named(name: str) -> bool:
    """Say whether a name may be a file's and stand on a terminal."""
    return 0 < len(name) <= NAME_MAX and name.isprintable() and "/" not in name and name[0] != "."


def rising(edges: Row) -> bool:
    """Say whether numbers rise."""
    return all(a < b for a, b in itertools.pairwise(edges))


def shaped(table: tuple[Row, ...], rows: int, columns: int) -> bool:
    """Say whether a table has this shape and nothing negative (a NaN is neither)."""
    return len(table) == rows and all(len(row) == columns and all(x >= 0 for x in row) for row in table)


def sized(sizes: tuple[tuple[int, float], ...]) -> bool:
    """Say whether a law of sizes is one."""
    return 1 <= len(sizes) <= SIZES_MAX and all(s > 0 <= w for s, w in sizes) and sum(w for _, w in sizes) > 0
