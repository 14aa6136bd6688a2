"""Whatever a policy asks for and whenever the EMS answers, no order breaks a limit (P4, P13, GR3 to GR6).

`STEADYHAND_LONG=1` drives a million orders instead of some ten thousand.
"""

import os
import random

import pytest

from market import events as ev
from risk.limits import Limits
from tests.daemon.gate_harness import World, limits
from tests.independent.hostile import MS, Attack
from tests.independent.wire_checker import Law, WireChecker

NEVER = 2**31 - 1
FIX_59 = {"DAY": "0", "IOC": "3", "FOK": "4", "CLOSE": "7"}
ORDERS = 1_000_000 if os.environ.get("STEADYHAND_LONG") else 12_000
WORLDS = 8
TURNS = 1_500


def law_of(world: Limits) -> Law:
    """Say the limits in the auditor's words."""
    order, market, open_, rates = world.order, world.market, world.exposure, world.rates
    return Law(
        qty_max=order.qty_max,
        notional_max=order.notional_max_ccy * 10**6,
        collar_bp=market.collar_bp,
        age_max_ns=market.age_max_ms * MS,
        spread_max_bp=market.spread_max_bp,
        long_max=open_.long_max,
        short_max=open_.short_max,
        open_orders_max=open_.open_orders_max,
        open_orders_symbol_max=open_.open_orders_symbol_max,
        open_notional_max=open_.open_notional_max_ccy * 10**6,
        per_second=rates.orders_per_second,
        per_second_symbol=rates.orders_per_second_symbol,
        duplicates=rates.duplicates,
        duplicate_window_ns=rates.duplicate_window_ms * MS,
        loss_max=world.loss.execution_max_ccy * 10**6,
        fee_e4=world.loss.fee_e4,
        order_types=frozenset({"2"}),
        times_in_force=frozenset(FIX_59[name] for name in world.allowed.times_in_force),
        account="PAPER",
        gross_max=open_.gross_max_ccy * 10**6,
        net_max=open_.net_max_ccy * 10**6,
        traded_max=world.day.notional_max_ccy * 10**6,
        messages_max=world.day.messages_max,
        changes_per_second=rates.changes_per_second,
        shorts=not world.shorts.mark_required,
    )


def narrow(seed: int) -> Limits:
    """Limits that such a policy meets all the time; what would stop the world early hardly ever does."""
    rng = random.Random(seed)
    marked = rng.random() < 0.5  # else the market knows no marking, and the position's limit alone holds
    return limits(
        order={"qty_max": rng.choice((300, 700)), "notional_max_ccy": rng.choice((30_000, 60_000))},
        exposure={
            "long_max": rng.choice((400, 1_500, 5_000)),
            "short_max": rng.choice((0, 400, 1_500, 5_000)),
            "open_orders_max": rng.choice((6, 20, 60)),
            "open_orders_symbol_max": rng.choice((3, 14, 40)),
            "open_notional_max_ccy": rng.choice((60_000, 300_000)),
            "gross_max_ccy": rng.choice((100_000, 2_000_000)),
            "net_max_ccy": rng.choice((80_000, 2_000_000)),
        },
        day={
            "notional_max_ccy": rng.choice((400_000, 5_000_000)),
            "messages_max": rng.choice((150, 5_000)),
        },
        shorts={"permitted": False, "mark_required": marked, "locate_required": False},
        rates={
            "orders_per_second": rng.choice((12, 60)),
            "orders_per_second_symbol": rng.choice((8, 40)),
            "breaches_to_halt": NEVER,
            "duplicates": rng.choice((3, 6)),
            "changes_per_second": rng.choice((4, 40)),
        },
        market={"collar_breaches_to_halt": NEVER, "vwap_collar_bp": 10_000},
        policy={"invalid_to_halt": NEVER},
        rejects={"count_max": NEVER, "share_of": 1_000},
        slippage={"pause_bps": 10**9, "halt_bps": 10**9},
        loss={
            "execution_max_ccy": rng.choice((3_000, 100_000)),
            "drawdown_max_ccy": NEVER,
            "reduce_at_bp": 10_000,
            "fee_e4": 10,
        },
    )


def attack(seed: int) -> Attack:
    law = narrow(seed)
    return Attack(seed, law, WireChecker(law_of(law), {}))


@pytest.mark.parametrize("world", range(WORLDS))
def test_no_order_breaks_a_limit(world: int) -> None:
    asked = passed = 0
    seed = world
    while asked < ORDERS // WORLDS:
        a = attack(seed)
        for _ in range(TURNS):
            a.turn()
            if a.over:
                break
        assert a.checker.breaches == [], f"seed {seed}"
        assert a.world.core.state.breaks == [], f"seed {seed}: gate and EMS disagree"
        asked += a.asked
        passed += a.passed
        seed += WORLDS
    assert passed > 5, "an attack that nothing passes proves nothing"


@pytest.mark.parametrize("seed", range(20))
def test_after_a_kill_nothing_leaves_and_everything_is_pulled(seed: int) -> None:
    a = attack(1_000 + seed)
    for _ in range(random.Random(seed).randint(50, 400)):
        a.turn()
    a.step(ev.Kill(source="cli", reason="test"))
    a.checker.killed = True
    for _ in range(300):
        a.turn()
    for _ in range(400):  # the market calms down, and the EMS answers everything
        a.ems.act()
        a.deliver(8)
        a.wait(100 * MS)
    assert a.checker.breaches == []
    assert a.world.core.open_orders == 0


def test_the_auditor_sees_a_gate_that_does_not_look() -> None:
    """The proof of the proof: with wide limits in the gate, every limit of the auditor is broken."""
    narrow_law = law_of(narrow(3))
    wide = limits(
        order={"qty_max": 10**6, "notional_max_ccy": 10**9},
        exposure={"open_notional_max_ccy": 10**9},
        rates={"duplicates": NEVER, "orders_per_second": 10**6, "orders_per_second_symbol": 10**6},
        market={"collar_bp": 9_000, "spread_max_bp": 10_000, "vwap_collar_bp": 10_000},
        policy={"invalid_to_halt": NEVER},
        impact={"walk_max_bp": 10_000, "depth_max_bp": 10**9},
        loss={"execution_max_ccy": 10**9, "drawdown_max_ccy": 10**9},
        slippage={"pause_bps": 10**9, "halt_bps": 10**9},
    )
    a = Attack(5, wide, WireChecker(narrow_law, {}))
    for _ in range(3_000):
        a.turn()
    found = {breach.split()[0] for breach in a.checker.breaches}
    assert {"R03", "R04", "R05", "R06", "R10", "R12", "R20", "R24"} <= found


def test_the_same_seed_attacks_in_the_same_way() -> None:
    first, second = attack(11), attack(11)
    for a in (first, second):
        for _ in range(400):
            a.turn()
    assert first.world.core.state_hash() == second.world.core.state_hash()
    assert isinstance(first.world, World)
