"""The memory of a replayed tape: a packed int64 array with counters, residuals and accounts; kernel leaves.

A residual is a tape order that stands in our book with more shares than the tape leaves it, since one
of ours took its fill. The accounts hold what each order of ours did to the tape.
"""

import numpy as np

from market.book_layout import Arena
from market.kernel_types import ARENA, INT
from market.kernels import typed_kernel

T_NEXT = 0  # index of the next event
T_GROUP_END = 1  # index after the last event of the aggressor that is being rebuilt
T_GROUP_KEY = 2  # its limit as a key: side of the resting orders * worst recorded price
T_DISPLACED = 3
T_VOIDED = 4
T_PURGED = 5
T_HIDDEN_FILLS = 6
T_TAKEN = 7
T_OFF_FIFO = 8
T_EXECUTIONS = 9
T_ANOMALIES = 10
T_REFUSED = 11
T_REOPENING_CANCELS = 12
T_RESIDUALS_FULL = 13
T_ACCOUNTS_FULL = 14
T_TAKEN_READ = 15  # entries of the book's ring of taken shares that are booked
T_TAKEN_LOST = 16
T_RESIDUALS = 17
T_ACCOUNTS = 18
STATE_HEADER = 32

RESIDUALS_MAX = 4096  # they live while the touch stays: some dozens; full means purge at once, counted
ACCOUNTS_SLOTS = 1 << 16  # orders of ours with any effect in one run, at most half of it
ACCOUNTS_FULL = ACCOUNTS_SLOTS // 2
ACCOUNT_WORDS = 6
A_ID, A_DISPLACED, A_VOIDED, A_PURGED, A_HIDDEN, A_TAKEN = range(ACCOUNT_WORDS)
RESIDUALS_AT = STATE_HEADER
ACCOUNTS_AT = RESIDUALS_AT + RESIDUALS_MAX
STATE_WORDS = ACCOUNTS_AT + ACCOUNTS_SLOTS * ACCOUNT_WORDS

TOTAL_OF = np.array([0, T_DISPLACED, T_VOIDED, T_PURGED, T_HIDDEN_FILLS, T_TAKEN], dtype=np.int64)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def new_state() -> Arena:
    """Return the memory of a tape not yet begun."""
    return np.zeros(STATE_WORDS, dtype=np.int64)


@typed_kernel(ARENA, INT, INT, INT)
def book_shares(state: Arena, order_id: int, column: int, shares: int) -> None:
    """Add shares to a total, and to the account of an order of ours where one is known (its id > 0)."""
    state[TOTAL_OF[column]] += shares
    if order_id <= 0 or shares == 0:
        return
    slot = np.int64((np.uint64(order_id) * GOLDEN) >> np.uint64(48)) % ACCOUNTS_SLOTS
    while True:
        at = ACCOUNTS_AT + slot * ACCOUNT_WORDS
        if state[at] == order_id:
            break
        if state[at] == 0:
            if state[T_ACCOUNTS] == ACCOUNTS_FULL:
                state[T_ACCOUNTS_FULL] += 1
                return
            state[T_ACCOUNTS] += 1
            state[at] = order_id
            break
        slot = (slot + 1) % ACCOUNTS_SLOTS
    state[at + column] += shares
