"""A scope that is new in the limits counts the day as if it had always been there; each account by itself."""

from typing import Any

import msgspec

from market import events as ev
from market.types import Side, Symbol
from risk import commands as co
from risk.limits import Limits
from tests.daemon.gate_harness import ASK, BID, World, limits, parent_order
from tests.daemon.people import sign

SYN = Symbol("SYN")
HELD = (("PAPER", SYN, 5_000),)


def named(law: Limits, level: str, name: str, **sections: dict[str, Any]) -> Limits:
    tree = law.model_dump()
    tree["level"][level] = {name: sections}
    return Limits.model_validate(tree | {"version": law.version + 1})


LAW = limits()
SCOPES = (("symbol", "SYN"), ("account", "PAPER"), ("session", "order"))


def begun() -> World:
    w = World(LAW, positions=HELD)
    w.open()
    w.parent()
    return w


def test_a_new_scope_holds_what_the_day_began_with() -> None:
    for level, name in SCOPES:
        w = begun()
        law = named(LAW, level, name, exposure={"long_max": 5_050})
        applied = sign(w, "alice", co.LimitsApply(limits=law.model_dump_json(), reason="narrower"))
        assert applied["applied"], applied

        assert w.intent(51, BID, Side.BUY).controls == ("R10",), level
        assert w.intent(50, BID, Side.BUY).qty == 50, level


def test_a_new_scope_of_a_strategy_holds_nothing_for_no_strategy_owns_what_was_there_before() -> None:
    w = begun()
    law = named(LAW, "strategy", "twap", exposure={"long_max": 50})
    applied = sign(w, "alice", co.LimitsApply(limits=law.model_dump_json(), reason="narrower"))
    assert applied["applied"], applied

    assert w.core.state.risk.scopes.own["T/twap"].ledger.positions == {}
    assert w.intent(51, BID, Side.BUY).controls == ("R10",)
    assert w.intent(50, BID, Side.BUY).qty == 50


def test_so_does_one_of_a_file_that_a_restart_brings() -> None:
    w = begun()
    law = named(LAW, "symbol", "SYN", exposure={"long_max": 5_050})

    w.step(ev.GateStarted(**{**w.start_fields, "epoch": 2, "limits": law.model_dump_json()}))

    assert w.core.state.risk.scopes.own["S/SYN"].ledger.books[SYN].position == 5_000


def test_what_a_position_loses_counts_in_every_scope_that_holds_it() -> None:
    for level, name in SCOPES:
        law = named(LAW, level, name, loss={"inventory_max_ccy": 1_000})
        always, later = World(law, positions=HELD), begun()
        always.open()
        sign(later, "alice", co.LimitsApply(limits=law.model_dump_json(), reason="narrower"))
        for w in (always, later):
            scope = f"{level[0].upper() if level != 'session' else 'C'}/{name}"
            for cents, over in ((1_900, False), (2_000, True)):  # 5,000 shares, 0.19 and 0.20 lower
                for _ in range(2):
                    w.price(bid=BID - cents, ask=BID - cents + 200)
                w.wait(0.1)
                assert (f"R30I@{scope}" in w.core.state.posture.causes) is over, (level, cents)


def test_r18_reduces_the_account_and_not_the_firm_alone() -> None:
    both = limits(allowed={"accounts": ["AA", "BB"]})
    w = World(both, positions=(("AA", SYN, -300), ("BB", SYN, 500)))
    w.open()
    for pid, account in (("P1", "AA"), ("P2", "BB")):
        order = msgspec.structs.replace(parent_order(500, Side.SELL, pid), account=account)
        w.step(ev.SubmitParent(request_id=1, parent=order))
    w.core.state.posture.raise_("R11", "a test", w.now)

    assert w.intent(100, ASK, Side.SELL, "P1").controls == ("R18",)  # AA is short already
    assert w.intent(100, ASK, Side.SELL, "P2").qty == 100
    assert w.intent(100, ASK, Side.SELL, "P2").qty == 100
    assert w.intent(1, ASK, Side.SELL, "P2").controls == ("R18",)  # the firm holds no more
