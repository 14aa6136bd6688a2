"""A replace is worth what it will be and not what it replaces as well: limits by value at their boundary."""

import pytest

from market.orders import ReplaceOrder
from market.types import ExecType, OrdStatus, Side
from tests.daemon.gate_harness import ASK, BID, World, limits

QTY, MORE = 100, 150


def world(qty: int, **sections: dict[str, int]) -> tuple[World, str]:
    """A desk under these limits, with one buy of so many at the bid that works."""
    w = World(limits(**sections))
    w.open()
    w.parent()
    chain = w.working(qty, BID)
    w.wait(1.1)
    return w, chain


@pytest.mark.parametrize(("section", "key", "control"), [
    ("exposure", "open_notional_max_ccy", "R12"),
    ("day", "notional_max_ccy", "R19"),
    ("exposure", "capital_max_ccy", "R13"),
])  # fmt: skip
def test_what_is_replaced_is_no_longer_counted_by_value(section: str, key: str, control: str) -> None:
    """What the new terms alone are worth passes, and a unit of currency less refuses them."""
    worth = {"R12": MORE * ASK, "R19": MORE * (BID + ASK) // 2, "R13": MORE * (BID + ASK) // 2}[control]
    above = -(-worth // 10_000)

    w, chain = world(QTY, **{section: {key: above}})
    passed = w.replace(chain, MORE, BID)
    w, chain = world(QTY, **{section: {key: above - 2}})
    refused = w.replace(chain, MORE, BID)

    assert isinstance(passed, ReplaceOrder), passed
    assert refused.controls == (control,)


@pytest.mark.parametrize("less", [0, 1])
def test_capital_is_counted_to_the_last_ten_thousandth(less: int) -> None:
    """The broker's word can be any number: exactly it passes, and one less refuses."""
    w, chain = world(QTY)
    worth_e4 = MORE * (BID + ASK) // 2
    w.core.state.risk.memory.buying_power_micros = (worth_e4 - less) * 100

    verdict = w.replace(chain, MORE, BID)

    assert isinstance(verdict, ReplaceOrder) is (less == 0)
    assert less == 0 or verdict.controls == ("R13",)


def test_what_is_short_already_is_valued_once() -> None:
    """A short position takes the place of its own value at the last look: exactly that passes."""
    w = World(limits())
    w.open()
    w.parent(side=Side.SELL)
    w.fill(w.working(QTY, ASK, side=Side.SELL), QTY, ASK)
    w.wait(1.1)
    price_e4 = w.core.state.risk.firm.ledger.shorted_e4 // QTY
    assert price_e4 >= BID
    proceeds_e4 = max(0, w.core.state.risk.firm.ledger.paid_e4)
    w.core.state.risk.memory.buying_power_micros = (proceeds_e4 + (QTY + 1) * max(price_e4, ASK)) * 100

    at = w.intent(1, ASK, side=Side.SELL)
    w.core.state.risk.memory.buying_power_micros -= 100
    w.report(at.cl_ord_id, ExecType.REJECTED, OrdStatus.REJECTED)
    w.wait(1.1)
    above = w.intent(1, ASK, side=Side.SELL)

    assert at.qty == 1
    assert above.controls == ("R13",)
