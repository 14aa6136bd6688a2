"""A script does what its lines say, when they say it, and reaches every path by hand."""

from typing import Any

import pytest

from daemon.trader.core import TraderCore
from market.types import ClOrdID, OrdStatus, OrdType, ParentID, ParentStatus, Side, TimeInForce
from policies.executor import Act
from policies.script_language import Trigger, parse
from policies.scripted import Parent, Quote, Scripted, moves_of, price_of
from policies.working import Heard
from research.training.stand_in_gate import Gate
from tests.policies.makers import NS, TEN, order
from tests.policies.test_baselines import worked

P1, P2 = ParentID("P1"), ParentID("P2")
MIDNIGHT = TEN - 10 * 3_600 * NS
ONE = [Parent(P1, TEN, MIDNIGHT)]
TWO = [*ONE, Parent(P2, TEN, MIDNIGHT)]
QUOTE = Quote(999_900, 1_000_200, 1_000_050, 100)


def script(text: str) -> Scripted:
    return Scripted("script:x", text.encode(), parse(text, "x"))


def fired(
    s: Scripted, now_ns: int, parents: list[Parent] = ONE, fed: bool = True
) -> list[tuple[int, ParentID]]:
    return [(line.number, parent_id) for line, parent_id in s.due(now_ns, parents, fed)]


def test_at_acts_once_a_parent_and_not_before() -> None:
    s = script("at 10:00:05 cancel all")

    assert fired(s, TEN + 4 * NS, TWO) == []
    assert s.next_due_ns(TWO) == [TEN + 5 * NS] * 2
    assert fired(s, TEN + 5 * NS, TWO) == [(1, P1), (1, P2)]
    assert fired(s, TEN + 6 * NS, TWO) == []
    assert s.next_due_ns(TWO) == []


def test_every_takes_parents_in_turn_on_feed_reads() -> None:
    s = script("every 20ms submit 1 @ bid-5 ioc")

    turns = [fired(s, TEN + ms * 1_000_000, TWO, fed=ms != 30) for ms in (0, 10, 20, 30, 40, 41, 60)]

    assert turns == [[(1, P2)], [], [(1, P1)], [], [(1, P2)], [], [(1, P1)]]
    assert s.next_due_ns(TWO) == []


def test_every_on_the_timer_asks_to_be_woken() -> None:
    s = script("every 1s timer cancel all")

    assert fired(s, TEN, fed=False) == [(1, P1)]
    assert s.next_due_ns(ONE) == [TEN + NS]


def test_events_are_counted_and_belong_to_their_parent() -> None:
    s = script("on fill cancel all\non fill 2 cancel first\non touch cancel last")

    s.heard(order(parent_id=P2), Heard(filled_qty=10))
    first = fired(s, TEN, TWO)
    s.heard(order(parent_id=P1), Heard(filled_qty=10, ended=OrdStatus.FILLED))
    s.happened(Trigger.TOUCH, None)

    assert first == [(1, P2)]
    assert fired(s, TEN, TWO) == [(1, P1), (2, P1), (3, P1), (3, P2)]


def test_prices_speak_of_the_market() -> None:
    terms = {
        p: parse(f"on fill want 1 @ {p}", "x")[0].price for p in ("bid-5", "ask", "mid", "last+1", "99.5")
    }

    prices = {p: price_of(t, QUOTE, Side.BUY) for p, t in terms.items() if t is not None}

    assert prices == {
        "bid-5": 999_400,
        "ask": 1_000_200,
        "mid": 1_000_000,
        "last+1": 1_000_100,
        "99.5": 995_000,
    }
    mid = terms["mid"]
    assert mid is not None
    assert price_of(mid, QUOTE, Side.SELL) == 1_000_100
    assert price_of(mid, Quote(0, 1_000_200, 0, 100), Side.BUY) == 0


def test_lines_become_moves() -> None:
    def moves(text: str, *chains: Any) -> list[Any]:
        return moves_of(parse(f"on fill {text}", "x")[0], list(chains), QUOTE, Side.BUY)

    a, b = order("A"), order("B", qty=50)

    (market,) = moves("submit SELL 5 market")
    (reaching,) = moves("submit 5 @ ask")
    (resting,) = moves("submit 5 @ bid postonly")
    assert (market.ord_type, market.crossing, market.side) == (OrdType.MARKET, True, Side.SELL)
    assert (reaching.crossing, reaching.time_in_force) == (True, TimeInForce.DAY)
    assert (resting.crossing, resting.post_only, resting.side) == (False, True, None)
    assert [m.chain_id for m in moves("cancel all", a, b)] == ["A", "B"]
    assert [m.chain_id for m in moves("cancel first", a, b)] == ["A"]
    (replace,) = moves("replace last @ bid+1", a, b)
    assert (replace.act, replace.qty, replace.price_e4, replace.chain_id) == (
        Act.REPLACE,
        50,
        1_000_000,
        ClOrdID("B"),
    )
    assert moves("cancel all") == []
    assert moves_of(parse("on fill submit 1 @ bid", "x")[0], [], Quote(0, 0, 0, 100), Side.BUY) == []


def test_a_loop_in_a_script_is_bounded() -> None:
    s = script("on touch cancel all")

    for _ in range(2_000):
        s.happened(Trigger.TOUCH, None)

    assert s.dropped == 1_000


def played(text: str, **more: Any) -> tuple[Gate, TraderCore]:
    return worked(script(text), 11, minutes=1, **more)


@pytest.mark.slow
def test_want_is_kept_where_it_was_wanted() -> None:
    gate, core = played("at +1s want 100 @ bid-3\nat +30s want none", side=Side.BUY)

    assert core.refusals == 0
    assert gate.messages > 5  # it followed the bid
    assert not gate.chains
    assert gate.progress[P1].status is ParentStatus.EXPIRED


@pytest.mark.slow
def test_submit_replace_cancel_and_ioc_reach_the_gate() -> None:
    text = """
    at +1s submit 100 @ bid-20
    on ack 1 replace last 150 @ bid-19
    at +10s cancel all
    at +12s submit 100 @ ask ioc
    at +14s submit 100 market ioc
    """

    gate, _ = played(text, side=Side.BUY)

    assert gate.messages == 4
    assert gate.progress[P1].cum_qty >= 100
    assert gate.refused == 0


@pytest.mark.slow
def test_fifty_orders_a_second() -> None:
    gate, _ = played("every 20ms submit 1 @ bid-5 ioc", side=Side.BUY, qty=5_000)

    assert gate.messages > 400  # a quiet synthetic feed has fewer reads than fifty a second
    assert gate.progress[P1].cum_qty == 0
