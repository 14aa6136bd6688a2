"""T4: a contender's parents on a tape, through the trader's own core and our real orders in the replay.

The replay does not react, so it flatters whoever trades much: a propagator (propagator.py) charges each
later fill for what earlier ones would have done to the price, at 0, 1 and 2 times its size. What crossing
costs is told twice: as displayed, and with the hidden price improvement that the recording shows.
"""

import gc
import itertools
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from daemon.trader.core import TraderCore
from daemon.trader.events import Settings as CoreSettings
from market.flow.tape import TapeFlow
from market.parents import ParentOrder
from market.types import ParentID, Side
from research.baselines.contenders import Contender
from research.training.offline import Run
from research.training.stand_in_gate import Gate
from research.validation import propagator
from research.validation.play import HIDDEN_IMPROVEMENT, HIDDEN_SHARE
from research.validation.tape_world import (
    LEVELS_MAX,
    ORDERS_MAX,
    SHARES,
    WARM_NS,
    Absent,
    OnTape,
    Window,
    absent,
)

TIMES: Final = (0.0, 1.0, 2.0)  # of the calibrated propagator
LATENCY_NS: Final = 10_000_000
FLAGGED: Final = 0.05  # of the touch's depth: displaced beyond it, a parent is flagged
BPS: Final = 10_000.0
NS: Final = 1_000_000_000
COLUMNS: Final = (
    *("cost", "spread", "timing", "opportunity", "off", "impact_1", "hidden_gain", "vwap", "participation"),
    *(
        "passive",
        "displaced",
        "flagged",
        "side",
        "qty",
        "filled",
        "window",
        "exogenous",
        "residual",
        "decisions",
        "share",
    ),
)
Columns = dict[str, NDArray[Any]]


def costs(who: Contender, chosen: list[Window], share: float) -> NDArray[np.float64]:
    """Return what a contender pays in some windows, both sides of one size: for tuning."""
    return np.array(
        [
            parent(who, window, absent(window), side, int(share * window.volume), LATENCY_NS)["cost"]
            for window in chosen
            for side in (Side.BUY, Side.SELL)
        ]
    )


def play(who: Contender, chosen: list[Window], latency_ns: int = LATENCY_NS) -> Columns:
    """Return a row for each window, size and side."""
    rows: list[dict[str, float]] = []
    for number, window in enumerate(chosen):
        world = absent(window)
        for share, side in itertools.product(SHARES, (Side.BUY, Side.SELL)):
            qty = int(share * window.volume)
            found = parent(who, window, world, side, qty, latency_ns)
            rows.append({"window": float(number), "share": share, **found})
        gc.collect()  # a run's core and exchange know each other; their books are some 10 MB each
    return {name: np.array([row[name] for row in rows]) for name in COLUMNS}


def parent(
    who: Contender, window: Window, world: Absent, side: Side, qty: int, latency_ns: int
) -> dict[str, float]:
    """Work one parent and return what it was."""
    tape, warm_ns = window.tape, window.begin_ns - WARM_NS
    instrument = tape.instrument
    order = ParentOrder(
        parent_id=ParentID("P1"), account="T4", side=side, qty=qty, symbol=instrument.symbol,
        mic=instrument.mic, start_ns=window.begin_ns, end_ns=window.end_ns - NS, must_complete=True,
    )  # fmt: skip
    policy = OnTape(who)
    settings = CoreSettings(
        interval_ns=who.settings.interval_ns, gap_ns=max(1, who.settings.gap_ns),
        corridor=who.settings.corridor, on_fill=who.settings.on_fill, on_touch=who.settings.on_touch,
        orders_max=ORDERS_MAX, levels_max=LEVELS_MAX,
    )  # fmt: skip
    core = TraderCore(settings, {instrument.symbol: instrument}, policy)
    flow = TapeFlow(tape.read(warm_ns, window.end_ns))
    run = Run(core, flow, instrument, (warm_ns, window.end_ns), [order], latency_ns)
    run.play()
    return facts(run.gate, order, window, world, flow.counters)


def facts(
    gate: Gate, order: ParentOrder, window: Window, world: Absent, counters: dict[str, int]
) -> dict[str, float]:
    """Return costs and parts, bps of the parent's arrival value; buying and selling alike, + = cost."""
    progress, sign = gate.progress[order.parent_id], order.side.sign
    assert progress.arrival_mid_micros, "a window has two sides when it begins"
    arrival = progress.arrival_mid_micros / 100.0
    qty = np.array([f.qty for f in gate.fills], dtype=np.float64)
    px = np.array([f.price_e4 for f in gate.fills], dtype=np.float64)
    ts: NDArray[np.int64] = np.array([f.ts_ns for f in gate.fills], dtype=np.int64)
    passive = np.array([f.passive for f in gate.fills], dtype=bool)
    mids = world.mid(ts, before=True)
    end = float(world.mid(np.array([order.end_ns]), before=False)[0])
    left = order.qty - qty.sum()
    unit = BPS * sign / (order.qty * arrival)
    spread = unit * float((qty * (px - mids)).sum())
    timing = unit * float((qty * (mids - arrival)).sum())
    opportunity = unit * float(left * (end - arrival))
    cost = unit * float((qty * (px - arrival)).sum() + left * (end - arrival))
    gain = HIDDEN_SHARE * HIDDEN_IMPROVEMENT * world.half_spread(ts) * qty * ~passive
    seconds = (window.end_ns - window.begin_ns) / NS
    scale = propagator.size(order.qty, seconds, world.sigma_bps, window.volume)
    since_s = (ts - window.begin_ns) / NS
    moved = propagator.shifts(since_s, qty, np.append(since_s, seconds), scale)
    displaced = counters["displaced"] + counters["voided"] + counters["purged"]
    paid = float((qty * px).sum() / qty.sum()) if qty.sum() else arrival
    return {
        "cost": cost, "spread": spread, "timing": timing, "opportunity": opportunity,
        "off": cost - spread - timing - opportunity,
        "impact_1": float((qty * moved[:-1]).sum() + left * moved[-1]) / order.qty,
        "hidden_gain": BPS * float(gain.sum()) / (order.qty * arrival),
        "vwap": BPS * sign * (paid - world.vwap) / arrival,
        "participation": float(qty.sum()) / window.volume,
        "passive": float(qty[passive].sum() / max(1.0, qty.sum())),
        "displaced": float(displaced), "flagged": float(displaced > FLAGGED * world.touch_depth),
        "side": float(sign), "qty": float(order.qty), "filled": float(qty.sum()),
        "exogenous": BPS * sign * (end - arrival) / arrival, "residual": cost - timing,
        "decisions": float(gate.intents),
    }  # fmt: skip
