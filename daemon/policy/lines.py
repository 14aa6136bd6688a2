"""The lines of `steadyhand policy serve`: one JSON object each, strict (docs/SERVE.md)."""

from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.book_events import MARKET_EVENT, Flag, Kind
from market.unreadable import UNREADABLE

PROTOCOL: Final = 1
LINE_MAX: Final = 16 * 1024 * 1024  # a standing book of 100,000 orders is 5 MB
ROWS_MAX: Final = 200_000  # market events of one line: a busy hour of a liquid name

Positive = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
Natural = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Stamp = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,20}\Z")]
Word = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]  # what a column holds
Row = tuple[Stamp, Word, Word, Word, Word, Word]  # ts_ns, type, order_id, size, price_e4, dir
Standing = tuple[Word, Word, Word, Word]  # order_id, size, price_e4, dir

# Type of the tape store's schema (LOBSTER's codes) -> event of the book; 0 (received) moves nothing.
KINDS: Final = {0: Kind.NONE, 1: Kind.ADD, 2: Kind.CANCEL, 3: Kind.DELETE, 4: Kind.EXECUTE, 5: Kind.HIDDEN}
KINDS_BY_TYPE: Final = np.array(
    [int(KINDS[t]) for t in range(6)] + [int(Kind.CROSS), int(Kind.HALT)], np.uint8
)
HALT: Final = 7
HALT_CODES: Final = {-1: ord("H"), 0: ord("Q"), 1: ord("T")}  # by the price field of a halt
SIZE_MAX: Final = 2**32 - 1  # the public feed carries sizes and prices in 32 bits
LOCATE: Final = 1


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the gate's limits would be: the plan asks for nothing beyond."""

    order_qty_max: Positive = 1_000_000
    open_orders_max: Annotated[int, msgspec.Meta(ge=1, le=64)] = 10
    orders_per_second: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 5
    collar_bp: Annotated[int, msgspec.Meta(ge=1, le=5_000)] = 200


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="hello"):
    """The first line: what is traded, the book that stands, the limits."""

    protocol: Literal[1]
    symbol: Name
    ts_ns: Stamp
    tick_e4: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 100
    lot: Positive = 1
    round_lot: Positive = 100
    adv: Natural = 0
    zone: str = "UTC"
    open: str = "00:00"
    close: str = "23:59:59"
    book: Annotated[list[Standing], msgspec.Meta(max_length=ROWS_MAX)] = []
    limits: Limits = Limits()


class Parent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="parent"):
    """The second line: what is to be done."""

    side: Literal["BUY", "SELL"]
    qty: Positive
    start_ns: Stamp
    end_ns: Stamp
    limit_price_e4: Positive | None = None
    max_participation_bp: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None = None
    must_complete: bool = False


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What became of an order that was asked for."""

    id: Name
    event: Literal["new", "fill", "canceled", "rejected", "replaced", "cancel_rejected", "replace_rejected"]
    last_qty: Natural = 0
    last_price_e4: Natural = 0


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="step"):
    """Every further line: it is `ts_ns`; this happened since the last one."""

    ts_ns: Stamp
    events: Annotated[list[Row], msgspec.Meta(max_length=ROWS_MAX)] = []
    reports: Annotated[list[Report], msgspec.Meta(max_length=1_000)] = []
    cancel: bool = False  # end the parent now


Line = Hello | Parent | Step
DECODER: Final = msgspec.json.Decoder(Line)


class LineError(ValueError):
    """What is wrong with a line, in one line."""


def parse(raw: bytes) -> Line:
    """Return a line.

    Raises:
        LineError: it is too long, no JSON, or none of the kinds.

    """
    if len(raw) > LINE_MAX:
        raise LineError(f"longer than {LINE_MAX} bytes")
    try:
        line: Line = DECODER.decode(raw)
        return line
    except UNREADABLE as error:
        raise LineError(str(error)) from None


def batch_of(rows: list[Row], first_seq: int) -> NDArray[Any]:
    """Return rows of the tape's schema as a batch for the book.

    Raises:
        LineError: naming the row.

    """
    batch: NDArray[Any] = np.zeros(len(rows), dtype=MARKET_EVENT)
    if not rows:
        return batch
    ts_ns, types, ids, sizes, prices, dirs = (
        np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)
    )
    halts = types == HALT
    refuse((types < 0) | (types > HALT), types, "type")
    refuse((sizes < 0) | (sizes > SIZE_MAX), sizes, "size")
    refuse(~halts & (np.abs(dirs) != 1), dirs, "dir")
    refuse(np.where(halts, np.abs(prices) > 1, (prices < 0) | (prices > SIZE_MAX)), prices, "price")
    back = np.flatnonzero(np.diff(ts_ns) < 0)
    if len(back):
        raise LineError(f"event {int(back[0]) + 1}: time goes back")
    batch["ts_ns"], batch["order_id"], batch["size"] = ts_ns, ids, sizes
    batch["price_e4"] = np.where(halts, 0, prices)
    batch["side"] = np.where(halts, 0, dirs)
    batch["kind"] = KINDS_BY_TYPE[types]
    batch["code"] = [HALT_CODES[int(p)] if h else 0 for p, h in zip(prices, halts, strict=True)]
    batch["locate"] = LOCATE
    batch["seq_lo"] = np.arange(first_seq, first_seq + len(rows)) & SIZE_MAX
    return batch


def refuse(wrong: NDArray[np.bool_], values: NDArray[np.int64], name: str) -> None:
    """Raise on the first row that is wrong."""
    if wrong.any():
        row = int(np.argmax(wrong))
        raise LineError(f"event {row}: {name} {int(values[row])} is out of range")


def standing_batch(hello: Hello) -> NDArray[Any]:
    """Return the book that stands as events that are no flow."""
    rows: list[Row] = [
        (hello.ts_ns, 1, order_id, size, price, side) for order_id, size, price, side in hello.book
    ]
    batch = batch_of(rows, 1)
    batch["flags"] = int(Flag.REVEAL)
    return batch
