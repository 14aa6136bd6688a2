"""ITCH 5.0, the exchange's side: what happened in the matching engine as messages of the public feed.

`encode_outcomes` is the kernel of the hot path: outcomes in, SoupBinTCP packets out. The functions
below it make single messages, field by field as the specification lays them out.
"""

import struct
from typing import Any, Final

import numba
import numpy as np

from gateways.feeds.itch_kernels import (
    A_,
    BUY,
    C_,
    D_,
    E_,
    H_,
    NOT_PRINTED,
    O_CANCELED,
    O_CROSS,
    O_KEPT,
    O_PRINT,
    O_REPLACED,
    O_RESTED,
    O_RESTING,
    O_STATE,
    O_TRADE,
    OUTCOME_ROW,
    P_,
    SELL,
    SEQUENCED,
    SPACE,
    U8,
    U_,
    X_,
)
from market.kernel_types import INT, OUTCOMES
from market.kernels import typed_kernel
from market.matching_events import OUTCOME

PACKET_BYTES_MAX = 3 + 44  # P is the longest message that outcomes become
HEADER_BYTES = 3  # SoupBinTCP: length, type
BLANKS = int.from_bytes(bytes([SPACE] * 5), "big")  # of H: reserved and reason
INDEX = numba.int64[:, ::1]


@typed_kernel(U8, INT, INT, INT)
def put(out: Any, at: int, value: int, size: int) -> None:
    """Write `size` bytes, big-endian."""
    for i in range(size):
        out[at + i] = (value >> (8 * (size - 1 - i))) & 0xFF


@typed_kernel(U8, INT, INT, INT, INT, INT)
def put_head(out: Any, at: int, kind: int, length: int, locate: int, since_midnight_ns: int) -> None:
    """Write the packet header and the eleven bytes with which every message begins."""
    put(out, at, length + 1, 2)
    out[at + 2] = SEQUENCED
    out[at + 3] = kind
    put(out, at + 4, locate, 2)
    put(out, at + 6, 0, 2)  # tracking number: ours is one machine
    put(out, at + 8, since_midnight_ns, 6)


@typed_kernel(U8, INT, INT, INT, INT, INT, INT)
def put_order(out: Any, at: int, order_id: int, side: int, size: int, symbol: int, price_e4: int) -> None:
    """Write reference, side, shares, stock and price as A and P have them."""
    put(out, at + 14, order_id, 8)
    out[at + 22] = BUY if side >= 0 else SELL
    put(out, at + 23, size, 4)
    put(out, at + 27, symbol, 8)
    put(out, at + 35, price_e4, 4)


@typed_kernel(U8, INT, INT, INT, INT, INT, INT)
def put_off(out: Any, at: int, locate: int, since_ns: int, order_id: int, size: int, leaves: int) -> int:
    """Write shares taken off: X where some remain, D where none do; return the length."""
    length = 23 if leaves > 0 else 19
    put_head(out, at, X_ if leaves > 0 else D_, length, locate, since_ns)
    put(out, at + 14, order_id, 8)
    if leaves > 0:
        put(out, at + 22, size, 4)
    return length


@typed_kernel(U8, INT, INT, INT, OUTCOME_ROW)
def put_replaced(out: Any, at: int, locate: int, since_ns: int, o: Any) -> int:
    """Write a replace; return the length, 0 where the public sees no difference.

    X where only the size shrank and the order kept its place; D where it left the book to trade
    at its new price; U otherwise.
    """
    if not o.flags & O_RESTING:
        return put_off(out, at, locate, since_ns, o.resting_id, 0, 0)
    if o.flags & O_KEPT and o.order_id == o.resting_id:
        if o.resting_leaves == o.size:
            return 0
        return put_off(out, at, locate, since_ns, o.order_id, o.resting_leaves - o.size, o.leaves)
    put_head(out, at, U_, 35, locate, since_ns)
    put(out, at + 14, o.resting_id, 8)
    put(out, at + 22, o.order_id, 8)
    put(out, at + 30, o.leaves, 4)
    put(out, at + 34, o.price_e4, 4)
    return 35


@typed_kernel(U8, INT, INT, INT, OUTCOME_ROW)
def put_crossed(out: Any, at: int, locate: int, since_ns: int, o: Any) -> int:
    """Write what a cross took of a displayed order: C, not printable, since Q prints it; else nothing."""
    if not o.flags & O_RESTING:
        return 0
    put_head(out, at, C_, 36, locate, since_ns)
    put(out, at + 14, o.resting_id, 8)
    put(out, at + 22, o.size, 4)
    put(out, at + 26, o.match_id, 8)
    out[at + 34] = NOT_PRINTED
    put(out, at + 35, o.price_e4, 4)
    return 36


@typed_kernel(OUTCOMES, INT, INT, INT, U8, INDEX)
def encode_outcomes(
    outcomes: Any, locate: int, symbol: int, midnight_ns: int, out: Any, index: Any
) -> tuple[int, int]:
    """Write the public side of outcomes as packets; return (packets, bytes).

    `symbol` holds eight ASCII bytes. `out` must hold PACKET_BYTES_MAX for each outcome; a row of
    `index` gets length and time of each packet.
    """
    at, count = 0, 0
    for i in range(outcomes.shape[0]):
        o = outcomes[i]
        since_ns = o.ts_ns - midnight_ns
        length = 0
        if o.kind == O_RESTED:
            length = 36
            put_head(out, at, A_, length, locate, since_ns)
            put_order(out, at, o.order_id, o.side, o.leaves, symbol, o.price_e4)
        elif o.kind == O_TRADE and o.flags & O_CROSS:
            length = put_crossed(out, at, locate, since_ns, o)
        elif o.kind == O_TRADE:
            length = 31
            put_head(out, at, E_, length, locate, since_ns)
            put(out, at + 14, o.resting_id, 8)
            put(out, at + 22, o.size, 4)
            put(out, at + 26, o.match_id, 8)
        elif o.kind == O_CANCELED and o.flags & O_RESTING:
            length = put_off(out, at, locate, since_ns, o.order_id, o.size, o.leaves)
        elif o.kind == O_REPLACED:
            length = put_replaced(out, at, locate, since_ns, o)
        elif o.kind == O_PRINT:
            length = 44
            put_head(out, at, P_, length, locate, since_ns)
            put_order(out, at, 0, 1, o.size, symbol, o.price_e4)
            put(out, at + 39, o.match_id, 8)
        elif o.kind == O_STATE:
            length = 25
            put_head(out, at, H_, length, locate, since_ns)
            put(out, at + 14, symbol, 8)
            out[at + 22] = o.reason
            put(out, at + 23, BLANKS, 5)
        if length:
            index[count, 0] = HEADER_BYTES + length
            index[count, 1] = o.ts_ns
            at += HEADER_BYTES + length
            count += 1
    return count, at


# --- single messages ----------------------------------------------------------------------------


def pack_symbol(symbol: str) -> int:
    """Return eight ASCII bytes, padded with blanks, as one number."""
    raw = symbol.encode("ascii").ljust(8)
    if len(raw) != 8:
        raise ValueError(f"{symbol}: a symbol has at most 8 letters here")
    return int.from_bytes(raw, "big", signed=True)


def _head(kind: str, locate: int, since_ns: int) -> bytes:
    return struct.pack(">cHH", kind.encode(), locate, 0) + since_ns.to_bytes(6, "big")


def system(since_ns: int, code: str) -> bytes:
    """S: O start of messages, S start of system hours, Q start and M end of market, E, C end."""
    return _head("S", 0, since_ns) + code.encode()


def directory(locate: int, since_ns: int, symbol: str, round_lot: int) -> bytes:
    """R: a stock that can be traded; what we do not know has the specification's blank or N."""
    return _head("R", locate, since_ns) + struct.pack(
        ">8sccIcc2scccccIc",
        symbol.encode("ascii").ljust(8),
        b"Q",  # market category: listed on the exchange's own first tier
        b"N",  # financial status: normal
        round_lot,
        b"N",  # not round lots only
        b"C",  # common stock
        b"Z ",  # issue sub-type: not applicable
        b"T",  # authenticity: T = test, this is no live instrument
        b" ",  # short sale threshold
        b"N",  # not an IPO
        b" ",  # LULD tier
        b"N",  # no ETP
        0,
        b"N",
    )


def trading_action(locate: int, since_ns: int, symbol: str, state: str, reason: str = "") -> bytes:
    """H: T trading, H halted, P paused, Q quotation only."""
    name = symbol.encode("ascii").ljust(8)
    return _head("H", locate, since_ns) + name + state.encode() + b" " + reason.encode().ljust(4)[:4]


def add(locate: int, since_ns: int, order_id: int, side: int, size: int, symbol: str, price_e4: int) -> bytes:
    """A: an order without attribution joined the book."""
    letter, name = (b"B" if side > 0 else b"S"), symbol.encode("ascii").ljust(8)
    return _head("A", locate, since_ns) + struct.pack(">QcI8sI", order_id, letter, size, name, price_e4)


def executed(locate: int, since_ns: int, order_id: int, size: int, match_id: int) -> bytes:
    """E: executed at its own price."""
    return _head("E", locate, since_ns) + struct.pack(">QIQ", order_id, size, match_id)


def executed_at(
    locate: int, since_ns: int, order_id: int, size: int, match_id: int, price_e4: int, printable: bool = True
) -> bytes:
    """C: executed at a price that is not its own."""
    letter = b"Y" if printable else b"N"
    return _head("C", locate, since_ns) + struct.pack(">QIQcI", order_id, size, match_id, letter, price_e4)


def canceled(locate: int, since_ns: int, order_id: int, size: int) -> bytes:
    """X: `size` shares were taken off."""
    return _head("X", locate, since_ns) + struct.pack(">QI", order_id, size)


def deleted(locate: int, since_ns: int, order_id: int) -> bytes:
    """D: gone."""
    return _head("D", locate, since_ns) + struct.pack(">Q", order_id)


def replaced(locate: int, since_ns: int, order_id: int, new_id: int, size: int, price_e4: int) -> bytes:
    """U: left its queue, and joined another's end under a new reference."""
    return _head("U", locate, since_ns) + struct.pack(">QQII", order_id, new_id, size, price_e4)


def print_(locate: int, since_ns: int, size: int, symbol: str, price_e4: int, match_id: int) -> bytes:
    """P: non-displayed interest traded."""
    name = symbol.encode("ascii").ljust(8)
    return _head("P", locate, since_ns) + struct.pack(">QcI8sIQ", 0, b"B", size, name, price_e4, match_id)


def cross(
    locate: int, since_ns: int, size: int, symbol: str, price_e4: int, match_id: int, code: str
) -> bytes:
    """Q: an auction or halt cross."""
    name, letter = symbol.encode("ascii").ljust(8), code.encode()
    return _head("Q", locate, since_ns) + struct.pack(">Q8sIQc", size, name, price_e4, match_id, letter)


BLANK_SYMBOL: Final = int.from_bytes(bytes([SPACE] * 8), "big")


def warm() -> None:
    """Compile the encoder (or load it from the cache)."""
    outcomes = np.zeros(1, dtype=OUTCOME)
    outcomes["kind"] = O_RESTED
    out, index = np.zeros(PACKET_BYTES_MAX, dtype=np.uint8), np.zeros((1, 2), dtype=np.int64)
    count, used = encode_outcomes(outcomes, 1, BLANK_SYMBOL, 0, out, index)
    assert (count, used) == (1, HEADER_BYTES + 36), "the warm-up outcome is one add"
