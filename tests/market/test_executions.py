"""Exactly once (P3): whatever a truthful broker fills, busts, corrects and repeats, our sums are its sums."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from market.child_order import ChildOrder
from market.events import ExecutionReport
from market.types import ExecType, OrdStatus
from tests.market.test_order_table import chain

QTY = 1_000
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["trade", "trade", "trade", "bust", "correct", "again", "other_name", "late_ack"]),
        st.integers(1, 300),
        st.integers(900, 1000),
        st.integers(0, 50),
    ),
    max_size=30,
)


class Broker:
    """One order at a broker that never lies, and repeats itself."""

    def __init__(self) -> None:
        self.standing: dict[str, tuple[int, int]] = {}
        self.sent: list[ExecutionReport] = []
        self.n = 0

    @property
    def cum(self) -> int:
        return sum(qty for qty, _ in self.standing.values())

    def report(self, kind: ExecType, **more: Any) -> ExecutionReport:
        self.n += 1
        cum = self.cum
        status = OrdStatus.FILLED if cum == QTY else OrdStatus.PARTIALLY_FILLED if cum else OrdStatus.NEW
        fields = {"exec_id": f"E{self.n}", "order_id": "O1", "order_qty": QTY} | more
        said = ExecutionReport(
            cl_ord_id="A", exec_type=kind, ord_status=status, cum_qty=cum, leaves_qty=QTY - cum, **fields
        )
        self.sent.append(said)
        return said

    def act(self, what: str, qty: int, price: int, pick: int) -> ExecutionReport | None:
        """Return the next thing that it says, None where the act makes no sense."""
        names = list(self.standing)
        name = names[pick % len(names)] if names else ""
        if what == "trade" and self.cum + qty <= QTY:
            self.standing[f"E{self.n + 1}"] = (qty, price)
            return self.report(ExecType.TRADE, last_qty=qty, last_price_e4=price)
        if what == "bust" and name and self.cum < QTY:
            del self.standing[name]
            return self.report(ExecType.TRADE_CANCEL, exec_ref_id=name)
        if what == "correct" and name and self.cum - self.standing[name][0] + qty <= QTY:
            del self.standing[name]
            self.standing[f"E{self.n + 1}"] = (qty, price)
            return self.report(ExecType.TRADE_CORRECT, exec_ref_id=name, last_qty=qty, last_price_e4=price)
        if what == "again" and self.sent:
            return self.sent[pick % len(self.sent)]
        if what == "other_name" and name:
            qty, price = self.standing[name]
            return self.report(ExecType.TRADE, last_qty=qty, last_price_e4=price, poss_resend=True)
        if what == "late_ack":
            return self.report(ExecType.NEW)
        return None


def heard(acts: Any) -> tuple[Broker, ChildOrder, list[str]]:
    broker, order, breaks = Broker(), chain(qty=QTY), []
    for act in acts:
        said = broker.act(*act)
        if said is not None:
            breaks += order.observe(said).breaks
    return broker, order, breaks


@given(ACTS)
def test_our_sums_are_the_brokers(acts: Any) -> None:
    broker, order, breaks = heard(acts)

    assert breaks == []
    assert order.trades == broker.standing
    assert order.cum_qty == broker.cum
    assert order.notional_e4 == sum(qty * price for qty, price in broker.standing.values())
    assert order.doubt == ""


@given(ACTS)
def test_hearing_everything_again_changes_nothing(acts: Any) -> None:
    broker, order, _ = heard(acts)
    before = (order.cum_qty, order.notional_e4, order.status, dict(order.trades))

    for said in broker.sent:
        assert order.observe(said).duplicate

    assert (order.cum_qty, order.notional_e4, order.status, dict(order.trades)) == before
