"""R19 traded value and shares of a day, R21 messages of a day, R22 changes and messages for a fill."""

from risk import checks
from risk.case import Case
from risk.controls.exposure import held, of
from risk.scopes import Scope

E4: int = 10_000


def traded(case: Case) -> None:
    """R19: executed, open and this stay within the day's budget."""
    price = max(case.price_e4, case.value_e4)
    for scope, _ in case.counted:
        limits, tally, ledger = scope.limits.day, scope.tally, scope.ledger
        leaves, old_e4 = held(case, ledger)
        value = tally.traded_e4 + ledger.open_e4 - old_e4 + (leaves + case.adds) * price
        cap = limits.notional_max_ccy * E4
        if not checks.within(value, cap):
            case.fail("R19", value // E4, cap // E4, f"value of the day{of(scope.name)}")
        shares = tally.traded_qty + ledger.open_qty + case.adds
        if not checks.within(shares, limits.shares_max):
            case.fail("R19", shares, limits.shares_max, f"shares of the day{of(scope.name)}")


def messages(case: Case) -> None:
    """R21: one more message is within the day's allowance."""
    for scope, _ in case.counted:
        value, cap = scope.tally.messages.used + 1, scope.limits.day.messages_max
        if not checks.within(value, cap):
            case.fail("R21", value, cap, f"messages of the day{of(scope.name)}")


def change_rate(case: Case) -> None:
    """R22: replaces and cancels of a second; a cancel is counted and never refused."""
    if case.chain is None:
        return
    for scope, _ in case.counted:
        cap = case.rates.scaled(scope.limits.rates.changes_per_second)
        value = scope.tally.changes.count(case.stamp.mono_ns) + 1
        if not checks.within(value, cap):
            case.fail("R22", value, cap, f"replaces and cancels in one second{of(scope.name)}")


def messages_per_fill(case: Case) -> None:
    """R22: messages to fills, judged once there are enough messages. New orders are then reduce only."""
    if case.chain is None:
        return
    for scope, _ in case.counted:
        number, cap = scope.tally.messages.used + 1, fills_cap(scope)
        if number > scope.limits.rates.judged_after and not checks.within(number, cap):
            case.fail("R22", number, cap, f"messages for the fills of the day{of(scope.name)}")


def fills_cap(scope: Scope) -> int:
    """Return how many messages the fills of the day are good for."""
    return scope.limits.rates.messages_per_fill * max(1, scope.tally.fills)
