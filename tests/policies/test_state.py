"""StateBuilder: the same memory however the feed was cut, own orders taken out, scales without units."""

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.book import OrderBook
from market.book_events import Kind
from market.types import OrdStatus, ParentID, Side
from policies import state
from policies import state_kernels as k
from policies.state import INDEX, OBS_SIZE, Facts, StateBuilder
from tests.policies.makers import ABC, NS, TEN, add, events, execute, order, random_flow

P1 = ParentID("P1")


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    state.warm()


def facts(now_ns: int = TEN + 60 * NS, **more: Any) -> Facts:
    fields: dict[str, Any] = {
        "now_ns": now_ns,
        "start_ns": TEN,
        "end_ns": TEN + 600 * NS,
        "qty": 2_000,
        "cum_qty": 300,
        "sign": 1,
        "arrival_mid2_e4": 2_000_000,
        "limit_e4": 0,
        "slice_qty": 34,
        "target": 400,
        "low": 100,
        "high": 700,
        "room_qty": 1_000,
        "cap_qty": -1,
        "own_fills": 300,
        "others_volume": 2_700,
        "must_complete": False,
        "closing": False,
    }
    return Facts(**(fields | more))


def built(batches: list[np.ndarray]) -> tuple[StateBuilder, OrderBook]:
    book, builder = OrderBook(2_000, 200), StateBuilder(ABC)
    for batch in batches:
        book.apply(batch)
        builder.observe(batch)
    return builder, book


def observed(builder: StateBuilder, book: OrderBook, given_facts: Facts) -> dict[str, float]:
    builder.look(book, given_facts.now_ns)
    obs = builder.build(P1, given_facts)
    return {name: float(obs[at]) for name, at in INDEX.items()}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 60), max_size=40))
def test_the_cut_of_the_feed_into_reads_changes_no_bit(seed: int, cuts: list[int]) -> None:
    flow = random_flow(seed, 300)
    pieces, at = [], 0
    for length in cuts:
        pieces.append(flow[at : at + length].copy())
        at += length
    pieces.append(flow[at:].copy())

    whole, whole_book = built([flow.copy()])
    cut, cut_book = built([p for p in pieces if len(p)])

    assert whole.state_hash() == cut.state_hash()
    one = observed(whole, whole_book, facts())
    other = observed(cut, cut_book, facts())
    assert one == other


def test_an_observation_is_the_one_that_policies_were_trained_on() -> None:
    builder, book = built([random_flow(1, 500)])
    builder.order(order(price_e4=book.best_bid_e4), book)
    builder.fill(P1, 10, TEN + NS, 1)
    builder.look(book, TEN + 60 * NS)

    obs = builder.build(P1, facts())

    # Another number here is another observation: raise STATE_VERSION and train every artefact anew.
    rounded = np.round(obs.astype(np.float64), 4).tobytes()
    assert hashlib.sha256(rounded).hexdigest()[:16] == "e98e031c77dadafc"
    assert state.STATE_SPEC_SHA256[:16] == "3774d5f03631f440"
    assert obs.dtype == np.float32
    assert obs.shape == (OBS_SIZE,)
    assert np.isfinite(obs).all()


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    count=st.integers(1, 120),
    now=st.integers(0, 4_000),
    values=st.lists(st.integers(0, 10**9), min_size=12, max_size=12),
    sign=st.sampled_from((1, -1)),
)
def test_whatever_the_market_an_observation_is_finite_and_bounded(
    seed: int, count: int, now: int, values: list[int], sign: int
) -> None:
    builder, book = built([random_flow(seed, count)])
    v = iter(values)
    odd = facts(
        now_ns=TEN + now * NS,
        qty=next(v) + 1,
        cum_qty=next(v),
        sign=sign,
        arrival_mid2_e4=next(v),
        limit_e4=next(v),
        slice_qty=next(v) + 1,
        target=next(v),
        low=next(v),
        high=next(v),
        room_qty=next(v),
        cap_qty=next(v),
        own_fills=next(v),
        others_volume=next(v),
    )
    builder.look(book, odd.now_ns)

    obs = builder.build(P1, odd)

    assert np.isfinite(obs).all()


def test_own_displayed_size_is_not_the_market() -> None:
    builder, book = built([events(add(1, 1, 999_900, 300), add(2, -1, 1_000_000, 200))])
    builder.order(order(qty=100), book)
    more = events(add(3, 1, 999_900, 100, TEN + 1))  # ours, as the feed shows it
    book.apply(more)
    builder.observe(more)

    levels = builder.look(book, TEN + 2)

    assert levels[0][0] == 999_900
    assert levels[1][0] == 300


def test_a_level_that_is_ours_alone_is_gone() -> None:
    builder, book = built([events(add(1, 1, 999_800, 300), add(2, -1, 1_000_000, 200))])
    builder.order(order(qty=100, price_e4=999_900), book)
    more = events(add(3, 1, 999_900, 100, TEN + 1))
    book.apply(more)
    builder.observe(more)

    assert builder.look(book, TEN + 2)[0][0] == 999_800


def test_until_the_feed_shows_it_our_order_takes_nothing_away() -> None:
    builder, book = built([events(add(1, 1, 999_900, 300), add(2, -1, 1_000_000, 200))])
    builder.order(order(qty=100), book)

    assert builder.look(book, TEN + NS // 10)[1][0] == 300
    assert builder.look(book, TEN + NS)[1][0] == 200  # it must have been there before we were told


def test_a_queue_before_us_is_inferred_from_the_feed() -> None:
    builder, book = built([events(add(1, 1, 999_900, 300), add(2, -1, 1_000_000, 200))])
    builder.order(order(qty=100, status=OrdStatus.PENDING_NEW), book)

    for batch in (
        events(add(3, 1, 999_900, 100, TEN + 1)),
        events(add(4, 1, 999_900, 200, TEN + 2)),
        events(execute(1, 120, TEN + 3)),
    ):
        book.apply(batch)
        builder.observe(batch)

    row = builder.own[0]
    assert row[k.O_SEEN] == 1
    assert row[k.O_AHEAD] == 180
    assert row[k.O_TOTAL] == 480
    assert observed(builder, book, facts())["queue_ahead"] == pytest.approx(180 / 480)


def test_an_order_that_is_gone_leaves_no_row() -> None:
    builder, book = built([random_flow(3, 100)])
    for n in range(5):
        builder.order(order(f"C{n}", price_e4=999_000 + n * 100), book)

    builder.order(order("C1", price_e4=999_100, status=OrdStatus.CANCELED), book)
    builder.order(order("C4", price_e4=999_400, status=OrdStatus.FILLED, cum_qty=100), book)

    assert sorted(builder.rows) == ["C0", "C2", "C3"]
    assert sorted(builder.own[:3, k.O_PRICE].tolist()) == [999_000, 999_200, 999_300]
    assert builder.own[3:].sum() == 0


def test_hidden_prints_are_signed_by_the_mid() -> None:
    book_events = [add(1, 1, 999_900, 300), add(2, -1, 1_000_100, 200)]
    above = {"kind": Kind.HIDDEN, "price_e4": 1_000_050, "size": 100, "ts_ns": TEN + 1}
    below = {**above, "price_e4": 999_950}
    at_mid = {**above, "price_e4": 1_000_000}

    flows = [built([events(*book_events, row)])[0].floats[k.FLOW] for row in (above, below, at_mid)]

    assert [round(f) for f in flows] == [100, -100, 0]


def test_own_fills_leave_volume_and_only_aggressive_ones_leave_flow() -> None:
    rows = events(add(1, 1, 999_900, 300), add(2, -1, 1_000_000, 200), execute(2, 100, TEN + 1))
    builder, _ = built([rows])

    builder.fill(P1, 40, TEN + 1, 0)
    passive = builder.floats.copy()
    builder.fill(P1, 60, TEN + 1, 1)

    assert passive[k.FLOW] == pytest.approx(100)
    assert passive[k.FLOW_VOLUME] == pytest.approx(60)
    assert builder.floats[k.FLOW] == pytest.approx(40)
    assert builder.floats[k.FLOW_VOLUME] == pytest.approx(0, abs=1e-6)
    assert builder.own_volume == 100
    assert builder.volume == 100


def test_ack_and_feed_may_come_in_either_order() -> None:
    before = events(add(1, 1, 999_900, 300), add(2, -1, 1_000_000, 200))
    later = events(execute(2, 100, TEN + NS))

    first, book = built([before.copy()])
    first.fill(P1, 100, TEN + NS, 1)
    book.apply(batch := later.copy())
    first.observe(batch)
    second, book = built([before.copy(), later.copy()])
    second.fill(P1, 100, TEN + NS, 1)

    for scale in range(3):
        assert first.floats[k.FLOW + scale] == pytest.approx(second.floats[k.FLOW + scale], abs=1e-6)
        assert first.floats[k.FLOW_VOLUME + scale] == pytest.approx(0, abs=1e-6)
    assert first.own_volume == second.own_volume


def test_volume_before_an_instant_is_never_too_small() -> None:
    rows = [add(1, 1, 999_900, 900), add(2, -1, 1_000_000, 900)]
    rows += [execute(2, 10, TEN + i * NS // 2) for i in range(20)]
    builder, _ = built([events(*rows)])

    assert builder.volume_before(TEN - 5 * NS) == 0
    assert builder.volume_before(TEN + 3 * NS) == 80  # eight prints before second four
    assert builder.volume_before(TEN + 500 * NS) == builder.volume == 200


def test_returns_look_back_by_event_time() -> None:
    rows = [add(1, 1, 999_900, 100), add(2, -1, 1_000_100, 100)]
    rows += [add(3, 1, 1_000_000, 100, TEN + 10 * NS), add(4, -1, 1_000_100, 5, TEN + 13 * NS)]
    builder, book = built([events(*rows)])

    buy = observed(builder, book, facts(TEN + 13 * NS))
    sell = observed(builder, book, facts(TEN + 13 * NS, sign=-1))

    assert buy["return_1s"] == 0.0
    assert buy["return_5s"] > 0.0
    assert sell["return_5s"] == -buy["return_5s"]


def test_buy_and_sell_are_mirrors() -> None:
    builder, book = built([events(add(1, 1, 999_900, 400), add(2, -1, 1_000_000, 100))])

    buy, sell = (observed(builder, book, facts(sign=s)) for s in (1, -1))

    assert buy["imbalance_1"] == pytest.approx(0.6)
    assert sell["imbalance_1"] == pytest.approx(-0.6)
    assert buy["own_depth_1"] == sell["other_depth_1"]


def test_an_overflow_of_own_orders_is_counted() -> None:
    builder, book = built([random_flow(5, 50)])

    for n in range(state.OWN_MAX + 3):
        builder.order(order(f"C{n}", side=Side.BUY), book)

    assert builder.overflow == 3
    assert len(builder.rows) == state.OWN_MAX
