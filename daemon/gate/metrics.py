"""The gate's metrics: handles bound once; counters move with each step, gauges once a second."""

import importlib.metadata
import platform
import time
from collections import Counter
from typing import Any, Final

from daemon.gate.core import GateCore
from daemon.gate.effects import ParentEnded, SendCancel, SendOrder, Step, Tell
from daemon.gate.line_metrics import LineMetrics
from daemon.gate.risk_metrics import RiskMetrics
from daemon.metrics.block import Metrics
from daemon.metrics.catalogue import CAUSE_IDS, CONTROLS
from daemon.metrics.slots import ParentSlots
from market import events as ev
from market.orders import NewOrder
from market.parents import ParentOrder, Progress, shortfall_bps
from market.types import ExecType, ParentStatus, Side
from risk.limits import Limits
from risk.posture import Posture

REPORT_EVENTS: Final = {
    ExecType.NEW: "ack",
    ExecType.TRADE: "fill",
    ExecType.CANCELED: "canceled",
    ExecType.REPLACED: "replaced",
    ExecType.REJECTED: "rejected",
    ExecType.EXPIRED: "expired",
}
STATES: Final = {
    ParentStatus.PENDING: "pending",
    ParentStatus.WORKING: "active",
    ParentStatus.PAUSED: "paused",
    ParentStatus.CANCELING: "ending",
}
UNANSWERED_MAX: Final = 4096  # requests whose answer is timed; many times what a gate has out at once
MICROS: Final = 1_000_000


class GateMetrics:
    """Everything that the gate counts for Prometheus."""

    def __init__(self, metrics: Metrics, limits: Limits, currency: str) -> None:
        m = self._m = metrics
        self._currency = currency
        m.gauge(
            "steadyhand_build_info",
            version=importlib.metadata.version("steadyhand"),
            python=platform.python_version(),
        ).set(1)
        m.gauge("steadyhand_config_info", config="", limits=limits.digest()[:12]).set(1)
        m.gauge("steadyhand_mode", mode=limits.mode).set(1)
        self.ready = m.gauge("steadyhand_ready")
        self.intent_to_wire = m.histogram("steadyhand_intent_to_wire_seconds")
        self.loop_lag = m.histogram("steadyhand_event_loop_lag_seconds")
        self.fsync = m.histogram("steadyhand_journal_fsync_seconds")
        self._journal_bytes = m.counter("steadyhand_journal_bytes_total")
        self._frames_out = m.counter("steadyhand_link_frames_total", direction="out")
        self.frames_in = m.counter("steadyhand_link_frames_total", direction="in")
        self._fix_out = m.counter("steadyhand_fix_messages_total", session="order", direction="out")
        self._events = {
            name: m.counter("steadyhand_order_events_total", event=name)
            for name in ("new", "replace", "cancel", "cancel_rejected", *REPORT_EVENTS.values())
        }
        self._refused = m.counter("steadyhand_order_rejects_total", origin="risk")
        self._rejected = m.counter("steadyhand_order_rejects_total", origin="venue")
        self._killed = m.gauge("steadyhand_kill_switch_engaged")
        self._causes = {c: m.gauge("steadyhand_posture_causes", cause=c) for c in CAUSE_IDS}
        self._working = m.gauge("steadyhand_orders_working")
        self._oldest = m.gauge("steadyhand_orders_unacked_oldest_timestamp_seconds")
        self._connected = m.gauge("steadyhand_trader_connected")
        self._up = {s: m.gauge("steadyhand_fix_session_up", session=s) for s in ("order", "reference")}
        self._logons = {
            s: m.counter("steadyhand_fix_logons_total", session=s) for s in ("order", "reference")
        }
        self._fix_in = {
            s: m.counter("steadyhand_fix_messages_total", session=s, direction="in")
            for s in ("order", "reference")
        }
        self._seen_refusals: dict[str, int] = {}
        self._risk = RiskMetrics(m)
        self._lines = LineMetrics(m)
        self.oms_unread = m.gauge("steadyhand_oms_unread_bytes")
        self._ack = {
            kind: m.histogram("steadyhand_order_ack_seconds", kind=kind)
            for kind in ("new", "replace", "cancel")
        }
        self._asked: dict[str, tuple[str, float]] = {}  # ClOrdID: kind, monotonic seconds
        self._slots = ParentSlots(m)
        self._symbols: frozenset[str] = frozenset()  # what the wire may name in a label
        self._journal_end = 0

    def close(self) -> None:
        """Take the counters away: the gate ends in order."""
        self._m.close()

    def received(self, session: str) -> None:
        """A FIX application message came."""
        self._fix_in[session].inc()

    def stepped(self, event: ev.Event, step: Step, journal_end: int) -> None:
        """Count what a step did."""
        self._journal_bytes.inc(max(0, journal_end - self._journal_end))
        self._journal_end = journal_end
        for effect in step.effects:
            kind = type(effect)
            if kind is Tell:
                self._frames_out.inc()
            elif isinstance(effect, SendOrder):
                new = isinstance(effect.approved.order, NewOrder)
                self._sent("new" if new else "replace", effect.approved.order.cl_ord_id)
            elif isinstance(effect, SendCancel):
                self._sent("cancel", effect.order.cl_ord_id)
        if isinstance(event, ev.ExecutionReport):
            self._reported(event)
        elif isinstance(event, ev.OrderCancelReject):
            self._events["cancel_rejected"].inc()
            self._answered(event.cl_ord_id)
        elif isinstance(event, ev.GateStarted):
            self._symbols = frozenset(i.symbol for i in event.instruments)
        elif isinstance(event, ev.SendFailed):
            self._asked.pop(event.ref_id, None)
        elif isinstance(event, ev.SessionUp):
            self._logons[event.session].inc()
            self._asked.clear()  # what was out before is asked for by status, not timed
        elif isinstance(event, ev.Kill):
            source = event.source if event.source in ("cli", "signal", "file") else "other"
            self._m.counter("steadyhand_kill_switch_activations_total", source=source).inc()

    def _sent(self, kind: str, cl_ord_id: str) -> None:
        self._events[kind].inc()
        self._fix_out.inc()
        if len(self._asked) < UNANSWERED_MAX:
            self._asked[cl_ord_id] = (kind, time.monotonic())

    def _answered(self, cl_ord_id: str) -> None:
        asked = self._asked.pop(cl_ord_id, None)
        if asked is not None:
            self._ack[asked[0]].observe(time.monotonic() - asked[1])

    def _reported(self, event: ev.ExecutionReport) -> None:
        self._answered(event.cl_ord_id)
        name = REPORT_EVENTS.get(event.exec_type)
        if name is not None:
            self._events[name].inc()
        if event.exec_type is ExecType.REJECTED:
            self._rejected.inc()
        if event.exec_type is ExecType.TRADE:
            side = "buy" if event.side is Side.BUY else "sell"
            symbol = event.symbol if event.symbol in self._symbols else "other"
            self._m.counter("steadyhand_fills_total", symbol=symbol, side=side).inc()
            shares = self._m.counter("steadyhand_fill_quantity_total", symbol=symbol, side=side)
            shares.inc(event.last_qty)
            money = self._m.counter("steadyhand_fill_notional_total", currency=self._currency)
            money.inc(event.last_qty * event.last_price_e4 / 1e4)

    def parent_ended(self, effect: ParentEnded) -> None:
        """A parent has ended."""
        self._m.counter("steadyhand_parents_total", result=effect.status).inc()

    def refresh(self, core: GateCore) -> None:
        """Set the gauges."""
        g = core.state
        self._killed.set(float(core.posture is Posture.KILLED))
        holding = Counter(key.partition("@")[0] for key in g.posture.causes)
        for cause, handle in self._causes.items():
            handle.set(holding[cause])
        self._working.set(g.ledger.open_orders)
        self._connected.set(float(bool(g.traders)))
        self._up["order"].set(float(g.session.up))
        self._up["reference"].set(float(g.references.up))
        asked = [c.asked_mono_ns for c in g.live_chains() if c.asked_mono_ns]
        waited_s = (time.monotonic_ns() - min(asked)) * 1e-9 if asked else -1.0
        self._oldest.set(time.time() - waited_s if waited_s >= 0 else 0.0)  # lockstep: not machine time
        for control, n in g.risk.refusals.items():
            more = n - self._seen_refusals.get(control, 0)
            if more:
                self._seen_refusals[control] = n
                self._refused.inc(more)
                self._count_control(control, more)
        for symbol, book in g.ledger.books.items():
            self._m.gauge("steadyhand_position_quantity", symbol=symbol).set(book.position)
        self._money(core)
        self._parents(core)
        self._risk.refresh(core)
        self._lines.refresh(core)

    def _count_control(self, control: str, more: int) -> None:
        if control in CONTROLS:
            self._m.counter("steadyhand_risk_refusals_total", control=control).inc(more)

    def _money(self, core: GateCore) -> None:
        g = core.state
        fees = sum(b.fees_micros for b in g.ledger.books.values())
        realised = sum(b.realised_e4 * 100 for b in g.ledger.books.values())
        values: dict[str, Any] = {
            "realized": realised - fees,
            "unrealized": g.risk.execution_micros - realised + fees,
            "fees": fees,
        }
        for kind, micros in values.items():
            gauge = self._m.gauge("steadyhand_pnl", kind=kind, currency=self._currency)
            gauge.set(micros / MICROS)

    def _parents(self, core: GateCore) -> None:
        counts = dict.fromkeys(("pending", "active", "paused", "ending", "done"), 0)
        for parent in core.state.parents.values():
            counts[STATES.get(parent.progress.status, "done")] += 1
        counts["done"] += core.state.archived.parents
        for state, n in counts.items():
            self._m.gauge("steadyhand_parents", state=state).set(n)
        for ended in self._slots.keep(core.state.live_parents):
            self._m.gauge("steadyhand_parent_executed_ratio", slot=ended).set(0)
            self._m.gauge("steadyhand_parent_shortfall_bps", slot=ended).set(0)
        for parent in core.state.live_parents.values():
            slot = self._slots.of(parent.order)
            if slot is not None:
                self._parent(slot, parent.order, parent.progress)

    def _parent(self, slot: str, order: ParentOrder, progress: Progress) -> None:
        ratio = progress.cum_qty / progress.qty
        self._m.gauge("steadyhand_parent_executed_ratio", slot=slot).set(ratio)
        deadline = self._m.gauge("steadyhand_parent_deadline_timestamp_seconds", slot=slot)
        deadline.set(order.end_ns / 1e9)
        if progress.cum_qty and progress.arrival_mid_micros:
            done = (progress.cum_qty, progress.cum_qty, progress.notional_e4)  # of what is filled, so far
            cost = shortfall_bps(order.side, *done, progress.arrival_mid_micros, None, progress.fees_micros)
            self._m.gauge("steadyhand_parent_shortfall_bps", slot=slot).set(cost)
