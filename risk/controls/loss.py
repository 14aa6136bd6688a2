"""R30 daily loss, with the loss that open orders and this one would lock in."""

from risk import checks
from risk.case import Case
from risk.ledger import Ledger
from risk.limits import Limits
from risk.reference import References


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


def daily_loss(case: Case, execution_micros: int) -> None:
    """R30 before the trade: today's loss, plus what is locked in, stays below the limit."""
    bid_e4, ask_e4 = case.picture.mark_bid_e4, case.picture.mark_ask_e4
    price = case.price_e4 or checks.collar_high_e4(ask_e4, case.limits.market.collar_bp)
    this = checks.adverse_micros(case.is_buy, case.terms.qty, price, bid_e4, ask_e4)
    if not case.is_buy and case.price_e4 == 0:
        low_e4 = checks.collar_low_e4(bid_e4, case.limits.market.collar_bp)
        this = checks.adverse_micros(False, case.terms.qty, low_e4, bid_e4, ask_e4)
    loss = -execution_micros + this + case.book.adverse_micros(case.picture)
    limit = case.limits.loss.execution_max_ccy * 1_000_000
    if checks.trips(loss, limit):
        case.fail("R30", loss, limit, "daily loss with what is locked in, micros")
