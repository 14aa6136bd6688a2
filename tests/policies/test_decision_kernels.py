"""The kernels of a decision give what their plain twins give, integer for integer and bit for bit."""

import struct

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from market.types import ClOrdID, Side
from market.updates import Headroom
from policies import actions, executor, schedule
from policies.actions import Child, Plan, Terms, Touch
from policies.curves import GENERIC
from policies.executor import Chain, Standing
from policies.schedule import Corridor, Situation
from tests.policies.makers import ABC, DAY, NS, TEN
from tests.twins import moves as twin_moves
from tests.twins import plans as twin_plans
from tests.twins import schedules as twin_schedules

CASES = 7_000
OPENED, CLOSED = ABC.session(DAY)
CURVE = GENERIC.steps
SHARES = st.floats(0.0, 1.0)
QTY = st.one_of(st.integers(0, 60), st.integers(0, 50_000))
TICKS = st.integers(-6, 6)


def bits(*floats: float) -> bytes:
    """Return floats as they stand in memory, so that equal means equal."""
    return struct.pack(f"{len(floats)}d", *floats)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Parents of a microsecond to hours, seen before, in and after their windows, in and out of a session."""
    start_ns = TEN + draw(st.integers(-4 * 3600 * NS, 4 * 3600 * NS))
    length_ns = draw(st.one_of(st.integers(0, 20_000), st.integers(0, 3600 * NS)))
    now_ns = start_ns + int(length_ns * draw(st.floats(-0.1, 1.1)))
    return Situation(
        now_ns,
        start_ns,
        start_ns + length_ns,
        draw(QTY),
        draw(QTY),
        draw(QTY),
        *draw(st.sampled_from(((OPENED, CLOSED), (0, 0)))),
    )


@st.composite
def seen(draw: st.DrawFn) -> tuple[Touch, Corridor, Terms, Headroom]:
    """What a decision sees: near its limits in every way, empty sides included."""
    side = draw(st.sampled_from((Side.BUY, Side.SELL, Side.SELL_SHORT)))
    sign, tick = side.sign, draw(st.sampled_from((100, 50)))
    own = 10_000 + 100 * draw(TICKS)
    others = tuple(own + sign * tick * draw(st.integers(0, 4)) * (i + 1) for i in range(5))
    gone = draw(st.sampled_from((5, 5, 5, 5, 5, 0, 1, 2)))
    others = others[:gone] + (0,) * (5 - gone)
    sizes = tuple(draw(st.integers(1, 60)) if p else 0 for p in others)
    second = draw(st.sampled_from((0, own - sign * tick, own - 3 * sign * tick)))
    touch = Touch(draw(st.sampled_from((own, own, own, 0))), second, others, sizes, tick)
    qty = draw(QTY)
    cum = draw(st.integers(0, qty))
    low = draw(st.integers(0, qty))
    high = draw(st.integers(low, qty))
    lot = draw(st.sampled_from((1, 1, 10)))
    band = Corridor(low, low, high, lot * draw(st.integers(1, 20)), draw(st.booleans()))
    limit = draw(st.one_of(st.none(), st.integers(-8, 8)))
    terms = Terms(
        side,
        qty,
        cum,
        draw(st.one_of(st.just(10**9), QTY)),
        None if limit is None else 10_000 + 100 * limit,
        draw(st.one_of(st.none(), QTY)),
        draw(st.booleans()),
        lot,
    )
    headroom = Headroom(
        order_qty_max=draw(st.one_of(st.just(1_000), st.integers(0, 60))),
        buy_qty_max=0,
        sell_qty_max=0,
        orders_free=0,
        collar_low_e4=draw(st.sampled_from((0, 9_000, 9_900, 10_050))),
        collar_high_e4=draw(st.sampled_from((0, 9_950, 10_101, 11_000))),
        rate_free=0,
        can_trade=draw(st.sampled_from((True, True, True, True, False))),
    )
    return touch, band, terms, headroom


@st.composite
def standings(draw: st.DrawFn) -> tuple[Plan, Standing, int, int, int]:
    """A plan against chains that stand well, badly, too large, busy or crossing."""
    sign = draw(st.sampled_from((1, -1)))
    amount = st.integers(1, 40)
    price = TICKS.map(lambda t: 10_000 + 100 * t)
    chains = []
    for i in range(draw(st.integers(0, 8))):
        cum, leaves = draw(st.integers(0, 5)), draw(st.integers(0, 20))
        idle, crosses = draw(st.booleans()), draw(st.sampled_from((False, False, False, True)))
        worst = leaves + draw(st.sampled_from((0, 0, 7)))
        chains.append(Chain(ClOrdID(f"C{i}"), draw(price), cum + leaves, cum, worst, idle, crosses))
    child = st.one_of(st.none(), st.builds(Child, amount, price))
    plan = Plan(
        draw(child),
        draw(child),
        draw(st.sampled_from((False,) * 9 + (True,))),
        "",
        draw(st.integers(0, 150)),
        draw(st.integers(0, 15)),
        100 * draw(st.integers(0, 2)),
        10_000 + 100 * draw(TICKS),
    )
    qty = draw(st.integers(0, 150))
    asked = (draw(st.integers(0, 3)), draw(st.sampled_from((0, 0, 9))), draw(st.sampled_from((0, 0, 9))))
    standing = Standing(sign, qty, draw(st.integers(0, 40)), tuple(chains), *asked)
    return plan, standing, draw(st.integers(0, 4)), draw(st.integers(0, 3)), draw(st.sampled_from((1, 1, 10)))


def many(test: object) -> object:
    """Try a test with many cases, the same on every run."""
    checks = (HealthCheck.too_slow, HealthCheck.data_too_large)
    return seed(20260)(
        settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=checks)(test)  # type: ignore[arg-type]
    )


@many
@given(
    situations(),
    SHARES,
    st.floats(0.0, 12.0),
    st.floats(0.0, 0.6),
    st.sampled_from((1, 10, 100)),
    st.booleans(),
)
def test_schedules_and_their_corridor_are_those_of_the_twin(
    s: Situation, share: float, steep: float, width: float, lot: int, completes: bool
) -> None:
    twin = twin_schedules

    assert schedule.schedule_end_ns(s) == twin.schedule_end_ns(s)
    assert bits(
        schedule.twap(s),
        schedule.vwap(s, CURVE),
        schedule.pov(s, width),
        schedule.almgren_chriss(s, steep),
        schedule.obizhaeva_wang(s, steep),
    ) == bits(
        twin.twap(s),
        twin.vwap(s, CURVE),
        twin.pov(s, width),
        twin.almgren_chriss(s, steep),
        twin.obizhaeva_wang(s, steep),
    )
    ours = schedule.corridor(s, share, width, lot, completes)
    assert ours == twin.corridor(s, share, width, lot, completes)


@many
@given(seen(), st.integers(0, 12))
def test_plan_and_mask_are_those_of_the_twin(
    case: tuple[Touch, Corridor, Terms, Headroom], action: int
) -> None:
    touch, band, terms, headroom = case

    assert actions.mask(touch, band, terms) == twin_plans.mask(touch, band, terms)
    assert actions.allowance(terms) == twin_plans.allowance(terms)
    assert actions.worst_price(terms, headroom) == twin_plans.worst_price(terms, headroom)
    for price_e4 in (touch.own_e4, touch.other_e4[0] + 30):
        ours = actions.bounded(price_e4, terms, headroom, touch.tick_e4)
        assert ours == twin_plans.bounded(price_e4, terms, headroom, touch.tick_e4)
    for chosen in (action, 0, 8):
        ours_plan = actions.plan(chosen, terms, band, touch, headroom)
        assert ours_plan == twin_plans.plan(chosen, terms, band, touch, headroom)


@many
@given(standings())
def test_moves_are_those_of_the_twin(case: tuple[Plan, Standing, int, int, int]) -> None:
    assert executor.reconcile(*case) == twin_moves.reconcile(*case)
