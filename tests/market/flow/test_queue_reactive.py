from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from market.book import OrderBook
from market.book_kernels import state_hash
from market.flow.calibration import Calibration, Latent, Layers, Metaorders
from market.flow.flow import ENDED, OWN_ID_MIN
from market.flow.queue_reactive import DROPPED, QueueReactiveFlow
from market.flow.queue_reactive_clocks import exp, exponential
from market.flow.queue_reactive_defaults import large_tick, small_tick
from market.flow.queue_reactive_kernels import FULL, PLAYED, STOP_ON_TOUCH, TOUCH, react
from market.flow.queue_reactive_layout import S_FOREIGN, S_LIMITS, S_MARKETS
from market.flow.queue_reactive_state import Episode, new_state, reseed
from market.flow.queue_reactive_tables import tables
from market.matching import MatchingEngine
from market.matching_events import OUTCOME, CommandFlag, Outcome, OutcomeFlag
from market.types import NS
from tests.twins.public import PublicBook

START = 1_000_000 * NS
MINUTE = 60 * NS
DEFAULTS = [large_tick(), small_tick()]
replace = msgspec.structs.replace


def engine() -> MatchingEngine:
    return MatchingEngine(1 << 12, 1 << 10, 1 << 13)


def flow_of(calibration: Calibration, seed: int = 1, minutes: int = 5) -> QueueReactiveFlow:
    return QueueReactiveFlow(seed, START, START + minutes * MINUTE, calibration)


def everything(flow: QueueReactiveFlow, engine: MatchingEngine, step_ns: int = NS) -> np.ndarray:
    pieces = [flow.advance(engine, START).copy()]
    until_ns = START
    while flow.next_ts_ns() != ENDED:
        until_ns += step_ns
        pieces.append(flow.advance(engine, until_ns).copy())
    return np.concatenate(pieces)


def mids_of(calibration: Calibration, seed: int, seconds: int) -> np.ndarray:
    flow, e = flow_of(calibration, seed, 60), engine()
    mids = []
    for second in range(seconds):
        flow.advance(e, START + second * NS)
        mids.append((e.book.best_bid_e4 + e.book.best_ask_e4) / 2)
    return np.array(mids)


def trades_of(outcomes: np.ndarray) -> np.ndarray:
    """Return one row an aggressor."""
    trades = outcomes[outcomes["kind"] == Outcome.TRADE]
    first = np.r_[True, trades["order_id"][1:] != trades["order_id"][:-1]]
    found: np.ndarray = trades[first]
    return found


# --- draws ----------------------------------------------------------------------------------------
def test_gaps_are_unit_exponential() -> None:
    t = tables(large_tick())
    draws = np.arange(0, 1 << 32, (1 << 32) // 50_000)

    values = np.array([exponential(t, int(draw)) for draw in draws])

    assert values.mean() == pytest.approx(1, abs=2e-3)
    assert (values**2).mean() == pytest.approx(2, abs=2e-2)
    assert np.sort(values).tolist() == values.tolist()


def test_exponential_function_is_the_exponential_function() -> None:
    xs = np.linspace(-30, 30, 601)

    assert [exp(x) for x in xs] == pytest.approx(np.exp(xs).tolist(), rel=1e-8)


# --- the same seed, the same market ---------------------------------------------------------------
@pytest.mark.parametrize("calibration", DEFAULTS, ids=lambda c: c.name)
def test_the_same_seed_gives_the_same_bytes_however_time_is_cut(calibration: Calibration) -> None:
    one = everything(flow_of(calibration, 7), engine(), 5 * MINUTE)
    two = everything(flow_of(calibration, 7), engine(), 13_000_000)
    other = everything(flow_of(calibration, 8), engine(), 5 * MINUTE)

    assert one.tobytes() == two.tobytes()
    assert one.tobytes() != other.tobytes()


def test_stopping_whenever_the_touch_moves_changes_nothing() -> None:
    t = tables(large_tick())
    books = []
    for stops in (0, STOP_ON_TOUCH):
        book, (state, reals), out = (
            OrderBook(1 << 12, 1 << 10),
            new_state(3, 0, t),
            np.zeros(1 << 13, OUTCOME),
        )
        why, reasons = FULL, set()
        while why != PLAYED:
            _, _, why = react(book.arena, state, reals, t, 120 * NS, out, stops)
            reasons.add(why)
        assert (TOUCH in reasons) == (stops == STOP_ON_TOUCH)
        books.append(state_hash(book.arena))

    assert books[0] == books[1]


def test_a_small_buffer_gives_the_same_market_in_more_pieces() -> None:
    flows = [flow_of(large_tick(), 3, 3), flow_of(large_tick(), 3, 3)]
    small, large = MatchingEngine(1 << 10, 1 << 10, 1100), engine()

    one = everything(flows[0], small, 3 * MINUTE)
    two = everything(flows[1], large, 3 * MINUTE)

    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("calibration", DEFAULTS, ids=lambda c: c.name)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_public_can_follow_and_nothing_is_dropped(calibration: Calibration, seed: int) -> None:
    flow, e, public = flow_of(calibration, seed), engine(), PublicBook()
    until_ns = START
    while flow.next_ts_ns() != ENDED:
        public.follow(flow.advance(e, until_ns))
        levels = e.book.levels(3)

        assert public.state_hash() == e.book.state_hash()
        assert (levels > 0).all(), "three levels a side, always"
        assert levels[0, 0] < levels[2, 0]
        until_ns += NS
    assert flow.dropped == dict.fromkeys(DROPPED, 0)


def test_it_begins_with_a_standing_book_and_ends_on_time() -> None:
    flow, e = flow_of(small_tick(), minutes=1), engine()

    assert len(flow.advance(e, START - 1)) == 0
    standing = flow.advance(e, START).copy()
    later = flow.advance(e, START + 10 * MINUTE)

    assert set(standing["kind"].tolist()) == {Outcome.RESTED}
    assert (standing["flags"] == OutcomeFlag.REVEALED).all()
    assert later["ts_ns"].max() <= START + MINUTE
    assert flow.next_ts_ns() == ENDED


def test_a_halt_stops_it() -> None:
    flow, e = flow_of(large_tick()), engine()
    flow.advance(e, START)
    e.halt(trading=False)

    assert len(flow.advance(e, START + 10 * NS)) == 0
    e.halt(trading=True)
    assert len(flow.advance(e, START + 20 * NS)) > 0


# --- ours among them ------------------------------------------------------------------------------
def test_an_order_of_ours_that_takes_nothing_from_anybody_leaves_the_others_as_they_were() -> None:
    alone = everything(flow_of(large_tick(), 5), engine())
    flow, e = flow_of(large_tick(), 5), engine()
    pieces = [flow.advance(e, START).copy()]
    e.new(OWN_ID_MIN, 1, e.book.best_bid_e4 - 50_000, 100, owner=1)
    pieces.append(flow.advance(e, START + 5 * MINUTE).copy())

    assert np.concatenate(pieces).tobytes() == alone.tobytes()


@pytest.mark.parametrize("calibration", DEFAULTS, ids=lambda c: c.name)
def test_runs_with_and_without_ours_stay_coupled(calibration: Calibration) -> None:
    changes: dict[int, list[float]] = {0: [], 1: []}
    for seed in range(1, 17):
        for ours in changes:
            flow, e = flow_of(calibration, seed), engine()
            flow.advance(e, START)
            before = e.book.best_bid_e4 + e.book.best_ask_e4
            for step in range(60):
                flow.advance(e, START + step * 5 * NS)
                if ours:
                    flags = CommandFlag.MARKET
                    e.new(OWN_ID_MIN + step, 1, 0, 2 * calibration.mean_size, owner=1, flags=flags)
            flow.advance(e, START + 5 * MINUTE)
            changes[ours].append(e.book.best_bid_e4 + e.book.best_ask_e4 - before)
            if ours:
                assert flow.counters["foreign"] == 60

    assert np.corrcoef(changes[0], changes[1])[0, 1] > 0.8
    assert np.mean(changes[1]) > np.mean(changes[0]), "buying raises the price"


def test_a_side_that_we_emptied_comes_back() -> None:
    flow, e = flow_of(large_tick(), 6), engine()
    flow.advance(e, START)
    e.new(OWN_ID_MIN, 1, 0, 10**7, owner=1, flags=CommandFlag.MARKET)
    assert e.book.best_ask_e4 == 0

    flow.advance(e, START + MINUTE)

    assert e.book.best_bid_e4 < e.book.best_ask_e4
    assert e.book.levels(5)[2:].min() > 0


def test_an_order_of_ours_that_takes_is_heard() -> None:
    t = tables(large_tick())
    book, (state, reals), out = OrderBook(1 << 12, 1 << 10), new_state(3, 0, t), np.zeros(1 << 13, OUTCOME)
    react(book.arena, state, reals, t, 60 * NS, out, 0)
    e = engine()
    e.book.arena = book.arena
    before = reals.copy()

    e.new(OWN_ID_MIN, 1, book.best_ask_e4, 1, owner=1)
    react(book.arena, state, reals, t, 60 * NS, out, 0)

    assert state[S_FOREIGN] == 1
    assert (reals != before).any()


# --- fair to both sides ---------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("calibration", DEFAULTS, ids=lambda c: c.name)
def test_the_market_does_not_drift(calibration: Calibration) -> None:
    moves = []
    for seed in range(1, 121):
        mids = mids_of(calibration, seed, 300)
        moves.append((mids[-1] / mids[0] - 1) * 1e4)

    error = np.std(moves) / np.sqrt(len(moves))
    assert abs(np.mean(moves)) < 3 * error


@pytest.mark.slow
@pytest.mark.parametrize("calibration", DEFAULTS, ids=lambda c: c.name)
def test_buying_and_selling_move_the_price_alike(calibration: Calibration) -> None:
    pushes: dict[int, list[float]] = {1: [], -1: []}
    for seed in range(1, 61):
        base = mids_of(calibration, seed, 120)[-1]
        for side, found in pushes.items():
            flow, e = flow_of(calibration, seed), engine()
            for second in range(120):
                flow.advance(e, START + second * NS)
                if second % 5 == 0:
                    size, flags = calibration.mean_size, CommandFlag.MARKET
                    e.new(OWN_ID_MIN + second, side, 0, size, owner=1, flags=flags)
            mid = (e.book.best_bid_e4 + e.book.best_ask_e4) / 2
            found.append(side * (mid - base))

    buys, sells = np.array(pushes[1]), np.array(pushes[-1])
    assert buys.mean() > 0 < sells.mean()
    assert abs((buys - sells).mean()) < 3 * np.std(buys - sells) / np.sqrt(len(buys))


# --- each layer does something --------------------------------------------------------------------
def counts_variance(outcomes: np.ndarray) -> float:
    trades = trades_of(outcomes)
    counts = np.bincount((trades["ts_ns"] - START) // NS, minlength=1200)
    return float(counts.var() / counts.mean())


def sign_memory(outcomes: np.ndarray) -> float:
    signs = -trades_of(outcomes)["side"].astype(float)
    return float(np.mean([np.mean(signs[lag:] * signs[:-lag]) for lag in range(10, 40)]))


def prints(outcomes: np.ndarray) -> float:
    return float((outcomes["kind"] == Outcome.PRINT).sum())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "measure", "least"),
    [("hawkes", counts_variance, 1.3), ("metaorders", sign_memory, 2.0), ("hidden", prints, 100.0)],
)
def test_each_layer_shows(layer: str, measure: Callable[[np.ndarray], float], least: float) -> None:
    values = {}
    alone = Layers(hawkes=False, metaorders=False, value=False, latent=False, intraday=False, hidden=False)
    for on in (True, False):
        c = replace(
            small_tick(),
            layers=replace(alone, **{layer: on}),
            metaorders=Metaorders(share=0.8, pov_min=0.1, pov_max=0.3),
            hawkes=replace(small_tick().hawkes, branching=0.6),
        )
        found = [measure(everything(flow_of(c, seed, 20), engine(), MINUTE)) for seed in (1, 2, 3, 4)]
        values[on] = float(np.mean(found))

    assert values[True] > least * max(values[False], 1e-3)


def test_latent_liquidity_steps_in_where_mid_has_gone_away_from_value() -> None:
    moved = {}
    for on in (True, False):
        c = replace(large_tick(), latent=Latent(limits=2.0, cancels=2.0), layers=Layers(latent=on))
        changes = []
        for seed in range(1, 13):
            flow, e = flow_of(c, seed), engine()
            flow.advance(e, START)
            before = e.book.best_bid_e4
            for step in range(60):
                flow.advance(e, START + step * NS)
                size, flags = 4 * c.mean_size, CommandFlag.MARKET
                e.new(OWN_ID_MIN + step, 1, 0, size, owner=1, flags=flags)
            changes.append(e.book.best_bid_e4 - before)
        moved[on] = np.mean(changes)

    assert 0 < moved[True] < 0.8 * moved[False]


def test_the_efficient_price_moves_the_market_and_its_switch_holds_it() -> None:
    still = replace(large_tick(), layers=Layers(value=False, metaorders=False))
    ranges = [np.ptp(mids_of(c, 3, 600)) for c in (large_tick(), still)]

    assert ranges[0] > ranges[1]


def test_time_of_day_scales_the_rates() -> None:
    c = large_tick()
    counts = []
    for open_s in (0.0, c.session_s / 2):
        flow = QueueReactiveFlow(1, START, START + 3 * MINUTE, c, Episode(open_s=open_s))
        flow.advance(engine(), START + 3 * MINUTE)
        counts.append(flow.counters["limits"])

    assert counts[0] > 1.5 * counts[1]


def test_branching_keeps_the_mean_rate() -> None:
    rates = {}
    for branching in (0.0, 0.8):
        c = replace(
            large_tick(),
            hawkes=replace(large_tick().hawkes, branching=branching),
            layers=Layers(intraday=False, value=False, latent=False, metaorders=False),
        )
        flow = flow_of(c, 4, 30)
        flow.advance(engine(), START + 30 * MINUTE)
        rates[branching] = flow.counters["markets"]

    assert rates[0.8] == pytest.approx(rates[0.0], rel=0.25)


# --- episodes and resets --------------------------------------------------------------------------
def test_a_warmed_market_reseeded_has_another_future_from_the_same_beginning() -> None:
    t, out = tables(large_tick()), np.zeros(1 << 13, OUTCOME)
    book, (state, reals) = OrderBook(1 << 12, 1 << 10), new_state(1, 0, t)
    react(book.arena, state, reals, t, 120 * NS - 1, out, 0)

    def future(seed: int) -> tuple[int, int]:
        arena, own_state, own_reals = book.arena.copy(), state.copy(), reals.copy()
        reseed(own_state, own_reals, t, seed)
        react(arena, own_state, own_reals, t, 180 * NS, out, 0)
        return state_hash(arena), int(own_state[S_LIMITS] + own_state[S_MARKETS])

    assert future(1)[0] == future(1)[0]
    assert len({future(seed)[0] for seed in range(10)}) == 10


def test_an_episode_scales_what_it_says() -> None:
    counts = []
    for rate in (0.6, 1.6):
        flow = QueueReactiveFlow(1, START, START + 3 * MINUTE, large_tick(), Episode(rate=rate))
        flow.advance(engine(), START + 3 * MINUTE)
        counts.append(flow.counters["limits"])

    assert counts[1] / counts[0] == pytest.approx(1.6 / 0.6, rel=0.3)


def test_a_wider_tick_is_a_grid_of_its_own() -> None:
    flow, e = QueueReactiveFlow(1, START, START + MINUTE, large_tick(), Episode(tick=4)), engine()

    flow.advance(e, START + MINUTE)

    assert (e.book.levels(20)[[0, 2]] % 400 == 0).all()


@pytest.mark.parametrize(
    "episode", [Episode(rate=0.0), Episode(sigma=-1.0), Episode(tick=0), Episode(regime=3)]
)
def test_an_episode_that_cannot_be_is_refused(episode: Episode) -> None:
    with pytest.raises(ValueError, match="episode"):
        new_state(1, 0, tables(large_tick()), episode)


def test_a_seed_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="seed"):
        new_state(-1, 0, tables(large_tick()))
