"""Whatever happens in whatever order, no outcome of open orders breaks a limit (GR4, P4).

Random intents meet a random EMS: acknowledgements, fills, rejects, cancels that are refused or overtaken,
replaces confirmed late or refused. After every event the worst case is computed by a second, slow book.
"""

import random

import pytest

from market import events as ev
from market import updates as up
from market.orders import ReplaceOrder
from market.types import CxlRejResponseTo, ExecType, OrdStatus, Side
from tests.daemon.gate_harness import BID, World, cancels, limits

LONG, PARENT, ORDERS = 700, 900, 6


class Ems:
    """What the EMS thinks of each chain; it answers late and in any order."""

    def __init__(self, w: World) -> None:
        self.w = w
        self.orders: dict[str, dict] = {}  # chain: qty, price, cum, live, id, requests

    def sent(self, order) -> None:
        if isinstance(order, ReplaceOrder):
            self.orders[order.terms.parent_id + self.root(order.orig_cl_ord_id)]["requests"].append(
                ("G", order)
            )
        else:
            self.orders[order.parent_id + order.cl_ord_id] = {
                "qty": order.qty,
                "price": order.price_e4,
                "cum": 0,
                "live": True,
                "acked": False,
                "id": order.cl_ord_id,
                "requests": [],
                "chain": order.cl_ord_id,
            }

    def root(self, cl_ord_id: str) -> str:
        return self.w.core.state.chain_of[cl_ord_id]

    def cancel(self, order) -> None:
        self.orders["P1" + self.root(order.orig_cl_ord_id)]["requests"].append(("F", order))

    def act(self, rng: random.Random) -> None:
        live = [o for o in self.orders.values() if o["live"] or o["requests"]]
        if not live:
            return
        o = rng.choice(live)
        kind = rng.random()
        if not o["acked"]:
            o["acked"] = True
            if kind < 0.1:
                o["live"] = False
                self.report(o, ExecType.REJECTED, OrdStatus.REJECTED)
            else:
                self.report(o, ExecType.NEW, OrdStatus.NEW)
        elif o["live"] and kind < 0.5:
            qty = rng.randint(1, o["qty"] - o["cum"])
            o["cum"] += qty
            o["live"] = o["cum"] < o["qty"]
            status = OrdStatus.PARTIALLY_FILLED if o["live"] else OrdStatus.FILLED
            self.report(o, ExecType.TRADE, status, last_qty=qty, last_price_e4=o["price"])
        elif o["requests"]:
            self.answer(o, *o["requests"].pop(0), rng)

    def answer(self, o, kind: str, order, rng: random.Random) -> None:
        refused = not o["live"] or rng.random() < 0.3
        if kind == "G" and not refused and order.terms.qty > o["cum"]:
            o["qty"], o["price"], o["id"] = order.terms.qty, order.terms.price_e4, order.cl_ord_id
            self.report(
                o, ExecType.REPLACED, OrdStatus.NEW, order_qty=o["qty"], price_e4=order.terms.price_e4
            )
        elif kind == "F" and not refused:
            o["live"] = False
            self.report(o, ExecType.CANCELED, OrdStatus.CANCELED, cl_ord_id=order.cl_ord_id)
        else:
            self.w.step(
                ev.OrderCancelReject(
                    cl_ord_id=order.cl_ord_id,
                    orig_cl_ord_id=order.orig_cl_ord_id,
                    ord_status=OrdStatus.NEW if o["live"] else OrdStatus.FILLED,
                    response_to=CxlRejResponseTo.REPLACE if kind == "G" else CxlRejResponseTo.CANCEL,
                )
            )

    def report(self, o, exec_type, status, **more) -> None:
        self.w.exec_n += 1
        fields = {"cl_ord_id": o["id"], "exec_id": f"E{self.w.exec_n}", "order_id": "O" + o["chain"]} | more
        leaves = o["qty"] - o["cum"] if o["live"] else 0
        self.w.step(
            ev.ExecutionReport(
                exec_type=exec_type, ord_status=status, cum_qty=o["cum"], leaves_qty=leaves, **fields
            )
        )

    def worst(self) -> tuple[int, int]:
        """Shares filled, and the most that can be: every request granted or not, whichever is worse."""
        filled = sum(o["cum"] for o in self.orders.values())
        more = 0
        for o in self.orders.values():
            if o["live"]:
                asked = [r.terms.qty for kind, r in o["requests"] if kind == "G"]
                more += max([o["qty"], *asked]) - o["cum"]
        return filled, filled + more


@pytest.mark.parametrize("seed", range(40))
def test_no_outcome_of_open_orders_breaks_a_limit(seed: int) -> None:
    rng = random.Random(seed)
    w = World(
        limits(
            exposure={"long_max": LONG, "open_orders_max": ORDERS},
            rates={"duplicates": 10**6, "orders_per_second": 10**6, "orders_per_second_symbol": 10**6},
        )
    )
    w.open()
    assert w.parent(qty=PARENT)["ok"]
    ems = Ems(w)
    passed = 0
    for _ in range(250):
        chains = list(w.core.state.live_chains())
        dice = rng.random()
        at = len(w.sent)
        if dice < 0.35:
            answer = w.intent(rng.randint(1, 400), BID - 100 * rng.randint(0, 3), Side.BUY)
            if not isinstance(answer, up.IntentRefused):
                ems.sent(answer)
                passed += 1
        elif dice < 0.5 and chains:
            answer = w.replace(rng.choice(chains).chain_id, rng.randint(1, 500), BID)
            if isinstance(answer, ReplaceOrder):
                ems.sent(answer)
        elif dice < 0.6 and chains:
            w.cancel(rng.choice(chains).chain_id)
        else:
            ems.act(rng)
        w.now += 1_000_000
        for order in cancels(w.sent[at:]):
            ems.cancel(order)
        filled, most = ems.worst()
        live = sum(o["live"] for o in ems.orders.values())
        assert filled == w.core.state.ledger.books["SYN"].position, f"seed {seed}"
        assert most <= min(LONG, PARENT), f"seed {seed}"
        assert live <= ORDERS, f"seed {seed}"
        assert w.core.state.breaks == [], f"seed {seed}"
    assert passed > 3
