import numpy as np
import pytest

from market.matching import MatchingEngine
from market.matching_events import COMMAND, OUTCOME, Command, CommandFlag, Outcome, OutcomeFlag, Tif, Why
from tests.twins.matching import TwinEngine

BUY, SELL = 1, -1
POST_ONLY, MARKET = CommandFlag.POST_ONLY, CommandFlag.MARKET


REFUSALS = set(Why) - {
    *(Why.NONE, Why.USER, Why.IOC, Why.FOK, Why.SELF_TRADE, Why.NO_LIQUIDITY),  # of cancellations
    *(Why.PURGED, Why.CONCEALED, Why.AUCTION, Why.SESSION_OVER),  # of flows, and of an exchange's day
    *(Why.ORDERS_FULL, Why.LEVELS_FULL),  # of small books
}
CANCELLATIONS = (Why.USER, Why.IOC, Why.FOK, Why.SELF_TRADE, Why.NO_LIQUIDITY)
PLAIN = (Outcome.ACCEPTED, Outcome.TRADE, Outcome.RESTED, Outcome.REPLACED)
EVERYTHING = (
    {(Outcome.REJECTED, why) for why in REFUSALS}
    | {(Outcome.CANCELED, why) for why in CANCELLATIONS}
    | {(kind, Why.NONE) for kind in PLAIN}
)


def random_commands(seed: int, count: int, ids: int) -> np.ndarray:
    """All kinds of command near a touch, with the occasional nonsense of every sort."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, dtype=COMMAND)
    rows["ts_ns"] = np.arange(count)
    rows["kind"] = rng.choice(
        [Command.NEW, Command.CANCEL, Command.REPLACE, 0, 9], count, p=[0.6, 0.2, 0.19, 0.005, 0.005]
    )
    rows["order_id"] = rng.integers(1, ids, count)
    rows["new_id"] = np.where(rng.random(count) < 0.3, rows["order_id"], rng.integers(0, ids, count))
    rows["side"] = rng.choice([BUY, SELL, 0], count, p=[0.498, 0.498, 0.004])
    rows["price_e4"] = 10_000 + rng.integers(-12, 13, count) * 100 - rows["side"].astype(np.int64) * 500
    rows["size"] = rng.choice(
        [0, 1, 100, 200, 300, 77, 2000, -5], count, p=[0.02, 0.1, 0.4, 0.2, 0.1, 0.15, 0.02, 0.01]
    )
    rows["owner"] = rng.choice([0, 1, 2, -1], count, p=[0.7, 0.15, 0.145, 0.005])
    rows["tif"] = rng.choice([Tif.DAY, Tif.IOC, Tif.FOK, 1], count, p=[0.85, 0.07, 0.07, 0.01])
    rows["flags"] = rng.choice([0, MARKET, POST_ONLY, 3, 4], count, p=[0.85, 0.05, 0.08, 0.01, 0.01])
    wild = rng.random(count) < 0.01
    rows["price_e4"][wild] = rng.choice([0, -1, 2**32, 1, 2**32 - 1], wild.sum())
    rows["size"][rng.random(count) < 0.001] = 2**32
    rows["size"][(rows["flags"] == MARKET) & (rng.random(count) < 0.1)] = 10**8  # the whole side
    # cancels and replaces mostly by the owner whose order it is: give each id one
    owned = rng.random(count) < 0.9
    rows["owner"][owned] = (rows["order_id"][owned] * 7919 % 10 == 0) * (1 + rows["order_id"][owned] % 2)
    return rows


def as_dicts(rows: np.ndarray) -> list[dict[str, int]]:
    return [dict(zip(rows.dtype.names, row, strict=True)) for row in rows.tolist()]


def agree(seed: int, count: int, orders_max: int, levels_max: int, ids: int, batch: int) -> TwinEngine:
    """Run engine and twin over the same commands, every outcome and every state compared."""
    engine = MatchingEngine(orders_max, levels_max, orders_max + 8)
    twin = TwinEngine(orders_max, levels_max)
    rng = np.random.default_rng(seed + 1)
    rows = random_commands(seed, count, ids)
    seen = set()
    for begin in range(0, count, batch):
        piece = rows[begin : begin + batch]
        expected = [outcome for command in as_dicts(piece) for outcome in twin.submit(command)]
        seen |= {(outcome["kind"], outcome["reason"]) for outcome in expected}

        assert as_dicts(engine.submit(piece)) == expected, f"seed {seed}, commands from {begin}"
        assert engine.book.state_hash() == twin.book.state_hash(), f"seed {seed}, commands from {begin}"
        if rng.random() < 0.02:
            twin.halted = not twin.halted
            engine.halt(trading=not twin.halted)
    assert seen >= EVERYTHING
    counters = engine.counters
    assert (counters.orders_full, counters.levels_full) == (
        twin.book.counts["orders_full"],
        twin.book.counts["levels_full"],
    )
    return twin


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_engine_agrees_with_its_twin_on_every_outcome(seed: int) -> None:
    agree(seed, 40_000, orders_max=4096, levels_max=512, ids=400, batch=8)


def test_engine_agrees_with_its_twin_where_orders_are_few() -> None:
    twin = agree(21, 10_000, orders_max=40, levels_max=512, ids=400, batch=5)

    assert twin.book.counts["orders_full"] > 50


def test_engine_agrees_with_its_twin_where_levels_are_few() -> None:
    twin = agree(22, 10_000, orders_max=400, levels_max=6, ids=200, batch=5)

    assert twin.book.counts["levels_full"] > 50


def test_how_commands_were_cut_makes_no_difference() -> None:
    rows = random_commands(5, 5_000, 300)
    whole, single = MatchingEngine(512, 64, 520), MatchingEngine(512, 64, 9000)

    together = whole.submit(rows).copy()
    apart = np.concatenate([single.submit(rows[at : at + 1]).copy() for at in range(len(rows))])

    assert len(together) > 520  # the buffer was filled more than once, and nothing was dropped
    assert together.tobytes() == apart.tobytes()


def kinds(outcomes: np.ndarray) -> list[Outcome]:
    return [Outcome(kind) for kind in outcomes["kind"].tolist()]


def test_price_goes_before_time_and_time_before_size() -> None:
    engine = MatchingEngine()
    engine.new(1, SELL, 10_100, 500)
    engine.new(2, SELL, 10_000, 100)
    engine.new(3, SELL, 10_000, 900)

    outcomes = engine.new(4, BUY, 10_100, 1_200)

    trades = outcomes[outcomes["kind"] == Outcome.TRADE]
    assert trades["resting_id"].tolist() == [2, 3, 1]
    assert trades["size"].tolist() == [100, 900, 200]
    assert trades["price_e4"].tolist() == [10_000, 10_000, 10_100]
    assert trades["leaves"].tolist() == [1_100, 200, 0]
    assert trades["resting_leaves"].tolist() == [0, 0, 300]
    assert trades["side"].tolist() == [SELL] * 3
    assert trades["match_id"].tolist() == [1, 2, 3]


def test_limit_order_rests_with_what_it_could_not_trade() -> None:
    engine = MatchingEngine()
    engine.new(1, SELL, 10_000, 100)

    outcomes = engine.new(2, BUY, 10_000, 150, owner=7)

    assert kinds(outcomes) == [Outcome.ACCEPTED, Outcome.TRADE, Outcome.RESTED]
    assert outcomes["leaves"].tolist() == [150, 50, 50]
    assert engine.book.best_bid_e4 == 10_000


def test_market_order_never_rests() -> None:
    engine = MatchingEngine()
    engine.new(1, SELL, 10_000, 100)

    outcomes = engine.new(2, BUY, 0, 150, flags=MARKET)

    assert kinds(outcomes) == [Outcome.ACCEPTED, Outcome.TRADE, Outcome.CANCELED]
    assert outcomes["reason"][-1] == Why.NO_LIQUIDITY
    assert len(engine.book) == 0


@pytest.mark.parametrize(
    ("tif", "size", "filled", "why"),
    [(Tif.IOC, 150, 100, Why.IOC), (Tif.FOK, 101, 0, Why.FOK), (Tif.FOK, 100, 100, None)],
)
def test_immediate_orders(tif: Tif, size: int, filled: int, why: Why | None) -> None:
    engine = MatchingEngine()
    engine.new(1, SELL, 10_000, 100)

    outcomes = engine.new(2, BUY, 10_000, size, tif=tif)

    assert outcomes["size"][outcomes["kind"] == Outcome.TRADE].sum() == filled
    assert (outcomes["kind"][-1] == Outcome.CANCELED) == (why is not None)
    assert outcomes["reason"][-1] == (why or 0)
    assert engine.book.best_bid_e4 == 0


def test_post_only_is_refused_where_it_would_take() -> None:
    engine = MatchingEngine()
    engine.new(1, SELL, 10_000, 100)

    taking = engine.new(2, BUY, 10_000, 100, flags=POST_ONLY).copy()
    making = engine.new(3, BUY, 9_900, 100, flags=POST_ONLY)

    assert (kinds(taking), taking["reason"][0]) == ([Outcome.REJECTED], Why.POST_ONLY)
    assert kinds(making) == [Outcome.ACCEPTED, Outcome.RESTED]


def test_self_trade_cancels_the_newcomer_at_its_own_order() -> None:
    engine = MatchingEngine()
    engine.new(1, SELL, 10_000, 100)
    engine.new(2, SELL, 10_000, 100, owner=7)
    engine.new(3, SELL, 10_000, 100)

    outcomes = engine.new(4, BUY, 10_000, 300, owner=7)

    assert kinds(outcomes) == [Outcome.ACCEPTED, Outcome.TRADE, Outcome.CANCELED]
    assert (outcomes["reason"][-1], outcomes["size"][-1]) == (Why.SELF_TRADE, 200)
    assert [order.order_id for order in engine.book.orders()] == [2, 3]


def test_fill_or_kill_does_not_count_what_lies_behind_its_own_order() -> None:
    engine = MatchingEngine()
    engine.new(1, SELL, 10_000, 100, owner=7)
    engine.new(2, SELL, 10_000, 100)

    assert engine.new(3, BUY, 10_000, 100, owner=7, tif=Tif.FOK)["reason"][-1] == Why.FOK


@pytest.mark.parametrize(
    ("price_e4", "size", "order"),
    [(9_900, 99, [5, 2]), (9_900, 100, [5, 2]), (9_900, 101, [2, 5]), (9_800, 50, [2, 5])],
)
def test_replace_keeps_priority_only_where_just_the_size_shrinks(
    price_e4: int, size: int, order: list[int]
) -> None:
    engine = MatchingEngine()
    engine.new(1, BUY, 9_900, 100)
    engine.new(2, BUY, 9_900, 100)

    outcomes = engine.replace(1, price_e4, size, new_id=5)

    assert kinds(outcomes) == [Outcome.REPLACED]
    assert bool(outcomes["flags"][0] & OutcomeFlag.KEPT_PRIORITY) == (order == [5, 2])
    assert outcomes["flags"][0] & OutcomeFlag.RESTING
    assert [resting.order_id for resting in engine.book.orders()] == order


def test_replace_that_crosses_leaves_the_book_then_trades_then_rests() -> None:
    engine = MatchingEngine()
    engine.new(1, BUY, 9_900, 100)
    engine.new(2, SELL, 10_000, 30)

    outcomes = engine.replace(1, 10_000, 100, new_id=3)

    assert kinds(outcomes) == [Outcome.REPLACED, Outcome.TRADE, Outcome.RESTED]
    assert not outcomes["flags"][0] & OutcomeFlag.RESTING
    assert outcomes["leaves"].tolist() == [100, 70, 70]


def test_cancel_takes_a_part_or_all() -> None:
    engine = MatchingEngine()
    engine.new(1, BUY, 9_900, 100)

    part = engine.cancel(1, size=40).copy()
    rest = engine.cancel(1)

    assert (part["size"][0], part["leaves"][0]) == (40, 60)
    assert (rest["size"][0], rest["leaves"][0]) == (60, 0)
    assert rest["flags"][0] == OutcomeFlag.RESTING


def test_nobody_cancels_or_replaces_an_order_of_somebody_else() -> None:
    engine = MatchingEngine()
    engine.new(1, BUY, 9_900, 100, owner=7)

    assert engine.cancel(1, owner=8)["reason"][0] == Why.NOT_OWNER
    assert engine.replace(1, 9_800, 100)["reason"][0] == Why.NOT_OWNER
    assert engine.cancel(1, owner=7)["kind"][0] == Outcome.CANCELED


def test_halt_refuses_entry_but_not_cancels() -> None:
    engine = MatchingEngine()
    engine.new(1, BUY, 9_900, 100)
    engine.halt(trading=False)

    assert engine.new(2, BUY, 9_900, 100)["reason"][0] == Why.HALTED
    assert engine.replace(1, 9_800, 100)["reason"][0] == Why.HALTED
    assert engine.cancel(1)["kind"][0] == Outcome.CANCELED


def test_a_buffer_that_could_be_too_small_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="outcomes_max"):
        MatchingEngine(orders_max=100, outcomes_max=100)


def test_records_carry_no_padding() -> None:
    assert COMMAND.itemsize == 5 * 8 + 4 + 4
    assert OUTCOME.itemsize == 8 * 8 + 2 * 4 + 4
