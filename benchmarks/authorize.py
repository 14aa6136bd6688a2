"""What one order costs in the risk overlay: every control, 50 open orders, no IO.

    python benchmarks/authorize.py [--orders 20000] [--open 50] [--symbols 1]

Times `RiskOverlay.check` alone, of a whole gate core that holds open orders, fills and prices. New orders and
replaces alternate; half of the open orders rest on each side of an order's own. Prints JSON, microseconds.
"""

import argparse
import gc
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from market.events import Stamp
from market.orders import NewOrder
from risk.case import Decision
from risk.overlay import Context
from risk.verdict import Approved
from tests.daemon.gate_harness import BID, World, limits

FREE = {
    "rates": {
        "orders_per_second": 10**6,
        "orders_per_second_symbol": 10**6,
        "changes_per_second": 10**6,
        "duplicates": 10**6,
        "messages_per_fill": 10**6,
    },
    "day": {"messages_max": 10**9},
    "sessions": {"in_flight_max": 10**6},
}
BETWEEN_NS = 20_000_000  # 50 orders a second


def world(open_orders: int) -> World:
    """A gate that works a parent with so many orders open."""
    w = World(limits(**FREE))
    w.open()
    assert w.parent(qty=100_000)["ok"]
    for n in range(open_orders):
        w.working(100, BID - 100 * (n % 25))
        w.now += BETWEEN_NS
    chain = next(iter(w.core.state.chains))
    w.fill(chain, 10, BID)
    w.wait(2.0)
    return w


def measure(w: World, orders: int) -> list[float]:
    """Check orders one after the other; return microseconds."""
    g, taken = w.core.state, []
    parent = g.parents["P1"]
    first = next(iter(g.chains.values()))
    for n in range(orders):
        w.now += BETWEEN_NS
        w.ts += BETWEEN_NS
        g.references.alive_mono_ns = w.now
        order = NewOrder(
            cl_ord_id=f"B-{n}",
            parent_id="P1",
            account="PAPER",
            symbol="SYN",
            mic="XNAS",
            side=first.terms.side,
            qty=100 + n % 7,
            ord_type=first.terms.ord_type,
            price_e4=BID - 100 * (n % 30),
            time_in_force=first.terms.time_in_force,
        )
        decision = Decision(w.now - 1_000_000, "twap", "", 10**6 + n)
        context = Context(Stamp(w.ts, w.now), None, parent.order, parent.progress, decision)
        g.ledger.unvalued["SYN"] = None  # the order before has changed the book
        begin = time.perf_counter_ns()
        verdict = g.risk.check(order, context)
        taken.append((time.perf_counter_ns() - begin) / 1e3)
        assert isinstance(verdict, Approved), verdict.failures
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--open", type=int, default=50)
    args = parser.parse_args()
    w = world(args.open)
    measure(w, 1_000)
    gc.collect()
    gc.freeze()
    gc.disable()
    taken = sorted(measure(w, args.orders))
    quantiles = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
    found = {name: round(taken[int(len(taken) * q)], 2) for name, q in quantiles.items()}
    print(json.dumps({"orders": args.orders, "open_orders": w.core.open_orders, "us": found}))


if __name__ == "__main__":
    main()
