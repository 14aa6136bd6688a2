"""The trader of an environment: what `TraderCore` keeps of orders and parent, as rows.

`deliver` hands over feed and reports in the order of their instants and stops where a decision is due,
in the middle of an instant if need be; what is left of that instant waits.
"""

from typing import Any, Final

from market.book_kernels import size_at
from policies import state_kernels as k
from policies.layout import (
    BUY_QTY_MAX,
    CAN_TRADE,
    END,
    HEADROOM,
    LIMIT,
    QTY,
    RATE_FREE,
    SELL_QTY_MAX,
    START,
)
from policies.schedule_kernels import NEVER, next_decision_ns
from policies.state import EARLY_NS
from policies.state_kernels import forget, observe
from research.environment import layout as e
from research.environment.compiled import env_kernel
from research.environment.gate_kernels import headroom
from research.environment.log_kernels import keep, note, note_order
from research.environment.row_kernels import close_gap, copy

SECOND_NS: Final = 1_000_000_000
BACKOFF_DOUBLINGS: Final = 5


# --- StateBuilder's own orders --------------------------------------------------------------------
@env_kernel
def fed_size_at(book: Any, head: Any, events: Any, side: int, price_e4: int) -> Any:
    """Return the shares at a price as the feed has shown them so far: the book less what waits to be fed."""
    size = size_at(book, side, price_e4)
    for at in range(head[e.EVENTS_FED], head[e.EVENTS_MADE]):
        event = events[at]
        if event.price_e4 != price_e4 or event.side != side:
            continue
        if event.kind == k.ADD or event.kind == k.REPLACE:
            size -= event.size
        elif event.kind == k.CANCEL or event.kind == k.DELETE or event.kind == k.EXECUTE:
            size += event.size
    return size


@env_kernel
def own_order(book: Any, head: Any, ints: Any, own: Any, own_ids: Any, events: Any, chain: Any) -> None:
    """Take a chain as it stands now: displayed, changed or gone (StateBuilder.order)."""
    leaves, price_e4 = chain[e.K_QTY] - chain[e.K_DONE], chain[e.K_PX]
    shown = chain[e.K_CROSSING] == 0 and chain[e.K_STATUS] < e.ENDED and leaves > 0 and price_e4 > 0
    at, rows = -1, head[e.T_OWN_ROWS]
    for r in range(rows):
        if own_ids[r] == chain[e.K_ID]:
            at = r
    if not shown:
        if at >= 0:
            last = rows - 1
            own_ids[at] = own_ids[last]
            copy(own[at], own[last])
            own[last] = 0
            head[e.T_OWN_ROWS] = last
        return
    if at < 0:
        if rows == own.shape[0]:
            head[e.OWN_OVERFLOW] += 1
            return
        at = rows
        own_ids[at] = chain[e.K_ID]
        own[at] = 0
        head[e.T_OWN_ROWS] += 1
    row = own[at]
    if row[k.LIVE] == 0 or row[k.O_PRICE] != price_e4 or leaves > row[k.O_LEAVES]:
        size = fed_size_at(book, head, events, head[e.SIGN_], price_e4)
        row[k.LIVE], row[k.O_SIDE], row[k.O_PRICE] = 1, head[e.SIGN_], price_e4
        row[k.O_AHEAD], row[k.O_TOTAL], row[k.O_SEEN] = size, size, 0
        row[k.O_SINCE] = ints[k.LAST_TS]
    row[k.O_LEAVES] = leaves
    row[k.O_PARENT] = 1


# --- what it hears --------------------------------------------------------------------------------
@env_kernel
def drop_chain(head: Any, chains: Any, c: int) -> None:
    """Take a chain out of the table, the order of the others kept."""
    head[e.CHAINS_LIVE] -= 1
    close_gap(chains, c, head[e.CHAINS_LIVE])


@env_kernel
def known(chain: Any, kind: int, qty: int, price_e4: int) -> None:
    """Take a report into what the gate knows of a chain (market.child_order, as far as it is used here)."""
    status = chain[e.K_STATUS]
    waits = status == e.PENDING_REPLACE
    if kind == e.R_FILL:
        chain[e.K_DONE] += qty
        if chain[e.K_DONE] >= max(chain[e.K_QTY], chain[e.K_PQTY]):
            chain[e.K_STATUS] = e.FILLED
        elif status <= e.NEW:
            chain[e.K_STATUS] = e.PARTIAL
    elif kind == e.R_ACK:
        chain[e.K_STATUS] = e.NEW if status == e.PENDING_NEW else status
    elif kind == e.R_OUT:
        chain[e.K_STATUS] = e.CANCELED
    elif kind == e.R_REFUSED:
        chain[e.K_STATUS] = e.REJECTED
    else:
        if kind == e.R_REPLACED:
            chain[e.K_QTY], chain[e.K_PX] = qty, price_e4
        if chain[e.K_DONE] >= chain[e.K_QTY]:
            chain[e.K_STATUS] = e.FILLED
        elif waits:
            chain[e.K_STATUS] = e.PARTIAL if chain[e.K_DONE] > 0 else e.NEW
    if chain[e.K_STATUS] >= e.ENDED or kind == e.R_REPLACED or kind == e.R_STANDS:
        chain[e.K_PQTY] = chain[e.K_PPX] = 0


@env_kernel
def take_order(
    book: Any, head: Any, ints: Any, floats: Any, own: Any, own_ids: Any, events: Any, chains: Any, row: Any,
    log: Any,
) -> None:  # fmt: skip
    """Take a report of the exchange through the gate to the trader (TraderCore._order)."""
    c = -1
    for at in range(head[e.CHAINS_LIVE]):
        if chains[at, e.K_ID] == row[e.R_CHAIN]:
            c = at
    if c < 0:
        head[e.DROPPED] += row[e.R_KIND] != e.R_STANDS
        return
    chain, before = chains[c], chains[c, e.K_DONE]
    known(chain, row[e.R_KIND], row[e.R_QTY], row[e.R_PX])
    note_order(head, log, chain, chain[e.K_DONE] - before, row[e.R_TS], -1)
    own_order(book, head, ints, own, own_ids, events, chain)
    head[e.T_LEVELS_FRESH] = 0
    qty, ended = chain[e.K_DONE] - before, chain[e.K_STATUS] >= e.ENDED
    if qty != 0:
        head[e.T_CUM] += qty
        head[e.T_OWN_VOLUME] += qty
        head[e.T_LAST_FILL] = row[e.R_TS]
        took = head[e.SIGN_] * chain[e.K_CROSSING]
        forget(floats, qty, took, max(-EARLY_NS, ints[k.LAST_TS] - row[e.R_TS]))
    if qty != 0 or ended:
        head[e.T_EVENT] = head[e.T_PARENT_NEWS] = 1
    if ended:
        drop_chain(head, chains, c)


@env_kernel
def take_parent(head: Any, desk: Any, ints: Any, chains: Any, limits: Any, stamp_ns: int, log: Any) -> None:
    """Take the parent as the gate tells it (ParentView.update)."""
    head[e.T_PARENT_NEWS] = 0
    head[e.T_STATUS] = head[e.GATE_STATUS]
    desk[QTY], desk[LIMIT], desk[END] = head[e.GATE_QTY], head[e.GATE_LIMIT], head[e.ENDS]
    headroom(head, desk, ints, chains, limits, stamp_ns)
    working = 0
    for c in range(head[e.CHAINS_LIVE]):
        working += chains[c, e.K_QTY] - chains[c, e.K_DONE]
    room = desk[BUY_QTY_MAX] if head[e.SIGN_] > 0 else desk[SELL_QTY_MAX]
    head[e.T_RISK_QTY] = head[e.T_CUM] + working + room
    head[e.T_SENT] = 0
    head[e.T_HEADROOM_NS] = stamp_ns
    head[e.T_RATE_MAX] = max(head[e.T_RATE_MAX], desk[RATE_FREE])
    note(
        head, log, e.LOG_PARENT, stamp_ns, head[e.GATE_STATUS], head[e.GATE_QTY], head[e.T_CUM],
        head[e.GATE_LIMIT], head[e.ENDS], 0, 0, 0,
    )  # fmt: skip
    h = HEADROOM
    note(
        head, log, e.LOG_HEADROOM, desk[h], desk[h + 1], desk[h + 2], desk[h + 3], desk[h + 4], desk[h + 5],
        desk[h + 6], desk[h + 7], 0,
    )  # fmt: skip


@env_kernel
def refused(head: Any, stamp_ns: int) -> None:
    """Take a refusal: wait, longer each time (TraderCore._refused)."""
    head[e.VETOES] += 1
    doublings = min(head[e.T_REFUSALS], BACKOFF_DOUBLINGS)
    head[e.T_WAIT] = stamp_ns + (SECOND_NS << doublings)
    head[e.T_REFUSALS] += 1


@env_kernel
def feed(
    head: Any, ints: Any, floats: Any, own: Any, events: Any, until: int, stamp_ns: int, log: Any, tape: Any
) -> None:
    """Take public events up to a row of the buffer, as one batch."""
    if tape.shape[0] > 0:
        note(head, log, e.LOG_FEED, stamp_ns, head[e.TAPED], until - head[e.EVENTS_FED], 0, 0, 0, 0, 0, 0)
        keep(head, tape, events, head[e.EVENTS_FED], until)
    observe(ints, floats, own, events[head[e.EVENTS_FED] : until])
    head[e.EVENTS_FED] = until
    head[e.T_LEVELS_FRESH] = 0
    bid, ask = ints[k.BID], ints[k.ASK]
    moved = bid != head[e.T_MARKET_BID] or ask != head[e.T_MARKET_ASK]
    head[e.T_MARKET_BID], head[e.T_MARKET_ASK] = bid, ask
    if moved and (bid != head[e.T_TOUCH_BID] or ask != head[e.T_TOUCH_ASK]):
        head[e.T_TOUCHED] = 1


@env_kernel
def due_ns(head: Any, desk: Any, pace: Any) -> Any:
    """Return the market time of the next decision (ParentView.due_ns), NEVER while it is not worked."""
    if head[e.T_STATUS] != e.P_WORKING:
        return NEVER
    last = head[e.T_LAST_DECISION]
    if last == 0:
        return head[e.STARTED]
    stops = pace[e.STOPS]
    event = (head[e.T_EVENT] != 0 and stops & e.STOP_ON_FILL != 0) or (
        head[e.T_TOUCHED] != 0 and stops & e.STOP_ON_TOUCH != 0
    )
    return next_decision_ns(last, int(event), desk[START], desk[END], pace[e.INTERVAL], pace[e.GAP])


@env_kernel
def flipped(head: Any, desk: Any, ints: Any) -> None:
    """Have the gate say at once where the parent can trade again, or no longer; anything else may wait."""
    can_trade = head[e.GATE_STATUS] == e.P_WORKING and ints[k.BID] > 0 and ints[k.ASK] > 0
    if can_trade != (desk[CAN_TRADE] != 0):
        head[e.T_PARENT_NEWS] = 1


# --- in the order of their instants ---------------------------------------------------------------
@env_kernel
def deliver(
    book: Any, head: Any, desk: Any, ints: Any, floats: Any, own: Any, own_ids: Any, chains: Any,
    reports: Any, events: Any, limits: Any, pace: Any, log: Any, tape: Any,
) -> Any:  # fmt: skip
    """Hand over all that can be seen by the instant played; True where a decision is due, False when done."""
    played = head[e.PLAYED]
    while True:
        report_ns = reports[0, e.R_AT] if head[e.REPORTS_WAITING] > 0 else NEVER
        fed, made = head[e.EVENTS_FED], head[e.EVENTS_MADE]
        stamp = played
        if head[e.T_PARENT_NEWS] != 0:
            stamp = head[e.NOW_NS]
            take_parent(head, desk, ints, chains, limits, stamp, log)
        elif report_ns <= played:
            stamp, until = report_ns, fed
            early = reports[0, e.R_EARLY]
            while until < made and events[until].ts_ns <= report_ns - early:
                until += 1
            if until > fed:
                feed(head, ints, floats, own, events, until, stamp, log, tape)
                flipped(head, desk, ints)
            else:
                head[e.NOW_NS] = max(head[e.NOW_NS], stamp)
                take_order(book, head, ints, floats, own, own_ids, events, chains, reports[0], log)
                head[e.REPORTS_WAITING] -= 1
                close_gap(reports, 0, head[e.REPORTS_WAITING])
        elif fed < made:
            feed(head, ints, floats, own, events, made, stamp, log, tape)
            flipped(head, desk, ints)
        else:
            break
        head[e.NOW_NS] = max(head[e.NOW_NS], stamp)
        if head[e.NOW_NS] >= due_ns(head, desk, pace):
            return True
    head[e.EVENTS_FED] = head[e.EVENTS_MADE] = 0
    head[e.NOW_NS] = max(head[e.NOW_NS], played)
    note(head, log, e.LOG_TIMER, head[e.NOW_NS], 0, 0, 0, 0, 0, 0, 0, 0)
    return head[e.NOW_NS] >= due_ns(head, desk, pace)
