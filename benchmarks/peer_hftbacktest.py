"""Run by benchmarks/matching.py under a Python with hftbacktest: replays a file, a round for each line read.

    PYTHON peer_hftbacktest.py EVENTS.npy LOWEST HIGHEST TICK

Prints a line "ready VERSION", then for each line of stdin a line "WALL_S CPU_S BID ASK".
"""

import sys
import time

import numpy as np
from hftbacktest import BacktestAsset, ROIVectorMarketDepthBacktest, __version__
from numba import njit


@njit
def run(hbt):
    """Let the whole feed pass, in steps of 1,000 s, so that steps cost nothing."""
    while hbt.elapse(1_000_000_000_000) == 0:
        pass
    depth = hbt.depth(0)
    return depth.best_bid, depth.best_ask


def build(events, lowest, highest, tick):
    asset = (
        BacktestAsset()
        .data([events])
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .l3_fifo_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(tick)
        .lot_size(1.0)
        .roi_lb(lowest)
        .roi_ub(highest)
        .last_trades_capacity(0)
    )
    return ROIVectorMarketDepthBacktest([asset])


def main() -> None:
    path, lowest, highest, tick = sys.argv[1], *(float(word) for word in sys.argv[2:5])
    events = np.load(path)
    first = events[:100].copy()  # kept by a name: the peer takes only the address
    run(build(first, lowest, highest, tick))
    print("ready", __version__, flush=True)
    for _ in sys.stdin:
        fed = events.copy()
        hbt = build(fed, lowest, highest, tick)
        wall, cpu = time.perf_counter(), time.process_time()
        bid, ask = run(hbt)
        print(time.perf_counter() - wall, time.process_time() - cpu, bid, ask, flush=True)


if __name__ == "__main__":
    main()
