"""R30 daily loss, with the loss that open orders and this one would lock in; R31 fall from the day's best."""

from risk import checks
from risk.case import Case
from risk.controls.exposure import of
from risk.ledger import Ledger
from risk.limits import Limits
from risk.posture import PostureTable
from risk.reference import References
from risk.scopes import Scope

MICROS: int = 1_000_000


def losses_micros(ledger: Ledger, references: References, limits: Limits, mono_ns: int) -> tuple[int, int]:
    """Return (execution, inventory) profit of all symbols; a stale market is marked against us."""
    execution = inventory = 0
    for symbol, book in ledger.books.items():
        if not (book.fills or book.sod_qty):
            continue
        picture = references.picture(symbol)
        marks = picture
        if references.stale(picture, mono_ns, limits.market):
            marks = references.stale_marks(picture, limits.loss.stale_haircut_bp)
        if marks.mark_bid_e4:
            execution += book.execution_micros(marks)
            inventory += book.inventory_micros(marks)
    return execution, inventory


def settle(case: Case, references: References) -> None:
    """Mark what moved since the last look, and add up what the open orders of all symbols would lock in."""
    found = []
    for scope, _ in case.counted:
        ledger, locked = scope.ledger, 0
        if scope.moved:
            scope.moved = False
            scope.execution_micros, scope.inventory_micros = losses_micros(
                ledger, references, scope.limits, case.stamp.mono_ns
            )
        for symbol, book in ledger.books.items():
            if book.buys or book.sells:
                locked += book.adverse_micros(references.picture(symbol))
        found.append(locked)
    case.locked_micros = tuple(found)


def daily_loss(case: Case) -> None:
    """R30 before the trade: today's loss, plus what is locked in, stays below the limit."""
    bid_e4, ask_e4 = case.picture.mark_bid_e4, case.picture.mark_ask_e4
    price = case.price_e4 or checks.collar_high_e4(ask_e4, case.limits.market.collar_bp)
    this = checks.adverse_micros(case.is_buy, case.terms.qty, price, bid_e4, ask_e4)
    if not case.is_buy and case.price_e4 == 0:
        low_e4 = checks.collar_low_e4(bid_e4, case.limits.market.collar_bp)
        this = checks.adverse_micros(False, case.terms.qty, low_e4, bid_e4, ask_e4)
    for (scope, _), locked_micros in zip(case.counted, case.locked_micros, strict=True):
        loss = -scope.execution_micros + this + locked_micros
        limit = scope.limits.loss.execution_max_ccy * MICROS
        if checks.trips(loss, limit):
            case.fail("R30", loss, limit, f"daily loss with what is locked in{of(scope.name)}, micros")


def watch(scope: Scope, references: References, posture: PostureTable, mono_ns: int) -> None:
    """Mark a scope's positions: losses reduce, halt and kill."""
    limits, place = scope.limits.loss, scope.place
    scope.execution_micros, scope.inventory_micros = losses_micros(
        scope.ledger, references, scope.limits, mono_ns
    )
    lost, top = -scope.execution_micros, limits.execution_max_ccy * MICROS
    if lost > 0 and checks.trips(lost, top):
        text = f"execution loss of {lost / 1e6:,.2f} reached {top / 1e6:,.2f}"
        posture.raise_("R30", text, mono_ns, place)
    part = checks.share_of(top, limits.reduce_at_bp)
    if lost > 0 and checks.trips(lost, part):
        text = f"execution loss of {lost / 1e6:,.2f} reached {part / 1e6:,.2f}"
        posture.raise_("R30S", text, mono_ns, place)
    else:
        posture.clear("R30S", mono_ns, place)
    scope.peak_micros = max(scope.peak_micros, scope.execution_micros)
    fallen = checks.drawdown_micros(scope.peak_micros, scope.execution_micros)
    if fallen > 0 and checks.trips(fallen, limits.drawdown_max_ccy * MICROS):
        text = f"{fallen / 1e6:,.2f} below the best of the day, {scope.peak_micros / 1e6:,.2f}"
        posture.raise_("R31", text, mono_ns, place)
    lost, top = -scope.inventory_micros, limits.inventory_max_ccy * MICROS
    if lost > 0 and checks.trips(lost, top):
        posture.raise_("R30I", f"start-of-day positions lost {lost / 1e6:,.2f}", mono_ns, place)
    else:
        posture.clear("R30I", mono_ns, place)
