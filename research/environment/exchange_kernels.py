"""The exchange of an environment: the flow plays, our messages arrive, the public sees events.

`publish` turns OUTCOMEs into MARKET_EVENTs as feed, decoder and `OrderBook.apply` would complete them:
in a sweep the touch after trade k is the price of trade k + 1. Fills are booked where they happen.
"""

from typing import Any, Final

import numpy as np

from market.book_events import Kind
from market.book_kernels import best_e4, best_level
from market.book_layout import H_LEVELS, H_OWNED, H_SIDES, L_COUNT, L_PRICE, PAIR_WORDS
from market.flow.queue_reactive_kernels import react
from market.flow.queue_reactive_layout import S_BEGIN, S_NOW
from market.flow.zero_intelligence_kernels import flow_to_stop
from market.matching_events import Command, Outcome, OutcomeFlag, Tif, Why
from market.matching_kernels import match
from research.environment import layout as e
from research.environment.compiled import env_kernel
from research.environment.gate_kernels import tell
from research.environment.row_kernels import close_gap

ADD, PART, DELETE, EXECUTE = int(Kind.ADD), int(Kind.CANCEL), int(Kind.DELETE), int(Kind.EXECUTE)
HIDDEN, HALT, REPLACE = int(Kind.HIDDEN), int(Kind.HALT), int(Kind.REPLACE)
ACCEPTED, REJECTED, TRADE = int(Outcome.ACCEPTED), int(Outcome.REJECTED), int(Outcome.TRADE)
RESTED, CANCELED, REPLACED = int(Outcome.RESTED), int(Outcome.CANCELED), int(Outcome.REPLACED)
PRINT, STATE = int(Outcome.PRINT), int(Outcome.STATE)
RESTING: Final = int(OutcomeFlag.RESTING)
WHY_UNKNOWN: Final = int(Why.UNKNOWN_ORDER)
DAY, IOC = int(Tif.DAY), int(Tif.IOC)
C_NEW, C_CANCEL, C_REPLACE = int(Command.NEW), int(Command.CANCEL), int(Command.REPLACE)
OWNER: Final = 1
OWN_ID: Final = 1 << 40


# --- public ---------------------------------------------------------------------------------------
@env_kernel
def put(
    head: Any,
    events: Any,
    ts_ns: int,
    kind: int,
    order_id: int,
    new_id: int,
    price_e4: int,
    size: int,
    side: int,
) -> None:
    """Append a public event, the touch as it is noted in the head."""
    n = head[e.EVENTS_MADE]
    if n == events.shape[0]:
        head[e.DROPPED] += 1
        return
    head[e.EVENTS_MADE] += 1
    row = events[n]
    row.ts_ns = ts_ns
    row.order_id = order_id
    row.new_id = new_id
    row.price_e4 = price_e4
    row.bid_e4 = head[e.TOUCH_BID]
    row.ask_e4 = head[e.TOUCH_ASK]
    row.size = size
    row.flags = 0
    row.kind = kind
    row.side = side
    row.code = 0


@env_kernel
def touch_is(head: Any, bid_e4: int, ask_e4: int) -> None:
    """Note the touch."""
    head[e.TOUCH_BID], head[e.TOUCH_ASK] = bid_e4, ask_e4
    if bid_e4 > 0 and ask_e4 > 0:
        head[e.MID2] = bid_e4 + ask_e4


@env_kernel
def last_group(out: Any, n: int) -> Any:
    """Return where the outcomes of the last event or command begin: only there may the touch have moved."""
    at = n - 1
    while at > 0 and out[at - 1].kind == TRADE and out[at - 1].order_id == out[at].order_id:
        at -= 1
    return at


@env_kernel
def behind(book: Any, side: int, price_e4: int) -> Any:
    """Return the best price of a side as it was before an order alone at `price_e4` joined it."""
    index = (1 - side) >> 1
    count = book[H_LEVELS + index]
    if count == 0:
        return np.int64(0)
    best = best_level(book, index)
    if book[best + L_PRICE] != price_e4 or book[best + L_COUNT] > 1:
        return book[best + L_PRICE]
    if count == 1:
        return np.int64(0)
    return book[book[book[H_SIDES + index] + (count - 1) * PAIR_WORDS - 1] + L_PRICE]


@env_kernel
def publish(
    book: Any, head: Any, chains: Any, reports: Any, fills: Any, events: Any, money: Any, lag: Any, out: Any,
    n: int,
) -> None:  # fmt: skip
    """Make events, fills and reports of outcomes; only their last group may have moved the touch."""
    if n == 0:
        return
    bid, ask = best_e4(book, 0), best_e4(book, 1)
    group = last_group(out, n)
    mid2 = head[e.MID2]
    for at in range(n):
        o = out[at]
        side: Any = np.int64(o.side)
        kind = o.kind
        if at == n - 1:
            touch_is(head, bid, ask)
        elif at >= group and kind == TRADE:
            following = out[at + 1].price_e4 if out[at + 1].kind == TRADE else (bid if side > 0 else ask)
            if side > 0:
                touch_is(head, following, head[e.TOUCH_ASK])
            else:
                touch_is(head, head[e.TOUCH_BID], following)
        if kind == RESTED:
            put(head, events, o.ts_ns, ADD, o.order_id, 0, o.price_e4, o.leaves, side)
        elif kind == TRADE:
            put(head, events, o.ts_ns, EXECUTE, o.resting_id, o.match_id, o.price_e4, o.size, side)
            head[e.LAST_E4] = o.price_e4
            if o.owner > 0 or o.resting_owner > 0:
                filled(head, chains, reports, fills, money, lag, out, at, mid2)
        elif kind == CANCELED and o.flags & RESTING:
            gone = PART if o.leaves > 0 else DELETE
            put(head, events, o.ts_ns, gone, o.order_id, 0, o.price_e4, o.size, side)
        elif kind == PRINT:
            put(head, events, o.ts_ns, HIDDEN, 0, o.match_id, o.price_e4, o.size, 1)
            head[e.LAST_E4] = o.price_e4
        elif kind == STATE:
            put(head, events, o.ts_ns, HALT, 0, 0, 0, 0, 0)
            events[head[e.EVENTS_MADE] - 1].code = o.reason
        if o.owner > 0 and kind != TRADE and kind != RESTED:
            own_outcome(book, head, chains, reports, events, lag, out, at)


# --- own ------------------------------------------------------------------------------------------
@env_kernel
def row_of(head: Any, chains: Any, column: int, value: int) -> Any:
    """Return the row of a chain, -1 where there is none."""
    for c in range(head[e.CHAINS_LIVE]):
        if chains[c, column] == value:
            return c
    return -1


@env_kernel
def filled(
    head: Any, chains: Any, reports: Any, fills: Any, money: Any, lag: Any, out: Any, at: int, mid2: int
) -> None:
    """Book a fill: chain, parent, the money of the step, and what the trader will hear."""
    o = out[at]
    passive = 0 if o.owner > 0 else 1
    c = row_of(head, chains, e.K_ENGINE, o.resting_id if passive else o.order_id)
    if c < 0:
        head[e.DROPPED] += 1
        return
    chain, qty, price_e4 = chains[c], o.size, o.price_e4
    chain[e.K_CUM] += qty
    chain[e.K_LIVE] = 1 if (o.resting_leaves if passive else o.leaves) > 0 else 0
    head[e.GATE_CUM] += qty
    head[e.GATE_NOTIONAL] += qty * price_e4
    n = head[e.FILLS]
    if n < fills.shape[0]:
        row = fills[n]
        row[e.F_TS], row[e.F_QTY], row[e.F_PX] = o.ts_ns, qty, price_e4
        row[e.F_MID2], row[e.F_PASSIVE] = mid2, passive
        head[e.FILLS_KEPT] += 1
    head[e.FILLS] += 1
    money[e.EDGE] += head[e.SIGN_] * (mid2 - 2 * price_e4) * qty
    money[e.FILLED_SHARE] += qty
    money[e.PASSIVE_SHARE] += qty * passive
    tell(head, reports, lag, e.R_FILL, chain[e.K_ID], qty, price_e4, o.ts_ns)


@env_kernel
def own_outcome(
    book: Any, head: Any, chains: Any, reports: Any, events: Any, lag: Any, out: Any, at: int
) -> None:
    """Take what the engine says of an own order besides trades, and tell it."""
    o = out[at]
    c = row_of(head, chains, e.K_ENGINE, o.resting_id if o.kind == REPLACED else o.order_id)
    if c < 0:
        head[e.DROPPED] += 1
        return
    chain, kind, qty, price_e4 = chains[c], e.R_ACK, o.size, o.price_e4
    if o.kind == REJECTED:
        arrived = o.reason == WHY_UNKNOWN or chain[e.K_CUM] > 0
        kind = e.R_STANDS if arrived else e.R_REFUSED
        chain[e.K_LIVE] = 1 if arrived else 0
        head[e.ENGINE_REFUSALS] += 1
    elif o.kind == CANCELED:
        kind = e.R_OUT
        chain[e.K_LIVE] = 0
    elif o.kind == REPLACED:
        kind, qty = e.R_REPLACED, o.size + chain[e.K_CUM]
        replaced(book, head, chain, events, out, at)
    tell(head, reports, lag, kind, chain[e.K_ID], qty, price_e4, o.ts_ns)


@env_kernel
def replaced(book: Any, head: Any, chain: Any, events: Any, out: Any, at: int) -> None:
    """A replace was carried out: the public sees it, at its new price or as gone before it trades."""
    o = out[at]
    side: Any = np.int64(o.side)
    chain[e.K_ENGINE] = o.order_id
    if o.flags & RESTING:
        put(head, events, o.ts_ns, REPLACE, o.resting_id, o.order_id, o.price_e4, o.leaves, side)
        chain[e.K_STANDS] = o.price_e4
        return
    was = behind(book, side, o.price_e4)
    if side > 0:
        touch_is(head, was, head[e.TOUCH_ASK])
    else:
        touch_is(head, head[e.TOUCH_BID], was)
    put(head, events, o.ts_ns, DELETE, o.resting_id, 0, chain[e.K_STANDS], o.resting_leaves, side)
    chain[e.K_STANDS] = o.price_e4


@env_kernel
def command_of(head: Any, chain: Any, message: Any, ts_ns: int, command: Any) -> None:
    """Write a message as a command of the matching engine."""
    c = command[0]
    c.ts_ns = ts_ns
    c.owner = OWNER
    c.side = head[e.SIGN_]
    c.tif = DAY
    c.flags = 0
    c.new_id = 0
    c.price_e4 = message[e.ROAD_PX]
    c.size = message[e.ROAD_QTY]
    c.order_id = chain[e.K_ENGINE]
    if message[e.ROAD_KIND] == e.GO_CANCEL:
        c.kind = C_CANCEL
        c.size = 0
        return
    head[e.ENGINE_IDS] += 1
    entered = OWN_ID + head[e.ENGINE_IDS]
    if message[e.ROAD_KIND] == e.GO_NEW:
        c.kind = C_NEW
        c.order_id = entered
        c.tif = IOC if chain[e.K_CROSSING] != 0 else DAY
        chain[e.K_ENGINE], chain[e.K_STANDS] = entered, message[e.ROAD_PX]
    else:
        c.kind = C_REPLACE
        c.new_id = entered
        c.size -= chain[e.K_CUM]


# --- time -----------------------------------------------------------------------------------------
@env_kernel
def arrive(
    book: Any, head: Any, chains: Any, road: Any, reports: Any, fills: Any, events: Any, money: Any, lag: Any,
    out: Any, command: Any,
) -> None:  # fmt: skip
    """Let every message in that has arrived by the instant that has been played."""
    now_ns = head[e.PLAYED]
    while head[e.ON_ROAD] > 0 and road[0, e.ROAD_AT] <= now_ns:
        message = road[0]
        c = row_of(head, chains, e.K_ID, message[e.ROAD_CHAIN])
        if c >= 0 and chains[c, e.K_LIVE] != 0:
            if message[e.ROAD_KIND] == e.GO_REPLACE and message[e.ROAD_QTY] <= chains[c, e.K_CUM]:
                tell(head, reports, lag, e.R_STANDS, chains[c, e.K_ID], 0, 0, now_ns)
            else:
                command_of(head, chains[c], message, now_ns, command)
                mid2, cum = head[e.MID2], head[e.GATE_CUM]
                _, n = match(book, command, 0, out)
                publish(book, head, chains, reports, fills, events, money, lag, out, n)
                money[e.ADVERSE] += head[e.SIGN_] * (head[e.MID2] - mid2) * (head[e.GATE_CUM] - cum)
        elif c >= 0 and message[e.ROAD_KIND] == e.GO_REPLACE:
            tell(head, reports, lag, e.R_STANDS, chains[c, e.K_ID], 0, 0, now_ns)
        head[e.ON_ROAD] -= 1
        close_gap(road, 0, head[e.ON_ROAD])


@env_kernel
def play(
    book: Any, flow: Any, reals: Any, tables: Any, head: Any, chains: Any, reports: Any, fills: Any,
    events: Any, money: Any, scenario: Any, out: Any, until_ns: int, stops: int,
) -> None:  # fmt: skip
    """Play the flow up to an instant; with STOP_ON_TOUCH and STOP_ON_FILL, no further than such an event."""
    owned = (stops & e.STOP_ON_FILL) != 0 and book[H_OWNED] > 0
    reactive = scenario[e.G_FLOW] == e.FLOW_REACTIVE
    while head[e.PLAYED] < until_ns and head[e.EVENTS_MADE] < e.OUT_SPARE:
        if head[e.NEXT_FLOW] > until_ns:
            head[e.PLAYED] = until_ns
            if reactive:
                flow[S_NOW] = max(flow[S_NOW], until_ns - flow[S_BEGIN])
            return
        if reactive:
            n, next_ns, why = react(book, flow, reals, tables, until_ns, out, 3 if owned else 1)
        else:
            n, next_ns, why = flow_to_stop(book, flow, until_ns, out, True, owned)
        publish(book, head, chains, reports, fills, events, money, scenario, out, n)
        head[e.NEXT_FLOW] = next_ns
        if why == 0:
            head[e.PLAYED] = until_ns
        elif why == 1:
            head[e.PLAYED] = max(head[e.PLAYED], next_ns - 1)
        else:
            head[e.PLAYED] = next_ns
            if why == 3 or (stops & e.STOP_ON_TOUCH) != 0:
                return
        if head[e.GATE_CUM] >= head[e.GATE_QTY]:
            return
