"""Parent orders: admission (R08), life by the table of market.parents, the end.

A parent is admitted whole or refused whole, with every reason. Its end is the gate's: leaves are
cancelled, and the remainder is booked with the constraint that caused it.
"""

from collections.abc import Collection
from typing import Any, Final

import msgspec

from daemon.gate import chains as gate_chains
from daemon.gate import day as gate_day
from daemon.gate import ended_parents
from daemon.gate.effects import ParentEnded
from daemon.gate.state import GateState, Parent
from market.events import CancelParent, PauseParent, ResumeParent, Stamp, SubmitParent
from market.parents import ParentOrder, ParentTrigger, Progress, next_status
from market.types import ParentID, ParentStatus, Side
from market.updates import ParentUpdate
from risk import admission, closing
from risk.controls import trips
from risk.headroom import headroom
from risk.posture import Posture, posture_in

PARENTS_MAX: Final = 10_000  # in memory, about 1 KiB each: ended ones leave, in lockstep none does
WAITING_TELL_NS: Final = 250_000_000  # headroom alone is told four times a second at most
ENDED_BY_KILL: Final = (
    "",
    "A",
    "P",
    "S",
)  # scopes whose kill ends parents; another strategy may take one over
T = ParentTrigger


def submit(g: GateState, stamp: Stamp, event: SubmitParent) -> None:
    """Admit a parent, or say every reason why not."""
    order = event.parent
    if not order.parent_id:
        order = msgspec.structs.replace(order, parent_id=free_id(g))
    faults = faults_of(g, stamp, order)
    if faults:
        refused(g, order.parent_id, faults)
        error = "; ".join(faults)
        g.reply(event.request_id, ok=False, error=error, faults=faults)
        return
    body: dict[str, Any] = {"ok": True, "parent_id": order.parent_id, "parent": msgspec.to_builtins(order)}
    if event.dry_run:
        g.reply(event.request_id, **body, dry_run=True)
        return
    enter(g, stamp, order)
    g.reply(event.request_id, **body)
    begin(g, stamp)


def faults_of(
    g: GateState, stamp: Stamp, order: ParentOrder, beside: list[ParentOrder] | None = None
) -> list[str]:
    """Return every reason to refuse a parent; `beside`: those that would be admitted in the same step."""
    beside = beside or []
    live = [p.order for p in g.live_parents.values()] + beside
    faults = admission.faults(g.risk, order, stamp.ts_ns, live)
    if len(g.parents) + len(beside) >= PARENTS_MAX:
        faults.append(f"R08 {PARENTS_MAX} parents at once; in lockstep none leaves: begin another run")
    if _used(g, order.parent_id) or any(p.parent_id == order.parent_id for p in beside):
        faults.append(f"R24 parent id {order.parent_id} was used before")
    return faults + killed_faults(g, order)


def killed_faults(g: GateState, order: ParentOrder) -> list[str]:
    """A kill has ended every parent that it is about; one that comes later would wake up with the rearm."""
    found = []
    for key in g.posture.holding(order.account, "", order.parent_id, order.symbol):
        cause, _, scope = key.partition("@")
        kills = posture_in(cause, g.posture.life(key)) is Posture.KILLED
        if kills and scope.partition("/")[0] in ENDED_BY_KILL:
            who = f"{scope} is" if scope else "the gate is"
            found.append(f"{cause} {who} killed ({g.posture.causes[key]}): submit it after the rearm")
    return found


def refused(g: GateState, parent_id: str, faults: list[str]) -> None:
    """Count a refusal by control, and note it."""
    g.counters["parents_refused"] += 1
    for control in {fault.split()[0] for fault in faults}:
        g.risk.refusals[control] = g.risk.refusals.get(control, 0) + 1
    g.note("warning", "parent refused", parent=parent_id, faults=faults)


def enter(g: GateState, stamp: Stamp, order: ParentOrder) -> None:
    """Take a parent in that nothing speaks against."""
    order = closing.with_reports(order, g.instruments.get(order.symbol))
    parent = Parent(
        order=order,
        progress=Progress(qty=order.qty),
        admitted_ts_ns=stamp.ts_ns,
        priced=admission.price_e4(g.risk, order) > 0,
    )
    g.parents[order.parent_id] = g.live_parents[order.parent_id] = parent
    g.counters["parents"] += 1
    g.note("info", "parent admitted", parent=order.parent_id, qty=order.qty, symbol=order.symbol)
    g.touched[order.parent_id] = None


def begin(g: GateState, stamp: Stamp) -> None:
    """After parents came: start those whose time it is."""
    g.refresh_wakeups()
    advance(g, stamp)


def free_id(g: GateState, taken: Collection[str] = ()) -> ParentID:
    """Return an id for a parent that came without one; `taken`: ids that are given in the same step."""
    number = len(g.parents) + g.archived.parents + 1
    while f"P{number}" in taken or _used(g, ParentID(f"P{number}")):
        number += 1
    return ParentID(f"P{number}")


def _used(g: GateState, parent_id: ParentID) -> bool:
    return ended_parents.look_up(g, parent_id) is not None


def shrunk(parent: Parent) -> None:
    """After an amendment down: what worked is gone. What traded meanwhile was admitted, and counts."""
    if not parent.ceiling_qty or parent.progress.committed_qty > max(
        parent.order.qty, parent.progress.cum_qty
    ):
        return
    parent.ceiling_qty = 0
    if parent.progress.cum_qty > parent.order.qty:
        parent.order = msgspec.structs.replace(parent.order, qty=parent.progress.cum_qty)
        parent.update(qty=parent.progress.cum_qty)


def pause(g: GateState, stamp: Stamp, event: PauseParent) -> None:
    """Cancel what works and hold."""
    _by_person(g, stamp, event, T.PAUSE)


def resume(g: GateState, stamp: Stamp, event: ResumeParent) -> None:
    """Go on."""
    _by_person(g, stamp, event, T.RESUME)


def cancel(g: GateState, stamp: Stamp, event: CancelParent) -> None:
    """End a parent before its time."""
    _by_person(g, stamp, event, T.CANCEL)


def _by_person(
    g: GateState, stamp: Stamp, event: PauseParent | ResumeParent | CancelParent, trigger: ParentTrigger
) -> None:
    parent = live_or_say(g, event.request_id, event.parent_id)
    if parent is None:
        return
    before = parent.progress.status
    if trigger is T.CANCEL:
        move(g, stamp, parent, trigger, "canceled by a person", ParentStatus.CANCELED)
    else:
        move(g, stamp, parent, trigger)
    after = parent.progress.status
    stays = after is before
    error = {"error": f"{event.parent_id} is {before.value}: cannot {trigger.value}"} if stays else {}
    g.reply(event.request_id, ok=not stays, parent_id=event.parent_id, status=after.value, **error)


def live_or_say(g: GateState, request_id: int, parent_id: ParentID) -> Parent | None:
    """Return a parent that lives; where none does, answer so."""
    parent = ended_parents.look_up(g, parent_id)
    if parent is not None and parent.live:
        return parent
    if parent is None:
        known = ", ".join(list(g.live_parents)[:5]) or "none is live"
        error = f"no parent {parent_id}; live: {known}"
    else:
        error = f"{parent_id} has ended: {parent.progress.status.value}"
    g.reply(request_id, ok=False, error=error)
    return None


# --- life -------------------------------------------------------------------------------------


def move(
    g: GateState,
    stamp: Stamp,
    parent: Parent,
    trigger: ParentTrigger,
    reason: str = "",
    ending: ParentStatus | None = None,
) -> None:
    """Take a trigger through the table; no row, no change."""
    before = parent.progress
    after = next_status(before.status, trigger, before.ending)
    if after is None:
        return
    if trigger is T.BUSTED:
        parent.update(status=after, remainder_reason="executions were busted after the end")
        g.note(
            "error",
            "a filled parent lost shares",
            parent=parent.order.parent_id,
            remaining=parent.progress.remaining,
        )
        return
    parent.update(status=after)
    if after is ParentStatus.CANCELING:
        parent.update(
            ending=ending or ParentStatus.EXPIRED,
            remainder_reason=reason or remainder_reason(g, stamp, parent, before.status),
            end_mid_micros=_mid(g, parent.order),
        )
    if after in (ParentStatus.PAUSED, ParentStatus.CANCELING):
        gate_chains.pull_parent(g, parent)
    if after is ParentStatus.WORKING and trigger is T.START:
        read_arrival(g, stamp, parent)
        strategy = strategy_of(g, parent)
        trips.parent_began(
            g.risk.memory, g.risk.limits, g.posture, strategy, parent.order, stamp.ts_ns, stamp.mono_ns
        )
    g.touched[parent.order.parent_id] = None
    if parent.live:
        settle(g, stamp, parent.order.parent_id)
    else:
        _end(g, stamp, parent)
    g.refresh_wakeups()


def settle(g: GateState, stamp: Stamp, parent_id: ParentID) -> None:
    """After a change of its chains: end the parent where it is filled or its leaves are gone."""
    parent = g.parents.get(parent_id)
    if parent is None:
        return
    shrunk(parent)
    if parent.progress.status is ParentStatus.FILLED and parent.progress.remaining > 0:
        move(g, stamp, parent, T.BUSTED)
    if not parent.live:
        return
    if parent.progress.cum_qty >= parent.progress.qty and not parent.chains:
        move(g, stamp, parent, T.FILLED)
    elif parent.progress.status is ParentStatus.CANCELING and not parent.chains:
        move(g, stamp, parent, T.LEAVES_GONE)
    elif (
        parent.progress.status in (ParentStatus.PAUSED, ParentStatus.CANCELING)
        or parent.progress.cum_qty >= parent.progress.qty
    ):
        gate_chains.pull_parent(g, parent)


def advance(g: GateState, stamp: Stamp) -> None:
    """Start and end parents whose time has come."""
    if not g.next_parent_ns or stamp.ts_ns < g.next_parent_ns:
        return
    for parent in list(g.live_parents.values()):
        status = parent.progress.status
        if status is ParentStatus.PENDING and stamp.ts_ns >= parent.order.start_ns:
            move(g, stamp, parent, T.START)
        if parent.live and status is not ParentStatus.CANCELING and stamp.ts_ns >= parent.order.end_ns:
            move(g, stamp, parent, T.END)


def read_arrival(g: GateState, stamp: Stamp, parent: Parent) -> None:
    """Read the arrival mid, at the later of admission and start, or as soon as there is one."""
    if parent.progress.arrival_mid_micros is not None or stamp.ts_ns < parent.order.start_ns:
        return
    mid = _mid(g, parent.order)
    if mid is None:
        return
    parent.update(arrival_mid_micros=mid, arrival_ns=stamp.ts_ns)
    g.touched[parent.order.parent_id] = None
    if not parent.priced:
        parent.priced = True
        faults = admission.value_faults(g.risk, parent.order)
        if faults:
            move(g, stamp, parent, T.CANCEL, "; ".join(faults), ParentStatus.CANCELED)


def judge_cost(g: GateState, stamp: Stamp, parent: Parent) -> None:
    """R32: a parent that costs too much pauses, once; one that costs twice that is halted."""
    order = parent.order
    law = g.risk.scopes.law(order.account, strategy_of(g, parent), order.symbol)
    found = trips.parent_cost(law, order, parent.progress)
    if found == "halt":
        text = f"{order.parent_id} costs more than {law.slippage.halt_bps} bps"
        g.posture.raise_("R32", text, stamp.mono_ns, f"P/{order.parent_id}")
    elif found == "pause" and not parent.costly:
        parent.costly = found
        g.note("warning", "R32 paused", parent=order.parent_id, bps=law.slippage.pause_bps)
        move(g, stamp, parent, T.PAUSE)


def remainder_reason(g: GateState, stamp: Stamp, parent: Parent, before: ParentStatus) -> str:
    """Name the constraint that left a remainder: limit price, risk control, participation, pause, time."""
    order, picture = parent.order, g.references.picture(parent.order.symbol)
    if parent.progress.cum_qty >= parent.progress.qty:
        return ""
    limit, market = order.limit_price_e4, g.risk.market_of(order.symbol)
    fault = g.references.fault(picture, stamp.mono_ns, market)
    if limit is not None and picture.mid_micros is not None and not fault:
        away = picture.ask_e4 > limit if order.side is Side.BUY else picture.bid_e4 < limit
        if away:
            return "limit price"
    firm = sorted(key for key in g.posture.causes if "@" not in key)
    if firm:
        return f"risk control {' '.join(firm)}"
    # The trader does not ask for orders in an unfit market, so that R06 has refused none. A fault that has
    # only just come is the reason of a parent that never had an order, and of no other.
    if fault and (not parent.progress.children or g.references.stale(picture, stamp.mono_ns, market)):
        return f"risk control R06: {fault}"
    names = (order.account, strategy_of(g, parent), order.parent_id, order.symbol)
    if held := g.posture.holding(*names):
        return f"risk control {' '.join(held)}"
    if parent.refused:
        return f"risk control {parent.refused}"
    if before is ParentStatus.PAUSED:
        return "paused"
    if order.max_participation_bp is not None:
        return "participation cap"
    return "end of window"


def _end(g: GateState, stamp: Stamp, parent: Parent) -> None:
    del g.live_parents[parent.order.parent_id]
    ended_parents.ended(g, parent)
    parent.ended_ts_ns = stamp.ts_ns
    filled = parent.progress.status is ParentStatus.FILLED
    parent.update(
        remainder_reason="" if filled else parent.progress.remainder_reason,
        end_mid_micros=parent.progress.end_mid_micros or _mid(g, parent.order),
    )
    g.effects.append(ParentEnded(parent.order.parent_id, parent.progress.status.value))
    g.note(
        "info",
        "parent ended",
        parent=parent.order.parent_id,
        status=parent.progress.status.value,
        filled=parent.progress.cum_qty,
        qty=parent.progress.qty,
        reason=parent.progress.remainder_reason,
    )


def _mid(g: GateState, order: ParentOrder) -> int | None:
    picture = g.references.picture(order.symbol)
    return picture.mid_micros if picture.current else None


# --- telling ----------------------------------------------------------------------------------


def can_trade(g: GateState, stamp: Stamp, parent: Parent) -> bool:
    """Return whether orders of a parent have a chance now; the rest of `headroom` says how much."""
    order, symbol = parent.order, parent.order.symbol
    strategy = strategy_of(g, parent)
    posture = g.posture.of(order.account, strategy, order.parent_id, symbol)
    market, picture = g.risk.scopes.law(order.account, strategy, symbol).market, g.references.picture(symbol)
    return (
        parent.progress.status is ParentStatus.WORKING
        and g.session.trading
        and posture <= Posture.REDUCE_ONLY
        and not g.overdue.get(symbol)
        and gate_day.open_now(g, stamp, symbol)
        and not g.references.fault(picture, stamp.mono_ns, market)
    )


def strategy_of(g: GateState, parent: Parent) -> str:
    """Return the policy that works a parent, "" where no trader does."""
    epoch = g.trader_of(parent.order.symbol)
    return g.traders[epoch].hello.policy if epoch is not None else parent.strategy


def tell(g: GateState, stamp: Stamp, parent: Parent) -> None:
    """Tell the trader how a parent stands, with its headroom, where that is news."""
    symbol = parent.order.symbol
    if g.trader_of(symbol) is None:
        return
    strategy = strategy_of(g, parent)
    room = headroom(g.risk, parent.order, parent.progress, strategy, stamp, can_trade(g, stamp, parent))
    news = (parent.order, parent.progress, room)
    if news == parent.told:
        return
    parent.told, parent.told_mono_ns = news, stamp.mono_ns
    g.tell(symbol, ParentUpdate(parent=parent.order, progress=parent.progress, headroom=room))


def tell_headroom(g: GateState, stamp: Stamp) -> None:
    """Tell headroom that has changed by itself, not too often."""
    for parent in g.live_parents.values():
        if stamp.mono_ns - parent.told_mono_ns >= WAITING_TELL_NS:
            tell(g, stamp, parent)
