"""An order that has ended works again (a bust): what took back the others takes it back as well."""

from typing import Any

import pytest

from market import events as ev
from market.desk_events import RestrictedListed
from market.people_events import StopScope
from market.types import ClOrdID, ExecType, OrdStatus, Side
from tests.daemon.gate_harness import ASK, BID, World, cancels


def filled(side: Side = Side.BUY, **more: Any) -> tuple[World, ClOrdID, str]:
    """A world with a parent of 300 shares that is alive, an order of 100 that has filled, and its fill."""
    w = World(**more)
    w.open()
    assert w.parent(qty=300, side=side)["ok"]
    price = BID if side is Side.BUY else ASK
    chain = w.working(100, price, side=side)
    w.fill(chain, 100, price)
    return w, ClOrdID(chain), f"E{w.exec_n}"


def bust(w: World, chain: ClOrdID, fill: str, leaves: int = 100) -> list[str]:
    """Take the fill back; return the orders that are cancelled by it."""
    terms = {"exec_ref_id": fill, "cum_qty": 0, "leaves_qty": leaves, "last_qty": 100}
    effects = w.report(chain, ExecType.TRADE_CANCEL, OrdStatus.NEW, **terms)
    assert w.core.state.chains[chain].live
    return [c.orig_cl_ord_id for c in cancels(effects)]


@pytest.mark.parametrize("scope", ["A/PAPER", "T/twap", "P/P1", "S/SYN"])
@pytest.mark.parametrize("halt", [True, False])
@pytest.mark.parametrize("leaves", [0, 100])
def test_in_a_scope_that_is_stopped_it_is_pulled(scope: str, halt: bool, leaves: int) -> None:
    w, chain, fill = filled()
    w.step(StopScope(request_id=5, scope=scope, halt=halt, source="test"))
    w.wait(1)

    assert bust(w, chain, fill, leaves) == [chain]


def test_in_a_symbol_that_is_restricted_it_is_pulled() -> None:
    w, chain, fill = filled()
    w.step(RestrictedListed(symbols=("SYN",), issued_ns=w.ts, sha256="x"))
    w.wait(1)

    assert bust(w, chain, fill) == [chain]


@pytest.mark.parametrize("scope", ["T/another", "S/OTHER"])
def test_in_another_scope_it_works(scope: str) -> None:
    w, chain, fill = filled()
    w.core.state.posture.raise_("R70H", "a test", w.now, scope)
    w.wait(1)

    assert bust(w, chain, fill) == []


@pytest.mark.parametrize("cause", ["R62", "R72", "STOPPING", "R70"])
def test_in_a_firm_that_took_everything_back_it_is_pulled(cause: str) -> None:
    """A break, reduce only, a gate that ends, a kill."""
    w, chain, fill = filled()
    if cause == "STOPPING":
        w.step(ev.Shutdown(request_id=9))
    else:
        w.core.state.posture.raise_(cause, "a test", w.now)
    w.wait(1)

    assert bust(w, chain, fill) == [chain]
    w.report(chain, ExecType.CANCELED, OrdStatus.CANCELED)
    assert w.core.state.unwanted == {}


def test_a_halt_that_leaves_the_others_leaves_it() -> None:
    w, chain, fill = filled()
    w.core.state.posture.raise_("R20", "a test", w.now)
    w.wait(1)

    assert bust(w, chain, fill) == []


def test_what_reduces_may_stand_where_nothing_may_open() -> None:
    w, chain, fill = filled(Side.SELL, positions=(("PAPER", "SYN", 500),))
    w.core.state.posture.raise_("R72", "a test", w.now)
    w.wait(1)

    assert bust(w, chain, fill) == []
