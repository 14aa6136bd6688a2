"""Kernels of SoupBinTCP: walking over packets without Python's cost for each."""

from typing import Any

import numpy as np

from gateways.feeds.itch_kernels import U8, U8_IN
from market.kernel_types import INT
from market.kernels import typed_kernel

NO_ERROR = 0
BAD_PACKET = 1
SEQUENCED, SERVER_HEARTBEAT = ord("S"), ord("H")


@typed_kernel(U8_IN, INT, INT)
def scan_run(buffer: Any, start: int, packet_bytes_max: int) -> Any:
    """Walk over sequenced packets and heartbeats from `start`, up to another type or a part of one.

    Return (error, end of the run, sequenced packets, heartbeats).
    """
    stop = buffer.shape[0]
    at, sequenced, heartbeats = np.int64(start), 0, 0
    while at + 3 <= stop:
        length = (np.int64(buffer[at]) << 8) | np.int64(buffer[at + 1])
        if length == 0 or length > packet_bytes_max:
            return BAD_PACKET, at, sequenced, heartbeats
        if at + 2 + length > stop:
            break
        kind = buffer[at + 2]
        if kind == SEQUENCED:
            sequenced += 1
        elif kind == SERVER_HEARTBEAT:
            heartbeats += 1
        else:
            break
        at += 2 + length
    return NO_ERROR, at, sequenced, heartbeats


@typed_kernel(U8_IN, U8)
def without_types(packets: Any, out: Any) -> Any:
    """Copy sequenced packets as length-prefixed messages; return the bytes written."""
    at, to = np.int64(0), np.int64(0)
    while at + 3 <= packets.shape[0]:
        length = (np.int64(packets[at]) << 8) | np.int64(packets[at + 1])
        body = length - 1
        out[to] = body >> 8
        out[to + 1] = body & 0xFF
        for i in range(body):
            out[to + 2 + i] = packets[at + 3 + i]
        to += 2 + body
        at += 2 + length
    return to
