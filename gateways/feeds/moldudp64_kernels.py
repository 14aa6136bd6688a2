"""Kernels of MoldUDP64: one datagram's message blocks into the packets that everything behind it reads."""

from typing import Any

import numpy as np

from gateways.feeds.itch_kernels import U8, U8_IN
from market.kernel_types import INT
from market.kernels import typed_kernel

HEADER_BYTES = 20  # session 10, sequence number 8, message count 2
SEQUENCED = ord("S")


@typed_kernel(U8_IN, INT, INT, U8)
def sequenced_packets(datagram: Any, count: int, skip: int, out: Any) -> Any:
    """Write all but the first `skip` of `count` blocks as SoupBinTCP packets; return the bytes written.

    -1: the blocks do not fit the datagram, or one of them is empty. `out` holds a byte more for each
    block than the datagram has (an empty block is refused, so a third of its bytes is enough).
    """
    at, to = np.int64(HEADER_BYTES), np.int64(0)
    stop = datagram.shape[0]
    for block in range(count):
        if at + 2 > stop:
            return np.int64(-1)
        length = (np.int64(datagram[at]) << 8) | np.int64(datagram[at + 1])
        if length == 0 or at + 2 + length > stop:
            return np.int64(-1)
        if block >= skip:
            out[to] = (length + 1) >> 8
            out[to + 1] = (length + 1) & 0xFF
            out[to + 2] = SEQUENCED
            for i in range(length):
                out[to + 3 + i] = datagram[at + 2 + i]
            to += 3 + length
        at += 2 + length
    if at != stop:
        return np.int64(-1)
    return to
