"""Each fault of the venue against the gate: booked once, nothing doubled, halted with the break named."""

from typing import Any

import pytest

from daemon.certify.desk import ASK_E4, BID_E4
from market.types import OrdStatus
from tests.daemon.venue_pump import Pump, live


def rule(when: dict[str, Any], action: str, **more: Any) -> dict[str, Any]:
    return {"when": when, "do": {"action": action, **more}}


# --- acks -------------------------------------------------------------------------------------------


def test_an_ack_that_is_late_is_asked_for_and_then_believed() -> None:
    p = Pump(rule({"on": "ack", "nth": 1}, "delay", seconds=20.0))
    chain = p.buy(100)
    assert p.chain(chain).status is OrdStatus.PENDING_NEW
    p.wait(30)

    assert live(p.chain(chain))
    assert p.posture == "ACTIVE"
    p.agree()


def test_a_lost_ack_is_repaired_by_a_status_request_never_by_another_order() -> None:
    p = Pump(rule({"on": "ack"}, "drop"))
    chain = p.buy(100)
    p.wait(10)

    assert live(p.chain(chain))
    assert [m.tags["35"] for m in p.gate.sent if m.tags["35"] in "DH"] == ["D", "H"]
    p.agree()


def test_a_request_that_never_arrived_is_found_out_and_nothing_is_sent_again() -> None:
    p = Pump(rule({"on": "new", "nth": 1}, "drop"))
    chain = p.buy(100)
    p.wait(10)

    assert p.chain(chain).status is OrdStatus.REJECTED
    p.agree()
    assert live(p.chain(p.buy(100)))  # the parent's shares are free again


def test_every_ack_twice_is_one_order() -> None:
    p = Pump(rule({"on": "report"}, "duplicate"), pending_reports=True)
    p.offer(50)
    chain = p.buy(100, ASK_E4)
    p.cancel(chain)
    p.wait(2)

    assert p.gate.core.state.counters["duplicate_reports"] == 5  # 150=A, 0, F, 6, 4
    assert (p.booked(), p.posture) == (50, "ACTIVE")
    p.agree()


def test_a_late_copy_of_a_fill_after_the_orders_end_is_not_booked_again() -> None:
    p = Pump(rule({"on": "fill"}, "duplicate", seconds=5.0))
    p.offer(100)
    p.buy(100, ASK_E4)
    p.wait(10)

    assert (p.booked(), p.posture) == (100, "ACTIVE")
    p.agree()


def test_the_fill_before_the_ack() -> None:
    p = Pump(rule({"on": "ack"}, "delay", seconds=1.0))
    p.offer(40)
    chain = p.buy(100, ASK_E4)
    assert p.booked() == 40
    p.wait(3)

    assert p.chain(chain).status is OrdStatus.PARTIALLY_FILLED
    assert p.posture == "ACTIVE"
    p.agree()


def test_partial_fills_of_the_brokers_own() -> None:
    rules = [rule({"on": "ack", "after": float(n)}, "fill", qty=30) for n in (1, 2, 3)]
    p = Pump(*rules)
    chain = p.buy(100)
    p.wait(5)

    assert (p.chain(chain).cum_qty, p.booked()) == (90, 90)
    p.agree()


# --- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"business": True}])
def test_a_refused_order_never_was(how: dict[str, Any]) -> None:
    p = Pump(rule({"on": "new", "nth": 1}, "reject", reason=3, text="too large", **how))
    chain = p.buy(100)

    assert p.chain(chain).status is OrdStatus.REJECTED
    p.agree()


@pytest.mark.parametrize("how", [{}, {"business": True}])
def test_a_refused_cancel_leaves_the_order_working_and_is_sent_again(how: dict[str, Any]) -> None:
    p = Pump(rule({"on": "cancel", "nth": 1}, "reject", reason=2, **how))
    chain = p.buy(100)
    p.cancel(chain)
    assert p.chain(chain).live
    p.wait(10)
    if p.chain(chain).live:
        p.cancel(chain)

    assert p.chain(chain).status is OrdStatus.CANCELED
    p.agree()


@pytest.mark.parametrize("how", [{}, {"business": True}])
def test_a_refused_replace_leaves_the_old_terms(how: dict[str, Any]) -> None:
    p = Pump(rule({"on": "replace"}, "reject", reason=2, **how))
    chain = p.buy(100)
    p.replace(chain, 200)

    assert (p.chain(chain).order_qty, live(p.chain(chain))) == (100, True)
    p.agree()


def test_a_lost_cancel_is_asked_about_and_sent_again() -> None:
    p = Pump(rule({"on": "cancel", "nth": 1}, "drop"))
    chain = p.buy(100)
    p.cancel(chain)
    p.wait(20)

    assert p.chain(chain).status is OrdStatus.CANCELED
    p.agree()


def test_a_lost_replace_is_given_up_with_the_old_terms() -> None:
    p = Pump(rule({"on": "replace", "nth": 1}, "drop"))
    chain = p.buy(100)
    p.replace(chain, 200)
    p.wait(20)

    assert (p.chain(chain).order_qty, live(p.chain(chain))) == (100, True)
    p.agree()


# --- the broker acts --------------------------------------------------------------------------------


def test_an_unsolicited_cancel_is_the_orders_end() -> None:
    p = Pump(rule({"on": "ack", "after": 1.0}, "cancel"))
    chain = p.buy(100)
    p.wait(2)

    assert p.chain(chain).status is OrdStatus.CANCELED
    assert p.posture == "ACTIVE"
    p.agree()


def test_an_unsolicited_cancel_that_crosses_our_own() -> None:
    p = Pump(rule({"on": "cancel"}, "delay", seconds=1.0), rule({"on": "ack", "after": 0.5}, "cancel"))
    chain = p.buy(100)
    p.cancel(chain)
    p.wait(5)

    assert p.chain(chain).status is OrdStatus.CANCELED
    p.agree()


@pytest.mark.parametrize("sold", [60, 100])
def test_a_bust_takes_the_shares_back(sold: int) -> None:
    p = Pump(rule({"on": "fill", "nth": 1, "after": 1.0}, "bust"))
    p.offer(sold)
    p.buy(100, ASK_E4)
    assert p.booked() == sold
    p.wait(3)

    assert (p.booked(), p.posture) == (0, "ACTIVE")
    p.agree()


@pytest.mark.parametrize(("ticks", "qty"), [(-2, 0), (0, -20), (-3, 10)])
def test_a_correction_books_the_difference(ticks: int, qty: int) -> None:
    p = Pump(rule({"on": "fill", "nth": 1, "after": 1.0}, "correct", ticks=ticks, qty=qty))
    p.offer(60)
    chain = p.buy(100, ASK_E4)
    p.wait(3)

    assert p.booked() == 60 + qty
    assert p.chain(chain).notional_e4 == (60 + qty) * (ASK_E4 + 100 * ticks)
    assert p.posture == "ACTIVE"
    p.agree()


@pytest.mark.parametrize(("qty", "ticks"), [(-40, 0), (0, -3)])
def test_a_restatement_is_adopted(qty: int, ticks: int) -> None:
    p = Pump(rule({"on": "ack", "after": 1.0}, "restate", qty=qty, ticks=ticks))
    chain = p.buy(100)
    p.wait(3)

    assert (p.chain(chain).order_qty, p.chain(chain).price_e4) == (100 + qty, BID_E4 + 100 * ticks)
    assert p.posture == "ACTIVE"
    p.agree()


# --- what cannot be true ----------------------------------------------------------------------------


def test_an_overfill_of_the_order_is_booked_and_stops_everything() -> None:
    p = Pump(rule({"on": "ack"}, "overfill", qty=50))
    p.buy(100)
    other = p.buy(100)
    p.wait(3)

    assert p.posture == "KILLED"  # R14
    assert "overfill: 150 of 100" in p.breaks
    assert not p.chain(other).live
    assert p.booked() == p.traded()
    assert p.gate.submit(p.chain(other).terms.side, 100, BID_E4) is not None


def test_two_fills_with_one_exec_id_are_a_break_and_not_booked_twice() -> None:
    p = Pump(rule({"on": "fill", "nth": 2}, "same_exec_id"))
    p.offer(60)
    p.offer(40, ASK_E4 + 100)
    p.buy(100, ASK_E4 + 100)

    assert p.posture == "HALTED"
    assert "came twice, with other contents" in p.breaks
    assert p.booked() == 60


@pytest.mark.parametrize(
    ("cl_ord_id", "posture"),
    [("NOBODYS-1", "ACTIVE"), ("SH-0-99", "HALTED")],
)
def test_a_report_of_an_order_that_we_never_sent(cl_ord_id: str, posture: str) -> None:
    p = Pump(rule({"at": "10:00:03"}, "unknown_order", cl_ord_id=cl_ord_id, filled=True))
    p.wait(5)

    assert (p.booked(), p.traded()) == (0, 0)
    assert p.gate.core.state.counters["unknown_reports"] == 1
    if p.gate.core.state.breaks:
        assert cl_ord_id in p.breaks


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"14": "90"}, "CumQty 90 at the EMS, 60 booked"),
        ({"55": "OTHER"}, "a report of OTHER"),
        ({"54": "2"}, "a report of a SELL"),
    ],
)
def test_a_fill_that_contradicts_itself_halts_with_the_reason(fields: dict[str, str], named: str) -> None:
    p = Pump(rule({"on": "fill"}, "alter", set=fields))
    p.offer(60)
    p.buy(100, ASK_E4)

    assert p.posture == "HALTED"
    assert named in p.breaks


def test_a_fill_that_is_lost_is_missed_at_the_next_report_and_halts() -> None:
    p = Pump(rule({"on": "fill", "nth": 1}, "drop"))
    p.offer(60)
    chain = p.buy(100, ASK_E4)
    p.cancel(chain)

    assert p.posture == "HALTED"
    assert "60" in p.breaks
    assert p.chain(chain).stated_qty == 60


# --- everything at once -----------------------------------------------------------------------------


def test_a_day_of_late_lost_and_doubled_messages_ends_in_agreement() -> None:
    p = Pump(
        rule({"on": "ack", "every": 3}, "drop"),
        rule({"on": "ack", "every": 4}, "delay", seconds=2.0),
        *[
            rule({"on": on, "probability": 0.3}, "duplicate", seconds=0.3)
            for on in ("ack", "fill", "canceled")
        ],
        rule({"on": "new", "every": 5}, "drop"),
        rule({"on": "cancel", "every": 3}, "drop"),
        rule({"on": "cancel", "every": 4}, "reject", reason=2),
        rule({"on": "replace", "nth": 1}, "drop"),
        rule({"on": "ack", "every": 6, "after": 1.0}, "fill", part=0.5),
        rule({"on": "fill", "every": 3, "after": 2.0}, "bust"),
        rule({"at": "10:00:30", "every_s": 20.0, "until": "10:04:00"}, "cancel"),
        qty=20_000,
    )
    for n in range(24):
        p.offer(50)
        chain = p.buy(100, ASK_E4 if n % 3 else BID_E4)
        p.wait(7)
        if n % 2 and live(p.chain(chain)):
            p.replace(chain, 150, p.chain(chain).price_e4)
            p.wait(7)
        if p.chain(chain).live and p.chain(chain).may_cancel:
            p.cancel(chain)
    p.wait(60)

    assert p.posture == "ACTIVE", p.breaks
    assert min(p.venue.director.fired.values()) > 0
    p.agree()
