"""R62: every execution is told twice, by the order session and by the drop copy, and the two must agree.

They are matched by ExecID. One that contradicts the other is a break at once; one that only one side has told
is a break when MATCH_NS have passed in which both lines were up and neither was catching up. While the drop
copy is down, or tells what it owes, nothing can be confirmed: then its lag grows, and reduces. What its
executions come to in each symbol must be what we booked, or it is a break, too. A break halts, and people
clear it as they clear others.
"""

from itertools import islice
from typing import Final

from daemon.gate import retiring as gate_retiring
from daemon.gate.archive import COPIED
from daemon.gate.drop_copy_state import Counted, DropCopy, Said
from daemon.gate.state import ORDER_PREFIX, GateState
from market.copy_events import DropCopied, DropCopyLine
from market.events import ExecutionReport, Stamp
from market.types import EXECUTIONS, MS, ExecID, ExecType
from risk import checks

MATCHED_MAX: Final = 10_000  # executions remembered in memory; older ones are in the archive
MATCHED_A_RECORD: Final = 64  # that go there at once
MATCH_NS: Final = 2_000_000_000  # machine time that one side may be behind the other
SHOWN_MAX: Final = 5  # symbols in one line


def line(g: GateState, stamp: Stamp, event: DropCopyLine) -> None:
    """The drop copy session came or went."""
    copy = g.drop_copy
    if event.up != copy.up or event.reason != copy.reason:
        g.note("info" if event.up else "warning", "drop copy", up=event.up, reason=event.reason)
    if copy.up and not event.up:
        copy.down_mono_ns = stamp.mono_ns
    copy.up, copy.reason, copy.missing = event.up, event.reason, event.missing
    if "R62L" in g.posture.causes:
        g.posture.reword("R62L", _late_words(copy), stamp.mono_ns)


def told(g: GateState, stamp: Stamp, event: ExecutionReport) -> None:
    """The order session told an execution."""
    copy = g.drop_copy
    if not copy.configured or event.exec_type not in EXECUTIONS or _matched(g, event.exec_id):
        return
    said = _said(event, stamp)
    chain = gate_retiring.look_up(g, event.cl_ord_id)
    if chain is None:
        copy.take_out(event.exec_id)
    elif not said.symbol:
        said.symbol = chain.terms.symbol
    theirs = copy.theirs.pop(event.exec_id, None)
    if theirs is None:
        copy.ours.setdefault(event.exec_id, said)
    else:
        _compare(g, stamp, event.exec_id, said, theirs)


def copied(g: GateState, stamp: Stamp, event: DropCopied) -> None:
    """The drop copy told an execution."""
    copy = g.drop_copy
    copy.offset = max(copy.offset, event.offset)
    if event.unreadable:
        g.break_(f"drop copy: {event.unreadable}", stamp.mono_ns)
        return
    if _matched(g, event.exec_id):
        return
    said = _said(event, stamp)
    ours = copy.ours.pop(event.exec_id, None)
    copy.count(event.exec_id, _counted(g, event))
    if ours is not None and gate_retiring.look_up(g, ours.cl_ord_id) is None:
        copy.take_out(event.exec_id)
    if ours is None:
        copy.theirs.setdefault(event.exec_id, said)
    else:
        if ours.seen_mono_ns < copy.both_mono_ns:
            copy.both_mono_ns = stamp.mono_ns  # of before it came up: it is catching up, the rest may follow
        _compare(g, stamp, event.exec_id, ours, said)


def _counted(g: GateState, event: DropCopied) -> Counted:
    shares = event.side.sign * event.last_qty
    if event.exec_type is ExecType.TRADE:
        return Counted(event.symbol, shares, shares)
    before = g.drop_copy.counted.get(event.exec_ref_id)
    undone = before.shares if before is not None else shares
    stands = shares if event.exec_type is ExecType.TRADE_CORRECT else 0
    return Counted(event.symbol, stands, stands - undone)


def _said(event: ExecutionReport | DropCopied, stamp: Stamp) -> Said:
    return Said(
        event.exec_type,
        event.order_id,
        event.cl_ord_id,
        event.symbol,
        event.side,
        event.last_qty,
        event.last_price_e4,
        stamp.mono_ns,
    )


def tick(g: GateState, stamp: Stamp) -> None:
    """Judge what has waited for too long, and how far the drop copy is behind."""
    copy = g.drop_copy
    if not copy.configured:
        return
    both = copy.up and g.session.trading and not (copy.missing or g.session.missing)
    if not both:
        copy.both_mono_ns = 0
    elif not copy.both_mono_ns:
        copy.both_mono_ns = stamp.mono_ns
    if both:
        _overdue(g, stamp)
        _positions(g, stamp)
    _lag(g, stamp)


def _overdue(g: GateState, stamp: Stamp) -> None:
    copy = g.drop_copy
    for waiting, missing in (
        (copy.ours, "the drop copy does not"),
        (copy.theirs, "the order session did not"),
    ):
        for exec_id, said in list(waiting.items()):
            if stamp.mono_ns - max(said.seen_mono_ns, copy.both_mono_ns) < MATCH_NS:
                break  # the oldest come first
            del waiting[exec_id]
            _match(g, exec_id)
            if waiting is copy.theirs and not _is_ours(g, said):
                copy.others += 1
                copy.take_out(exec_id)
                g.note("warning", "another desk's execution", exec_id=exec_id, order_id=said.order_id)
                continue
            copy.named(exec_id, said, booked=waiting is copy.ours)
            who = "the order session told" if waiting is copy.ours else "the drop copy tells"
            g.break_(f"drop copy: {who} {exec_id}, {_words(said)}; {missing}", stamp.mono_ns)


def _positions(g: GateState, stamp: Stamp) -> None:
    """Hold the sum of its executions in each symbol against what we booked, once nothing waits."""
    copy = g.drop_copy
    if copy.ours or copy.theirs:
        return
    booked = {s: book.exec_qty - copy.begun.get(s, 0) for s, book in g.ledger.books.items()}
    found = [
        f"{symbol}: it tells {copy.net.get(symbol, 0)} executed, we booked {booked.get(symbol, 0)}"
        for symbol in sorted(booked.keys() | copy.net.keys())
        if copy.net.get(symbol, 0) != booked.get(symbol, 0)
    ]
    if not found:
        copy.differs_mono_ns = 0
    elif not copy.differs_mono_ns:
        copy.differs_mono_ns = stamp.mono_ns
    elif stamp.mono_ns - copy.differs_mono_ns >= MATCH_NS:
        g.break_(f"drop copy: {'; '.join(found[:SHOWN_MAX])}", stamp.mono_ns)


def _is_ours(g: GateState, said: Said) -> bool:
    """Return whether an execution is of an order of ours, by ClOrdID or by the EMS's OrderID."""
    if said.cl_ord_id.startswith(ORDER_PREFIX) or gate_retiring.look_up(g, said.cl_ord_id) is not None:
        return True
    if said.order_id in g.drop_copy.earlier:
        return True
    if said.order_id and gate_retiring.is_ours(g, said.order_id):
        return True
    return any(chain.order_id == said.order_id for chain in g.chains.values() if said.order_id)


def _matched(g: GateState, exec_id: ExecID) -> bool:
    """Return whether both lines have told an execution, or it was judged."""
    copy = g.drop_copy
    return exec_id in copy.matched or bool(copy.archived and g.archive.get(COPIED + exec_id) is not None)


def _match(g: GateState, exec_id: ExecID) -> None:
    """Remember that; the oldest leave the memory, where orders do."""
    copy = g.drop_copy
    copy.matched[exec_id] = None
    if len(copy.matched) >= MATCHED_MAX and g.retire_after_ns is not None:
        oldest = list(islice(copy.matched, MATCHED_A_RECORD))
        for name in oldest:
            del copy.matched[name]
        copy.archived += len(oldest)
        gate_retiring.keep(g, tuple(COPIED + name for name in oldest), "", b"")


def _compare(g: GateState, stamp: Stamp, exec_id: ExecID, ours: Said, theirs: Said) -> None:
    _match(g, exec_id)
    differences = [
        f"{name} {mine} or {other}"
        for name, mine, other in (
            ("ExecType", ours.kind.name, theirs.kind.name),
            ("OrderID", ours.order_id, theirs.order_id),
            ("symbol", ours.symbol, theirs.symbol),
            ("side", ours.side.name, theirs.side.name),
            ("quantity", ours.qty, theirs.qty),
            ("price", ours.price_e4, theirs.price_e4),
        )
        if mine != other and mine and other
    ]
    if differences:
        g.break_(f"drop copy: {exec_id} differs: {', '.join(differences)}", stamp.mono_ns)


def _words(said: Said) -> str:
    return f"{said.side.name} {said.qty} {said.symbol} at {said.price_e4 / 10_000:g} of order {said.order_id}"


def _lag(g: GateState, stamp: Stamp) -> None:
    """Raise and clear R62L, not anew with every look."""
    copy, since = g.drop_copy, stamp.mono_ns
    if not copy.up:
        since = copy.down_mono_ns
    elif copy.ours:
        since = next(iter(copy.ours.values())).seen_mono_ns
    copy.lag_ms = max(0, stamp.mono_ns - since) // MS
    g.risk.memory.measured.drop_copy_lag_ms = copy.lag_ms
    late = checks.trips(copy.lag_ms, g.risk.limits.machine.drop_copy_lag_max_ms)
    if late != ("R62L" in g.posture.causes):
        g.posture.hold("R62L", late, _late_words(copy), stamp.mono_ns)


def _late_words(copy: DropCopy) -> str:
    return f"drop copy {copy.lag_ms} ms behind" if copy.up else f"the drop copy is down: {copy.reason}"
