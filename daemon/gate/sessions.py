"""The FIX sessions: logon, reconciliation, what was lost on the way.

DOWN, then RECONCILING (mass status, the status of every order that is not terminal, positions), then
TRADING. Nothing is ever sent again: what is in doubt is asked for.
"""

from typing import Final

from daemon.gate import absence
from daemon.gate import chains as gate_chains
from daemon.gate import positions as gate_positions
from daemon.gate import retiring as gate_retiring
from daemon.gate import stops as gate_stops
from daemon.gate.effects import AskMassStatus
from daemon.gate.state import GateState, Session
from market.events import (
    EngineAlarm,
    ExecutionReport,
    GateStarted,
    MessagesMissing,
    MessagesSkipped,
    MessagesUnsent,
    SessionDown,
    SessionUp,
    Stamp,
)
from market.order_table import AWAITING
from market.orders import MassStatus
from market.types import ExecType
from risk.posture import Posture

REFERENCE: Final = "reference"
TOO_LOW: Final = "MsgSeqNum too low"  # as every engine words it: the two sides count differently


def started(g: GateState, stamp: Stamp, event: GateStarted) -> None:
    """The gate's process began, for the first time or again."""
    g.configure(event, stamp.mono_ns)
    g.session = Session(logons=g.session.logons)
    g.traders.clear()
    g.oms.restarted()
    executed = {symbol: book.exec_qty for symbol, book in g.ledger.books.items()}
    g.drop_copy.restarted(event.drop_copy, stamp.mono_ns, executed)
    g.references.session(False, stamp.mono_ns)
    g.posture.clear("STOPPING")
    g.posture.raise_("R60", "no order session", stamp.mono_ns)
    g.posture.raise_("R67", "not reconciled since start", stamp.mono_ns)
    if event.killed:
        g.posture.raise_("R70", event.killed, stamp.mono_ns)
    for scope, text in event.killed_scopes:
        g.posture.raise_("R70", text, stamp.mono_ns, scope)
    if event.displaced:
        g.posture.raise_("R67C", event.displaced, stamp.mono_ns)
    g.kill_done = False  # what a crash left undone of a kill is done again
    # The machine may have been started anew, and its clock with it.
    for chain in g.live_chains():
        if chain.asked_mono_ns:
            chain.asked_mono_ns = stamp.mono_ns
    for wish in g.unwanted.values():
        wish.next_mono_ns = 0
    for picture in g.references.pictures.values():
        picture.locked_since_ns = picture.unfit_since_ns = 0
    for parent in g.live_parents.values():
        parent.told, parent.told_mono_ns = None, 0
    g.anchor = None if g.lockstep else g.anchor
    absence.began(g, stamp, event)


def session_up(g: GateState, stamp: Stamp, event: SessionUp) -> None:
    """A FIX session logged on."""
    if event.session == REFERENCE:
        g.references.session(True, stamp.mono_ns)
        return
    g.session.up, g.session.reason = True, ""
    g.session.logons += 1
    _ask_for_all(g, stamp)
    if g.posture.posture is Posture.KILLED and g.ledger.open_orders:
        gate_stops.mass_cancel(g)


def skipped(g: GateState, stamp: Stamp, event: MessagesSkipped) -> None:
    """Messages that we missed will never come: what they may have told is asked for, as after a logon."""
    if g.session.trading:  # while it is not, everything is being asked for already
        g.note("warning", "messages skipped", begin=event.begin, next=event.next)
        _ask_for_all(g, stamp)


def unsent(g: GateState, stamp: Stamp, event: MessagesUnsent) -> None:
    """Messages of ours never came, and are not sent again: what waits for an answer is asked for, now."""
    session = g.session
    if not session.up:
        return
    g.note("warning", "messages lost on their way", begin=event.begin, end=event.end)
    if session.mass_status_id:
        _ask_mass_status(g)
    gate_positions.lost(g, stamp)
    for chain in list(g.live_chains()):
        if chain.chain_id in session.awaited or chain.status in AWAITING:
            gate_chains.ask_status(g, chain)
    if g.posture.posture is Posture.KILLED and g.ledger.open_orders:
        gate_stops.mass_cancel(g)


def missing(g: GateState, stamp: Stamp, event: MessagesMissing) -> None:
    """Messages of theirs are missing, or all of them have come: until then no question has an answer."""
    session = g.session
    session.missing = event.begin
    if event.begin:
        g.note("warning", "messages missing, asked for", begin=event.begin)
    elif not session.trading:
        session.deadline_mono_ns = max(session.deadline_mono_ns, stamp.mono_ns + g.reconcile_wait_ns)


def _ask_mass_status(g: GateState) -> None:
    g.session.mass_status_id = g.next_request_id("M")
    g.session.mass_reports = 0
    g.effects.append(AskMassStatus(MassStatus(req_id=g.session.mass_status_id)))


def _ask_for_all(g: GateState, stamp: Stamp) -> None:
    """Ask what the broker has; nothing new is sent before it has said so."""
    session = g.session
    session.trading = False
    session.awaited = {chain.chain_id: None for chain in g.live_chains()}
    session.deadline_mono_ns = stamp.mono_ns + g.reconcile_wait_ns
    g.posture.reword("R60", "reconciling", stamp.mono_ns)
    _ask_mass_status(g)
    for chain in list(g.live_chains()):
        gate_chains.ask_status(g, chain)
    gate_positions.begin(g)


def session_down(g: GateState, stamp: Stamp, event: SessionDown) -> None:
    """A FIX session is gone: its orders are unknown, and count in full."""
    if event.session == REFERENCE:
        if g.references.up:
            g.note("warning", "reference session down", reason=event.reason)
        g.references.session(False, stamp.mono_ns)
        return
    if g.session.up or event.reason != g.session.reason:
        g.note("warning", "order session down", reason=event.reason)
    g.session.up = g.session.trading = False
    g.session.missing = 0
    g.session.reason = event.reason
    g.posture.reword("R60", event.reason or "order session down", stamp.mono_ns)
    if TOO_LOW in event.reason and not any(TOO_LOW in text for text in g.breaks):
        g.break_(f"order session: {event.reason}", stamp.mono_ns)  # a message that we lack, or sent, is lost
    g.touch_all()


def answered(g: GateState, event: ExecutionReport) -> bool:
    """Note an answer to a status request; True where the report says nothing of an order."""
    session = g.session
    if event.exec_type is not ExecType.ORDER_STATUS:
        return False
    chain = gate_retiring.chain_of(g, event.cl_ord_id)
    chain_id = chain.chain_id if chain is not None else None
    if event.poss_dup:  # sent again: it was asked for in another life of the session
        return chain_id is None and bool(event.mass_status_req_id) and event.total_reports == 0
    if event.mass_status_req_id:
        if event.mass_status_req_id == session.mass_status_id:
            session.mass_reports += 1
            if event.last_report or session.mass_reports >= event.total_reports:
                session.mass_status_id = ""
            if chain_id is not None:
                session.awaited.pop(chain_id, None)
        return chain_id is None and event.total_reports == 0
    if chain_id is not None:
        session.awaited.pop(chain_id, None)
    return False


def reconcile(g: GateState, stamp: Stamp) -> None:
    """Move on from RECONCILING when every question is answered; ask again when time is up."""
    session = g.session
    if not session.up or session.trading or session.missing:
        return
    for chain_id in [c for c in session.awaited if not g.chains[c].live]:
        del session.awaited[chain_id]
    late = stamp.mono_ns >= session.deadline_mono_ns
    if session.awaited and late:
        names = " ".join(list(session.awaited)[:5])
        g.note("error", "not reconciled", orders=names, count=len(session.awaited))
        session.deadline_mono_ns = stamp.mono_ns + g.reconcile_wait_ns
        for chain_id in session.awaited:
            gate_chains.ask_status(g, g.chains[chain_id])
    if session.awaited or (session.mass_status_id and not late):
        return
    if session.mass_status_id:
        g.note("warning", "mass status not answered", orders_known=len(g.ledger.held))
        session.mass_status_id = ""
    if not gate_positions.settled(g, stamp):
        return
    session.trading = True
    g.posture.clear("R60", stamp.mono_ns, dwell=g.dwell)
    g.posture.clear("R67", stamp.mono_ns)
    g.note("info", "trading", open_orders=g.ledger.open_orders, logons=session.logons)
    g.touch_all()


def engine_alarm(g: GateState, stamp: Stamp, event: EngineAlarm) -> None:
    """A message that may have been a fill could not be read, or our own code failed: stop and look."""
    if event.fatal:
        g.posture.raise_("R70", f"engine: {event.text}", stamp.mono_ns)
    else:
        g.break_(event.text, stamp.mono_ns)
