"""Reads a run's raw FIX logs: what really crossed the wire, independent of what anybody booked.

One line is a time, a direction and a raw message. The fills of a run are the distinct ExecIDs of its
trade reports, less those that a later report busted, each as it was last corrected; everything the report
says of quantities and prices is recomputed from them.
"""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, NamedTuple

from market.types import PRICE_SCALE, ExecType

SOH: Final = "\x01"
CL_ORD_ID, EXEC_ID, EXEC_REF_ID, LAST_PX, LAST_QTY, MSG_TYPE = "11", "17", "19", "31", "32", "35"
EXEC_TRANS_TYPE = "20"  # of FIX 4.2: 1 takes an execution back, 2 corrects it
ORDER_ID, ORIG_CL_ORD_ID, SIDE, EXEC_TYPE, PARENT, SYMBOL = "37", "41", "54", "150", "526", "55"

WANTED: Final = tuple(f"{SOH}{MSG_TYPE}={kind}{SOH}" for kind in ("D", "F", "G", "8"))


class LogFill(NamedTuple):
    """One execution as a trade report told it."""

    exec_id: str
    chain_id: str  # the first ClOrdID of its order
    order_id: str
    symbol: str
    side: str
    qty: int
    price_e4: int


class FixLog:
    """What one side's log holds of orders and fills."""

    def __init__(self) -> None:
        self.fills: dict[str, LogFill] = {}
        self.parent_of: dict[str, str] = {}  # chain -> parent id
        self.chain_of: dict[str, str] = {}
        self.news = self.cancels = self.replaces = 0
        self.problems: list[str] = []
        self._undone: set[str] = set()  # busted or corrected: told again, they are no news

    def fills_of(self, parent_id: str) -> list[LogFill]:
        """Return the fills of a parent, in the order in which they were told."""
        return [fill for fill in self.fills.values() if self.parent_of.get(fill.chain_id) == parent_id]

    def name_parents(self, orders: list[dict[str, Any]]) -> None:
        """Take the gate's word for the parents that the wire does not name: FIX 4.2 has no field for them."""
        for order in orders:
            if not self.parent_of.get(order["chain_id"]):
                self.parent_of[order["chain_id"]] = order["parent_id"]

    def request(self, fields: dict[str, str]) -> None:
        """Take a D, F or G."""
        cl_ord_id, kind = fields.get(CL_ORD_ID, ""), fields[MSG_TYPE]
        known = cl_ord_id in self.chain_of
        if kind == "D" and not known:
            self.news += 1
            self.chain_of[cl_ord_id] = cl_ord_id
            self.parent_of[cl_ord_id] = fields.get(PARENT, "")
        elif kind in ("F", "G") and not known:
            self.cancels += kind == "F"
            self.replaces += kind == "G"
            original = fields.get(ORIG_CL_ORD_ID, "")
            self.chain_of[cl_ord_id] = self.chain_of.get(original, original)

    def trade(self, fields: dict[str, str]) -> None:
        """Take a trade report."""
        exec_id, cl_ord_id = fields.get(EXEC_ID, ""), fields.get(CL_ORD_ID, "")
        try:
            price = Decimal(fields[LAST_PX]) * PRICE_SCALE
            qty = int(Decimal(fields[LAST_QTY]))
        except (KeyError, InvalidOperation):
            self.problems.append(f"ExecID {exec_id} has no readable LastQty and LastPx")
            return
        if price != price.to_integral_value():
            self.problems.append(f"ExecID {exec_id}: LastPx {fields[LAST_PX]} is finer than 1e-4")
        fill = LogFill(
            exec_id=exec_id,
            chain_id=self.chain_of.get(cl_ord_id, cl_ord_id),
            order_id=fields.get(ORDER_ID, ""),
            symbol=fields.get(SYMBOL, ""),
            side=fields.get(SIDE, ""),
            qty=qty,
            price_e4=int(price),
        )
        if exec_id in self._undone:
            return
        before = self.fills.setdefault(exec_id, fill)
        if before != fill:
            self.problems.append(f"ExecID {exec_id} was told twice, differently")

    def undo(self, fields: dict[str, str]) -> None:
        """Take a report that busts or corrects an execution."""
        exec_id, ref = fields.get(EXEC_ID, ""), fields.get(EXEC_REF_ID, "")
        if exec_id in self.fills or exec_id in self._undone:
            return  # told twice
        if self.fills.pop(ref, None) is None and ref not in self._undone:
            self.problems.append(f"ExecID {exec_id} undoes {ref or 'nothing'}, which was never told")
        self._undone.add(ref)
        if corrects(fields):
            self.trade(fields)
        else:
            self._undone.add(exec_id)


def busts(fields: dict[str, str]) -> bool:
    """Return whether a report takes an execution back."""
    return fields.get(EXEC_TYPE) == ExecType.TRADE_CANCEL or fields.get(EXEC_TRANS_TYPE) == "1"


def corrects(fields: dict[str, str]) -> bool:
    """Return whether a report corrects an execution."""
    return fields.get(EXEC_TYPE) == ExecType.TRADE_CORRECT or fields.get(EXEC_TRANS_TYPE) == "2"


def trades(fields: dict[str, str]) -> bool:
    """Return whether a report tells an execution, in the words of 4.4 or of 4.2."""
    kind = fields.get(EXEC_TYPE)
    return kind == ExecType.TRADE or (kind in ("1", "2") and EXEC_TRANS_TYPE in fields)


def read(path: Path, requests: str) -> FixLog:
    """Read a log; `requests` is the direction of D, F and G (OUT at the gate, IN at the venue)."""
    log = FixLog()
    for direction, fields in messages(path):
        kind = fields.get(MSG_TYPE)
        if direction == requests and kind in ("D", "F", "G"):
            log.request(fields)
        elif direction != requests and kind == "8":
            if busts(fields) or corrects(fields):
                log.undo(fields)
            elif trades(fields):
                log.trade(fields)
    return log


def messages(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the direction and the fields of each order message; of a repeated tag the first."""
    with path.open(encoding="latin-1", newline="\n") as file:
        for line in file:
            parts = line.rstrip("\n").split(" ", 2)
            if len(parts) != 3 or not any(kind in line for kind in WANTED):
                continue  # a line cut by a crash, or market data: most lines are that
            fields: dict[str, str] = {}
            for pair in parts[2].split(SOH):
                tag, _, value = pair.partition("=")
                fields.setdefault(tag, value)
            yield parts[1], fields
