"""Counts over windows and days: at the edge of each, after a reboot, after a start, in the hash."""

import pytest

from market.types import Symbol
from risk.lease import Lease
from risk.ledger import Ledger
from risk.memory import EXITS_MAX, OUTCOMES_MAX, Exempt, Memory, Restricted
from risk.rates import INSTANTS_MAX, SECOND_NS, Prices, Rates, Ring
from risk.scopes import Scope
from risk.tally import BLOCK, Allowance, Tally
from tests.daemon.gate_harness import LIMITS

SYN = Symbol("SYN")
S = 1_000_000_000


def ring(*times: int, window_ns: int = 10) -> Ring:
    found = Ring(window_ns)
    for instant in times:
        found.add(instant)
    return found


@pytest.mark.parametrize(
    ("now", "counted"), [(100, 3), (109, 3), (110, 2), (111, 1), (112, 0), (101, 3), (99, 0)]
)
def test_an_instant_counts_for_less_than_a_window_and_never_from_the_future(now: int, counted: int) -> None:
    found = ring(100, 101, 102) if now != 100 else ring(100, 100, 100)

    if now == 101:
        assert found.peek(now) == 2, "the third is still to come"
        return
    assert found.peek(now) == counted
    assert found.count(now) == counted
    assert len(found.state()) == counted


def test_looking_takes_nothing_away_and_a_shorter_window_holds_less() -> None:
    found = ring(100, 105, 109)

    assert (found.peek(200), found.within(110, 5), found.within(110, 6)) == (0, 1, 2)
    assert found.within(104, 5) == 1
    assert found.state() == [100, 105, 109]


def test_a_flood_costs_no_more_than_its_bound() -> None:
    found = ring(*range(INSTANTS_MAX + 7), window_ns=10**9)

    assert len(found.state()) == INSTANTS_MAX
    assert found.state()[0] == 7


def test_prices_leave_at_the_end_of_their_window_with_their_quantity_and_value() -> None:
    prices = Prices(10)
    prices.add(100, 3, 50)
    prices.add_value(105, 2, 7)
    for now, qty, value in ((109, 5, 157), (110, 2, 7), (114, 2, 7), (115, 0, 0), (116, 0, 0)):
        prices.expire(now)
        assert (prices.qty, prices.value_e4) == (qty, value)


@pytest.mark.parametrize(
    ("speed", "limit", "scaled"), [(0.5, 7, 7), (1.0, 7, 7), (1.5, 7, 10), (20.0, 7, 140), (2.0, 0, 0)]
)
def test_a_rate_runs_with_a_paper_run_and_never_slower_than_the_clock(
    speed: float, limit: int, scaled: int
) -> None:
    rates = Rates(0)
    rates.speed = speed

    assert rates.scaled(limit) == scaled


def test_the_first_second_after_a_start_counts_as_full() -> None:
    rates = Rates(5 * S)
    sent = ring(5 * S, window_ns=SECOND_NS)
    assert rates.sent_of(None, 5 * S - 1, 9) == 0, "a clock of another boot"
    for now in (5 * S, 6 * S - 1):
        assert rates.sent_of(sent, now, 9) == rates.sent_of(None, now, 9) == 9
    assert rates.sent_of(None, 6 * S, 9) == 0
    sent.add(6 * S)
    assert [rates.sent_of(sent, now, 9) for now in (6 * S, 7 * S - 1, 7 * S)] == [1, 1, 0]


def test_what_is_sent_is_noted_by_symbol() -> None:
    rates = Rates(0)
    for symbol, now in (("SYN", 1), ("OTH", 2), ("SYN", 3)):
        rates.note_sent(symbol, now)

    assert {symbol: one.state() for symbol, one in rates.sent_symbol.items()} == {"SYN": [1, 3], "OTH": [2]}
    assert rates.sent_symbol["SYN"].window_ns == SECOND_NS


def test_equal_orders_and_faults_count_by_their_key_in_their_window() -> None:
    rates = Rates(0)
    key, other = ("SYN", "1", 10, 100), ("SYN", "1", 10, 101)
    assert rates.equal_orders(key, 5) == 0
    for ts_ns in (5, 7):
        rates.note_order(key, ts_ns, 10)
    rates.note_order(other, 7, 10)
    assert [rates.equal_orders(key, ts_ns) for ts_ns in (7, 14, 15, 17)] == [2, 2, 1, 0]
    assert [rates.fault("R05", now, 10) for now in (1, 5, 10, 11, 30)] == [1, 2, 3, 3, 1]
    assert rates.fault("R20", 30, 10) == 1
    mine = rates.own_prices("SYN", "1", 10)
    assert rates.own_prices("SYN", "1", 99) is mine
    assert (mine.window_ns, rates.own_prices("SYN", "2", 10) is mine) == (10, False)


def test_rejects_and_starts_take_the_window_that_holds_now() -> None:
    memory = Memory(Rates(0), 10)
    assert [memory.rejected(now, 10) for now in (100, 105, 109)] == [1, 2, 3]
    assert memory.rejected(111, 5) == 2
    kind = ("twap", "SYN", "1", 100)
    assert len(memory.started(kind, 100, 10).state()) == 1
    assert len(memory.started(kind, 109, 10).state()) == 2
    assert len(memory.started(kind, 110, 10).state()) == 2
    assert memory.started(kind, 113, 3).state() == [113]
    assert memory.started(("vwap", "SYN", "1", 100), 113, 3).state() == [113]


def test_a_lease_ages_while_somebody_counts_and_never_backwards() -> None:
    lease = Lease()
    assert [lease.advance(now) for now in (100, 130, 120, 150)] == [0, 30, 30, 60]
    lease.restart()
    assert [lease.advance(now) for now in (7, 10)] == [60, 63]
    lease.renew("ann", 20)
    assert (lease.age_ns, lease.person, lease.renewals, lease.advance(25)) == (0, "ann", 1, 5)
    lease.renew("bob", 30)
    assert (lease.person, lease.renewals) == ("bob", 2)


def test_messages_are_taken_in_blocks_and_a_start_uses_up_the_one_that_was_begun() -> None:
    allowance = Allowance()
    seen = []
    for _ in range(BLOCK + 1):
        allowance.take()
        seen.append((allowance.used, allowance.reserved))
    assert (seen[0], seen[BLOCK - 1], seen[BLOCK]) == ((1, BLOCK), (BLOCK, BLOCK), (BLOCK + 1, 2 * BLOCK))
    allowance.restart()
    assert allowance.used == 2 * BLOCK
    allowance.restart()
    assert allowance.used == 2 * BLOCK
    assert (Allowance(5).used, Allowance(5).reserved) == (5, 5)


def test_a_tally_counts_a_day_and_a_day_begins_it_anew_but_for_what_is_fast() -> None:
    tally = Tally(10)
    tally.note_fill(100, 3, 30)
    tally.note_fill(109, 4, 40)
    tally.note_change(S)
    tally.note_change(S + 1)
    tally.messages.take()
    assert (tally.fills, tally.traded_qty, tally.traded_e4, tally.velocity.qty) == (2, 7, 70, 7)
    tally.note_fill(110, 1, 10)
    assert (tally.velocity.qty, tally.velocity.value_e4) == (5, 50)
    tally.new_day()

    assert (tally.fills, tally.traded_qty, tally.traded_e4, tally.messages.used) == (0, 0, 0, 0)
    assert (tally.velocity.qty, tally.changes.peek(S + 1)) == (5, 2)
    assert tally.changes.window_ns == tally.sent.window_ns == SECOND_NS
    mine = ring()
    assert Tally(10, mine).sent is mine
    tally.note_change(2 * S)
    assert tally.changes.state() == [S + 1, 2 * S]


def test_a_new_day_keeps_what_is_no_count_of_the_day() -> None:
    memory = Memory(Rates(0), 10)
    memory.peak_micros, memory.buying_power_micros = 5, 6
    memory.locates, memory.shorted = {"A SYN": 3}, {"A SYN": 2}
    memory.exempt = {"P1": Exempt("R07", 1, "ann", "bob")}
    memory.lease.renew("ann", 5)
    memory.exits.append(7)
    memory.rejected(5, 10)
    memory.volumes.printed(SYN, 5, 1, 10)
    memory.restricted = Restricted((), 1)
    scope = Scope("A/X", LIMITS, Ledger(), Tally(10))
    scope.peak_micros = 9
    scope.tally.fills = 3
    memory.own["A/X"] = scope
    memory.tally.fills = 4
    memory.new_day("2024-01-03")

    assert (scope.peak_micros, scope.tally.fills, memory.tally.fills) == (0, 0, 0)
    assert (memory.day, memory.peak_micros) == ("2024-01-03", 0)
    assert memory.buying_power_micros is None
    assert (memory.locates, memory.shorted, memory.exempt) == ({}, {}, {})
    assert memory.volumes.state() == [[], [], []]
    assert (memory.lease.renewals, memory.exits, memory.restricted) == (1, [7], Restricted((), 1))
    assert memory.rejects is not None


def test_what_is_used_of_a_locate_adds_up_and_a_correction_gives_nothing_back() -> None:
    memory = Memory(Rates(0), 10)
    for qty in (3, -2, 0, 1):
        memory.sold_short("A", SYN, qty)

    assert memory.shorted == {"A SYN": 4}
    assert memory.outcomes.maxlen == OUTCOMES_MAX
    assert EXITS_MAX == OUTCOMES_MAX


def test_every_count_is_in_the_states_hash() -> None:
    rates, memory = Rates(0), Memory(Rates(0), 10)
    before = (repr(rates.state()), repr(memory.state()))
    seen = {before}
    for change in (
        lambda: rates.note_sent("SYN", 1),
        lambda: rates.note_order(("SYN", "1", 1, 1), 1, 10),
        lambda: rates.own_prices("SYN", "1", 10).add(1, 2, 3),
        lambda: rates.fault("R05", 1, 10),
        lambda: setattr(rates, "speed", 2.0),
        lambda: setattr(rates, "start_mono_ns", 5),
        lambda: memory.tally.note_fill(1, 2, 3),
        lambda: memory.tally.note_change(1),
        lambda: memory.tally.messages.take(),
        lambda: setattr(memory, "peak_micros", 1),
        lambda: setattr(memory, "day", "2024-01-02"),
        lambda: setattr(memory, "buying_power_micros", 0),
        lambda: setattr(memory, "restricted", Restricted((), 1)),
        lambda: memory.locates.update(A=1),
        lambda: memory.shorted.update(A=1),
        lambda: memory.volumes.printed(SYN, 1, 1, 10),
        lambda: memory.volumes.printed(SYN, 2, 1, 10),
        lambda: memory.volumes.traded(SYN, 1, 1, 10),
        lambda: memory.started(("a", "b", "c", 1), 1, 10),
        lambda: memory.rejected(1, 10),
        lambda: memory.outcomes.append(True),
        lambda: memory.lease.advance(1),
        lambda: setattr(memory.measured, "loop_lag_ms", 1),
        lambda: memory.exits.append(1),
        lambda: setattr(memory, "stopped", False),
        lambda: setattr(memory, "began_mono_ns", 1),
        lambda: setattr(memory, "reduce_until_ns", 1),
        lambda: setattr(memory, "canary_next_ns", 1),
        lambda: setattr(memory, "canary_at", 1),
        lambda: memory.canary_passed.update(R01=1),
        lambda: setattr(memory, "orders", 1),
        lambda: memory.exempt.update(P1=Exempt("R07", 1, "a", "b")),
        lambda: setattr(memory, "exempted", 1),
    ):
        change()
        now = (repr(rates.state()), repr(memory.state()))
        assert now not in seen
        seen.add(now)
