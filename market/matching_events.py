"""COMMAND and OUTCOME: what goes into the matching engine and what comes out, as numpy records.

An exchange's public feed and its private execution reports are both read off the outcomes, so
there is one account of what happened.
"""

# kernels freeze these values: this word puts the file under the hash of their cache
from enum import IntEnum, IntFlag

import numpy as np

COMMAND = np.dtype(
    [
        ("ts_ns", "<i8"),
        ("order_id", "<i8"),
        ("new_id", "<i8"),  # REPLACE: the id it goes on under (may equal order_id)
        ("price_e4", "<i8"),  # 0 with MARKET
        ("size", "<i8"),  # NEW, REPLACE: OrderQty still open; CANCEL: shares off, 0 = all
        ("owner", "<i4"),  # 0 = the market; > 0 = a participant, for self-trade prevention
        ("kind", "u1"),
        ("side", "i1"),  # +1 buy, -1 sell
        ("tif", "u1"),
        ("flags", "u1"),
    ]
)

OUTCOME = np.dtype(
    [
        ("ts_ns", "<i8"),
        ("order_id", "<i8"),  # whom it is about; TRADE: the aggressor, 0 = a tape's hidden print
        ("resting_id", "<i8"),  # TRADE: the order that was hit; REPLACED: the old id
        ("price_e4", "<i8"),
        ("size", "<i8"),
        ("leaves", "<i8"),  # of order_id afterwards
        ("resting_leaves", "<i8"),
        ("match_id", "<i8"),
        ("owner", "<i4"),  # of order_id
        ("resting_owner", "<i4"),
        ("kind", "u1"),
        ("side", "i1"),  # of order_id; TRADE: of the resting order
        ("reason", "u1"),
        ("flags", "u1"),
    ]
)


class Command(IntEnum):
    """What is asked."""

    NEW = 1
    CANCEL = 2
    REPLACE = 3


class Tif(IntEnum):
    """How long a NEW may rest."""

    DAY = 0
    OPG = 2  # for an opening or reopening cross: an exchange's auction takes it, no matching engine
    IOC = 3
    FOK = 4
    CLOSE = 7  # for the closing cross, likewise


class CommandFlag(IntFlag):
    """How a NEW wants to be treated."""

    NONE = 0
    MARKET = 1
    POST_ONLY = 2  # rejected where it would take liquidity


class Outcome(IntEnum):
    """What happened, in the order in which it happened."""

    ACCEPTED = 1
    REJECTED = 2  # nothing changed; see reason
    TRADE = 3
    RESTED = 4  # joined the end of a queue with `leaves`: a public ADD
    CANCELED = 5  # `size` shares off, `leaves` remain; public where RESTING is set
    # order_id replaces resting_id; KEPT_PRIORITY where only the size shrank. With RESTING it stands in the
    # book at once (public, no RESTED follows); without, resting_id has left it (public), then it trades.
    REPLACED = 6
    PRINT = 7  # a tape's hidden execution or cross against nobody of ours
    STATE = 8  # trading state: its ASCII code (H P Q T) in `reason`


class Why(IntEnum):
    """Reasons of REJECTED and CANCELED."""

    NONE = 0
    USER = 1
    IOC = 2
    FOK = 3
    POST_ONLY = 4
    SELF_TRADE = 5
    NO_LIQUIDITY = 6  # a market order found an empty side
    UNKNOWN_ORDER = 7
    DUPLICATE_ID = 8
    BAD_PRICE = 9
    BAD_SIZE = 10
    ORDERS_FULL = 11  # capacity: counted and loud
    LEVELS_FULL = 12
    PURGED = 13  # a tape order that outlived its recorded life because we took its fill
    CONCEALED = 14  # left the window of a recorded book
    NOT_OWNER = 15
    BAD_COMMAND = 16  # kind, side, tif or flags that are not of this engine, or id 0
    HALTED = 17  # no entry while trading is halted; at re-opening: would stand crossed
    AUCTION = 18  # not executed in the cross that it was for
    SESSION_OVER = 19  # an order of the day, after the closing cross


class OutcomeFlag(IntFlag):
    """Details of an outcome."""

    NONE = 0
    RESTING = 1  # CANCELED: it was in the book
    KEPT_PRIORITY = 2
    HIDDEN = 4
    OFF_FIFO = 8
    REVEALED = 16  # RESTED: a window edge, not flow
    ON_ENTRY = 32  # TRADE: in the step in which the aggressor arrived
    CROSS = 64  # PRINT: of an auction; TRADE: of one order in an auction (order_id 0 on the other side)
