"""Sessions and people: logon and reconciliation, traders coming and going, kill, rearm, shutdown.

DOWN, then RECONCILING (mass status, the status of every order that is not terminal, positions), then
TRADING.
Nothing is ever sent again: what is in doubt is asked for.
"""

from typing import Final

from daemon.gate import absence
from daemon.gate import chains as gate_chains
from daemon.gate import parents as gate_parents
from daemon.gate import positions as gate_positions
from daemon.gate import retiring as gate_retiring
from daemon.gate.effects import (
    AskMassStatus,
    DropTrader,
    LatchKill,
    SendMassCancel,
    Tell,
)
from daemon.gate.state import GateState, Session, Trader
from market.events import (
    LINK_PROTOCOL,
    ClockAnchor,
    EngineAlarm,
    ExecutionReport,
    GateStarted,
    Kill,
    MessagesSkipped,
    MessagesUnsent,
    SessionDown,
    SessionUp,
    Shutdown,
    Stamp,
    TraderGone,
    TraderHello,
    TraderStatus,
)
from market.order_table import AWAITING
from market.orders import MassCancel, MassStatus
from market.parents import ParentTrigger
from market.types import ClOrdID, ExecType, ParentStatus
from market.updates import AnchorUpdate, HelloAck, OrderUpdate, PostureUpdate, Synced
from risk.limits import is_listed
from risk.posture import Posture

REFERENCE: Final = "reference"
EPOCHS_MAX: Final = 10_000  # starts of traders in one journal: a crash loop ends before
TRADERS_MAX: Final = 64  # symbol groups
USED_BEFORE: Final = "an epoch that was used before:"
TAKEN: Final = "another trader works"
PASSING: Final = (USED_BEFORE, TAKEN)  # refusals that a trader may meet with by asking again
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
        _mass_cancel(g)


def _mass_cancel(g: GateState) -> None:
    """35=q, counted (R21) and never judged, as every cancel."""
    g.risk.firm.tally.messages.take()
    g.effects.append(SendMassCancel(MassCancel(cl_ord_id=ClOrdID(g.next_request_id("Q")))))


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
        _mass_cancel(g)


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
    if not session.up or session.trading:
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


# --- traders ----------------------------------------------------------------------------------


def trader_hello(g: GateState, stamp: Stamp, event: TraderHello) -> None:
    """A trader came: tell it everything that lives, oldest first."""
    fault = hello_fault(g, event)
    if fault:
        ack = HelloAck(protocol=LINK_PROTOCOL, accepted=False, reason=fault, again=fault.startswith(PASSING))
        g.effects += [Tell(event.epoch, ack), DropTrader(event.epoch, fault)]
        g.note("warning", "trader refused", epoch=event.epoch, reason=fault)
        return
    g.epochs_seen.add(event.epoch)
    g.traders[event.epoch] = Trader(hello=event)
    absence.came(g, event.symbols)
    ack = HelloAck(protocol=LINK_PROTOCOL, accepted=True, anchor=g.anchor, lockstep=g.lockstep)
    g.effects.append(Tell(event.epoch, ack))
    posture = PostureUpdate(posture=g.posture.posture.name, reason=g.posture.reason)
    g.effects.append(Tell(event.epoch, posture))
    for parent in g.live_parents.values():
        if parent.order.symbol in event.symbols:
            parent.told = None
            gate_parents.tell(g, stamp, parent)
    for chain in g.live_chains():
        if chain.terms.symbol in event.symbols and chain.chain_id not in g.external:
            update = OrderUpdate(order=chain.working(), ts_ns=stamp.ts_ns)
            g.effects.append(Tell(event.epoch, update))
    g.effects.append(Tell(event.epoch, Synced()))
    g.note("info", "trader connected", epoch=event.epoch, policy=event.policy, symbols=event.symbols)


def hello_fault(g: GateState, event: TraderHello) -> str:
    """Return why a trader is not accepted, "" where it is."""
    allowed = g.risk.limits.allowed
    if event.protocol != LINK_PROTOCOL:
        return f"link protocol {event.protocol}, the gate speaks {LINK_PROTOCOL}: run both of one version"
    if event.epoch in g.epochs_seen or len(g.epochs_seen) >= EPOCHS_MAX:
        return f"{USED_BEFORE} {event.epoch}"
    unknown = [s for s in event.symbols if s not in g.instruments]
    if unknown or not event.symbols:
        return f"symbols not configured here: {', '.join(unknown) or 'none given'}"
    taken = [s for s in event.symbols if g.trader_of(s) is not None]
    if taken or len(g.traders) >= TRADERS_MAX:
        return f"{TAKEN} {', '.join(taken)}"
    if event.policy_sha256 and not is_listed(event.policy_sha256, allowed.artefacts):
        return f"R51 artefact {event.policy_sha256[:12]} of {event.policy} is not in allowed.artefacts"
    if not event.policy_sha256 and not is_listed(event.policy, allowed.policies):
        return f"R50 policy {event.policy} is not in allowed.policies"
    return ""


def trader_gone(g: GateState, stamp: Stamp, event: TraderGone) -> None:
    """The link closed: parents wait, time goes on; working orders stand for a while."""
    trader = g.traders.pop(event.epoch, None)
    if trader is not None:
        absence.left(g, stamp, trader.hello.symbols)
        g.note("warning", "trader gone", epoch=event.epoch, reason=event.reason)


def trader_status(g: GateState, _: Stamp, event: TraderStatus) -> None:
    """The trader's own word on its fitness."""
    trader = g.traders.get(event.epoch)
    if trader is not None:
        trader.fit, trader.text, trader.decisions = event.fit, event.text, event.decisions
        trader.silent_ns = 0


def clock_anchor(g: GateState, _: Stamp, event: ClockAnchor) -> None:
    """Market time begins; limits on rates follow the speed of a paper run."""
    if g.anchor == event:
        return
    g.anchor = event
    g.risk.rates.speed = event.speed if g.mode == "paper" else 1.0
    if g.risk.rates.speed > 1:
        rates = g.risk.limits.rates
        g.note(
            "info",
            "R20 times the speed of this run",
            speed=event.speed,
            orders_per_second=g.risk.rates.scaled(rates.orders_per_second),
            orders_per_second_symbol=g.risk.rates.scaled(rates.orders_per_second_symbol),
        )
    g.effects += [Tell(epoch, AnchorUpdate(anchor=event)) for epoch in g.traders]


# --- kill, rearm, stop ------------------------------------------------------------------------


def kill(g: GateState, stamp: Stamp, event: Kill) -> None:
    """R70: latch first, then stop authorising, then cancel everything."""
    text = f"{event.source}: {event.reason}" if event.reason else event.source
    g.posture.raise_("R70", text, stamp.mono_ns)
    pull_everything(g, stamp)
    g.reply(event.request_id, ok=True, posture="KILLED", open_orders=g.ledger.open_orders)


def pull_everything(g: GateState, stamp: Stamp) -> None:
    """Mass cancel, a cancel for each order beside it, and the end of every parent."""
    g.kill_done = True
    reason = g.posture.reason
    g.effects.append(LatchKill(reason[:500]))
    g.note("error", "killed", reason=reason, open_orders=g.ledger.open_orders)
    if g.session.up and g.ledger.open_orders:
        _mass_cancel(g)
    for chain_id in g.ledger.held:
        gate_chains.unwant(g, chain_id)
    for parent in list(g.live_parents.values()):
        gate_parents.move(
            g, stamp, parent, ParentTrigger.CANCEL, f"kill switch: {reason}"[:200], ParentStatus.CANCELED
        )


def shutdown(g: GateState, stamp: Stamp, event: Shutdown) -> None:
    """No new orders; what works is cancelled; parents wait for the next start."""
    g.posture.raise_("STOPPING", "shutting down", stamp.mono_ns)
    g.risk.memory.stopped = True
    for chain_id in g.ledger.held:
        gate_chains.unwant(g, chain_id)
    g.reply(event.request_id, ok=True)


def settle_posture(g: GateState, stamp: Stamp) -> None:
    """After every step: tell a new posture, and carry out a kill, from whatever it came."""
    if g.posture.changes == g.settled_changes and (g.kill_done or g.posture.posture is not Posture.KILLED):
        return
    now = (g.posture.posture, g.posture.reason)
    if now[0] is Posture.KILLED and not g.kill_done:
        pull_everything(g, stamp)
        now = (g.posture.posture, g.posture.reason)
    g.settled_changes = g.posture.changes
    if now == g.told_posture:
        return
    if now[0] is not g.told_posture[0]:
        g.note("warning" if now[0] else "info", "posture", posture=now[0].name, reason=now[1])
        g.touch_all()
    g.told_posture = now
    update = PostureUpdate(posture=now[0].name, reason=now[1])
    g.effects += [Tell(epoch, update) for epoch in g.traders]
