"""Worlds in which R07, R15, R25, R26, R31 and R32 bind, audited: nothing leaves that they should keep."""

import os
from typing import Any

import pytest

from risk.limits import Limits
from tests.daemon.gate_harness import limits
from tests.independent.hostile import MS, Attack
from tests.independent.test_hostile_policy import NEVER, law_of
from tests.independent.wire_trips import TripChecker, Trips

SEEDS = 200 if os.environ.get("STEADYHAND_LONG") else 3
TURNS = 600
AFTER = 150  # turns that go on once something has tripped
SHOWN = 400

# What each world narrows: the gate's limits, and the same in the auditor's words.
WORLDS: dict[str, tuple[dict[str, Any], Trips]] = {
    "R07 depth": ({"impact": {"depth_max_bp": 5_000}}, Trips(depth_bp=5_000)),
    "R07 walk": ({"impact": {"walk_max_bp": 2}}, Trips(walk_bp=2)),
    "R15": (
        {"participation": {"share_max_bp": 1_000, "window_ms": 5_000, "free_qty": 20}},
        Trips(share_bp=1_000, share_window_ns=5_000 * MS, free_qty=20),
    ),
    "R25": (
        {"fills": {"shares_max": 600, "window_ms": 1_000}},
        Trips(fast_shares=600, fast_window_ns=1_000 * MS),
    ),
    "R25 value": (
        {"fills": {"notional_max_ccy": 50_000, "window_ms": 1_000}},
        Trips(fast_value_e4=50_000 * 10_000, fast_window_ns=1_000 * MS),
    ),
    "R26": (
        {"rejects": {"count_max": 6, "window_ms": 2_000}}, Trips(rejects=6, rejects_window_ns=2_000 * MS),
    ),
    "R31": ({"loss": {"drawdown_max_ccy": 60}}, Trips(fall_micros=60 * 10**6)),
    "R32": (
        {"slippage": {"pause_bps": 3, "halt_bps": 6, "after_bp": 500}},
        Trips(pause_bp=3, halt_bp=6, after_bp=500),
    ),
}  # fmt: skip


def wide(**narrow: dict[str, Any]) -> Limits:
    """Limits that do not bind but for those of a world."""
    tree: dict[str, dict[str, Any]] = {
        "allowed": {"times_in_force": ("DAY", "IOC", "FOK")},  # the closing cross is another market
        "rates": {"breaches_to_halt": NEVER, "orders_per_second": 200, "orders_per_second_symbol": 200},
        "market": {"collar_breaches_to_halt": NEVER, "vwap_collar_bp": 10_000},
        "policy": {"invalid_to_halt": NEVER},
        "rejects": {"count_max": NEVER, "share_of": 1_000},
        "slippage": {"pause_bps": 10**9, "halt_bps": 10**9},
        "impact": {"walk_max_bp": 10_000},
        "fills": {"shares_max": NEVER},
        "loss": {"execution_max_ccy": 10**9, "drawdown_max_ccy": 10**9, "fee_e4": 0},
    }
    for table, values in narrow.items():
        tree.setdefault(table, {}).update(values)
    return limits(**tree)


def attack(name: str, seed: int, blind: bool = False) -> Attack:
    """A world; `blind`: the gate's own limits are wide, the auditor's are not."""
    narrow, trips = WORLDS[name]
    law = wide(**narrow)
    return Attack(seed, wide() if blind else law, TripChecker(law_of(law), {}, trips), shown=SHOWN)


@pytest.mark.parametrize("name", WORLDS)
def test_nothing_leaves_that_a_trip_or_the_market_should_have_kept(name: str) -> None:
    bound = passed = 0
    control = name.partition(" ")[0]
    for seed in range(SEEDS):
        a, left = attack(name, seed), TURNS
        assert isinstance(a.checker, TripChecker)
        while left:
            a.turn()
            left -= 1
            if a.checker.tripped and left > AFTER:
                left = AFTER
        assert a.checker.breaches == [], f"seed {seed}: {a.checker.tripped}"
        assert a.world.core.state.breaks == [], f"seed {seed}"
        refused = a.world.core.state.risk.refusals.get(control, 0)
        bound += bool(a.checker.tripped) if control in ("R25", "R26", "R31", "R32") else refused > 0
        passed += a.passed
    assert bound >= 2, "a limit that never binds proves nothing"
    assert passed > 20 * SEEDS


@pytest.mark.parametrize("name", WORLDS)
def test_the_auditor_sees_a_gate_that_does_not_look(name: str) -> None:
    found: set[str] = set()
    for seed in range(3):
        a = attack(name, seed, blind=True)
        for _ in range(TURNS):
            a.turn()
        found |= {breach.split()[0] for breach in a.checker.breaches}

    assert name.partition(" ")[0] in found
