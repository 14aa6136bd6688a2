"""Rims of the overlay, a case each: what a fresh draw of small faults got past every other test."""

import pytest

from market.events import ReferencePrice
from market.types import Side
from risk.commands import People, Role, admit
from risk.memory import REPEAT_KEYS_MAX, Memory
from risk.posture import HOUR_NS, RELAPSES_MAX, PostureTable
from risk.rates import Rates, Ring
from risk.reference import References
from tests.daemon.gate_harness import ASK, BID, LIMITS, SYN, World, limits
from tests.risk.boundary_world import ask
from tests.risk.test_commands import GATE, S, command

HELD = (("PAPER", "SYN", 100),)


def test_a_command_out_of_its_time_is_told_so() -> None:
    assert "expired" in admit(People(), command(), Role.RISK, GATE, 60 * S)


def test_relapses_count_within_an_hour_of_a_machine_that_is_up_for_days() -> None:
    table, day = PostureTable(), 24 * HOUR_NS
    for n in range(RELAPSES_MAX + 1):
        table.raise_("R61", "", day + n)
        table.clear("R61", day + n)

    assert "R61" in table.latched


def test_a_picture_with_one_side_moves_no_mark() -> None:
    references = References()
    references.take(ReferencePrice(symbol=SYN, bid_e4=BID, ask_e4=ASK), 1, LIMITS.market)
    picture = references.take(ReferencePrice(symbol=SYN, bid_e4=0, ask_e4=ASK), 2, LIMITS.market)
    picture = references.take(ReferencePrice(symbol=SYN, bid_e4=0, ask_e4=ASK), 3, LIMITS.market)

    assert (picture.mark_bid_e4, picture.mark_ask_e4) == (BID, ASK)


def test_where_no_lock_is_allowed_a_book_that_is_not_locked_is_fit() -> None:
    law = limits(market={"locked_max_ms": 0}).market
    references = References(up=True, alive_mono_ns=1)
    picture = references.take(ReferencePrice(symbol=SYN, bid_e4=BID, ask_e4=ASK, last_e4=BID), 1, law)

    assert references.fault(picture, 1, law) == ""


def test_kinds_of_parents_are_forgotten_when_there_are_so_many() -> None:
    memory = Memory(Rates(0), 1)
    kinds = [(f"A{n}", "T", "S", 1) for n in range(REPEAT_KEYS_MAX)]
    memory.starts = {kind: Ring(1) for kind in kinds}  # all of them long ago

    memory.started(("NEW", "T", "S", 1), 10, 1)

    assert list(memory.starts) == [("NEW", "T", "S", 1)]


@pytest.mark.parametrize(("more", "controls"), [(0, ()), (1, ("R13",))])
def test_what_is_held_long_lowers_the_capital_that_is_used_by_nothing(
    more: int, controls: tuple[str, ...]
) -> None:
    w = World(limits(exposure={"capital_max_ccy": 30_003}), positions=HELD)
    w.open()
    w.parent(qty=1_000)

    assert ask(w, Side.BUY, 300 + more, BID) == controls  # worth 100.01 each, the mid


def test_a_twin_counts_for_itself_and_shares_what_no_control_changes() -> None:
    w = World()
    w.open()
    w.parent()
    chain = w.core.state.chains[w.working(100)]  # type: ignore[index]
    risk = w.core.state.risk

    twin = risk.twin([chain])
    twin.memory.orders += 1
    twin.ledger.positions["PAPER SYN"] = 7
    twin.firm.tally.sent.add(w.now)

    assert twin.limits is risk.limits
    assert twin.ledger.books[SYN].buys[chain.chain_id] is chain
    assert twin.phase(SYN, w.ts) == risk.phase(SYN, w.ts)
    assert (risk.memory.orders, risk.ledger.positions) == (1, {})
    assert twin.firm.tally.sent.state() != risk.firm.tally.sent.state()


def test_r11_goes_when_the_market_has_moved_back() -> None:
    w = World(limits(exposure={"gross_max_ccy": 10_050}))
    w.open()
    w.parent()
    w.fill(w.working(100, BID), 100, BID)
    causes = w.core.state.posture.causes

    w.price(BID + 10_000, ASK + 10_000)
    w.wait(0.1)
    assert "R11" in causes
    w.price()
    w.wait(0.1)
    assert "R11" not in causes
