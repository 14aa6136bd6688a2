"""Kernels around the ITCH decoder: whole frames, the locate of a symbol, checks, replaces unfolded.

Leaves: arrays in, arrays out. Decoding itself is `gateways.feeds.itch_kernels`.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateways.feeds.itch_kernels import LENGTHS, be16, be32, be48, be64
from market.book_events import Kind
from market.kernels import kernel

A_, F_, H_, P_, Q_, R_ = (ord(letter) for letter in "AFHPQR")
C_, U_ = ord("C"), ord("U")
K_ADD, K_DELETE, K_REPLACE = int(Kind.ADD), int(Kind.DELETE), int(Kind.REPLACE)
TIME_AT, TIME_END = 5, 11
LONG_BY = 2  # bytes that the re-encoded time is longer
CENT_E4 = 100
WRONG_LENGTH, TIME_BACK, NO_TYPE = 1, 2, 3
WHY: Final = {
    WRONG_LENGTH: "a message of the wrong length for its type",
    TIME_BACK: "the time goes back",
    NO_TYPE: "a message type that ITCH 5.0 does not have",
}

# Where a type has the eight letters of a stock, 0 = nowhere; where it has a price that is decoded.
STOCK_AT: NDArray[np.int64] = np.zeros(256, np.int64)
PRICE_AT: NDArray[np.int64] = np.zeros(256, np.int64)
for _code, _at in {"R": 11, "H": 11, "A": 24, "F": 24, "P": 24, "Q": 19}.items():
    STOCK_AT[ord(_code)] = _at
for _code, _at in {"A": 32, "F": 32, "C": 32, "U": 31, "P": 32, "Q": 27}.items():
    PRICE_AT[ord(_code)] = _at


@kernel
def frames(data: NDArray[np.uint8]) -> tuple[int, bool]:
    """Return where the last whole message ends, and whether a length of zero ends the session there."""
    at, stop = 0, data.size
    while at + 2 <= stop:
        length = be16(data, at)
        if length == 0:
            return at, True
        if at + 2 + length > stop:
            break
        at += 2 + length
    return at, False


def whole(data: bytes) -> tuple[int, bool]:
    """Return where the last whole message of a buffer ends, and whether the session ends there."""
    used, ended = frames(np.frombuffer(data, np.uint8))
    return int(used), bool(ended)


@kernel
def shorten(data: NDArray[np.uint8], out: NDArray[np.uint8]) -> tuple[int, int]:
    """Write messages with eight bytes of time as standard ones; return (bytes, place of a wrong one)."""
    at = made = 0
    while at < data.size:
        length, kind = be16(data, at), data[at + 2]
        if LENGTHS[kind] == 0 or length != LENGTHS[kind] + LONG_BY or be16(data, at + 2 + TIME_AT) != 0:
            return made, at
        out[made], out[made + 1] = (length - LONG_BY) >> 8, (length - LONG_BY) & 255
        for i in range(TIME_AT):
            out[made + 2 + i] = data[at + 2 + i]
        for i in range(TIME_AT, length - LONG_BY):
            out[made + 2 + i] = data[at + 2 + LONG_BY + i]
        if PRICE_AT[kind] > 0:
            price = made + 2 + PRICE_AT[kind]
            value = be32(out, price) * CENT_E4
            if value >= 2**32:
                return made, at
            for i in range(4):
                out[price + i] = (value >> (24 - 8 * i)) & 255
        at += 2 + length
        made += 2 + length - LONG_BY
    return made, -1


def standard(data: bytes) -> tuple[bytes, int]:
    """Return re-encoded messages as standard ones, and the place of one that cannot be (-1: none)."""
    out = np.zeros(len(data), np.uint8)
    made, wrong_at = shorten(np.frombuffer(data, np.uint8), out)
    return out[:made].tobytes(), int(wrong_at)


@kernel
def locate_of(data: NDArray[np.uint8], symbol: int) -> int:
    """Return the stock locate of the first message that names the symbol (eight letters), -1 = none."""
    at = 0
    while at < data.size:
        length, kind = be16(data, at), data[at + 2]
        stock = STOCK_AT[kind]
        if stock > 0 and length == LENGTHS[kind] and be64(data, at + 2 + stock) == symbol:
            return int(be16(data, at + 3))
        at += 2 + length
    return -1


@kernel
def survey(
    data: NDArray[np.uint8], locate: int, last_ns: int, types: NDArray[np.int64]
) -> tuple[int, int, int, int]:
    """Check lengths, types and order of time; count the types of a symbol's messages.

    Returns (messages, last time, 0 or why it stopped, where).
    """
    at = messages = 0
    while at < data.size:
        length, kind = be16(data, at), data[at + 2]
        if LENGTHS[kind] == 0:
            return messages, last_ns, NO_TYPE, at
        if LENGTHS[kind] != length:
            return messages, last_ns, WRONG_LENGTH, at
        now = be48(data, at + 2 + TIME_AT)
        if now < last_ns:
            return messages, last_ns, TIME_BACK, at
        last_ns = now
        types[kind] += be16(data, at + 3) == locate
        messages += 1
        at += 2 + length
    return messages, last_ns, 0, 0


@kernel
def unfold(
    events: NDArray[Any],
    dense: NDArray[np.int64],
    fresh: NDArray[np.int64],
    sides: NDArray[np.int8],
    out: NDArray[np.int64],
) -> tuple[int, int]:
    """Write events as message rows, a replace as a delete and an add; return (rows, replaces without a side).

    Columns of `out`: number of the order, kind, side, row of the event.
    """
    n = lost = 0
    for i in range(events.size):
        kind, side = events[i].kind, events[i].side
        if kind == K_ADD:
            sides[dense[i]] = side
        if kind != K_REPLACE:
            out[n, 0], out[n, 1], out[n, 2], out[n, 3] = dense[i], kind, side, i
            n += 1
            continue
        out[n, 0], out[n, 1], out[n, 2], out[n, 3] = dense[i], K_DELETE, 0, i
        n += 1
        side = sides[dense[i]]
        if side == 0:
            lost += 1  # of an order that nobody added: neither side nor place are known
            continue
        sides[fresh[i]] = side
        out[n, 0], out[n, 1], out[n, 2], out[n, 3] = fresh[i], K_ADD, side, i
        n += 1
    return n, lost
