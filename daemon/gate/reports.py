"""What the EMS says: order table, ledger and parents are kept. Whatever the posture, it is booked.

A report that contradicts the order it names is no fill of that order: it is a break, and is not booked.
"""

from typing import Final

from daemon.gate import chains as gate_chains
from daemon.gate import external as gate_external
from daemon.gate import parents as gate_parents
from daemon.gate import positions as gate_positions
from daemon.gate import retiring as gate_retiring
from daemon.gate import stops as gate_stops
from daemon.gate.effects import SendDontKnow
from daemon.gate.ended_parents import parent_of
from daemon.gate.state import ORDER_PREFIX, GateState
from market.child_order import Change, ChildOrder
from market.events import (
    ExecutionReport,
    MassCancelReport,
    MessageRejected,
    OrderCancelReject,
    SendFailed,
    Stamp,
)
from market.order_table import AWAITING, TERMINAL
from market.orders import DontKnow
from market.types import EXECUTIONS, ClOrdID, CxlRejReason, DKReason, ExecID, ExecType, OrdStatus
from risk import checks

# These may answer about nothing, and then name no side.
SIDELESS: Final = frozenset({ExecType.ORDER_STATUS, ExecType.REJECTED})
DONT_KNOW_MAX: Final = 1_000  # in one journal: a broker that goes on after these is not reading them


def report(g: GateState, stamp: Stamp, event: ExecutionReport) -> None:
    """35=8."""
    chain = _chain_of(g, event.cl_ord_id, event.orig_cl_ord_id)
    if chain is None:
        chain = _unknown_order(g, stamp, event)
    if chain is None:
        return
    fault = _contradiction(g, chain, event)
    if fault is not None:
        chain.stated_qty = max(chain.stated_qty, event.cum_qty)
        _dont_know(g, event, *fault)
        _after(g, stamp, chain, Change(breaks=(fault[0],)))
        return
    before, most, known = chain.status, chain.most_qty, chain.order_id
    change = chain.observe(event)
    if known and known != chain.order_id:
        g.drop_copy.renamed(known)
    grown = chain.most_qty > most
    if change.duplicate:
        g.counters["duplicate_reports"] += 1
    if change.qty or change.notional_e4:
        _book(g, stamp, chain, change)
    # What a cut line lost the answer to 35=H tells as rejected: the EMS never saw it, and refused nothing.
    rejected = chain.status is OrdStatus.REJECTED
    refused = rejected and before is not OrdStatus.REJECTED and event.exec_type is ExecType.REJECTED
    if refused or (not known and chain.order_id and not rejected):  # a cancel may be on its way before it
        g.risk.answered(refused, stamp.mono_ns)
    if refused:
        g.counters["ems_rejects"] += 1
        g.note("warning", "rejected by the EMS", cl_ord_id=chain.chain_id, text=event.text)
    _after(g, stamp, chain, change)
    if chain.live and before in TERMINAL:
        gate_stops.works_again(g, chain)
    if grown:
        _fits(g, stamp, chain)


def cancel_reject(g: GateState, stamp: Stamp, event: OrderCancelReject) -> None:
    """35=9."""
    chain = _chain_of(g, event.cl_ord_id, event.orig_cl_ord_id)
    if chain is None:
        g.counters["unknown_reports"] += 1
        return
    g.counters["cancel_rejects"] += 1
    g.risk.refused_change(stamp.mono_ns)
    change = chain.observe_reject(event)
    unknown = event.reason is CxlRejReason.UNKNOWN_ORDER and event.orig_cl_ord_id == chain.cl_ord_id
    if g.session.asks_by_cancel and unknown and chain.live:
        # Where no 35=H can be asked, this is the answer; by a name of before it says nothing of the order.
        change = chain.observe(_not_known(event))
    _after(g, stamp, chain, change)


def _not_known(event: OrderCancelReject) -> ExecutionReport:
    """Return "there is no such order" as a status answer says it."""
    return ExecutionReport(
        cl_ord_id=event.orig_cl_ord_id,
        exec_type=ExecType.ORDER_STATUS,
        ord_status=OrdStatus.REJECTED,
        exec_id=ExecID("0"),
    )


def mass_cancel_report(g: GateState, _: Stamp, event: MassCancelReport) -> None:
    """35=r: single cancels were sent beside it, so a refusal costs nothing."""
    level = "info" if event.accepted else "warning"
    g.note(level, "mass cancel", accepted=event.accepted, affected=event.total_affected, text=event.text)


def message_rejected(g: GateState, stamp: Stamp, event: MessageRejected) -> None:
    """35=j or 35=3: a definite no to one message; what cannot be told apart is asked for."""
    g.counters["messages_rejected"] += 1
    g.note("error", "message rejected", type=event.ref_msg_type, id=event.ref_id, text=event.text)
    if event.ref_msg_type == "AF":
        g.session.mass_status_id = ""
    elif event.ref_msg_type == "AN":
        gate_positions.refused(g, event.text)
    chain = gate_retiring.chain_of(g, event.ref_id)
    if chain is not None and event.ref_msg_type in ("D", "G", "F"):
        chain.withdraw(ClOrdID(event.ref_id))
        g.counters["ems_rejects"] += 1
        _after(g, stamp, chain, Change())
    elif (
        chain is not None
        and event.ref_msg_type == "H"
        and event.ref_id in (chain.replace_id, chain.cancel_id)
    ):
        chain.lost(ClOrdID(event.ref_id))
        _after(g, stamp, chain, Change())
    elif event.session_level and event.ref_msg_type not in ("H", "AF", "AN"):
        for pending in [c for c in g.live_chains() if c.status in AWAITING]:
            gate_chains.ask_status(g, pending)


def send_failed(g: GateState, stamp: Stamp, event: SendFailed) -> None:
    """The engine refused: no byte left, so the request never was."""
    g.counters["send_failed"] += 1
    g.note("warning", "not sent", type=event.msg_type, id=event.ref_id, reason=event.reason)
    if event.msg_type == "AF":
        g.session.mass_status_id = ""
        return
    chain = gate_retiring.chain_of(g, event.ref_id)
    if chain is None:
        return
    if event.msg_type == "H" and event.unsupported and chain.live:
        gate_chains.ask_by_cancel(g, chain)
    elif event.msg_type == "H" and event.unsupported and chain.old_answers:
        g.break_(f"{chain.chain_id}: at the EMS it works, here it is {chain.status.name}", stamp.mono_ns)
    elif event.msg_type in ("D", "G", "F"):
        chain.withdraw(ClOrdID(event.ref_id))
        if event.msg_type == "G" and event.unsupported and chain.live:
            gate_chains.unwant(g, chain.chain_id)  # no 35=G: cancelled, and what is wanted is asked for anew
        _after(g, stamp, chain, Change())


def _chain_of(g: GateState, cl_ord_id: ClOrdID, orig: ClOrdID | None) -> ChildOrder | None:
    return gate_retiring.chain_of(g, cl_ord_id) or (gate_retiring.chain_of(g, orig) if orig else None)


def _contradiction(g: GateState, chain: ChildOrder, event: ExecutionReport) -> tuple[str, DKReason] | None:
    """Return how a report contradicts the order that it names, None where it does not."""
    terms, said = chain.terms, event.exec_id
    if event.symbol and event.symbol != terms.symbol:
        text = f"{said}: a report of {event.symbol[:20]}, the order is in {terms.symbol}"
        return text, DKReason.OTHER
    if event.account and event.account != terms.account:
        text = f"{said}: a report of account {event.account[:20]}, the order is of {terms.account}"
        return text, DKReason.OTHER
    if event.side is not terms.side and event.exec_type not in SIDELESS:
        text = f"{said}: a report of a {event.side.name}, the order is a {terms.side.name}"
        return text, DKReason.WRONG_SIDE
    if event.exec_type in EXECUTIONS:
        owner = gate_retiring.owner_of(g, event.exec_id)
        if owner is None:
            owner = g.executions[event.exec_id] = chain.chain_id
        if owner != chain.chain_id:
            return f"{said}: this ExecID was an execution of {owner}", DKReason.OTHER
    return None


def _dont_know(g: GateState, event: ExecutionReport, text: str, reason: DKReason) -> None:
    """Tell the broker that an execution is not ours to know (35=Q): once, and of trades alone."""
    if event.exec_type is not ExecType.TRADE or event.poss_dup or event.poss_resend:
        return
    if event.exec_id in g.dont_known or len(g.dont_known) >= DONT_KNOW_MAX:
        return
    g.dont_known[event.exec_id] = None
    g.counters["dont_know"] += 1
    g.effects.append(
        SendDontKnow(
            DontKnow(
                order_id=event.order_id,
                exec_id=event.exec_id,
                reason=reason,
                symbol=event.symbol,
                side=event.side,
                qty=event.order_qty or 0,
                last_qty=event.last_qty,
                last_price_e4=event.last_price_e4,
                text=text,
            )
        )
    )


def _fits(g: GateState, stamp: Stamp, chain: ChildOrder) -> None:
    """The EMS made an order larger than we held possible: its parent must still hold it."""
    parent = parent_of(g, chain.terms.parent_id)
    if parent is None or parent.progress.committed_qty <= max(parent.progress.qty, parent.ceiling_qty):
        return
    text = f"may trade {chain.most_qty}; with it {parent.progress.committed_qty} of {parent.progress.qty}"
    g.break_(f"{chain.chain_id}: {text} of {parent.order.parent_id}", stamp.mono_ns)
    gate_chains.pull_parent(g, parent)


def _unknown_order(g: GateState, stamp: Stamp, event: ExecutionReport) -> ChildOrder | None:
    """An order that we do not know: ours by its name is a break, another desk's is returned where adopted."""
    g.counters["unknown_reports"] += 1
    if event.exec_type is ExecType.ORDER_STATUS and event.ord_status is OrdStatus.REJECTED:
        return None  # "there is no such order": the answer to a question of ours about nothing
    if event.cl_ord_id.startswith(ORDER_PREFIX):
        text = f"unknown order of ours: {event.cl_ord_id} {event.ord_status.name}"
        _dont_know(g, event, text, DKReason.NO_MATCHING_ORDER)
        g.break_(text, stamp.mono_ns)
        return None
    return gate_external.seen(g, stamp, event)


def _book(g: GateState, stamp: Stamp, chain: ChildOrder, change: Change) -> None:
    """Book executed shares: position, money, parent."""
    fee_e4 = g.risk.limits.loss.fee_e4
    g.risk.execute(chain, g.strategies.get(chain.chain_id, ""), change.qty, change.notional_e4, stamp)
    parent = parent_of(g, chain.terms.parent_id)
    if change.qty > 0:
        g.counters["fills"] += 1
    if parent is None:
        if chain.chain_id not in g.external:
            g.break_(f"{chain.chain_id} belongs to no parent", stamp.mono_ns)
        return
    progress = parent.progress
    parent.update(
        cum_qty=progress.cum_qty + change.qty,
        notional_e4=progress.notional_e4 + change.notional_e4,
        fees_micros=progress.fees_micros + change.qty * fee_e4 * checks.MICROS_PER_E4,
    )
    if parent.progress.cum_qty > max(parent.progress.qty, parent.ceiling_qty):
        text = f"{parent.order.parent_id}: {parent.progress.cum_qty} filled of {parent.progress.qty}"
        g.break_(text, stamp.mono_ns, "R14")
    if change.qty > 0:
        gate_parents.judge_cost(g, stamp, parent)


def _after(g: GateState, stamp: Stamp, chain: ChildOrder, change: Change) -> None:
    """Bring ledger, breaks, trader and parent in line with a chain that changed."""
    for text in change.breaks:
        cause = "R14" if text.startswith("overfill") else "R62"
        g.break_(f"{chain.chain_id}: {text}", stamp.mono_ns, cause)
    if change.doubt:
        gate_chains.doubt(g, stamp, chain, change.doubt)
    elif change.ask_status:
        gate_chains.ask_status(g, chain)
    gate_chains.track(g, chain)
    gate_retiring.ended(g, stamp, chain)
    if change.doubt or chain.terms.symbol in g.overdue:
        gate_chains.count_overdue(g, stamp)
    parent = parent_of(g, chain.terms.parent_id)
    if not chain.live:
        g.unwanted.pop(chain.chain_id, None)
        if parent is not None:
            parent.chains.pop(chain.chain_id, None)
    elif parent is not None:
        parent.chains[chain.chain_id] = None
        if chain.cancel_id is not None and chain.stands:
            gate_chains.unwant(g, chain.chain_id)  # whoever asked for the cancel: it is sent until it works
        if not parent.live and chain.chain_id not in g.unwanted:
            gate_chains.unwant(g, chain.chain_id)
            g.note("error", "an order works for a parent that has ended", order=chain.chain_id)
    if change.duplicate or chain.chain_id in g.external:
        return  # no trader is told of what is not ours
    fill = change.qty > 0
    g.tell_order(
        chain,
        stamp.ts_ns,
        last_qty=change.qty if fill else 0,
        last_price_e4=change.last_price_e4,
        exec_id=change.exec_id if fill else "",
    )
    gate_parents.settle(g, stamp, chain.terms.parent_id)
