"""R20 order rate, R24 duplicates."""

from typing import Final

from risk import checks
from risk.case import Case
from risk.controls.exposure import of

ORDERS_A_DECISION_MAX: Final = 2  # one that rests and one that crosses (docs/decisions/0011)


def order_rate(case: Case) -> None:
    """R20: the Nth message of any second passes, the next does not. Never queued."""
    rates, mono_ns = case.rates, case.stamp.mono_ns
    for scope, _ in case.counted:
        cap = rates.scaled(scope.limits.rates.orders_per_second)
        value = rates.sent_of(scope.tally.sent, mono_ns, cap) + 1
        if not checks.within(value, cap):
            case.fail("R20", value, cap, f"new and replace messages in one second{of(scope.name)}")
    cap = rates.scaled(case.limits.rates.orders_per_second_symbol)
    value = rates.sent_of(rates.sent_symbol.get(case.terms.symbol), mono_ns, cap) + 1
    if not checks.within(value, cap):
        case.fail("R20", value, cap, "messages of one symbol in one second")


def equal_key(case: Case) -> tuple[str, str, int, int]:
    """Return what makes two orders equal."""
    terms = case.terms
    return (terms.symbol, terms.side, terms.qty, case.price_e4)


def duplicates(case: Case) -> None:
    """R24 (b): a decision is carried out once. (c): the k-th equal order within the window is refused."""
    if case.chain is not None:
        return
    made = case.decision
    if made is not None and made.number <= 0:
        case.fail("R24", made.number, 1, "the order names no decision")
    elif made is not None and not checks.within(made.orders + 1, ORDERS_A_DECISION_MAX):
        case.fail(
            "R24", made.orders + 1, ORDERS_A_DECISION_MAX, "orders of one decision, or it is an old one"
        )
    value = case.rates.equal_orders(equal_key(case), case.stamp.ts_ns) + 1
    limit = case.limits.rates.duplicates
    if checks.trips(value, limit):
        case.fail("R24", value, limit, "equal orders within the window")
