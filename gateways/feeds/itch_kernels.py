"""Kernels of ITCH 5.0: frames of bytes into MARKET_EVENT records, and outcomes into frames.

Leaves: arrays in, arrays out. A read is made only after the frame and the fixed length of its
message type were found to lie inside the buffer, so no byte string can lead out of bounds.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from market.book_events import MARKET_EVENT, Flag, Kind
from market.kernel_types import ARENA, INT, OUTCOMES
from market.kernels import typed_kernel
from market.matching_events import Outcome, OutcomeFlag

U8_IN = numba.types.Array(numba.uint8, 1, "C", readonly=True)  # takes writable arrays, too
U8 = numba.uint8[::1]
SLOTS = ARENA
BATCH = numba.typeof(np.zeros(0, dtype=MARKET_EVENT))  # type: ignore[no-untyped-call]
EVENT_ROW = BATCH.dtype
OUTCOME_ROW = OUTCOMES.dtype

# Slots of a decoder's state, one int64 array.
NEXT_SEQ = 0  # sequence number of the next message
MIDNIGHT = 1  # UTC ns of midnight in the exchange's zone
MESSAGES = 2
EVENTS = 3
SKIPPED = 4  # message types of the specification that say nothing about a book or a print
UNKNOWN = 5  # message types that ITCH 5.0 does not have
FILTERED = 6  # of symbols that nobody asked for
ERROR = 7
ERROR_AT = 8  # offset in the buffer of the frame that was refused
DIRECTORIES = 9
STATE_SIZE = 16

NO_ERROR = 0
EMPTY_FRAME = 1
WRONG_LENGTH = 2
BAD_FIELD = 3  # a side, reference, size or time that cannot be

# Length of each message type, 0 = not in ITCH 5.0.
LENGTHS: NDArray[np.int64] = np.zeros(256, dtype=np.int64)
for _code, _length in {
    "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21, "A": 36,
    "F": 40, "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20,
    "O": 48,
}.items():  # fmt: skip
    LENGTHS[ord(_code)] = _length

# What is decoded: 1 = about one order, 2 = about a symbol or the system, 0 = passed over.
FAMILIES: NDArray[np.uint8] = np.zeros(256, dtype=np.uint8)
for _code in "AFECXDU":
    FAMILIES[ord(_code)] = 1
for _code in "PQSHRhWYJKIV":
    FAMILIES[ord(_code)] = 2

DAY_NS_MAX = 25 * 3_600 * 1_000_000_000  # the longest day, when clocks go back
SIZE_MAX = 2**32 - 1  # shares are 32 bits in ITCH

S_, R_, H_, A_, F_, E_, C_, X_, D_, U_, P_, Q_ = (ord(c) for c in "SRHAFECXDUPQ")
h_, W_, Y_, J_, K_, I_, V_ = (ord(c) for c in "hWYJKIV")
BUY, SELL, NOT_PRINTED, SEQUENCED = (ord(c) for c in "BSNS")
SPACE = ord(" ")

K_ADD, K_CANCEL, K_DELETE = int(Kind.ADD), int(Kind.CANCEL), int(Kind.DELETE)
K_EXECUTE, K_EXECUTE_PRICE, K_HIDDEN = int(Kind.EXECUTE), int(Kind.EXECUTE_PRICE), int(Kind.HIDDEN)
K_CROSS, K_HALT, K_REPLACE = int(Kind.CROSS), int(Kind.HALT), int(Kind.REPLACE)
K_SYSTEM, K_DIRECTORY = int(Kind.SYSTEM), int(Kind.DIRECTORY)
K_OPERATIONAL, K_BREAKER, K_NOTICE = int(Kind.OPERATIONAL), int(Kind.BREAKER), int(Kind.NOTICE)
NON_PRINTABLE = int(Flag.NON_PRINTABLE)

O_TRADE, O_RESTED, O_CANCELED = int(Outcome.TRADE), int(Outcome.RESTED), int(Outcome.CANCELED)
O_REPLACED, O_PRINT, O_STATE = int(Outcome.REPLACED), int(Outcome.PRINT), int(Outcome.STATE)
O_RESTING, O_KEPT = int(OutcomeFlag.RESTING), int(OutcomeFlag.KEPT_PRIORITY)
O_CROSS = int(OutcomeFlag.CROSS)


@typed_kernel(U8_IN, INT)
def be16(buffer: Any, at: int) -> Any:
    """Read two bytes, big-endian."""
    return (np.int64(buffer[at]) << 8) | np.int64(buffer[at + 1])


@typed_kernel(U8_IN, INT)
def be32(buffer: Any, at: int) -> Any:
    """Read four bytes, big-endian."""
    return (
        (np.int64(buffer[at]) << 24)
        | (np.int64(buffer[at + 1]) << 16)
        | (np.int64(buffer[at + 2]) << 8)
        | np.int64(buffer[at + 3])
    )


@typed_kernel(U8_IN, INT)
def be48(buffer: Any, at: int) -> Any:
    """Read six bytes, big-endian."""
    return (be16(buffer, at) << 32) | be32(buffer, at + 2)


@typed_kernel(U8_IN, INT)
def be64(buffer: Any, at: int) -> Any:
    """Read eight bytes, big-endian; above 2**63 the result is negative."""
    return (be32(buffer, at) << 32) | be32(buffer, at + 4)


@typed_kernel(U8_IN, INT, INT, EVENT_ROW)
def decode_order(buffer: Any, at: int, kind: int, event: Any) -> int:
    """Fill an event from a message about one order (A F E C X D U); return the error code."""
    order_id = be64(buffer, at + 11)
    event.order_id = order_id
    bad = order_id <= 0
    if kind in (A_, F_):
        side = buffer[at + 19]
        bad |= side != BUY and side != SELL
        event.kind = K_ADD
        event.side = 1 if side == BUY else -1
        event.size = be32(buffer, at + 20)
        event.price_e4 = be32(buffer, at + 32)
    elif kind == D_:
        event.kind = K_DELETE
    elif kind == X_:
        event.kind = K_CANCEL
        event.size = be32(buffer, at + 19)
    elif kind == U_:
        new_id = be64(buffer, at + 19)
        bad |= new_id <= 0
        event.kind = K_REPLACE
        event.new_id = new_id
        event.size = be32(buffer, at + 27)
        event.price_e4 = be32(buffer, at + 31)
    else:
        event.kind = K_EXECUTE
        event.size = be32(buffer, at + 19)
        event.new_id = be64(buffer, at + 23)
        if kind == C_:
            event.kind = K_EXECUTE_PRICE
            event.price_e4 = be32(buffer, at + 32)
            if buffer[at + 31] == NOT_PRINTED:
                event.flags = NON_PRINTABLE
    return BAD_FIELD if bad else NO_ERROR


@typed_kernel(U8_IN, INT, INT, EVENT_ROW)
def decode_notice(buffer: Any, at: int, kind: int, event: Any) -> None:
    """Fill the numbers of a NOTICE from Y, J, K, I or V."""
    if kind == Y_:
        event.flags = buffer[at + 19]  # Reg SHO action: 0 none, 1 in effect, 2 stays in effect
    elif kind == J_:
        event.price_e4 = be32(buffer, at + 19)  # reference
        event.order_id = be32(buffer, at + 23)  # upper price
        event.new_id = be32(buffer, at + 27)  # lower price
        event.size = be32(buffer, at + 31)  # extension
    elif kind == K_:
        event.order_id = be32(buffer, at + 19)  # seconds since midnight of the release
        event.flags = buffer[at + 23]  # A anticipated, C cancelled or postponed
        event.price_e4 = be32(buffer, at + 24)
    elif kind == I_:
        event.order_id = be64(buffer, at + 11)  # paired shares
        event.new_id = be64(buffer, at + 19)  # imbalance
        if buffer[at + 27] == BUY:
            event.side = 1
        elif buffer[at + 27] == SELL:
            event.side = -1
        event.price_e4 = be32(buffer, at + 44)  # current reference price
        event.flags = buffer[at + 48]  # cross type: O C H A
    else:
        event.order_id = be64(buffer, at + 11)  # decline levels 1 to 3, 1e-8
        event.new_id = be64(buffer, at + 19)
        event.price_e4 = be64(buffer, at + 27) // 10_000


@typed_kernel(U8_IN, INT, INT, EVENT_ROW)
def decode_other(buffer: Any, at: int, kind: int, event: Any) -> int:
    """Fill an event from P, Q, S, R, H, h or W; of the rest, a NOTICE; return the error code."""
    if kind == P_:
        # The buy/sell field is always B since 2014: it says nothing, and side stays 0.
        event.kind = K_HIDDEN
        event.order_id = be64(buffer, at + 11)
        event.size = be32(buffer, at + 20)
        event.price_e4 = be32(buffer, at + 32)
        event.new_id = be64(buffer, at + 36)
    elif kind == Q_:
        shares = be64(buffer, at + 11)
        if not (0 <= shares <= SIZE_MAX):
            return BAD_FIELD
        event.kind = K_CROSS
        event.size = shares
        event.price_e4 = be32(buffer, at + 27)
        event.new_id = be64(buffer, at + 31)
        event.code = buffer[at + 39]
    elif kind == S_:
        event.kind = K_SYSTEM
        event.code = buffer[at + 11]
    elif kind == H_:
        event.kind = K_HALT
        event.code = buffer[at + 19]
    elif kind == h_:
        event.kind = K_OPERATIONAL
        event.code = buffer[at + 20]
    elif kind == W_:
        event.kind = K_BREAKER
        event.code = buffer[at + 11]
    elif kind != R_:
        event.kind = K_NOTICE
        event.code = kind
        decode_notice(buffer, at, kind, event)
    else:
        event.kind = K_DIRECTORY
        event.order_id = at
        event.new_id = be64(buffer, at + 11)  # the symbol itself: eight ASCII bytes
        event.size = be32(buffer, at + 21)
        event.code = buffer[at + 20]
    return NO_ERROR


@typed_kernel(EVENT_ROW)
def clear(event: Any) -> None:
    """Make a record of a used batch blank."""
    event.order_id = 0
    event.new_id = 0
    event.price_e4 = 0
    event.bid_e4 = 0
    event.ask_e4 = 0
    event.size = 0
    event.flags = 0
    event.side = 0
    event.code = 0
    event.pad = 0


@typed_kernel(U8_IN, INT, INT, SLOTS, U8, EVENT_ROW)
def decode_message(buffer: Any, at: int, length: int, state: Any, wanted: Any, event: Any) -> tuple[int, int]:
    """Decode one message into `event`; return (error code, 1 where an event was made)."""
    kind = buffer[at]
    expected = LENGTHS[kind]
    if expected == 0:
        state[UNKNOWN] += 1
        return NO_ERROR, 0
    if expected != length:
        return WRONG_LENGTH, 0
    family = FAMILIES[kind]
    if family == 0:
        state[SKIPPED] += 1
        return NO_ERROR, 0
    locate = be16(buffer, at + 1)
    if wanted[locate] == 0 and kind != R_ and kind != S_ and kind != W_ and kind != V_:
        state[FILTERED] += 1
        return NO_ERROR, 0
    since_midnight_ns = be48(buffer, at + 5)
    if since_midnight_ns >= DAY_NS_MAX:
        return BAD_FIELD, 0
    clear(event)
    event.ts_ns = state[MIDNIGHT] + since_midnight_ns
    event.locate = locate
    event.seq_lo = state[NEXT_SEQ] & 0xFFFFFFFF
    if family == 1:
        error = decode_order(buffer, at, kind, event)
    else:
        state[DIRECTORIES] += kind == R_
        error = decode_other(buffer, at, kind, event)
    return error, 1


@typed_kernel(U8_IN, INT, SLOTS, U8, BATCH)
def decode_frames(buffer: Any, header: int, state: Any, wanted: Any, batch: Any) -> tuple[int, int]:
    """Decode whole frames until the buffer or the batch ends; return (events, bytes used).

    `header` is 2 for length-prefixed messages and 3 for SoupBinTCP packets, whose other types
    (heartbeats, debug) are passed over. On a frame that is refused, state[ERROR] says why and the
    bytes used end before it.
    """
    stop, room = buffer.shape[0], batch.shape[0]
    at, events = 0, 0
    while events < room and at + 2 <= stop:
        frame_end = at + 2 + be16(buffer, at)
        if frame_end > stop:
            break
        body = at + header
        if body >= frame_end:
            if header == 3 and frame_end == body and buffer[at + 2] != SEQUENCED:
                at = frame_end  # a heartbeat
                continue
            state[ERROR], state[ERROR_AT] = EMPTY_FRAME, at
            break
        if header == 3 and buffer[at + 2] != SEQUENCED:
            at = frame_end
            continue
        error, made = decode_message(buffer, body, frame_end - body, state, wanted, batch[events])
        if error != NO_ERROR:
            state[ERROR], state[ERROR_AT] = error, at
            break
        events += made
        state[NEXT_SEQ] += 1
        state[MESSAGES] += 1
        at = frame_end
    state[EVENTS] += events
    return events, at
