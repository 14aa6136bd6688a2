"""The kernels of a decision give what their plain twins give, integer for integer and bit for bit."""

import struct
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given, note, seed, settings
from hypothesis import strategies as st

from daemon.trader.parents import ParentView
from market.parents import ParentOrder, Progress
from market.types import ClOrdID, OrdStatus, ParentID, ParentStatus, Side, Symbol
from market.updates import Headroom, OrderUpdate, ParentUpdate
from policies import (
    actions,
    executor,
    layout,
    parent_kernels,
    plan_kernels,
    schedule,
    schedule_kernels,
    state,
)
from policies import state_features as f
from policies import tactic_kernels as t
from policies.actions import Child, Plan, Terms, Touch
from policies.baselines import NAMES, Baseline, baseline
from policies.choose import choose
from policies.curves import GENERIC
from policies.executor import Act, Chain, Standing
from policies.frozen import FrozenPolicy
from policies.schedule import Corridor, Situation
from policies.schedule_kernels import NEVER, next_decision_ns
from policies.working import Asked, WorkingTable
from tests.artefacts.shelf import CLONED
from tests.policies.makers import ABC, DAY, NS, TEN, headroom, order
from tests.twins import moves as twin_moves
from tests.twins import plans as twin_plans
from tests.twins import rules as twin_rules
from tests.twins import schedules as twin_schedules

CASES = 10_000  # of each of the tests below
AT_ONCE = 10  # cases that one example makes: drawing takes longer than trying
OPENED, CLOSED = ABC.session(DAY)
CURVE = GENERIC.steps
BASELINES = {name: baseline(name) for name in NAMES}
TACTICIANS = ("twap", "twap-passive", "twap-improve", "rule", "microprice")


def bits(*floats: float) -> bytes:
    """Return floats as they stand in memory, so that equal means equal."""
    return struct.pack(f"{len(floats)}d", *floats)


def many(test: Callable[[Random], None]) -> Callable[[], None]:
    """Try a test with many cases, the same on every run; a case is known by its number."""

    def numbered(number: int) -> None:
        for case in range(number, number + AT_ONCE):
            note(f"case {case}")
            test(Random(case))

    numbered.__name__ = test.__name__
    cases = given(st.integers(0, 2**63))(numbered)
    return seed(20260)(settings(max_examples=CASES // AT_ONCE, deadline=None, database=None)(cases))


def some_qty(chance: Random) -> int:
    """Return a quantity, often a small one."""
    return chance.randint(0, chance.choice((12, 60, 50_000)))


def some_situation(chance: Random) -> Situation:
    """A parent of microseconds to hours, seen before, in and after its window, in and out of a session."""
    start_ns = TEN + chance.randint(-4 * 3600 * NS, 7 * 3600 * NS)
    length_ns = chance.randint(0, chance.choice((1, 20_000, 600 * NS, 3600 * NS, 6 * 3600 * NS)))
    now_ns = start_ns + int(length_ns * chance.choice((0.0, 1.0, chance.uniform(-0.1, 1.1))))
    session = chance.choice(((OPENED, CLOSED), (OPENED, CLOSED), (0, 0)))
    qtys = (some_qty(chance), some_qty(chance), some_qty(chance))
    return Situation(now_ns, start_ns, start_ns + length_ns, *qtys, *session, chance.randint(0, 5))


def some_touch(chance: Random, sign: int) -> Touch:
    """Levels on a grid, with gaps; now and then a side is empty, thin or crossed."""
    tick, own = chance.choice((100, 50)), 10_000 + 100 * chance.randint(-6, 6)
    other = own + sign * tick * chance.randint(-1, 4)
    prices, sizes = [], []
    for _ in range(chance.choice((5, 5, 5, 5, 5, 0, 1, 2))):
        prices.append(other)
        sizes.append(chance.randint(1, 60))
        other += sign * tick * chance.randint(1, 3)
    none = [0] * (5 - len(prices))
    second = chance.choice((0, own - sign * tick, own - 3 * sign * tick))
    best = chance.choice((own, own, own, 0))
    return Touch(best, second, tuple(prices + none), tuple(sizes + none), tick)


def some_terms(chance: Random, side: Side) -> Terms:
    """A parent near its limits in every way."""
    qty = some_qty(chance)
    return Terms(
        side,
        qty,
        chance.randint(0, qty),
        chance.choice((10**9, some_qty(chance))),
        chance.choice((None, 10_000 + 100 * chance.randint(-8, 8))),
        chance.choice((None, some_qty(chance))),
        chance.random() < 0.5,
        chance.choice((1, 1, 10)),
    )


def some_headroom(chance: Random) -> Headroom:
    """What the gate leaves."""
    return headroom(
        order_qty_max=chance.choice((1_000, chance.randint(0, 60))),
        collar_low_e4=chance.choice((0, 9_000, 9_900, 10_050)),
        collar_high_e4=chance.choice((0, 9_950, 10_101, 11_000)),
        can_trade=chance.random() < 0.9,
    )


def some_band(chance: Random, terms: Terms) -> Corridor:
    """A corridor around, before or behind what is done."""
    low = chance.randint(0, terms.qty)
    high = chance.randint(low, terms.qty)
    return Corridor(low, low, high, terms.lot * chance.randint(1, 20), chance.random() < 0.3)


def some_standing(chance: Random, most: int) -> Standing:
    """Chains that stand well, badly, too large, busy or crossing."""
    chains = []
    for i in range(chance.randint(0, most)):
        cum, leaves = chance.randint(0, 5), chance.randint(0, 20)
        price_e4, worst = 10_000 + 100 * chance.randint(-4, 4), leaves + chance.choice((0, 0, 7))
        kind = (chance.random() < 0.7, chance.random() < 0.2)
        chains.append(Chain(ClOrdID(f"C{i}"), price_e4, cum + leaves, cum, worst, *kind))
    asked = (chance.randint(0, 3), chance.choice((0, 0, 9)), chance.choice((0, 0, 9)))
    return Standing(
        chance.choice((1, -1)), chance.randint(0, 150), chance.randint(0, 40), tuple(chains), *asked
    )


def some_plan(chance: Random) -> Plan:
    """What is wanted, sometimes nothing."""
    rest, cross = (
        chance.choice((None, Child(chance.randint(1, 60), 10_000 + 100 * chance.randint(-4, 4))))
        for _ in range(2)
    )
    numbers = (chance.randint(0, 250), chance.randint(0, 15), 100 * chance.randint(0, 2))
    return Plan(rest, cross, chance.random() < 0.05, "", *numbers, 10_000 + 100 * chance.randint(-4, 6))


@many
def test_schedules_and_their_corridor_are_those_of_the_twin(chance: Random) -> None:
    s, twin = some_situation(chance), twin_schedules
    steep, width = chance.choice((0.0, chance.uniform(0, 12))), chance.uniform(0.0, 0.6)
    share, lot = chance.choice((0.0, 1.0, chance.random())), chance.choice((1, 10, 100))
    completes = chance.random() < 0.5

    assert schedule.schedule_end_ns(s) == twin.schedule_end_ns(s)
    assert schedule.slice_qty(s, lot) == twin.slice_qty(s, lot)
    event, interval_ns = chance.random() < 0.5, chance.randint(1, 60 * NS)
    gap_ns = chance.randint(0, interval_ns)
    due_ns = next_decision_ns(s.now_ns, event, s.start_ns, s.end_ns, interval_ns, gap_ns)
    assert due_ns == (twin.next_decision_ns(s, event, interval_ns, gap_ns) or NEVER)
    ours, due = (
        (
            m.twap(s),
            m.vwap(s, CURVE),
            m.pov(s, width),
            m.almgren_chriss(s, steep),
            m.obizhaeva_wang(s, steep),
        )
        for m in (schedule, twin)
    )
    assert bits(*ours) == bits(*due)
    assert schedule.corridor(s, share, width, lot, completes) == twin.corridor(
        s, share, width, lot, completes
    )


@many
def test_plan_and_mask_are_those_of_the_twin(chance: Random) -> None:
    side = chance.choice((Side.BUY, Side.SELL, Side.SELL_SHORT))
    touch, terms, room = some_touch(chance, side.sign), some_terms(chance, side), some_headroom(chance)
    band, twin = some_band(chance, terms), twin_plans

    assert actions.mask(touch, band, terms) == twin.mask(touch, band, terms)
    assert actions.allowance(terms) == twin.allowance(terms)
    assert actions.worst_price(terms, room) == twin.worst_price(terms, room)
    price_e4, tick_e4 = touch.own_e4 + chance.randint(0, 200), touch.tick_e4
    assert actions.bounded(price_e4, terms, room, tick_e4) == twin.bounded(price_e4, terms, room, tick_e4)
    for action in (chance.randint(0, 12), 0, 8):
        ours = actions.plan(action, terms, band, touch, room)
        assert ours == twin.plan(action, terms, band, touch, room)


@many
def test_moves_are_those_of_the_twin(chance: Random) -> None:
    plan, standing = some_plan(chance), some_standing(chance, 8)
    free = chance.randint(0, 4), chance.randint(0, 3), chance.choice((1, 1, 10))

    assert executor.reconcile(plan, standing, *free) == twin_moves.reconcile(plan, standing, *free)


@many
def test_tactics_are_those_of_the_twin(chance: Random) -> None:
    obs = np.zeros(f.OBS_SIZE, dtype=np.float32)
    for i in (f.I_LAG_SLICES, f.I_CORRIDOR, f.I_IMBALANCE, f.I_MICRO):
        obs[i] = chance.uniform(-1.0, 1.0)
    obs[f.I_FILL_AGE], obs[f.I_CLOSING] = chance.choice((0.0, chance.random())), chance.randint(0, 1)
    if chance.random() < 0.3:
        obs[f.I_LAG_SLICES] = chance.choice((0.1, 0.2, 0.0, 0.0005))
        obs[f.I_CORRIDOR] = chance.choice((0.9, 0.0, -0.9))
    allowed = chance.getrandbits(13) | 1

    seen = dict(zip(f.INDEX, obs.tolist(), strict=True))
    for name in TACTICIANS:
        policy = BASELINES[name]
        due = twin_rules.tactic(policy.tactic_kind, policy.tactic_params.tolist(), seen, allowed)
        assert policy.act(obs, allowed).action == due
    number = chance.getrandbits(60)
    drawn = t.tactic(layout.RANDOM, np.zeros(3), obs, allowed, number)
    legal = [i for i in range(13) if allowed >> i & 1]
    assert drawn == legal[number % len(legal)]


def test_more_chains_than_there_is_room_for_at_once_make_room() -> None:
    chance = Random(5)
    for _ in range(20):
        plan, standing = some_plan(chance), some_standing(chance, 2 * executor.ROWS)
        due = twin_moves.reconcile(plan, standing, 200, 200, 1)
        assert executor.reconcile(plan, standing, 200, 200, 1) == due


def test_a_touch_of_fewer_levels_is_filled_up_with_nobody() -> None:
    thin = Touch(10_000, 0, (10_100, 10_300), (5, 5), 100)
    terms, band = some_terms(Random(1), Side.BUY), Corridor(10, 10, 20, 3, False)

    ours = actions.plan(2, terms, band, thin, headroom(collar_low_e4=1, collar_high_e4=20_000))
    due = twin_plans.plan(2, terms, band, thin, headroom(collar_low_e4=1, collar_high_e4=20_000))

    assert ours == due
    empty = Touch(10_000, 0, (), (), 100)
    assert actions.plan(2, terms, band, empty, headroom()).constraint == "market: a side of the book is empty"


@pytest.mark.parametrize("share", [float("nan"), -0.1, 1.1, float("inf")])
def test_a_schedule_that_wants_no_fraction_is_no_schedule(share: float) -> None:
    with pytest.raises(AssertionError, match="of its parent"):
        schedule.corridor(some_situation(Random(1)), share, 0.2, 1)


@many
def test_a_continuous_action_goes_through_the_same_plan(chance: Random) -> None:
    side = chance.choice((Side.BUY, Side.SELL))
    touch, terms, room = some_touch(chance, side.sign), some_terms(chance, side), some_headroom(chance)
    band = some_band(chance, terms)
    none = actions.plan(0, terms, band, touch, room)  # leaves its desk packed with the case
    desk, share, reach = actions._DESK.copy(), chance.uniform(-0.1, 1.1), chance.uniform(-0.1, 1.1)

    plan_kernels.plan_freely(share, reach, desk)

    rest, rest_e4, cross, cross_e4 = desk[layout.REST_QTY : layout.CROSS_PX + 1].tolist()
    assert bool(desk[layout.HOLD]) is none.hold
    if none.hold:
        return
    asked = min(max(share, 0.0), 1.0) * (terms.qty - terms.cum_qty)
    forced = none.cross.qty if none.cross is not None else 0
    assert rest + cross <= none.allowed_qty
    assert terms.cum_qty + rest + cross <= max(band.high, terms.cum_qty + forced)
    assert rest <= asked
    assert max(rest, cross) <= room.order_qty_max
    assert cross <= max(asked, forced)
    assert not cross or cross >= forced  # what the schedule lacks is crossed whatever is asked
    for price_e4 in (rest_e4, cross_e4):
        assert not price_e4 or side.sign * (price_e4 - none.worst_e4) <= 0
        assert price_e4 % touch.tick_e4 == 0
    assert not cross or side.sign * (cross_e4 - touch.other_e4[0]) >= 0


def test_a_continuous_action_reaches_from_behind_our_touch_to_the_other() -> None:
    buy = Touch(10_000, 9_900, (10_400, 10_500, 10_600, 10_700, 10_800), (50,) * 5, 100)
    terms = Terms(Side.BUY, 1_000, 0, 10**9, None, None, False, 1)
    wide = headroom(collar_low_e4=1, collar_high_e4=20_000)
    actions.plan(0, terms, Corridor(100, 0, 500, 100, False), buy, wide)

    def planned(share: float, reach: float) -> list[int]:
        desk = actions._DESK.copy()
        plan_kernels.plan_freely(share, reach, desk)
        return desk[layout.REST_QTY : layout.CROSS_PX + 1].tolist()

    assert planned(0.4, 0.1) == [400, 9_600, 0, 0]
    assert planned(0.4, 0.5) == [400, 10_000, 0, 0]
    assert planned(0.4, 0.7) == [400, 10_200, 0, 0]
    assert planned(0.4, 0.9) == [0, 0, 400, 10_400]
    assert planned(0.9, 1.0) == [0, 0, 500, 10_400]  # no further than the corridor
    assert planned(0.0, 0.5) == [0, 0, 0, 0]
    assert planned(float("nan"), 0.9) == [0, 0, 0, 0]
    assert planned(0.4, float("nan")) == planned(0.4, 0.0) == [400, 9_500, 0, 0]


# --- the desk, as an environment fills it ---


def desk_of(s: Situation, lot: int = 1) -> np.ndarray:
    """Return a desk with a situation on it."""
    desk = np.zeros(layout.DESK_SIZE, dtype=np.int64)
    desk[layout.NOW], desk[layout.START], desk[layout.END] = s.now_ns, s.start_ns, s.end_ns
    desk[layout.OTHERS], desk[layout.DONE], desk[layout.QTY] = s.others_volume, s.done_qty, s.qty
    desk[layout.OPEN], desk[layout.CLOSE] = s.session_open_ns, s.session_close_ns
    desk[layout.URGENCY], desk[layout.LOT] = s.urgency, lot
    return desk


@pytest.mark.parametrize("name", NAMES)
def test_a_schedule_says_the_same_on_a_desk(name: str) -> None:
    chance, policy = Random(7), baseline(name)
    for _ in range(300):
        s, lot, completes = some_situation(chance), chance.choice((1, 10)), chance.random() < 0.5
        desk = desk_of(s, lot)

        share = schedule_kernels.fraction(policy.schedule_kind, desk, policy.schedule_params, policy.curve)
        schedule_kernels.corridor(desk, share, 0.2, int(completes))

        assert bits(share) == bits(policy.schedule(s))
        band = schedule.corridor(s, share, 0.2, lot, completes)
        row = desk[layout.BAND : layout.BAND + layout.BAND_SIZE].tolist()
        assert row == [band.target, band.low, band.high, band.slice_qty, band.closing]


def test_rules_say_the_same_to_many_as_to_one() -> None:
    draw = np.random.default_rng(3)
    obs = draw.normal(size=(200, f.OBS_SIZE)).astype(np.float32)
    allowed = draw.random((200, 13)) < 0.7
    allowed[:, 0] = True
    draws = draw.integers(0, 2**62, 200)
    params = np.array([0.3, 0.5, 10.0])
    chosen = np.zeros(200, dtype=np.int64)
    for kind in range(layout.CROSSING, layout.RANDOM + 1):
        t.tactics(kind, params, obs, allowed, draws, chosen)

        masks = [sum(1 << i for i in range(13) if row[i]) for row in allowed]
        due = [t.tactic(kind, params, *row) for row in zip(obs, masks, draws.tolist(), strict=True)]
        assert chosen.tolist() == due
        assert all(allowed[i, action] for i, action in enumerate(due))


@pytest.mark.parametrize("name", ["twap", "rule", str(CLONED)])
def test_a_policy_chooses_for_many_as_for_one(name: str) -> None:
    draw, policy = np.random.default_rng(4), choose(name)
    assert isinstance(policy, Baseline | FrozenPolicy)
    obs = draw.normal(size=(100, f.OBS_SIZE)).astype(np.float32)
    allowed = draw.random((100, 13)) < 0.7
    allowed[:, 0] = True

    chosen = policy.act_batch(obs, allowed)

    masks = [sum(1 << i for i in range(13) if row[i]) for row in allowed]
    assert chosen.tolist() == [policy.act(*row).action for row in zip(obs, masks, strict=True)]
    assert policy.schedule_kind == layout.TWAP


def view_of(cap_bp: int | None, done: int, cum: int, limit_e4: int | None, side: Side) -> ParentView:
    """Return a trader's view of a parent that an earlier trader began."""
    parent = ParentOrder(
        parent_id=ParentID("P1"),
        account="A",
        symbol=Symbol("ABC"),
        mic="XNAS",
        side=side,
        qty=5_000,
        start_ns=TEN,
        end_ns=TEN + 600 * NS,
        limit_price_e4=limit_e4,
        max_participation_bp=cap_bp,
    )

    def told(cum_qty: int) -> ParentUpdate:
        progress = Progress(
            status=ParentStatus.WORKING, cum_qty=cum_qty, arrival_mid_micros=100_000_050, arrival_ns=TEN
        )
        return ParentUpdate(parent=parent, progress=progress, headroom=headroom())

    view = ParentView(told(done), TEN, 0)
    view.update(told(cum), 300, 0)
    return view


@pytest.mark.parametrize("seed_", range(50))
def test_the_daemon_s_view_of_a_parent_is_what_a_desk_holds(seed_: int) -> None:
    chance = Random(seed_)
    cap_bp, side = chance.choice((None, 500, 3_000, 10_000)), chance.choice((Side.BUY, Side.SELL))
    done, more, others = chance.randint(0, 500), chance.randint(0, 900), chance.randint(0, 50_000)
    working = chance.randint(0, 12_000)
    view = view_of(cap_bp, done, done + more, chance.choice((None, 1_000_100)), side)
    terms = view.terms(view.cap_qty(others, working), 1)
    s = view.situation(TEN + chance.randint(0, 600) * NS, others, (OPENED, CLOSED))
    band = schedule.corridor(s, schedule.twap(s), 0.2, 1)
    due = view.facts(s, terms, band, working)

    cap = parent_kernels.cap_qty(done, others, working, -1 if cap_bp is None else cap_bp)
    assert cap == (layout.NO_CAP if terms.cap_qty is None else terms.cap_qty)
    desk, out = desk_of(s), np.zeros(f.FACTS_SIZE, dtype=np.int64)
    desk[layout.CUM], desk[layout.RISK], desk[layout.CAP] = terms.cum_qty, terms.risk_qty, cap
    desk[layout.LIMIT], desk[layout.SIGN] = terms.limit_e4 or 0, side.sign
    desk[layout.ARRIVAL2], desk[layout.WORKING] = 2_000_001, working
    desk[layout.TICK], desk[layout.ROUND_LOT], desk[layout.ADV] = 100, 100, 7
    desk[layout.LAST_FILL], desk[layout.SLOT] = 8, 9
    schedule_kernels.corridor(desk, schedule.twap(s), 0.2, 1)
    parent_kernels.facts(desk, out)
    assert out.tolist() == [*(int(getattr(due, name)) for name in due.__struct_fields__), 100, 100, 7, 8, 9]


@pytest.mark.parametrize("seed_", range(20))
def test_chains_on_a_desk_are_the_daemon_s(seed_: int) -> None:
    chance, table = Random(seed_), WorkingTable()
    rows = np.zeros((8, layout.CHAIN_COLUMNS), dtype=np.int64)
    for i in range(8):
        crosses, busy = chance.random() < 0.3, chance.random() < 0.4
        status = chance.choice((OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.PENDING_REPLACE))
        qty, cum, pending = chance.randint(5, 90), chance.randint(0, 5), chance.choice((0, 40))
        chain = order(f"C{i}", qty=qty, cum_qty=cum, pending_qty=pending, status=status, price_e4=100 + i)
        ids = (Symbol("ABC"), ParentID("P1"))
        table.ask(Asked(i + 1, Act.SUBMIT, *ids, ClOrdID(""), qty, crossing=crosses))
        table.heard(OrderUpdate(order=chain, n=i + 1), ours=True)
        if busy:
            table.ask(Asked(i + 100, Act.CANCEL, *ids, chain.chain_id, 0))
        rests = status is not OrdStatus.PENDING_REPLACE
        parent_kernels.chain_row(rows, i, 100 + i, qty, cum, pending, rests, busy, crosses)

    stands = table.standing(ParentID("P1"), 1, 1_000, 0)

    due = [[c.price_e4, c.qty, c.cum_qty, c.worst_leaves, c.idle, c.crossing] for c in stands.chains]
    assert rows.tolist() == due


@pytest.mark.parametrize("seed_", range(20))
def test_the_rate_that_is_left_on_a_desk_is_the_daemon_s(seed_: int) -> None:
    chance = Random(seed_)
    view = view_of(None, 0, 0, None, Side.BUY)
    instants = sorted(chance.randint(1, 2 * NS) for _ in range(chance.randint(0, 14)))
    now = 2 * NS + chance.randint(-NS // 2, NS)
    for at in instants:
        view.sent(at)

    fresh, recent = now <= NS, sum(now - at <= NS for at in instants)
    due = parent_kernels.rate_free(10, recent, 10, len(instants), fresh)
    assert view.rate_free(now) == due


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_touch_on_a_desk_is_the_daemon_s(side: Side) -> None:
    levels = np.arange(1, 41, dtype=np.int64).reshape(4, 10)
    desk = np.zeros(layout.DESK_SIZE, dtype=np.int64)
    desk[layout.SIGN], desk[layout.TICK] = side.sign, 100

    parent_kernels.touch(levels, desk)

    seen = state.touch_of(levels.tolist(), side, 100)
    row = desk[layout.TOUCH : layout.TOUCH + layout.TOUCH_SIZE].tolist()
    assert row == [seen.own_e4, seen.own_second_e4, seen.tick_e4, *seen.other_e4, *seen.other_qty]


def test_sections_of_a_desk_lie_one_behind_the_other() -> None:
    sections = (
        (layout.TERMS, layout.TERMS_SIZE, layout.BAND),
        (layout.BAND, layout.BAND_SIZE, layout.TOUCH),
        (layout.TOUCH, layout.TOUCH_SIZE, layout.HEADROOM),
        (layout.HEADROOM, layout.HEADROOM_SIZE, layout.PLAN),
        (layout.PLAN, layout.PLAN_SIZE, layout.STANDING),
        (layout.STANDING, layout.STANDING_SIZE, layout.ARRIVAL2),
    )
    for at, size, behind in sections:
        assert at + size == behind
    assert layout.SLOT == layout.DESK_SIZE - 1
    assert layout.SITUATION + layout.SITUATION_SIZE == layout.QTY + 1
