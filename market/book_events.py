"""MARKET_EVENT: the record of one book event, one cache line, the same from tape, feed and simulator.

Whoever makes a batch fills the left part; `OrderBook.apply` completes it in place: price and side
of an event that names only an order, and the touch after the event. So whoever observes a batch
sees every event with its context, however the feed was cut into reads.
"""

# kernels freeze these values: this word puts the file under the hash of their cache
from enum import IntEnum, IntFlag

import numpy as np

MARKET_EVENT = np.dtype(
    [
        ("ts_ns", "<i8"),  # UTC
        ("order_id", "<i8"),  # resting order; 0 where there is none (hidden prints)
        ("new_id", "<i8"),  # REPLACE: the new order reference; executions: the match number
        ("price_e4", "<i8"),  # completed by apply for EXECUTE, CANCEL, DELETE
        ("bid_e4", "<i8"),  # best bid after the event, 0 = none; written by apply
        ("ask_e4", "<i8"),  # best ask after the event, 0 = none; written by apply
        ("size", "<u4"),  # ADD, REPLACE: new size; EXECUTE, CANCEL, prints: shares taken off
        ("locate", "<u2"),  # stock locate of the symbol, 0 = system-wide
        ("flags", "<u2"),
        ("kind", "u1"),
        ("side", "i1"),  # of the RESTING order: +1 buy, -1 sell, 0 unknown
        ("code", "u1"),  # ASCII event code, trading state or cross type of S, H, Q
        ("pad", "u1"),
        ("seq_lo", "<u4"),  # low 32 bits of the feed sequence number
    ]
)
assert MARKET_EVENT.itemsize == 64


class Kind(IntEnum):
    """What happened."""

    NONE = 0
    ADD = 1
    CANCEL = 2  # partial, by `size`
    DELETE = 3
    EXECUTE = 4  # at the order's own price
    HIDDEN = 5  # a print of non-displayed interest; no level changes
    CROSS = 6
    HALT = 7  # trading state in `code`: H halted, P paused, Q quotation only, T trading
    EXECUTE_PRICE = 8  # at `price_e4`, which is not the order's own
    REPLACE = 9  # order_id leaves, new_id joins the end of its queue
    SYSTEM = 10  # code: O S Q M E C
    DIRECTORY = 11
    OPERATIONAL = 12  # one market's own halt of a symbol (ITCH h): `code` H halted, T trading again
    BREAKER = 13  # market-wide circuit breaker (ITCH W): level 1, 2, 3 in `code`; ends with a HALT event's T
    # What is said of a symbol that stops nothing: `code` is the type of the ITCH message (Y J K I V),
    # order_id, new_id, price_e4, size and flags its numbers as gateways.feeds.itch_kernels lays them out.
    NOTICE = 14


class Flag(IntFlag):
    """What is special about an event."""

    NONE = 0
    REVEAL = 1  # an ADD at the window's edge: liquidity that was there before; not flow
    CONCEAL = 2  # a DELETE at the window's edge: it is still there, unseen; not flow
    NON_PRINTABLE = 4
    OFF_FIFO = 8  # a recorded execution that did not take the head of its queue
    UNKNOWN_ORDER = 16  # apply could not find the order; counted
    OWN = 32  # simulator only: one of our own orders
    REFUSED = 64  # an ADD or REPLACE that the book could not take: duplicate, invalid or no room; counted
    CLAMPED = 128  # took more than the order had left; counted, and `size` says what was there
