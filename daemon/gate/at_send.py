"""The last look at an order that waited for the disk: is it still to leave (GR3).

With `durability = "disk"` an order is judged, journaled, and sent only when its intent is on the disk: up to
some 75 ms later. What has been stepped in between may have taken away its reason: a kill, a halt, a cancel, a
pause, prices that moved or stopped, a session that went down. Its reservation stands all the while, so no
limit on exposure needs to be looked at again. One that may not leave never was: withdrawn, and said why.
"""

from daemon.gate import reports as gate_reports
from daemon.gate import retiring as gate_retiring
from daemon.gate.effects import DropHeld, SendHeld
from daemon.gate.state import GateState
from market.child_order import ChildOrder
from market.events import SendDue, SendFailed, Stamp
from market.types import MS, OrdStatus, ParentStatus, Side
from risk import checks
from risk.limit_tables import Market
from risk.posture import Posture


def due(g: GateState, stamp: Stamp, event: SendDue) -> None:
    """Its intent is on the disk."""
    chain = gate_retiring.chain_of(g, event.cl_ord_id)
    if chain is None:
        g.effects.append(DropHeld(event.cl_ord_id))
        return
    fault = unfit(g, stamp, chain, event)
    if not fault:
        g.effects.append(SendHeld(event.cl_ord_id))
        return
    g.effects.append(DropHeld(event.cl_ord_id))
    is_new = event.cl_ord_id == chain.chain_id
    if is_new and chain.cancel_id is not None:  # the cancel waits behind it, and is not needed
        _never_sent(g, stamp, "F", chain.cancel_id, fault)
    _never_sent(g, stamp, "D" if is_new else "G", event.cl_ord_id, fault)


def _never_sent(g: GateState, stamp: Stamp, msg_type: str, ref_id: str, reason: str) -> None:
    gate_reports.send_failed(g, stamp, SendFailed(msg_type=msg_type, ref_id=ref_id, reason=reason))


def unfit(g: GateState, stamp: Stamp, chain: ChildOrder, event: SendDue) -> str:
    """Return why an order may no longer leave, "" where it may."""
    terms = chain.terms
    waits = chain.replace_id == event.cl_ord_id or (
        chain.chain_id == event.cl_ord_id and chain.status is OrdStatus.PENDING_NEW
    )
    if not waits or chain.cancel_id is not None or chain.chain_id in g.unwanted:
        return "it was cancelled while it waited for the disk"
    if not g.session.trading:
        return "R60 no order session"
    strategy = g.strategies.get(chain.chain_id, "")
    posture = g.posture.of(terms.account, strategy, terms.parent_id, terms.symbol)
    if posture >= Posture.HALTED or posture > event.posture:
        return f"{posture.name} since it was approved: {g.posture.reason}"[:200]
    parent = g.parents.get(terms.parent_id)
    if parent is None or parent.progress.status is not ParentStatus.WORKING:
        return "its parent is not worked any more"
    if parent.progress.committed_qty > parent.progress.qty:
        return "R14 its parent was made smaller"
    law = g.risk.scopes.law(terms.account, strategy, terms.symbol)
    cap_ns = law.policy.decision_age_max_ms * MS
    if not checks.within(stamp.mono_ns - event.decided_mono_ns, cap_ns):
        return f"R50 decided {(stamp.mono_ns - event.decided_mono_ns) // MS} ms ago"
    if chain.replace_id == event.cl_ord_id and (fault := _of_changes(g, stamp, chain, strategy)):
        return fault
    return _of_market(g, stamp, chain, event, law.market)


def _of_changes(g: GateState, stamp: Stamp, chain: ChildOrder, strategy: str) -> str:
    """R22: cancels, which wait for nothing, may have used up the second of a replace."""
    terms = chain.terms
    for scope in g.risk.scopes.of(terms.account, strategy, terms.symbol):
        value = scope.tally.changes.count(stamp.mono_ns)
        cap = g.risk.rates.scaled(scope.limits.rates.changes_per_second)
        if not checks.within(value, cap):
            return f"R22 replaces and cancels in one second: {value} against {cap}"
    return ""


def _of_market(g: GateState, stamp: Stamp, chain: ChildOrder, event: SendDue, limits: Market) -> str:
    terms = chain.terms
    picture = g.references.picture(terms.symbol)
    fault = g.references.fault(picture, stamp.mono_ns, limits)
    if fault:
        return f"R06 {fault}"
    if not g.risk.phase(terms.symbol, stamp.ts_ns).open:
        return "R40 no continuous trading by the calendar"
    restricted = g.risk.memory.restricted
    if restricted is None or terms.symbol in restricted.symbols:
        return "R42 restricted"
    price_e4 = chain.replace_price_e4 if chain.replace_id == event.cl_ord_id else chain.price_e4
    mid_e4 = (picture.bid_e4 + picture.ask_e4) // 2
    if price_e4 and not checks.collar_passes(terms.side is Side.BUY, price_e4, mid_e4, limits.collar_bp):
        return "R05 the price has moved away from it"
    return ""
