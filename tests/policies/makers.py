"""Values that the tests of policies start from."""

from datetime import date, time
from typing import Any

import numpy as np

from market.book_events import MARKET_EVENT, Kind
from market.instruments import Instrument
from market.types import ClOrdID, OrdStatus, ParentID, Side, Symbol
from market.updates import Headroom, WorkingOrder
from policies.actions import Terms, Touch
from policies.schedule import Situation

NS = 1_000_000_000
ABC = Instrument(symbol=Symbol("ABC"), adv=1_000_000)
DAY = date(2024, 1, 2)
TEN = ABC.at(DAY, time(10, 0))


def situation(share: float = 0.5, minutes: int = 10, qty: int = 2_000, **more: Any) -> Situation:
    """A parent `share` of its window old."""
    length = minutes * 60 * NS
    opened, closed = ABC.session(DAY)
    fields = {"session_open_ns": opened, "session_close_ns": closed} | more
    return Situation(TEN + int(share * length), TEN, TEN + length, qty, **fields)


def headroom(**more: Any) -> Headroom:
    """Room for everything ordinary."""
    fields: dict[str, Any] = {
        "order_qty_max": 1_000,
        "buy_qty_max": 10_000,
        "sell_qty_max": 10_000,
        "orders_free": 10,
        "collar_low_e4": 900_000,
        "collar_high_e4": 1_100_000,
        "rate_free": 10,
        "can_trade": True,
    }
    return Headroom(**(fields | more))


def terms(side: Side = Side.BUY, qty: int = 2_000, cum_qty: int = 0, **more: Any) -> Terms:
    """A parent without limits of its own."""
    fields: dict[str, Any] = {
        "risk_qty": 10**9,
        "limit_e4": None,
        "cap_qty": None,
        "must_complete": False,
        "lot": 1,
    }
    return Terms(side=side, qty=qty, cum_qty=cum_qty, **(fields | more))


def touch(bid_e4: int = 999_900, ask_e4: int = 1_000_000, side: Side = Side.BUY, size: int = 300) -> Touch:
    """Five levels a tick apart."""
    bids = tuple(bid_e4 - 100 * i for i in range(5))
    asks = tuple(ask_e4 + 100 * i for i in range(5))
    sizes = (size,) * 5
    if side is Side.BUY:
        return Touch(bids[0], bids[1], asks, sizes, 100)
    return Touch(asks[0], asks[1], bids, sizes, 100)


def order(chain: str = "C1", **more: Any) -> WorkingOrder:
    """A resting child order."""
    fields: dict[str, Any] = {
        "parent_id": ParentID("P1"),
        "symbol": ABC.symbol,
        "side": Side.BUY,
        "price_e4": 999_900,
        "qty": 100,
        "cum_qty": 0,
        "status": OrdStatus.NEW,
    }
    return WorkingOrder(chain_id=ClOrdID(chain), **(fields | more))


def events(*rows: dict[str, Any]) -> np.ndarray:
    """A batch of MARKET_EVENT."""
    batch = np.zeros(len(rows), dtype=MARKET_EVENT)
    for at, row in enumerate(rows):
        for key, value in row.items():
            batch[at][key] = value
    return batch


def add(order_id: int, side: int, price_e4: int, size: int, ts_ns: int = TEN) -> dict[str, Any]:
    """An ADD."""
    return {
        "kind": Kind.ADD,
        "order_id": order_id,
        "side": side,
        "price_e4": price_e4,
        "size": size,
        "ts_ns": ts_ns,
    }


def execute(order_id: int, size: int, ts_ns: int = TEN) -> dict[str, Any]:
    """An EXECUTE of a resting order."""
    return {"kind": Kind.EXECUTE, "order_id": order_id, "size": size, "ts_ns": ts_ns}


def random_flow(seed: int, count: int) -> np.ndarray:
    """Events that are true of a book: adds, cancels, deletes, executions, hidden prints."""
    chance = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    live: dict[int, int] = {}
    ts_ns = TEN
    for n in range(count):
        ts_ns += int(chance.exponential(5e7))
        kind = chance.random()
        if kind < 0.55 or len(live) < 20:
            side = 1 if n % 2 else -1
            price_e4 = 1_000_000 - side * 100 * int(chance.integers(1, 12))
            size = int(chance.integers(1, 5)) * 100
            rows.append(add(n + 1, side, price_e4, size, ts_ns))
            live[n + 1] = size
            continue
        order_id = int(chance.choice(list(live)))
        size = min(live[order_id], int(chance.integers(1, 3)) * 100)
        if kind < 0.70:
            rows.append({"kind": Kind.DELETE, "order_id": order_id, "ts_ns": ts_ns})
            live.pop(order_id)
            continue
        if kind < 0.78:
            hidden = 1_000_000 + int(chance.integers(-90, 90))
            rows.append({"kind": Kind.HIDDEN, "price_e4": hidden, "size": 50, "ts_ns": ts_ns})
            continue
        taking = {"kind": Kind.CANCEL} if kind < 0.88 else {"kind": Kind.EXECUTE}
        rows.append({**taking, "order_id": order_id, "size": size, "ts_ns": ts_ns})
        live[order_id] -= size
        if not live[order_id]:
            live.pop(order_id)
    return events(*rows)
