"""Limits that change while orders are open judge what comes next as if they had always held."""

import random
from typing import Any

import pytest

from market.orders import ReplaceOrder
from market.types import ExecType, OrdStatus, Side
from risk import commands as co
from risk.limits import Limits
from tests.daemon.gate_harness import ASK, BID, LIMITS, World
from tests.daemon.people import sign

# Under these the small orders of a morning pass as they do under the wide ones.
NARROW: dict[str, dict[str, Any]] = {
    "order": {"qty_max": 350, "notional_max_ccy": 34_000},
    "exposure": {
        "long_max": 900, "open_orders_max": 13, "open_orders_symbol_max": 12, "gross_max_ccy": 85_000,
        "net_max_ccy": 80_000, "open_notional_max_ccy": 60_000, "capital_max_ccy": 82_000,
    },
    "day": {"notional_max_ccy": 120_000, "shares_max": 1_150, "messages_max": 90},
    "fills": {"shares_max": 700},
    "rejects": {"count_max": 4},
    "rates": {"orders_per_second": 4, "changes_per_second": 3, "duplicates": 4},
    "repeats": {"starts_max": 3},
}  # fmt: skip
STANDS = (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED)
MORNING, AFTERNOON = 11, 50


def narrow(version: int) -> Limits:
    tree = LIMITS.model_dump()
    for name, values in NARROW.items():
        tree[name].update(values)
    return Limits.model_validate(tree | {"version": version})


def moved(w: World, rng: random.Random, qty_max: int, waits_s: tuple[float, ...]) -> tuple[Any, ...]:
    """Let something happen, the same in both worlds; return what the gate said."""
    w.wait(rng.choice(waits_s))
    what, qty = rng.random(), rng.randrange(1, qty_max)
    price = BID - 100 * rng.randrange(6)
    live = [c for c in w.core.state.live_chains() if c.status in STANDS]
    chain = rng.choice(live) if live else None
    if chain is None or what < 0.55:
        said = w.intent(qty, price, Side.BUY)
        if hasattr(said, "cl_ord_id"):
            if rng.random() < 0.15:
                w.report(said.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED)
            else:
                w.accept(said)
    elif what < 0.75:
        said = w.fill(chain.chain_id, rng.randrange(1, chain.leaves_qty + 1), chain.terms.price_e4 or ASK)
    elif what < 0.9:
        said = w.replace(chain.chain_id, qty, price)
        if isinstance(said, ReplaceOrder):
            leaves = said.terms.qty - chain.cum_qty
            w.report(
                said.cl_ord_id, ExecType.REPLACED, OrdStatus.NEW, orig_cl_ord_id=said.orig_cl_ord_id,
                order_qty=said.terms.qty, cum_qty=chain.cum_qty, leaves_qty=leaves, price_e4=price,
            )  # fmt: skip
    else:
        said = w.cancel(chain.chain_id)
    state = w.core.state
    controls = tuple(sorted(getattr(said, "controls", ())))
    return (controls, getattr(said, "qty", 0), w.core.posture.name, tuple(sorted(state.posture.causes)))


@pytest.mark.parametrize("seed", range(24))
def test_limits_applied_between_orders_judge_as_if_they_had_always_held(seed: int) -> None:
    changed, always = World(LIMITS), World(narrow(LIMITS.version))
    for w in (changed, always):
        w.open()
        w.parent(qty=5_000)
    morning = random.Random(seed)
    for n in range(MORNING):
        turn = morning.getrandbits(32)
        mine, theirs = (moved(w, random.Random(turn), 25, (1.1,)) for w in (changed, always))
        assert mine == theirs, f"the morning is wild: turn {n}"
    answer = sign(
        changed,
        "alice",
        co.LimitsApply(limits=narrow(LIMITS.version + 1).model_dump_json(), reason="noon, narrow"),
    )
    assert answer["applied"], answer

    refused = 0
    for n in range(AFTERNOON):
        turn = morning.getrandbits(32)
        mine, theirs = (moved(w, random.Random(turn), 400, (0.1, 0.3, 1.1)) for w in (changed, always))
        assert mine == theirs, f"turn {n} of the afternoon"
        refused += bool(mine[0])

    assert refused, "nothing was at its limit"
