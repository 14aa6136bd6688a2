"""Stylised facts of a stream of events: the same code for a recording and for a simulation of it.

A stream is the book standing at its beginning as ADDs flagged REVEAL, then MARKET_EVENTs in order, as
`Tape.read` returns it. What only enters or leaves a recorded window is no flow and is counted nowhere.
"""

import math
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.unreadable import UNREADABLE
from research.calibrate import curves, numbers, probes, samples
from research.calibrate import scan as s
from research.calibrate.blocks import NS, Blocks, evaluate
from research.whole import put

GRID_INSTANTS = 20_000  # a stream is sampled about so often, at most ten times a second
PROBES_MOST = 20_000  # laid at each side and end of the queue
EVENTS_LEAST = 500  # fewer say nothing about rates by state
MARKOUTS_S = (1, 5, 30)
POSITION_QUANTILES = (0.25, 0.5, 0.75)


class FactsError(Exception):
    """A stream from which nothing can be measured: one line."""


class Estimate(msgspec.Struct, frozen=True):
    """A number with its 95 % interval over blocks of time."""

    value: float
    low: float
    high: float


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is measured of one stream."""

    source: str
    begin_ns: int
    end_ns: int
    block_s: float
    tick_e4: int
    price_e4: int  # mean mid
    events: int
    trades: int
    numbers: dict[str, Estimate]
    distributions: dict[str, list[float]]
    halves: dict[str, float]  # how far those of its two halves are apart, in standard deviations
    curves: dict[str, tuple[list[float], list[float]]]
    position_edges: list[float]  # shares ahead of a probe that joined the end of the touch's queue
    probes: dict[str, Estimate]  # fill_front, fill_position_<k>, fill_last, realised_<s>s[_front], in bps


def grid_ns_of(begin_ns: int, end_ns: int) -> int:
    """Return the step of the grid on which the book is looked at."""
    return int(max((end_ns - begin_ns) // GRID_INSTANTS, NS // 10))


def measure(
    events: NDArray[np.void], tick_e4: int, begin_ns: int, end_ns: int, source: str,
    position_edges: list[float] | None = None, block_ns: int = 0,
) -> Facts:  # fmt: skip
    """Measure a stream; a simulation is given the recording's edges of queue positions.

    Raises:
        FactsError: too few events, or a side that is empty throughout.
    """
    grid_ns = grid_ns_of(begin_ns, end_ns)
    scan = s.scan(events, begin_ns, end_ns, grid_ns)
    check(scan, source)
    blocks = Blocks(begin_ns, end_ns, block_ns)
    numbers.gather(scan, blocks)
    found = evaluate(blocks.sums(), blocks.names, lambda sums: numbers.numbers(tick_e4, sums))
    mids, trades = samples.mids_of(scan), samples.trades_of(scan)
    every_ns = max((end_ns - begin_ns) // PROBES_MOST, NS // 10)
    laid = probes.probe(events, begin_ns, end_ns, every_ns)
    cell_blocks = Blocks(begin_ns, end_ns, block_ns)
    edges = probe_cells(laid, mids, cell_blocks, end_ns, position_edges)
    cells = evaluate(cell_blocks.sums(), cell_blocks.names, means)
    flow = (scan.rows[:, s.CLASS] <= s.HIDDEN) & (scan.rows[:, s.TS] > begin_ns)
    drawn: dict[str, curves.Curve] = {
        "signature": curves.signature(scan, mids),
        "sign_acf": curves.sign_acf(trades),
        "shape_of_day": curves.shape_of_day(scan),
    }
    for kind in ("market", "limit", "cancel"):
        drawn[f"response_{kind}"] = curves.response(scan, mids, kind)
    return Facts(
        source=source,
        begin_ns=begin_ns,
        end_ns=end_ns,
        block_s=blocks.block_ns / NS,
        tick_e4=tick_e4,
        price_e4=int(np.mean(mids.mid2)) // 2,
        events=int(flow.sum()),
        trades=len(trades.ts_ns),
        numbers=known(found),
        distributions=curves.distributions(scan, tick_e4),
        halves=curves.halves(scan, tick_e4),
        curves={name: finite(*curve) for name, curve in drawn.items()},
        position_edges=edges,
        probes=known(cells),
    )


def finite(x: list[float], y: list[float]) -> curves.Curve:
    """Return the points of a curve that are known."""
    kept = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(b)]
    return [a for a, _ in kept], [b for _, b in kept]


def check(scan: s.Scan, source: str) -> None:
    """Refuse a stream that cannot be measured."""
    count = int(((scan.rows[:, s.CLASS] <= s.HIDDEN) & (scan.rows[:, s.TS] > scan.begin_ns)).sum())
    if count < EVENTS_LEAST:
        raise FactsError(
            f"{source}: {count} events between --from and --to, at least {EVENTS_LEAST} are needed"
        )
    for name, column in (("bid", s.BID), ("ask", s.ASK)):
        if not (scan.rows[:, column] > 0).any():
            raise FactsError(f"{source}: {name} side empty throughout; a recording needs both sides")
    if not len(samples.spreads_of(scan)):
        raise FactsError(f"{source}: the book is never whole (bid below ask); nothing can be measured")


def quick(
    events: NDArray[np.void], tick_e4: int, begin_ns: int, end_ns: int, position_edges: list[float]
) -> dict[str, float]:  # fmt: skip
    """Return numbers and probes without intervals or curves: what a search looks at many times."""
    scan = s.scan(events, begin_ns, end_ns, grid_ns_of(begin_ns, end_ns))
    check(scan, "simulation")
    blocks, cells = Blocks(begin_ns, end_ns), Blocks(begin_ns, end_ns)
    numbers.gather(scan, blocks)
    laid = probes.probe(events, begin_ns, end_ns, max((end_ns - begin_ns) // PROBES_MOST, NS // 10))
    probe_cells(laid, samples.mids_of(scan), cells, end_ns, position_edges)
    found = numbers.numbers(tick_e4, totals(blocks))
    return {name: value for name, value in (found | means(totals(cells))).items() if math.isfinite(value)}


def totals(blocks: Blocks) -> dict[str, float]:
    """Return the sums over all blocks by name."""
    return dict(zip(blocks.names, map(float, blocks.sums().sum(axis=0)), strict=True))


def means(sums: dict[str, float]) -> dict[str, float]:
    """Return the mean under every name, not-a-number without observations."""
    names = [name for name in sums if not name.endswith(".n")]
    return {name: sums[name] / sums[name + ".n"] if sums[name + ".n"] else math.nan for name in names}


def probe_cells(
    laid: NDArray[np.int64], mids: samples.Mids, blocks: Blocks, end_ns: int, edges: list[float] | None
) -> list[float]:  # fmt: skip
    """Add to blocks, by position in the queue, fills and what they realise; return the edges of positions."""
    filled = laid[:, probes.P_STATE] == probes.FILLED
    last = laid[:, probes.P_FRONT] == 0
    ahead = laid[:, probes.P_AHEAD].astype(np.float64)
    if edges is None:
        found = np.quantile(ahead[last], POSITION_QUANTILES) if last.any() else np.zeros(0)
        edges = sorted({float(edge) for edge in found})
    where = np.searchsorted(np.array(edges), ahead, side="left")
    names = {f"fill_position_{k + 1}": last & (where == k) for k in range(len(edges) + 1)}
    names = {"fill_front": ~last, "fill_last": last, **names}
    for name, chosen in names.items():
        blocks.add(name, laid[chosen, probes.P_START], filled[chosen])
    for suffix, chosen in (("", last & filled), ("_front", ~last & filled)):
        rows = laid[chosen]
        price = rows[:, probes.P_PRICE].astype(np.float64)
        for seconds in MARKOUTS_S:
            at = rows[:, probes.P_END] + seconds * NS
            inside = at < end_ns
            mid = mids.at(at[inside]) / 2.0
            gain = rows[inside, probes.P_SIDE] * (mid - price[inside]) / mid * 1e4
            blocks.add(f"realised_{seconds}s{suffix}", rows[inside, probes.P_START], gain)
    return edges


def known(found: dict[str, tuple[float, float, float]]) -> dict[str, Estimate]:
    """Return the estimates that could be made; a number that is not known is absent, never zero."""
    return {name: Estimate(*map(float, row)) for name, row in found.items() if all(map(math.isfinite, row))}


def encoded(facts: Facts) -> bytes:
    """Return facts as JSON that a person can read."""
    return msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n"


def write(path: Path, facts: Facts) -> None:
    """Write facts as JSON, whole or not at all."""
    put(path, encoded(facts))


def read(path: Path) -> Facts:
    """Read facts.

    Raises:
        FactsError: the file is not there or holds something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Facts)
    except FileNotFoundError as error:
        raise FactsError(f"{path}: there is no such file; `steadyhand calibrate` writes it") from error
    except (OSError, *UNREADABLE) as error:
        raise FactsError(f"{path}: {' '.join(str(error).split())}; make it again") from error
