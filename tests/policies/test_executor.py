"""The executor moves little, never commits more than it may, and settles."""

from hypothesis import given, settings
from hypothesis import strategies as st

from market.types import ClOrdID
from policies.actions import Child, Plan
from policies.executor import CHAINS_MAX, Act, Chain, Move, Standing, reconcile

REST = Plan(rest=Child(100, 999_900), allowed_qty=1_000, slack_qty=25, slack_e4=0, worst_e4=1_000_000)


def chain(name: str, qty: int = 100, price_e4: int = 999_900, **more: object) -> Chain:
    fields: dict[str, object] = {"cum_qty": 0, "idle": True, "crossing": False} | more
    leaves = qty - fields["cum_qty"]  # type: ignore[operator]
    return Chain(ClOrdID(name), price_e4, qty, worst_leaves=leaves, **fields)  # type: ignore[arg-type]


def standing(*chains: Chain, qty: int = 1_000, cum: int = 0, **more: int) -> Standing:
    return Standing(1, qty, cum, chains, **more)


def moves(plan: Plan, stands: Standing, rate: int = 10, orders: int = 10, lot: int = 1) -> list[Move]:
    return reconcile(plan, stands, rate, orders, lot)


def test_from_nothing_it_submits_what_is_wanted() -> None:
    assert moves(REST, standing()) == [Move(Act.SUBMIT, 100, 999_900)]


def test_what_stands_as_wanted_is_left_alone() -> None:
    assert moves(REST, standing(chain("A"))) == []


def test_a_quantity_that_is_a_little_off_is_left_alone() -> None:
    assert moves(REST, standing(chain("A", 80))) == []
    assert moves(REST, standing(chain("A", 120))) == []


def test_another_price_is_a_replace_that_keeps_what_was_filled() -> None:
    stands = standing(chain("A", 150, 999_800, cum_qty=50))

    assert moves(REST, stands) == [Move(Act.REPLACE, 150, 999_900, ClOrdID("A"))]


def test_a_price_within_the_slack_keeps_its_place() -> None:
    near = Plan(rest=Child(100, 999_900), allowed_qty=1_000, slack_qty=25, slack_e4=200, worst_e4=1_000_000)

    assert moves(near, standing(chain("A", price_e4=999_800))) == []


def test_a_price_beyond_the_limit_is_moved_however_near() -> None:
    tight = Plan(rest=Child(100, 999_900), allowed_qty=1_000, slack_qty=25, slack_e4=200, worst_e4=999_900)

    assert moves(tight, standing(chain("A", price_e4=1_000_000)))[0].act is Act.REPLACE


def test_much_too_much_shrinks_and_keeps_its_place() -> None:
    assert moves(REST, standing(chain("A", 400))) == [Move(Act.REPLACE, 100, 999_900, ClOrdID("A"))]


def test_nothing_wanted_cancels() -> None:
    assert moves(Plan(allowed_qty=1_000), standing(chain("A"))) == [Move(Act.CANCEL, chain_id=ClOrdID("A"))]


def test_what_is_in_flight_is_left_alone_and_counts() -> None:
    assert moves(REST, standing(chain("A", idle=False))) == []
    assert moves(REST, standing(submits=1, submits_resting_qty=100)) == []


def test_a_half_eaten_order_is_topped_up_beside_it() -> None:
    assert moves(REST, standing(chain("A", 100, cum_qty=60), cum=60)) == [Move(Act.SUBMIT, 60, 999_900)]


def test_with_many_orders_the_smallest_grows() -> None:
    stands = standing(*(chain(f"C{i}", i + 1) for i in range(CHAINS_MAX)))

    assert moves(REST, stands) == [Move(Act.REPLACE, 1 + 79, 999_900, ClOrdID("C0"))]


def test_a_crossing_order_is_sent_once() -> None:
    plan = Plan(cross=Child(50, 1_000_000), allowed_qty=1_000)

    assert moves(plan, standing()) == [Move(Act.SUBMIT, 50, 1_000_000, crossing=True)]
    assert moves(plan, standing(submits=1, submits_crossing_qty=50)) == []
    assert moves(plan, standing(chain("X", 50, crossing=True, idle=False))) == []


def test_resting_gives_way_where_there_is_no_room_to_cross() -> None:
    plan = Plan(Child(50, 999_900), Child(50, 1_000_000), allowed_qty=100, slack_qty=25, worst_e4=1_000_000)
    stands = standing(chain("A", 100), qty=100)

    assert moves(plan, stands) == [Move(Act.REPLACE, 50, 999_900, ClOrdID("A"))]


def test_over_the_allowance_it_shrinks_to_the_share() -> None:
    plan = Plan(Child(90, 999_900), allowed_qty=90, slack_qty=25, worst_e4=1_000_000)

    assert moves(plan, standing(chain("A", 100))) == [Move(Act.REPLACE, 90, 999_900, ClOrdID("A"))]


def test_without_messages_left_it_only_cancels() -> None:
    plan = Plan(Child(90, 999_900), allowed_qty=90, slack_qty=25, worst_e4=1_000_000)

    assert moves(plan, standing(chain("A", 100)), rate=0) == [Move(Act.CANCEL, chain_id=ClOrdID("A"))]
    assert moves(REST, standing(chain("A", price_e4=999_800)), rate=0) == []
    assert moves(REST, standing(), rate=0) == []
    assert moves(REST, standing(), orders=0) == []


def test_hold_touches_nothing() -> None:
    assert moves(Plan(hold=True), standing(chain("A", 400, 900_000))) == []


CHAINS = st.lists(
    st.tuples(st.integers(1, 300), st.integers(0, 299), st.integers(-3, 1), st.booleans(), st.booleans()),
    max_size=8,
)


def made(rows: list[tuple[int, int, int, bool, bool]]) -> tuple[Chain, ...]:
    return tuple(
        chain(f"C{n}", qty, 999_900 + 100 * ticks, cum_qty=min(cum, qty - 1), idle=idle, crossing=crossing)
        for n, (qty, cum, ticks, idle, crossing) in enumerate(rows)
    )


def after(stands: Standing, made_moves: list[Move]) -> Standing:
    """What stands when every move has been carried out."""
    chains = {c.chain_id: c for c in stands.chains}
    for n, move in enumerate(made_moves):
        if move.act is Act.CANCEL:
            chains.pop(move.chain_id)
        elif move.act is Act.REPLACE:
            old = chains[move.chain_id]
            chains[move.chain_id] = chain(old.chain_id, move.qty, move.price_e4, cum_qty=old.cum_qty)
        elif not move.crossing:
            chains[ClOrdID(f"N{n}")] = chain(f"N{n}", move.qty, move.price_e4)
    return Standing(1, stands.qty, stands.cum_qty, tuple(chains.values()))


@settings(max_examples=400)
@given(
    rows=CHAINS,
    rest=st.none() | st.integers(1, 400),
    cross=st.none() | st.integers(1, 400),
    room=st.integers(0, 500),
    allowed=st.integers(0, 2_000),
    slack=st.integers(0, 60),
    slack_e4=st.sampled_from((0, 100, 200)),
    rate=st.integers(0, 6),
    orders=st.integers(0, 6),
    lot=st.sampled_from((1, 10)),
    asked=st.integers(0, 50),
)
def test_never_more_than_the_parent_never_two_at_a_chain(
    rows: list[tuple[int, int, int, bool, bool]],
    rest: int | None,
    cross: int | None,
    room: int,
    allowed: int,
    slack: int,
    slack_e4: int,
    rate: int,
    orders: int,
    lot: int,
    asked: int,
) -> None:
    chains = made(rows)
    cum = sum(c.cum_qty for c in chains)
    working = sum(c.worst_leaves for c in chains) + asked
    stands = Standing(1, cum + working + room, cum, chains, int(asked > 0), asked, 0)
    plan = Plan(
        Child(rest, 999_900) if rest else None,
        Child(cross, 1_000_000) if cross else None,
        allowed_qty=allowed,
        slack_qty=slack,
        slack_e4=slack_e4,
        worst_e4=1_000_000,
    )

    done = moves(plan, stands, rate, orders, lot)

    touched = [move.chain_id for move in done if move.chain_id]
    assert len(touched) == len(set(touched))
    idle = {c.chain_id for c in chains if c.idle and not c.crossing}
    assert set(touched) <= idle
    grown = sum(m.qty for m in done if m.act is Act.SUBMIT) + sum(
        max(0, m.qty - next(c.qty for c in chains if c.chain_id == m.chain_id))
        for m in done
        if m.act is Act.REPLACE
    )
    assert working + grown <= max(working, stands.qty - cum)
    assert working + grown <= max(working, allowed)
    assert sum(m.act is not Act.CANCEL for m in done) <= rate
    assert sum(m.act is Act.SUBMIT for m in done) <= orders
    assert all(m.qty > 0 for m in done if m.act is not Act.CANCEL)
    for m in done:
        if m.act is Act.REPLACE:
            old = next(c for c in chains if c.chain_id == m.chain_id)
            assert m.qty > old.cum_qty
            assert (m.qty, m.price_e4) != (old.qty, old.price_e4)


@settings(max_examples=300)
@given(rows=CHAINS, rest=st.none() | st.integers(1, 400), slack=st.integers(0, 60))
def test_it_settles_once_its_moves_are_done(
    rows: list[tuple[int, int, int, bool, bool]], rest: int | None, slack: int
) -> None:
    chains = tuple(c for c in made(rows) if c.idle and not c.crossing)
    plan = Plan(
        Child(rest, 999_900) if rest else None, allowed_qty=10_000, slack_qty=slack, worst_e4=1_000_000
    )
    stands = Standing(1, 10_000, 0, chains)

    first = moves(plan, stands)
    stands = after(stands, first)
    second = moves(plan, stands)

    # With as many chains as there may be, one of them must grow, and it may first have had to move.
    assert second == [] or len(chains) >= CHAINS_MAX
    assert moves(plan, after(stands, second)) == [] or len(chains) > CHAINS_MAX
