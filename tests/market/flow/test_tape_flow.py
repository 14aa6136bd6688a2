"""The rules of a replay with orders of ours in it, one by one."""

import numpy as np
import pytest

from market.book_events import Flag, Kind
from market.flow.flow import ENDED, OWN_ID_MIN
from market.flow.tape import Effect, TapeFlow
from market.matching import MatchingEngine
from market.matching_events import Outcome, OutcomeFlag, Tif, Why
from tests.market.flow.tapes import BUY, SELL, add, event, tape

OURS = OWN_ID_MIN
END = ENDED - 1


def executed(order_id: int, size: int, ts_ns: int) -> np.ndarray:
    return event(Kind.EXECUTE, order_id, ts_ns, size=size)


def hidden(side: int, price_e4: int, size: int, ts_ns: int) -> np.ndarray:
    return event(Kind.HIDDEN, 0, ts_ns, side=side, price_e4=price_e4, size=size)


def deleted(order_id: int, ts_ns: int) -> np.ndarray:
    return event(Kind.DELETE, order_id, ts_ns)


class Desk:
    """A tape, an engine and our hand in between: `at` advances, `new` enters an order of ours."""

    def __init__(self, *rows: np.ndarray) -> None:
        self.flow = TapeFlow(tape(*rows))
        self.engine = MatchingEngine(256, 64, 512)
        self.ours = 0

    def at(self, ts_ns: int) -> list[tuple[str, int, int, int]]:
        """Return (what, order hit or spoken of, price, size) of each outcome."""
        rows = []
        for row in self.flow.advance(self.engine, ts_ns):
            kind = Outcome(int(row["kind"]))
            about = row["resting_id"] if kind is Outcome.TRADE else row["order_id"]
            rows.append((kind.name, int(about), int(row["price_e4"]), int(row["size"])))
        return rows

    def new(self, side: int, price_e4: int, size: int, tif: Tif = Tif.DAY) -> int:
        order_id = OURS + self.ours
        self.ours += 1
        self.engine.new(order_id, side, price_e4, size, owner=1, tif=tif)
        return order_id

    @property
    def queue(self) -> list[tuple[int, int]]:
        return [(order.order_id, order.leaves) for order in self.engine.book.orders()]


STANDING = (add(1, BUY, 9_900, 100), add(2, SELL, 10_000, 100), add(3, SELL, 10_100, 100))


def test_we_wait_behind_those_who_came_before_us() -> None:
    desk = Desk(*STANDING, executed(2, 60, 10), executed(2, 40, 20), add(4, SELL, 10_000, 50, 30))
    desk.at(0)
    ours = desk.new(SELL, 10_000, 70)

    desk.at(20)

    assert desk.queue == [(1, 100), (ours, 70), (3, 100)]
    assert desk.flow.counters["displaced"] == 0


def test_a_recorded_execution_behind_us_is_ours() -> None:
    desk = Desk(*STANDING, add(4, SELL, 10_000, 50, 5), executed(2, 100, 10), executed(4, 50, 10))
    desk.at(0)
    ours = desk.new(SELL, 10_000, 70)
    desk.at(5)

    trades = desk.at(10)

    assert trades == [
        ("TRADE", 2, 10_000, 100),
        ("TRADE", ours, 10_000, 50),
        ("CANCELED", 4, 10_000, 50),  # the tape's touch has left 10,000 with this execution: purged at once
    ]
    assert desk.queue == [(1, 100), (ours, 20), (3, 100)]
    assert desk.flow.by_order == {ours: Effect(displaced=50, voided=0, purged=50, hidden_fills=0, taken=0)}


def test_better_priced_we_are_hit_before_the_recorded_order() -> None:
    desk = Desk(*STANDING, executed(2, 60, 10))
    desk.at(0)
    ours = desk.new(SELL, 9_950, 40)

    assert desk.at(10) == [("TRADE", ours, 9_950, 40), ("TRADE", 2, 10_000, 20)]
    assert desk.queue == [(1, 100), (2, 80), (3, 100)]  # 40 of them a residual


def test_a_residual_stays_while_the_tape_has_its_touch_there() -> None:
    desk = Desk(
        *STANDING,
        add(4, SELL, 10_000, 30, 5),
        executed(2, 100, 10),
        add(5, BUY, 9_800, 10, 20),
        deleted(4, 30),
    )
    desk.at(5)
    ours = desk.new(SELL, 9_950, 100)

    desk.at(20)
    assert (2, 100) in desk.queue

    assert desk.at(30) == [("CANCELED", 4, 10_000, 30), ("CANCELED", 2, 10_000, 100)]
    assert desk.flow.counters["purged"] == 100
    assert desk.flow.by_order[ours].purged == 100


def test_a_residual_is_hit_like_any_order() -> None:
    desk = Desk(*STANDING, add(4, SELL, 10_000, 30, 5), executed(2, 100, 10), executed(4, 20, 20))
    desk.at(5)
    desk.new(SELL, 9_950, 100)
    desk.at(10)
    behind = desk.new(SELL, 10_000, 10)

    assert desk.at(20) == [("TRADE", 4, 10_000, 20)]  # nothing of ours stands before it: as recorded
    assert desk.queue == [(1, 100), (2, 100), (4, 10), (behind, 10), (3, 100)]


def test_a_residual_leaves_whole_with_its_owners_cancel() -> None:
    desk = Desk(*STANDING, executed(2, 40, 10), deleted(2, 20))
    desk.at(0)
    desk.new(SELL, 9_950, 40)
    desk.at(10)

    assert desk.at(20) == [("CANCELED", 2, 10_000, 100)]
    assert desk.flow.counters["purged"] == 0


@pytest.mark.parametrize("end", [deleted(2, 10), event(Kind.CANCEL, 2, 10, size=100)])
def test_a_cancel_of_shares_that_we_took_is_void(end: np.ndarray) -> None:
    desk = Desk(*STANDING, end)
    desk.at(0)
    ours = desk.new(BUY, 10_000, 60, Tif.IOC)

    assert desk.at(10) == [("CANCELED", 2, 10_000, 40)]
    assert desk.flow.by_order == {ours: Effect(displaced=0, voided=60, purged=0, hidden_fills=0, taken=60)}


def test_a_partial_cancel_takes_what_is_left_first() -> None:
    desk = Desk(*STANDING, event(Kind.CANCEL, 2, 10, size=30), event(Kind.CANCEL, 2, 20, size=30))
    desk.at(0)
    desk.new(BUY, 10_000, 60, Tif.IOC)

    assert desk.at(10) == [("CANCELED", 2, 10_000, 30)]
    assert desk.at(20) == [("CANCELED", 2, 10_000, 10)]
    assert desk.flow.counters["voided"] == 20


def test_an_aggressor_whose_order_we_took_hits_the_next_within_its_limit() -> None:
    desk = Desk(*STANDING, add(4, SELL, 10_000, 50, 5), executed(2, 100, 10), deleted(4, 20))
    desk.at(5)
    ours = desk.new(BUY, 10_000, 100, Tif.IOC)

    assert desk.at(10) == [("TRADE", 4, 10_000, 50)]  # and not 10,100: the tape did not pay that
    assert desk.at(20) == []
    assert desk.flow.counters["voided"] == 100  # 50 that found nothing, 50 of the delete of what it took
    assert desk.flow.by_order[ours].voided == 100


@pytest.mark.parametrize("print_side", [SELL, 0], ids=["print with a side", "print without"])
def test_a_sweep_is_rebuilt_whole_down_to_its_worst_price(print_side: int) -> None:
    desk = Desk(*STANDING, executed(2, 100, 10), hidden(print_side, 10_050, 5, 10), executed(3, 20, 10))
    desk.at(0)
    desk.new(BUY, 10_000, 30, Tif.IOC)

    assert desk.at(10) == [
        ("TRADE", 2, 10_000, 70),
        ("TRADE", 3, 10_100, 30),  # what was ours of 2, at the next price that the sweep reached
        ("PRINT", 0, 10_050, 5),
        ("TRADE", 3, 10_100, 20),
    ]


def test_executions_off_the_head_come_out_as_recorded_and_are_counted() -> None:
    desk = Desk(*STANDING, add(4, SELL, 10_000, 50, 5), executed(4, 50, 10))
    desk.at(5)
    behind = desk.new(SELL, 10_000, 10)

    outcomes = desk.flow.advance(desk.engine, 10)

    assert outcomes["resting_id"].tolist() == [4]
    assert outcomes["flags"][0] & OutcomeFlag.OFF_FIFO
    assert desk.flow.counters["off_fifo"] == 1
    assert (behind, 10) in desk.queue


def test_off_the_head_with_ours_ahead_goes_by_price_and_time() -> None:
    desk = Desk(*STANDING, add(4, SELL, 10_000, 50, 5), executed(4, 50, 10))
    desk.at(0)
    ours = desk.new(SELL, 10_000, 10)
    desk.at(5)

    assert desk.at(10) == [("TRADE", 2, 10_000, 50)]
    assert (ours, 10) in desk.queue


def test_a_tapes_new_order_that_reaches_ours_trades_with_it() -> None:
    desk = Desk(*STANDING, add(4, BUY, 9_950, 70, 10), deleted(4, 20))
    desk.at(0)
    ours = desk.new(SELL, 9_950, 40)

    assert desk.at(10) == [("TRADE", ours, 9_950, 40), ("RESTED", 4, 9_950, 30)]
    assert desk.at(20) == [("CANCELED", 4, 9_950, 30)]
    assert desk.flow.by_order == {ours: Effect(displaced=0, voided=40, purged=0, hidden_fills=0, taken=40)}


def test_a_locked_tape_stays_locked() -> None:
    desk = Desk(*STANDING, add(4, BUY, 10_000, 70, 10))

    desk.at(10)

    assert desk.engine.book.best_bid_e4 == desk.engine.book.best_ask_e4 == 10_000


def test_a_replace_of_an_order_of_which_we_took_shares_brings_fewer() -> None:
    desk = Desk(*STANDING, event(Kind.REPLACE, 2, 10, new_id=9, price_e4=10_100, size=80))
    desk.at(0)
    desk.new(BUY, 10_000, 60, Tif.IOC)

    assert desk.at(10) == [("REPLACED", 9, 10_100, 20)]
    assert desk.queue[-1] == (9, 20)
    assert desk.flow.counters["voided"] == 60


@pytest.mark.parametrize(
    ("price_e4", "fills"),
    [(9_960, 50), (9_950, 50), (9_940, 0)],
    ids=["through our price", "at our price", "short of our price"],
)
@pytest.mark.parametrize("side", [SELL, 0])
def test_a_hidden_print_at_or_through_our_price_fills_us_first(price_e4: int, fills: int, side: int) -> None:
    desk = Desk(*STANDING, hidden(side, price_e4, 80, 10))
    desk.at(0)
    ours = desk.new(SELL, 9_950, 50)

    outcomes = desk.at(10)

    assert [row for row in outcomes if row[0] == "TRADE"] == ([("TRADE", ours, 9_950, 50)] if fills else [])
    assert outcomes[-1] == ("PRINT", 0, price_e4, 80 - fills)
    assert desk.flow.counters["hidden_fills"] == fills


def test_a_hidden_print_at_our_price_does_not_jump_the_displayed_queue() -> None:
    desk = Desk(*STANDING, hidden(SELL, 10_000, 80, 10))
    desk.at(0)
    desk.new(SELL, 10_000, 50)

    assert desk.at(10) == [("PRINT", 0, 10_000, 80)]


def test_a_hidden_print_of_the_other_side_is_not_ours() -> None:
    desk = Desk(*STANDING, hidden(BUY, 9_960, 80, 10))
    desk.at(0)
    desk.new(SELL, 9_950, 50)

    assert desk.at(10) == [("PRINT", 0, 9_960, 80)]


def test_nothing_of_ours_trades_in_a_halt_and_crossed_orders_go_at_its_end() -> None:
    desk = Desk(
        *STANDING,
        event(Kind.HALT, 0, 10, code=ord("H")),
        add(4, BUY, 9_950, 70, 20),
        hidden(SELL, 9_960, 10, 25),
        event(Kind.HALT, 0, 30, code=ord("T")),
    )
    desk.at(0)
    ours = desk.new(SELL, 9_950, 50)

    assert desk.at(25) == [
        ("STATE", 0, 0, 0),
        ("RESTED", 4, 9_950, 70),
        ("PRINT", 0, 9_960, 10),
    ]
    assert desk.engine.new(OURS + 9, BUY, 9_000, 1, owner=1)["reason"][0] == Why.HALTED
    assert desk.at(30) == [("STATE", 0, 0, 0), ("CANCELED", ours, 9_950, 50)]
    assert desk.flow.counters["reopening_cancels"] == 1


def test_window_edges_are_marked() -> None:
    desk = Desk(add(1, BUY, 9_900, 100, flags=Flag.REVEAL), event(Kind.DELETE, 1, 10, flags=Flag.CONCEAL))

    revealed = desk.flow.advance(desk.engine, 0).copy()
    concealed = desk.flow.advance(desk.engine, 10)

    assert (revealed["kind"][0], revealed["flags"][0]) == (Outcome.RESTED, OutcomeFlag.REVEALED)
    assert (concealed["kind"][0], concealed["reason"][0]) == (Outcome.CANCELED, Why.CONCEALED)


def test_a_cross_is_printed() -> None:
    desk = Desk(event(Kind.CROSS, 0, 10, price_e4=10_000, size=5_000))

    outcomes = desk.flow.advance(desk.engine, END)

    assert (outcomes["kind"][0], outcomes["flags"][0]) == (Outcome.PRINT, OutcomeFlag.CROSS)


def test_events_on_orders_that_the_tape_never_added_are_counted() -> None:
    desk = Desk(executed(7, 10, 0), deleted(8, 0), add(1, BUY, 9_900, 5), add(1, BUY, 9_900, 5))

    desk.at(END)

    assert desk.flow.counters["anomalies"] == 3
    assert desk.queue == [(1, 5)]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([add(1, BUY, 1, 1, 10), add(2, BUY, 1, 1, 9)], "time goes back at event 1"),
        ([add(OWN_ID_MIN, BUY, 1, 1)], "ids must lie below"),
    ],
)
def test_a_tape_that_cannot_be_is_refused(rows: list[np.ndarray], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TapeFlow(tape(*rows))
