"""The order table cell by cell, then the arithmetic: fills, busts, corrections, overfills, races."""

import itertools
import random

import pytest

from market.child_order import ChildOrder
from market.events import ExecutionReport, OrderCancelReject
from market.order_table import LIVE, REPAIRS, TERMINAL, TRANSITIONS
from market.orders import NewOrder
from market.types import (
    CxlRejReason,
    CxlRejResponseTo,
    ExecType,
    OrdStatus,
    OrdType,
    Side,
    TimeInForce,
)

S, E = OrdStatus, ExecType
WAITING = (S.PENDING_CANCEL, S.PENDING_REPLACE)


def chain(status: OrdStatus = S.NEW, qty: int = 100, cum: int = 0, side: Side = Side.BUY) -> ChildOrder:
    terms = NewOrder(
        cl_ord_id="A",
        parent_id="P",
        account="ACC",
        symbol="SYN",
        mic="XNAS",
        side=side,
        qty=qty,
        ord_type=OrdType.LIMIT,
        price_e4=1000,
        time_in_force=TimeInForce.DAY,
    )
    return ChildOrder(
        chain_id="A",
        terms=terms,
        cl_ord_id="A",
        order_qty=qty,
        price_e4=1000,
        status=status,
        cum_qty=cum,
        notional_e4=cum * 1000,
    )


ENDED = {E.CANCELED: S.CANCELED, E.REJECTED: S.REJECTED, E.EXPIRED: S.EXPIRED, E.DONE_FOR_DAY: S.DONE_FOR_DAY}


def report(exec_type: ExecType, exec_id: str = "X", **more: object) -> ExecutionReport:
    stated = ENDED.get(exec_type, S.NEW)
    fields = {"cl_ord_id": "A", "ord_status": stated, "exec_id": exec_id} | more
    return ExecutionReport(exec_type=exec_type, **fields)


def trade(qty: int, cum: int, exec_id: str = "X", price: int = 1000, **more: object) -> ExecutionReport:
    return report(E.TRADE, exec_id, last_qty=qty, last_price_e4=price, cum_qty=cum, leaves_qty=1, **more)


CELLS = list(itertools.product(S, [e for e in E if e is not E.ORDER_STATUS]))


@pytest.mark.parametrize(("status", "exec_type"), CELLS)
def test_every_cell_leads_where_the_table_says_or_is_a_break(status: OrdStatus, exec_type: ExecType) -> None:
    cum = 100 if status is S.FILLED else 30
    c = chain(status, cum=cum)
    if exec_type in (E.TRADE_CANCEL, E.TRADE_CORRECT):
        c.trades["OLD"] = (30, 1000)
    change_qty = {E.TRADE: 10, E.TRADE_CANCEL: -30, E.TRADE_CORRECT: -20}.get(exec_type, 0)
    change = c.observe(
        report(
            exec_type,
            last_qty=10 if exec_type in (E.TRADE, E.TRADE_CORRECT) else 0,
            last_price_e4=1000 if change_qty else 0,
            cum_qty=cum + change_qty,
            leaves_qty=1,
            exec_ref_id="OLD",
        )
    )

    after = TRANSITIONS.get((status, exec_type))
    assert change.qty == change_qty  # shares are booked whatever the status says
    if after is None:
        assert any("while" in text for text in change.breaks)
        assert c.status is status
    elif after is LIVE:
        left = c.order_qty - c.cum_qty
        assert c.status is (S.FILLED if left <= 0 else S.NEW if c.cum_qty == 0 else S.PARTIALLY_FILLED)
    elif c.cum_qty >= c.order_qty and after not in TERMINAL:
        assert c.status is S.FILLED
    else:
        assert c.status is after


@pytest.mark.parametrize("response", CxlRejResponseTo)
@pytest.mark.parametrize("status", S)
def test_a_refused_request_goes_back_as_the_table_says(status: OrdStatus, response: CxlRejResponseTo) -> None:
    c = chain(status, cum=30)
    c.cancel_id = "C"
    change = c.observe_reject(
        OrderCancelReject(cl_ord_id="C", orig_cl_ord_id="A", response_to=response, ord_status=S.NEW)
    )

    after = REPAIRS.get((status, response), status)
    assert c.status is (S.PARTIALLY_FILLED if after is LIVE else after)
    assert change.breaks == ()


def test_a_fill_that_overtakes_our_cancel_still_counts() -> None:
    c = chain()
    c.request_cancel("C", 1)
    assert c.observe(trade(60, 60)).qty == 60
    assert c.status is S.PENDING_CANCEL
    c.observe(report(E.CANCELED, "Y", cl_ord_id="C", cum_qty=60))
    assert (c.status, c.leaves_worst) == (S.CANCELED, 0)
    late = c.observe(trade(10, 70, "Z"))

    assert (late.qty, c.cum_qty, c.status) == (10, 70, S.CANCELED)


def test_the_last_fill_ends_a_pending_cancel() -> None:
    c = chain()
    c.request_cancel("C", 1)
    c.observe(trade(100, 100))

    assert c.status is S.FILLED
    late = c.observe_reject(OrderCancelReject(cl_ord_id="C", orig_cl_ord_id="A", ord_status=S.FILLED))
    assert late.duplicate
    assert c.status is S.FILLED


def test_a_replace_counts_both_terms_until_it_is_confirmed() -> None:
    c = chain(cum=40)
    c.status = S.PARTIALLY_FILLED
    c.request_replace("R", 200, 1100, 1)
    assert (c.leaves_worst, c.price_worst_e4, c.leaves_qty) == (160, 1100, 60)
    c.observe(trade(60, 100))
    assert c.status is S.PENDING_REPLACE  # the old quantity is done, the new one is not
    c.observe(report(E.REPLACED, "Y", cl_ord_id="R", order_qty=200, price_e4=1100, cum_qty=100))

    assert (c.status, c.order_qty, c.price_e4) == (S.PARTIALLY_FILLED, 200, 1100)
    assert (c.cl_ord_id, c.orig_cl_ord_id) == ("R", "A")


def test_a_sell_replaced_downwards_has_the_lower_price_as_its_worst() -> None:
    c = chain(side=Side.SELL)
    c.request_replace("R", 100, 900, 1)

    assert c.price_worst_e4 == 900


def test_a_cancel_outranks_a_replace_in_flight_and_both_can_be_refused() -> None:
    c = chain()
    c.request_replace("R", 200, 1100, 1)
    c.request_cancel("C", 2)
    assert c.status is S.PENDING_CANCEL
    refused = OrderCancelReject(cl_ord_id="C", orig_cl_ord_id="A", ord_status=S.PENDING_REPLACE)
    c.observe_reject(refused)
    assert c.status is S.PENDING_REPLACE
    c.observe_reject(
        OrderCancelReject(cl_ord_id="R", orig_cl_ord_id="A", response_to=CxlRejResponseTo.REPLACE)
    )

    assert (c.status, c.leaves_worst) == (S.NEW, 100)


def test_a_cancel_refused_before_the_acknowledgement_goes_back_to_pending_new() -> None:
    c = chain(S.PENDING_NEW)
    c.request_cancel("C", 1)
    change = c.observe_reject(
        OrderCancelReject(cl_ord_id="C", orig_cl_ord_id="A", reason=CxlRejReason.UNKNOWN_ORDER)
    )

    assert c.status is S.PENDING_NEW
    assert change.ask_status


def test_the_same_exec_id_counts_once_and_with_other_contents_is_a_break() -> None:
    c = chain()
    c.observe(trade(10, 10, "E1"))
    again = c.observe(trade(10, 10, "E1", poss_dup=True))
    assert (again.duplicate, again.breaks, c.cum_qty) == (True, (), 10)
    other = c.observe(trade(20, 10, "E1"))

    assert other.breaks
    assert c.cum_qty == 10


def test_a_cum_qty_that_does_not_add_up_is_a_break_and_the_shares_are_booked() -> None:
    c = chain()
    change = c.observe(trade(10, 15))

    assert c.cum_qty == 10
    assert "CumQty 15" in change.breaks[0]


def test_an_overfill_is_booked_and_named() -> None:
    c = chain()
    change = c.observe(trade(110, 110))

    assert (c.cum_qty, c.status) == (110, S.FILLED)
    assert change.breaks[0].startswith("overfill")


def test_a_bust_takes_shares_back_and_the_order_works_again() -> None:
    c = chain()
    c.observe(trade(100, 100, "E1"))
    change = c.observe(report(E.TRADE_CANCEL, "E2", exec_ref_id="E1", cum_qty=0, leaves_qty=100))

    assert (change.qty, change.notional_e4) == (-100, -100_000)
    assert (c.status, c.cum_qty, c.notional_e4) == (S.NEW, 0, 0)


@pytest.mark.parametrize("status", [S.NEW, S.PARTIALLY_FILLED, S.FILLED, S.CALCULATED, S.REJECTED])
@pytest.mark.parametrize("order_qty", [None, 100])
def test_a_bust_that_leaves_nothing_and_ends_nothing_is_a_doubt(
    status: OrdStatus, order_qty: int | None
) -> None:
    c = chain()
    c.observe(trade(100, 100, "E1"))
    change = c.observe(
        report(E.TRADE_CANCEL, "E2", ord_status=status, exec_ref_id="E1", order_qty=order_qty, leaves_qty=0)
    )

    assert (c.status, c.cum_qty, c.leaves_worst) == (S.NEW, 0, 100), "it may still trade until they say"
    assert change.ask_status
    assert change.doubt == c.doubt != ""


def test_a_correction_replaces_price_and_quantity() -> None:
    c = chain()
    c.observe(trade(50, 50, "E1"))
    change = c.observe(
        report(
            E.TRADE_CORRECT, "E2", exec_ref_id="E1", last_qty=40, last_price_e4=990, cum_qty=40, leaves_qty=60
        )
    )

    assert (change.qty, change.notional_e4) == (-10, 40 * 990 - 50 * 1000)
    assert (c.cum_qty, c.notional_e4, c.trades) == (40, 39_600, {"E2": (40, 990)})


def test_a_bust_of_what_was_never_booked_is_a_break() -> None:
    change = chain().observe(report(E.TRADE_CANCEL, exec_ref_id="NONE"))

    assert "never booked" in change.breaks[0]


def test_an_unsolicited_restatement_changes_the_terms() -> None:
    c = chain(cum=10)
    c.status = S.PARTIALLY_FILLED
    c.observe(report(E.RESTATED, order_qty=60, cum_qty=10))

    assert (c.order_qty, c.leaves_qty, c.status) == (60, 50, S.PARTIALLY_FILLED)


def test_a_status_answer_tells_that_a_new_order_arrived() -> None:
    c = chain(S.PENDING_NEW)
    change = c.observe(report(E.ORDER_STATUS, "0", ord_status=S.NEW, order_qty=100, price_e4=1000))

    assert (c.status, change.breaks, c.leaves_worst) == (S.NEW, (), 100)


@pytest.mark.parametrize("status", WAITING)
def test_a_status_answer_of_the_order_as_it_was_leaves_a_request_in_flight(status: OrdStatus) -> None:
    c = chain()
    c.request_replace("R", 200, 1100, 1)
    if status is S.PENDING_CANCEL:
        c.request_cancel("C", 2)
    c.observe(report(E.ORDER_STATUS, "0", ord_status=S.NEW, order_qty=100, price_e4=1000))
    assert (c.status, c.leaves_worst, c.replace_id) == (status, 200, "R")
    c.observe(report(E.REPLACED, "Y", cl_ord_id="R", order_qty=200, price_e4=1100))

    assert (c.cl_ord_id, c.order_qty, c.leaves_worst) == ("R", 200, 200)
    assert c.status is (S.PENDING_CANCEL if status is S.PENDING_CANCEL else S.NEW)


def test_a_request_is_lost_when_the_order_stands_and_the_ems_does_not_know_it() -> None:
    c = chain()
    unknown = report(E.ORDER_STATUS, "0", cl_ord_id="R", ord_status=S.REJECTED)
    c.request_replace("R", 200, 1100, 1)
    c.observe(unknown)
    assert c.leaves_worst == 200  # that the order stands was not seen since
    c.observe(report(E.ORDER_STATUS, "0", ord_status=S.NEW, order_qty=100, price_e4=1000))
    c.observe(unknown)
    assert (c.status, c.leaves_worst, c.replace_id) == (S.NEW, 100, None)
    c.request_cancel("C", 2)
    c.observe(report(E.ORDER_STATUS, "0", ord_status=S.NEW, order_qty=100, price_e4=1000))
    c.observe(report(E.ORDER_STATUS, "0", cl_ord_id="C", ord_status=S.REJECTED))

    assert (c.status, c.cancel_id) == (S.NEW, None)


def test_a_replace_that_was_given_up_and_goes_through_after_all_names_the_chain() -> None:
    c = chain()
    c.request_replace("R", 200, 1100, 1)
    c.withdraw("R")
    c.request_replace("R2", 150, 1050, 2)
    c.observe(report(E.REPLACED, "Y", cl_ord_id="R"))
    assert (c.cl_ord_id, c.order_qty, c.price_e4) == ("R", 200, 1100)
    assert (c.status, c.replace_id) == (S.PENDING_REPLACE, "R2")
    c.observe(report(E.REPLACED, "Z", cl_ord_id="R2", order_qty=150, price_e4=1050))

    assert (c.cl_ord_id, c.orig_cl_ord_id, c.status, c.issued) == ("R2", "R", S.NEW, {})


def test_a_status_answer_with_the_replaces_name_and_the_old_terms_settles_nothing() -> None:
    c = chain()
    c.request_replace("R", 200, 1100, 1)
    c.observe(report(E.ORDER_STATUS, "0", cl_ord_id="R", ord_status=S.NEW, order_qty=100, price_e4=1000))

    assert (c.cl_ord_id, c.status, c.leaves_worst) == ("A", S.PENDING_REPLACE, 200)


def test_shares_that_the_ems_stated_count_until_they_are_booked_even_of_an_ended_order() -> None:
    c = chain()
    c.observe(trade(10, 30))
    assert (c.traded_qty, c.leaves_qty, c.leaves_worst) == (30, 70, 90)
    c.observe(report(E.CANCELED, "Y", cum_qty=30))
    assert (c.leaves_worst, c.most_qty) == (20, 30)
    c.observe(trade(20, 30, "Z"))

    assert (c.leaves_worst, c.most_qty) == (0, 30)


def test_a_bust_of_a_filled_order_with_nothing_left_ends_it_as_the_report_says() -> None:
    c = chain()
    c.observe(trade(100, 100, "E1"))
    c.observe(report(E.TRADE_CANCEL, "E2", ord_status=S.CANCELED, exec_ref_id="E1", cum_qty=0, leaves_qty=0))

    assert (c.status, c.cum_qty, c.leaves_worst, c.stated_qty) == (S.CANCELED, 0, 0, 0)


def test_a_status_answer_under_the_replaces_id_means_that_it_went_through() -> None:
    c = chain()
    c.request_replace("R", 200, 1100, 1)
    c.observe(report(E.ORDER_STATUS, "0", cl_ord_id="R", ord_status=S.NEW, order_qty=200, price_e4=1100))

    assert (c.cl_ord_id, c.orig_cl_ord_id, c.order_qty, c.status) == ("R", "A", 200, S.NEW)


def test_an_order_that_never_arrived_is_dead_and_one_that_was_known_is_a_break() -> None:
    never, known = chain(S.PENDING_NEW), chain()
    known.order_id = "O1"
    unknown = report(E.ORDER_STATUS, "0", ord_status=S.REJECTED)

    assert never.observe(unknown).breaks == ()
    assert never.status is S.REJECTED
    assert known.observe(unknown).breaks
    assert known.live  # never presumed dead


def test_a_status_answer_with_shares_that_we_lack_is_a_break() -> None:
    c = chain()
    change = c.observe(report(E.ORDER_STATUS, "0", ord_status=S.CANCELED, cum_qty=50))

    assert "CumQty 50" in change.breaks[0]
    assert c.leaves_worst == 100  # until it is cleared up, the worst counts


def test_a_request_that_never_left_changes_nothing() -> None:
    c = chain(cum=30)
    c.status = S.PARTIALLY_FILLED
    c.request_replace("R", 200, 1100, 1)
    c.withdraw("R")
    assert (c.status, c.leaves_worst) == (S.PARTIALLY_FILLED, 70)
    c.request_cancel("C", 1)
    c.withdraw("C")
    assert c.status is S.PARTIALLY_FILLED
    new = chain(S.PENDING_NEW)
    new.withdraw("A")

    assert new.status is S.REJECTED


@pytest.mark.parametrize(("asked", "filled"), [(60, True), (150, False)])
def test_an_answer_that_names_a_replace_and_no_quantity_is_held_against_what_was_asked_for(
    asked: int, filled: bool
) -> None:
    c = chain()
    c.observe(trade(60, 60, "E1"))
    c.request_replace("R", asked, 1000, 5)
    if not filled:
        c.observe(trade(40, 100, "E2"))
    said = report(E.ORDER_STATUS, cl_ord_id="R", ord_status=S.FILLED, cum_qty=c.cum_qty)
    change = c.observe(said)

    assert (c.status is S.FILLED, change.doubt == "") == (filled, filled)
    assert c.live or c.order_qty == asked == c.cum_qty


EXEC_TYPES = [e for e in E if e is not E.ORDER_STATUS]


@pytest.mark.parametrize("seed", range(300))
def test_filled_is_what_has_all_its_shares_whatever_a_broker_says(seed: int) -> None:
    rng = random.Random(seed)
    c = chain(S.PENDING_NEW)
    for n in range(rng.randint(5, 60)):
        if c.status in (S.NEW, S.PARTIALLY_FILLED) and rng.random() < 0.2:
            c.request_replace(f"R{n}", rng.choice((50, 150)), 1000, n)
        elif c.live and rng.random() < 0.1:
            c.request_cancel(f"C{n}", n)
        kind = rng.choice((*EXEC_TYPES, *[E.TRADE, E.TRADE_CANCEL, E.TRADE_CORRECT, E.ORDER_STATUS] * 4))
        told = {E.TRADE: rng.choice((10, 50, 100)), E.TRADE_CORRECT: rng.choice((5, 50))}.get(kind, 0)
        held = dict(c.trades)
        ref = rng.choice((*held, "NONE")) if kind in (E.TRADE_CANCEL, E.TRADE_CORRECT) else None
        back = held[ref][0] if ref in held else 0
        c.observe(
            report(
                kind,
                f"E{n}",
                cl_ord_id=rng.choice(("A", c.cl_ord_id, c.replace_id or "A")),
                ord_status=rng.choice(list(S)),
                last_qty=told,
                last_price_e4=1000 if told else 0,
                cum_qty=rng.choice((c.cum_qty + told - back,) * 4 + (0, 100)),
                leaves_qty=rng.choice((0, 0, 50, 100)),
                order_qty=rng.choice((None, c.order_qty, 50, 150)),
                exec_ref_id=ref,
            )
        )
        assert c.status is not S.FILLED or c.cum_qty >= c.order_qty, f"{kind.name} at step {n}"
