"""How much of each limit is used now: for people and programs that watch. It only looks.

A ratio of 1 is the limit itself. Of a control with several limits or scopes the fullest counts. What is
judged order by order (sizes, prices, lists) has no use of its own between orders and is not here.
"""

from collections.abc import Iterator

from market.types import MS
from risk import checks
from risk.controls import money
from risk.overlay import RiskOverlay
from risk.scopes import Scope

E4 = 10_000
MICROS = 1_000_000


def utilisation(risk: RiskOverlay, mono_ns: int) -> dict[str, float]:
    """Return the fullest of each control's limits."""
    found: dict[str, float] = {}
    for control, value, limit in of_desk(risk, mono_ns):
        found[control] = max(found.get(control, 0.0), ratio(value, limit))
    for scope in risk.scopes:
        for control, value, limit in of_scope(risk, scope, mono_ns):
            found[control] = max(found.get(control, 0.0), ratio(value, limit))
    return found


def ratio(value: int, limit: int) -> float:
    """Return value over limit; of a limit of 0 nothing is used, or all of it."""
    return max(0, value) / limit if limit else float(value > 0)


Use = tuple[str, int, int]


def of_scope(risk: RiskOverlay, scope: Scope, mono_ns: int) -> Iterator[Use]:
    """Yield (control, value, limit) of what each scope counts."""
    limits, ledger, tally = scope.limits, scope.ledger, scope.tally
    exposure, day = limits.exposure, limits.day
    for book in ledger.books.values():
        yield "R10", checks.worst_long(book.position, book.buy_leaves), exposure.long_max
        yield "R10", -checks.worst_short(book.position, book.sell_leaves), exposure.short_max
        yield "R12", book.open_orders, exposure.open_orders_symbol_max
    yield "R11", ledger.gross_e4, exposure.gross_max_ccy * E4
    yield "R11", max(abs(ledger.long_e4), abs(ledger.short_e4)), exposure.net_max_ccy * E4
    yield "R12", ledger.open_orders, exposure.open_orders_max
    yield "R12", ledger.open_e4, exposure.open_notional_max_ccy * E4
    yield "R13", money.capital_e4(ledger), exposure.capital_max_ccy * E4
    yield "R19", tally.traded_e4 + ledger.open_e4, day.notional_max_ccy * E4
    yield "R19", tally.traded_qty + ledger.open_qty, day.shares_max
    yield "R20", tally.sent.peek(mono_ns), risk.rates.scaled(limits.rates.orders_per_second)
    yield "R21", tally.messages.used, day.messages_max
    yield "R22", tally.changes.peek(mono_ns), risk.rates.scaled(limits.rates.changes_per_second)
    if tally.messages.used > limits.rates.judged_after:
        yield "R22", tally.messages.used, limits.rates.messages_per_fill * max(1, tally.fills)
    yield "R25", tally.velocity.qty, limits.fills.shares_max
    yield "R25", tally.velocity.value_e4, limits.fills.notional_max_ccy * E4
    yield "R30", -scope.execution_micros, limits.loss.execution_max_ccy * MICROS
    yield "R30", -scope.inventory_micros, limits.loss.inventory_max_ccy * MICROS
    fallen = checks.drawdown_micros(scope.peak_micros, scope.execution_micros)
    yield "R31", fallen, limits.loss.drawdown_max_ccy * MICROS


def of_desk(risk: RiskOverlay, mono_ns: int) -> Iterator[Use]:
    """Yield (control, value, limit) of what is counted once."""
    limits, memory = risk.limits, risk.memory
    yield "R02", len(risk.ledger.used), limits.allowed.symbols_max
    if memory.rejects is not None:
        yield "R26", memory.rejects.peek(mono_ns), limits.rejects.count_max
    yield "R65", len(risk.ledger.unanswered), limits.sessions.in_flight_max
    yield "R67", len(memory.exits), limits.start.exits_max
    yield "R71", memory.lease.age_ns // MS, limits.lease.kill_after_ms
    seen, caps = memory.measured, limits.machine
    yield "R62", seen.drop_copy_lag_ms or 0, caps.drop_copy_lag_max_ms
    yield "R63", abs(seen.clock_offset_us or 0), caps.clock_halt_us
    yield "R64", seen.loop_lag_ms or 0, caps.loop_lag_max_ms
