import itertools

import numpy as np
import pytest

from market.flow.flow import ENDED, OWN_ID_MIN
from market.flow.philox import UNIT, bell, draw4, neg_log
from market.flow.zero_intelligence import SYN, WARM_UP_NS, ZeroIntelligenceFlow
from market.flow.zero_intelligence_kernels import drawn
from market.flow.zero_intelligence_state import AHEAD, CLOCKS, Z_GAP, Z_SEED, Rates, new_state
from market.matching import MatchingEngine
from market.matching_events import Outcome, OutcomeFlag
from market.types import NS
from tests.twins.public import PublicBook

START = 1_000_000 * NS
MINUTE = 60 * NS


def flow_of(seed: int, minutes: int = 5, rates: Rates | None = None) -> ZeroIntelligenceFlow:
    return ZeroIntelligenceFlow(seed, START, START + minutes * MINUTE, rates=rates)


def everything(flow: ZeroIntelligenceFlow, engine: MatchingEngine, step_ns: int) -> np.ndarray:
    pieces = [flow.advance(engine, START).copy()]
    until_ns = START
    while flow.next_ts_ns() != ENDED:
        until_ns += step_ns
        pieces.append(flow.advance(engine, until_ns).copy())
    return np.concatenate(pieces)


@pytest.mark.parametrize(
    ("seed", "counter", "answer"),
    [
        (0, (0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            0x299F31D0A4093822,
            (0x85A308D3243F6A88, 0x13198A2E, 0x03707344),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_draws_are_philox_4x32_10(seed: int, counter: tuple[int, int, int], answer: tuple[int, ...]) -> None:
    event, stream, draw = counter

    assert draw4(np.int64(np.uint64(seed)), stream, np.int64(np.uint64(event)), draw) == answer


def test_logarithm_is_the_logarithm() -> None:
    draws = [0, 1, 2**31 - 1, 2**31, UNIT - 1, *range(7, UNIT, UNIT // 997)]

    assert [neg_log(draw) for draw in draws] == pytest.approx(
        [-np.log((d + 0.5) / UNIT) for d in draws], abs=1e-10
    )


def test_logarithm_has_the_bits_of_the_sum_of_halvings() -> None:
    def plain(draw: int) -> float:
        x, result = (draw + 0.5) / UNIT, 0.0
        while x < 0.5:
            x, result = x * 2.0, result + 0.6931471805599453
        t, total = (x - 1.0) / (x + 1.0), 0.0
        for odd in range(21, 0, -2):
            total = total * (t * t) + 1.0 / odd
        return result - 2.0 * t * total

    draws = [0, UNIT - 1, *(1 << bit for bit in range(32)), *range(7, UNIT, UNIT // 9_973)]

    assert [neg_log(draw) for draw in draws] == [plain(draw) for draw in draws]


def test_strikes_drawn_ahead_are_those_drawn_one_by_one() -> None:
    state = new_state(2**40 + 9, START, 1_000_000, 100, Rates())
    for seed in (2**40 + 9, 7):  # a market that is given another seed draws anew
        state[Z_SEED] = seed
        for clock, event in itertools.product(range(CLOCKS), (0, 15, 16, 40_000, 16)):
            at = drawn(state, clock, event)
            gap = 1 + int(state[Z_GAP + clock] * neg_log(draw4(seed, clock, event, 0)[0]))
            u = draw4(seed, clock, event, 1)

            words = [gap, u[0] << 32 | u[1], u[2] << 32 | u[3]]
            assert [state[at + part * AHEAD] for part in range(3)] == [np.int64(np.uint64(w)) for w in words]


def test_bell_has_mean_zero_and_variance_one() -> None:
    values = [bell(1, 4, event) for event in range(20_000)]

    assert np.mean(values) == pytest.approx(0, abs=0.03)
    assert np.var(values) == pytest.approx(1, abs=0.04)


def test_the_same_seed_gives_the_same_bytes_however_time_is_cut() -> None:
    one = everything(flow_of(7), MatchingEngine(), 5 * MINUTE)
    two = everything(flow_of(7), MatchingEngine(), 13_000_000)
    other = everything(flow_of(8), MatchingEngine(), 5 * MINUTE)

    assert one.tobytes() == two.tobytes()
    assert one.tobytes() != other.tobytes()


def test_next_event_is_when_it_says_and_nothing_happens_before() -> None:
    flow, engine = flow_of(3), MatchingEngine()
    assert flow.next_ts_ns() == START
    flow.advance(engine, START)
    for _ in range(500):
        due_ns = flow.next_ts_ns()

        assert len(flow.advance(engine, due_ns - 1)) == 0
        assert set(flow.advance(engine, due_ns)["ts_ns"].tolist()) <= {due_ns}


def test_it_begins_with_a_standing_book_that_can_be_published() -> None:
    flow, engine, public = flow_of(1), MatchingEngine(), PublicBook()

    standing = flow.advance(engine, START)

    assert set(standing["kind"].tolist()) == {Outcome.RESTED}
    assert (standing["flags"] == OutcomeFlag.REVEALED).all()
    assert (standing["ts_ns"] == START).all()
    public.follow(standing)
    assert public.state_hash() == engine.book.state_hash()
    assert (engine.book.levels(10) > 0).all()


def test_nothing_happens_before_its_start_or_after_its_end() -> None:
    flow, engine = flow_of(1, minutes=1), MatchingEngine()

    assert len(flow.advance(engine, START - 1)) == 0
    outcomes = flow.advance(engine, START + 10 * MINUTE)
    assert outcomes["ts_ns"].max() <= START + MINUTE
    assert flow.next_ts_ns() == ENDED
    assert len(flow.advance(engine, ENDED - 1)) == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_public_can_follow_and_the_book_stays_whole(seed: int) -> None:
    flow, engine, public = flow_of(seed), MatchingEngine(), PublicBook()
    until_ns = START
    while flow.next_ts_ns() != ENDED:
        public.follow(flow.advance(engine, until_ns))
        levels = engine.book.levels(3)

        assert public.state_hash() == engine.book.state_hash()
        assert (levels > 0).all(), "three levels a side, always"
        assert levels[0, 0] < levels[2, 0]
        until_ns += NS
    assert flow.counters["slots_full"] == flow.counters["refused"] == 0


@pytest.mark.slow
def test_the_default_is_a_liquid_large_tick_share() -> None:
    volumes, rates, spreads, depths, moves = [], [], [], [], []
    for seed in range(4):
        flow, engine = flow_of(seed, minutes=20), MatchingEngine()
        flow.advance(engine, START)
        outcomes, mids = [], []
        for second in range(1, 20 * 60):
            outcomes.append(flow.advance(engine, START + second * NS).copy())
            levels = engine.book.levels(1)
            spreads.append((levels[2, 0] - levels[0, 0]) // 100)
            depths += [levels[1, 0], levels[3, 0]]
            mids.append((levels[0, 0] + levels[2, 0]) / 200)
        rows = np.concatenate(outcomes)
        volumes.append(rows["size"][rows["kind"] == Outcome.TRADE].sum() / 20)
        rates.append(len(rows) / (20 * 60))
        moves.append(np.ptp(mids))

    assert 4_000 < min(volumes) <= max(volumes) < 8_000
    assert 20 < min(rates) <= max(rates) < 40
    assert 1 <= np.mean(spreads) < 1.6
    assert np.mean(np.array(spreads) <= 2) > 0.9
    assert 250 < np.mean(depths) < 900
    assert max(moves) < 60, "the mid wanders and comes back"


def test_runs_with_and_without_an_order_of_ours_stay_coupled() -> None:
    alone = everything(flow_of(5), MatchingEngine(), NS)
    flow, engine = flow_of(5), MatchingEngine()
    pieces = [flow.advance(engine, START).copy()]
    engine.new(OWN_ID_MIN, 1, engine.book.best_bid_e4, 100, owner=1)
    pieces.append(flow.advance(engine, START + 5 * MINUTE).copy())
    together = np.concatenate(pieces)

    ours = together[(together["kind"] == Outcome.TRADE) & (together["resting_id"] == OWN_ID_MIN)]
    same = set(alone[["ts_ns", "order_id", "kind"]].tolist()) & set(
        together[["ts_ns", "order_id", "kind"]].tolist()
    )
    assert len(ours) > 0
    assert len(same) > 0.97 * len(alone)


def test_a_side_that_we_emptied_comes_back() -> None:
    flow, engine = flow_of(6), MatchingEngine()
    flow.advance(engine, START)
    engine.new(OWN_ID_MIN, 1, 0, 10**7, owner=1, flags=1)
    assert engine.book.best_ask_e4 == 0

    flow.advance(engine, START + MINUTE)

    assert engine.book.best_bid_e4 < engine.book.best_ask_e4
    assert engine.book.levels(5)[2:].min() > 0


def test_a_halt_stops_it() -> None:
    flow, engine = flow_of(6), MatchingEngine()
    flow.advance(engine, START)
    engine.halt(trading=False)

    assert len(flow.advance(engine, START + 10 * NS)) == 0
    engine.halt(trading=True)
    assert len(flow.advance(engine, START + 20 * NS)) > 0


def test_a_price_off_the_tick_grid_is_brought_onto_it() -> None:
    flow, engine = ZeroIntelligenceFlow(1, START, START + NS, SYN, price_e4=1_000_049), MatchingEngine()

    flow.advance(engine, START)

    assert (engine.book.levels(20)[[0, 2]] % 100 == 0).all()


@pytest.mark.parametrize(("seed", "start", "end"), [(-1, 0, 0), (1 << 63, 0, 0), (1, 5, 4)])
def test_what_cannot_be_is_refused(seed: int, start: int, end: int) -> None:
    with pytest.raises(ValueError, match=r"must lie|cannot end"):
        ZeroIntelligenceFlow(seed, start, end)


def test_warm_up_reaches_back_before_the_start() -> None:
    assert 4 * Rates().far_life_s * NS < WARM_UP_NS
