"""What the gate remembers begins at nothing: no share, no money, no count, until something happens."""

from typing import Any

import msgspec
import pytest

from daemon.gate.drop_copy_state import DropCopy
from daemon.gate.effects import SendOrder
from daemon.gate.oms_state import NO_ANSWER, OmsClient, OmsOrder, OmsRequestMade
from daemon.gate.state import Absence, GateState, Parent, Session, Trader, Unwanted
from daemon.gate.why import Blocker
from risk.calendar import DayPhase
from risk.case import Case, Decision
from risk.lease import Lease
from risk.ledger import ANY_PRICE_E4, Ledger, SymbolBook
from risk.memory import Memory
from risk.posture import RELAPSES_MAX, PostureTable
from risk.rates import Rates
from risk.reference import Picture

# What is there from the first moment on, and why.
OTHERWISE: dict[str, Any] = {
    "SymbolBook.sell_low_e4": ANY_PRICE_E4,  # no sell
    "Picture.trading": True,  # until the venue says otherwise
    "Session.reason": "never logged on",
    "DropCopy.reason": "never logged on",
    "OmsClient.reason": "never logged on",
    "OmsRequestMade.answer": NO_ANSWER,
    "Parent.priced": True,  # admitted with a price
    "PostureTable.relapses_max": RELAPSES_MAX,
    "DropCopy.offset": -1,  # no message of it yet
    "Memory.stopped": True,  # the end before the first start was no crash
    "GateState.carried_changes": -1,  # the posture is carried out and settled once at the start
    "GateState.settled_changes": -1,
    "GateState.mode": "paper",
    "GateState.external_orders": "note",
}


def says(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the defaults of a struct by name."""
    return {f"{kind.__name__}.{f.name}": f.default for f in msgspec.structs.fields(kind) if not f.required}


def holds(thing: object) -> dict[str, Any]:
    """Return what an object has when it is made."""
    return {f"{type(thing).__name__}.{name}": value for name, value in vars(thing).items()}


def made() -> dict[str, Any]:
    """Return everything that is there before anything has happened."""
    found: dict[str, Any] = {}
    for kind in (
        Absence,
        Blocker,
        Case,
        DayPhase,
        Decision,
        DropCopy,
        Lease,
        Ledger,
        OmsClient,
        OmsOrder,
        OmsRequestMade,
        Parent,
        Picture,
        PostureTable,
        SendOrder,
        Session,
        SymbolBook,
        Trader,
        Unwanted,
    ):
        found |= says(kind)
    for thing in (GateState(), Memory(Rates(0), 10**9)):
        found |= holds(thing)
    return found


def test_numbers_begin_at_nothing_and_words_are_not_said_yet() -> None:
    plain = {k: v for k, v in made().items() if isinstance(v, int | str | bool)}
    assert len(plain) > 60

    assert {k: v for k, v in plain.items() if v} == OTHERWISE


@pytest.mark.parametrize("book", [SymbolBook(symbol="SYN"), Ledger().book("SYN")])  # type: ignore[arg-type]
def test_a_book_that_nobody_traded_has_no_position_and_no_order(book: SymbolBook) -> None:
    assert (book.position, book.open_orders) == (0, 0)


def test_a_picture_before_any_price_has_none() -> None:
    picture = Picture(symbol="SYN")  # type: ignore[arg-type]

    assert (picture.price_e4, picture.mid_micros) == (0, None)
