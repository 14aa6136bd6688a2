"""How full each limit is: right to the unit, of the fullest scope, and without touching anything."""

from typing import Any

import pytest

from daemon.metrics.catalogue import COUNTED
from market import desk_events as desk
from market.types import ExecType, OrdStatus
from risk.utilisation import ratio, utilisation
from tests.daemon.gate_harness import ASK, BID, World, limits
from tests.risk.test_levels import own


def world(law: Any) -> World:
    w = World(law)
    w.open()
    assert w.parent(qty=100_000)["ok"]
    return w


LAW: dict[str, dict[str, Any]] = {
    "allowed": {"symbols_max": 4},
    "exposure": {
        "long_max": 1_000,
        "gross_max_ccy": 100_010,
        "open_orders_max": 4,
        "open_notional_max_ccy": 100_000,
        "capital_max_ccy": 200_000,
    },
    "day": {"shares_max": 2_000, "messages_max": 20},
    "rates": {"orders_per_second": 4, "changes_per_second": 4},
    "fills": {"shares_max": 1_000},
    "rejects": {"count_max": 4},
    "loss": {"execution_max_ccy": 1_000, "drawdown_max_ccy": 100},
    "sessions": {"in_flight_max": 4},
    "machine": {"loop_lag_max_ms": 100, "clock_halt_us": 1_000, "drop_copy_lag_max_ms": 1_000},
    "lease": {"kill_after_ms": 10_000},
}


def test_the_use_of_each_limit() -> None:
    w = world(limits(**LAW))
    w.step(desk.LeaseRenewed(person="ann"))
    filled = w.working(200, ASK)
    w.fill(filled, 200, ASK)
    w.intent(300, BID)
    rejected = w.intent(100, BID)
    w.report(rejected.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED)
    w.step(desk.MachineMeasured(loop_lag_ms=50, clock_offset_us=-100, drop_copy_lag_ms=10))
    state = w.core.state.risk.firm.tally.sent.state()
    used = utilisation(w.core.state.risk, w.now)

    assert used["R02"] == 0.25
    assert used["R10"] == 0.5
    assert used["R12"] == 0.3  # 30,000 of 100,000; one order of four is less
    assert used["R19"] == 0.25
    assert used["R20"] == 0.75
    assert used["R21"] == 0.15
    assert used["R22"] == 0.0
    assert used["R25"] == 0.2
    assert used["R26"] == 0.25
    assert used["R30"] == 0.004  # 0.02 on 200 shares
    assert used["R31"] == 0.04
    assert used["R65"] == 0.25
    assert (used["R64"], used["R63"], used["R62"]) == (0.5, 0.1, 0.01)
    assert set(used) == set(COUNTED)
    assert w.core.state.risk.firm.tally.sent.state() == state


def test_the_fullest_scope_counts() -> None:
    w = world(own("strategy", exposure={"long_max": 400}))
    w.working(200)

    assert utilisation(w.core.state.risk, w.now)["R10"] == 0.5


@pytest.mark.parametrize(("value", "limit", "found"), [(0, 0, 0.0), (1, 0, 1.0), (-5, 10, 0.0), (5, 10, 0.5)])
def test_of_a_limit_of_nothing_any_use_is_all_of_it(value: int, limit: int, found: float) -> None:
    assert ratio(value, limit) == found


def test_messages_for_the_fills_count_once_they_are_judged() -> None:
    w = world(limits(rates={"judged_after": 1, "messages_per_fill": 4}))
    for n in range(2):
        w.working(10 + n)

    assert utilisation(w.core.state.risk, w.now)["R22"] == 0.5
