"""`Own`: an outcome that concerns an order of a participant, as Python numbers."""

from typing import NamedTuple

from market.auction import AuctionOrder
from market.matching_events import OUTCOME, Outcome, Why


class Own(NamedTuple):
    """An OUTCOME as a tuple."""

    ts_ns: int
    order_id: int
    resting_id: int
    price_e4: int
    size: int
    leaves: int
    resting_leaves: int
    match_id: int
    owner: int
    resting_owner: int
    kind: int
    side: int
    reason: int
    flags: int


assert Own._fields == OUTCOME.names, "Own is OUTCOME as a tuple"


def of_order(ts_ns: int, kind: Outcome, order: AuctionOrder, leaves: int, reason: Why = Why.NONE) -> Own:
    """Return what happened to an order that waits for a cross."""
    return Own(
        ts_ns=ts_ns,
        order_id=order.order_id,
        resting_id=0,
        price_e4=order.price_e4,
        size=order.size,
        leaves=leaves,
        resting_leaves=0,
        match_id=0,
        owner=order.owner,
        resting_owner=0,
        kind=int(kind),
        side=order.side,
        reason=int(reason),
        flags=0,
    )
