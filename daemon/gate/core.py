"""The gate's core: one event in, everything to be done out. No clock, no waiting, no chance.

    core = GateCore()
    core.step(stamp, GateStarted(...))            # the first event, and again after every start
    step = core.step(stamp, event)                # Step(effects): the shell acts in this order
    core.next_wake_ns(stamp)                      # market time of the next wish, 0 = none
    core.status(stamp); core.state_hash()

The same events give the same effects and the same state, which is what recovery and replay are.
"""

from collections.abc import Callable
from typing import Any, Final

from daemon.gate import amend as gate_amend
from daemon.gate import at_send as gate_at_send
from daemon.gate import basket as gate_basket
from daemon.gate import chains as gate_chains
from daemon.gate import commands as gate_commands
from daemon.gate import conditions as gate_conditions
from daemon.gate import day as gate_day
from daemon.gate import drop_copy as gate_drop_copy
from daemon.gate import ended_parents
from daemon.gate import intents as gate_intents
from daemon.gate import oms as gate_oms
from daemon.gate import oms_reports as gate_oms_reports
from daemon.gate import parents as gate_parents
from daemon.gate import people as gate_people
from daemon.gate import positions as gate_positions
from daemon.gate import reports as gate_reports
from daemon.gate import retiring as gate_retiring
from daemon.gate import sessions as gate_sessions
from daemon.gate import status as gate_status
from daemon.gate import stops as gate_stops
from daemon.gate import traders as gate_traders
from daemon.gate.effects import Step
from daemon.gate.state import GateState
from market import copy_events as copy
from market import desk_events as desk
from market import events as ev
from market import oms_events as oms
from market import people_events as people
from market import position_events as position
from risk.posture import Posture

Rule = Callable[[GateState, ev.Stamp, Any], None]
WATCH_NS: Final = 50_000_000  # losses are marked with every picture, at most 20 times a second
WATCHED: Final = frozenset({ev.ExecutionReport, ev.Timer, ev.Rearm})  # and with each of these


class GateCore:
    """All state is in `state`; `step` is the only thing that changes it."""

    def __init__(self) -> None:
        self.state = GateState()
        self._watched_ns = 0

    def step(self, stamp: ev.Stamp, event: ev.Event, more: bool = False) -> Step:
        """Take one event and return what is to be done, in order.

        `more`: the next one came with it; losses are marked, and the trader hears of parents, after the last.
        """
        g = self.state
        assert g.started or isinstance(event, ev.GateStarted), "the first event is GateStarted"
        g.effects = []
        if g.lockstep and g.references.up:
            # Each instant that the venue announces proves the line.
            g.references.alive_mono_ns = stamp.mono_ns
        if g.next_parent_ns:
            gate_parents.advance(g, stamp)
        rule = RULES.get(type(event))
        if rule is not None:
            rule(g, stamp, event)
        fast = type(event) in FAST
        if more:
            self._watched_ns = 0  # whatever comes next is late
        elif g.overlay is not None and not fast:
            self._routine(stamp, event)
        gate_stops.settle_posture(g, stamp)
        if g.posture.changes != g.carried_changes:
            g.carried_changes = g.posture.changes
            gate_stops.carry_out(g)
        if g.unwanted:
            gate_chains.pull(g, stamp)
        if not fast:
            self._tell_touched(stamp, event, more)  # an intent's parent: with the order's first report
            gate_retiring.let_go(g, stamp)
            ended_parents.let_go(g)
        return Step(tuple(g.effects))

    def _routine(self, stamp: ev.Stamp, event: ev.Event) -> None:
        """What time and prices bring about."""
        g = self.state
        gate_parents.advance(g, stamp)
        gate_sessions.reconcile(g, stamp)
        if isinstance(event, ev.Timer):
            gate_day.tick(g, stamp)
            gate_conditions.tick(g, stamp)
            gate_drop_copy.tick(g, stamp)
            gate_chains.overdue(g, stamp)
            gate_chains.pull_unfit(g, stamp)
            gate_parents.tell_headroom(g, stamp)
        late = stamp.mono_ns - self._watched_ns >= WATCH_NS
        if type(event) in WATCHED or late:
            self._watched_ns = stamp.mono_ns
            g.risk.watch(stamp)

    def _tell_touched(self, stamp: ev.Stamp, event: ev.Event, more: bool) -> None:
        """Tell the OMS of each change, and the trader how it stands after the last of many."""
        g = self.state
        touched = g.touched
        if not more:
            g.touched = {}
        for parent_id in touched:
            parent = g.parents.get(parent_id)
            if parent is not None:
                if not more:
                    gate_parents.tell(g, stamp, parent)
                gate_oms_reports.look(g, stamp, parent, event)

    def become(self, other: "GateCore") -> None:
        """Take another core's state over; that one is used no more."""
        self.__dict__.update(other.__dict__)

    @property
    def open_orders(self) -> int:
        """Chains that can still trade."""
        return self.state.ledger.open_orders

    @property
    def posture(self) -> Posture:
        """What the gate may do."""
        return self.state.posture.posture

    def next_wake_ns(self, stamp: ev.Stamp) -> int:
        """Return the market time at which this core wants a Timer, 0 = none."""
        g = self.state
        wishes = [g.next_parent_ns] if g.next_parent_ns else []
        if g.lockstep:  # machine time is market time: what waits for it must be woken by it
            wishes += [u.next_mono_ns for c, u in g.unwanted.items() if g.chains[c].may_cancel]
            age_ns = g.risk.limits.sessions.ack_age_max_ms * 1_000_000
            wishes += [c.asked_mono_ns + (c.queries + 1) * age_ns for c in g.live_chains() if c.asked_mono_ns]
        return max(min(wishes), stamp.ts_ns + 1) if wishes else 0

    def status(self, stamp: ev.Stamp, orders: str = "all") -> dict[str, Any]:
        """Return how everything stands, for people and programs. `orders`: all, held, live, or a ClOrdID."""
        return gate_status.status(self.state, stamp, orders)

    def state_hash(self, whole: bool = True) -> str:
        """Return a hash of the state, or of what lives in it: equal after equal events."""
        return self.state.digest(whole)


def reference_price(g: GateState, stamp: ev.Stamp, event: ev.ReferencePrice) -> None:
    """A new picture: marks, arrival prices, and who may trade."""
    picture = g.references.take(event, stamp.mono_ns, g.risk.limits.market)
    g.risk.priced(event, stamp)
    gate_day.begin_first_day(g, stamp)
    held = f"R06@S/{event.symbol}" in g.posture.causes
    if held and not g.references.fault(picture, stamp.mono_ns, g.risk.market_of(event.symbol)):
        gate_chains.fit_again(g, stamp, event.symbol)
    for parent in list(g.live_parents.values()):
        if parent.order.symbol == event.symbol:
            if parent.progress.arrival_mid_micros is None:
                gate_parents.read_arrival(g, stamp, parent)
            _tell_if_flipped(g, stamp, parent)


def security_status(g: GateState, stamp: ev.Stamp, event: ev.SecurityStatus) -> None:
    """A halt, or its end."""
    g.references.take_status(event, stamp.mono_ns)
    gate_conditions.halt(g, stamp, event)
    g.note("info", "security status", symbol=event.symbol, trading=event.trading, text=event.text)
    for parent in g.live_parents.values():
        if parent.order.symbol == event.symbol:
            g.touched[parent.order.parent_id] = None


def _tell_if_flipped(g: GateState, stamp: ev.Stamp, parent: Any) -> None:
    """Say at once where a parent can trade again, or no longer; anything else may wait."""
    told = parent.told
    if told is not None and told[2].can_trade != gate_parents.can_trade(g, stamp, parent):
        g.touched[parent.order.parent_id] = None


def reference_alive(g: GateState, stamp: ev.Stamp, event: ev.ReferenceAlive) -> None:
    """A heartbeat of the reference line."""
    g.references.alive_mono_ns = stamp.mono_ns - event.late_ns


def execution_report(g: GateState, stamp: ev.Stamp, event: ev.ExecutionReport) -> None:
    """35=8, or the answer to a question."""
    if not gate_sessions.answered(g, event):
        gate_reports.report(g, stamp, event)
    gate_drop_copy.told(g, stamp, event)


RULES: Final[dict[type[ev.Event], Rule]] = {
    ev.GateStarted: gate_sessions.started,
    ev.SessionUp: gate_sessions.session_up,
    ev.SessionDown: gate_sessions.session_down,
    ev.ExecutionReport: execution_report,
    ev.OrderCancelReject: gate_reports.cancel_reject,
    ev.MassCancelReport: gate_reports.mass_cancel_report,
    ev.MessageRejected: gate_reports.message_rejected,
    ev.SendFailed: gate_reports.send_failed,
    ev.SendDue: gate_at_send.due,
    ev.MessagesSkipped: gate_sessions.skipped,
    ev.MessagesUnsent: gate_sessions.unsent,
    ev.MessagesMissing: gate_sessions.missing,
    ev.EngineAlarm: gate_sessions.engine_alarm,
    ev.ReferencePrice: reference_price,
    ev.ReferenceAlive: reference_alive,
    ev.SecurityStatus: security_status,
    ev.SubmitParent: gate_parents.submit,
    ev.AmendParent: gate_amend.amend,
    ev.PauseParent: gate_parents.pause,
    ev.ResumeParent: gate_parents.resume,
    ev.CancelParent: gate_parents.cancel,
    ev.Kill: gate_stops.kill,
    ev.Rearm: gate_people.unsigned_rearm,
    people.StopScope: gate_stops.stop_scope,
    people.SubmitBasket: gate_basket.submit,
    people.SignedCommand: gate_commands.signed,
    ev.Shutdown: gate_stops.shutdown,
    oms.OmsNew: gate_oms.new,
    oms.OmsReplace: gate_oms.replace,
    oms.OmsCancel: gate_oms.cancel,
    oms.OmsStatus: gate_oms.status,
    oms.OmsUnfit: gate_oms.unfit,
    oms.OmsSession: gate_oms.session,
    copy.DropCopied: gate_drop_copy.copied,
    copy.DropCopyLine: gate_drop_copy.line,
    position.PositionsAcked: gate_positions.acked,
    position.PositionTold: gate_positions.told,
    desk.Condition: gate_conditions.condition,
    desk.MachineMeasured: gate_conditions.measured,
    desk.LeaseRenewed: gate_conditions.lease_renewed,
    desk.RestrictedListed: gate_conditions.restricted_listed,
    desk.LimitSignal: gate_conditions.limit_signal,
    desk.DayStarted: gate_day.day_started,
    ev.ClockAnchor: gate_conditions.clock_anchor,
    ev.TraderHello: gate_traders.hello,
    ev.TraderGone: gate_traders.gone,
    ev.TraderStatus: gate_traders.status,
    ev.SubmitIntent: gate_intents.submit,
    ev.ReplaceIntent: gate_intents.replace,
    ev.CancelIntent: gate_intents.cancel,
}
# On the way of an order nothing is done that can wait for the next price or timer.
FAST: Final = frozenset({ev.SubmitIntent, ev.ReplaceIntent, ev.CancelIntent, ev.ReferenceAlive})
