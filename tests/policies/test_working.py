"""The working-order table counts what was asked from the moment it is asked, and every fill once."""

import pytest

from market.types import ClOrdID, OrdStatus, ParentID
from market.updates import IntentRefused, OrderUpdate
from policies.executor import Act
from policies.working import Asked, WorkingTable
from tests.policies.makers import ABC, order

P1 = ParentID("P1")


def asked(n: int, act: Act = Act.SUBMIT, chain: str = "", qty: int = 100, crossing: bool = False) -> Asked:
    return Asked(n, act, ABC.symbol, P1, ClOrdID(chain), qty, crossing)


def told(table: WorkingTable, n: int = 0, last_qty: int = 0, **fields: object) -> object:
    update = OrderUpdate(order=order(**fields), epoch=1, n=n, last_qty=last_qty)  # type: ignore[arg-type]
    return table.heard(update, ours=n > 0)


def test_what_was_asked_counts_until_it_is_answered() -> None:
    table = WorkingTable()
    table.ask(asked(1))

    before = table.standing(P1, 1, 1_000, 0)
    told(table, n=1, status=OrdStatus.PENDING_NEW)
    after = table.standing(P1, 1, 1_000, 0)

    assert (before.submits, before.working_qty) == (1, 100)
    assert (after.submits, after.working_qty) == (0, 100)
    assert not after.chains[0].idle


def test_a_refusal_frees_what_was_asked() -> None:
    table = WorkingTable()
    table.ask(asked(1))

    table.refused(IntentRefused(epoch=1, n=1, controls=("R03",)))

    assert table.standing(P1, 1, 1_000, 0).working_qty == 0


def test_one_intent_a_chain() -> None:
    table = WorkingTable()
    told(table)
    table.ask(asked(1, Act.CANCEL, "C1"))

    assert not table.standing(P1, 1, 1_000, 0).chains[0].idle
    with pytest.raises(AssertionError):
        table.ask(asked(2, Act.REPLACE, "C1"))


def test_a_replace_in_flight_counts_at_its_larger_size() -> None:
    table = WorkingTable()
    told(table, status=OrdStatus.PENDING_REPLACE, pending_qty=300, pending_price_e4=999_800)

    assert table.working_qty(ABC.symbol) == 300


def test_fills_count_once_and_survive_the_chain() -> None:
    table = WorkingTable()
    table.ask(asked(1))
    told(table, n=1, status=OrdStatus.PENDING_NEW)

    first = told(table, status=OrdStatus.PARTIALLY_FILLED, cum_qty=30, last_qty=30)
    again = told(table, status=OrdStatus.PARTIALLY_FILLED, cum_qty=30)
    last = told(table, status=OrdStatus.FILLED, cum_qty=100, last_qty=70)

    assert [h.filled_qty for h in (first, again, last)] == [30, 0, 70]  # type: ignore[attr-defined]
    assert table.done_qty(P1) == 100
    assert table.chains == {}


@pytest.mark.parametrize("crossing", [False, True])
def test_a_fill_took_where_its_order_was_sent_to_take(crossing: bool) -> None:
    table = WorkingTable()
    table.ask(asked(1, crossing=crossing))
    told(table, n=1, status=OrdStatus.PENDING_NEW)

    first = told(table, last_qty=40, cum_qty=40, status=OrdStatus.PARTIALLY_FILLED)
    last = told(table, last_qty=60, cum_qty=100, status=OrdStatus.FILLED)

    assert (first.filled_qty, last.filled_qty) == (40, 60)  # type: ignore[attr-defined]
    assert first.took is last.took is crossing  # type: ignore[attr-defined]


def test_a_fill_that_overtakes_our_cancel_still_counts() -> None:
    table = WorkingTable()
    told(table)
    ended = told(table, status=OrdStatus.CANCELED)

    late = told(table, status=OrdStatus.CANCELED, cum_qty=40, last_qty=40)

    assert ended.ended is OrdStatus.CANCELED  # type: ignore[attr-defined]
    assert late.filled_qty == 40  # type: ignore[attr-defined]
    assert table.done_qty(P1) == 40
    assert table.chains == {}


def test_a_bust_takes_shares_back() -> None:
    table = WorkingTable()
    told(table, status=OrdStatus.PARTIALLY_FILLED, cum_qty=40, last_qty=40)

    bust = told(table, status=OrdStatus.NEW, cum_qty=0)

    assert bust.filled_qty == -40  # type: ignore[attr-defined]
    assert table.done_qty(P1) == 0


def test_a_chain_told_after_a_restart_brings_no_fills() -> None:
    table = WorkingTable()

    heard = told(table, status=OrdStatus.PARTIALLY_FILLED, cum_qty=40)

    assert heard.filled_qty == 0  # type: ignore[attr-defined]
    assert table.done_qty(P1) == 40


def test_a_terminal_chain_forgets_what_was_asked_of_it() -> None:
    table = WorkingTable()
    told(table)
    table.ask(asked(7, Act.REPLACE, "C1"))

    told(table, status=OrdStatus.FILLED, cum_qty=100, last_qty=100)

    assert table.asked == {}
    assert table.standing(P1, 1, 1_000, 100).chains == ()
