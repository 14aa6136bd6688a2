import numpy as np
import pytest

from market.book import OrderBook
from market.book_events import MARKET_EVENT, Flag, Kind
from market.book_layout import ORDERS_BOUND
from tests.twins.book import TwinBook

COUNTS = ("unknown", "duplicate", "oversize", "invalid", "orders_full", "levels_full")


def event(kind: int, order_id: int = 0, **fields: int) -> np.ndarray:
    row = np.zeros(1, dtype=MARKET_EVENT)
    row["kind"], row["order_id"] = kind, order_id
    for name, value in fields.items():
        row[name] = value
    return row


def add(order_id: int, side: int, price_e4: int, size: int) -> np.ndarray:
    return event(Kind.ADD, order_id, side=side, price_e4=price_e4, size=size)


def filled(*rows: np.ndarray, **capacity: int) -> OrderBook:
    book = OrderBook(**capacity)
    book.apply(np.concatenate(rows))
    return book


def random_events(seed: int, count: int) -> np.ndarray:
    """A rough feed: mostly true events near the touch, some that cannot be true."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, dtype=MARKET_EVENT)
    kinds = [Kind.ADD, Kind.CANCEL, Kind.DELETE, Kind.EXECUTE, Kind.EXECUTE_PRICE, Kind.REPLACE]
    rare = [Kind.NONE, Kind.HIDDEN, Kind.CROSS, Kind.HALT, Kind.SYSTEM, Kind.DIRECTORY, 77]
    weights = [0.48, 0.08, 0.18, 0.08, 0.03, 0.08] + [0.01] * len(rare)
    rows["kind"] = rng.choice(kinds + rare, size=count, p=np.array(weights) / sum(weights))
    rows["order_id"] = rng.integers(0, 400, size=count)
    rows["new_id"] = rng.integers(0, 400, size=count)
    rows["side"] = rng.choice([1, -1, 0], size=count, p=[0.49, 0.49, 0.02])
    distance = rng.geometric(0.2, size=count) * 100
    rows["price_e4"] = np.maximum(0, 10_000 - rows["side"].astype(np.int64) * distance)
    far = rng.random(count) < 0.02
    rows["price_e4"][far] = rng.integers(0, 10**9, size=far.sum())
    rows["size"] = rng.integers(0, 300, size=count)
    rows["code"] = rng.choice([ord("T"), ord("H")], size=count)
    return rows


def as_dicts(rows: np.ndarray) -> list[dict[str, int]]:
    return [dict(zip(rows.dtype.names, row, strict=True)) for row in rows.tolist()]


@pytest.mark.parametrize(
    ("seed", "orders_max", "levels_max"), [(1, 1000, 1000), (2, 90, 1000), (3, 1000, 12)]
)
def test_book_agrees_with_its_twin_event_by_event(seed: int, orders_max: int, levels_max: int) -> None:
    rows = random_events(seed, 40_000)
    book, twin = OrderBook(orders_max, levels_max), TwinBook(orders_max, levels_max)

    for begin in range(0, len(rows), 97):
        batch = rows[begin : begin + 97].copy()
        expected = [twin.apply(one) for one in as_dicts(batch)]
        book.apply(batch)

        assert as_dicts(batch) == expected
        assert book.state_hash() == twin.state_hash()
    assert {name: getattr(book.counters, name) for name in COUNTS} == twin.counts
    assert all(twin.counts[name] > 0 for name in ("unknown", "duplicate", "oversize", "invalid"))
    assert book.levels(10).tolist() == twin.levels(10)
    assert book.trading == twin.trading
    assert [o.order_id for o in book.orders()] == [o.order_id for o in twin.in_order()]
    assert all(book.queue_ahead(o.order_id) == twin.queue_ahead(o.order_id) for o in twin.in_order())


def test_capacities_are_hit_in_the_small_books() -> None:
    rows = random_events(2, 40_000)
    few_orders, few_levels = OrderBook(90, 1000), OrderBook(1000, 12)

    anomalies = few_orders.apply(rows.copy())
    few_levels.apply(rows.copy())

    assert few_orders.counters.orders_full > 0
    assert few_levels.counters.levels_full > 0
    assert anomalies == few_orders.counters.anomalies


def test_how_the_feed_was_cut_makes_no_difference() -> None:
    rows = random_events(4, 5_000)
    whole, pieces = OrderBook(), OrderBook()
    one, many = rows.copy(), rows.copy()

    whole.apply(one)
    for begin in range(0, len(many), 7):
        pieces.apply(many[begin : begin + 7])

    assert one.tobytes() == many.tobytes()
    assert whole.state_hash() == pieces.state_hash()


def test_events_are_completed_in_place() -> None:
    book = filled(add(1, 1, 999_900, 300), add(2, -1, 1_000_100, 200))
    batch = np.concatenate(
        [
            event(Kind.EXECUTE, 1, size=100),
            event(Kind.DELETE, 2),
            event(Kind.HIDDEN, price_e4=1_000_000, size=5),
        ]
    )

    assert book.apply(batch) == 0

    assert batch["side"].tolist() == [1, -1, 0]
    assert batch["price_e4"].tolist() == [999_900, 1_000_100, 1_000_000]
    assert batch["size"].tolist() == [100, 200, 5]
    assert batch["bid_e4"].tolist() == [999_900] * 3
    assert batch["ask_e4"].tolist() == [1_000_100, 0, 0]


def test_unknown_order_is_flagged_and_changes_nothing() -> None:
    book = filled(add(1, 1, 100, 300))
    before = book.state_hash()
    batch = event(Kind.EXECUTE, 9, size=100)

    assert book.apply(batch) == 1

    assert batch["flags"][0] == Flag.UNKNOWN_ORDER
    assert book.state_hash() == before
    assert book.counters.unknown == 1


def test_more_than_is_left_is_clamped() -> None:
    book = filled(add(1, 1, 100, 300))
    batch = event(Kind.CANCEL, 1, size=301)

    assert book.apply(batch) == 1

    assert batch["flags"][0] == Flag.CLAMPED
    assert batch["size"][0] == 300
    assert len(book) == 0


def test_duplicate_id_is_refused_and_the_first_order_stays() -> None:
    book = filled(add(1, 1, 100, 300))
    batch = add(1, 1, 99, 50)

    assert book.apply(batch) == 1

    assert batch["flags"][0] == Flag.REFUSED
    assert book.orders()[0].leaves == 300
    assert book.counters.duplicate == 1


def test_replace_joins_the_end_of_its_queue() -> None:
    book = filled(
        add(1, 1, 100, 10), add(2, 1, 100, 20), event(Kind.REPLACE, 1, new_id=3, price_e4=100, size=10)
    )

    assert [order.order_id for order in book.orders()] == [2, 3]
    assert book.queue_ahead(3) == 20
    assert book.queue_ahead(1) == -1
    assert book.size_at(1, 100) == 30
    assert book.size_at(-1, 100) == 0


def test_hash_speaks_of_the_book_and_not_of_its_history() -> None:
    straight = filled(add(1, 1, 100, 10), add(2, 1, 99, 20))
    detour = filled(add(7, 1, 98, 1), add(2, 1, 99, 20), add(1, 1, 100, 11), event(Kind.DELETE, 7),
                    event(Kind.CANCEL, 1, size=1))  # fmt: skip
    swapped = filled(add(2, 1, 100, 10), add(1, 1, 99, 20))

    assert straight.state_hash() == detour.state_hash()
    assert straight.state_hash() != swapped.state_hash()


def test_clear_forgets_everything_and_keeps_the_arena() -> None:
    book = filled(add(1, 1, 100, 10), event(Kind.DELETE, 5))
    arena = book.arena

    book.clear()

    assert book.arena is arena
    assert len(book) == book.counters.events == book.best_bid_e4 == 0
    assert book.state_hash() == OrderBook().state_hash()


def test_prices_may_lie_anywhere() -> None:
    book = filled(*(add(price, 1, price, 1) for price in (1, 2**31, 5, 2**40, 77)))

    assert book.levels(5)[0].tolist() == [2**40, 2**31, 77, 5, 1]


@pytest.mark.parametrize("capacity", [0, -1, ORDERS_BOUND + 1])
def test_capacity_outside_its_bounds_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="orders_max"):
        OrderBook(orders_max=capacity)


def test_records_lie_on_cache_lines() -> None:
    assert OrderBook().arena.ctypes.data % 64 == 0
