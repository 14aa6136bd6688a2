"""The gate of an environment: what it checks, what it keeps of chains, and what it tells the trader.

The limits are risk/checks.py's own functions, compiled. Everything told goes into a queue and comes to
the trader after its latency, in the order in which it was told.
"""

import math
from typing import Any, Final

import numpy as np

from market.flow.philox import UNIT, bell, draw4
from policies import state_kernels as k
from policies.layout import (
    ADV,
    BUY_QTY_MAX,
    CAN_TRADE,
    COLLAR_HIGH,
    COLLAR_LOW,
    ORDER_QTY_MAX,
    ORDERS_FREE,
    RATE_FREE,
    SELL_QTY_MAX,
)
from research.environment import layout as e
from research.environment.compiled import env_kernel
from risk import checks

SECOND_NS: Final = 1_000_000_000
within = env_kernel(checks.within)
notional_micros = env_kernel(checks.notional_micros)
share_of = env_kernel(checks.share_of)
collar_passes = env_kernel(checks.collar_passes)
collar_low_e4 = env_kernel(checks.collar_low_e4)
collar_high_e4 = env_kernel(checks.collar_high_e4)
worst_long = env_kernel(checks.worst_long)
worst_short = env_kernel(checks.worst_short)
replace_adds = env_kernel(checks.replace_adds)


# --- what it knows --------------------------------------------------------------------------------
@env_kernel
def leaves(head: Any, chains: Any) -> Any:
    """Return what can still trade at worst: a pending replace counts at its larger size."""
    total = 0
    for c in range(head[e.CHAINS_LIVE]):
        if chains[c, e.K_STATUS] < e.ENDED:
            total += max(chains[c, e.K_QTY], chains[c, e.K_PQTY]) - chains[c, e.K_DONE]
    return total


@env_kernel
def open_orders(head: Any, chains: Any) -> Any:
    """Return how many chains can still trade."""
    count = 0
    for c in range(head[e.CHAINS_LIVE]):
        count += chains[c, e.K_STATUS] < e.ENDED
    return count


@env_kernel
def sent_now(head: Any, now_ns: int) -> Any:
    """Return the messages that passed in the second before an instant."""
    count = 0
    for back in range(min(head[e.MESSAGES], e.SENT_RING)):
        at = e.SENT_GATE + (head[e.MESSAGES] - 1 - back) % e.SENT_RING
        if now_ns - head[at] >= SECOND_NS:
            break
        count += 1
    return count


@env_kernel
def qty_cap(desk: Any, limits: Any) -> Any:
    """R03: return the smaller of the absolute cap and the share of average daily volume."""
    cap = limits[e.L_QTY_MAX]
    return min(cap, share_of(desk[ADV], limits[e.L_ADV_BP])) if desk[ADV] > 0 else cap


@env_kernel
def collar(ints: Any, limits: Any) -> Any:
    """R05: return the lowest sell and the highest buy that pass now; 0, 0 where there is no mid."""
    bid, ask, last = ints[k.BID], ints[k.ASK], ints[k.LAST_E4]
    if bid <= 0 or ask <= 0:
        return np.int64(0), np.int64(0)
    mid, bp = (bid + ask) // 2, limits[e.L_COLLAR_BP]
    low, high = collar_low_e4(mid, bp), collar_high_e4(mid, bp)
    if last > 0:
        low, high = max(low, collar_low_e4(last, bp)), min(high, collar_high_e4(last, bp))
    return low, high


@env_kernel
def headroom(head: Any, desk: Any, ints: Any, chains: Any, limits: Any, now_ns: int) -> None:
    """Write what the limits leave, as the overlay's headroom does."""
    low, high = collar(ints, limits)
    qty_max = qty_cap(desk, limits)
    value_e4 = max(high, ints[k.LAST_E4], ints[k.ASK])
    if value_e4 > 0:
        qty_max = min(qty_max, limits[e.L_NOTIONAL_MAX] * 10_000 // value_e4)
    working = leaves(head, chains)
    uncommitted = head[e.GATE_QTY] - head[e.T_CUM] - working
    buying = head[e.SIGN_] > 0
    position = head[e.POSITION] + head[e.SIGN_] * head[e.T_CUM]
    longest = limits[e.L_LONG_MAX] - worst_long(position, working if buying else 0)
    shortest = limits[e.L_SHORT_MAX] + worst_short(position, 0 if buying else working)
    desk[ORDER_QTY_MAX] = qty_max
    desk[COLLAR_LOW], desk[COLLAR_HIGH] = low, high
    desk[CAN_TRADE] = 1 if head[e.GATE_STATUS] == e.P_WORKING and low > 0 else 0
    desk[BUY_QTY_MAX] = max(0, min(longest, uncommitted)) if buying else 0
    desk[SELL_QTY_MAX] = 0 if buying else max(0, min(shortest, uncommitted))
    desk[ORDERS_FREE] = max(0, limits[e.L_ORDERS_MAX] - open_orders(head, chains))
    desk[RATE_FREE] = max(0, limits[e.L_RATE] - sent_now(head, now_ns))


# --- what it tells --------------------------------------------------------------------------------
@env_kernel
def lag_ns(seed: int, stream: int, number: int, median_ns: float, sigma: float) -> Any:
    """Return a lognormal latency."""
    return np.int64(median_ns * math.exp(sigma * bell(seed, stream, number)))


@env_kernel
def told_at(head: Any, lag: Any, ts_ns: int) -> Any:
    """Return when a report of an instant is heard, and whether before the feed shows that instant."""
    number = head[e.REPORTS_MADE]
    head[e.REPORTS_MADE] += 1
    chance, _, _, _ = draw4(head[e.SEED], e.S_REPORT, number, 3)
    early, at = 1, np.int64(ts_ns)
    if not chance < lag[e.G_EARLY] * UNIT:
        early = 0
        at += lag_ns(head[e.SEED], e.S_REPORT, number, lag[e.G_REPORT_NS], lag[e.G_REPORT_SIGMA])
    if at < head[e.LAST_REPORT]:
        early, at = 0, head[e.LAST_REPORT]
    head[e.LAST_REPORT] = at
    return at, early


@env_kernel
def tell(
    head: Any, reports: Any, lag: Any, kind: int, chain_id: int, qty: int, price_e4: int, ts_ns: int
) -> None:
    """Queue what the exchange says of an order."""
    n = head[e.REPORTS_WAITING]
    if n == reports.shape[0]:
        head[e.DROPPED] += 1
        return
    head[e.REPORTS_WAITING] += 1
    row = reports[n]
    row[e.R_AT], row[e.R_EARLY] = told_at(head, lag, ts_ns)
    row[e.R_KIND], row[e.R_CHAIN], row[e.R_QTY], row[e.R_PX], row[e.R_TS] = (
        kind,
        chain_id,
        qty,
        price_e4,
        ts_ns,
    )


# --- intents --------------------------------------------------------------------------------------
@env_kernel
def passes(
    head: Any, desk: Any, ints: Any, chains: Any, limits: Any, now_ns: int, qty: int, price_e4: int,
    adds: int, new: int,
) -> Any:  # fmt: skip
    """Judge an order as the overlay does; `adds` is the worst-case leaves that it adds."""
    buying = head[e.SIGN_] > 0
    bid, ask, last = ints[k.BID], ints[k.ASK], ints[k.LAST_E4]
    if head[e.GATE_STATUS] != e.P_WORKING or bid <= 0 or ask <= 0 or qty <= 0 or price_e4 <= 0:
        return False
    if not within(qty, qty_cap(desk, limits)):
        return False
    worth = notional_micros(qty, max(price_e4, bid if buying else ask, last))
    if not within(worth, limits[e.L_NOTIONAL_MAX] * 1_000_000):
        return False
    if not collar_passes(buying, price_e4, (bid + ask) // 2, limits[e.L_COLLAR_BP]):
        return False
    if last > 0 and not collar_passes(buying, price_e4, last, limits[e.L_COLLAR_BP]):
        return False
    if head[e.GATE_LIMIT] != 0 and head[e.SIGN_] * (price_e4 - head[e.GATE_LIMIT]) > 0:
        return False
    working = leaves(head, chains) + adds
    position = head[e.POSITION] + head[e.SIGN_] * head[e.T_CUM]
    if buying and not within(worst_long(position, working), limits[e.L_LONG_MAX]):
        return False
    if not buying and not within(-worst_short(position, working), limits[e.L_SHORT_MAX]):
        return False
    if not within(open_orders(head, chains) + new, limits[e.L_ORDERS_MAX]):
        return False
    if not within(head[e.T_CUM] + working, head[e.GATE_QTY]):
        return False
    return within(sent_now(head, now_ns) + 1, limits[e.L_RATE])


@env_kernel
def note_sent(head: Any, now_ns: int) -> None:
    """Count a new or replace message that passed."""
    head[e.SENT_GATE + head[e.MESSAGES] % e.SENT_RING] = now_ns
    head[e.MESSAGES] += 1


@env_kernel
def send(
    head: Any, road: Any, lag: Any, now_ns: int, kind: int, chain_id: int, qty: int, price_e4: int
) -> None:
    """Put a message on the road to the exchange."""
    n = head[e.ON_ROAD]
    if n == road.shape[0]:
        head[e.DROPPED] += 1
        return
    head[e.ON_ROAD] += 1
    took = lag_ns(head[e.SEED], e.S_ROAD, head[e.ROAD_MADE], lag[e.G_ORDER_NS], lag[e.G_ORDER_SIGMA])
    head[e.ROAD_MADE] += 1
    at = max(now_ns + 1 + took, head[e.LAST_ARRIVAL])
    head[e.LAST_ARRIVAL] = at
    row = road[n]
    row[e.ROAD_AT], row[e.ROAD_KIND], row[e.ROAD_CHAIN], row[e.ROAD_QTY], row[e.ROAD_PX] = (
        at,
        kind,
        chain_id,
        qty,
        price_e4,
    )


@env_kernel
def submit(
    head: Any, desk: Any, ints: Any, chains: Any, road: Any, limits: Any, lag: Any, now_ns: int, qty: int,
    price_e4: int, crossing: int,
) -> Any:  # fmt: skip
    """Take a submit; return the row of its chain, -1 where it is refused."""
    if not passes(head, desk, ints, chains, limits, now_ns, qty, price_e4, qty, 1):
        return -1
    c = head[e.CHAINS_LIVE]
    if c == chains.shape[0]:
        head[e.DROPPED] += 1
        return -1
    head[e.CHAINS_LIVE] += 1
    head[e.CHAIN_IDS] += 1
    chain = chains[c]
    chain[:] = 0
    chain[e.K_ID] = head[e.CHAIN_IDS]
    chain[e.K_CROSSING], chain[e.K_LIVE] = crossing, 1
    chain[e.K_PX], chain[e.K_QTY], chain[e.K_STATUS] = price_e4, qty, e.PENDING_NEW
    note_sent(head, now_ns)
    send(head, road, lag, now_ns, e.GO_NEW, chain[e.K_ID], qty, price_e4)
    return c


@env_kernel
def replace(
    head: Any, desk: Any, ints: Any, chains: Any, road: Any, limits: Any, lag: Any, now_ns: int, c: int,
    qty: int, price_e4: int,
) -> Any:  # fmt: skip
    """Take a replace of a chain that rests; say whether it goes."""
    chain = chains[c]
    working = max(chain[e.K_QTY], chain[e.K_PQTY]) - chain[e.K_DONE]
    adds = replace_adds(chain[e.K_QTY], qty, chain[e.K_DONE], working)
    if not passes(head, desk, ints, chains, limits, now_ns, qty, price_e4, adds, 0):
        return False
    chain[e.K_PQTY], chain[e.K_PPX], chain[e.K_STATUS] = qty, price_e4, e.PENDING_REPLACE
    note_sent(head, now_ns)
    send(head, road, lag, now_ns, e.GO_REPLACE, chain[e.K_ID], qty, price_e4)
    return True


@env_kernel
def cancel(head: Any, chains: Any, road: Any, lag: Any, now_ns: int, c: int) -> None:
    """Take a cancel, which no control blocks."""
    chain = chains[c]
    if chain[e.K_STATUS] < e.ENDED and chain[e.K_STATUS] != e.PENDING_CANCEL:
        chain[e.K_STATUS] = e.PENDING_CANCEL
        send(head, road, lag, now_ns, e.GO_CANCEL, chain[e.K_ID], 0, 0)
