"""R68: every minute an order that must be refused goes through the live overlay, a control at a time.

It runs through the same controls with the same limits, on a copy of what they count: nothing is reserved, no
count moves, and it can make no `Approved`. A control that lets it pass kills.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from market.child_order import ChildOrder
from market.events import Stamp
from market.orders import NewOrder
from market.parents import ParentOrder, Progress
from market.types import ClOrdID, OrdType, ParentID, ParentStatus, Side, Symbol, TimeInForce
from risk.calendar import UNKNOWN
from risk.case import Case, Decision
from risk.ledger import ANY_PRICE_E4, Ledger, SymbolBook
from risk.memory import Memory
from risk.overlay import Context, RiskOverlay
from risk.posture import PostureTable
from risk.rates import Rates
from risk.reference import Picture
from risk.scopes import Scope
from risk.tally import Tally

NAME: Final = "CANARY"
PRICE_E4: Final = 1_000_000  # where no price of the symbol is known
HUGE: Final = 2**31 - 1
BEYOND: Final = 2**60  # more than any limit can be


def plain(risk: RiskOverlay, symbol: Symbol, stamp: Stamp) -> Case:
    """Return the case of an ordinary order of a parent of its own, over copies of what is counted."""
    price = risk.references.picture(symbol).price_e4 or PRICE_E4
    instrument = risk.instruments[symbol]
    tick = instrument.tick_e4(price)
    order = NewOrder(
        cl_ord_id=ClOrdID(NAME),
        parent_id=ParentID(NAME),
        account=risk.account,
        symbol=symbol,
        mic=instrument.mic,
        side=Side.BUY,
        qty=instrument.lot,
        ord_type=OrdType.LIMIT,
        price_e4=max(tick, price - price % tick),  # a price below a tick is still a price
        time_in_force=TimeInForce.DAY,
    )
    parent = ParentOrder(
        parent_id=ParentID(NAME),
        account=risk.account,
        side=Side.BUY,
        qty=HUGE,
        symbol=symbol,
        mic=instrument.mic,
        start_ns=1,
        end_ns=BEYOND,
    )
    progress = Progress(status=ParentStatus.WORKING, qty=HUGE)
    decision = Decision(stamp.mono_ns, NAME, "", 1)
    case = risk.case(order, Context(stamp, None, parent, progress, decision))
    limits = risk.limits
    tally, ledger = Tally(limits.fills.window_ms), Ledger(books={symbol: SymbolBook(symbol=symbol)})
    firm = Scope("F", limits, ledger, tally)
    rates = Rates(stamp.mono_ns - 2 * 10**9)
    memory = Memory(rates, limits.fills.window_ms)
    memory.restricted, memory.day = risk.memory.restricted, risk.memory.day
    return msgspec.structs.replace(
        case,
        book=ledger.book(symbol),
        ledger=ledger,
        posture=PostureTable(),
        rates=rates,
        memory=memory,
        counted=((firm, ledger.book(symbol)),),
        picture=msgspec.structs.replace(case.picture),
    )


def terms(case: Case, **changes: object) -> None:
    """Change the order."""
    case.terms = msgspec.structs.replace(case.terms, **changes)
    case.is_buy = case.terms.side is Side.BUY
    price_e4 = case.terms.price_e4
    assert price_e4 is not None, "a canary has a price"
    case.price_e4 = price_e4


def chain_of(case: Case, side: Side, price_e4: int) -> ChildOrder:
    """Return an order that stands."""
    other = msgspec.structs.replace(case.terms, side=side, price_e4=price_e4)
    return ChildOrder(
        chain_id=ClOrdID("OTHER"), terms=other, cl_ord_id=ClOrdID("OTHER"), order_qty=1, price_e4=price_e4
    )


def r07(case: Case) -> None:
    """Nothing is displayed, and it crosses."""
    picture = Picture(symbol=case.terms.symbol, bid_e4=PRICE_E4, ask_e4=PRICE_E4, asks=((PRICE_E4, 0),))
    case.picture = picture
    terms(case, price_e4=PRICE_E4)


def r11(case: Case) -> None:
    """What is held is worth more than any limit."""
    case.ledger.gross_e4 = case.ledger.long_e4 = BEYOND


def r15(case: Case) -> None:
    """Nothing is known of the market."""
    case.market_fault = case.market_fault or NAME


def r16(case: Case) -> None:
    """An own sell stands at our price."""
    case.book.sells[ClOrdID("OTHER")] = chain_of(case, Side.SELL, case.price_e4)
    case.book.price(ClOrdID("OTHER"), False, case.price_e4)
    assert case.book.sell_low_e4 < ANY_PRICE_E4


def r17(case: Case) -> None:
    """A short sale without a locate, or where none is permitted."""
    terms(case, side=Side.SELL_SHORT)
    case.limits = case.limits.model_copy(
        update={"shorts": case.limits.shorts.model_copy(update={"permitted": False})}
    )


def r18(case: Case) -> None:
    """It opens while only what reduces is allowed."""
    case.posture.raise_("R72", NAME, case.stamp.mono_ns)


def r20(case: Case) -> None:
    """The second has had all of its messages."""
    case.rates.start_mono_ns = case.stamp.mono_ns


def r22(case: Case) -> None:
    """A replace without a fill for any number of messages."""
    case.chain = chain_of(case, Side.BUY, case.price_e4)
    case.counted[0][0].tally.messages.used = BEYOND


def r22_changes(case: Case) -> None:
    """A replace in a second that has had all of its changes."""
    case.chain = chain_of(case, Side.BUY, case.price_e4)
    scope = case.counted[0][0]
    for _ in range(scope.limits.rates.changes_per_second):
        scope.tally.note_change(case.stamp.mono_ns)


def r24(case: Case) -> None:
    """Of a decision that has had all of its orders."""
    case.decision = Decision(case.stamp.mono_ns, NAME, "", 1, HUGE)


def r30(case: Case) -> None:
    """The day has lost more than any limit."""
    case.counted[0][0].execution_micros = -BEYOND


def r70(case: Case) -> None:
    """Killed."""
    case.posture.raise_("R70", NAME, case.stamp.mono_ns)


def unanswered(case: Case) -> None:
    """More orders without an answer than any limit."""
    case.ledger.unanswered = {ClOrdID(str(n)): None for n in range(case.limits.sessions.in_flight_max)}


def of_day(case: Case, **changes: int) -> None:
    """The day has had more than any limit."""
    for name, value in changes.items():
        setattr(case.counted[0][0].tally, name, value)


def spent(case: Case) -> None:
    """Every message of the day is used."""
    case.counted[0][0].tally.messages.used = BEYOND


Doctor = Callable[[Case], None]
# Each makes an ordinary order one that its control must refuse, whatever the limits are. A control that looks
# at two things has two: its name and a word.
MUST_REFUSE: Final[dict[str, Doctor]] = {
    "R01": lambda case: terms(case, qty=0),
    "R02": lambda case: terms(case, time_in_force=TimeInForce.GTC),
    "R03": lambda case: terms(case, qty=HUGE),
    "R04": lambda case: terms(case, qty=HUGE, price_e4=2**52),
    "R05": lambda case: terms(case, price_e4=2**52),
    "R06": r15,
    "R07": r07,
    "R08": lambda case: setattr(case, "progress", Progress(status=ParentStatus.PAUSED, qty=HUGE)),
    "R10": lambda case: setattr(case.book, "buy_leaves", HUGE),
    "R11": r11,
    "R12": lambda case: setattr(case.ledger, "open_orders", HUGE),
    "R13": lambda case: setattr(case.ledger, "paid_e4", BEYOND),
    "R14": lambda case: setattr(case, "progress", Progress(status=ParentStatus.WORKING)),
    "R15": r15,
    "R16": r16,
    "R17": r17,
    "R18": r18,
    "R19": lambda case: of_day(case, traded_qty=BEYOND, traded_e4=BEYOND),
    "R20": r20,
    "R21": spent,
    "R22": r22,
    "R22 changes": r22_changes,
    "R24": r24,
    "R30": r30,
    "R40": lambda case: setattr(case, "day", UNKNOWN),
    "R41": lambda case: setattr(case.picture, "trading", False),
    "R42": lambda case: setattr(case.memory, "restricted", None),
    "R50": lambda case: setattr(case, "decision", None),
    "R61": lambda case: setattr(case, "overdue", HUGE),
    "R65": unanswered,
    "R70": r70,
}
TURN: Final = tuple(MUST_REFUSE)


def sing(risk: RiskOverlay, name: str, stamp: Stamp) -> str:
    """Send one canary; return what is wrong, "" where its control refused it."""
    symbol, control = next(iter(risk.instruments)), name.partition(" ")[0]
    case = plain(risk, symbol, stamp)
    MUST_REFUSE[name](case)
    before = risk.posture.changes
    risk.run(case)
    refused = [failure.control for failure in case.failures]
    if control in refused and "GR1" not in refused and risk.posture.changes == before:
        return ""
    return f"{name} let pass what it must refuse; refused by {' '.join(refused) or 'nothing'}"
