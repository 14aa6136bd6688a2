"""A gate with an order in each of five states, for tests at the boundary of a limit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from market import events as ev
from market import updates as up
from market.types import Side
from risk.limits import Limits, explain, value_of
from risk.scopes import LETTERS
from tests.daemon.gate_harness import ASK, BID, World, limits

PENDING_NEW, WORKING, PENDING_CANCEL, PENDING_REPLACE, UNKNOWN = STATES = (
    "pending new",
    "working",
    "pending cancel",
    "pending replace",
    "unknown",
)
LEAVES: Final = 300  # worst-case leaves of the order that is open, in every state
BUY, SELL = SIDES = (Side.BUY, Side.SELL)
MS: Final = 1_000_000


def price_of(side: Side) -> int:
    """A price that rests."""
    return BID if side is BUY else ASK


def cross_of(side: Side) -> int:
    """A price that trades at once."""
    return ASK if side is BUY else BID


def put(w: World, side: Side, state: str) -> str:
    """Bring an order into a state."""
    price = price_of(side)
    if state == PENDING_NEW:
        order = w.intent(LEAVES, price, side)
        assert not isinstance(order, up.IntentRefused), order
        return order.cl_ord_id
    chain = w.working(LEAVES // 2 if state == PENDING_REPLACE else LEAVES, price, side=side)
    if state == PENDING_CANCEL:
        w.cancel(chain)
    elif state == PENDING_REPLACE:
        answer = w.replace(chain, LEAVES, price)
        assert not isinstance(answer, up.IntentRefused), answer
    elif state == UNKNOWN:
        w.step(ev.SessionDown(session="order", reason="lost"))
    return chain


def controls(answer: Any) -> tuple[str, ...]:
    """Controls that refused, () where the order was sent."""
    return answer.controls if isinstance(answer, up.IntentRefused) else ()


def ask(w: World, side: Side, qty: int = 400, price: int | None = None, **more: Any) -> tuple[str, ...]:
    """Ask for one more order; return what refused it."""
    return controls(w.intent(qty, price or price_of(side), side, **more))


Probe = Callable[[World, Side], bool]
Value = Callable[[Side, str], int]


def no_more(w: World, side: Side) -> None:
    """Nothing before the order that is put."""


@dataclass(frozen=True)
class Row:
    """How one limit is brought to its boundary: the world gives `value`, and the limit lies beside it."""

    key: str  # table.name
    value: int | Value
    probe: Probe  # True where the control refused, or tripped
    at: bool = False  # what happens at the limit itself: a cap passes, a trip does not
    under: bool = False  # a floor: below the limit is what refuses or trips
    sides: tuple[Side, ...] = SIDES
    before: Callable[[World, Side], None] = no_more
    law: dict[str, dict[str, Any]] = field(default_factory=dict)
    start: dict[str, Any] = field(default_factory=dict)
    parent: dict[str, Any] = field(default_factory=dict)
    states: tuple[str, ...] = STATES

    def expected(self, beside: int) -> bool:
        """What must happen where the value is the limit and `beside`."""
        if beside == 0:
            return self.at
        return (beside < 0) is self.under


OWNERS: Final = {
    "account": "PAPER",
    "strategy": "twap",
    "symbol": "SYN",
    "session": "order",
}  # of a world's orders
DOCS: Final = {doc.key: doc for doc in explain()}


def law_of(row: Row, value: int, level: str) -> Limits:
    """Return limits of which one has a value: the firm's, or a level's own beside a looser firm's."""
    table, name = row.key.split(".")
    law = {t: dict(values) for t, values in row.law.items()}
    mine = law.setdefault(table, {})
    if not level:
        return limits(**law | {table: mine | {name: value}})
    doc, shipped = DOCS[row.key], value_of(limits(), row.key)
    loose = max(shipped, value + 2) if doc.tightens == "lower" else min(shipped, max(doc.low, value - 2))
    tree = limits(**law | {table: mine | {name: loose}}).model_dump()
    return Limits.model_validate(tree | {"level": {level: {OWNERS[level]: {table: {name: value}}}}})


class OneWorld(World):
    """A world that knows which scope its limit belongs to."""

    place = ""


def run(row: Row, side: Side, state: str, beside: int, level: str = "") -> bool:
    """Return whether the control refused where the value is the limit and `beside`."""
    value = row.value if isinstance(row.value, int) else row.value(side, state)
    w = OneWorld(law_of(row, value - beside, level), **row.start)
    w.place = f"{LETTERS[level]}/{OWNERS[level]}" if level else ""
    w.open()
    reply = w.parent(**({"qty": 100_000, "side": side} | row.parent))
    assert reply["ok"], reply
    row.before(w, side)
    put(w, side, state)
    return row.probe(w, side)


__all__ = ["ASK", "BID", "Limits"]
