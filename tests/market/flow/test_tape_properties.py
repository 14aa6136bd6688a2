"""What must hold of a replay whatever we do in it, on made-up tapes and random orders of ours."""

import numpy as np
import pytest

from market.book_events import Kind
from market.flow.flow import ENDED, OWN_ID_MIN
from market.flow.tape import TapeFlow
from market.matching import MatchingEngine
from market.matching_events import CommandFlag, Outcome, OutcomeFlag, Tif
from tests.market.flow.tapes import BUY, MID, SELL, TICK, TapeMaker
from tests.twins.book import TwinBook
from tests.twins.public import PublicBook

Row = dict[str, int]
SEEDS = range(6)


def as_dicts(rows: np.ndarray) -> list[Row]:
    return [dict(zip(rows.dtype.names, row, strict=True)) for row in rows.tolist()]


def instants(events: np.ndarray) -> list[int]:
    return sorted(set(events["ts_ns"].tolist()))


@pytest.mark.parametrize("seed", SEEDS)
def test_without_ours_the_tape_comes_out_as_recorded(seed: int) -> None:
    maker = TapeMaker(seed)
    events = maker.make(1_000)
    flow, engine, recorded = TapeFlow(events), MatchingEngine(4096, 256), TwinBook()
    rows = as_dicts(events)
    outcomes = []
    at = 0
    for ts_ns in instants(events):
        outcomes += as_dicts(flow.advance(engine, ts_ns))
        while at < len(rows) and rows[at]["ts_ns"] <= ts_ns:
            rows[at] = recorded.apply(rows[at])
            at += 1
        assert engine.book.state_hash() == recorded.state_hash()

    trades = [
        (r["ts_ns"], r["resting_id"], r["size"], r["price_e4"])
        for r in outcomes
        if r["kind"] == Outcome.TRADE
    ]
    executions = [r for r in rows if r["kind"] in (Kind.EXECUTE, Kind.EXECUTE_PRICE)]
    assert trades == [(r["ts_ns"], r["order_id"], r["size"], r["price_e4"]) for r in executions]
    prints = [(r["price_e4"], r["size"]) for r in outcomes if r["kind"] == Outcome.PRINT]
    assert prints == [(r["price_e4"], r["size"]) for r in rows if r["kind"] == Kind.HIDDEN]
    assert flow.next_ts_ns() == ENDED
    counters = flow.counters
    assert counters.pop("off_fifo") >= maker.off_fifo > 0
    assert counters.pop("executions") == len(executions)
    assert not any(counters.values())


class Watched:
    """A replay with orders of ours in it, every outcome followed and checked."""

    def __init__(self, seed: int, orders_max: int = 4096) -> None:
        self.rng = np.random.default_rng(1000 + seed)
        self.events = TapeMaker(seed).make(1_000)
        self.flow, self.engine = TapeFlow(self.events), MatchingEngine(orders_max, 256)
        self.public = PublicBook()
        self.asked: dict[int, int] = {}
        self.filled: dict[int, int] = {}
        self.by_recorded = self.by_hidden = self.by_meeting = 0
        self.prints = 0
        self.trading = True

    def run(self) -> None:
        for ts_ns in instants(self.events):
            self.watch(self.flow.advance(self.engine, ts_ns), ts_ns)
            if self.rng.random() < 0.3:
                self.watch(self.act(ts_ns), ts_ns)

    def end(self) -> None:
        for order in self.engine.book.orders():
            if order.owner:
                self.public.follow(self.engine.cancel(order.order_id, owner=order.owner))

    def act(self, ts_ns: int) -> np.ndarray:
        ours = [order for order in self.engine.book.orders() if order.owner]
        if ours and (len(ours) > 6 or self.rng.random() < 0.3):
            order = ours[int(self.rng.integers(len(ours)))]
            return self.engine.cancel(order.order_id, owner=1, ts_ns=ts_ns)
        side = int(self.rng.choice([BUY, SELL]))
        touch = self.engine.book.best_bid_e4 if side == BUY else self.engine.book.best_ask_e4
        price_e4 = (touch or MID) + side * TICK * int(self.rng.integers(-2, 3))
        size = int(self.rng.integers(1, 8)) * 40
        order_id = OWN_ID_MIN + len(self.asked)
        self.asked[order_id] = size
        tif = Tif.IOC if self.rng.random() < 0.2 else Tif.DAY
        return self.engine.new(order_id, side, price_e4, size, owner=1, tif=tif, ts_ns=ts_ns)

    def watch(self, outcomes: np.ndarray, ts_ns: int) -> None:
        prints = [r for r in as_dicts(outcomes) if r["kind"] == Outcome.PRINT]
        for row in as_dicts(outcomes):
            if row["kind"] == Outcome.STATE:
                self.trading = row["reason"] == ord("T")
            if row["kind"] == Outcome.TRADE:
                self.check_trade(row)
            self.public.follow_one(row)
        self.prints += sum(r["size"] for r in prints)
        self.check_books()

    def check_trade(self, row: Row) -> None:
        hit = self.public.orders[row["resting_id"]]
        ahead = self.ours_ahead(hit.order_id)
        if row["owner"] == 0 and not ahead and hit.owner == 0:
            return
        assert self.trading
        if row["flags"] & OutcomeFlag.HIDDEN:
            assert hit.owner == 1
            self.by_hidden += row["size"]
        else:
            assert hit.price_e4 == self.public.best(hit.side), "ours or before ours: best price first"
            assert self.public.queue_ahead(hit.order_id) == 0, "ours or before ours: head of the queue first"
            assert row["price_e4"] == hit.price_e4
            if hit.owner == 1 and row["order_id"] == 0:
                self.by_recorded += row["size"]
            elif (hit.owner == 1) != (row["owner"] == 1):
                self.by_meeting += row["size"]
        for order_id in (row["resting_id"], row["order_id"]):
            if order_id in self.asked:
                self.filled[order_id] = self.filled.get(order_id, 0) + row["size"]
                assert self.filled[order_id] <= self.asked[order_id]
        assert not (hit.owner == 1 and row["owner"] == 1)

    def ours_ahead(self, order_id: int) -> bool:
        for order in self.public.in_order():
            if order.order_id == order_id:
                return False
            if order.owner and order.side == self.public.orders[order_id].side:
                return True
        raise AssertionError("not in the book")

    def check_books(self) -> None:
        book = self.engine.book
        assert book.state_hash() == self.public.state_hash()
        if self.trading and book.best_bid_e4 and book.best_ask_e4:
            assert book.best_bid_e4 < book.best_ask_e4
        shadow = self.flow.shadow_of(self.engine)
        for order in book.orders():
            if order.owner == 0 and order.leaves > shadow.leaves(order.order_id):
                touch = shadow.best_bid_e4 if order.side == BUY else shadow.best_ask_e4
                assert order.price_e4 == touch, "a residual lives only at the tape's touch"


@pytest.mark.parametrize("seed", SEEDS)
def test_with_ours_books_accounts_and_queues_stay_true(seed: int) -> None:
    run = Watched(seed)

    run.run()

    counters, accounts = run.flow.counters, run.flow.by_order
    hidden = run.events["size"][run.events["kind"] == Kind.HIDDEN].sum()
    assert run.filled, "the run would show nothing"
    assert counters["displaced"] == run.by_recorded == sum(a.displaced for a in accounts.values())
    assert counters["hidden_fills"] == run.by_hidden == sum(a.hidden_fills for a in accounts.values())
    assert run.prints + run.by_hidden == hidden
    assert counters["taken"] == run.by_meeting == sum(a.taken for a in accounts.values())
    assert sum(a.purged for a in accounts.values()) <= counters["purged"]
    assert sum(a.voided for a in accounts.values()) <= counters["voided"]
    assert counters["anomalies"] == counters["refused"] == counters["taken_lost"] == 0
    assert set(accounts) <= set(run.asked)


@pytest.mark.parametrize("seed", SEEDS)
def test_when_the_tape_has_ended_and_ours_are_gone_nothing_stands(seed: int) -> None:
    run = Watched(seed)

    run.run()
    run.end()

    assert len(run.engine.book) == 0
    assert run.public.orders == {}


def test_the_same_orders_give_the_same_bytes_however_time_is_cut() -> None:
    events = TapeMaker(3).make(1_000)
    once = TapeFlow(events)
    step = TapeFlow(events)
    one, two = MatchingEngine(4096, 256), MatchingEngine(4096, 256)

    whole = once.advance(one, ENDED - 1)
    pieces = np.concatenate([step.advance(two, ts_ns).copy() for ts_ns in instants(events)])

    assert whole.tobytes() == pieces.tobytes()
    assert step.next_ts_ns() == once.next_ts_ns() == ENDED


def test_a_buffer_of_the_smallest_size_drops_nothing() -> None:
    events = TapeMaker(4).make(800)
    small, large = MatchingEngine(300, 256, 308), MatchingEngine(300, 256, 100_000)

    assert (
        TapeFlow(events).advance(small, ENDED - 1).tobytes()
        == TapeFlow(events).advance(large, ENDED - 1).tobytes()
    )


def test_a_full_book_is_counted_and_said() -> None:
    events = TapeMaker(5).make(800)
    flow, engine = TapeFlow(events), MatchingEngine(16, 256)
    flow.shadow_of(MatchingEngine(4096, 256))

    outcomes = flow.advance(engine, ENDED - 1)

    rejected = outcomes["kind"] == Outcome.REJECTED
    assert flow.counters["refused"] == rejected.sum() == engine.counters.orders_full > 0


def test_post_only_orders_of_ours_are_no_different() -> None:
    engine = MatchingEngine(64, 64)
    TapeFlow(TapeMaker(1).make(0)).advance(engine, 0)

    outcomes = engine.new(OWN_ID_MIN, BUY, engine.book.best_ask_e4, 10, owner=1, flags=CommandFlag.POST_ONLY)

    assert outcomes["kind"].tolist() == [Outcome.REJECTED]
